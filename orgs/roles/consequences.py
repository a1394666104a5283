"""What editing a role would do to the people who hold it."""

from collections.abc import Iterable

from django.contrib.auth import get_user_model

from orgs.access.places import places
from orgs.roles.role_effects import Consequence, consequence
from orgs.roles.state import Effect, Holding, RolesState, compare

from .models import Role, RolePermission

LOOKED_UP = 500  # people among whom those to be named are found


def of_editing(role: Role, rights: Iterable[str], *, sees_people: bool, sees_tenants: bool) -> Consequence:
    """Who gains and who loses when the role gets exactly these rights. At most six queries, for any number of holders.

    Names are given to those who may read them.
    """
    state = places().state(role) if role.level == Role.Level.TENANT else _organization_state(role)
    effects = compare(state, state.with_rights(role.pk, rights))
    named = _named_place(role, effects) if sees_tenants else {}
    return consequence(effects, role.level, names_of(effects) if sees_people else {}, named)


def names_of(effects: list[Effect]) -> dict:
    """User id -> name, for the first of those the effects are about."""
    people = list({effect.person for effect in effects})[:LOOKED_UP]
    found = get_user_model().objects.filter(pk__in=people) if people else ()
    return {user.pk: str(user) for user in found}


def _named_place(role: Role, effects: list[Effect]) -> dict:
    """The name of a place that is the only one."""
    found = {effect.place for effect in effects}
    if role.level == Role.Level.ORGANIZATION or len(found) != 1:
        return {}
    return places().names(role.organization, found)


def _organization_state(role: Role) -> RolesState:
    """Organization roles of everyone who has this one, their own and those of their teams."""
    organization = role.organization
    everybody = organization.memberships.filter(user__is_active=True)
    teams = organization.teams.filter(user__in=everybody.values("user")).exclude(org_role="")
    held = [
        *everybody.values_list("user", "role"),
        *teams.order_by().values_list("user", "org_role"),
    ]
    touched = {user for user, slug in held if slug == role.slug}
    ids = dict(organization.roles.organization_level().values_list("slug", "pk"))
    rows = [(user, ids[slug]) for user, slug in held if user in touched and slug in ids]
    holdings = frozenset(Holding(organization.pk, user, one) for user, one in rows)
    rights = RolePermission.objects.by_role({one for _, one in rows})
    return RolesState(holdings, {user: frozenset([user]) for user in touched}, rights)
