"""Who holds a role: counts for lists, people and teams by name for the role's own page."""

from dataclasses import dataclass

from orgs.access.places import RoleHolders, places
from orgs.teams.models import Team
from zenpro_site.common.sql import counts_in

from .models import Role

SHOWN = 20


@dataclass(frozen=True)
class Holders:
    """`people` and `teams` are the first of those that hold it directly; `everybody` counts members of teams too."""

    people: list
    people_count: int
    teams: list
    teams_count: int
    invited: int
    everybody: int
    tenants: int

    @property
    def none(self) -> bool:
        return not (self.people_count or self.teams_count or self.invited)


def holders(role: Role) -> Holders:
    """Everyone who holds the role, in as many queries for any number."""
    people, teams, invited, where = _held(role)
    numbers = {"people_count": people, "teams_count": teams, "invited": invited, "tenants": where}
    inside = Team.user_set.through.objects.filter(group__among=teams.order_by().values("pk"))
    everybody = people.order_by().values("user").union(inside.values("user"))
    return Holders(
        people=list(people.select_related("user")[:SHOWN]),
        teams=list(teams.order_by("label")[:SHOWN]),
        everybody=everybody.count(),
        **counts_in(role.organization, **numbers),
    )


def _held(role: Role) -> RoleHolders:
    """Who holds it where. A role of the organization is given at no place."""
    held, organization = places().held(role), role.organization
    if role.level == Role.Level.TENANT:
        return held
    return held._replace(
        memberships=organization.memberships.filter(role=role.slug),
        teams=organization.teams.filter(org_role=role.slug),
        invitations=organization.invitations.open().filter(role=role.slug),
    )
