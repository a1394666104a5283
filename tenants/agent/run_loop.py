"""Brings every re-run from the queue to its end: decides which are due, and gives each a pass.

Level-triggered: each pass looks at the row, at the process and at the tenant, does the next thing, and can be killed
at any moment. What must not happen twice is guarded where it happens: rows change state by conditional updates, the
tenant is asked before something is made again, and a runner holds a lock for as long as it lives.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from tenants.run_templates.engine import runner as runners
from tenants.run_templates.engine.base import Runner
from tenants.run_templates.engine.pod_environments import environments_of_runs
from tenants.run_templates.engine.remote_stacks import goes_elsewhere
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.run_templates.models import TemplateRun
from tenants.runs.connection import connect

from . import run_access, run_queue, run_rows
from .run_afar import SubmittedPass
from .run_memory import Memory
from .run_pass import OpenClient, RunPass

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State
WAITING = (State.QUEUED, State.PREPARING)
BUSY = (State.STARTING, State.RUNNING, State.STOPPING)  # those that count for the limit

SETTLE_EVERY = 2.0  # seconds between looks for people who are gone, and for ends a tenant has not heard of


class RunLoop:
    """One per agent. `tick()` returns at once; passes run in threads, one a re-run at a time."""

    def __init__(
        self,
        environments: RunEnvironments | None = None,
        open_client: OpenClient = connect,
        runner: Runner | None = None,
        pool: Executor | None = None,
        builders: Executor | None = None,
        settlers: Executor | None = None,
    ):
        self.environments = environments or environments_of_runs()
        self.open_client = open_client
        self.runner = runner or runners.chosen()
        # Tenants may hold these as long as a call lasts; nobody waits for what only tells of an end.
        self.settlers = settlers or pool or ThreadPoolExecutor(max_workers=4, thread_name_prefix="end")
        self.pool = pool or ThreadPoolExecutor(max_workers=16, thread_name_prefix="run")
        self.builders = builders or ThreadPoolExecutor(max_workers=4, thread_name_prefix="environment")
        self.ahead = run_queue.Ahead(self.environments, self.builders)
        self.passes: dict[UUID, Future] = {}
        self.memories: defaultdict[UUID, Memory] = defaultdict(Memory)
        self.settled = 0.0
        self.free = 0  # places for further re-runs, counted anew by each tick
        self.seen: list[TemplateRun] = []  # by the last tick

    @property
    def limit(self) -> int:
        return settings.ZENPRO_PARALLEL_RUNS or os.cpu_count() or 1

    def run_forever(self, stop: threading.Event, interval: float = 0.3) -> None:
        while not stop.is_set():
            close_old_connections()
            try:
                self.tick()
            except Exception:
                log.exception("tick failed")
            stop.wait(interval)
        for pool in (self.pool, self.builders, self.settlers):
            pool.shutdown(wait=False, cancel_futures=True)

    def tick(self) -> None:
        """Let waiting re-runs in, and begin a pass for every other one that has none under way."""
        runs = run_rows.unfinished()
        self._forget(runs)
        now_and_then = time.monotonic() - self.settled >= SETTLE_EVERY
        if now_and_then:
            self.settled = time.monotonic()
            run_access.stop_runs_of_the_gone(runs)
        self.free = self.limit - sum(run.state in BUSY for run in runs)
        self.seen = runs
        for run in runs:
            self._take_turn(run)
        if now_and_then:
            self._settle_all()
            self.ahead.begin()

    def _forget(self, runs: list[TemplateRun]) -> None:
        """Passes that are done, and all that was remembered of what has ended."""
        self.passes = {pk: future for pk, future in self.passes.items() if not future.done()}
        needed = {run.pk for run in runs} | self.passes.keys()
        for pk in list(self.memories):  # threads may add to it meanwhile
            if pk not in needed:
                del self.memories[pk]

    def _take_turn(self, run: TemplateRun) -> None:
        if self._is_busy(run.pk):
            return
        if run.state in WAITING:
            self._wait(run)
        else:
            # What goes on without us may be looked at late: it holds no thread of those that can't.
            self._submit(self.settlers if run.is_submitted else self.pool, self.run_pass, run.pk)

    def _is_busy(self, pk: UUID) -> bool:
        return pk in self.passes or self.memories[pk].is_resting

    # -- what waits

    def _wait(self, run: TemplateRun) -> None:
        needed = run_queue.look(run, self.environments, self.runner)
        if needed is run_queue.Next.ENVIRONMENT:
            self._prepare(run)
        elif needed is run_queue.Next.PLACE and self.free > 0:
            self._let_in_or_note(run)
        elif needed is run_queue.Next.PLACE:
            run_rows.note(run, "Waiting for another run to finish.")

    def _prepare(self, run: TemplateRun) -> None:
        """Have the environment created in a thread of its own: that can take minutes, and delays no one else."""
        if run.state == State.QUEUED:
            run_rows.move(run, State.QUEUED, State.PREPARING, "Creating the Python environment.")
        memory = self.memories[run.pk]
        if not memory.is_building:
            memory.build = self.builders.submit(self._in_thread, self.build, run.pk)

    def _let_in_or_note(self, run: TemplateRun) -> None:
        if run_queue.has_room_elsewhere(run, self.seen, self._goes_elsewhere):
            self._let_in(run)
        else:
            run_rows.note(
                run, f"Waiting for a run of {run.template.tenant.name} on a remote stack to finish."
            )

    def _goes_elsewhere(self, run: TemplateRun) -> bool:
        """Remembered: it is read from the whole stored snapshot."""
        memory = self.memories[run.pk]
        if memory.goes_elsewhere is None:
            memory.goes_elsewhere = goes_elsewhere(run.template)
        return memory.goes_elsewhere

    def _let_in(self, run: TemplateRun) -> None:
        memory, first = self.memories[run.pk], run.started_at is None
        memory.build = None
        started = timezone.now() if first else run.started_at
        if run_rows.move(run, run.state, State.STARTING, "", started_at=started):
            self.free -= 1
            memory.is_ours = memory.is_ours or first
            self._submit(self.pool, self.run_pass, run.pk)

    def _settle_all(self) -> None:
        for pk in list(TemplateRun.objects.unsettled().order_by().values_list("pk", flat=True)):
            if not self._is_busy(pk):
                self._submit(self.settlers, self.settle, pk)

    # -- in threads

    def _submit(self, pool: Executor, work: Callable[[UUID], None], pk: UUID) -> None:
        self.passes[pk] = pool.submit(self._in_thread, work, pk)

    def _in_thread(self, work: Callable[[UUID], None], pk: UUID) -> None:
        close_old_connections()
        try:
            work(pk)
        except Exception as error:
            log.exception("pass failed", run=str(pk))
            self._stumble(pk, error)
        finally:
            close_old_connections()

    def _stumble(self, pk: UUID, error: Exception) -> None:
        self.memories[pk].rest()
        run = run_rows.load(pk)
        if run is not None:
            self._pass_over(run).stumble(error)

    def build(self, pk: UUID) -> None:
        """Create the environment of one re-run."""
        run = run_rows.load(pk)
        if run is not None:
            run_queue.build(run, self.environments, self.runner)

    def run_pass(self, pk: UUID) -> None:
        """Do the next thing for one re-run that has been let in."""
        run = run_rows.load(pk)
        if run is not None and run.state in (*BUSY, State.SUBMITTED):
            self._pass_over(run).go()

    def settle(self, pk: UUID) -> None:
        """Tell a tenant of one end that it has not heard of."""
        run = run_rows.load(pk)
        if run is not None:
            self._pass_over(run).settle()

    def _pass_over(self, run: TemplateRun) -> RunPass:
        made = SubmittedPass if run.is_submitted else RunPass
        return made(run, self.memories[run.pk], self.runner, self.environments, self.open_client)


def run_forever(stop: threading.Event, interval: float = 0.3) -> None:
    """Look after re-runs until told to stop; the agent calls it in a thread."""
    RunLoop().run_forever(stop, interval)
