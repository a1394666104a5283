from django.shortcuts import render

from orgs.access import org_view
from orgs.permissions import Permission
from tenants.access import tenant_view
from tenants.permissions import TenantPermission


@tenant_view(TenantPermission.TEMPLATE_VIEW)
def list(request, **kwargs):
    return render(request, "base.html")


@org_view(Permission.ORGANIZATION_VIEW)
def org_list(request, **kwargs):
    return render(request, "base.html")
