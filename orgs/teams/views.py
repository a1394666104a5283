from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view, refuse
from orgs.access.places import places
from orgs.audit.sentences import told
from orgs.permissions import Permission
from zenpro_site.common.htmx import partial_or_redirect, render_partial
from zenpro_site.common.refusals import Refused

from . import actions
from .access import manages_members, teams_visible_to
from .forms import MemberForm, TeamForm
from .joining import tell_gains
from .models import Team

OFFERED = 8
ROWS = 25
RECENT = 6


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def team_list(request):
    search = request.GET.get("q", "").strip()
    teams = _teams(request).counted().annotate(reached=places().number_of_team(request)).order_by("label")
    found = teams.filter(Q(label__icontains=search) | Q(description__icontains=search))
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    page.object_list = page.object_list.with_faces()
    context = {
        "page": page,
        "is_filtered": bool(search),
        "maintained": _maintained(request),
        "can_manage": Permission.TEAM_MANAGE in request.org_permissions,
        "sees_all": Permission.TEAM_VIEW in request.org_permissions,
    }
    return render_partial(request, "teams/list.html#rows", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.TEAM_MANAGE)
def team_create(request):
    form = _form(request, Team(organization=request.org))
    if request.method == "POST" and form.is_valid():
        try:
            team = actions.create_team(organization=request.org, by=request.actor, **form.words)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Team {team} created. Add its members.")
            return redirect(team)
    return render(request, "teams/create.html", {"form": form}, status=_status(form))


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def team_detail(request, team):
    team = get_object_or_404(_teams(request), uuid=team)
    context = _detail(request, team)
    if "q" in request.GET and context["can_manage_members"]:
        context["offered"] = _offered(request, team, request.GET["q"].strip())
        return render_partial(request, "teams/detail.html#candidates", context)
    return render_partial(request, "teams/detail.html#members", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.TEAM_MANAGE)
def team_edit(request, team):
    team = get_object_or_404(_teams(request), uuid=team)
    name, form = team.label, _form(request, team)
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_team(team=team, by=request.actor, **form.words)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect(team)
    return render(
        request, "teams/edit.html", {"team": team, "name": name, "form": form}, status=_status(form)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.TEAM_MANAGE)
def team_delete(request, team):
    team = get_object_or_404(_teams(request), uuid=team)
    refusal = ""
    if request.method == "POST":
        try:
            actions.delete_team(team=team, by=request.actor)
        except Refused as error:
            refusal = str(error)
        else:
            messages.success(request, f"Team {team} deleted.")
            return redirect("teams:list", request.org.slug)
    context = {
        "team": team,
        "refusal": refusal,
        "people": team.user_set.count(),
        "grants": places().roles_of_team(team, request),
    }
    return render_partial(request, "teams/delete.html#modal", context)


@require_POST
@org_view(Permission.ORGANIZATION_VIEW)
def member_add(request, team):
    team = _managed(request, team)
    form = MemberForm(request.POST, people=_others(request, team))
    if form.is_valid():
        user = form.cleaned_data["membership"].user
        _change(request, actions.add_member, team, user, f"{user} is now in {team}.")
    else:
        messages.error(request, "Choose a member of this organization who is not in the team yet.")
    context = {**_detail(request, team), "again": True, "offered": _offered(request, team, "")}
    return partial_or_redirect(request, "teams/detail.html#members", context, to=team)


@require_POST
@org_view(Permission.ORGANIZATION_VIEW)
def member_remove(request, team, membership):
    team = _managed(request, team)
    user = _person(request, team, membership)
    alone = " It now has no maintainer." if _is_last_maintainer(request, team, user) else ""
    _change(request, actions.remove_member, team, user, f"{user} is no longer in {team}.{alone}")
    if user == request.user and Permission.TEAM_MANAGE not in request.org_permissions:
        return redirect("teams:list", request.org.slug)
    return _members_again(request, team)


@require_POST
@org_view(Permission.TEAM_MANAGE)
def maintainer_add(request, team, membership):
    team = get_object_or_404(_teams(request), uuid=team)
    user = _person(request, team, membership)
    _change(request, actions.add_maintainer, team, user, f"{user} now maintains {team}.")
    return _members_again(request, team)


