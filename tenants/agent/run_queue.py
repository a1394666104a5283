"""Re-runs that wait: nothing of them exists outside of their rows."""

from collections.abc import Callable
from concurrent.futures import Executor
from enum import Enum, auto

import structlog
from django.conf import settings

from tenants.agent.run_endings import End, stopped_by
from tenants.hosting.base import ServerError
from tenants.models import Tenant
from tenants.run_templates.engine.base import Runner
from tenants.run_templates.engine.run_environments import BUILDS, RunEnvironments, needs, needs_of
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.usage.disk_budget import why_wait

from .run_rows import finish, finish_unsettled, note

log = structlog.get_logger("zenpro.agent")
State = TemplateRun.State
UNDER_WAY = (State.STARTING, State.RUNNING, State.STOPPING, State.SUBMITTED)


class Next(Enum):
    """What a waiting re-run needs."""

    NOTHING = auto()  # it ended, or has to wait for something
    ENVIRONMENT = auto()
    PLACE = auto()


def look(run: TemplateRun, environments: RunEnvironments, runner: Runner) -> Next:
    """What a waiting re-run needs next. Says why it waits, and ends what can't begin."""
    if run.cancel_requested_at:
        finish_unsettled(run, End(State.STOPPED, stopped_by(run)), runner)
    elif run.seconds_to_undo:
        return Next.NOTHING
    elif reason := why_not_now(run.template.tenant):
        note(run, reason)
    elif run.template.tenant.desired_state == Tenant.DesiredState.DELETED:
        finish(run, End(State.FAILED, "The tenant has been deleted."), runner)
    else:
        ready = environments.ready(*needs_of(run))
        return Next.PLACE if ready else Next.ENVIRONMENT
    return Next.NOTHING


def why_not_now(tenant: Tenant) -> str:
    """A sentence for people; "" when nothing of the tenant is in the way, or when it has been deleted."""
    if tenant.desired_state == Tenant.DesiredState.DELETED:
        return ""
    return why_wait(tenant) if tenant.is_available else f"Waiting until {tenant.name} is running."


def has_room_elsewhere(
    run: TemplateRun, unfinished: list[TemplateRun], goes_elsewhere: Callable[[TemplateRun], bool]
) -> bool:
    """May it begin, as far as the limit of its tenant on remote stacks goes? `goes_elsewhere` is dear, and only asked
    where that many of the tenant are under way.
    """
    tenant, limit = run.template.tenant_id, settings.ZENPRO_SUBMITTED_RUNS
    others = [one for one in unfinished if one.template.tenant_id == tenant and one.state in UNDER_WAY]
    if len(others) < limit or not goes_elsewhere(run):
        return True
    return sum(one.is_submitted or goes_elsewhere(one) for one in others) < limit


def build(run: TemplateRun, environments: RunEnvironments, runner: Runner) -> None:
    """Create the environment of a re-run; a failure ends the re-run."""
    if run.has_ended:
        return
    try:
        environments.prepare(*needs_of(run))
    except ServerError as error:
        finish(run, End(State.FAILED, error.reason), runner)


class Ahead:
    """Creates the environments of new templates right away, so that their first re-run need not wait."""

    def __init__(self, environments: RunEnvironments, pool: Executor):
        self.environments, self.pool = environments, pool
        self.done: set[tuple[str, str, str]] = set()  # made, or tried

    def begin(self) -> None:
        """Hand in what is new."""
        templates = RunTemplate.objects.filter(tenant__desired_state=Tenant.DesiredState.AVAILABLE)
        organization = [f"tenant__organization__{name}" for name in BUILDS]
        asked = templates.order_by().values_list("tenant__zenml_version", "requirements", *organization)
        for one in {needs(*row) for row in asked.distinct()} - self.done:
            self.done.add(one)
            self.pool.submit(self.build, *one)

    def build(self, version: str, requirements: str, builds: str) -> None:
        """Of one that cannot be made, a re-run says so to a person."""
        try:
            self.environments.prepare(version, requirements, builds)
        except ServerError as error:
            log.info("environment was not made ahead", reason=error.reason)
