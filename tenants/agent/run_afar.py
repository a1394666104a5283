"""One look at one re-run that its stack carries out: its row and its tenant. Nothing of it is on this machine.

Whoever ends such a run inside the tenant ends what still works on it elsewhere: its pods refuse to go on with a run that
is over, and a step that has ended can't be completed. So nothing is concluded from an error, or from silence.
"""

import time

import structlog

from tenants.agent import run_access, run_endings, run_life, run_rows
from tenants.agent.run_endings import End
from tenants.hosting.base import TenantNotFound, TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.engine.derive import is_passing
from tenants.run_templates.models import TemplateRun
from tenants.runs.client import UNDER_WAY, Run
from tenants.runs.step_pages import all_steps

from .run_memory import Life
from .run_pass import TENANT_DELETED, RunPass

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State


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
        seen = self.client.run(self.run.zenml_run_id)
        if seen.status == "initializing":
            self._end(self._read_end())  # no orchestrator has it: it never left
        elif seen.finished and not self._has_branches(seen):
            self._end(run_endings.end_seen(self.run, seen, self.client, self.runner))
        else:
            self._go_on_with(seen)

    def _has_branches(self, seen: Run) -> bool:
        """A run has failed with its first step, while others may go on."""
        if seen.status != "failed":
            return False
        steps = all_steps(self.client, self.run.zenml_run_id, self.run.template.project_id)
        return any(step.status in UNDER_WAY for step in steps)

    def _go_on_with(self, seen: Run) -> None:
        if self.run.given_up_at:
            self._end(run_endings.reap(self.run, self.client, ""))
            return
        if self.run.cancel_requested_at and self.run.stop_sent_at is None and not seen.finished:
            self._tell_stopping()
            run_rows.write(self.run, stop_sent_at=self.now())
        self._listen(seen)

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
