"""How re-runs end: what the tenant says about a run, and telling it about one whose process is dead (rerun §6)."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tenants.agent import run_access
from tenants.hosting import answers
from tenants.hosting.backends import backend_for
from tenants.hosting.base import NotYet, TenantNotFound, TenantRefused
from tenants.run_templates.engine.base import Runner
from tenants.run_templates.models import TemplateRun
from tenants.runs.client import UNDER_WAY, Run, Step, TenantClient
from tenants.runs.step_failures import reason_in, reason_of
from tenants.runs.step_pages import all_steps

State = TemplateRun.State
REASON_LENGTH = 500
ZENML_REASON_LENGTH = 250  # a short text column there
ENDS = {
    "completed": State.COMPLETED,
    "cached": State.COMPLETED,
    "skipped": State.COMPLETED,
    "failed": State.FAILED,
    "stopped": State.STOPPED,
    "cancelled": State.STOPPED,
}
EXCEPTION = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt|Exit|Killed)\b.*")
NO_REASON = "The run failed without giving a reason."
# A step whose code raised something says so: this one had no time to, or never began.
SILENTLY = "failed without giving a reason. It may have been killed (out of memory, for example), or could not start."
LONGEST = 2000  # characters of a reason
SIGNALLED = 128  # a box whose program was killed by signal N ends with 128 + N
LAST_SIGNAL = 64
PREFIX = re.compile(r"^(?:\[[^\]]*\]\s*)+")


@dataclass(frozen=True)
class End:
    """How a re-run ended, with a sentence for people."""

    state: str
    reason: str = ""


DELETED = End(State.FAILED, "The run was deleted inside the tenant.")


def read_end(run: TemplateRun, client: TenantClient, runner: Runner, exit_code: int | None = None) -> End:
    """The end of a run whose process is gone, told to the tenant when it does not know it yet.

    Raises TenantUnreachable: then ask again later.
    """
    try:
        seen = client.run(run.zenml_run_id)
    except TenantNotFound:
        return DELETED
    if not seen.finished:
        return reap(run, client, why_it_died(run, runner, exit_code))
    if seen.status == "failed":
        close_steps(run, client, "failed", "The process of the run has ended.")
    return end_seen(run, seen, client, runner)


def end_seen(run: TemplateRun, seen: Run, client: TenantClient, runner: Runner) -> End:
    """How a run that has ended inside the tenant did so. Raises TenantUnreachable."""
    if seen.status != "failed":
        return End(ENDS.get(seen.status, State.FAILED), seen.reason)
    reason = why_it_failed(run, client, seen, runner) or last_error(run, runner) or NO_REASON
    return End(State.FAILED, reason)


def reap(run: TemplateRun, client: TenantClient, reason: str) -> End:
    """Tell the tenant that a run is over. Of one that was cancelled it says stopped, else failed."""
    cancelled = run.cancel_requested_at is not None
    end = End(State.STOPPED, stopped_by(run)) if cancelled else End(State.FAILED, reason)
    try:
        close_stopped(run, client) if cancelled else close_failed(run, client, reason)
    except TenantRefused as refused:
        return End(end.state, f"{end.reason} (The tenant did not record it: {refused.reason})")
    return end


def end_of_the_gone(run: TemplateRun) -> End:
    """The end of a run whose person can no longer act in the tenant: its backend writes it into the server's records.

    Raises ServerError: then try again later.
    """
    reason, tenant = gone(run), run.template.tenant
    seen = None
    if run.zenml_run_id and tenant.moves.open().exists():
        raise NotYet(f"{tenant} is being moved: no one can tell yet which database will be its own.")
    if run.zenml_run_id:
        seen = backend_for(tenant).end_run(tenant, run.zenml_run_id, "stopped", reason[:ZENML_REASON_LENGTH])
    if seen is None:
        return End(State.STOPPED, reason)
    return End(ENDS.get(seen[0], State.STOPPED), seen[1] if seen[0] != "completed" else "")


def gone(run: TemplateRun) -> str:
    """Why it was stopped; for a process that ended before anyone stopped it, why no one can ask the tenant."""
    return stopped_by(run) if run.cancel_requested_at else f"Stopped: {run_access.why_stopped(run)}"


def stopping(run: TemplateRun) -> dict[str, str]:
    """What the tenant is told of a run that is to stop."""
    return {"status": "stopping", "status_reason": stopped_by(run)[:ZENML_REASON_LENGTH]}


def close_failed(run: TemplateRun, client: TenantClient, reason: str) -> None:
    close_run(run, client, "failed", reason)
    close_steps(run, client, "failed", reason)


def close_stopped(run: TemplateRun, client: TenantClient) -> None:
    """ZenML works the status of a run out of those of its steps: told that it stopped while a step runs, or before all have
    begun, it answers that the run is running, and forgets the reason. Told that it is stopping, it says stopped as soon as
    no step runs (0.98.0, _compute_static_pipeline_run_status). Dynamic pipelines and older servers take the end itself.
    """
    with suppress(TenantRefused):
        client.update_run(run.zenml_run_id, stopping(run))
    close_steps(run, client, "stopped", stopped_by(run))
    if not client.run(run.zenml_run_id).finished:
        close_run(run, client, "stopped", stopped_by(run))


def close_run(run: TemplateRun, client: TenantClient, status: str, reason: str) -> None:
    body = {"status": status, "status_reason": reason[:ZENML_REASON_LENGTH], "end_time": utc_now()}
    client.update_run(run.zenml_run_id, body)


def close_steps(run: TemplateRun, client: TenantClient, status: str, reason: str) -> None:
    """No step of a dead process is running."""
    for step in all_steps(client, run.zenml_run_id, run.template.project_id):
        if step.status in UNDER_WAY:
            body: dict[str, Any] = {"status": status, "end_time": utc_now()}
            if status == "failed":
                body["exception_info"] = {"message": reason, "traceback": reason}
            client.update_step(step.id, body)


def utc_now() -> str:
    """The way the server writes times: UTC without saying so."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat()


