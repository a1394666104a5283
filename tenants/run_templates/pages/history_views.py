"""The history of a template: all its re-runs, and how their metrics went."""

from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_run
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.pages.history_page import (
    MOST_CHARTS,
    RUNS,
    HistoryFilterForm,
    MetricHistory,
    charts_of,
    chosen_metrics,
    read_history,
    table_of,
)
from tenants.run_templates.pages.presentation import HistoryRow
from tenants.runs.reading import Trouble, ask
from tenants.runs.shared_looks import of_ended_runs
from zenpro_site.common.htmx import wants

PAGE_SIZE = 20


@require_safe
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def history(request, template):
    """Without a call to the server; its metrics come in a fragment of their own, or with `charts=1`: three calls, kept
    for all who may read everything."""
    template = get_object_or_404(request.tenant.templates.listed().defer("snapshot"), pk=template)
    chosen = HistoryFilterForm(request.GET, template, request.user)
    runs = chosen.apply(
        template.runs.select_related("created_by", "code").defer("configuration"), request.user
    )
    context = {"template": template, "filter": chosen, "metrics_url": _metrics_url(request)}
    if wants(request, "metrics"):
        return render(
            request, "run_templates/history.html#metrics", context | _metrics(request, template, runs)
        )
    context |= _listed(request, template, runs)
    context["metric_keys"] = [one.key for one in chosen_metrics(request.GET.getlist("metric"))]
    if "charts" in request.GET:
        context |= _metrics(request, template, runs)
    return render(request, "run_templates/history.html", context)


def _listed(request, template, runs) -> dict:
    page = Paginator(runs, PAGE_SIZE).get_page(request.GET.get("page"))
    for run in page:
        run.template = template
    where = [request.org.slug, request.tenant.slug]
    return {
        "page": page,
        "rows": [HistoryRow(run) for run in page],
        "run_url": reverse("run_templates:run", args=[*where, template.pk]),
        "compare_url": reverse("tenants:compare", args=where),
        "can_run": may_run(request.user, template, request.tenant_permissions),
    }


def _metrics_url(request) -> str:
    """The same page with its charts, for those without scripts; the fragment is asked for at the same address."""
    asked = request.GET.copy()
    asked["charts"] = "1"
    return f"?{asked.urlencode()}"


def _metrics(request, template, runs) -> dict:
    """Charts of the newest runs that have ended, or why there are none."""
    ended = [*runs.filter(state__in=TemplateRun.ENDED, zenml_run_id__isnull=False)[:RUNS]]
    for run in ended:
        run.template = template
    found, trouble = _read(request, template, [run.zenml_run_id for run in ended])
    found = found or MetricHistory()
    return {
        "is_read": True,
        "trouble": trouble,
        "metrics": found,
        "charts": charts_of(found, ended),
        "table": table_of(found, ended),
        "ended_count": len(ended),
        "most_charts": MOST_CHARTS,
    }


def _read(request, template, ids):
    """What the server says, kept where that is allowed, and why it says nothing."""
    wanted = chosen_metrics(request.GET.getlist("metric"))
    key = ("metrics", template.project_id, *ids, *wanted)
    try:
        return ask(
            request.user,
            request.tenant,
            lambda client: of_ended_runs(
                request.user,
                request.tenant,
                key,
                lambda: read_history(client, template.project_id, ids, wanted),
            ),
        )
    except TenantNotFound as error:
        return None, Trouble("refused", "The server does not know these runs", error.reason)
