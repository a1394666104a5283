"""Who holds a role: counts for lists, people and teams by name for the role's own page."""

from dataclasses import dataclass

from django.db.models import Q

from .models import Role

SHOWN = 20


@dataclass(frozen=True)
class Holders:
    """`people` and `teams` are the first of those that hold it themselves; `everybody` counts members of teams too."""

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
    """Everybody who holds the role, in as many queries for any number."""
    people, teams, invited = _of_tenant(role) if role.level == Role.Level.TENANT else _of_organization(role)
    members = role.organization.memberships
    everybody = members.filter(Q(pk__in=people.values("pk")) | Q(user__groups__in=teams.values("pk")))
    return Holders(
        people=list(people.select_related("user")[:SHOWN]),
        people_count=people.count(),
        teams=list(teams.order_by("label")[:SHOWN]),
        teams_count=teams.count(),
        invited=invited.distinct().count(),
        everybody=everybody.values("pk").distinct().count(),
        tenants=_tenants(role),
    )


def _of_organization(role: Role):
    organization = role.organization
    return (
        organization.memberships.filter(role=role.slug),
        organization.teams.filter(org_role=role.slug),
        organization.invitations.open().filter(role=role.slug),
    )


def _of_tenant(role: Role):
    organization, grants = role.organization, _live(role)
    return (
        organization.memberships.filter(pk__in=grants.values("membership")),
        organization.teams.filter(pk__in=grants.values("team")),
        organization.invitations.open().filter(tenant_grants__role=role),
    )


def _live(role: Role):
    return role.grants.exclude(tenant__desired_state="deleted").order_by()


def _tenants(role: Role) -> int:
    if role.level == Role.Level.ORGANIZATION:
        return 0
    return _live(role).values("tenant").distinct().count()
