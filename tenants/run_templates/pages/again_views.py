"""The two doors of every run: run it again, or run it again with changes; and what that asks for once."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import may_edit, needed_to_run_again, require_runner
from tenants.run_templates.component_schemas import with_components
from tenants.run_templates.document.drafts import draft_after
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.engine.carried_code import carried_code
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.origin import rerun_of
from tenants.run_templates.pages.code_subject import DOORS
from tenants.run_templates.pages.code_used import older_code
from tenants.run_templates.pages.forms import NeedsForm, SaveForm
from tenants.run_templates.pages.presentation import SourceRun, source_of
from tenants.run_templates.pages.tried import try_of
from tenants.run_templates.remembered import (
    Needs,
    fitting_code,
    known_needs,
    last_packages,
    prepared_of,
    with_stack,
)
from tenants.runs.client import TenantClient
from tenants.runs.reading import ask_or_404
from zenpro_site.common.refusals import Refused

WAIT = timedelta(seconds=5)  # in which a click can be undone


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def again(request, run):
    """One click: the run once more as it was or, with `do=change`, the form with its values.

    A run that no template made needs one that no list shows. Making it takes three calls to the tenant's server,
    and one for each stack component that has settings.
    """
    rerun = rerun_of(request.tenant, run)
    template = rerun.template if rerun else prepared_of(request.tenant, run)
    _check(request, template)
    door = _door(request.POST.get("do"))
    if template is None:
        source, trouble = _source(request, run)
        if trouble:
            messages.error(request, f"{trouble.title}. {trouble.text}")
            return redirect(_run_url(request, run))
        needs = known_needs(request.tenant, _pipeline(source), source.snapshot)
        template = needs and _prepared(request, source, needs)
    if template is None:
        return redirect(f"{_url(request, 'prepare', run)}?do={door}")
    return _through(request, door, template, rerun)


def _prepared(request, source: SourceRun, needs: Needs) -> RunTemplate | None:
    """None when it was refused, which the page that asks for what is missing says again."""
    try:
        facts = {"run": source.run, "snapshot": source.snapshot}
        return actions.prepare_template(tenant=request.tenant, needs=needs, by=request.actor, **facts)
    except actions.TemplateRefused:
        return None


def _check(request, template: RunTemplate | None) -> None:
    """Raises PermissionDenied without one of the rights that this takes."""
    for right in sorted(needed_to_run_again(template) - request.tenant_permissions):
        refuse(request, right, request.tenant)
    if template:
        require_runner(request, template)


def _door(text: str | None) -> str:
    return text if text in DOORS else "run"


def _through(request, door: str, template: RunTemplate, rerun=None):
    """Queue the run, or show the form: also when the values can't be run without a look at them."""
    form = _url(request, "run", template.pk) + (f"?from={rerun.number}" if rerun else "")
    if door == "change":
        return redirect(form)
    values = _values(template, rerun, request.user)
    try:
        return redirect(
            actions.queue_run(
                template=template,
                configuration=values,
                by=request.actor,
                wait=WAIT,
                stack=rerun.stack_id if rerun else None,
            )
        )
    except actions.InvalidConfiguration:
        messages.info(request, "Nothing was started: this run needs a look at its values first.")
        return redirect(form)
    except Refused as error:
        messages.error(request, f"Nothing was started. {error}")
        return redirect(_run_url(request, rerun.zenml_run_id if rerun else template.source_run_id))


def _values(template: RunTemplate, rerun, person) -> Document:
    """Those of the run, under a name of its own; how it continued another one is not repeated."""
    unchanged = Document.of(template)
    return draft_after(unchanged, rerun, person).parsed if rerun else unchanged


