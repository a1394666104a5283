"""What a server said a moment ago, for everyone who may see the same: five people who watch a run are one look.

Who may see what is decided for each person, each time, by our own rules, which are those that the server asks for:
people who may read everything in a tenant get equal answers and share them; everybody else's are their own. Nothing is
kept longer than KEPT seconds, and only in this process; but what runs that have ended had logged is kept for ten minutes,
for people who may read everything.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from tenants.access.decisions import reads_everything
from tenants.hosting.base import TenantUnreachable
from tenants.models import Tenant
from tenants.runs.client import Json, LogLine, Run, Step, TenantClient
from tenants.runs.connection import mark_of
from tenants.runs.log_files import read_file

KEPT = 1.5  # seconds; pages ask every two
KEPT_ENDED = (
    600.0  # seconds; runs that have ended change no more, except when someone logs to them afterwards
)
PATIENCE = 10.0  # seconds to wait for who is asking; a call takes eight at most
SIZE = 200  # answers
# Of all of them together, as Python holds them: one log may have 32 MB, and every process of ours keeps its own.
BYTES = 64 * 1024**2
HELD = 60  # bytes for a value beside its characters


@dataclass
class _Look:
    """One answer, and who is asking for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    ends: float = 0.0
    answer: Any = None
    error: TenantUnreachable | None = None
    weight: int = 0


class SharedLooks:
    """Answers by their keys, for a moment; one reader at a time asks for each, the others wait for what they hear."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, kept: float | None = None):
        self.clock, self.kept = clock, kept
        self._looks: OrderedDict[Hashable, _Look] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """The answer, or what `ask` says now. A server that does not answer is silent for all who wait for it; a
        refusal is only for who was refused. Raises what `ask` raises, and TenantUnreachable."""
        look = self._look(key)
        if not look.lock.acquire(timeout=PATIENCE):
            raise TenantUnreachable("The server does not answer in time.")
        try:
            if self.clock() >= look.ends:
                self._ask(look, ask)
            if look.error:
                raise look.error
            return look.answer
        finally:
            look.lock.release()

    def _ask(self, look: _Look, ask: Callable[[], Any]) -> None:
        look.answer = look.error = None
        kept = KEPT if self.kept is None else self.kept
        try:
            look.answer = ask()
        except TenantUnreachable as silent:
            look.error, kept = silent, KEPT
        look.ends = self.clock() + kept
        look.weight = weight(look.answer)
        self._make_room(look)

    def _make_room(self, new: _Look) -> None:
        """What is too large for all the room is not kept; for it, and for others, the oldest give way."""
        with self._lock:
            if new.weight > BYTES:
                self._looks = OrderedDict((key, one) for key, one in self._looks.items() if one is not new)
            left = sum(one.weight for one in self._looks.values()) - BYTES
            while left > 0:
                left -= self._looks.popitem(last=False)[1].weight

    def _look(self, key: Hashable) -> _Look:
        """What is over is forgotten: a log may be large, and who is asking for something keeps hold of it."""
        with self._lock:
            for over in [one for one, look in self._looks.items() if self._is_over(look)]:
                del self._looks[over]
            look = self._looks.setdefault(key, _Look())
            self._looks.move_to_end(key)
            while len(self._looks) > SIZE:
                self._looks.popitem(last=False)
            return look

    def _is_over(self, look: _Look) -> bool:
        return look.ends <= self.clock() and not look.lock.locked()


def weight(answer: Any, most: int | None = None) -> int:
    """About how many bytes an answer takes, lists and objects that are in it several times counted once. Of one that is
    larger than `most` (BYTES), no more is looked at than shows that."""
    most, found, waiting, seen = BYTES if most is None else most, 0, [[answer]], set()
    while waiting and found <= most:
        some = {id(one): one for one in waiting[-TOGETHER:] if id(one) not in seen}
        del waiting[-TOGETHER:]
        seen |= some.keys()
        parts = [*chain.from_iterable(map(_parts, some.values()))]
        found += HELD * len(parts) + sum([len(part) for part in parts if type(part) in TEXTS])
        waiting += [part for part in parts if type(part) not in PLAIN]
    return found


TEXTS = {str, bytes}
PLAIN = {*TEXTS, int, float, bool, type(None)}
TOGETHER = 1000  # lists and objects that are weighed at once: one after the other takes longer


def _parts(one: Any) -> Iterable[Any]:
    if isinstance(one, dict):
        return chain(one, one.values())
    if isinstance(one, list | tuple | set | frozenset):
        return one
    return vars(one).values() if hasattr(one, "__dict__") else ()


LOOKS = SharedLooks()
ENDED = SharedLooks(kept=KEPT_ENDED)


class SharedClient:
    """The calls of a TenantClient that pages of runs repeat, answered from what was just said to the same circle."""

    def __init__(
        self,
        client: TenantClient,
        circle: Hashable,
        stores: Path | None = None,
        looks: SharedLooks = LOOKS,
    ):
        self.client, self.circle, self.stores, self.looks = client, circle, stores, looks

    def run(self, run_id: UUID) -> Run:
        return self._get(self.client.run, run_id)

    def run_dag(self, run_id: UUID) -> Json:
        return self._get(self.client.run_dag, run_id)

    def steps(self, run_id: UUID, project: UUID | None = None, page: int = 1) -> list[Step]:
        return self._get(self.client.steps, run_id, project, page)

    def steps_by_ids(self, step_ids: tuple[UUID, ...], project: UUID) -> list[Step]:
        return self._get(self.client.steps_by_ids, step_ids, project)

    def step_logs(self, step_id: UUID) -> Sequence[LogLine]:
        """From its file where that is on this machine, else from the server."""
        return self._get(self._log, step_id)

    def _log(self, step_id: UUID) -> Sequence[LogLine]:
        found = read_file(self.stores, self.client.step(step_id)) if self.stores else None
        return self.client.step_logs(step_id) if found is None else found

    def _get(self, call: Callable, *args: Any) -> Any:
        return self.looks.get((self.circle, call.__name__, *args), partial(call, *args))


def circle_of(user, tenant: Tenant) -> Hashable:
    """Equal for people who get equal answers from the server. One query, and none is saved: a right that was taken is
    gone at the next look."""
    if reads_everything(user.pk, tenant):
        return tenant.pk, mark_of(tenant)
    return tenant.pk, mark_of(tenant), user.pk


def of_runs(user, tenant: Tenant, key: Hashable, ask: Callable[[], Any]) -> Any:
    """What `ask` says of runs that may go on, shared for a moment by all who get the same. Raises what `ask` raises."""
    return LOOKS.get((circle_of(user, tenant), key), ask)


def of_ended_runs(user, tenant: Tenant, key: Hashable, ask: Callable[[], Any]) -> Any:
    """What `ask` says of runs that have ended, kept for those who may read everything and shared with all of them.

    Whoever reads only some of a tenant gets their own answer: nobody here hears when that changes.
    Raises what `ask` raises.
    """
    circle = circle_of(user, tenant)
    looks = ENDED if circle == (tenant.pk, mark_of(tenant)) else LOOKS
    return looks.get((circle, key), ask)
