"""Brings every re-run from the queue to its end.

Level-triggered: each pass looks at the row, at the process and at the tenant, does the next thing, and can be killed
at any moment. What must not happen twice is guarded where it happens: rows change state by conditional updates, the
tenant is asked before something is made again, and a runner holds a lock for as long as it lives.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from tenants.hosting.base import ServerError, TenantError, TenantRefused, TenantUnreachable
from tenants.hosting.local.places import local_stores_of
from tenants.models import Tenant
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.code import code_folder
from tenants.run_templates.engine.derive import DeriveFailed, derive, is_passing
from tenants.run_templates.engine.environments import BUILDS, RunEnvironments, needs, needs_of
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.runs.client import TenantClient
from tenants.runs.connection import connect
from tenants.usage.disk import why_wait

from . import run_access, run_ends
from .run_ends import End

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State
BUSY = (State.STARTING, State.RUNNING, State.STOPPING)  # those that count for the limit

ASK_EVERY = 1.0  # seconds between questions to the tenant about a run that is under way
PATIENCE = 2.0  # seconds after a tenant did not answer
LONG_PATIENCE = 300.0  # seconds for which errors of a tenant count as passing
SETTLE_EVERY = 2.0  # seconds between looks for people who are gone, and for ends a tenant has not heard of
STOP_GRACE = 20.0  # seconds from the wish to stop to SIGKILL; a step usually ends within 2
BURIAL = 5.0  # seconds until a process that ended is gone
OVER_GRACE = 30.0  # seconds a process may take to end after its run has
LOST = "{who} no longer has access to the tenant, so no one knows how the run ended."


class RunLoop:
    """One per agent. `tick()` returns at once; passes run in threads, one a re-run at a time."""

    def __init__(
        self,
        environments: RunEnvironments | None = None,
        open_client: Callable[..., TenantClient] = connect,
        pool: Executor | None = None,
        builders: Executor | None = None,
        settlers: Executor | None = None,
    ):
        self.environments = environments or RunEnvironments()
        self.open_client = open_client
        # Tenants may hold these as long as a call lasts; nobody waits for what only tells of an end.
        self.settlers = settlers or pool or ThreadPoolExecutor(max_workers=4, thread_name_prefix="end")
        self.pool = pool or ThreadPoolExecutor(max_workers=16, thread_name_prefix="run")
        self.builders = builders or ThreadPoolExecutor(max_workers=4, thread_name_prefix="environment")
        self.passes: dict[UUID, Future] = {}
        self.builds: dict[UUID, Future] = {}
        self.processes: dict[UUID, subprocess.Popen] = {}
        self.not_before: dict[UUID, float] = {}
        self.claimed: set[UUID] = set()  # begun by this agent: no earlier attempt to look for
        self.asked: dict[UUID, float] = {}
        self.troubled: dict[UUID, float] = {}
        self.stopping: dict[UUID, float] = {}
        self.seen_over: dict[UUID, float] = {}
        self.ahead: set[tuple[str, str, str]] = set()  # environments made, or tried, before anyone ran them
        self.settled = 0.0
        self.free = 0  # places for further re-runs, counted anew by each tick

    @property
    def limit(self) -> int:
        return settings.ZENPRO_PARALLEL_RUNS or os.cpu_count() or 1

    def tick(self) -> None:
        """Let waiting re-runs in, and begin a pass for every other one that has none under way."""
        self._bury()
        runs = list(_rows().unfinished().order_by("queued_at", "pk"))
        now_and_then = time.monotonic() - self.settled >= SETTLE_EVERY
        if now_and_then:
            self.settled = time.monotonic()
            run_access.stop_runs_of_the_gone(runs)
        self.free = self.limit - sum(run.state in BUSY for run in runs)
        for run in runs:
            if self._busy(run.pk):
                continue
            if run.state in (State.QUEUED, State.PREPARING):
                self._wait(run)
            else:
                self._submit(self.pool, self.run_pass, run.pk)
        if now_and_then:
            self._settle_all()
            self._prepare_ahead()

    def _submit(self, pool: Executor, work: Callable[[UUID], None], pk: UUID) -> None:
        self.passes[pk] = pool.submit(self._in_thread, work, pk)

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

    def _bury(self) -> None:
        """Take note of ended children, or they would stay as zombies; forget passes that are done."""
        for process in list(self.processes.values()):
            process.poll()
        self.passes = {pk: future for pk, future in self.passes.items() if not future.done()}

    def _busy(self, pk: UUID) -> bool:
        return pk in self.passes or time.monotonic() < self.not_before.get(pk, 0)

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
        """A fault of ours, or of the machine. It is tried again for a while; nothing must hang forever."""
        self.not_before[pk] = time.monotonic() + PATIENCE
        since = self.troubled.setdefault(pk, time.monotonic())
        run = self._load(pk)
        if run and not run.has_ended and time.monotonic() - since > LONG_PATIENCE:
            self._end_unsettled(run, End(State.FAILED, f"ZenPro could not continue: {error or type(error)}"))

    # -- waiting: nothing of the re-run exists outside of its row

    def _wait(self, run: TemplateRun) -> None:
        if run.cancel_requested_at:
            self._end_unsettled(run, End(State.STOPPED, run_ends.stopped_by(run)))
        elif reason := self._why_not_now(run.template.tenant):
            self._note(run, reason)
        elif run.template.tenant.desired_state == Tenant.DesiredState.DELETED:
            self._end(run, End(State.FAILED, "The tenant has been deleted."))
        elif not self._environment_ready(run):
            self._prepare(run)
        elif self.free > 0:
            self._let_in(run)
        else:
            self._note(run, "Waiting for another run to finish.")

    def _why_not_now(self, tenant: Tenant) -> str:
        if tenant.desired_state == Tenant.DesiredState.DELETED:
            return ""
        return why_wait(tenant) if tenant.is_available else f"Waiting until {tenant.name} is running."

    def _environment_ready(self, run: TemplateRun) -> bool:
        return self.environments.ready(*needs_of(run.template))

    def _prepare(self, run: TemplateRun) -> None:
        """Have the environment created in a thread of its own: that can take minutes, and delays no one else."""
        if run.state == State.QUEUED:
            self._move(run, State.QUEUED, State.PREPARING, "Creating the Python environment.")
        build = self.builds.get(run.pk)
        if build is None or build.done():
            self.builds[run.pk] = self.builders.submit(self._in_thread, self.build, run.pk)

    def build(self, pk: UUID) -> None:
        """Create the environment of one re-run; a failure ends the re-run."""
        run = self._load(pk)
        if run is None or run.has_ended:
            return
        try:
            self.environments.prepare(*needs_of(run.template))
        except ServerError as error:
            self._end(run, End(State.FAILED, error.reason))

    def _prepare_ahead(self) -> None:
        """Create the environments of new templates right away, so that their first re-run need not wait."""
        templates = RunTemplate.objects.filter(tenant__desired_state=Tenant.DesiredState.AVAILABLE)
        asked = (
            "tenant__zenml_version",
            "requirements",
            *(f"tenant__organization__{name}" for name in BUILDS),
        )
        wanted = {needs(*row) for row in templates.order_by().values_list(*asked).distinct()}
        for one in wanted - self.ahead:
            self.ahead.add(one)
            self.builders.submit(self.build_ahead, *one)

    def build_ahead(self, version: str, requirements: str, builds: str) -> None:
        try:
            self.environments.prepare(version, requirements, builds)
        except ServerError as error:
            log.info(
                "environment was not made ahead", reason=error.reason
            )  # a re-run will say it to a person

    def _let_in(self, run: TemplateRun) -> None:
        self.builds.pop(run.pk, None)
        first = run.started_at is None
        started = timezone.now() if first else run.started_at
        if self._move(run, run.state, State.STARTING, "", started_at=started):
            self.free -= 1
            if first:
                self.claimed.add(run.pk)
            self._submit(self.pool, self.run_pass, run.pk)

    # -- under way

    def run_pass(self, pk: UUID) -> None:
        """Do the next thing for one re-run that has been let in."""
        run = self._load(pk)
        if run is None or run.state not in BUSY:
            return
        try:
            self._go_on(run)
            self.troubled.pop(pk, None)
        except TenantUnreachable as error:
            self._unanswered(run, error.reason)
        except TenantRefused as error:
            self._passing(run, error) or self._refused(run, error)
        except (DeriveFailed, runner.RunnerFailed, ServerError) as error:
            self._fail(run, error.reason)

    def _load(self, pk: UUID) -> TemplateRun | None:
        return _rows().filter(pk=pk).first()

    def _go_on(self, run: TemplateRun) -> None:
        if run.pid is None:
            self._begin(run)
        elif not runner.alive(run.pid, run.pid_started):
            self._close(run)
        elif run.cancel_requested_at:
            self._stop(run)
        elif self._time_to_ask(run):
            self._look(run)

    def _client(self, run: TemplateRun) -> TenantClient:
        """Acts as the person who asked for the re-run. Raises TenantUnreachable, TenantRefused."""
        if run.created_by is None:
            raise TenantRefused(403, "The person who started this run is no longer here.")
        return self.open_client(run.created_by, run.template.tenant)

    def _begin(self, run: TemplateRun) -> None:
        """From nothing, or from wherever an earlier agent was killed, to a process."""
        again = run.pk not in self.claimed
        if again and self._adopt(run):
            return
        if run.cancel_requested_at and not run.zenml_run_id and not run.zenml_snapshot_id:
            self._end(run, End(State.STOPPED, run_ends.stopped_by(run)))
            return
        if run_access.is_out(run):
            self._end_gone(run)
            return
        client = self._client(run)
        derive(run, client, again=again)
        if run.cancel_requested_at or (again and client.run_status(run.zenml_run_id) != "initializing"):
            self._close(run)
            return
        self._start(run, client)

    def _adopt(self, run: TemplateRun) -> bool:
        """Take on a runner that was started just before its process id could be recorded."""
        pid = runner.find(run.pk)
        if pid is not None:
            self._record_process(run, pid)
        return pid is not None

    def _start(self, run: TemplateRun, client: TenantClient) -> None:
        try:
            process = runner.start(self._order(run, client))
        except runner.AlreadyRunning:
            self._adopt(run)
            return
        self.processes[run.pk] = process
        self._record_process(run, process.pid)

    def _record_process(self, run: TemplateRun, pid: int) -> None:
        run.pid, run.pid_started = pid, runner.mark_of(pid)
        run.save(update_fields=["pid", "pid_started"])

    def _order(self, run: TemplateRun, client: TenantClient) -> runner.Order:
        template, tenant = run.template, run.template.tenant
        code = code_folder(template.code_hash)
        if not code.is_dir():
            raise runner.RunnerFailed("The copy of the template's code is missing in the data folder.")
        return runner.Order(
            run_id=run.pk,
            zenml_run_id=run.zenml_run_id,
            snapshot_id=run.zenml_snapshot_id,
            python=self.environments.prepare(*needs_of(template)),
            code=code,
            server_url=tenant.server_url,
            token=client.workload_token(run.zenml_run_id),
            project_id=template.project_id,
            stack_id=template.stack_id,
            local_stores=local_stores_of(tenant),
            user_id=tenant.pk,
        )

    def _time_to_ask(self, run: TemplateRun) -> bool:
        now = time.monotonic()
        if run.state == State.RUNNING and now - self.asked.get(run.pk, 0) < ASK_EVERY:
            return False
        self.asked[run.pk] = now
        return True

    def _look(self, run: TemplateRun) -> None:
        """Ask the tenant how far the run is."""
        status = self._client(run).run_status(run.zenml_run_id)
        if run.state == State.STARTING and status not in ("initializing", "provisioning"):
            self._move(run, State.STARTING, State.RUNNING, "")
        elif run.state_reason:
            self._note(run, "")
        if status in ("completed", "stopped"):
            self._hurry(run)

    def _hurry(self, run: TemplateRun) -> None:
        """End a process that runs on although its run has ended."""
        since = self.seen_over.setdefault(run.pk, time.monotonic())
        if time.monotonic() - since > OVER_GRACE:
            runner.kill(run.pid, run.pid_started)

    # -- ends

    def _stop(self, run: TemplateRun) -> None:
        """Tell the tenant, then the runner; after the grace period end it."""
        asked = self.stopping.get(run.pk)
        if asked is None:
            self._tell_stopping(run)
            self._move(run, run.state, State.STOPPING, run_ends.stopped_by(run))
            self.stopping[run.pk] = time.monotonic()
            runner.terminate(run.pid, run.pid_started)
        elif time.monotonic() - asked > STOP_GRACE:
            runner.kill(run.pid, run.pid_started)

    def _tell_stopping(self, run: TemplateRun) -> None:
        reason = run_ends.stopped_by(run)
        body = {"status": "stopping", "status_reason": reason[: run_ends.ZENML_REASON_LENGTH]}
        try:
            self._client(run).update_run(run.zenml_run_id, body)
        except TenantError as error:
            # The process ends all the same; how it ended is read afterwards.
            log.info("stopping was not told", run=str(run.pk), reason=error.reason)

    def _close(self, run: TemplateRun) -> None:
        """The process is gone: find out how the run ended."""
        runner.kill(run.pid, run.pid_started)
        if run_access.is_out(run):
            self._end_gone(run)
        else:
            self._end(run, run_ends.read_end(run, self._client(run), self._exit_code(run)))

    def _end_gone(self, run: TemplateRun) -> None:
        """End a run that no one can ask the tenant about; a busy database is told later."""
        try:
            self._end(run, run_ends.end_of_the_gone(run))
        except ServerError as error:
            log.warning("end was not told", run=str(run.pk), reason=error.reason)
            self._end_unsettled(run, End(State.STOPPED, run_ends.gone(run)))

    def _exit_code(self, run: TemplateRun) -> int | None:
        """None when another agent started the process."""
        process = self.processes.get(run.pk)
        try:
            # Not poll(): it says None while another thread is just asking.
            return process.wait(timeout=BURIAL) if process else None
        except subprocess.TimeoutExpired:
            return None

    def _fail(self, run: TemplateRun, reason: str) -> None:
        """An end before there was a process; the tenant is told when it knows the run already."""
        end = End(State.FAILED, reason)
        if run.zenml_run_id:
            end = run_ends.reap(run, self._client(run), reason)
        self._end(run, end)

    # -- when the tenant does not answer, or not this person

    def _passing(self, run: TemplateRun, error: TenantRefused) -> bool:
        """Wait for a tenant that is in trouble itself, but not forever."""
        since = self.troubled.setdefault(run.pk, time.monotonic())
        passing = is_passing(error) and time.monotonic() - since < LONG_PATIENCE
        if passing:
            self._unanswered(run, error.reason)
        return passing

    def _unanswered(self, run: TemplateRun, reason: str) -> None:
        """Nothing is lost: what has no process waits in the queue, the others where they are."""
        self.claimed.discard(run.pk)  # a call may have arrived all the same
        self.not_before[run.pk] = time.monotonic() + PATIENCE
        tenant = run.template.tenant
        words = f"Waiting for {tenant.name}: {reason}"
        if run.pid is None:
            self._move(run, State.STARTING, State.QUEUED, words)
        elif tenant.desired_state == Tenant.DesiredState.AVAILABLE:
            self._note(run, words)
        elif tenant.desired_state == Tenant.DesiredState.DELETED:
            runner.kill(run.pid, run.pid_started)
            self._end(run, End(State.FAILED, "The tenant was deleted while the run was under way."))
        elif not runner.alive(run.pid, run.pid_started):
            sentence = f"{tenant.name} was {tenant.desired_state} while the run was under way."
            self._end_unsettled(run, End(State.FAILED, sentence))

    def _end_unsettled(self, run: TemplateRun, end: End) -> None:
        """An end that the tenant hears of later, if it knows of the run at all."""
        if run.zenml_run_id:
            runner.unsettled().mkdir(parents=True, exist_ok=True)
            runner.unsettled(run.pk).touch()
        self._end(run, end)

    def _settle_all(self) -> None:
        for mark in runner.unsettled().glob("*"):
            pk = UUID(mark.name)
            if not self._busy(pk):
                self._submit(self.settlers, self.settle, pk)

    def settle(self, pk: UUID) -> None:
        """Tell a tenant that came back about a run that ended meanwhile; keep it for later when it does not answer."""
        run, mark = self._load(pk), runner.unsettled(pk)
        try:
            if run is not None and run.template.tenant.desired_state != Tenant.DesiredState.DELETED:
                self._tell_end(run)
        except (TenantUnreachable, ServerError):
            return
        except TenantRefused as error:
            if is_passing(error):
                return
        mark.unlink(missing_ok=True)

    def _tell_end(self, run: TemplateRun) -> None:
        if run_access.is_out(run):
            run_ends.end_of_the_gone(run)
        else:
            run_ends.read_end(run, self._client(run), None)

    def _refused(self, run: TemplateRun, error: TenantError) -> None:
        """The tenant no longer answers this person. A living process continues; its own calls are refused."""
        if runner.alive(run.pid, run.pid_started):
            if run.cancel_requested_at:
                self._stop(run)
            self.not_before[run.pk] = time.monotonic() + PATIENCE
            return
        lost = LOST.format(who=run.created_by or "Whoever started it")
        self._end(run, End(State.FAILED, lost if run.pid else error.reason))

    def _end(self, run: TemplateRun, end: End) -> None:
        rows = TemplateRun.objects.unfinished().filter(pk=run.pk)
        rows.update(
            state=end.state, state_reason=end.reason[: run_ends.REASON_LENGTH], ended_at=timezone.now()
        )
        runner.tidy(run.pk)
        self.claimed.discard(run.pk)
        memories = (self.processes, self.not_before, self.asked, self.troubled)
        for memory in (*memories, self.stopping, self.seen_over, self.builds):
            memory.pop(run.pk, None)

    # -- rows

    def _move(self, run: TemplateRun, old: str, new: str, reason: str, **more) -> bool:
        """Change the state, unless someone else was first."""
        rows = TemplateRun.objects.filter(pk=run.pk, state=old)
        moved = bool(rows.update(state=new, state_reason=reason, **more))
        if moved:
            run.state, run.state_reason = new, reason
        return moved

    def _note(self, run: TemplateRun, reason: str) -> None:
        """Say why nothing happens; written only when it changes."""
        reason = reason[: run_ends.REASON_LENGTH]
        if run.state_reason != reason:
            TemplateRun.objects.filter(pk=run.pk, state=run.state).update(state_reason=reason)


def _rows():
    """Re-runs with all that a pass looks at; the big documents only when they are asked for."""
    rows = TemplateRun.objects.select_related(
        "template__tenant__organization",
        "template__tenant__enrollment",
        "created_by",
        "cancel_requested_by",
        "asked_with",
    )
    return rows.defer("configuration", "changes", "template__snapshot", "template__default_configuration")


def run_forever(stop: threading.Event, interval: float = 0.3) -> None:
    """Look after re-runs until told to stop; the agent calls it in a thread."""
    RunLoop().run_forever(stop, interval)
