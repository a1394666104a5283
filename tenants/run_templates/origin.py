"""Which re-run of a template a run of a tenant is, and what its process printed."""

from collections.abc import Iterable
from uuid import UUID

from tenants.hosting.answers import line
from tenants.models import Tenant
from tenants.run_templates.engine import runner

from .models import RunTemplate, TemplateRun

BULKY_OF_TEMPLATE = ("snapshot", "default_configuration", "previous_configuration", "requirements")
BULKY = ("configuration", "changes", *(f"template__{name}" for name in BULKY_OF_TEMPLATE))
LOOKED_FOR = 150  # runs of a template: their ids go into an address, which proxies cut at 8 KiB
OUTPUT_LINES, OUTPUT_LENGTH = 100, 1000  # of the process of a re-run, and characters of a line


def rerun_of(tenant: Tenant, run_id: UUID) -> TemplateRun | None:
    """The re-run of a template that made this run, if one did."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id=run_id)
    return runs.select_related("template__tenant__organization", "created_by").first()


def reruns_of(tenant: Tenant, run_ids: Iterable[UUID]) -> dict[UUID, TemplateRun]:
    """Those of these runs that a template made, by their ids inside the tenant."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id__in=run_ids)
    return {run.zenml_run_id: run for run in runs.select_related("template").defer(*BULKY)}


def templates_for(tenant: Tenant, pipelines: Iterable[str]) -> dict[str, RunTemplate]:
    """The newest template of each of these pipelines, by the pipeline's name."""
    found = tenant.templates.filter(pipeline_name__in={*pipelines} - {""})
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


def prints(rerun: TemplateRun | None) -> bool:
    """Is what its process prints worth showing: while it runs, and when it failed?"""
    return rerun is not None and (not rerun.has_ended or rerun.state == TemplateRun.State.FAILED)


def output_of(rerun: TemplateRun | None) -> list[str] | None:
    """The last lines that the process of a re-run has printed, which no step's log may hold; None where `prints` says
    no. Reads at most 64 KB of a file, and asks no server."""
    if not prints(rerun):
        return None
    return [line(text, OUTPUT_LENGTH) for text in runner.chosen().output(rerun.pk, OUTPUT_LINES)]
