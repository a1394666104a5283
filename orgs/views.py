from django.conf import settings as site_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from zenpro_site.htmx import render_partial, wants

from . import actions
from . import home as overview
from . import members as people
from .access import may_do_everything, members_who_can, org_view
from .forms import DeleteForm, NewOrganizationForm, OrganizationForm
from .permissions import Permission
from .two_factor import members_without
from .users.two_factor import has_two_factor


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def create(request):
    if not request.user.is_superuser:
        raise PermissionDenied("Only an administrator of this installation can create organizations.")
    form = NewOrganizationForm(request.POST if request.method == "POST" else None)
    if wants(request, "slug-state"):
        tone, sentence = form.slug_state(request.GET.get("slug", ""))
        return render(request, "orgs/create.html#slug-state", {"tone": tone, "sentence": sentence})
    if form.is_valid():
        request.user.origin = request.origin
        try:
            organization = actions.create_organization(by=request.user, **form.cleaned_data)
        except actions.Refused as refused:
            form.add_error("slug", str(refused))
        else:
            messages.success(request, f"{organization} is ready. You are its Admin.")
            return redirect(organization)
    return render(request, "orgs/create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def home(request):
    rights, org = request.org_permissions, request.org
    tenants = request.tenants = list(
        people.visible_tenants(request).order_by("name")
    )  # the frame lists them too
    recent = overview.last_runs(org, request.user, limit=overview.LOOKED_AT) if tenants else []
    needs = overview.needs(org, tenants, recent, rights)
    needs += overview.ending_roles(org, request.user, rights)
    shown = request.GET.get("runs", "")
    runs = recent[: overview.RUNS]
    if shown in ("mine", "failed"):
        runs = overview.last_runs(org, request.user, mine=shown == "mine", failed=shown == "failed")
    seen = overview.signature(tenants, runs, needs)
    if request.GET.get("seen") == seen and wants(request, "now"):
        return HttpResponse(status=204)
    last = {run.slug: run for run in reversed(recent)}
    context = {
        "tenants": [(tenant, last.get(tenant.slug), overview.step_of(tenant)) for tenant in tenants],
        "needs": needs,
        "runs": runs,
        "shown": shown,
        "seen": seen,
        "can_create_tenant": Permission.TENANT_CREATE in rights,
        "can_invite": Permission.INVITATION_MANAGE in rights,
        **_around(request),
    }
    return render_partial(request, "orgs/home.html#now", context)


def _around(request) -> dict:
    """What the home page shows beside tenants and runs."""
    org, user = request.org, request.user
    roles = org.roles.organization_level()
    invitations, counts = org.invitations.open().prefetch_related("teams"), people.counts_of(org)
    may_invite = Permission.INVITATION_MANAGE in request.org_permissions
    return {
        "role": roles.filter(slug=request.membership.role).first() if request.membership else None,
        "teams": org.teams.filter(user=user),
        "admins": _whom_to_ask(org),
        "people": counts["people"],
        "team_count": counts["teams"],
        "sees_people": Permission.MEMBER_VIEW in request.org_permissions,
        "invitations": invitations[:5] if may_invite else (),
        "invitation_count": counts["invitations"] if may_invite else 0,
        "mail_is_set_up": site_settings.MAIL_IS_SET_UP,
    }


def _whom_to_ask(organization):
    """The first members who can give others more, in whatever way."""
    found = members_who_can(Permission.MEMBER_MANAGE, organization).filter(user__is_service_account=False)
    return found.select_related("user").order_by("user__name", "user__email")[:3]


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_VIEW)
def leave(request):
    refused = "" if request.membership else f"You are not a member of {request.org}."
    if request.method == "POST" and not refused:
        try:
            actions.leave(membership=request.membership, by=request.user)
        except actions.Refused as reason:
            refused = str(reason)
        else:
            messages.success(request, f"You have left {request.org}.")
            return redirect("home")
    status = 409 if refused and request.method == "POST" else 200
    return render_partial(request, "orgs/leave.html#modal", {"refused": refused}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_CHANGE)
def settings(request):
    data = request.POST if request.method == "POST" else None
    name = request.org.name
    form = OrganizationForm(data, instance=request.org)
    if form.is_valid():
        actions.update_organization(organization=request.org, by=request.user, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("orgs:settings", request.org.slug)
    request.org.name = name  # the form has written into the instance that the frame of the page shows
    context = {
        "form": form,
        "domains": _domains(request.org),
        "without_two_factor": members_without(request.org),
        "has_two_factor": has_two_factor(request.user),
        "can_delete": Permission.ORGANIZATION_DELETE in request.org_permissions,
        "can_allow_builds": may_do_everything(request.org_permissions),
    }
    return render(request, "orgs/settings.html", context, status=422 if form.errors else 200)


def _domains(org):
    """With the name of the role that each gives."""
    names = dict(org.roles.organization_level().values_list("slug", "name"))
    found = list(org.domains.all())
    for domain in found:
        domain.role_name = names.get(domain.role, domain.role)
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_DELETE)
def delete(request):
    org = request.org
    form = DeleteForm(request.POST if request.method == "POST" else None, wanted=org.name)
    if form.is_valid():
        try:
            actions.delete_organization(organization=org, by=request.user)
        except actions.Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{form.wanted} has been deleted.")
            return redirect("home")
    context = {
        "form": form,
        "tenants": org.tenants.exclude(status="deleted").order_by("name"),
        "people": org.memberships.count(),
        "teams": org.teams.count(),
        "invitations": org.invitations.open().count(),
    }
    wrong = 409 if form.non_field_errors() else 422
    return render_partial(request, "orgs/delete.html#modal", context, status=wrong if form.errors else 200)
