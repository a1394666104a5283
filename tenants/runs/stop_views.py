"""Stopping a run that ZenPro did not start: its server is asked, and says what it can."""

from functools import partial

from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models.tenant_permissions import TenantPermission
from tenants.runs.actions import stop
from tenants.runs.client import Run
from tenants.runs.dialects import STOPPED_SINCE
from tenants.runs.reading import Trouble, ask, ask_or_404
from zenpro_site.common.htmx import render_partial

NONE_STOPPED = Trouble(
    "refused",
    "This server can't stop runs",
    "Its ZenML version has no way to do so. Stop the program that started the run.",
)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def run_stop(request, run):
    """What stopping does, and doing it: one call to the server to say the first, two for the second."""
    found, trouble = ask_or_404(request, lambda client: client.run(run))
    if found and request.tenant.release < STOPPED_SINCE:
        trouble = NONE_STOPPED
    if request.method == "POST" and found and not (trouble or found.finished):
        trouble = _stop(request, found)
        if trouble is None:
            messages.success(request, f"Stopping {found.name}. No further steps will start.")
            return redirect("tenants:run_detail", request.org.slug, request.tenant.slug, run)
    context = {"tenant": request.tenant, "run_id": run, "run": found, "trouble": trouble}
    status = 422 if request.method == "POST" else 200
    return render_partial(request, "runs/stop.html#modal", context, status=status)


def _stop(request, run: Run) -> Trouble | None:
    """None when it is done, else why not."""
    try:
        order = partial(stop, tenant=request.tenant, run=run, by=request.actor)
        return ask(request.user, request.tenant, order)[1]
    except TenantNotFound:
        return NONE_STOPPED
