"""Which re-run of a template a run of a tenant is, and what its process printed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO
from uuid import UUID

from tenants.hosting.answers import line
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.parsed import seen_changes
from tenants.run_templates.engine import stored_outputs
from tenants.run_templates.engine.excerpts import ExcerptLine, excerpt
from tenants.run_templates.engine.stored_outputs import Printed, printed
from tenants.runs.dialects import refusal_to_run_again
from tenants.runs.reading import RunPage
from tenants.runs.step_failures import Reason, reason_in
from zenpro_site.common.prepared import Given, Prepared

from .access import NOT_READY, is_runner, may_edit, needed_to_run_again, why_no_runner
from .models import CodeVersion, RunTemplate, TemplateRun
from .remembered import prepared_of

BULKY_OF_TEMPLATE = ("snapshot", "default_configuration", "previous_configuration", "requirements")
BULKY = ("configuration", "changes", *(f"template__{name}" for name in BULKY_OF_TEMPLATE))
LOOKED_FOR = 150  # runs of a template: their ids go into an address, which proxies cut at 8 KiB
LATER = 3  # runs that came of a run, on its page
SKIPPED = "skipped"  # ZenML's word for a step that hands on what an earlier run saved
OUTPUT_LINES, OUTPUT_LENGTH = 100, 1000  # of the process of a re-run, and characters of a line


def rerun_of(tenant: Tenant, run_id: UUID) -> TemplateRun | None:
    """The re-run of a template that made this run, if one did; to be read, its changes are those people may see."""
    found = _RERUN(tenant=tenant.pk, run=run_id)
    for run in found:
        run.changes = seen_changes(run)
    return found[0] if found else None


def _reruns_asked():
    tenant, run = Given("tenant", Tenant._meta.pk), Given("run", TemplateRun._meta.get_field("zenml_run_id"))
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id=run)
    related = runs.select_related("template__tenant__organization", "created_by", "code", "continues")
    return related.defer("continues__configuration", "continues__changes")[:1]


_RERUN = Prepared(_reruns_asked)  # each look at a run asks, every few seconds while it goes on


def with_origins(page: RunPage, rerun: TemplateRun | None) -> RunPage:
    """The page of a run with the steps marked that it took over from another one."""
    if rerun is None or rerun.continues is None:
        return page
    names, origin = set(rerun.taken_over), f"re-run {rerun.continues.number}"
    steps = [
        replace(step, taken_from=origin) if step.status == SKIPPED and step.name in names else step
        for step in page.steps
    ]
    return replace(page, steps=steps)


def reruns_of(tenant: Tenant, run_ids: Iterable[UUID]) -> dict[UUID, TemplateRun]:
    """Those of these runs that a template made, by their ids inside the tenant."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id__in=run_ids)
    found = {run.zenml_run_id: run for run in runs.select_related("template", "code").defer(*BULKY)}
    for run in found.values():
        run.template.tenant = tenant
    return found


def codes_of(tenant: Tenant, run_ids: Iterable[UUID]) -> dict[UUID, CodeVersion]:
    """The version of the code of those of these runs that a template made. One query."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id__in=run_ids)
    known = runs.exclude(code=None).select_related("code").only("zenml_run_id", "code")
    return {run.zenml_run_id: run.code for run in known}


@dataclass(frozen=True)
class RunDoors:
    """What the person who looks can do with a run. `template`: the one that made it or was made for it."""

    template: RunTemplate | None
    can_run: bool  # with and without changes
    can_make: bool  # a template of it
    can_edit: bool  # what it needs to run again: its code and packages, and whether lists show it
    refusal: str = ""  # why there is no door, for whoever could use one
    why_not: str = ""  # why there is none for this person, who may run templates

    @property
    def more(self) -> bool:
        return self.can_make or self.can_edit


def doors_of(tenant: Tenant, run_id: UUID, rerun: TemplateRun | None, user, rights) -> RunDoors:
    """`rights`: the person's on the tenant. At most one query, two for a template that names who may run it."""
    template = rerun.template if rerun else prepared_of(tenant, run_id)
    can_make = TenantPermission.TEMPLATE_CREATE in rights
    is_own = template is not None and not template.is_listed  # it belongs to the run alone
    can_edit = is_own and can_make and may_edit(user, template, rights)
    can_run = needed_to_run_again(template) <= rights and (template is None or is_runner(user, template))
    if refusal := refusal_to_run_again(tenant):
        return RunDoors(template, False, False, False, refusal if can_run else "")
    why_not = "" if can_run or TenantPermission.TEMPLATE_RUN not in rights else _why_no_door(template)
    return RunDoors(template, can_run, can_make and not rerun and not can_edit, can_edit, why_not=why_not)


