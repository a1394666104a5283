"""The runs of all tenants of an organization."""

from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from orgs.access.gate import org_view
from orgs.permissions import Permission
from tenants.access.people import visible_tenants
from tenants.models import Tenant
from tenants.runs import columns
from tenants.runs.forms import FILTERS, RunFilterForm, sort_heads, tidy
from tenants.runs.run_context import people_offered
from tenants.runs.saved_views import list_of_all, managed, views_of
from zenpro_site.common.htmx import render_partial, render_watched, wants
from zenpro_site.common.polling import digest, tick

from .tenant_runs import LAST_PAGE, SHOWN, Wanted, changeable, latest, offered_columns

ONE_TENANT = "Only runs of one tenant can be compared. Select runs of the same tenant."


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def runs(request):
    """Two calls to each tenant, at the same time, and one more for chosen columns. The home page fetches the list after
    itself."""
    tenants, chosen = _tenants(request), RunFilterForm(request.GET, people=people_offered(request))
    on_home = wants(request, "latest") and _is_home(request)
    wanted, understood = columns.parsed(request.GET.getlist("columns"))
    page = _page(request)
    found = latest(request.user, tenants, _wanted(request, chosen, wanted, page, on_home))
    context = {
        "tenants": tenants,
        "filter": chosen,
        "chips": [
            (chosen[name].label, chosen.shown(name), tidy(request.GET, name, "page"))
            for name in chosen.active
        ],
        "ignored": chosen.ignored + ([] if understood else ["columns"]),
        "cleared": tidy(request.GET, *FILTERS, "page"),
        "here": tidy(request.GET),
        "found": found,
        "rows": columns.in_order([(one, one.values) for one in found.runs], request.GET.get("by", "")),
        "columns": columns.heads(request.GET, wanted),
        "heads": sort_heads(request.GET, chosen.order),
        "views": views_of(request, saved := list_of_all(request)),
        "views_url": saved.views_url,
        "page": page,
        "changeable": set() if on_home else changeable(request.user),
        "on_home": on_home,
        "is_fragment": wants(request, "latest"),
    }
    lasted = [one.run.seconds for one in found.runs if one.run.finished]
    seen = digest(tick(found.live), found, lasted, on_home, sorted(map(str, context["changeable"])))
    return render_watched(request, "pages/runs.html#latest", context, seen)


def _tenants(request) -> list[Tenant]:
    return list(visible_tenants(request).order_by("name").select_related("organization"))


def _wanted(request, chosen: RunFilterForm, columns_, page: int, on_home: bool) -> Wanted:
    filters = chosen.wire(request.user.username)
    if on_home:
        return Wanted(filters, order="-running")
    return Wanted(filters, columns_, chosen.order or "-", page, page * SHOWN)


def _page(request) -> int:
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), LAST_PAGE) if text.isdecimal() and len(text) < 4 else 1


def _is_home(request) -> bool:
    path = request.htmx.current_url_abs_path or ""
    return path.partition("?")[0] == request.org.get_absolute_url()


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def run_columns(request):
    """Which metrics and parameters the list shows: those of some of its runs. Three calls to each tenant, or more."""
    ticked, _ = columns.parsed(request.GET.getlist("columns"))
    wanted = Wanted(RunFilterForm(request.GET).wire(request.user.username))
    kept = {name: value for name, value in request.GET.items() if value and name not in ("columns", "page")}
    context = {
        "columns": sorted({*ticked, *offered_columns(request.user, _tenants(request), wanted)}),
        "ticked": ticked,
        "most": columns.MOST,
        "kept": kept,
        "list_url": reverse("orgs:runs", args=[request.org.slug]),
    }
    return render_partial(request, "runs/columns.html#modal", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_VIEW)
def saved_views(request):
    """Save the filters of the address under a name; rename and delete what was saved."""
    return managed(request, list_of_all(request))


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def compare(request):
    """On to the comparison inside the tenant that the chosen runs are of; each is "<tenant>:<run>"."""
    pairs = [value.partition(":")[::2] for value in request.GET.getlist("run")]
    slugs = {slug for slug, _ in pairs}
    if len(slugs) != 1:
        messages.error(request, ONE_TENANT)
        return redirect("orgs:runs", request.org.slug)
    tenant = get_object_or_404(visible_tenants(request), slug=slugs.pop())
    chosen = QueryDict(mutable=True)
    chosen.setlist("run", [run for _, run in pairs])
    address = reverse("tenants:compare", args=[request.org.slug, tenant.slug])
    return redirect(f"{address}?{chosen.urlencode()}")
