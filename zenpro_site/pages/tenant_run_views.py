"""The runs of all tenants of an organization."""

from django.views.decorators.http import require_safe

from orgs.access.gate import org_view
from orgs.permissions import Permission
from tenants.access.people import visible_tenants
from tenants.runs.forms import FILTERS, RunFilterForm, tidy
from tenants.runs.seen import digest, tick
from zenpro_site.common.htmx import render_watched, wants

from .tenant_runs import latest


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def runs(request):
    """Two calls to each tenant, at the same time. The home page fetches the list after itself."""
    tenants = list(visible_tenants(request).order_by("name").select_related("organization"))
    chosen = RunFilterForm(request.GET)
    found = latest(request.user, tenants, chosen.wire(request.user.username))
    context = {
        "tenants": tenants,
        "filter": chosen,
        "chips": [
            (chosen[name].label, chosen.shown(name), tidy(request.GET, name)) for name in chosen.active
        ],
        "cleared": tidy(request.GET, *FILTERS),
        "here": tidy(request.GET),
        "found": found,
        "rows": [(one.row, ()) for one in found.runs],
        "on_home": wants(request, "latest") and _is_home(request),
    }
    lasted = [one.row.run.seconds for one in found.runs if one.row.run.finished]
    seen = digest(tick(found.live), found, lasted, context["on_home"])
    return render_watched(request, "pages/runs.html#latest", context, seen)


def _is_home(request) -> bool:
    path = request.htmx.current_url_abs_path or ""
    return path.partition("?")[0] == request.org.get_absolute_url()