@require_POST
@org_view(Permission.TEAM_MANAGE)
def maintainer_remove(request, team, membership):
    team = get_object_or_404(_teams(request), uuid=team)
    user = _person(request, team, membership)
    _change(request, actions.remove_maintainer, team, user, f"{user} no longer maintains {team}.")
    return _members_again(request, team)


def _managed(request, team):
    """The team, when the person of the request manages its members; else 404 if they can't see it, or 403."""
    team = get_object_or_404(_teams(request), uuid=team)
    if not manages_members(request.user, team, request.org_permissions):
        refuse(request, Permission.TEAM_MANAGE, request.org)
    return team


def _person(request, team, membership):
    """A person in the team."""
    return get_object_or_404(_members(request, team).select_related("user"), pk=membership).user


def _is_last_maintainer(request, team, user) -> bool:
    return [one.user_id for one in _maintainers(request, team)[:2]] == [user.pk]


def _members_again(request, team):
    return partial_or_redirect(request, "teams/detail.html#members", _detail(request, team), to=team)


def _change(request, action, team, user, done: str) -> None:
    try:
        action(team=team, user=user, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)


def _teams(request):
    teams = teams_visible_to(request.user, request.org, request.org_permissions)
    return teams.annotate(org_role_name=_role_name(request, "org_role"))


def _members(request, team):
    return request.org.memberships.filter(user__among=team.inside)


def _maintainers(request, team):
    return _members(request, team).filter(maintained_teams=team)


def _maintained(request) -> set:
    """Keys of the teams whose members the person manages without managing teams."""
    mine = request.membership.maintained_teams.filter(user=request.user) if request.membership else ()
    return {team.pk for team in mine}


def _role_name(request, field: str) -> Subquery:
    """The name of the organization role whose slug is in `field`; None without a role."""
    return Subquery(request.org.roles.organization_level().filter(slug=OuterRef(field)).values("name"))


def _others(request, team):
    """Members of the organization who are not in the team."""
    return request.org.memberships.exclude(user__in=team.inside).select_related("user")


def _offered(request, team, search: str) -> list | None:
    """A few who can be added. Those who can't see the members of the organization have to know whom to look for."""
    if Permission.MEMBER_VIEW not in request.org_permissions and len(search) < 2:
        return None
    found = Q(user__name__icontains=search) | Q(user__email__icontains=search)
    offered = list(_others(request, team).filter(found, user__is_active=True)[: OFFERED + 1])
    if (
        Permission.TENANT_MANAGE_ALL in request.org_permissions
    ):  # it tells who has roles on the team's tenants
        tell_gains(team, offered)
    return offered


def _form(request, team) -> TeamForm:
    return TeamForm(request.POST or None, instance=team, rights=request.org_permissions)


def _status(form) -> int:
    return 422 if form.errors else 200


def _detail(request, team) -> dict:
    rights, search = request.org_permissions, request.GET.get("who", "").strip()
    people = _members(request, team)
    found = people.filter(Q(user__name__icontains=search) | Q(user__email__icontains=search))
    keeps = team.keeping.filter(membership=OuterRef("pk"))
    found = found.annotate(role_name=_role_name(request, "role"), maintains=Exists(keeps))
    ordered = found.select_related("user").order_by("-maintains", "user__name", "user__email")
    is_robot, paginator = Q(user__is_service_account=True), Paginator(ordered, ROWS)
    counts = people.aggregate(people=Count("pk", filter=~is_robot), robots=Count("pk", filter=is_robot))
    if not search:
        paginator.count = sum(counts.values())  # else it would be counted twice
    return {
        "team": team,
        "page": paginator.get_page(request.GET.get("page")),
        **counts,
        "maintainers": _maintainers(request, team).select_related("user")[: OFFERED + 1],
        "grants": places().roles_of_team(team, request),
        "activity": _activity(request, team),
        "can_manage": Permission.TEAM_MANAGE in rights,
        "can_manage_members": manages_members(request.user, team, rights),
        "can_see_people": Permission.MEMBER_VIEW in rights,
        "can_invite": Permission.INVITATION_MANAGE in rights,
        "can_see_audit": Permission.AUDIT_VIEW in rights,
    }


def _activity(request, team) -> list:
    if Permission.AUDIT_VIEW not in request.org_permissions:
        return []
    events = request.org.audit_events.filter(target_type="team", target_id=str(team.pk))
    return told(events[:RECENT])
