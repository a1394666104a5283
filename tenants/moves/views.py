"""The page that says what a move means, and asks for it."""

from django.conf import settings
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.moves.actions import move_tenant
from tenants.moves.forms import MoveForm
from tenants.moves.local_parts import stacks_here
from tenants.moves.words import home_words, in_home
from tenants.runs.reading import ask
from zenpro_site.common.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.DELETE)
def move(request):
    """Only where there is another home. One call to the server, for what of its stacks lies on this machine."""
    tenant = request.tenant
    if not tenant.other_home:
        raise Http404("There is no other home.")
    form = MoveForm(request.POST if request.method == "POST" else None, tenant=tenant)
    if form.is_valid() and _asked(request, form):
        return redirect("tenants:progress", request.org.slug, tenant.slug)
    context = {"tenant": tenant, "form": form, "days": settings.ZENPRO_KEEP_DELETED_DAYS, **_homes(tenant)}
    context |= {"stacks": _stacks(request)} if tenant.other_home == Tenant.Kind.KUBERNETES else {}
    return render(request, "tenants/move.html", context, status=422 if form.is_bound else 200)


def _asked(request, form: MoveForm) -> bool:
    try:
        move_tenant(tenant=request.tenant, to=request.tenant.other_home, by=request.actor)
    except Refused as error:
        form.add_error("confirm", str(error))
        return False
    return True


def _homes(tenant: Tenant) -> dict[str, str]:
    return {"to": home_words(tenant.other_home), "in_here": in_home(tenant.kind)}


def _stacks(request) -> list[str]:
    try:
        return ask(request.user, request.tenant, stacks_here)[0] or []
    except TenantNotFound:
        return []
