"""Usage and limits of an organization and of its tenants."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from orgs.access.gate import org_view, refuse
from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.usage.disk_budget import bar_of

from . import actions
from .forms import DiskForm, LimitsForm
from .models import Feature
from .report import as_csv, by_month, by_tenant, report_of


@require_safe
@org_view(Permission.TENANT_MANAGE_ALL)
def organization(request):
    context = {
        "report": report_of(request.org),
        "tenants": [(tenant, cells, bar_of(tenant)) for tenant, cells in by_tenant(request.org)],
        "features": list(Feature),
        "can_limit": request.user.is_superuser,
    }
    return render(request, "usage/organization.html", context)


@require_safe
@org_view(Permission.TENANT_MANAGE_ALL)
def organization_csv(request):
    return _file(by_month(request.org, by_tenant=True), request.org.slug)


@require_safe
@tenant_view(TenantPermission.ACCESS)
def tenant(request):
    context = {
        "report": report_of(request.tenant, request.org),
        "tenant": request.tenant,
        "disk": bar_of(request.tenant),
        "can_limit": Permission.TENANT_MANAGE_ALL in request.org_permissions,
    }
    return render(request, "usage/tenant.html", context)


@require_safe
@tenant_view(TenantPermission.ACCESS)
def tenant_csv(request):
    return _file(by_month(request.tenant, by_tenant=True), f"{request.org.slug}-{request.tenant.slug}")


def _file(lines, name: str):
    response = StreamingHttpResponse(as_csv(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="usage-{name}.csv"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.TENANT_MANAGE_ALL)
def organization_limits(request):
    """Only for superusers: an organization can't raise its own limits."""
    if not request.user.is_superuser:
        _refuse_admin(request)
    limits = request.org.quotas.of_organization()
    form = _form(request, limits)
    if form.is_valid() and _set(request, form):
        return redirect("usage:organization", request.org.slug)
    return _answer(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.ACCESS)
def tenant_limits(request):
    """For Admins of the organization; those of the tenant can only see the usage."""
    if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
        refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
    most = dict(request.org.quotas.of_organization().values_list("feature", "limit"))
    form, disk = _form(request, request.tenant.quotas.all(), most), _disk_form(request)
    if form.is_valid() and (disk is None or disk.is_valid()) and _set(request, form, request.tenant, disk):
        return redirect("usage:tenant", request.org.slug, request.tenant.slug)
    return _answer(request, form, disk)


def _disk_form(request) -> DiskForm | None:
    """The disk is the machine's: an organization can't give itself more of it."""
    data = request.POST if request.method == "POST" else None
    return DiskForm(data, tenant=request.tenant) if request.user.is_superuser else None


def _refuse_admin(request):
    """Recorded like every refusal, but with its own reason: no Admin can give this right."""
    try:
        refuse(request, "quota:change", request.org)
    except PermissionDenied as error:
        reason = "Only whoever runs ZenPro can change the limits of an organization."
        raise PermissionDenied(reason) from error


def _form(request, quotas, most=None) -> LimitsForm:
    data = request.POST if request.method == "POST" else None
    return LimitsForm(data, most=most, initial=dict(quotas.values_list("feature", "limit")))


def _set(request, form, tenant=None, disk=None) -> bool:
    try:
        actions.set_limits(
            organization=request.org, tenant=tenant, limits=form.cleaned_data, by=request.actor
        )
    except actions.LimitRefused as error:
        form.add_error(error.feature, str(error))
        return False
    if disk:
        actions.set_disk_budget(tenant=tenant, budget=disk.budget, by=request.actor)
    messages.success(request, "Saved. The limits apply from now on.")
    return True


def _answer(request, form, disk=None):
    context = {"form": form, "disk": disk, "tenant": getattr(request, "tenant", None)}
    wrong = form.errors or (disk and disk.errors)
    return render(request, "usage/limits.html", context, status=422 if wrong else 200)
