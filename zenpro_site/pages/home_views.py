"""The home page of an organization."""

from django.conf import settings as site_settings
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from orgs.access.gate import members_who_can, org_view
from orgs.members.listing import counts_of
from orgs.permissions import Permission
from tenants.access.people import visible_tenants
from zenpro_site.common.htmx import has_seen, render_partial

from . import home as overview


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def home(request):
    rights, org = request.org_permissions, request.org
    tenants = request.tenants = list(visible_tenants(request).order_by("name"))  # the frame lists them too
    recent = overview.last_runs(org, request.user, limit=overview.LOOKED_AT) if tenants else []
    needs = overview.needs(org, tenants, recent, rights)
    needs += overview.ending_roles(org, request.user, rights)
    shown = request.GET.get("runs", "")
    runs = recent[: overview.RUNS]
    if shown in ("mine", "failed"):
        runs = overview.last_runs(org, request.user, mine=shown == "mine", failed=shown == "failed")
    seen = overview.signature(tenants, runs, needs)
    if has_seen(request, "now", seen):
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
    return render_partial(request, "pages/home.html#now", context)


def _around(request) -> dict:
    """What the home page shows beside tenants and runs."""
    org, user = request.org, request.user
    roles = org.roles.organization_level()
    invitations, counts = org.invitations.open().prefetch_related("teams"), counts_of(org)
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
