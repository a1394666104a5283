"""Which re-run of a template a run of a tenant is, and what its process printed."""

from uuid import UUID

from tenants.hosting.answers import line
from tenants.models import Tenant
from tenants.run_templates.engine import runner

from .models import TemplateRun

LOOKED_FOR = 150  # runs of a template: their ids go into an address, which proxies cut at 8 KiB
OUTPUT_LINES, OUTPUT_LENGTH = 100, 1000  # of the process of a failed re-run, and characters of a line


def rerun_of(tenant: Tenant, run_id: UUID) -> TemplateRun | None:
    """The re-run of a template that made this run, if one did."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id=run_id)
    return runs.select_related("template__tenant__organization", "created_by").first()


def runs_of_template(tenant: Tenant, template: str) -> list[UUID]:
    """The runs inside the tenant that a template made, the newest ones; [] without a template. One query."""
    if not template:
        return []
    runs = TemplateRun.objects.filter(template__tenant=tenant, template=template).exclude(zenml_run_id=None)
    return list(runs.order_by("-number").values_list("zenml_run_id", flat=True)[:LOOKED_FOR])


def output_of(rerun: TemplateRun | None) -> list[str]:
    """The last lines that the process of a failed re-run printed, which no step's log may hold; [] for others."""
    if rerun is None or rerun.state != TemplateRun.State.FAILED:
        return []
    return [line(text, OUTPUT_LENGTH) for text in runner.chosen().output(rerun.pk, OUTPUT_LINES)]
