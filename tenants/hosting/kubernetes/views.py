"""The page that shows where a tenant lives in the cluster."""

from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from tenants.access.gate import tenant_view
from tenants.hosting.kubernetes.cluster_page import cluster_page
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.htmx import render_watched


@require_safe
@tenant_view(TenantPermission.CHANGE)
def detail(request):
    """For those who run the tenant, as its log: what a cluster says can contain what others must not know."""
    if not request.tenant.is_in_cluster:
        return redirect(request.tenant)
    page = cluster_page(request.tenant)
    context = {"tenant": request.tenant, "page": page}
    return render_watched(request, "hosting/kubernetes/detail.html#cluster", context, page.seen)
