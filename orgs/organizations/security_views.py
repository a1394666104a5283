from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from orgs.access.gate import may_do_everything, org_view, refuse
from orgs.models import OrgRole
from orgs.permissions import Permission
from zenpro_site.common.refusals import Refused

from . import actions


@require_POST
@org_view(Permission.ORGANIZATION_CHANGE)
def two_factor(request):
    """Require a second factor of everyone, or no longer."""
    required = request.POST.get("required") == "yes"
    try:
        actions.require_two_factor(organization=request.org, required=required, by=request.actor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Saved.")
    return redirect("orgs:settings", request.org.slug)


@require_POST
@org_view(Permission.ORGANIZATION_CHANGE)
def package_builds(request):
    """Let packages be built from source, or no longer. For Admins, since it lets foreign code run."""
    if not may_do_everything(request.org_permissions):
        refuse(request, OrgRole.ADMIN.label, request.org)
    allowed = request.POST.get("allowed") == "on"
    try:
        actions.allow_package_builds(organization=request.org, allowed=allowed, by=request.actor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Saved.")
    return redirect("orgs:settings", request.org.slug)
