"""What pages show about members: teams, tenants, and whether a role can be changed here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone

from .models import Membership, Organization, OrgRole
from .permissions import Permission
from .teams.models import Team
from .users.sessions import living


@dataclass(frozen=True)
class OrganizationRole:
    """One of the organization's roles with its rights."""

    slug: str
    name: str
    rank: int
    rights: frozenset[str]


@dataclass
class Row:
    """A member in a list. `locked`: why her role cannot be changed here; `choices`: roles she can be given."""

    membership: Membership
    role_name: str
    locked: str
    choices: Sequence[OrganizationRole]
    teams: list[Team]
    tenants: str


@dataclass(frozen=True)
class Held:
    """A role on a tenant and where it comes from: a team, or somebody who gave it directly."""

    role: str
    team: Team | None
    ends: datetime | None
    by: str


@dataclass
class TenantRoles:
    """What a member holds on one tenant: strongest first; the first one decides."""

    tenant: object
    held: list[Held]


@dataclass(frozen=True)
class Sessions:
    """Browsers in which somebody is signed in."""

    count: int
    seen: datetime | None


def matching(members, text: str):
    """Members whose name or address has every word of the text."""
    for word in text.split()[:5]:
        members = members.filter(Q(user__name__icontains=word) | Q(user__email__icontains=word))
    return members


def counts_of(organization: Organization) -> dict[str, int]:
    """How many people and service accounts are in it, and how many of them can sign in as Admin. One query."""
    is_robot = Q(user__is_service_account=True)
    is_admin = Q(role=OrgRole.ADMIN, user__is_active=True) & ~is_robot
    numbers = {"people": ~is_robot, "robots": is_robot, "admins": is_admin}
    counts = {name: Count("pk", filter=condition) for name, condition in numbers.items()}
    return organization.memberships.order_by().aggregate(**counts)


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


def rows(request, members: Sequence[Membership], counts=None, roles=None, teams=None) -> list[Row]:
    """Rows for these members, in order, as the person of the request may see them; as many queries for any number.

    `counts`, `roles` and `teams`: what counts_of and roles_of said, and all teams of the organization, when known.
    """
    org = request.org
    roles = roles or roles_of(org)
    is_only_admin = (counts or counts_of(org))["admins"] == 1
    choices = [role for role in roles.values() if role.rights <= request.org_permissions]
    team_of, tenants = _teams_of(org, members, teams), _tenants_of(request, members)
    return [
        Row(
            membership=member,
            role_name=roles[member.role].name if member.role in roles else member.role,
            locked=_lock(request, member, roles.get(member.role), is_only_admin),
            choices=choices,
            teams=team_of[member.user_id],
            tenants=tenants(member, roles.get(member.role)),
        )
        for member in members
    ]


def _lock(request, member: Membership, role: OrganizationRole | None, is_only_admin: bool) -> str:
    user = member.user
    if is_only_admin and member.role == OrgRole.ADMIN and user.is_active and not user.is_service_account:
        return "The only Admin"
    if member.user_id == request.user.pk:
        return "Your own role"
    if role and not role.rights <= request.org_permissions:
        return "May do more than you"
    return ""


def _teams_of(org: Organization, members, teams=None) -> dict:
    """Key of a person -> her teams by name. Two queries, one when the teams are known."""
    by_key = {team.pk: team for team in (org.teams.all() if teams is None else teams)}
    users = [member.user_id for member in members]
    found = defaultdict(list)
    for user, team in org.teams.filter(user__in=users).order_by("label").values_list("user", "pk"):
        if team in by_key:
            by_key[team].organization = org
            found[user].append(by_key[team])
    return found


def visible_tenants(request):
    """Tenants that the person of the request sees: pages never tell of others."""
    return request.org.tenants.visible_to(request.user, request.org_permissions)


def _tenants_of(request, members):
    """A function (membership, its role) -> words for the number of tenants she is in."""
    if not hasattr(request, "tenants"):
        request.tenants = list(visible_tenants(request))  # the frame of the page lists them as well
    total, held = len(request.tenants), _held(request, members)

    def words(member: Membership, role: OrganizationRole | None) -> str:
        if total and role and Permission.TENANT_MANAGE_ALL in role.rights:
            return f"All {total}"
        return f"{len(held[member.user_id])} of {total}" if held[member.user_id] else "None"

    return words


def _held(request, members) -> dict:
    """Key of a person -> keys of the visible tenants on which she holds a role. One query."""
    people = {member.pk: member.user_id for member in members}
    tenants = request.org.tenants.filter(pk__in=[tenant.pk for tenant in request.tenants]).order_by()
    direct = tenants.filter(_valid(), grants__membership__in=people)
    by_team = tenants.filter(_valid(), grants__team__user__in=people.values())
    pairs = direct.values_list("grants__membership__user", "pk")
    held = defaultdict(set)
    for user, tenant in pairs.union(by_team.values_list("grants__team__user", "pk")):
        held[user].add(tenant)
    return held


def _valid() -> Q:
    return Q(grants__expires_at=None) | Q(grants__expires_at__gt=timezone.now())


def tenant_roles(request, member: Membership) -> list[TenantRoles]:
    """Tenants on which the member holds a role, by name, each role with its source. Three queries."""
    teams = {team.pk: team for team in request.org.teams.filter(user=member.user_id)}
    is_hers = Q(grants__membership=member) | Q(grants__team__in=teams)
    tenants = {tenant.pk: tenant for tenant in visible_tenants(request).order_by("name")}
    grants = request.org.tenants.filter(_valid(), is_hers, pk__in=tenants)
    values = ("pk", "grants__role__name", "grants__team", "grants__expires_at", "grants__granted_by__name")
    held = defaultdict(list)
    for tenant, role, team, ends, by in grants.order_by("grants__role__rank").values_list(*values):
        held[tenant].append(Held(role, teams.get(team), ends, by or ""))
    return [TenantRoles(tenant, held[key]) for key, tenant in tenants.items() if held[key]]


def role_sources(row: Row, roles: dict[str, OrganizationRole]) -> list[tuple[OrganizationRole, Team | None]]:
    """Every organization role the member has with the team it comes from, strongest first; None: her own."""
    found = [(roles.get(row.membership.role), None)]
    found += [(roles.get(team.org_role), team) for team in row.teams]
    return sorted((pair for pair in found if pair[0]), key=lambda pair: pair[0].rank)


def sessions_of(person) -> Sessions:
    """Of anybody; her own she sees one by one in her settings."""
    rows = living(person)
    return Sessions(len(rows), max((row.last_seen_at for row in rows), default=None))
