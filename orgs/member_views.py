"""Pages about the people of an organization."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from zenpro_site.htmx import partial_or_redirect, render_partial, wants

from . import actions
from . import members as people
from .access import org_view, refuse
from .audit.sentences import told
from .forms import MemberFilter, RoleForm
from .permissions import Permission

ROWS = 50
EVENTS = 8


@require_safe
@org_view(Permission.MEMBER_VIEW)
def members(request):
    return render_partial(request, "orgs/members.html#rows", _list_context(request))


def _list_context(request) -> dict:
    everybody = request.org.memberships.filter(user__is_service_account=False)
    filtered = MemberFilter(request.GET, everybody, org=request.org)
    found = filtered.qs.select_related("user").order_by("user__name", "user__email")
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    counts, roles = people.counts_of(request.org), people.roles_of(request.org)
    teams = list(request.org.teams.all())
    return {
        "page": page,
        "rows": people.rows(request, page.object_list, counts, roles, teams),
        "is_filtered": any(request.GET.get(name) for name in ("q", "role", "team")),
        "people": counts["people"],
        "robots": counts["robots"],
        "invitations": request.org.invitations.open().count(),
        "roles": roles.values(),
        "teams": teams,
        **_rights(request),
    }


def _rights(request) -> dict:
    rights = request.org_permissions
    return {
        "can_manage": Permission.MEMBER_MANAGE in rights,
        "can_invite": Permission.INVITATION_MANAGE in rights,
        "can_see_audit": Permission.AUDIT_VIEW in rights,
        "sees_people": Permission.MEMBER_VIEW in rights,
    }


def _membership(request, pk):
    found = request.org.memberships.select_related("user", "organization")
    return get_object_or_404(found, pk=pk)


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def member_detail(request, membership):
    """Members who see nobody else see themselves."""
    member = _membership(request, membership)
    if Permission.MEMBER_VIEW not in request.org_permissions and member.user_id != request.user.pk:
        refuse(request, Permission.MEMBER_VIEW, request.org)
    return render(request, "orgs/member.html", _detail_context(request, member))


def _detail_context(request, member) -> dict:
    roles = people.roles_of(request.org)
    [row] = people.rows(request, [member], roles=roles)
    in_full = member.user_id == request.user.pk or Permission.MEMBER_MANAGE in request.org_permissions
    return {
        "row": row,
        "member": member,
        "role_sources": people.role_sources(row, roles),
        "tenant_roles": people.tenant_roles(request, member),
        "is_admin": row.tenants.startswith("All"),
        "in_full": in_full,
        "sessions": people.sessions_of(member.user) if in_full else None,
        "events": _events(request, member),
        **_rights(request),
    }


def _events(request, member):
    """What she did and what was done to her; None for whoever may not read it."""
    if Permission.AUDIT_VIEW not in request.org_permissions and member.user_id != request.user.pk:
        return None
    about = Q(actor=member.user) | Q(target_type="membership", target_id=str(member.pk))
    about |= Q(target_type="user", target_id=str(member.user_id))
    return told(request.org.audit_events.filter(about)[:EVENTS])


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def member_role(request, membership):
    member = _membership(request, membership)
    before, form = member.role, RoleForm(request.POST, org=request.org)
    if not form.is_valid():
        return _not_changed(request, member, " ".join(form.errors["role"]), 422)
    try:
        actions.change_role(membership=member, role=form.cleaned_data["role"], by=request.user)
    except actions.Refused as refused:
        return _not_changed(request, member, str(refused), 409)
    if member.role != before:
        back = {"role": before, "on": request.POST.get("on", "")}
        undo = reverse("orgs:member_role", args=[request.org.slug, member.pk]) + "?" + urlencode(back)
        role = form.cleaned_data["role"]
        messages.success(request, f"{member.user} is now {role}", extra_tags=f"undo:{undo}")
    return _changed(request, member)


def _changed(request, member):
    """The rows for htmx, else the page the change was made on."""
    if request.POST.get("on") == "person":
        return redirect(member)
    to = reverse("orgs:members", args=[request.org.slug])
    return partial_or_redirect(request, "orgs/members.html#rows", _list_context(request), to=to)


def _not_changed(request, member, reason: str, status: int):
    if request.POST.get("on") == "person":
        context = {**_detail_context(request, member), "refused": reason}
        return render(request, "orgs/member.html", context, status=status)
    if wants(request, "rows"):
        status = 422  # the only error status whose answer is put into the page
    context = {**_list_context(request), "refused": reason}
    return render_partial(request, "orgs/members.html#rows", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def member_remove(request, membership):
    member = _membership(request, membership)
    refused = ""
    if request.method == "POST":
        try:
            actions.remove_member(membership=member, by=request.user)
        except actions.Refused as reason:
            refused = str(reason)
        else:
            messages.success(request, f"{member.user} is no longer in {request.org}.")
            return redirect("orgs:members", request.org.slug)
    context = {"member": member, "teams": request.org.teams.filter(user=member.user), "refused": refused}
    context["tenant_roles"] = people.tenant_roles(request, member)
    return render_partial(request, "orgs/member_remove.html#modal", context, status=409 if refused else 200)
