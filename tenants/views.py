from django.shortcuts import render

from orgs.access import org_view
from orgs.permissions import Permission
from tenants.access import tenant_view
from tenants.permissions import TenantPermission


@tenant_view(TenantPermission.VIEW)
def overview(request, **kwargs):
    return render(request, "base.html")


@tenant_view(TenantPermission.VIEW)
def runs(request, **kwargs):
    return render(request, "base.html")


@tenant_view(TenantPermission.VIEW)
def members(request, **kwargs):
    return render(request, "base.html")


@tenant_view(TenantPermission.CHANGE)
def settings(request, **kwargs):
    return render(request, "base.html")


@org_view(Permission.TENANT_CREATE)
def create(request, **kwargs):
    return render(request, "base.html")
