"""Small things that are due now and then."""

import threading

import structlog
from django.db import close_old_connections
from django.utils import timezone

from orgs.audit.models import AuditEvent
from tenants.control_plane.models import AccessToken
from tenants.models import TenantGrant

log = structlog.get_logger("zenpro.agent")


def end_expired_grants() -> int:
    """Withdraw grants whose time is over, one audit row each. Returns how many."""
    expired = TenantGrant.objects.filter(expires_at__lte=timezone.now())
    for grant in expired.select_related("tenant__organization", "role", "team", "membership__user"):
        AuditEvent.objects.record(
            "grant.expired",
            grant.tenant,
            organization=grant.tenant.organization,
            before={"role": grant.role.name, "holder": str(grant.holder)},
        )
        TenantGrant.objects.withdraw(grant)
    return len(expired)


def forget_expired_tokens() -> int:
    """Delete access tokens that no longer work. Returns how many."""
    return AccessToken.objects.expired().delete()[0]


def run_forever(stop: threading.Event, interval: float = 30) -> None:
    while not stop.is_set():
        close_old_connections()
        try:
            end_expired_grants()
            forget_expired_tokens()
        except Exception:
            log.exception("chores failed")
        stop.wait(interval)
