"""Members of an organization with the tenants they can enter, as far as the person who looks can see those."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, TextField
from django.db.models.functions import Cast

from orgs.access.gate import members_who_can
from orgs.members import listing
from orgs.models import Membership, Organization
from orgs.permissions import Permission
from orgs.teams.models import Team
from tenants.models import TenantGrant
from zenpro_site.common.sql import Joined

PLACED = ("team_keys", "manages", "own_tenants", "team_tenants")  # what placed() puts on a membership


@dataclass
class TenantMemberRow(listing.MemberRow):
    """A member in a list. `tenants`: words for the number of tenants they can enter; `manages`: all of them, by their
    own organization role, a team's, or as a superuser."""

    tenants: str
    manages: bool


@dataclass(frozen=True)
class HeldRole:
    """A role on a tenant and where it comes from: a team, or someone who assigned it directly."""

    role: str
    team: Team | None
    ends: datetime | None
    by: str


@dataclass
class TenantRoles:
    """What a member holds on one tenant: strongest first; the first one decides."""

    tenant: object
    held: list[HeldRole]


def visible_tenants(request):
    """Tenants that the person of the request sees: pages never tell of others."""
    return request.org.tenants.visible_to(request.user, request.org_permissions)


def placed(organization: Organization, members):
    """What listing.placed says, and what each may enter: whether they manage every tenant (`manages`), and the tenants
    on which they hold a role directly (`own_tenants`) and through teams (`team_tenants`).
    """
    inside = Team.user_set.through.objects.order_by().filter(user=OuterRef(OuterRef("user")))
    grants, keys = TenantGrant.objects.valid().order_by(), {"text": Cast("tenant", TextField())}
    of_teams = grants.filter(team__among=inside.values("group"))
    managers = members_who_can(Permission.TENANT_MANAGE_ALL, organization)
    return listing.placed(members).annotate(
        manages=ExpressionWrapper(Q(pk__among=managers.values("pk")), BooleanField()),
        own_tenants=Joined(grants.filter(membership=OuterRef("pk")).values(**keys)),
        team_tenants=Joined(of_teams.values(**keys)),
    )


def rows(
    request, members: Sequence[Membership], counts=None, roles=None, teams=None
) -> list[TenantMemberRow]:
    """What listing.rows says, with tenants. Members that were read with placed() spare another query."""
    _place(request.org, members)
    words = _tenants_of(request)
    return [
        TenantMemberRow(**vars(row), tenants=words(row.membership), manages=row.membership.manages)
        for row in listing.rows(request, members, counts, roles, teams)
    ]


def _place(org: Organization, members: Sequence[Membership]) -> None:
    """Put what placed() reads on the members, where they were read without it."""
    if all(hasattr(member, "own_tenants") for member in members):
        return
    read = placed(org, org.memberships.filter(pk__in=[member.pk for member in members])).in_bulk()
    for member in members:
        for name in PLACED:
            setattr(member, name, getattr(read[member.pk], name))


def _tenants_of(request):
    """A function (membership as placed() reads it) -> words for the number of tenants they can enter."""
    if not hasattr(request, "tenants"):
        # The frame of the page lists them as well: what it shows.
        request.tenants = list(
            visible_tenants(request).only("organization", "slug", "name", "status", "silent_since")
        )
    total, visible = len(request.tenants), {tenant.pk for tenant in request.tenants}

    def words(member: Membership) -> str:
        if total and member.manages:
            return f"All {total}"
        held = f"{member.own_tenants or ''} {member.team_tenants or ''}".split()
        held = visible & {UUID(key) for key in set(held)}
        return f"{len(held)} of {total}" if held else "None"

    return words


def tenant_roles(request, member: Membership) -> list[TenantRoles]:
    """Tenants on which the member holds a role, by name, each role with its source. Three queries."""
    teams = {team.pk: team for team in request.org.teams.filter(user=member.user_id)}
    tenants = {tenant.pk: tenant for tenant in visible_tenants(request).order_by("name")}
    grants = TenantGrant.objects.valid().filter(Q(membership=member) | Q(team__in=teams), tenant__in=tenants)
    values = ("tenant", "role__name", "team", "expires_at", "granted_by__name")
    held = defaultdict(list)
    for tenant, role, team, ends, by in grants.order_by("role__rank").values_list(*values):
        held[tenant].append(HeldRole(role, teams.get(team), ends, by or ""))
    return [TenantRoles(tenant, held[key]) for key, tenant in tenants.items() if held[key]]
