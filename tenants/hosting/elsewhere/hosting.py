"""Tenants whose server someone else runs: we look at it, and hear what it tells us. We start and stop nothing."""

import math
from collections.abc import Callable, Collection
from pathlib import Path
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from tenants.hosting.backends import spec_of
from tenants.hosting.base import Carriage, ServerError, ServerState, ServerStatus, Tell
from tenants.hosting.elsewhere.diagnosis import verdict
from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.elsewhere.server import look
from tenants.hosting.health import is_well
from tenants.models import Tenant
from zenpro_site.common.sealing import SecretsUnreadable

NOT_OURS = "Someone else runs this server; it can only be started and stopped where it runs."
BEFORE_CALL = 15.0  # seconds between looks at a server that never called
EVERY = 3.0  # seconds between looks at one that did
AT_ONCE = 1.0  # seconds, when people want something else, or entered another address

STATES = {
    Tenant.Status.AVAILABLE: ServerStatus.RUNNING,
    Tenant.Status.PENDING: ServerStatus.STARTING,
    Tenant.Status.FAILED: ServerStatus.STOPPED,
}


class ElsewhereHosting:
    """Hosting by someone else: nothing is installed, started, stopped or removed."""

    steps = ()

    def look_every(self, tenant: Tenant) -> float:
        if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
            return math.inf if tenant.status == tenant.desired_state else AT_ONCE
        if tenant.enrollment.looked_at is None:
            return AT_ONCE
        return EVERY if tenant.enrollment.called_at else BEFORE_CALL

    def hurried(self) -> Q:
        """Its address was corrected, or it called since we last looked."""
        called = Q(enrollment__called_at__gt=F("enrollment__looked_at"))
        new = Q(enrollment__looked_at=None, enrollment__isnull=False)
        return Q(kind=Tenant.Kind.ELSEWHERE, desired_state=Tenant.DesiredState.AVAILABLE) & (called | new)

    def provision(self, tenant: Tenant, tell: Tell) -> None:
        raise ServerError(NOT_OURS)

    def start(self, tenant: Tenant) -> None:
        raise ServerError(NOT_OURS)

    def restart(self, tenant: Tenant) -> None:
        raise ServerError(NOT_OURS)

    def stop(self, tenant: Tenant) -> None:
        """It keeps running; ZenPro lets no one sign in to it any more."""

    def retire(self, tenant: Tenant) -> None:
        """There is nothing of ours to remove."""

    def is_gone(self, tenant: Tenant) -> bool:
        return True

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        return []

    def state(self, tenant: Tenant) -> ServerState:
        """Look at it, write down what came of that, and say what follows: RUNNING when all is well, STARTING until
        it is for the first time, STOPPED when it does not answer; the hint says why.

        ABSENT when nothing follows, because people want something else by now.
        """
        if not _look(tenant):
            return ServerState(ServerStatus.ABSENT)
        status, reason = verdict(tenant)
        return ServerState(STATES[status], hint=reason)

    def healthy(self, tenant: Tenant) -> bool:
        """Asks at the public address, through this machine's proxy where there is one."""
        return is_well(tenant.server_url, spec_of(tenant), trust_env=True)

    def take_out(self, tenant: Tenant, carriage: Carriage) -> None:
        raise ServerError(NOT_OURS)

    def put_in(self, tenant: Tenant, carriage: Carriage) -> None:
        raise ServerError(NOT_OURS)

    def cpu_seconds(self, tenant: Tenant) -> float:
        return 0.0

    def address(self, tenant: Tenant) -> str:
        return tenant.server_url

    def has_data(self, tenant: Tenant) -> bool:
        """Its data is someone else's business."""
        return True

    def data_at(self, tenant: Tenant) -> str:
        return tenant.server_url

    def places(self, tenant: Tenant) -> list[Path]:
        return []

    def stores(self, tenant: Tenant) -> Path | None:
        return None

    def tail_log(self, tenant: Tenant, lines: int = 200) -> list[str]:
        return []

    def explain_failure(self, tenant: Tenant) -> str:
        """What was wrong when we last looked."""
        return tenant.enrollment.trouble

    def shut_out(self, tenant: Tenant, person: UUID, still_out: Callable[[], bool]) -> bool:
        """Its database is out of reach: sessions there end by themselves."""
        return False

    def end_run(self, tenant: Tenant, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
        """Its database is out of reach: the run stays there as it is."""
        return None


def _look(tenant: Tenant) -> bool:
    """Ask, and note what came of it. False when people want something else by now."""
    try:
        trouble = look(spec_of(tenant)).trouble
    except SecretsUnreadable as error:
        trouble = str(error)
    now, wanted = timezone.now(), Tenant.DesiredState.AVAILABLE
    found = {"looked_at": now, "trouble": trouble} | ({} if trouble else {"answered_at": now})
    same = {"tenant": tenant.pk, "tenant__server_url": tenant.server_url}
    Enrollment.objects.filter(**same, tenant__desired_state=wanted).update(**found)
    # What the server said while we asked counts as well.
    tenant.refresh_from_db(fields=["desired_state", "server_url", "zenml_version"])
    tenant.enrollment.refresh_from_db()
    return tenant.desired_state == wanted and tenant.enrollment.looked_at == now
