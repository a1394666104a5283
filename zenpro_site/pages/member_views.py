"""Pages about the people of an organization."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import localdate
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from orgs.access.factors import has_two_factor
from orgs.access.gate import org_view, refuse
from orgs.audit.sentences import told
from orgs.members import actions, listing
from orgs.members.forms import ManyRolesForm, ManyTeamForm, MemberFilter, MemberRoleForm, SelectionForm
from orgs.permissions import Permission
from orgs.teams.actions import add_members as add_to_team
from tenants.access import people
from zenpro_site.common.htmx import partial_or_redirect, render_partial, wants
from zenpro_site.common.refusals import Refused

from .member_export import as_csv, record_export

ROWS = 25
EVENTS = 8
FILTERS = ("q", "role", "team", "state")


@require_safe
@org_view(Permission.MEMBER_VIEW)
def members(request):
    return render_partial(request, "pages/members.html#rows", _list_context(request))


def _list_context(request) -> dict:
    filtered = _filtered(request)
    counts = listing.counts_of(request.org, found=filtered.qs if filtered.is_used else None)
    paginator, roles = Paginator(filtered.qs, ROWS), listing.roles_of(request.org)
    paginator.count = counts["found"]  # else it would count them once more
    page = paginator.get_page(request.GET.get("page"))
    teams = list(request.org.teams.all())
    named = [(team.uuid, team.label) for team in teams]
    return {
        "page": page,
        "rows": people.rows(
            request, list(people.placed(request.org, page.object_list)), counts, roles, teams
        ),
        "is_filtered": filtered.is_used,
        "states": filtered.states.items(),
        "people": counts["people"],
        "robots": counts["robots"],
        "invitations": counts["invitations"],
        "roles": roles.values(),
        "teams": listing.options(named, request.GET.get("team", "")),
        "any_team": listing.options(named),
        "choices": [role for role in roles.values() if role.rights <= request.org_permissions],
        "back": _back(request),
        "can_choose": bool({Permission.MEMBER_MANAGE, Permission.TEAM_MANAGE} & request.org_permissions),
        **_rights(request),
    }


def _filtered(request) -> MemberFilter:
    """People, not service accounts, that match the address, by name."""
    people = request.org.memberships.filter(user__is_service_account=False).select_related("user")
    in_full = Permission.MEMBER_MANAGE in request.org_permissions
    found = people.order_by("user__name", "user__email")
    return MemberFilter(request.GET, found, org=request.org, in_full=in_full)


def _rights(request) -> dict:
    rights = request.org_permissions
    return {
        "can_add_to_team": Permission.TEAM_MANAGE in rights,
        "can_manage": Permission.MEMBER_MANAGE in rights,
        "can_invite": Permission.INVITATION_MANAGE in rights,
        "can_see_audit": Permission.AUDIT_VIEW in rights,
        "sees_people": Permission.MEMBER_VIEW in rights,
    }


def _membership(request, pk):
    found = request.org.memberships.filter(pk=pk)
    return get_object_or_404(people.placed(request.org, found))


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def member_detail(request, membership):
    """Members who can't see anyone else see themselves."""
    member = _membership(request, membership)
    if Permission.MEMBER_VIEW not in request.org_permissions and member.user_id != request.user.pk:
        refuse(request, Permission.MEMBER_VIEW, request.org)
    return render(request, "pages/member.html", _detail_context(request, member))


def _detail_context(request, member) -> dict:
    roles = listing.roles_of(request.org)
    [row] = people.rows(request, [member], roles=roles)
    in_full = member.user_id == request.user.pk or Permission.MEMBER_MANAGE in request.org_permissions
    return {
        "row": row,
        "member": member,
        "role_sources": listing.role_sources(row, roles),
        "tenant_roles": people.tenant_roles(request, member),
        "manages": row.manages and bool(request.tenants),
        "by_role": Permission.TENANT_MANAGE_ALL in roles[member.role].rights
        if member.role in roles
        else False,
        "in_full": in_full,
        "sessions": listing.sessions_of(member.user) if in_full else None,
        "two_factor": in_full and has_two_factor(member.user),
        "events": _events(request, member),
        **_rights(request),
    }


def _events(request, member):
    """What the person did and what was done to them; None for those who can't read it."""
    if Permission.AUDIT_VIEW not in request.org_permissions and member.user_id != request.user.pk:
        return None
    about = Q(actor=member.user) | Q(target_type="membership", target_id=str(member.pk))
    about |= Q(target_type="user", target_id=str(member.user_id))
    return told(request.org.audit_events.filter(about)[:EVENTS])


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def member_role(request, membership):
    member = _membership(request, membership)
    before, form = member.role, MemberRoleForm(request.POST, org=request.org)
    if not form.is_valid():
        return _not_changed(request, member, " ".join(form.errors["role"]), 422)
    try:
        actions.change_role(membership=member, role=form.cleaned_data["role"], by=request.actor)
    except Refused as refused:
        return _not_changed(request, member, str(refused), 409)
    if member.role != before:
        back = {"role": before, "on": request.POST.get("on", ""), "back": _back(request)}
        undo = reverse("orgs:member_role", args=[request.org.slug, member.pk]) + "?" + urlencode(back)
        role = form.cleaned_data["role"]
        messages.success(request, f"{member.user} is now {role}", extra_tags=f"undo:{undo}")
    return _changed(request, member)


