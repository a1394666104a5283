from django.views.decorators.http import require_safe

from orgs.access import org_view
from orgs.permissions import Permission
from zenpro_site.htmx import render_partial

from .filters import EventFilter
from .sentences import told

PAGE = 50


@require_safe
@org_view(Permission.AUDIT_VIEW)
def event_list(request):
    chosen = EventFilter(request.GET, organization=request.org)
    events, older = _page(chosen.found(), request.GET.get("before", ""))
    context = {
        "filter": chosen,
        "is_filtered": any(request.GET.get(name) for name in chosen.filters),
        "events": told(events),
        "older": older,
        "before": request.GET.get("before"),
    }
    return render_partial(request, "audit/list.html#events", context)


def _page(events, before: str):
    """Events older than the one numbered `before`, and the number to go on with: rows do not move while reading."""
    if before.isdecimal():
        events = events.filter(pk__lt=int(before[:18]))
    rows = list(events[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else None
