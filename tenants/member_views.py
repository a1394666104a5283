"""Who has access to a tenant."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from orgs.access import refuse
from orgs.actions import Refused
from orgs.permissions import Permission
from zenpro_site.htmx import render_partial

from . import actions
from .access import tenant_view
from .forms import RoleForm
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
        "ending": sum(grant.ends_soon for grant in grants),
        "can_access": TenantPermission.ACCESS in request.tenant_permissions,
        "can_join": bool(me) and me.role is None and Permission.TENANT_MANAGE_ALL in request.org_permissions,
        "sees_people": Permission.MEMBER_VIEW in request.org_permissions,
    }


def _matches(row: PersonRow, asked) -> bool:
    text, role = asked.get("q", "").strip().lower(), asked.get("role", "")
    return (not role or row.has_role(role)) and text in f"{row.user.name} {row.user.email}".lower()


def _team_matches(row: TeamRow, asked) -> bool:
    text, role = asked.get("q", "").strip().lower(), asked.get("role", "")
    return (not role or row.has_role(role)) and text in row.team.label.lower()


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
