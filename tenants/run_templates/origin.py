"""Which re-run of a template a run of a tenant is, and what its process printed."""

from uuid import UUID

from tenants.hosting.answers import line
from tenants.models import Tenant
from tenants.run_templates.engine import runner

from .models import TemplateRun

OUTPUT_LINES, OUTPUT_LENGTH = 100, 1000  # of the process of a failed re-run, and characters of a line


def rerun_of(tenant: Tenant, run_id: UUID) -> TemplateRun | None:
    """The re-run of a template that made this run, if one did."""
    runs = TemplateRun.objects.filter(template__tenant=tenant, zenml_run_id=run_id)
    return runs.select_related("template__tenant__organization", "created_by").first()


def output_of(rerun: TemplateRun | None) -> list[str]:
    """The last lines that the process of a failed re-run printed, which no step's log may hold; [] for others."""
    if rerun is None or rerun.state != TemplateRun.State.FAILED:
        return []
    return [line(text, OUTPUT_LENGTH) for text in runner.chosen().output(rerun.pk, OUTPUT_LINES)]
