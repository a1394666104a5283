"""Templates: lists, one template, creating, editing and deleting it."""

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view, refuse
from orgs.permissions import Permission
from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantError
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import may_edit, may_run, why_no_runner
from tenants.run_templates.component_schemas import with_components
from tenants.run_templates.document.packages import package_of, with_package
from tenants.run_templates.engine.carried_code import carried_code
from tenants.run_templates.engine.run_environments import environment_of
from tenants.run_templates.pages.forms import EditForm, TemplateForm
from tenants.run_templates.pages.notice_forms import ways_for_template
from tenants.run_templates.pages.package_lists import (
    fill_packages,
    lists_of_run,
    lists_of_template,
    posted_of,
)
from tenants.run_templates.pages.polled import activity_seen
from tenants.run_templates.pages.presentation import (
    ROWS,
    HistoryRow,
    SourceRun,
    chart,
    figures,
    listed,
    parameters,
    preset_rows,
    recent_runs,
    source_of,
    templates_of,
)
from tenants.run_templates.pages.push_lines import line_for_ci
from tenants.run_templates.pages.sweep_page import fields_shown
from tenants.run_templates.pages.tried import try_of
from tenants.run_templates.remembered import last_packages, with_stack
from tenants.run_templates.rules import runners_in_words
from tenants.runs.client import TenantClient
from tenants.runs.reading import ask_or_404
from zenpro_site.common.htmx import render_watched, wants

PAGE_SIZE = 30
SWEEPS = 5  # shown on a template's page
VERSIONS = 10  # shown on a template's page
PEOPLE = ("code__created_by", "created_by", "code_chosen_by", "requirements_changed_by")


@require_safe
@org_view(Permission.ORGANIZATION_VIEW)
def org_list(request):
    tenants = request.org.tenants.with_right(request.user, TenantPermission.TEMPLATE_VIEW)
    search = request.GET.get("q", "").strip()
    found = Q(name__icontains=search) | Q(pipeline_name__icontains=search)
    page = _page(request, listed(templates_of(tenants).filter(found)))
    context = {"templates": [*page], "page": page, "q": search}
    if not context["templates"]:
        context["tenant"] = tenants.order_by("name").first()
    return render(request, "run_templates/org_list.html", context)


@require_safe
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def list(request):
    page = _page(request, listed(request.tenant.templates.listed()))
    context = {
        "templates": [*page],
        "page": page,
        "can_create": TenantPermission.TEMPLATE_CREATE in request.tenant_permissions,
        "manages_git": TenantPermission.TEMPLATE_DELETE in request.tenant_permissions,
        "runs_url": reverse("tenants:runs", args=[request.org.slug, request.tenant.slug]),
    }
    return render(request, "run_templates/list.html", context)


@require_safe
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def detail(request, template):
    template = get_object_or_404(request.tenant.templates.select_related(*PEOPLE), pk=template)
    if not template.is_listed:
        return redirect(template)
    context = {
        "template": template,
        "versions": _versions(request, template),
        "environment": environment_of(template),
        "carried": carried_code(template.snapshot),
        "can_edit": _may_edit(request, template),
        "sweeps": [(one, fields_shown(one)) for one in template.sweeps.select_related("created_by")[:SWEEPS]],
        "presets": preset_rows(template, request.user, request.tenant_permissions),
        "ways": ways_for_template(request.user, template),
    }
    if context["can_edit"]:
        context["ci_line"] = line_for_ci(template)
    if wants(request, "environment"):
        return render(request, "run_templates/detail.html#environment", context)
    context |= _activity(request, template)
    return render_watched(request, "run_templates/detail.html#activity", context, activity_seen(context))


def _activity(request, template) -> dict:
    page = _page(request, template.runs.select_related("created_by", "code").defer("configuration"), ROWS)
    newest = recent_runs(template)
    return {
        "run_url": _url(request, "run", template),
        "page": page,
        "rows": [HistoryRow(run) for run in page],
        "run_count": page.paginator.count,
        "chart": chart(newest),
        "figures": figures(template),
        "parameters": parameters(template, _may_edit(request, template)),
        "unfinished": page.number == 1 and any(not run.has_ended for run in newest),
        "can_run": may_run(request.user, template, request.tenant_permissions),
        "cannot_run": _why_not(request, template),
        "runners": runners_in_words(template),
    }


def _why_not(request, template) -> str:
    """For those who may not run it."""
    if TenantPermission.TEMPLATE_RUN in request.tenant_permissions:
        return why_no_runner(template)
    return "You can view templates but not run them. An Admin of the tenant can make you an Operator."


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def create(request):
    source, trouble = _source(request)
    form = _form(request, source) if source else None
    if form and form.lacks_code:
        return redirect(_code_url(request, source))
    if posted_of(request) and source and form.is_valid() and (made := _make(request, form, source)):
        messages.success(request, f"Template {made} is ready to run.")
        return redirect(made)
    context = {"form": form, "source": source, "trouble": trouble, "tenant": request.tenant}
    if source:
        context |= {"code_url": _code_url(request, source), "proposals": lists_of_run(request, form, source)}
    context["can_change"] = TenantPermission.CHANGE in request.tenant_permissions
    return render(request, "run_templates/create.html", context, status=503 if trouble else _status(form))


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def edit(request, template):
    template = _changeable(request, template)
    given = {name: getattr(template, name) for name in ("name", "description", "requirements")}
    given["requirements"] = _with_package(given["requirements"], request.GET.get("add", ""))
    offered = lists_of_template(template)
    form = EditForm(posted_of(request), tenant=request.tenant, template=template, initial=given)
    form = fill_packages(request, form, offered)
    if posted_of(request) and form.is_valid() and _save(request, form, template):
        messages.success(request, "Saved.")
        return redirect(template)
    context = {"form": form, "template": template, "name": given["name"], "proposals": offered}
    return render(request, "run_templates/edit.html", context, status=_status(form))