# -- what is missing


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def prepare(request, run):
    """The code and packages of a run: asked for once, and changed here later. At most two calls to the server."""
    made = prepared_of(request.tenant, run)
    _check(request, None)
    if made and not may_edit(request.user, made, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    source, trouble = (None, None) if made else _source(request, run)
    form = None if trouble else _form(request, made, source)
    door = _door(request.POST.get("do", request.GET.get("do")))
    code_url = f"{_url(request, 'code_add')}?{urlencode({'run': run, 'again': door})}"
    if form and form.lacks_code:
        return redirect(code_url)
    if request.method == "POST" and form and form.is_valid() and (kept := _keep(request, form, made, source)):
        return _through(request, door, kept)
    name = made.name if made else source.run.name if source else ""
    context = {"form": form, "made": made, "name": name, "source": source, "trouble": trouble}
    context["older"] = older_code(request.tenant, source.run) if source and not form.carried else ""
    context |= {"door": door, "code_url": code_url, "run_url": _run_url(request, run)}
    status = 503 if trouble else 422 if form.errors else 200
    return render(request, "run_templates/prepare.html", context, status=status)


def _form(request, made: RunTemplate | None, source: SourceRun | None) -> NeedsForm:
    """With what it has, else with the code that fits best and the packages that were chosen last."""
    tenant, pipeline = request.tenant, made.pipeline_name if made else _pipeline(source)
    carried = _carried(made, source)
    if made:
        known = {"code": made.code_id, "requirements": made.requirements}
    else:
        code = None if carried else fitting_code(tenant, pipeline, source.snapshot)
        needed = with_stack(tenant, last_packages(tenant, pipeline), source.snapshot)
        known = {"requirements": needed, **({"code": code.pk} if code else {})}
    if "code" in request.GET:
        known["code"] = request.GET["code"]
    if tried := try_of(request, request.GET.get("tried", "")):
        known["requirements"] = tried.requirements
    posted = request.POST if request.method == "POST" else None
    return NeedsForm(posted, tenant=tenant, pipeline=pipeline, carried=carried, initial=known)


def _carried(made: RunTemplate | None, source: SourceRun | None) -> str:
    """Where its pods take the code from; "" also for a run that was given code all the same."""
    if made:
        return "" if made.code_id else carried_code(made.snapshot)
    return carried_code(source.snapshot)


def _keep(request, form: NeedsForm, made: RunTemplate | None, source: SourceRun | None):
    """The template with what was chosen; None when that was refused, and the form says why."""
    needs = Needs(**form.cleaned_data)
    try:
        if made is None:
            facts = {"run": source.run, "snapshot": source.snapshot}
            return actions.prepare_template(tenant=request.tenant, needs=needs, by=request.actor, **facts)
        actions.change_needs(template=made, needs=needs, by=request.actor)
    except actions.TemplateRefused as error:
        form.add_problem(error.field, error.reason)
        return None
    return made


# -- keeping it


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def save(request, template):
    """Make a template of what one run needed to run again."""
    found = request.tenant.templates.filter(is_listed=False)
    template = get_object_or_404(found, pk=template)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    initial = {"name": template.pipeline_name[: actions.LONGEST_TITLE]}
    posted = request.POST if request.method == "POST" else None
    form = SaveForm(posted, tenant=request.tenant, template=template, initial=initial)
    if form.is_bound and form.is_valid() and _save(request, form, template):
        messages.success(request, f"{template} is a template now.")
        return redirect(template)
    context = {"form": form, "template": template, "run_count": template.runs.count()}
    return render(request, "run_templates/save.html", context, status=422 if form.errors else 200)


def _save(request, form: SaveForm, template: RunTemplate) -> bool:
    try:
        actions.save_as_template(template=template, by=request.actor, **form.cleaned_data)
    except actions.TemplateRefused as error:
        form.add_problem(error.field, error.reason)
        return False
    return True


# -- addresses


def _source(request, run: UUID):
    return ask_or_404(request, lambda client: _with_components(client, source_of(client, run)))


def _with_components(client: TenantClient, source: SourceRun) -> SourceRun:
    return replace(source, snapshot=with_components(client, source.run, source.snapshot))


def _pipeline(source: SourceRun) -> str:
    return source.run.pipeline[: actions.LONGEST_NAME]


def _url(request, name: str, *args) -> str:
    return reverse(f"run_templates:{name}", args=[request.org.slug, request.tenant.slug, *args])


def _run_url(request, run: UUID) -> str:
    return reverse("tenants:run_detail", args=[request.org.slug, request.tenant.slug, run])
