"""Check of the tenants: which of them could not be started."""

from django.conf import settings
from django.db import DatabaseError

from tenants.models import Tenant
from zenpro_site.common.characters import printable

from .database import is_there
from .findings import Finding, ok, problem, warning

NAMED = 5
RETRY = "Fix the cause, then choose Retry on the tenant's page."
WHERE = {
    True: "New ones can run on this machine.",
    False: "None can run on this machine (ZENPRO_LOCAL_TENANTS).",
}
ELSEWHERE = "Whoever runs that server has to fix it."


def check_tenants() -> list[Finding]:
    """Those that failed, with the reason that their pages show."""
    try:
        failed = _failed() if is_there() else []
    except DatabaseError:
        return []  # the check of the database says why
    if not failed:
        return [ok(f"No tenant failed to start. {WHERE[settings.ZENPRO_LOCAL_TENANTS]}")]
    more = len(failed) - NAMED
    return [*map(_finding, failed[:NAMED]), *([problem(f"{more} more failed.", RETRY)] if more > 0 else [])]


def _failed() -> list[Tenant]:
    rows = Tenant.objects.live().filter(status=Tenant.Status.FAILED)
    return list(rows.select_related("organization").order_by("organization__name", "name"))


def _finding(tenant: Tenant) -> Finding:
    reason = printable(tenant.state_reason) or "No reason is known."
    text = f"Tenant {tenant.name} of {tenant.organization.name} failed: {reason}"
    return warning(text, ELSEWHERE) if tenant.is_elsewhere else problem(text, RETRY)
