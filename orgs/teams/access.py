"""Which teams of an organization a person sees."""

from orgs.models import Organization
from orgs.permissions import Permission


def teams_visible_to(user, organization: Organization, rights):
    """All teams for those who may see them, else the person's own. `rights`: what permissions_of says."""
    if Permission.TEAM_VIEW in rights:
        return organization.teams.all()
    return organization.teams.filter(pk__in=user.groups.values("pk"))
