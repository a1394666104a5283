"""One look at one re-run that has been let in: its row, its process and its tenant, and then the next thing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from tenants.agent import run_access, run_endings, run_rows
from tenants.agent.run_endings import End
from tenants.hosting.base import (
    ServerError,
    TenantError,
    TenantNotFound,
    TenantRefused,
    TenantUnreachable,
)
from tenants.hosting.local.locations import local_stores_of
from tenants.models import Tenant
from tenants.run_templates.actions import stop_run
from tenants.run_templates.engine.base import (
    AlreadyRunning,
    Order,
    Runner,
    RunnerFailed,
    RunnerOutOfReach,
    Started,
)
from tenants.run_templates.engine.cluster_stacks import why_not_in_a_pod
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.derive import DeriveFailed, derive, is_passing
from tenants.run_templates.engine.docker_containers import end_containers, settings_in_docker
from tenants.run_templates.engine.remote_stacks import runs_elsewhere, user_of_runners, was_elsewhere
from tenants.run_templates.engine.run_environments import RunEnvironments, needs_of
from tenants.run_templates.engine.stored_code import CodeOutOfReach, present
from tenants.run_templates.models import CodeVersion, TemplateRun
from tenants.runs.client import TenantClient

from .run_memory import Memory

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State

LONG_PATIENCE = 300.0  # seconds for which errors of a tenant count as passing
STOP_GRACE = 20.0  # seconds from the wish to stop to SIGKILL; a step usually ends within 2
OVER_GRACE = 30.0  # seconds a process may take to end after its run has
NOT_BEGUN = ("initializing", "provisioning")
TENANT_DELETED = "The tenant was deleted while the run was under way."
LOST = "{who} no longer has access to the tenant, so no one knows how the run ended."

NO_CODE: dict[str, Any] = {"code": None, "roots": [""], "starts_in": ""}

OpenClient = Callable[..., TenantClient]


class RunPass:
    """Can be killed at any moment: the next pass, of this agent or of a new one, carries on."""

    def __init__(
        self,
        run: TemplateRun,
        memory: Memory,
        runner: Runner,
        environments: RunEnvironments,
        open_client: OpenClient,
        now: Callable[[], datetime] = timezone.now,
    ):
        self.run, self.memory, self.runner = run, memory, runner
        self.environments, self.open_client, self.now = environments, open_client, now

    def go(self) -> None:
        """Do the next thing. What it raises is a fault of ours: then stumble() is to be called."""
        try:
            self._try()
        except RunnerOutOfReach as error:
            self._out_of_reach(error.reason)

    def _try(self) -> None:
        try:
            self._go_on()
            self.memory.trouble_since = None
        except TenantUnreachable as error:
            self._unanswered(error.reason)
        except TenantRefused as error:
            self._passing(error) or self._refused(error)
        except (DeriveFailed, RunnerFailed, ServerError) as error:
            self._fail(error.reason)

    def _go_on(self) -> None:
        if self.run.pid is None:
            self._begin()
        elif not self._is_alive():
            self._close()
        elif self.run.cancel_requested_at:
            self._stop()
        elif self.run.state != State.RUNNING or self.memory.may_ask:
            self._look()

    @cached_property
    def client(self) -> TenantClient:
        """Acts as the person who asked for the re-run. Raises TenantUnreachable, TenantRefused."""
        if self.run.created_by is None:
            raise TenantRefused(403, "The person who started this run is no longer here.")
        return self.open_client(self.run.created_by, self.run.template.tenant)

    @property
    def process(self) -> Started:
        return run_rows.process_of(self.run)

    def _is_alive(self) -> bool:
        return self.runner.alive(self.process)

    def _seconds_since(self, moment: datetime) -> float:
        return (self.now() - moment).total_seconds()

    # -- to a process

    def _begin(self) -> None:
        """From nothing, or from wherever an earlier agent was killed, to a process."""
        again = not self.memory.is_ours
        if again and self._adopt():
            return
        if run_access.is_taken_off(self.run):
            stop_run(run=self.run, reason=run_access.why_stopped(self.run))
        if self.run.cancel_requested_at and not self.run.zenml_run_id and not self.run.zenml_snapshot_id:
            self._end(End(State.STOPPED, run_endings.stopped_by(self.run)))
        elif run_access.is_out(self.run):
            self._end_gone()
        else:
            self._make(again)

    def _adopt(self) -> bool:
        """Take on a runner that was started just before its process id could be recorded."""
        found = self.runner.find(self.run.pk)
        if found is not None:
            self._record_process(found)
        return found is not None

    def _make(self, again: bool) -> None:
        """A placeholder inside the tenant, and a process for it, unless it has had one."""
        if not self.run.zenml_run_id and (reason := why_not_in_a_pod(self.run.template, lambda: self.client)):
            raise RunnerFailed(reason)
        derive(self.run, self.client, again=again)
        if self.run.cancel_requested_at or (again and self._has_begun()):
            self._close()
        else:
            self._start()

    def _has_begun(self) -> bool:
        return self.client.run_status(self.run.zenml_run_id) != "initializing"

    def _start(self) -> None:
        try:
            self._record_process(self.runner.start(self._order()))
        except AlreadyRunning:
            self._adopt()

    def _record_process(self, process: Started) -> None:
        run_rows.write(self.run, pid=process.pid, pid_started=process.mark)

    def _order(self) -> Order:
        return replace(self._order_without_code(), **_code_of(self.run.code))

    def _order_without_code(self) -> Order:
        run, template, tenant = self.run, self.run.template, self.run.template.tenant
        return Order(
            run_id=run.pk,
            zenml_run_id=run.zenml_run_id,
            snapshot_id=run.zenml_snapshot_id,
            python=self.environments.prepare(*needs_of(run)),
            **NO_CODE,
            server_url=tenant.server_url,
            token=self.client.workload_token(run.zenml_run_id),
            project_id=template.project_id,
            stack_id=run.stack_id or template.stack_id,
            local_stores=local_stores_of(tenant),
            user_id=user_of_runners(tenant.pk),
            release=tenant.release,
            tenant_id=tenant.pk,
            needs=needs_of(run),
        )

    # -- while the process lives

    def _look(self) -> None:
        """Ask the tenant how far the run is."""
        self.memory.note_question()
        status = self.client.run_status(self.run.zenml_run_id)
        if self.run.state == State.STARTING and status not in NOT_BEGUN:
            run_rows.move(self.run, State.STARTING, State.RUNNING, "")
        elif self.run.state == State.STARTING and (words := self.runner.waits(self.process)):
            self._wait(words)
        elif self.run.state_reason:
            run_rows.note(self.run, "")
        if status in ("completed", "stopped"):
            self._hurry()

    def _wait(self, words: str) -> None:
        """Say why it has not begun; what does not begin in a long time never does."""
        self.memory.waits_since = self.memory.waits_since or self.now()
        if self._seconds_since(self.memory.waits_since) <= settings.ZENPRO_RUN_START_TIME:
            run_rows.note(self.run, words)
            return
        self.runner.end(self.process)
        minutes = settings.ZENPRO_RUN_START_TIME // 60
        self._end(
            run_endings.reap(self.run, self.client, f"It did not begin within {minutes} minutes. {words}")
        )

    def _hurry(self) -> None:
        """End a process that runs on although its run has ended."""
        since = self.run.over_since
        if since is None:
            run_rows.write(self.run, over_since=self.now())
        elif self._seconds_since(since) > OVER_GRACE:
            self.runner.end(self.process)

    def _stop(self) -> None:
        """Tell the tenant, then the runner; after the grace period end it."""
        if self.run.stop_sent_at is None:
            self._tell_stopping()
            run_rows.move(self.run, self.run.state, State.STOPPING, run_endings.stopped_by(self.run))
            self.runner.stop(self.process)
            run_rows.write(self.run, stop_sent_at=self.now())  # rather told twice than never
        elif self._seconds_since(self.run.stop_sent_at) > STOP_GRACE:
            self.runner.end(self.process)

    def _tell_stopping(self) -> None:
        try:
            self.client.update_run(self.run.zenml_run_id, run_endings.stopping(self.run))
        except TenantError as error:
            # The process ends all the same; how it ended is read afterwards.
            log.info("stopping was not told", run=str(self.run.pk), reason=error.reason)

    # -- ends

    def _close(self) -> None:
        """The process is gone: find out how the run ended."""
        self.runner.end(self.process)
        if run_access.is_out(self.run):
            self._end_gone()
        elif self._may_have_left() and self._is_elsewhere():
            self._hand_over()
        else:
            self._end(self._read_end())

    def _read_end(self) -> End:
        return run_endings.read_end(self.run, self.client, self.runner, self.runner.exit_code(self.process))

    def _may_have_left(self) -> bool:
        """Did the process not fail, as far as anyone knows?"""
        return self.runner.exit_code(self.process) in (0, None)

    def _is_elsewhere(self) -> bool:
        """Has an orchestrator taken the run over, which then goes on without a process here?"""
        try:
            seen = self.client.run(self.run.zenml_run_id)
        except TenantNotFound:
            return False
        begun = not seen.finished and seen.status != "initializing"
        return begun and runs_elsewhere(self.run.template, self.client)

    def _hand_over(self) -> None:
        """Its stack carries it out: what is left of it here is what its process printed."""
        nothing = {"pid": None, "pid_started": "", "stop_sent_at": None, "over_since": None}
        if run_rows.move(self.run, self.run.state, State.SUBMITTED, "", **nothing):
            self.runner.tidy(self.run.pk)

    def _end_gone(self) -> None:
        """End a run that no one can ask the tenant about; a busy database is told later."""
        try:
            self._end(run_endings.end_of_the_gone(self.run))
        except ServerError as error:
            log.warning("end was not told", run=str(self.run.pk), reason=error.reason)
            self._end_unsettled(End(State.STOPPED, run_endings.gone(self.run)))

    def _fail(self, reason: str) -> None:
        """An end before there was a process; the tenant is told when it knows the run already."""
        end = End(State.FAILED, reason)
        if self.run.zenml_run_id:
            end = run_endings.reap(self.run, self.client, reason)
        self._end(end)

    def _end(self, end: End) -> None:
        self._end_containers()
        run_rows.finish(self.run, end, self.runner)

    def _end_containers(self) -> None:
        """Of a run in the Docker of this machine, which go on when its process ends."""
        if self.run.pid is not None and settings_in_docker(self.run.template.snapshot):
            end_containers(self.run.pk)

    def _end_unsettled(self, end: End) -> None:
        self._end_containers()
        run_rows.finish_unsettled(self.run, end, self.runner)

    # -- when something does not work

    def stumble(self, error: Exception) -> None:
        """A fault of ours, or of the machine. It is tried again for a while; nothing must hang forever."""
        if not self.run.has_ended and self.memory.seconds_of_trouble() > LONG_PATIENCE:
            self._end_unsettled(End(State.FAILED, f"ZenPro could not continue: {error or type(error)}"))

    def _passing(self, error: TenantRefused) -> bool:
        """Wait for a tenant that is in trouble itself, but not forever."""
        lasts = self.memory.seconds_of_trouble()
        passing = is_passing(error) and lasts < LONG_PATIENCE
        if passing:
            self._unanswered(error.reason)
        return passing

    def _out_of_reach(self, reason: str) -> None:
        """Nothing is known of what runs, so nothing is concluded, however long that lasts."""
        self.memory.is_ours = False  # it may have been started all the same
        self.memory.rest()
        words = f"Waiting for the cluster: {reason}"
        if self.run.pid is not None or not run_rows.move(self.run, State.STARTING, State.QUEUED, words):
            run_rows.note(self.run, words)

    def _unanswered(self, reason: str) -> None:
        """Nothing is lost: what has no process waits in the queue, the others where they are."""
        self.memory.is_ours = False  # a call may have arrived all the same
        self.memory.rest()
        tenant = self.run.template.tenant
        words = f"Waiting for {tenant.name}: {reason}"
        if self.run.pid is None:
            run_rows.move(self.run, State.STARTING, State.QUEUED, words)
        elif tenant.desired_state == Tenant.DesiredState.AVAILABLE:
            run_rows.note(self.run, words)
        else:
            self._end_with_its_tenant(tenant)

    def _end_with_its_tenant(self, tenant: Tenant) -> None:
        """A process whose tenant has been deleted ends; of one that is only down, it may go on."""
        if tenant.desired_state == Tenant.DesiredState.DELETED:
            self.runner.end(self.process)
            self._end(End(State.FAILED, TENANT_DELETED))
        elif self._is_alive():
            return
        elif self._may_have_left() and was_elsewhere(self.run.template):
            self._hand_over()
        else:
            sentence = f"{tenant.name} was {tenant.desired_state} while the run was under way."
            self._end_unsettled(End(State.FAILED, sentence))

    def _refused(self, error: TenantError) -> None:
        """The tenant no longer answers this person. A living process continues; its own calls are refused."""
        if not self._is_alive():
            self._end(End(State.FAILED, self._lost() if self.run.pid is not None else error.reason))
            return
        if self.run.cancel_requested_at:
            self._stop()
        self.memory.rest()

    def _lost(self) -> str:
        return LOST.format(who=self.run.created_by or "Whoever started it")

    # -- afterwards

    def settle(self) -> None:
        """Tell a tenant that came back about a run that ended meanwhile; it is kept for later while no one answers."""
        try:
            if self.run.template.tenant.desired_state != Tenant.DesiredState.DELETED:
                self._tell_end()
        except (TenantUnreachable, ServerError, RunnerOutOfReach):
            return
        except TenantRefused as error:
            if is_passing(error):
                return
        run_rows.write(self.run, is_unsettled=False)

    def _tell_end(self) -> None:
        if run_access.is_out(self.run):
            run_endings.end_of_the_gone(self.run)
        else:
            run_endings.read_end(self.run, self.client, self.runner)


def _code_of(version: CodeVersion | None) -> dict[str, Any]:
    """As an order has it. Raises RunnerFailed, and CodeOutOfReach, which passes."""
    if version is None:
        return NO_CODE
    try:
        code = present(version.code_hash)
    except CodeOutOfReach:
        raise
    except CodeError as error:
        raise RunnerFailed(error.reason) from error
    if not code.is_dir():
        raise RunnerFailed("The copy of the template's code is missing in the data folder.")
    return {"code": code, "roots": version.roots, "starts_in": version.starts_in}
