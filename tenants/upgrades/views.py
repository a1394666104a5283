"""A newer version of ZenML for a tenant's server."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.refusals import Refused

from .actions import upgrade as ask_for
from .forms import UpgradeForm
from .versions import runs_under_way


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.CHANGE)
def upgrade(request):
    tenant = request.tenant
    if tenant.is_elsewhere:
        raise Http404("Someone else runs this server.")
    data = request.POST if request.method == "POST" else None
    form = UpgradeForm(data, tenant=tenant, versions=settings.ZENPRO_ZENML_VERSIONS)
    if form.is_bound and form.is_valid() and _asked(request, form):
        where = "tenants:progress" if tenant.desired_state == "available" else "tenants:settings"
        return redirect(where, request.org.slug, tenant.slug)
    context = {"tenant": tenant, "form": form, "running": runs_under_way(tenant)}
    return render(request, "tenants/upgrade.html", context, status=422 if form.is_bound else 200)


def _asked(request, form) -> bool:
    version = form.cleaned_data["version"]
    try:
        ask_for(tenant=request.tenant, version=version, by=request.actor)
    except Refused as error:
        form.add_error("version", str(error))
        return False
    messages.success(request, f"{request.tenant} is being brought to ZenML {version}.")
    return True
