"""Runs, straight from the tenant's server and with the rights of the person who looks."""

from functools import partial

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.hidden import with_masks
from tenants.run_templates.origin import repeatable, rerun_of, runs_of_template, with_origins
from tenants.run_templates.pages.about_run import next_steps, printed_by, reason_for
from tenants.runs import columns
from tenants.runs.actions import change_tags
from tenants.runs.artifacts import model_of, open_artifacts
from tenants.runs.forms import FILTERS, RunFilterForm, TagsForm, sort_heads, tidy
from tenants.runs.log_files import stores_here
from tenants.runs.metadata import logged
from tenants.runs.reading import (
    PAGE_SIZE,
    ask_or_404,
    configuration_of,
    file_name,
    list_runs,
    open_run,
    page_with_earlier_results,
    rows_of,
)
from tenants.runs.run_context import (
    artifacts_context,
    found_step,
    people_offered,
    steps_context,
    with_frame,
)
from tenants.runs.saved_views import list_of_tenant, views_of
from tenants.runs.seen import list_seen, seen_of
from tenants.runs.shared_looks import SharedClient, circle_of
from tenants.runs.step_logs import LogChoice
from zenpro_site.common.htmx import has_seen, render_partial, render_watched, wants

VIEWS = ("graph", "configuration", "metrics", "artifacts")
MAX_PAGE = 100_000
BACK_LENGTH = 4000  # of the query of a list


@require_safe
@tenant_view(TenantPermission.VIEW)
def runs(request):
    """The list of runs: two calls to the server, whatever it is filtered by, and one more for chosen columns."""
    tenant, chosen = request.tenant, _filter(request)
    wanted, understood = columns.parsed(request.GET.getlist("columns"))
    answer, trouble = ask_or_404(request, lambda client: _listed(client, request, chosen, wanted))
    found, values, unread = answer or (None, {}, "")
    shown = found.page.items if found else []
    context = {
        "tenant": tenant,
        "trouble": trouble,
        "found": found,
        "rows": columns.ordered(rows_of(tenant, shown), values, request.GET.get("by", "")),
        "columns": columns.heads(request.GET, wanted),
        "unread": unread,
        "page": _pager(found.page) if found else None,
        "filter": chosen,
        "chips": [
            (chosen[name].label, chosen.shown(name), tidy(request.GET, name, "page"))
            for name in chosen.active
        ],
        "ignored": chosen.ignored + ([] if understood else ["columns"]),
        "cleared": tidy(request.GET, *FILTERS, "page"),
        "here": tidy(request.GET),
        "views": views_of(request, saved := list_of_tenant(request)),
        "views_url": saved.views_url,
        "is_fragment": wants(request, "runs"),
        "heads": sort_heads(request.GET, chosen.order),
        "live": any(run.in_progress for run in shown),
        "repeatable": repeatable(tenant, [run.id for run in shown], request.tenant_permissions),
        **_rights(request),
    }
    return render_watched(request, "runs/runs.html#runs", context, list_seen(context))


def _listed(client, request, chosen: RunFilterForm, wanted):
    found = _found(client, request, chosen, _page(request))
    values, unread = columns.values(client, found.page.items, wanted, with_masks())
    return found, values, unread


def _found(client, request, chosen: RunFilterForm, page: int = 1):
    tenant, project = request.tenant, request.GET.get("project", "")
    of_template = runs_of_template(tenant, chosen.chosen.get("template", ""))
    return list_runs(client, tenant, page, project, **chosen.wire(request.user.username, of_template))


@require_safe
@tenant_view(TenantPermission.VIEW)
def run_columns(request):
    """Which metrics and parameters the list shows: those of the runs on its page. Three calls, more of large runs."""
    chosen, (ticked, _) = _filter(request), columns.parsed(request.GET.getlist("columns"))
    answer, trouble = ask_or_404(
        request,
        lambda client: columns.offered(client, _found(client, request, chosen, _page(request)).page.items),
    )
    kept = {name: value for name, value in request.GET.items() if value and name not in ("columns", "page")}
    context = {
        "tenant": request.tenant,
        "trouble": trouble,
        "columns": sorted({*ticked, *(answer or ())}),
        "ticked": ticked,
        "most": columns.MOST,
        "kept": kept,
        "list_url": reverse("tenants:runs", args=[request.org.slug, request.tenant.slug]),
    }
    return render_partial(request, "runs/columns.html#modal", context)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def run_tags(request, run):
    """Tags of one run, changed by the person themselves: one call to show them, one to change them."""
    form = TagsForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        trouble = _change_tags(request, run, form)
        if trouble is None:
            return redirect(_list_url(request, request.POST.get("back", "")))
        form.add_error(None, f"{trouble.title}. {trouble.text}")
    answer, trouble = ask_or_404(request, lambda client: client.run(run))
    had = form.had if form.is_bound else answer.tags if answer else ()
    if not form.is_bound:
        form.initial["tags"] = "\n".join(had)
    context = {
        "tenant": request.tenant,
        "run_id": run,
        "run": answer,
        "trouble": trouble,
        "form": form,
        "had": had,
    }
    context["back"] = request.POST.get("back", request.GET.urlencode())
    context["list_url"] = _list_url(request, context["back"])
    return render_partial(request, "runs/tags.html#modal", context, status=422 if form.is_bound else 200)


