"""Who holds a role: counts for lists, people and teams by name for the role's own page."""

from dataclasses import dataclass

from orgs.invitations.models import Invitation
from orgs.models import Membership
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
    people, teams, invited = _of_tenant(role) if role.level == Role.Level.TENANT else _of_organization(role)
    numbers = {"people_count": people, "teams_count": teams, "invited": invited, "tenants": _tenants(role)}
    inside = Team.user_set.through.objects.filter(group__among=teams.order_by().values("pk"))
    everybody = people.order_by().values("user").union(inside.values("user"))
    return Holders(
        people=list(people.select_related("user")[:SHOWN]),
        teams=list(teams.order_by("label")[:SHOWN]),
        everybody=everybody.count(),
        **counts_in(role.organization, **numbers),
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
    promised = Invitation.tenant_grants.rel.related_model.objects.filter(role=role)
    return (
        # Not once more of this organization: databases would look through all its members for it.
        Membership.objects.filter(pk__in=grants.exclude(membership=None).values("membership")),
        organization.teams.filter(pk__among=grants.exclude(team=None).values("team")),
        organization.invitations.open().filter(pk__in=promised.values("invitation")),
    )


def _live(role: Role):
    return role.grants.exclude(tenant__desired_state="deleted").order_by()


def _tenants(role: Role):
    """Tenants on which it is given; none for a role of the organization."""
    return role.organization.tenants.filter(pk__in=_live(role).values("tenant"))
