"""Saved views of a tenant's list of runs: a person's own, seen by no one else."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.hosting.answers import identifier
from tenants.models import SavedRunView
from tenants.models.tenant_permissions import TenantPermission
from tenants.runs.forms import SavedViewForm, kept
from zenpro_site.common.htmx import render_partial

QUERY_LENGTH = SavedRunView._meta.get_field("query").max_length


@dataclass(frozen=True)
class ViewTab:
    """A view above the list; `here` is the one that is shown."""

    name: str
    url: str
    here: bool


def views_of(request) -> list[ViewTab]:
    """All runs, and the person's own views. One query."""
    here, own = kept(request.GET), _own(request)
    pairs = [("All runs", ""), *own.values_list("name", "query")]
    return [ViewTab(name, f"?{query}", query == here) for name, query in pairs]


def _own(request):
    return request.tenant.saved_run_views.filter(user=request.user)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.VIEW)
def manage(request):
    """Save the filters of the address under a name; rename and delete what was saved."""
    data = request.POST if request.method == "POST" else None
    form = SavedViewForm(data, auto_id="view-%s")
    change = CHANGES.get(request.POST.get("do", ""), _save)
    if form.is_bound and (change is _delete or form.is_valid()) and change(request, form):
        return redirect(_address(request))
    context = {
        "tenant": request.tenant,
        "form": form,
        "own": _own(request),
        "most": SavedRunView.MOST,
        "query": kept(_query(request)),
    }
    return render_partial(
        request, "runs/saved_views.html#modal", context, status=422 if form.is_bound else 200
    )


def _query(request) -> QueryDict:
    return (
        QueryDict(request.POST.get("query", "")[:QUERY_LENGTH]) if request.method == "POST" else request.GET
    )


def _address(request) -> str:
    address = reverse("tenants:runs", args=[request.org.slug, request.tenant.slug])
    return f"{address}?{kept(_query(request))}".rstrip("?")


def _save(request, form) -> bool:
    """Under a name that is taken it replaces what was saved under it."""
    name, query = form.cleaned_data["name"], kept(_query(request))
    if len(query) > QUERY_LENGTH:
        form.add_error(None, "These filters are too long to be saved.")
    elif _own(request).exclude(name=name).count() >= SavedRunView.MOST:
        form.add_error(None, f"You can keep {SavedRunView.MOST} views here. Delete one first.")
    else:
        _own(request).update_or_create(
            name=name, defaults={"query": query, "tenant": request.tenant, "user": request.user}
        )
        messages.success(request, f"Saved the view {name}.")
    return form.is_valid()


def _rename(request, form) -> bool:
    name = form.cleaned_data["name"]
    if _own(request).filter(name=name).exclude(pk=_chosen(request)).exists():
        form.add_error("name", "You already have a view of that name.")
        return False
    _own(request).filter(pk=_chosen(request)).update(name=name)
    return True


def _delete(request, form) -> bool:
    _own(request).filter(pk=_chosen(request)).delete()
    return True


def _chosen(request):
    """The id of one's view; nobody else's is found by it."""
    return identifier(request.POST.get("view", ""))


CHANGES = {"rename": _rename, "delete": _delete}
