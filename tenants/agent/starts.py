"""How many servers start at once, and how long a start may take."""

import threading

from tenants.hosting.base import ServerError
from tenants.models import Tenant

STARTS_AT_ONCE = 2  # a cold start keeps a core busy
SLOT_TIME = 180.0  # seconds after which a slow start no longer keeps others waiting

FIRST_START = 600.0  # seconds a start may go on without any work being done, by kind
VERSION_CHANGE = 1200.0  # the database is migrated, which may wait long for a slow disk
RESTART = 600.0
CEILING = 3600.0  # seconds in all, however hard the process works
WORK = 5.0  # CPU seconds that count as work; a server that only waits uses less in all that time
LOOK_EVERY = 5.0  # seconds between looks at the work


def limit_for(tenant: Tenant) -> float:
    """Seconds without work after which a start of this tenant has failed."""
    if tenant.available_since is None:
        return FIRST_START
    is_new_version = tenant.reported_version not in ("", tenant.zenml_version)
    return VERSION_CHANGE if is_new_version else RESTART


class Patience:
    """Lasts as long as a process works. Times in seconds of one monotonic clock."""

    def __init__(self, limit: float, now: float):
        self.limit, self.began, self.worked, self.cpu = limit, now, now, 0.0
        self.looked = now

    def is_time_to_look(self, now: float) -> bool:
        return now - self.looked >= LOOK_EVERY

    def look(self, now: float, cpu: float, cause: str = "") -> None:
        """Raises ServerError when it is over. `cpu`: seconds that all of its processes have used so far.

        `cause`: why it can't start as things are, where that is known.
        """
        self.looked = now
        self.cpu = min(self.cpu, cpu)  # less than before: another process
        if cpu - self.cpu >= WORK:
            self.cpu, self.worked = cpu, now
        if now - self.worked > self.limit:
            raise ServerError(
                cause or f"The server did not answer for {self.limit / 60:.0f} minutes, and did nothing."
            )
        if now - self.began > CEILING:
            raise ServerError(f"The server was busy for {CEILING / 60:.0f} minutes and did not answer.")


class Slot:
    """One place among the starts. Given back once, by the end of the start or by its slowness."""

    def __init__(self, places: threading.Semaphore):
        self.places, self.held = places, False

    def take(self, seconds: float) -> bool:
        """Wait so long for it. True when it is ours."""
        self.held = self.places.acquire(timeout=seconds) if seconds else self.places.acquire(blocking=False)
        return self.held

    def release(self) -> None:
        if self.held:
            self.held = False
            self.places.release()
