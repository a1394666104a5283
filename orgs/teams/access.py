"""Which teams of an organization a person sees, and whose members they manage."""

from orgs.access.places import places
from orgs.models import Organization
from orgs.permissions import Permission

from .models import Team


def teams_visible_to(user, organization: Organization, rights):
    """All teams for those who may see them, else the person's own. `rights`: what permissions_of says."""
    if Permission.TEAM_VIEW in rights:
        return organization.teams.all()
    return organization.teams.filter(pk__in=user.groups.values("pk"))


def gives_too_much(user, team: Team, rights) -> str:
    """Why joining this team would give what the user could not give directly, as a sentence; empty when it would not.

    `rights`: what permissions_of says of the user.
    """
    if team.org_role and Permission.MEMBER_MANAGE not in rights:
        return f"{team} has a role in the organization, and you can't assign roles in the organization."
    if places().are_beyond(team, user, rights):
        return f"{team} has roles on tenants whose access you don't manage. Ask an Admin."
    return ""


def manages_members(user, team: Team, rights) -> bool:
    """Can the user add and remove people of this team: with the right to manage teams, or as its maintainer?

    `rights`: what permissions_of says; empty for outsiders and for people who can't sign in.
    """
    return Permission.TEAM_MANAGE in rights or (bool(rights) and is_maintainer(user, team))


def is_maintainer(user, team: Team) -> bool:
    """Someone who has left the team no longer counts as a maintainer."""
    return team.maintainers.filter(user=user, user__groups=team.pk).exists()