def _why_no_door(template: RunTemplate | None) -> str:
    """For those who may run templates."""
    return why_no_runner(template) if template else NOT_READY


def repeatable(tenant: Tenant, run_ids: Iterable[UUID], rights) -> set[UUID]:
    """Those of these runs that a person with these rights can run again. Two queries at most."""
    run_ids = {*run_ids}
    if refusal_to_run_again(tenant):
        return set()
    if needed_to_run_again(None) <= rights:
        return run_ids
    if not needed_to_run_again(True) <= rights:
        return set()
    held = tenant.templates.guarded().values("pipeline_name")
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id__in=run_ids)
    runs = runs.exclude(template__is_listed=False, template__pipeline_name__in=held)
    made = tenant.templates.filter(is_listed=False, source_run_id__in=run_ids)
    made = made.exclude(pipeline_name__in=held)
    return {*runs.values_list("zenml_run_id", flat=True), *made.values_list("source_run_id", flat=True)}


def templates_for(tenant: Tenant, pipelines: Iterable[str]) -> dict[str, RunTemplate]:
    """The newest template of each of these pipelines, by the pipeline's name."""
    found = tenant.templates.listed().filter(pipeline_name__in={*pipelines} - {""})
    return {
        template.pipeline_name: template
        for template in found.order_by("created_at").defer(*BULKY_OF_TEMPLATE)
    }


def runs_of_template(tenant: Tenant, template: str) -> list[UUID]:
    """The runs inside the tenant that a template made, the newest ones; [] without a template. One query."""
    if not template:
        return []
    runs = TemplateRun.objects.filter(template__tenant=tenant, template=template).exclude(zenml_run_id=None)
    return list(runs.order_by("-number").values_list("zenml_run_id", flat=True)[:LOOKED_FOR])


@dataclass(frozen=True)
class WhyFailed:
    """Why a run failed; `lines` of its code, [] for those who may not see them and where there are none."""

    reason: Reason
    lines: list[ExcerptLine]


def why_failed(
    page: RunPage, rerun: TemplateRun | None, output: list[str], may_see_code: bool
) -> WhyFailed | None:
    """What the server knows, or what the process printed; None for a run that did not fail."""
    if page.status != "failed" and not page.alert:
        return None
    reason = page.reason if page.reason.sentence else reason_in(output)
    has_code = rerun is not None and rerun.code is not None
    shows = may_see_code and has_code and reason.place is not None and reason.place.is_of_run
    return WhyFailed(reason, excerpt(rerun.code.code_hash, reason.place) if shows else [])


def opened_kept(rerun: TemplateRun) -> BinaryIO | None:
    """The file with what a failed re-run wrote in its working directory, while it is kept. Raises StorageFailed."""
    return stored_outputs.opened_kept(rerun.pk) if rerun.is_kept else None


def prints(rerun: TemplateRun | None) -> bool:
    """Is what its process prints worth showing: while it runs, and when it failed?"""
    return rerun is not None and (not rerun.has_ended or rerun.state == TemplateRun.State.FAILED)


def output_of(rerun: TemplateRun | None) -> Printed | None:
    """The last lines that the process of a re-run has printed, which no step's log may hold; None where `prints` says
    no. Reads at most 64 KB of a file, and asks no tenant."""
    if not prints(rerun):
        return None
    lines, trouble = printed(rerun.pk, OUTPUT_LINES)
    return Printed([line(text, OUTPUT_LENGTH) for text in lines], trouble)


@dataclass(frozen=True)
class LaterRuns:
    """Re-runs that a run led to, newest first; `more` were run again from it besides."""

    again: list[TemplateRun]
    continued: list[TemplateRun]
    more: int = 0


def later_runs(tenant: Tenant, run_id: UUID, rerun: TemplateRun | None) -> LaterRuns:
    """Of templates made of this run, and of those that took over its steps. Two queries, three for a re-run."""
    every = TemplateRun.objects.filter(template__tenant=tenant).select_related("template").defer(*BULKY)
    again = every.filter(template__source_run_id=run_id).order_by("-queued_at")
    shown = [*again[:LATER]]
    more = again.count() - LATER if len(shown) == LATER else 0
    continued = [*every.filter(continues=rerun).order_by("-queued_at")[:LATER]] if rerun else []
    for run in [*shown, *continued]:
        run.template.tenant = tenant
    return LaterRuns(shown, continued, more)
