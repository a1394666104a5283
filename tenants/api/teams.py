from datetime import datetime
from uuid import UUID

from django.db.models import Count
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.access.gate import refuse
from orgs.models import Membership
from orgs.permissions import Permission
from orgs.teams import actions
from orgs.teams.access import manages_members, teams_visible_to
from orgs.teams.forms import MemberForm, TeamForm
from orgs.teams.models import Team

from .callers import needs
from .problems import checked
from .shapes import Body, Page, Slice, Text, page_of

router = Router(tags=["Teams"])
TEAMS = "/organizations/{organization}/teams"
TEAM = TEAMS + "/{team}"
NAMES = {"label": "name", "org_role": "role"}


class TeamOut(Schema):
    id: UUID
    name: str
    description: str
    role: str | None = Field(description="Slug of the organization role that all its members have.")
    members: int
    created: datetime


class TeamNew(Body):
    name: Text = Field(examples=["risk-ml"])
    description: Text = ""
    role: Text | None = Field(
        None, description="Slug of an organization role; needs the right to manage members."
    )


class TeamChange(Body):
    """What is left out stays as it is."""

    name: Text | None = None
    description: Text | None = None
    role: Text | None = Field(None, description="Slug of an organization role, empty for none.")


class TeamMember(Schema):
    id: UUID = Field(description="Id of the membership, as in the list of members.")
    name: str
    email: str


class TeamMemberNew(Body):
    member: UUID = Field(description="Id in the list of members.")


def shown(team: Team) -> dict:
    return {
        "id": team.uuid,
        "name": team.label,
        "description": team.description,
        "role": team.org_role or None,
        "members": team.people if hasattr(team, "people") else team.user_set.count(),
        "created": team.created_at,
    }


def shown_member(member: Membership) -> dict:
    return {"id": member.pk, "name": str(member.user), "email": member.user.email}


def _visible(request):
    teams = teams_visible_to(request.user, request.org, request.org_permissions)
    return teams.annotate(people=Count("user", distinct=True)).order_by("label", "pk")


def _team(request, team: UUID) -> Team:
    return get_object_or_404(_visible(request), uuid=team)


def _managed(request, team: UUID) -> Team:
    """The team, for those who manage teams and for its maintainers."""
    found = _team(request, team)
    if not manages_members(request.user, found, request.org_permissions):
        refuse(request, Permission.TEAM_MANAGE, request.org)
    return found


def _members(request, team: Team):
    inside = request.org.memberships.filter(user__among=team.inside)
    return inside.select_related("user").order_by("user__name", "user__email")


@router.get(TEAMS, auth=needs(Permission.ORGANIZATION_VIEW), response=Page[TeamOut])
def team_list(request, organization: str, part: Query[Slice], q: Text = ""):
    """Teams by name; only your own without the right to see teams."""
    return page_of(_visible(request).filter(label__icontains=q), part, shown)


@router.post(TEAMS, auth=needs(Permission.TEAM_MANAGE), response={201: TeamOut})
def team_create(request, organization: str, body: TeamNew):
    words = _words(request, Team(organization=request.org), body)
    return shown(actions.create_team(organization=request.org, by=request.actor, **words))


@router.get(TEAM, auth=needs(Permission.ORGANIZATION_VIEW), response=TeamOut)
def team_get(request, organization: str, team: UUID):
    return shown(_team(request, team))


@router.patch(TEAM, auth=needs(Permission.TEAM_MANAGE), response=TeamOut)
def team_update(request, organization: str, team: UUID, body: TeamChange):
    """Change name, description, and the role of all its members."""
    found = _team(request, team)
    actions.update_team(team=found, by=request.actor, **_words(request, found, body))
    return shown(found)


@router.delete(TEAM, auth=needs(Permission.TEAM_MANAGE), response={204: None})
def team_delete(request, organization: str, team: UUID):
    """Delete the team; its members immediately lose what they had through it."""
    actions.delete_team(team=_team(request, team), by=request.actor)


@router.get(TEAM + "/members", auth=needs(Permission.ORGANIZATION_VIEW), response=Page[TeamMember])
def team_member_list(request, organization: str, team: UUID, part: Query[Slice]):
    return page_of(_members(request, _team(request, team)), part, shown_member)


@router.post(TEAM + "/members", auth=needs(Permission.ORGANIZATION_VIEW), response={201: TeamMember})
def team_member_add(request, organization: str, team: UUID, body: TeamMemberNew):
    """Add a member of the organization to the team; they get its rights immediately. Maintainers can do this too."""
    found = _managed(request, team)
    people = request.org.memberships.select_related("user")
    member = checked(MemberForm({"membership": body.member}, people=people), membership="member")[
        "membership"
    ]
    actions.add_member(team=found, user=member.user, by=request.actor)
    return shown_member(member)


@router.delete(TEAM + "/members/{member}", auth=needs(Permission.ORGANIZATION_VIEW), response={204: None})
def team_member_remove(request, organization: str, team: UUID, member: UUID):
    """Remove someone from the team; they lose its rights immediately. Maintainers can do this too."""
    found = _managed(request, team)
    actions.remove_member(
        team=found, user=get_object_or_404(_members(request, found), pk=member).user, by=request.actor
    )


def _words(request, team: Team, body: TeamNew | TeamChange) -> dict:
    """What the page's form makes of the body."""
    if body.role is not None and Permission.MEMBER_MANAGE not in request.org_permissions:
        refuse(request, Permission.MEMBER_MANAGE, request.org)
    now = {"name": team.label, "description": team.description, "role": team.org_role}
    values = now | body.dict(exclude_none=True)
    data = {"label": values["name"], "description": values["description"], "org_role": values["role"]}
    form = TeamForm(data, instance=team, rights=request.org_permissions)
    checked(form, **NAMES)
    return form.words
