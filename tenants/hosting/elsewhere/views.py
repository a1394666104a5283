"""The page that connects a server someone else runs, and says what is wrong until it is right."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from orgs.access.gate import refuse
from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.hosting.backends import spec_of
from tenants.hosting.elsewhere import actions
from tenants.hosting.elsewhere.diagnosis import checks_of
from tenants.hosting.elsewhere.forms import CorrectForm
from tenants.hosting.elsewhere.server import environment_block
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.htmx import render_partial, wants
from zenpro_site.common.refusals import Refused
from zenpro_site.common.sealing import SecretsUnreadable

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@never_cache
@require_safe
@tenant_view(TenantPermission.VIEW)
def detail(request):
    if not request.tenant.is_elsewhere:
        return redirect(request.tenant)
    context = _state(request)
    if not wants(request, "enrollment"):
        context |= _environment(request) | {"form": _form(request.tenant)}
    return render_partial(request, "hosting/elsewhere/detail.html#enrollment", context)


def _state(request) -> dict:
    tenant = request.tenant
    return {
        "tenant": tenant,
        "enrollment": tenant.enrollment,
        "checks": checks_of(tenant),
        "can_change": TenantPermission.CHANGE in request.tenant_permissions,
        "can_connect": Permission.TENANT_MANAGE_ALL in request.org_permissions,
    }


def _environment(request) -> dict:
    """The lines for the server's environment: only for those who can change the tenant, as they contain secrets."""
    if TenantPermission.CHANGE not in request.tenant_permissions:
        return {"environment": ""}
    try:
        block = environment_block(spec_of(request.tenant))
    except SecretsUnreadable as error:
        return {"environment": "", "trouble": str(error)}
    ours, theirs = (urlsplit(url).hostname for url in (settings.ZENPRO_URL, request.tenant.server_url))
    return {
        "environment": block,
        "unreachable_for_it": ours if ours in LOOPBACK and theirs not in LOOPBACK else "",
    }


def _form(tenant, data=None) -> CorrectForm:
    return CorrectForm(data, initial={"server_url": tenant.server_url, "version": tenant.zenml_version})


@require_POST
@tenant_view(TenantPermission.CHANGE)
def correct(request):
    """For Admins of the organization, like connecting the server."""
    tenant = request.tenant
    if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
        refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
    if not tenant.is_elsewhere:
        return redirect(tenant)
    form = _form(tenant, request.POST)
    if form.is_valid():
        try:
            actions.correct(tenant=tenant, by=request.actor, **form.cleaned_data)
        except Refused as error:
            form.add_error("server_url", str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("enrollment:detail", request.org.slug, tenant.slug)
    context = _state(request) | _environment(request) | {"form": form}
    return render(request, "hosting/elsewhere/detail.html", context, status=422)
