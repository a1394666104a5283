from django.http import StreamingHttpResponse
from django.utils.timezone import localdate
from django.views.decorators.http import require_GET, require_safe

from orgs.access.gate import org_view
from orgs.permissions import Permission
from zenpro_site.common.htmx import render_partial

from .actions import record_export
from .export import as_csv, as_json_lines
from .filters import EventFilter
from .sentences import told
from .verify import chain_state

PAGE = 50
FORMS = {
    "csv": ("CSV", "text/csv; charset=utf-8", as_csv),
    "jsonl": ("JSON lines", "application/jsonl; charset=utf-8", as_json_lines),
}


@require_safe
@org_view(Permission.AUDIT_VIEW)
def event_list(request):
    chosen = EventFilter(request.GET, organization=request.org)
    events, older = _page(chosen.found(), request.GET.get("before", ""))
    context = {
        "filter": chosen,
        "is_filtered": bool(chosen.chosen),
        "events": told(events),
        "older": older,
        "before": request.GET.get("before"),
        "chain": chain_state(),
    }
    return render_partial(request, "audit/list.html#events", context)


def _page(events, before: str):
    """Events older than the one numbered `before`, and the number to go on with: rows do not move while reading."""
    if before.isdecimal():
        events = events.filter(pk__lt=int(before[:18]))
    rows = list(events[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None


@require_GET
@org_view(Permission.AUDIT_VIEW)
def export(request, suffix: str):
    """All events that the page shows with the same filters, as a file. The export is an event itself."""
    chosen = EventFilter(request.GET, organization=request.org)
    form, content_type, lines_of = FORMS[suffix]
    events = chosen.found()
    recorded = record_export(
        organization=request.org, form=form, filters=chosen.chosen, events=events.count(), by=request.actor
    )
    name = f"audit-{request.org.slug}-{localdate():%Y-%m-%d}.{suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = lines_of(events.filter(pk__lt=recorded.pk))
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)
