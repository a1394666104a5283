"""A tenant's own pages: creation, overview, settings, log. Members: member_views, runs: run_views."""

from dataclasses import dataclass

from django.conf import settings as site
from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view, refuse
from orgs.permissions import Permission
from tenants.access.forms import access_formset
from tenants.access.gate import tenant_view
from tenants.access.holder_fields import suggestions, typed
from tenants.access.members import members_in, person_rows
from tenants.credentials.snippets import snippets_of
from tenants.hosting import actions
from tenants.hosting.backends import api_url_of, backend_for
from tenants.hosting.base import ServerError, TenantNotFound
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.forms import ELSEWHERE, SettingsForm, SlugForm, TenantDeleteForm, TenantForm
from tenants.hosting.startup import startup_of
from tenants.models.tenant_permissions import TenantPermission
from tenants.runs.reading import ask, list_runs, rows_of
from tenants.usage.disk_budget import bar_of
from zenpro_site.common.htmx import reload_page, render_partial, wants
from zenpro_site.common.refusals import Refused

SHOWN_RUNS, SHOWN_PEOPLE = 5, 5
LOG_LINES = (200, 1000)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.TENANT_CREATE)
def create(request):
    if request.htmx and (hints := _hints(request)):
        return hints
    data = request.POST if request.method == "POST" else None
    asks_for_row = data is not None and "add_row" in data
    form = TenantForm(data, org=request.org, versions=site.ZENPRO_ZENML_VERSIONS)
    access = access_formset(request.org, _with_one_more(data) if asks_for_row else data, request.path)
    if data and not asks_for_row and form.is_valid() and access.is_valid():
        try:
            tenant = _create(request, form.cleaned_data, access.pairs)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            return redirect("tenants:progress", request.org.slug, tenant.slug)
    context = {"form": form, "access": access}
    context["can_connect"] = Permission.TENANT_MANAGE_ALL in request.org_permissions
    status = 422 if data and not asks_for_row else 200
    return render_partial(request, "tenants/create.html#access", context, status=status)


def _hints(request):
    """What the form is told while it is filled in."""
    if wants(request, "holders"):
        return render(request, "access/_holders.html", {"holders": suggestions(request.org, typed(request))})
    if wants(request, "slug_note"):
        context = {"form": SlugForm(request.GET, org=request.org), "slug": request.GET.get("slug", "")}
        return render(request, "tenants/create.html#slug_note", context)
    return None


def _with_one_more(data):
    """The posted rows and one more: "Add another" was pressed."""
    data = data.copy()
    count = data.get("access-TOTAL_FORMS", "")
    data["access-TOTAL_FORMS"] = str(int(count) + 1 if count.isdecimal() and len(count) < 4 else 1)
    return data


def _create(request, values, pairs):
    words = {name: values[name] for name in ("name", "slug", "version", "description")}
    words |= {"org": request.org, "access": pairs, "by": request.actor}
    if values["where"] == ELSEWHERE:
        if Permission.TENANT_MANAGE_ALL not in request.org_permissions:
            refuse(request, Permission.TENANT_MANAGE_ALL, request.org)
        return enroll(server_url=values["server_url"], **words)
    return actions.create_tenant(kind=values["kind"], **words)


@require_safe
@tenant_view(TenantPermission.VIEW)
def progress(request):
    if request.tenant.is_elsewhere:
        return redirect("enrollment:detail", request.org.slug, request.tenant.slug)
    startup = startup_of(request.tenant)
    if wants(request, "log_tail"):
        context = {"lines": _tail(request, LOG_LINES[0]), "startup": startup}
        return render(request, "tenants/progress.html#log_tail", context)
    context = {"startup": startup, "tenant": request.tenant, **_rights(request)}
    context["grants"] = request.tenant.grants.valid().select_related("role", "membership__user", "team")
    if not wants(request, "progress"):
        context["lines"] = _tail(request, LOG_LINES[0])
    return render_partial(request, "tenants/progress.html#progress", context)


def _rights(request) -> dict[str, bool]:
    given = request.tenant_permissions
    return {
        "can_change": TenantPermission.CHANGE in given,
        "can_delete": TenantPermission.DELETE in given,
        "can_access": TenantPermission.ACCESS in given,
        "can_join": Permission.TENANT_MANAGE_ALL in request.org_permissions
        and request.membership is not None,
        "can_see_templates": TenantPermission.TEMPLATE_VIEW in given,
        "can_make_template": TenantPermission.TEMPLATE_CREATE in given,
    }


def _tail(request, lines: int) -> list[str]:
    """End of the server's log, for those who run the tenant; it can contain what others must not know."""
    if TenantPermission.CHANGE not in request.tenant_permissions:
        return []
    try:
        return backend_for(request.tenant).tail_log(request.tenant, lines)
    except (ServerError, OSError):
        return []


@require_safe
@tenant_view(TenantPermission.VIEW)
def overview(request):
    tenant = request.tenant
    context = {
        "tenant": tenant,
        "startup": startup_of(tenant),
        "disk": bar_of(tenant),
        **_rights(request),
    }
    if wants(request, "last_runs"):
        return render(request, "tenants/overview.html#last_runs", {**context, **_last_runs(request)})
    if wants(request, "state"):
        return (
            reload_page()
            if context["startup"].over and not tenant.silent_since
            else render(request, "tenants/overview.html#state", context)
        )
    context |= _connect(request)
    if not wants(request, "connect"):
        people = members_in(tenant)
        shown = {"people": person_rows(tenant, people[:SHOWN_PEOPLE]), "people_count": people.count()}
        context |= {**shown, **_todo(request)}
    return render_partial(request, "tenants/overview.html#connect", context)


