from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Path, Query, Router, Schema
from pydantic import Field

from orgs.access.gate import refuse
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import NOT_THEIRS, may_cancel, require_runner
from tenants.run_templates.continuing import continued_with
from tenants.run_templates.document.hidden import without_sealed
from tenants.run_templates.document.parsed import seen_changes, seen_configuration
from tenants.run_templates.models import TemplateRun
from tenants.runs.connection import connect

from .callers import needs
from .shapes import Body, Document, Page, Reference, Slice, page_of, reference
from .templates import TEMPLATE

router = Router(tags=["Re-runs"])
RUNS = TEMPLATE + "/runs"
RUN = RUNS + "/{number}"
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class RunOut(Schema):
    id: UUID
    number: int
    name: str
    state: TemplateRun.State = Field(
        description="`submitted`: carried out by its stack; nothing of it is left on ZenPro's machine."
    )
    state_reason: str
    changes: list[dict[str, Any]] = Field(description="Differences from the template: path, before, after.")
    created_by: Reference | None
    run: UUID | None = Field(description="The run inside the tenant, once there is one.")
    queued: datetime
    started: datetime | None
    ended: datetime | None
    cancel_requested: datetime | None
    continues: int | None = Field(description="Number of the re-run whose completed steps it takes over.")
    taken_over: list[str] = Field(description="Names of these steps.")
    stack: str = Field(description="The name of the stack it goes to.")


class RunDetail(RunOut):
    configuration: dict[str, Any] = Field(
        description="What was sent, without values that the template hides and with a mask for each new secret."
    )


class RunNew(Body):
    configuration: Document = Field(
        {},
        description="As in ZenML's configuration files; what it leaves out comes from the template.",
        examples=[{"steps": {"train": {"parameters": {"alpha": 0.1}}}}],
    )
    continues: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="Number of a re-run of this template that failed or was stopped: its completed steps are taken "
        "over, as far as values and code are the same. What `configuration` leaves out then comes from that re-run.",
    )
    stack: UUID | None = Field(
        None,
        description="Id of another stack inside the tenant than the template's: one with an orchestrator of the same "
        "flavor, the same artifact store and the same container registry. Only for runs that were recorded with images. What "
        "continues a re-run goes to the stack of that one when none is named.",
    )


def shown(run: TemplateRun) -> dict:
    return {
        **{name: getattr(run, name) for name in ("id", "number", "state", "state_reason")},
        "changes": seen_changes(run),
        "name": run.run_name,
        "created_by": reference(run.created_by),
        "run": run.zenml_run_id,
        "queued": run.queued_at,
        "started": run.started_at,
        "ended": run.ended_at,
        "cancel_requested": run.cancel_requested_at,
        "continues": run.continues.number if run.continues else None,
        "taken_over": run.taken_over,
        "stack": run.stack,
    }


def in_full(run: TemplateRun) -> dict:
    return {**shown(run), "configuration": without_sealed(seen_configuration(run))}


def _template(request, pk: UUID):
    return get_object_or_404(request.tenant.templates, pk=pk)


def _run(request, template: UUID, number: int) -> TemplateRun:
    return get_object_or_404(_template(request, template).runs.select_related("created_by"), number=number)


@router.get(RUNS, auth=needs(TenantPermission.TEMPLATE_VIEW), response=Page[RunOut])
def run_list(request, organization: str, tenant: str, template: UUID, part: Query[Slice]):
    """All re-runs of a template, latest first."""
    runs = _template(request, template).runs.select_related("created_by").defer("configuration")
    return page_of(runs.order_by("-number"), part, shown)


LIMITS = {"responses": {402: {"description": "A limit is reached"}}}


@router.post(RUNS, auth=needs(TenantPermission.TEMPLATE_RUN), response={201: RunDetail}, openapi_extra=LIMITS)
def run_start(request, organization: str, tenant: str, template: UUID, body: RunNew):
    """Re-run the template with other values, as yourself. Invalid values are refused before anything is created."""
    found = _template(request, template)
    require_runner(request, found)
    values, continues, stack = body.configuration, None, body.stack
    if body.continues:
        before = get_object_or_404(found.runs.select_related("code"), number=body.continues)
        client, stack = connect(request.user, request.tenant), stack or before.stack_id
        values, continues = continued_with(values, before, found, client, request.user)
    facts = {"key": request.key, "continues": continues, "stack": stack}
    run = actions.queue_run(template=found, configuration=values, by=request.actor, **facts)
    return in_full(run)


@router.get(RUN, auth=needs(TenantPermission.TEMPLATE_VIEW), response=RunDetail)
def run_get(request, organization: str, tenant: str, template: UUID, number: Number):
    return in_full(_run(request, template, number))


@router.post(RUN + "/cancel", auth=needs(TenantPermission.TEMPLATE_RUN), response=RunDetail)
def run_cancel(request, organization: str, tenant: str, template: UUID, number: Number, now: bool = False):
    """Stop a re-run: your own, or anyone's if you manage the tenant.

    One that its stack carries out stops with the running step, which ZenML interrupts where it can. `now=true`, asked
    after that, ends it without waiting: what still works on it there can save nothing more.
    """
    found = _run(request, template, number)
    if not may_cancel(request.user, found, request.tenant_permissions):
        refuse(request, TenantPermission.CHANGE, request.tenant, NOT_THEIRS)
    deed = actions.give_up_run if now else actions.cancel_run
    deed(run=found, by=request.actor)
    return in_full(found)