def _with_package(requirements: str, module: str) -> str:
    """The packages with one for a module that was missing, for the person to look at and save."""
    package = package_of(module)
    return with_package(requirements, package) if package else requirements


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def delete(request, template):
    template = _changeable(request, template)
    context = {"template": template, "run_count": template.runs.count()}
    if request.method == "POST":
        try:
            actions.delete_template(template=template, by=request.actor)
        except actions.TemplateRefused as error:
            context["refusal"] = error.reason
        else:
            messages.success(request, f"Template {template.name} deleted.")
            return redirect(_list_url(request))
    status = 422 if "refusal" in context else 200
    return render(request, "run_templates/delete.html", context, status=status)


def _page(request, rows, size=PAGE_SIZE):
    return Paginator(rows, size).get_page(request.GET.get("page"))


def _url(request, name: str, template) -> str:
    return reverse(f"run_templates:{name}", args=[request.org.slug, request.tenant.slug, template.pk])


def _list_url(request) -> str:
    return reverse("run_templates:list", args=[request.org.slug, request.tenant.slug])


def _status(form) -> int:
    return 422 if form and form.errors else 200


def _may_edit(request, template) -> bool:
    return may_edit(request.user, template, request.tenant_permissions)


def _versions(request, template):
    """The code of the template's pipeline, newest first, and an older version that the address asks for."""
    same = request.tenant.code_versions.filter(pipeline_name=template.pipeline_name)
    same, asked = same.select_related("created_by"), request.GET.get("code", "")
    found = [*same[:VERSIONS]]
    if asked.isascii() and asked.isdecimal() and len(asked) < 9 and len(found) == VERSIONS:
        found += [*same.filter(number=int(asked), number__lt=found[-1].number)]
    return found


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def use_code(request, template, code):
    """Go over to another version of the code, or back."""
    template = _changeable(request, template)
    version = get_object_or_404(request.tenant.code_versions, pk=code)
    try:
        actions.change_code(template=template, code=version, by=request.actor)
    except actions.TemplateRefused as error:
        messages.error(request, error.reason)
    else:
        messages.success(request, f"{template} now runs code v{version.number}.")
    return redirect(template)


def _changeable(request, pk):
    template = get_object_or_404(request.tenant.templates.select_related(*PEOPLE), pk=pk)
    if not _may_edit(request, template):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    return template


def _source(request):
    """The run of the address with its snapshot, and why there is none. Raises Http404 for an unknown run."""
    try:
        run = UUID(request.GET.get("run", ""))
    except ValueError as error:
        raise Http404("No run was named.") from error
    return ask_or_404(request, lambda client: _with_stack(client, source_of(client, run)))


def _with_stack(client: TenantClient, source: SourceRun) -> SourceRun:
    """What its stack is made of, as a template keeps it."""
    return replace(source, snapshot=with_components(client, source.run, source.snapshot))


def _form(request, source) -> TemplateForm:
    """With the pipeline's name, its newest code, and the packages it was tried with, or those that were chosen last."""
    pipeline = source.run.pipeline[: actions.LONGEST_NAME]
    code = {"code": request.GET["code"]} if "code" in request.GET else {}
    last = last_packages(request.tenant, pipeline)
    known = {"requirements": with_stack(request.tenant, last, source.snapshot)}
    if tried := try_of(request, request.GET.get("tried", "")):
        known = {"requirements": tried.requirements}
    initial = {"name": pipeline, **known, **code}
    facts = {"tenant": request.tenant, "pipeline": pipeline, "carried": carried_code(source.snapshot)}
    form = TemplateForm(posted_of(request), initial=initial, **facts)
    return fill_packages(request, form, lists_of_run(request, form, source))


def _code_url(request, source) -> str:
    """Where the code of the run is handed over."""
    url = reverse("run_templates:code_add", args=[request.org.slug, request.tenant.slug])
    return f"{url}?run={source.run.id}"


def _make(request, form, source):
    """The new template; None when the action refused, which is then in the form."""
    try:
        return actions.create_template(
            tenant=request.tenant, run_id=source.run.id, by=request.actor, **form.cleaned_data
        )
    except actions.TemplateRefused as error:
        form.add_problem(error.field, error.reason)
    except TenantError as error:
        form.add_problem("", f"{request.tenant} could not answer: {error.reason}")
    return None


def _save(request, form, template) -> bool:
    try:
        actions.update_template(template=template, by=request.actor, **form.cleaned_data)
    except actions.TemplateRefused as error:
        form.add_problem(error.field, error.reason)
        return False
    return True
