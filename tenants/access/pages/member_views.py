"""Who has access to a tenant."""

from django.conf import settings as site
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from orgs.access.gate import refuse
from orgs.permissions import Permission
from tenants.access import actions as grant_actions
from tenants.access.forms import OwnRoleForm
from tenants.access.gate import tenant_view
from tenants.access.members import TeamRow, members_in, person_rows, teams_of
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.refusals import Refused

PAGE_SIZE = 25


@require_safe
@tenant_view(TenantPermission.VIEW)
def members(request):
    return render_partial(request, "access/members.html#members", _members(request))


def _members(request) -> dict:
    tenant, asked = request.tenant, request.GET
    wanted = {"text": asked.get("q", "").strip(), "role": asked.get("role", "")}
    people, count = Paginator(members_in(tenant, **wanted), PAGE_SIZE), members_in(tenant).count()
    if not any(wanted.values()):
        people.count = count  # else it would be counted twice
    page, shows_teams = people.get_page(asked.get("page")), asked.get("show") == "teams"
    page.object_list = [] if shows_teams else person_rows(tenant, page.object_list)
    return {
        "tenant": tenant,
        "show": "teams" if shows_teams else "people",
        "people": page,
        "teams": [row for row in teams_of(tenant) if _team_matches(row, asked)] if shows_teams else [],
        "people_count": count,
        "filtered": any(wanted.values()),
        "roles": list(request.org.roles.tenant_level()),
        "told_by_mail": site.MAIL_IS_SET_UP,
        "can_access": TenantPermission.ACCESS in request.tenant_permissions,
        "sees_people": Permission.MEMBER_VIEW in request.org_permissions,
        **_numbers(request),
    }


def _numbers(request) -> dict:
    """How many teams have a role, how many roles expire soon, and whether the user manages the tenant from outside.

    One query.
    """
    grants = request.tenant.grants.valid().order_by()
    mine, ending = (request.tenant.grants.filter(pk=OuterRef("pk")) for _ in range(2))
    found = grants.aggregate(
        team_count=Count("team", distinct=True),
        ending=Count("pk", filter=Exists(ending.ending_soon())),
        own=Count("pk", filter=Exists(mine.of_person(request.user))),
    )
    manages = request.membership is not None and Permission.TENANT_MANAGE_ALL in request.org_permissions
    return {**found, "can_join": manages and not found["own"]}


def _team_matches(row: TeamRow, asked) -> bool:
    text, role = asked.get("q", "").strip().lower(), asked.get("role", "")
    return (not role or row.has_role(role)) and text in row.team.label.lower()


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def join(request):
    """An organization Admin takes a role. Others have to ask someone else for one."""
    if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
        refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
    form = OwnRoleForm(request.POST if request.method == "POST" else None, org=request.org)
    if form.is_bound and form.is_valid():
        try:
            grant_actions.join_tenant(tenant=request.tenant, role=form.cleaned_data["role"], by=request.actor)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(
                request, f"You now have the {form.cleaned_data['role']} role in {request.tenant}."
            )
            return redirect(request.tenant)
    context = {"tenant": request.tenant, "form": form, "roles": request.org.roles.tenant_level()}
    return render_partial(request, "access/join.html#modal", context, status=422 if form.is_bound else 200)
