"""What pages show about members: teams, tenants, and whether a role can be changed here."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q
from django.utils import timezone

from .models import Membership, Organization
from .permissions import Permission
from .roles.models import Role
from .teams.models import Team


@dataclass
class Row:
    """A member in a list. `locked`: why her role cannot be changed here; `choices`: roles she can be given."""

    membership: Membership
    role_name: str
    locked: str
    choices: Sequence[Role]
    teams: list[Team]
    tenants: str


@dataclass
class TenantRoles:
    """What a member holds on one tenant: grants strongest first; the first one decides."""

    tenant: object
    grants: list


def rows(request, members: Sequence[Membership]) -> list[Row]:
    """Rows for these members, in order, as the person of the request may see them; as many queries for any number."""
    org = request.org
    roles = {role.slug: role for role in org.roles.organization_level().prefetch_related("permissions")}
    admins = set(org.memberships.active_admins().values_list("pk", flat=True)[:2])
    choices = [role for role in roles.values() if role.rights <= request.org_permissions]
    teams, tenants = _teams_of(org, members), _tenants_of(request, members)
    return [
        Row(
            membership=member,
            role_name=roles[member.role].name if member.role in roles else member.role,
            locked=_lock(request, member, roles.get(member.role), admins == {member.pk}),
            choices=choices,
            teams=teams[member.user_id],
            tenants=tenants(member, roles.get(member.role)),
        )
        for member in members
    ]


def _lock(request, member: Membership, role: Role | None, is_last_admin: bool) -> str:
    if is_last_admin:
        return "The only Admin"
    if member.user_id == request.user.pk:
        return "Your own role"
    if role and not role.rights <= request.org_permissions:
        return "May do more than you"
    return ""


def _teams_of(org: Organization, members) -> dict:
    found = defaultdict(list)
    users = [member.user_id for member in members]
    for team in org.teams.filter(user__in=users).annotate(member=F("user")):
        found[team.member].append(team)
    return found


def visible_tenants(request):
    """Tenants that the person of the request sees: pages never tell of others."""
    return request.org.tenants.visible_to(request.user, request.org_permissions)


def _tenants_of(request, members):
    """A function (membership, its role) -> words for the number of tenants she is in."""
    tenants = visible_tenants(request)
    total, people = tenants.count(), {member.user_id: member.pk for member in members}
    valid = Q(grants__expires_at=None) | Q(grants__expires_at__gt=timezone.now())
    direct = tenants.filter(valid, grants__membership__in=people.values())
    by_team = tenants.filter(valid, grants__team__user__in=people)
    held = defaultdict(set)
    for member, tenant in direct.values_list("grants__membership", "pk"):
        held[member].add(tenant)
    for user, tenant in by_team.values_list("grants__team__user", "pk"):
        held[people[user]].add(tenant)

    def words(member: Membership, role: Role | None) -> str:
        if total and role and Permission.TENANT_MANAGE_ALL in role.rights:
            return f"All {total}"
        return f"{len(held[member.pk])} of {total}" if held[member.pk] else "None"

    return words


def tenant_roles(request, member: Membership) -> list[TenantRoles]:
    """Tenants on which the member holds a role, by name, with every grant and its source."""
    found = []
    for tenant in visible_tenants(request).order_by("name"):
        is_hers = Q(membership=member) | Q(team__user=member.user_id)
        grants = tenant.grants.valid().filter(is_hers).select_related("role", "team", "granted_by").distinct()
        if held := list(grants.order_by("role__rank")):
            found.append(TenantRoles(tenant, held))
    return found
