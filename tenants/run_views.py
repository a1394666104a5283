"""Runs, straight from the tenant's server and with the rights of the person who looks."""

from csp.constants import NONE
from csp.decorators import csp_update
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.origin import output_of, rerun_of
from tenants.runs.artifacts import model_of, open_artifacts
from tenants.runs.metadata import logged
from tenants.runs.reading import (
    PAGE_SIZE,
    STATUSES,
    ask,
    configuration_of,
    file_name,
    list_runs,
    open_run,
    rows_of,
)
from zenpro_site.common.htmx import render_partial

VIEWS = ("graph", "configuration", "metrics", "artifacts")
MAX_PAGE = 100_000


@require_safe
@tenant_view(TenantPermission.VIEW)
def runs(request):
    tenant, asked = request.tenant, request.GET
    status = asked.get("status", "") if asked.get("status") in STATUSES else ""
    found, trouble = _ask(
        request, lambda client: list_runs(client, tenant, _page(request), status, asked.get("project", ""))
    )
    shown = found.page.items if found else []
    context = {
        "tenant": tenant,
        "trouble": trouble,
        "found": found,
        "rows": rows_of(tenant, shown),
        "page": _pager(found.page) if found else None,
        "status": status,
        "statuses": STATUSES,
        "live": any(run.in_progress for run in shown),
        **_rights(request),
    }
    return render_partial(request, "runs/runs.html#runs", context)


def _ask(request, question):
    try:
        return ask(request.user, request.tenant, question)
    except TenantNotFound as error:
        raise Http404(error.reason) from error


def _page(request) -> int:
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), MAX_PAGE) if text.isdecimal() and len(text) < 9 else 1


def _pager(page):
    """The server's page as Django's own, for the page links."""
    return Paginator(range(page.total), page.size or PAGE_SIZE).get_page(page.index)


def _rights(request) -> dict[str, bool]:
    given = request.tenant_permissions
    return {
        "can_make_template": TenantPermission.TEMPLATE_CREATE in given,
        "can_run": TenantPermission.TEMPLATE_RUN in given,
        "can_change": TenantPermission.CHANGE in given,
        "can_join": Permission.TENANT_MANAGE_ALL in request.org_permissions
        and request.membership is not None,
    }


@require_safe
@tenant_view(TenantPermission.VIEW)
def run_detail(request, run):
    view = request.GET.get("view", "graph")
    view = view if view in VIEWS else "graph"
    rerun = rerun_of(request.tenant, run)
    ended = rerun.state if rerun and rerun.has_ended else ""
    answer, trouble = _ask(request, lambda client: _shown(client, run, view, ended, request.GET))
    context = {"tenant": request.tenant, "run_id": run, "trouble": trouble, "view": view, **_rights(request)}
    if answer:
        context |= {"rerun": rerun, "output": output_of(rerun), **_run(request, **answer)}
    response = render_partial(request, "runs/run.html#run", context)
    return _with_frame(request, response, context.get("frame", ""))


def _shown(client, run, view: str, ended: str, asked) -> dict:
    """What the chosen view is about, beside the run itself."""
    step = asked.get("step", "")
    if view == "artifacts":
        page = open_run(client, run, step, details=True, ended=ended, output=False)
        return {
            "page": page,
            "artifacts": open_artifacts(client, page, step, asked.get("artifact", ""), asked.get("show", "")),
        }
    page = open_run(client, run, step, details=view == "metrics", ended=ended)
    return {
        "page": page,
        "configuration": configuration_of(client, page) if view == "configuration" else [],
        "logged": logged(page.logged) if view == "metrics" else None,
    }


def _run(request, page, artifacts=None, **more) -> dict:
    show_graph = not page.too_large or "graph" in request.GET
    graph = page.graph() if show_graph else None
    return {
        "page": page,
        "run": page.run,
        "model": model_of(page.run),
        "who": rows_of(request.tenant, [page.run])[0].person,
        "graph": graph,
        "undrawable": show_graph and graph is None and page.steps,
        **(_artifacts(request, page.run, artifacts) if artifacts else {}),
        **more,
    }


def _artifacts(request, run, artifacts) -> dict:
    details, shown = artifacts.details, artifacts.visualization
    args = [request.org.slug, request.tenant.slug, run.id]
    known = {"artifacts": artifacts, "logged": logged([("", details.metadata)] if details else [])}
    if shown and not shown.fault and shown.kind in ("html", "image"):
        frame = reverse("tenants:artifact_frame", args=[*args, artifacts.chosen.id, artifacts.index])
        known["picture" if shown.kind == "image" else "frame"] = frame
    return known


def _with_frame(request, response, frame: str):
    """The page may hold this one frame, or none."""
    allowed = f"{request.get_host()}{frame}" if frame else NONE
    return csp_update({"frame-src": [allowed]})(lambda request: response)(request)


@require_safe
@tenant_view(TenantPermission.VIEW)
def step_log(request, run, step):
    """The whole output of a step as a file."""
    answer, trouble = _ask(request, lambda client: _output(client, run, step))
    if trouble:
        return HttpResponse(f"{trouble.title}. {trouble.text}\n", content_type="text/plain", status=503)
    name, text = answer
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _output(client, run, step) -> tuple[str, str]:
    known = client.run(run)
    lines = client.step_logs(step)
    return file_name(known.name, str(step)[:8]) + ".log", "".join(f"{line.message}\n" for line in lines)