def _changed(request, member):
    """The rows for htmx, else the page the change was made on."""
    if request.POST.get("on") == "person":
        return redirect(member)
    return partial_or_redirect(
        request, "pages/members.html#rows", _list_context(request), to=_list_url(request)
    )


def _back(request) -> str:
    """The filters of the list that a change was made in, as they stand in its address."""
    return request.POST.get("back") or request.GET.urlencode()


def _list_url(request) -> str:
    back = _back(request)
    return reverse("orgs:members", args=[request.org.slug]) + (f"?{back}" if back else "")


def _not_changed(request, member, reason: str, status: int):
    if request.POST.get("on") == "person":
        context = {**_detail_context(request, member), "refused": reason}
        return render(request, "pages/member.html", context, status=status)
    if wants(request, "rows"):
        status = 422  # the only error status whose answer is put into the page
    context = {**_list_context(request), "refused": reason}
    return render_partial(request, "pages/members.html#rows", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def member_remove(request, membership):
    member = _membership(request, membership)
    refused = ""
    if request.method == "POST":
        try:
            actions.remove_member(membership=member, by=request.actor)
        except Refused as reason:
            refused = str(reason)
        else:
            messages.success(request, f"{member.user} is no longer in {request.org}.")
            return redirect("orgs:members", request.org.slug)
    context = {"member": member, "teams": request.org.teams.filter(user=member.user), "refused": refused}
    context["tenant_roles"] = people.tenant_roles(request, member)
    return render_partial(request, "pages/member_remove.html#modal", context, status=409 if refused else 200)


@require_POST
@org_view(Permission.TEAM_MANAGE)
def members_team(request):
    """Add everyone who is ticked to a team."""
    form = ManyTeamForm(request.POST, org=request.org)
    if not form.is_valid():
        return _nothing_done(request, form)
    chosen, team = form.cleaned_data["member"], form.cleaned_data["into"]
    outcomes = add_to_team(team=team, memberships=chosen, by=request.actor)
    return _many_done(request, outcomes, f"now in {team}", f"already in {team}")


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def members_role(request):
    """Give everyone who is ticked an organization role."""
    form = ManyRolesForm(request.POST, org=request.org)
    if not form.is_valid():
        return _nothing_done(request, form)
    chosen, role = form.cleaned_data["member"], form.cleaned_data["become"]
    outcomes = actions.change_roles(memberships=chosen, role=role, by=request.actor)
    return _many_done(request, outcomes, f"now {role}", f"already {role}")


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def members_remove(request):
    """Names everyone who is ticked and what they lose; removes them when that was read (`sure`)."""
    form = SelectionForm(request.POST, org=request.org)
    if not form.is_valid():
        return _nothing_done(request, form)
    chosen = list(form.cleaned_data["member"])
    if request.POST.get("sure"):
        outcomes = actions.remove_members(memberships=chosen, by=request.actor)
        return _many_done(request, outcomes, f"no longer in {request.org}", "already gone")
    rows = people.rows(request, chosen)
    context = {"rows": rows, "going": [row for row in rows if not row.locked], "back": _back(request)}
    return render(request, "pages/members_remove.html", {**context, "to": _list_url(request)})


def _nothing_done(request, form):
    context = {**_list_context(request), "refused": form.problem}
    return render(request, "pages/members.html", context, status=422)


def _many_done(request, outcomes, done: str, before: str):
    """Back to the list when no one was refused, else a line for each person."""
    changed = [outcome for outcome in outcomes if outcome.changed]
    refused = [outcome for outcome in outcomes if outcome.refused]
    if not refused:
        names = str(changed[0].membership.user) if len(changed) == 1 else f"{len(changed)} people"
        verb = "is" if len(changed) == 1 else "are"
        text = f"{names} {verb} {done}." if changed else f"Nothing to do: everyone is {before}."
        messages.success(request, text)
        return redirect(_list_url(request))
    context = {
        "outcomes": outcomes,
        "done": done,
        "before": before,
        "changed": changed,
        "to": _list_url(request),
    }
    return render(request, "pages/members_done.html", context, status=200 if changed else 409)


@require_GET
@org_view(Permission.MEMBER_VIEW)
def members_export(request):
    """The people of the list, with the same filters, as a file."""
    filtered = _filtered(request)
    chosen = {name: request.GET[name][:200] for name in FILTERS if request.GET.get(name)}
    record_export(organization=request.org, filters=chosen, people=filtered.qs.count(), by=request.actor)
    name = f"members-{request.org.slug}-{localdate():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(
        as_csv(request, filtered.qs), content_type="text/csv; charset=utf-8", headers=headers
    )