# Sentences


def stopped_by(run: TemplateRun) -> str:
    if run.stop_reason:
        return f"Stopped: {run.stop_reason}"
    return f"Stopped by {run.cancel_requested_by or 'someone'}."


def why_it_failed(run: TemplateRun, client: TenantClient, seen: Run, runner: Runner) -> str:
    """From the step that failed first, what the process printed, or the tenant's own reason; "" when there is none.

    Of a step whose module can't be imported, or whose pod was killed, the server knows no reason.
    """
    steps = all_steps(client, run.zenml_run_id, run.template.project_id)
    step = next(filter(is_failed, steps), None)
    if step is None:
        return seen.reason
    words = reason_of(step.message, step.traceback).words
    words = words or reason_in(runner.output(run.pk)).words or seen.reason
    return f"The step {step.name} failed: {words}" if words else f"The step {step.name} {SILENTLY}"


def is_failed(step: Step) -> bool:
    return step.status == "failed"


def why_it_died(run: TemplateRun, runner: Runner, exit_code: int | None) -> str:
    """The process is gone, and the run was not over."""
    if limit := runner.limit(run.pk):
        return limit
    if signal := _signal_of(exit_code):
        return f"The process of the run was killed (signal {signal})."
    error = last_error(run, runner)
    if error:
        return f"The process of the run ended with an error: {error}"
    if exit_code is not None:
        return f"The process of the run ended with exit code {exit_code} before the run was complete."
    return "The process of the run was killed, or the machine was restarted."


def _signal_of(exit_code: int | None) -> int | None:
    """What ended it, None for a code of its own: `sys.exit(-1)` is 255."""
    if exit_code is None or exit_code < 0:
        return exit_code and -exit_code
    signal = exit_code - SIGNALLED
    return signal if 0 < signal <= LAST_SIGNAL else None


def last_error(run: TemplateRun, runner: Runner) -> str:
    """What the process printed of its last exception; "" when there is none."""
    output = runner.output(run.pk)
    found = reason_in(PREFIX.sub("", line) for line in output)
    if found.module or found.place:
        return found.words
    for line in reversed(output):
        text = answers.line(PREFIX.sub("", line).strip(), LONGEST)
        if EXCEPTION.match(text):
            return text
    return ""
