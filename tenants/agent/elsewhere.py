"""Tenants whose server someone else runs: their status is checked; they are never started, stopped or removed."""

from collections.abc import Callable
from uuid import UUID

from django.utils import timezone

from tenants.hosting.backends import spec_of
from tenants.hosting.elsewhere.backend import look
from tenants.hosting.elsewhere.checks import verdict
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Tenant
from zenpro_site.common.sealing import SecretsUnreadable

Status, Desired = Tenant.Status, Tenant.DesiredState
BEFORE_CALL = 15.0  # seconds between looks at a server that never called
EVERY = 3.0  # seconds between looks at one that did


def due(tenant: Tenant, since: float) -> bool:
    """Is it time to look at it again, `since` seconds after the last time?"""
    enrollment = tenant.enrollment
    if tenant.desired_state != Desired.AVAILABLE:
        return tenant.status != tenant.desired_state
    if enrollment.looked_at is None:
        return since >= 1
    return since >= (EVERY if enrollment.called_at else BEFORE_CALL)


def look_after(
    tenant: Tenant,
    put: Callable[..., None],
    project_of: Callable[[Tenant], UUID | None],
) -> None:
    """One pass. `put(tenant, **columns)` writes columns of the tenant."""
    if tenant.desired_state != Desired.AVAILABLE:
        put(tenant, status=Status(tenant.desired_state), state_reason="")
        return
    if not _look(tenant):
        return
    status, reason = verdict(tenant)
    columns = {"state_reason": reason[:500]}
    if status == Status.AVAILABLE and tenant.status != Status.AVAILABLE:
        columns["available_since"] = timezone.now()
        columns["project_id"] = tenant.project_id or project_of(tenant)
    if (status, columns["state_reason"]) != (tenant.status, tenant.state_reason):
        put(tenant, status=status, **columns)


def _look(tenant: Tenant) -> bool:
    """Ask, and note what came of it. False when people want something else by now."""
    enrollment = tenant.enrollment
    try:
        trouble = look(spec_of(tenant)).trouble
    except SecretsUnreadable as error:
        trouble = str(error)
    now = timezone.now()
    found = {"looked_at": now, "trouble": trouble} | ({} if trouble else {"answered_at": now})
    same = {"tenant": tenant.pk, "tenant__server_url": tenant.server_url}
    Enrollment.objects.filter(**same, tenant__desired_state=Desired.AVAILABLE).update(**found)
    # What the server said while we asked counts as well.
    tenant.refresh_from_db(fields=["desired_state", "server_url", "zenml_version"])
    enrollment.refresh_from_db()
    return tenant.desired_state == Desired.AVAILABLE and enrollment.looked_at == now
