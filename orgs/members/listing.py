"""What pages show about members: teams, and whether a role can be changed here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import OuterRef, Q, TextField
from django.db.models.functions import Cast
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from orgs.models import Membership, Organization, OrgRole
from orgs.teams.models import Team
from orgs.users.sessions import living
from zenpro_site.common.sql import Joined, counts_in

SELECTED = SafeString(" selected")


@dataclass(frozen=True)
class OrganizationRole:
    """One of the organization's roles with its rights."""

    slug: str
    name: str
    rank: int
    rights: frozenset[str]


@dataclass
class MemberRow:
    """A member in a list. `locked`: why their role can't be changed here; `choices`: roles they can be given,
    `options`: the same for a <select>."""

    membership: Membership
    role_name: str
    locked: str
    choices: Sequence[OrganizationRole]
    options: SafeString
    teams: list[Team]


@dataclass(frozen=True)
class Sessions:
    """Browsers in which a person is signed in."""

    count: int
    seen: datetime | None


def matching(members, text: str):
    """Members whose name or address has every word of the text."""
    for word in text.split()[:5]:
        members = members.filter(Q(user__name__icontains=word) | Q(user__email__icontains=word))
    return members


def counts_of(organization: Organization, found=None) -> dict[str, int]:
    """How many people, service accounts, teams and open invitations are in it, how many can sign in as Admin, and how many
    are among the memberships `found` (None: all people). One query.
    """
    members, numbers = Membership.objects, {}
    robots = members.filter(user__in=get_user_model().objects.filter(is_service_account=True))
    admins = members.filter(role=OrgRole.ADMIN, user__is_active=True, user__is_service_account=False)
    if found is not None:
        numbers["found"] = found
    numbers |= {"all": members.all(), "robots": robots, "admins": admins}
    numbers |= {"teams": organization.teams.all(), "invitations": organization.invitations.open()}
    counts = counts_in(organization, **numbers)
    people = counts["all"] - counts["robots"]
    return {"people": people, "found": people, **counts}


def roles_of(organization: Organization) -> dict[str, OrganizationRole]:
    """The roles members can hold, strongest first, by slug. One query."""
    rights, facts = defaultdict(set), {}
    found = organization.roles.organization_level().order_by("rank", "name")
    for slug, name, rank, resource, action in found.values_list(
        "slug", "name", "rank", "permissions__resource", "permissions__action"
    ):
        facts[slug] = (slug, name, rank)
        rights[slug].add(f"{resource}:{action}")
    return {slug: OrganizationRole(*fact, frozenset(rights[slug])) for slug, fact in facts.items()}


def rows(request, members: Sequence[Membership], counts=None, roles=None, teams=None) -> list[MemberRow]:
    """Rows for these members, in order, as the person of the request may see them; as many queries for any number.

    `counts`, `roles` and `teams`: what counts_of and roles_of said, and all teams of the organization, when known.
    Members that were read with placed() spare another query.
    """
    org = request.org
    roles = roles or roles_of(org)
    is_only_admin = (counts or counts_of(org))["admins"] == 1
    choices = [role for role in roles.values() if role.rights <= request.org_permissions]
    named = [(role.slug, role.name) for role in choices]
    by_role = {slug: options(named, slug) for slug in {member.role for member in members}}
    here = _placed(org, members)
    team_of = _teams_of(org, teams, here)
    return [
        MemberRow(
            membership=member,
            role_name=roles[member.role].name if member.role in roles else member.role,
            locked=_lock(request, member, roles.get(member.role), is_only_admin),
            choices=choices,
            options=by_role[member.role],
            teams=team_of[member.pk],
        )
        for member in members
    ]


def options(choices: Iterable[tuple[object, str]], chosen: str = "") -> SafeString:
    """The <option>s of (value, name) pairs, made once for all rows and not by a template for each."""
    rows = ((value, SELECTED if str(value) == chosen else "", name) for value, name in choices)
    return format_html_join("", '<option value="{}"{}>{}</option>', rows)


def _lock(request, member: Membership, role: OrganizationRole | None, is_only_admin: bool) -> str:
    user = member.user
    if is_only_admin and member.role == OrgRole.ADMIN and user.is_active and not user.is_service_account:
        return "The only Admin"
    if member.user_id == request.user.pk:
        return "Your own role"
    if role and not role.rights <= request.org_permissions:
        return "Can do more than you"
    return ""


def placed(members):
    """The memberships by name with what rows() shows beside each: `team_keys`.

    `members` may be a page of a query set: the databases would look this up for everyone before they sort.
    """
    inside = Team.user_set.through.objects.order_by()
    shown = Membership.objects.filter(pk__among=members.values("pk")).select_related("user", "organization")
    return shown.order_by("user__name", "user__email").annotate(
        team_keys=Joined(inside.filter(user=OuterRef("user")).values(text=Cast("group", TextField()))),
    )


def _placed(org: Organization, members: Sequence[Membership]) -> dict:
    """Key of a member -> the member as placed() reads them. One query when the list was made without it."""
    if any(not hasattr(member, "team_keys") for member in members):
        members = placed(org.memberships.filter(pk__in=[member.pk for member in members]))
    return {member.pk: member for member in members}


def _teams_of(org: Organization, teams, placed: dict) -> dict:
    """Key of a member -> their teams by name."""
    teams = list(org.teams.all() if teams is None else teams)
    for team in teams:
        team.organization = org
    keys = {pk: set((member.team_keys or "").split()) for pk, member in placed.items()}
    return {pk: [team for team in teams if str(team.pk) in mine] for pk, mine in keys.items()}


def role_sources(
    row: MemberRow, roles: dict[str, OrganizationRole]
) -> list[tuple[OrganizationRole, Team | None]]:
    """Every organization role the member has with the team it comes from, strongest first; None: assigned directly."""
    found = [(roles.get(row.membership.role), None)]
    found += [(roles.get(team.org_role), team) for team in row.teams]
    return sorted((pair for pair in found if pair[0]), key=lambda pair: pair[0].rank)


def sessions_of(person) -> Sessions:
    """For any person; people see their own sessions one by one in their settings."""
    rows = living(person)
    return Sessions(len(rows), max((row.last_seen_at for row in rows), default=None))
