"""Who has access to a tenant."""

from datetime import datetime, time
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access import refuse
from orgs.actions import Refused
from orgs.permissions import Permission
from zenpro_site.htmx import partial_or_redirect, render_partial, wants

from . import actions
from .access import tenant_view
from .forms import GrantForm, RoleForm, holder_value
from .members import PersonRow, TeamRow, grants_of, people_of, teams_of
from .permissions import TenantPermission

PAGE_SIZE = 100


@require_safe
@tenant_view(TenantPermission.VIEW)
def members(request):
    return render_partial(request, "tenants/members.html#members", _members(request))


def _members(request) -> dict:
    tenant, asked = request.tenant, request.GET
    grants = grants_of(tenant)
    people, teams = people_of(tenant, grants), teams_of(grants)
    matching = [row for row in people if _matches(row, asked)]
    me = next((row for row in people if row.user == request.user), None)
    return {
        "tenant": tenant,
        "show": "teams" if asked.get("show") == "teams" else "people",
        "people": Paginator(matching, PAGE_SIZE).get_page(asked.get("page")),
        "teams": [row for row in teams if _team_matches(row, asked)],
        "people_count": len(people),
        "team_count": len(teams),
        "filtered": bool(asked.get("q") or asked.get("role")),
        "roles": list(request.org.roles.tenant_level()),
        "can_access": TenantPermission.ACCESS in request.tenant_permissions,
        "can_join": bool(me) and me.role is None and Permission.TENANT_MANAGE_ALL in request.org_permissions,
        "sees_people": Permission.MEMBER_VIEW in request.org_permissions,
    }


def _matches(row: PersonRow, asked) -> bool:
    text, role = asked.get("q", "").strip().lower(), asked.get("role", "")
    fits = not role or (row.role is not None and row.role.slug == role)
    return fits and text in f"{row.user.name} {row.user.email}".lower()


def _team_matches(row: TeamRow, asked) -> bool:
    text, role = asked.get("q", "").strip().lower(), asked.get("role", "")
    return (not role or row.grant.role.slug == role) and text in row.team.label.lower()


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def grant_give(request):
    form = GrantForm(request.POST if request.method == "POST" else None, org=request.org)
    if form.is_bound and form.is_valid():
        return _give(request, form.cleaned_data)
    if form.is_bound and wants(request, "members"):
        messages.error(request, "Nothing was changed: choose somebody and a role of this organization.")
        return _back(request)
    context = {"tenant": request.tenant, "form": form, "roles": request.org.roles.tenant_level()}
    status = 422 if form.is_bound else 200
    return render_partial(request, "tenants/grant.html#modal", context, status=status)


def _give(request, chosen):
    holder, role = chosen["holder"], chosen["role"]
    values = {"holder": holder, "role": role, "expires_at": _end_of(chosen["expires_on"])}
    before = actions.direct_roles(tenant=request.tenant, holder=holder)
    try:
        actions.give_grant(tenant=request.tenant, by=request.user, **values)
    except Refused as error:
        messages.error(request, str(error))
    else:
        undo = _undo(request, holder, before[0].role) if before else ""
        messages.success(request, f"{actions.holder_name(holder)} is now {role}.", extra_tags=undo)
    return _back(request)


def _end_of(day):
    return timezone.make_aware(datetime.combine(day, time.max)) if day else None


def _undo(request, holder, role) -> str:
    path = reverse("tenants:grant_give", args=[request.org.slug, request.tenant.slug])
    return f"undo:{path}?{urlencode({'holder': holder_value(holder), 'role': role.pk})}"


def _back(request):
    """The list, without the filters it may have had: what changed must be seen."""
    to = reverse("tenants:members", args=[request.org.slug, request.tenant.slug])
    return partial_or_redirect(request, "tenants/members.html#members", _members(request), to)


@require_POST
@tenant_view(TenantPermission.ACCESS)
def grant_withdraw(request, grant):
    grants = request.tenant.grants.select_related("role", "membership__user", "team")
    grant = get_object_or_404(grants, pk=grant)
    holder, role = grant.holder, grant.role
    actions.withdraw_grant(grant=grant, by=request.user)
    text = f"{actions.holder_name(holder)} no longer has the role {role} here."
    messages.success(request, text, extra_tags=_undo(request, holder, role))
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def join(request):
    """An organization Admin gives herself a role. Others ask somebody else."""
    if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
        refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
    form = RoleForm(request.POST if request.method == "POST" else None, org=request.org)
    if form.is_bound and form.is_valid():
        try:
            actions.join_tenant(tenant=request.tenant, role=form.cleaned_data["role"], by=request.user)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"You are now {form.cleaned_data['role']} in {request.tenant}.")
            return redirect(request.tenant)
    context = {"tenant": request.tenant, "form": form, "roles": request.org.roles.tenant_level()}
    return render_partial(request, "tenants/join.html#modal", context, status=422 if form.is_bound else 200)
