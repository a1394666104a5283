"""The steps of a tenant's start as the progress page shows them, from what the agent wrote on the row."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.utils import timezone

from tenants.hosting.backends import backend_for
from tenants.models import Tenant, TenantMove

# key: label, what happens in it
LABELS = {
    "stop": ("Stop", "The server stops where it runs"),
    "take": ("Copy", "A consistent copy of its database is made"),
    "put": ("Carry over", "The copy is put into the new home and checked"),
    "reserve": ("Reserve", "The name, address and port are reserved"),
    "environment": ("Environment", "The packages of this ZenML version are installed"),
    "database": ("Database", "An empty database is created and migrated"),
    "start": ("Start server", "The process starts under supervision"),
    "health": ("Health check", "The server answers for the first time"),
    "register": ("Register", "The server signs in to ZenPro"),
    "project": ("Project", "The default project is created"),
    "ready": ("Ready", "You see how to connect and what comes next"),
}
# What happens otherwise in a start after a move.
AFTER_A_MOVE = {
    "database": ("Database", "The server opens its database"),
    "project": ("Project", "Its projects have come along"),
}
AGENT_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class StartStep:
    """One step: `state` is waiting, running, done or failed; `seconds` so far or in all."""

    number: int
    label: str
    text: str
    state: str
    seconds: float | None


@dataclass(frozen=True)
class Startup:
    """The whole start of a tenant as it stands."""

    tenant: Tenant
    steps: list[StartStep]

    @cached_property
    def move(self) -> TenantMove | None:
        """Its last move to another home."""
        return self.tenant.moves.first()

    @property
    def moves(self) -> bool:
        """Is it on its way there, or on its way back?"""
        return self.move is not None and not self.move.is_over

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)

    @property
    def current(self) -> StartStep | None:
        """The step that runs or failed, or the next one."""
        return next((step for step in self.steps if step.state != "done"), None)

    @property
    def number(self) -> int:
        """Number of the current step; of the last one when all are done."""
        return self.current.number if self.current else len(self.steps)

    @property
    def failed(self) -> bool:
        return self.tenant.status == Tenant.Status.FAILED

    @property
    def over(self) -> bool:
        """Nothing will change anymore unless someone does something."""
        return self.failed or self.tenant.status == self.tenant.desired_state

    @property
    def seconds(self) -> float:
        """Time since the first step began, or what all of it took."""
        started = [_time(entry["started"]) for entry in self.tenant.progress if entry.get("started")]
        if not started:
            return 0.0
        ended = [_time(entry["ended"]) for entry in self.tenant.progress if entry.get("ended")]
        return (max(ended) if self.over and ended else timezone.now()).timestamp() - min(started).timestamp()

    @property
    def nobody_works(self) -> bool:
        """The agent should have begun by now."""
        waited = timezone.now() - self.tenant.updated_at
        return not self.over and not self.tenant.progress and waited > AGENT_PATIENCE


def startup_of(tenant: Tenant) -> Startup:
    entries = tenant.progress or [{"key": key} for key in backend_for(tenant).steps]
    labels = LABELS | (AFTER_A_MOVE if any(entry["key"] == "take" for entry in entries) else {})
    return Startup(tenant, [_step(number, entry, labels) for number, entry in enumerate(entries, start=1)])


def _step(number: int, entry: dict, labels: dict) -> StartStep:
    label, text = labels.get(entry["key"], (entry["key"].capitalize(), ""))
    return StartStep(
        number, label, entry.get("note") or text, entry.get("state") or "waiting", _seconds(entry)
    )


def _seconds(entry: dict) -> float | None:
    if not entry.get("started"):
        return None
    end = _time(entry["ended"]) if entry.get("ended") else timezone.now()
    return max(0.0, (end - _time(entry["started"])).total_seconds())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
