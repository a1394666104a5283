"""Rows of re-runs as the agent reads and changes them: whoever was first has changed it."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tenants.agent.run_endings import REASON_LENGTH, End
from tenants.run_templates.engine.base import Runner, Started
from tenants.run_templates.engine.code import code_folder
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.notices import tell_of_end
from tenants.usage.disk_budget import machine_is_full, refusal_of_budget
from tenants.webhooks.outbox import queue_end
from zenpro_site.common.prepared import Prepared


def rows():
    """Re-runs with all that a pass looks at; the big documents only when they are asked for."""
    related = TemplateRun.objects.select_related(
        "code",
        "template__tenant__organization",
        "template__tenant__enrollment",
        "created_by",
        "cancel_requested_by",
        "asked_with",
    )
    bulky = ("snapshot", "default_configuration", "previous_configuration")
    return related.defer("configuration", "changes", *(f"template__{name}" for name in bulky))


# All that have not ended, the oldest first.
unfinished = Prepared(lambda: rows().unfinished().order_by("queued_at", "pk"))


def load(pk: UUID) -> TemplateRun | None:
    return rows().filter(pk=pk).first()


def process_of(run: TemplateRun) -> Started:
    return Started(run.pk, run.pid, run.pid_started)


def write(run: TemplateRun, **values) -> None:
    """Write only these columns: people may change others at the same time."""
    vars(run).update(values)
    TemplateRun.objects.filter(pk=run.pk).update(**values)


def move(run: TemplateRun, old: str, new: str, reason: str, **more) -> bool:
    """Change the state, unless someone else was first."""
    unchanged = TemplateRun.objects.filter(pk=run.pk, state=old)
    moved = bool(unchanged.update(state=new, state_reason=reason, **more))
    if moved:
        run.state, run.state_reason = new, reason
    return moved


def note(run: TemplateRun, reason: str) -> None:
    """Say why nothing happens; written only when it changes."""
    reason = reason[:REASON_LENGTH]
    if run.state_reason != reason:
        TemplateRun.objects.filter(pk=run.pk, state=run.state).update(state_reason=reason)


def finish(run: TemplateRun, end: End, runner: Runner, **more) -> None:
    """The end of a re-run, unless it has one, and in the same transaction the news of it."""
    reason, now = end.reason[:REASON_LENGTH], timezone.now()
    values = {"state": end.state, "state_reason": reason, "ended_at": now}
    with transaction.atomic():
        if TemplateRun.objects.unfinished().filter(pk=run.pk).update(**values, **more):
            tell_of_end(run=run, state=end.state, reason=reason)
            queue_end(run=run, state=end.state, ended_at=now)
    if end.state == TemplateRun.State.FAILED:
        _keep(run, runner)
    runner.tidy(run.pk)


def _keep(run: TemplateRun, runner: Runner) -> None:
    """What it wrote may tell why; a tenant without space keeps nothing."""
    days = settings.ZENPRO_KEPT_DAYS
    if (
        run.pid is None
        or run.code is None
        or days <= 0
        or machine_is_full()
        or refusal_of_budget(run.template.tenant)
    ):
        return
    if size := runner.keep(run.pk, code_folder(run.code.code_hash)):
        write(run, kept_bytes=size, kept_until=timezone.now() + timedelta(days=days))


def finish_unsettled(run: TemplateRun, end: End, runner: Runner) -> None:
    """An end that the tenant hears of later, if it knows of the run at all."""
    finish(run, end, runner, is_unsettled=run.zenml_run_id is not None)
