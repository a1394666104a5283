"""Saved views of a list of runs, of a tenant or of all tenants: a person's own, seen by no one else."""

from dataclasses import dataclass
from typing import Any

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
class ViewedList:
    """A list of runs that views are of: what their rows have, and its addresses."""

    of: dict[str, Any]
    list_url: str
    views_url: str


def list_of_tenant(request) -> ViewedList:
    where = [request.org.slug, request.tenant.slug]
    urls = reverse("tenants:runs", args=where), reverse("tenants:saved_views", args=where)
    return ViewedList({"tenant": request.tenant, "organization": request.org}, *urls)


def list_of_all(request) -> ViewedList:
    """Of all tenants of an organization."""
    where = [request.org.slug]
    urls = reverse("orgs:runs", args=where), reverse("orgs:saved_views", args=where)
    return ViewedList({"tenant": None, "organization": request.org}, *urls)


@dataclass(frozen=True)
class ViewTab:
    """A view above the list; `here` is the one that is shown."""

    name: str
    url: str
    here: bool


def views_of(request, runs: ViewedList) -> list[ViewTab]:
    """All runs, and the person's own views. One query."""
    here, own = kept(request.GET), _own(request, runs)
    pairs = [("All runs", ""), *own.values_list("name", "query")]
    return [ViewTab(name, f"?{query}", query == here) for name, query in pairs]


def _own(request, runs: ViewedList):
    return request.user.saved_run_views.filter(**runs.of)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.VIEW)
def manage(request):
    """Save the filters of the address under a name; rename and delete what was saved."""
    return managed(request, list_of_tenant(request))


def managed(request, runs: ViewedList):
    """The same of any list."""
    data = request.POST if request.method == "POST" else None
    form = SavedViewForm(data, auto_id="view-%s")
    change = CHANGES.get(request.POST.get("do", ""), _save)
    if form.is_bound and (change is _delete or form.is_valid()) and change(request, runs, form):
        return redirect(f"{runs.list_url}?{kept(_query(request))}".rstrip("?"))
    context = {
        "tenant": runs.of["tenant"],
        "list_url": runs.list_url,
        "views_url": runs.views_url,
        "form": form,
        "own": _own(request, runs),
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


def _save(request, runs: ViewedList, form) -> bool:
    """Under a name that is taken it replaces what was saved under it."""
    name, query, own = form.cleaned_data["name"], kept(_query(request)), _own(request, runs)
    if len(query) > QUERY_LENGTH:
        form.add_error(None, "These filters are too long to be saved.")
    elif own.exclude(name=name).count() >= SavedRunView.MOST:
        form.add_error(None, f"You can keep {SavedRunView.MOST} views here. Delete one first.")
    else:
        own.update_or_create(name=name, defaults={"query": query, "user": request.user, **runs.of})
        messages.success(request, f"Saved the view {name}.")
    return form.is_valid()


def _rename(request, runs: ViewedList, form) -> bool:
    name, own = form.cleaned_data["name"], _own(request, runs)
    if own.filter(name=name).exclude(pk=_chosen(request)).exists():
        form.add_error("name", "You already have a view of that name.")
        return False
    own.filter(pk=_chosen(request)).update(name=name)
    return True


def _delete(request, runs: ViewedList, form) -> bool:
    _own(request, runs).filter(pk=_chosen(request)).delete()
    return True


def _chosen(request):
    """The id of one's view; nobody else's is found by it."""
    return identifier(request.POST.get("view", ""))


CHANGES = {"rename": _rename, "delete": _delete}
