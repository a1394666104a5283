"""What a tenant's server has besides ZenML, and what it needs for the logs of its stacks."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.runs.reading import ask
from zenpro_site.common.refusals import Refused

from .actions import add_packages, remove_packages, will_restart
from .store_packages import extension_of, present_in, proposals_for


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.CHANGE)
def server_packages(request):
    """One click adds or removes what one kind of store needs, and restarts the server. One call to it."""
    if request.tenant.kind != Tenant.Kind.LOCAL:
        raise Http404("Someone else runs this server.")
    if request.method == "POST":
        _change(request)
        return redirect("tenants:server_packages", request.org.slug, request.tenant.slug)
    proposals, trouble = _proposals(request)
    context = {
        "tenant": request.tenant,
        "present": present_in(request.tenant),
        "extension": extension_of(request.tenant),
        "proposals": proposals,
        "trouble": trouble,
    }
    return render(request, "tenants/server_packages.html", context)


def _proposals(request):
    try:
        return ask(request.user, request.tenant, lambda client: proposals_for(request.tenant, client))
    except TenantNotFound:
        return [], None


def _change(request) -> None:
    deed = remove_packages if request.POST.get("do") == "remove" else add_packages
    try:
        deed(tenant=request.tenant, integration=request.POST.get("integration", ""), by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        when = (
            "is restarting with it" if will_restart(request.tenant) else "will have it after its next start"
        )
        messages.success(request, f"Saved. The server of {request.tenant} {when}.")