def _connect(request) -> dict:
    snippets = snippets_of(request.tenant, api_url_of(request.tenant))
    chosen = request.GET.get("connect", "cli")
    chosen = chosen if chosen in snippets else "cli"
    mine = request.tenant.grants.valid().of_person(request.user).select_related("role")
    strongest = mine.order_by("role__rank").first()
    return {
        "snippets": snippets,
        "connect": chosen,
        "shown": snippets[chosen],
        "my_role": strongest.role if strongest else None,
        "can_manage_members": Permission.MEMBER_MANAGE in request.org_permissions,
    }


def _last_runs(request) -> dict:
    tenant = request.tenant
    found, trouble = None, None
    try:
        found, trouble = ask(request.user, tenant, lambda client: list_runs(client, tenant, size=SHOWN_RUNS))
    except TenantNotFound:
        pass
    runs = found.page.items if found else []
    return {
        "rows": [(row, ()) for row in rows_of(tenant, runs)],
        "total": found.page.total if found else 0,
        "live": any(run.in_progress for run in runs),
        "trouble": trouble,
        "asked": True,
        **_todo(request, bool(runs)),
    }


@dataclass(frozen=True)
class Todo:
    title: str
    text: str
    done: bool
    url: str = ""
    action: str = ""


def _todo(request, has_runs: bool = False) -> dict:
    """What is left to do in a new tenant; items tick themselves off, and the list disappears when all are done."""
    tenant = request.tenant
    path = tenant.get_absolute_url()
    has_templates = tenant.templates.listed().exists()
    others = len(members_in(tenant, managers=False).order_by().values("pk")[:2]) > 1
    todo = [
        Todo("Server is running", f"ZenML {tenant.zenml_version}", tenant.is_available),
        Todo("Run a pipeline", "From your machine, with the zenml client", has_runs or has_templates),
        Todo(
            "Create a template from a run",
            "So that others can run it from a form",
            has_templates,
            f"{path}runs/",
            "Runs",
        ),
        Todo(
            "Assign a role to a colleague",
            "A person or a whole team",
            others,
            f"{path}members/give/",
            "Assign",
        ),
    ]
    return {"todo": todo, "todo_done": all(item.done for item in todo)}


@require_safe
@tenant_view(TenantPermission.CHANGE)
def log(request):
    count = LOG_LINES[1] if request.GET.get("all") else LOG_LINES[0]
    lines = _tail(request, count)
    context = {"tenant": request.tenant, "lines": lines, "count": count, "more": len(lines) == LOG_LINES[0]}
    return render_partial(request, "tenants/log.html#log", context)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.CHANGE)
def settings(request):
    tenant = request.tenant
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(data, initial={"name": tenant.name, "description": tenant.description})
    if (
        form.is_bound
        and form.is_valid()
        and _done(request, actions.update_tenant, "Saved.", **form.cleaned_data)
    ):
        return redirect("tenants:settings", request.org.slug, tenant.slug)
    context = {"tenant": tenant, "form": form, **_rights(request)}
    return render(request, "tenants/settings.html", context, status=422 if form.is_bound else 200)


def _done(request, action, text: str, **values) -> bool:
    """Do it and say so, or say why not."""
    try:
        action(tenant=request.tenant, by=request.actor, **values)
    except Refused as error:
        messages.error(request, str(error))
        return False
    messages.success(request, text)
    return True


@require_POST
@tenant_view(TenantPermission.CHANGE)
def deactivate(request):
    _done(request, actions.deactivate, f"Stopping {request.tenant}. Its data is kept.")
    return redirect(request.tenant)


@require_POST
@tenant_view(TenantPermission.CHANGE)
def activate(request):
    _done(request, actions.activate, f"Starting {request.tenant} again.")
    return redirect(request.tenant)


@require_POST
@tenant_view(TenantPermission.CHANGE)
def restart(request):
    _done(request, actions.request_restart, f"Restarting {request.tenant}.")
    return redirect(request.tenant)


@require_POST
@tenant_view(TenantPermission.CHANGE)
def retry(request):
    _done(request, actions.retry, f"Trying {request.tenant} again.")
    return redirect("tenants:progress", request.org.slug, request.tenant.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.DELETE)
def delete(request):
    tenant = request.tenant
    form = TenantDeleteForm(request.POST if request.method == "POST" else None, tenant=tenant)
    if (
        form.is_bound
        and form.is_valid()
        and _done(request, actions.delete_tenant, f"{tenant} has been deleted.")
    ):
        return redirect(request.org)
    context = {
        "tenant": tenant,
        "form": form,
        "templates": tenant.templates.listed().count(),
        "people": members_in(tenant).count(),
        "days": site.ZENPRO_KEEP_DELETED_DAYS,
    }
    return render_partial(request, "tenants/delete.html#modal", context, status=422 if form.is_bound else 200)
