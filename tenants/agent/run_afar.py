"""One look at one re-run that its stack carries out: its row and its tenant. Nothing of it is on this machine.

Whoever ends such a run inside the tenant ends what still works on it elsewhere: its pods refuse to go on with a run that
is over, and a step that has ended can't be completed. So nothing is concluded from an error, or from silence.

Only when someone doesn't want to wait for its stack, ZenML's class of the orchestrator ends what works on it there, in a
process like a runner's.
"""

import time
from contextlib import suppress
from dataclasses import replace

import structlog

from tenants.agent import run_access, run_endings, run_life, run_rows
from tenants.agent.run_endings import End
from tenants.hosting.base import ServerError, TenantNotFound, TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.engine.base import AlreadyRunning, RunnerFailed, RunnerOutOfReach
from tenants.run_templates.engine.derive import is_passing
from tenants.run_templates.engine.run_environments import needs_of
from tenants.run_templates.models import TemplateRun
from tenants.runs.client import UNDER_WAY, Run
from tenants.runs.step_pages import all_steps

from .run_memory import Life
from .run_pass import TENANT_DELETED, RunPass

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State

END_PATIENCE = 120.0  # seconds for ending what works on it; then it is ended here alone
NOT_ENDED = "{} What works on it on its stack could not be ended and may go on: {}"
NO_ANSWER = "there was no answer in time."
UNSAID = "the process for it ended with exit code {}."
NO_PACKAGES = "the packages of its template are not installed."


class SubmittedPass(RunPass):
    """Can be killed at any moment, like any pass."""

    def go(self) -> None:
        """Look at it, and leave it alone for a while."""
        self.memory.rest_long()
        try:
            self._look_or_end()
        except TenantUnreachable as error:
            self._unanswered(error.reason)
        except TenantNotFound:
            self._end(run_endings.DELETED)
        except TenantRefused as error:
            self._passing(error) or self._end(End(State.FAILED, self._lost()))

    def stumble(self, error: Exception) -> None:
        """A fault of ours says nothing about a run elsewhere."""
        self.memory.rest_long()

    def _look_or_end(self) -> None:
        if self.run.cancel_requested_at and run_access.is_out(self.run):
            self._end_gone()
            return
        if self._is_being_ended():
            run_rows.note(self.run, "")
            return
        seen = self.client.run(self.run.zenml_run_id)
        if seen.status == "initializing":
            self._end(self._read_end())  # no orchestrator has it: it never left
        elif seen.finished and not self._has_branches(seen):
            self._end(self._end_seen(seen))
        else:
            self._go_on_with(seen)

    def _end_seen(self, seen: Run) -> End:
        end = run_endings.end_seen(self.run, seen, self.client, self.runner)
        ended_by_us = self.run.given_up_at and end.state == State.STOPPED
        return replace(end, reason=run_endings.stopped_by(self.run)) if ended_by_us else end

    def _has_branches(self, seen: Run) -> bool:
        """A run has failed with its first step, while others may go on."""
        if seen.status != "failed":
            return False
        steps = all_steps(self.client, self.run.zenml_run_id, self.run.template.project_id)
        return any(step.status in UNDER_WAY for step in steps)

    def _go_on_with(self, seen: Run) -> None:
        if self.run.cancel_requested_at and self.run.stop_sent_at is None and not seen.finished:
            self._tell_stopping()
            run_rows.write(self.run, stop_sent_at=self.now())
        if self.run.given_up_at:
            self._end_on_its_stack()
        else:
            self._listen(seen)

    # -- ended without waiting

    def _is_being_ended(self) -> bool:
        return self.run.pid is not None and not self._took_too_long() and self._is_alive()

    def _took_too_long(self) -> bool:
        return self._seconds_since(self.run.given_up_at) > END_PATIENCE

    def _end_on_its_stack(self) -> None:
        """Once. Whether or not that worked, the run is over."""
        if self.run.pid is not None:
            self._end_here(self._why_not_ended())
        elif self._took_too_long():
            self._end_here(NO_ANSWER)
        else:
            self._begin_to_end()

    def _begin_to_end(self) -> None:
        if not self.environments.ready(*needs_of(self.run)):
            self._end_here(NO_PACKAGES)
            return
        try:
            order = replace(self._order_without_code(), ends=run_endings.stopping(self.run)["status_reason"])
            self._record_process(self.runner.start(order))
        except AlreadyRunning:
            self._adopt()
        except (RunnerFailed, RunnerOutOfReach, ServerError) as error:
            self._end_here(error.reason)

    def _why_not_ended(self) -> str:
        """ "" when it was, and when an agent before this one knew."""
        if self._took_too_long():
            return NO_ANSWER
        code = self.runner.exit_code(self.process)
        if code in (0, None):
            return ""
        return run_endings.last_error(self.run, self.runner) or UNSAID.format(code)

    def _end_here(self, why_not_there: str) -> None:
        end = run_endings.reap(self.run, self.client, "")
        self._end(replace(end, reason=NOT_ENDED.format(end.reason, why_not_there)) if why_not_there else end)

    def _end(self, end: End) -> None:
        self._end_process()
        super()._end(end)

    def _end_unsettled(self, end: End) -> None:
        self._end_process()
        super()._end_unsettled(end)

    def _end_process(self) -> None:
        if self.run.pid is not None:
            with suppress(RunnerOutOfReach):
                self.runner.end(self.process)

    # -- signs of life

    def _listen(self, seen: Run) -> None:
        """Note for how long nothing was heard of it; only after ZenML's own patience it is over."""
        life = self._life(seen)
        if run_life.is_lost(life, self.now()):
            life = self._life(seen, most=0)  # it may have been heard of since
        if run_life.is_lost(life, self.now()):
            self._end(run_endings.reap(self.run, self.client, life.words))
        else:
            run_rows.note(self.run, life.words)

    def _life(self, seen: Run, most: float = run_life.LOOK_EVERY) -> Life:
        """As it was `most` seconds ago, at most. Looked at now and then: it takes all steps of the run."""
        known = self.memory.life
        if known is None or time.monotonic() - known.looked_at >= most:
            steps = all_steps(self.client, self.run.zenml_run_id, self.run.template.project_id)
            self.memory.life = run_life.life_of(seen, steps, known, self.now())
        return self.memory.life

    def _tell_stopping(self) -> None:
        """Its orchestrator sees that, and begins no further step. One that does not answer is told again."""
        try:
            self.client.update_run(self.run.zenml_run_id, run_endings.stopping(self.run))
        except TenantRefused as error:
            if is_passing(error):
                raise
            log.info("stopping was refused", run=str(self.run.pk), reason=error.reason)

    def _passing(self, error: TenantRefused) -> bool:
        passing = is_passing(error)
        if passing:
            self._unanswered(error.reason)
        return passing

    def _unanswered(self, reason: str) -> None:
        tenant = self.run.template.tenant
        self.memory.life = None  # what could not be written meanwhile says nothing
        if tenant.desired_state == Tenant.DesiredState.DELETED:
            self._end(End(State.FAILED, TENANT_DELETED))
        elif self.run.given_up_at:
            self._end_unsettled(End(State.STOPPED, run_endings.stopped_by(self.run)))
        else:
            run_rows.note(self.run, f"Waiting for {tenant.name}: {reason}")
