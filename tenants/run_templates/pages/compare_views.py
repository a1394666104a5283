"""Runs of a tenant side by side, read with the rights of the person who compares."""

from dataclasses import replace

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.hidden import with_marks
from tenants.run_templates.pages.compare_page import (
    CompareChoice,
    as_csv,
    columns,
    ids_of,
    shown_groups,
    with_code,
    without_secrets,
)
from tenants.runs.comparison import FEWEST, MOST
from tenants.runs.comparison import compare as side_by_side
from tenants.runs.reading import Trouble, ask_or_404
from tenants.runs.run_readings import NONE_BEFORE, RunReadings, offered, previous, read_runs
from zenpro_site.common.htmx import render_partial


@require_safe
@tenant_view(TenantPermission.VIEW)
def compare(request):
    choice = CompareChoice.of(request.GET)
    if "add" in request.GET:
        more, wrong = ids_of(request.GET.getlist("add"))
        if not wrong:
            return _to(request, choice, (*choice.ids, *more))
        choice = replace(choice, wrong=wrong)
    if request.GET.get("with") == "previous" and len(choice.ids) == 1 and not choice.wrong:
        return _with_previous(request, choice)
    refusal = _refusal(choice)
    found, trouble = (None, None) if refusal else _read(request, choice)
    return _page(request, choice, refusal, found, trouble)


def _page(request, choice: CompareChoice, refusal: str, found: RunReadings | None, trouble: Trouble | None):
    context = {"tenant": request.tenant, "choice": choice, "trouble": trouble, **_rights(request)}
    context |= {"refusal": refusal, "fewest": FEWEST, "most": MOST, "compare_url": request.path}
    if not trouble:
        context |= _shown(request, choice, found) if found else _offered(request, choice)
    status = 400 if choice.wrong or len(choice.ids) > MOST else 200
    return render_partial(request, "run_templates/compare.html#comparison", context, status=status)


@require_safe
@tenant_view(TenantPermission.VIEW)
def compare_csv(request):
    """All rows of the comparison as a file."""
    choice = CompareChoice.of(request.GET)
    refusal = _refusal(choice)
    found, trouble = (None, None) if refusal else _read(request, choice)
    if trouble:
        return HttpResponse(f"{trouble.title}. {trouble.text}\n", content_type="text/plain", status=503)
    if refusal or len(found.found) < FEWEST:
        address = reverse("tenants:compare", args=[request.org.slug, request.tenant.slug])
        return redirect(f"{address}?{request.GET.urlencode()}")  # the page says why
    lines = as_csv(side_by_side(found.found, choice.directions))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="compare-{request.tenant.slug}.csv"'
    return response


def _refusal(choice: CompareChoice) -> str:
    """Why nothing can be compared; "" when it can."""
    if choice.wrong:
        return f"“{choice.wrong[0]}” is neither the ID nor the address of a run."
    if len(choice.ids) > MOST:
        return f"At most {MOST} runs fit side by side; this address names {len(choice.ids)}."
    if len(choice.ids) < FEWEST:
        return (
            f"Choose {FEWEST} to {MOST} runs to compare." if not choice.ids else "Add at least one more run."
        )
    return ""


def _read(request, choice: CompareChoice):
    found, trouble = ask_or_404(request, lambda client: read_runs(client, choice.ids))
    if found:
        hide = with_marks()
        shown = [without_secrets(one, hide) for one in found.found]
        found = replace(found, found=with_code(request.tenant, shown))
    return found, trouble


def _shown(request, choice: CompareChoice, found: RunReadings) -> dict:
    runs = [reading.run for reading in found.found]
    context = {"gaps": found.gaps, "chosen": choice.ids, "others": _others(choice, found)}
    context["columns"] = columns(request.tenant, request.user, request.tenant_permissions, runs, choice)
    if len(runs) < FEWEST:
        return context
    made = side_by_side(found.found, choice.directions)
    context |= {
        "comparison": made,
        "groups": shown_groups(made, choice),
        "equal": made.total - made.differing,
    }
    return context | {"all_query": choice.query(is_all=True), "only_query": choice.query(is_all=False)}


def _offered(request, choice: CompareChoice) -> dict:
    """What can be added to what is too little."""
    others = []
    if len(choice.ids) == 1 and not choice.wrong:
        others, _ = ask_or_404(request, lambda client: offered(client, choice.ids[0]))
    return {"chosen": choice.ids, "others": others}


def _others(choice: CompareChoice, found: RunReadings) -> list:
    """Runs that can still be added."""
    return [run for run in found.others if run.id not in choice.ids] if len(choice.ids) < MOST else []


def _rights(request) -> dict[str, bool]:
    given = request.tenant_permissions
    return {
        "can_run": TenantPermission.TEMPLATE_RUN in given,
        "can_make_template": TenantPermission.TEMPLATE_CREATE in given,
        "can_change": TenantPermission.CHANGE in given,
        "can_join": Permission.TENANT_MANAGE_ALL in request.org_permissions
        and request.membership is not None,
    }


def _with_previous(request, choice: CompareChoice):
    """Beside the run it repeats, or the one before it; alone, with the reason, when the server names none."""
    earlier, trouble = ask_or_404(request, lambda client: previous(client, choice.ids[0]))
    if earlier:
        return _to(request, choice, (earlier, *choice.ids))
    return _page(request, choice, "" if trouble else NONE_BEFORE, None, trouble)


def _to(request, choice: CompareChoice, ids):
    """The plain address of a comparison: one that can be sent to someone."""
    return redirect(f"{request.path}?{choice.query(ids=tuple(dict.fromkeys(ids)))}")
