from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from . import actions
from .access import org_view
from .permissions import Permission


@require_POST
@org_view(Permission.ORGANIZATION_CHANGE)
def two_factor(request):
    """Require a second factor of everybody, or no longer."""
    required = request.POST.get("required") == "yes"
    try:
        actions.require_two_factor(organization=request.org, required=required, by=request.user)
    except actions.Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Saved.")
    return redirect("orgs:settings", request.org.slug)
