"""A sweep: which values are tried is said before anything runs, and its runs stand in one table afterwards."""

from django.conf import settings
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import NOT_THEIRS, may_cancel, may_edit, may_run, require_runner
from tenants.run_templates.document.drafts import examined, fresh, from_post
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.pages.polled import runs_seen
from tenants.run_templates.pages.presentation import DraftEditor
from tenants.run_templates.pages.sweep_page import (
    HIGHER,
    LOWER,
    SweepForm,
    SweepMetrics,
    direction_of,
    fields_shown,
    read_metrics,
    rows_of_sweep,
)
from tenants.runs.comparison import FEWEST, MOST
from tenants.runs.forms import tidy
from tenants.runs.reading import ask_or_404
from tenants.runs.shared_looks import of_ended_runs, of_runs
from zenpro_site.common.htmx import render_watched
from zenpro_site.common.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def new(request, template):
    """GET and a first POST show how many runs it makes; what is then asked for with that number is made."""
    template = get_object_or_404(request.tenant.templates.select_related("created_by", "code"), pk=template)
    require_runner(request, template)
    draft = fresh(Document.of(template))
    if request.method == "POST":
        draft = from_post(Document.of(template), request.POST, request.FILES, sealer(template))
    editor = DraftEditor(template, examined(draft))
    form, refused = SweepForm(draft.parsed, request.POST), ""
    is_told, room = (
        request.POST.get("count") == str(len(form.documents)),
        actions.room_of_sweep(request.tenant),
    )
    if request.POST.get("do") == "run" and is_told and form.can_run and not editor.troubles:
        try:
            return redirect(_queued(request, template, form))
        except Refused as error:
            refused = str(error)
    context = {"template": template, "editor": editor, "form": form, "refused": refused}
    context |= {"most": settings.ZENPRO_SWEEP_RUNS, "room": room}
    context["fits"] = room is None or len(form.documents) <= room
    is_wrong = refused or (form.is_typed and not form.can_run)
    status = 422 if is_wrong else 200
    return render(request, "run_templates/sweeps/new.html", context, status=status)


def _queued(request, template, form: SweepForm):
    facts = {"document": form.document, "fields": form.fields}
    return actions.queue_sweep(template=template, by=request.actor, **facts)


@require_safe
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def sweep(request, template, sweep):
    """All its runs, the best on top by a metric that is chosen in the address: three calls to the tenant, shared by
    all who look."""
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    found = get_object_or_404(template.sweeps.select_related("created_by"), pk=sweep)
    runs = [*found.runs.order_by("number")]
    for run in [found, *runs]:
        run.template = template
    metrics, trouble = _metrics(request, template, runs)
    direction = direction_of(metrics, request.GET.get("better", ""))
    rows = rows_of_sweep(found, runs, metrics, direction)
    compared = [row.run.zenml_run_id for row in rows if row.run.zenml_run_id][:MOST]
    context = {"template": template, "sweep": found, "rows": rows, "metrics": metrics, "trouble": trouble}
    context["fields"] = fields_shown(found)
    context |= {"direction": direction, "ways": [(HIGHER, "Higher is better"), (LOWER, "Lower is better")]}
    context["compared"] = compared if len(compared) >= FEWEST else []
    context["unfinished"] = any(not run.has_ended for run in runs)
    rights = request.tenant_permissions
    context["can_run"] = may_run(request.user, template, rights)
    context["here"] = tidy(request.GET)
    goes_on = any(not (run.has_ended or run.cancel_requested_at) for run in runs)
    context["can_stop"] = goes_on and may_cancel(request.user, found, rights)
    context["can_edit"] = template.is_listed and may_edit(request.user, template, rights)
    beside = (metrics, trouble, direction, context["can_stop"], context["can_edit"], sorted(map(str, rights)))
    seen = runs_seen([row.run for row in rows], *beside)
    return render_watched(request, "run_templates/sweeps/detail.html#results", context, seen)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def stop(request, template, sweep):
    """All its runs that go on, at once."""
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    found = get_object_or_404(template.sweeps, pk=sweep)
    if not may_cancel(request.user, found, request.tenant_permissions):
        refuse(request, TenantPermission.CHANGE, request.tenant, NOT_THEIRS)
    count = actions.cancel_sweep(sweep=found, by=request.actor)
    if count:
        messages.success(request, f"Stopping {count} run{'' if count == 1 else 's'}.")
    else:
        messages.info(request, "All runs of this sweep have ended.")
    return redirect(found)


def _metrics(request, template, runs):
    """What the server says, and why it says nothing."""
    ids, wanted = [str(run.zenml_run_id) for run in runs if run.zenml_run_id], request.GET.get("metric", "")
    about, facts = (request.user, request.tenant), (template.project_id, ids, wanted)
    shared = of_ended_runs if all(run.has_ended for run in runs) else of_runs
    key = ("sweep", template.project_id, *ids, wanted)
    answer, trouble = ask_or_404(
        request, lambda client: shared(*about, key, lambda: read_metrics(client, *facts))
    )
    return answer or SweepMetrics(), trouble
