"""Who gains and who loses rights through a change of grants, before it is saved."""

from collections.abc import Iterable

from orgs.models import Membership
from orgs.roles.consequences import names_of
from orgs.roles.models import Role, RolePermission
from orgs.roles.role_effects import Consequence, consequence
from orgs.roles.state import compare
from orgs.teams.models import Team
from tenants.models import Tenant, TenantGrant

Holder = Membership | Team


def of_setting(tenant: Tenant, holder: Holder, roles: Iterable[Role]) -> Consequence:
    """What happens when these become the direct roles of the holder. At most six queries, for any size of a team."""
    roles = {role.pk for role in roles}
    people = _people(holder)
    state = TenantGrant.objects.state_of(people, [tenant.pk])
    missing = RolePermission.objects.by_role(roles - state.rights.keys())
    state = state.with_more(rights=missing, people={holder.pk: people})
    effects = compare(state, state.with_roles(tenant.pk, holder.pk, roles))
    return consequence(effects, Role.Level.TENANT, names_of(effects), {tenant.pk: tenant.name}, people)


def of_giving(tenant: Tenant, holder: Holder, role: Role) -> Consequence:
    """What happens when the holder gets one more role."""
    return of_setting(tenant, holder, {*_held(tenant, holder), role})


def of_withdrawing(grant: TenantGrant) -> Consequence:
    """What happens when this grant ends."""
    left = [role for role in _held(grant.tenant, grant.holder) if role.pk != grant.role_id]
    return of_setting(grant.tenant, grant.holder, left)


def _held(tenant: Tenant, holder: Holder) -> list[Role]:
    grants = tenant.grants.held_by(holder)
    return [grant.role for grant in grants.select_related("role")]


def _people(holder: Holder) -> frozenset:
    """Ids of the active people the holder stands for."""
    if isinstance(holder, Membership):
        return frozenset([holder.user_id] if holder.user.is_active else [])
    return frozenset(holder.user_set.filter(is_active=True).values_list("pk", flat=True))
