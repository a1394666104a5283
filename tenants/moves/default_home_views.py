from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from orgs.access.gate import org_view
from orgs.permissions import Permission
from tenants.moves.default_homes import choose_default_home
from zenpro_site.common.refusals import Refused


@require_POST
@org_view(Permission.ORGANIZATION_CHANGE)
def default_home(request):
    """Of the organization's new tenants; its settings page has the form."""
    try:
        choose_default_home(organization=request.org, kind=request.POST.get("home", ""), by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Saved. It applies to new tenants.")
    return redirect("orgs:settings", request.org.slug)
