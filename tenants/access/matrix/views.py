"""Teams × tenants: who has which role, at a glance."""

from django.core.paginator import Paginator
from django.views.decorators.http import require_safe

from orgs.access.gate import org_view
from orgs.permissions import Permission
from tenants.access.gate import tenants_visible_to
from tenants.access.matrix.grid import TEAMS, TENANTS, managed_by, rows_of, teams_named
from zenpro_site.common.htmx import render_partial


@require_safe
@org_view(Permission.TEAM_VIEW)
def grid(request):
    asked, rights = request.GET, request.org_permissions
    request.tenants = list(tenants_visible_to(request.user, request.org, rights))
    wanted = asked.get("tenant", "").strip().lower()
    page = Paginator([one for one in request.tenants if wanted in one.name.lower()], TENANTS).get_page(
        asked.get("page")
    )
    for tenant in page:
        tenant.organization = request.org
    teams, tenants = teams_named(request.org, asked.get("q", "").strip()), list(page)
    managed = managed_by(request.user, rights, request.org, tenants)
    context = {
        "rows": rows_of(teams[:TEAMS], tenants, managed),
        "page": page,
        "tenants": tenants,
        "more_teams": len(teams) > TEAMS,
        "filtered": bool(asked.get("q") or wanted),
        "any_open": bool(managed),
        "can_create_team": Permission.TEAM_MANAGE in rights,
    }
    return render_partial(request, "access/matrix/grid.html#matrix", context)
