"""Work inside the databases of tenants, each of which can answer as slowly as it likes."""

import time
from collections.abc import Callable, Iterable
from typing import Protocol
from uuid import UUID

import structlog

from tenants.hosting.base import ServerError

log = structlog.get_logger("zenpro.agent")

RETRY_AFTER = 30.0  # seconds after something could not be done in a tenant
SLOW = 10.0  # seconds for one row; it takes less than one, unless the machine is busy


class OfTenant(Protocol):
    tenant_id: UUID


class Tries:
    """Does something for each of some rows of tenants.

    A tenant in which it could not be done, or took long, is left to `again`, which has a thread of its own: it keeps
    no one waiting but itself.
    """

    def __init__(self, do: Callable[[OfTenant], bool]):
        self.do = do
        self.not_before: dict[UUID, float] = {}

    def first(self, rows: Callable[[], Iterable[OfTenant]]) -> int:
        """Those of tenants in which nothing has failed or taken long. Returns how many were done."""
        return sum(self._try(row) for row in rows() if row.tenant_id not in self.not_before)

    def again(self, rows: Callable[[], Iterable[OfTenant]]) -> int:
        """Those of tenants in which something took long or failed, and not just now. Returns how many were done."""
        known = set(self.not_before)
        if not known:
            return 0
        due = list(rows())
        for tenant in known.difference(row.tenant_id for row in due):
            self.not_before.pop(tenant, None)  # nothing is left to do there, or it was deleted
        return sum(self._try(row) for row in due if self._has_rested(row.tenant_id))

    def _has_rested(self, tenant: UUID) -> bool:
        return tenant in self.not_before and time.monotonic() >= self.not_before[tenant]

    def _try(self, row: OfTenant) -> bool:
        began = time.monotonic()
        try:
            done = self.do(row)
        except ServerError as error:
            log.warning("will be tried again", row=str(row), tenant=str(row.tenant_id), reason=error.reason)
            self.not_before[row.tenant_id] = time.monotonic() + RETRY_AFTER
            return False
        if time.monotonic() - began > SLOW:
            self.not_before[row.tenant_id] = began  # at once, but in the other thread
        else:
            self.not_before.pop(row.tenant_id, None)
        return done