def _change_tags(request, run, form: TagsForm):
    """None when it is done, else why not."""
    if not form.added and not form.removed:
        return None
    change = partial(
        change_tags,
        tenant=request.tenant,
        run_id=run,
        added=form.added,
        removed=form.removed,
        by=request.actor,
    )
    changed, trouble = ask_or_404(request, change)
    if changed:
        messages.success(request, f"Changed the tags of {changed.name}.")
    return trouble


def _list_url(request, back: str) -> str:
    """The list with the filters it had, its query `back`: of the tenant, or of all tenants."""
    query = QueryDict(back[:BACK_LENGTH], mutable=True)
    address = reverse("tenants:runs", args=[request.org.slug, request.tenant.slug])
    if query.pop("everywhere", None):
        address = reverse("orgs:runs", args=[request.org.slug])
    return f"{address}?{query.urlencode()}".rstrip("?")


def _filter(request) -> RunFilterForm:
    """With the people and templates that whoever looks may see anyway."""
    templates = ()
    if TenantPermission.TEMPLATE_VIEW in request.tenant_permissions:
        templates = [
            (str(pk), name) for pk, name in request.tenant.templates.listed().values_list("pk", "name")
        ]
    return RunFilterForm(request.GET, people=people_offered(request), templates=templates)


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
    """One run: two to four calls to the server, shared with all who look at it at the same time. 204 for htmx that has
    seen all of it."""
    view = request.GET.get("view", "graph")
    view = view if view in VIEWS else "graph"
    rerun = rerun_of(request.tenant, run)
    ended = rerun.state if rerun and rerun.has_ended else ""
    answer, trouble = ask_or_404(request, lambda client: _shown(request, client, run, view, ended))
    context = {"tenant": request.tenant, "run_id": run, "trouble": trouble, "view": view, **_rights(request)}
    if answer:
        if found := found_step(request.GET, answer["page"]):
            return redirect(f"{request.path}{found}")
        answer["page"] = with_origins(answer["page"], rerun)
        seen = seen_of(answer["page"], rerun, view, request.tenant_permissions)
        if has_seen(request, "run", seen):
            return HttpResponse(status=204)
        context |= {"rerun": rerun, "seen": seen, **printed_by(rerun), **_run(request, **answer)}
        context |= next_steps(request, run, rerun, answer["page"])
        context["why"] = reason_for(request, rerun, answer["page"], context["output"])
    context["here"] = tidy(request.GET)
    response = render_partial(request, "runs/run.html#run", context)
    return with_frame(request, response, context.get("frame", ""))


@require_safe
@tenant_view(TenantPermission.VIEW)
def run_output(request, run):
    """What the process of a re-run has printed, live. One call to the server, shared as above: whoever may see the run
    may see it. 204 for who has seen all of it."""
    if not wants(request, "output"):
        return redirect("tenants:run_detail", request.org.slug, request.tenant.slug, run)
    answer, _ = ask_or_404(request, lambda client: _look(request, client).run(run))
    printed = printed_by(rerun_of(request.tenant, run)) if answer else {"output": None}
    if printed["output"] is None or request.seen == printed["output_seen"]:
        return HttpResponse(status=204)
    context = {"tenant": request.tenant, "run_id": run, **printed}
    return render_partial(request, "runs/_run_output.html#output", context)


def _look(request, client) -> SharedClient:
    return SharedClient(client, circle_of(request.user, request.tenant), stores_here(request.tenant))


def _shown(request, client, run, view: str, ended: str) -> dict:
    """What the chosen view is about, beside the run itself."""
    look, asked = _look(request, client), request.GET
    step = asked.get("step", "")
    if view == "artifacts":
        page = open_run(look, run, step, details=True, ended=ended, output=False)
        return {
            "page": page,
            "artifacts": open_artifacts(client, page, step, asked.get("artifact", ""), asked.get("show", "")),
        }
    log = LogChoice.of(asked)
    page = open_run(look, run, step, details=view == "metrics", ended=ended, output=view == "graph", log=log)
    page = page_with_earlier_results(look, page) if view == "metrics" else page
    return {
        "page": page,
        "configuration": configuration_of(client, page, with_masks()) if view == "configuration" else [],
        "logged": logged(page.logged) if view == "metrics" else None,
    }


def _run(request, page, artifacts=None, **more) -> dict:
    return {
        "page": page,
        "run": page.run,
        "model": model_of(page.run),
        "who": rows_of(request.tenant, [page.run])[0].person,
        **steps_context(request.GET, page),
        **(artifacts_context(request, page.run, artifacts) if artifacts else {}),
        **more,
    }


@require_safe
@tenant_view(TenantPermission.VIEW)
def step_log(request, run, step):
    """The whole output of a step as a file."""
    answer, trouble = ask_or_404(request, lambda client: _output(_look(request, client), run, step))
    if trouble:
        return HttpResponse(f"{trouble.title}. {trouble.text}\n", content_type="text/plain", status=503)
    name, text = answer
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _output(client, run, step) -> tuple[str, str]:
    name = file_name(client.run(run).name, str(step)[:8])
    return f"{name}.log", "".join(f"{line.message}\n" for line in client.step_logs(step))
