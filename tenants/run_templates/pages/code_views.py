"""Handing over the code of a run or of a template, and saying how it is laid out."""

from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from orgs.users.models import Actor
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions, code_actions
from tenants.run_templates.code_tries import begin_try
from tenants.run_templates.component_schemas import integrations_at
from tenants.run_templates.document.stack_integrations import integrations_of
from tenants.run_templates.engine.archives import LARGEST
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.layout import StepLook, look_at
from tenants.run_templates.models import CodeTry, CodeVersion
from tenants.run_templates.pages.code_forms import ArchiveForm, FolderForm, GitForm, LayoutForm, PushForm
from tenants.run_templates.pages.code_subject import Subject, subject_of
from tenants.run_templates.pages.presentation import presentable
from tenants.run_templates.pages.tried import try_of
from tenants.run_templates.push_keys import make_push_key
from tenants.run_templates.remembered import last_packages
from tenants.run_templates.run_commit import commit_of
from tenants.runs.reading import ask
from zenpro_site.common.bodies import on_disk

WAYS = {"push": PushForm, "upload": ArchiveForm, "git": GitForm, "folder": FolderForm}
WORDS = [
    ("push", "terminal", "Push from a terminal"),
    ("upload", "upload", "Upload"),
    ("git", "workflow", "Git"),
    ("folder", "folder", "Folder on the server"),
]


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def add(request):
    subject, trouble = subject_of(request)
    way = _way(request, subject)
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    known = {} if posted or way != "git" else _commit_of(request, subject)
    form = WAYS[way](*posted, person=request.user, initial=known)
    if subject and posted and form.is_valid() and (where := _onward_from(request, subject, way, form)):
        return redirect(where)
    context = {"subject": subject, "trouble": trouble, "way": way, "ways": WORDS, "form": form}
    context |= {"known": known, "manages_git": way == "git" and _manages(request)}
    return render(request, "run_templates/code/add.html", context, status=_status(trouble, form))


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def check(request, code):
    """Is every step of the run in the code, and where? Changing the layout looks again; saving goes on."""
    version = get_object_or_404(request.tenant.code_versions.select_related("created_by"), pk=code)
    subject, trouble = subject_of(request)
    if subject and subject.pipeline != version.pipeline_name:
        raise Http404("This is the code of another pipeline.")
    form, look, refusal = _layout(request, version, subject) if subject else (None, None, "")
    wanted = look and request.method == "POST" and request.POST.get("do") != "look"
    if wanted and form.is_valid() and (where := _done(request, version, subject, form)):
        return redirect(where)
    context = {"version": version, "subject": subject, "trouble": trouble, "form": form, "look": look}
    context["refusal"] = refusal
    context["steps"] = [_shown(step) for step in look.steps] if look else []
    return render(request, "run_templates/code/check.html", context, status=_status(trouble or refusal, form))


def _way(request, subject: Subject | None) -> str:
    """The one that was chosen; else git for a run of which ZenML knows the commit."""
    if request.GET.get("way") in WAYS:
        return request.GET["way"]
    return "git" if subject and subject.reference else "push"


def _manages(request) -> bool:
    return TenantPermission.TEMPLATE_DELETE in request.tenant_permissions


def _commit_of(request, subject: Subject | None) -> dict[str, str]:
    """The commit of the run as GitForm has it, {} where nothing is known of it."""
    if not subject or not subject.reference:
        return {}
    found, _ = ask(request.user, request.tenant, lambda client: commit_of(subject.reference, client))
    return {"url": found.url, "revision": found.commit} if found else {}


def _onward_from(request, subject: Subject, way: str, form) -> str:
    """Where what was given can be checked, or pushed first; "" when it was refused, and the form says why."""
    if way == "push":
        facts = {"pipeline": subject.pipeline, "run_id": subject.run, "template": subject.template}
        key = make_push_key(tenant=request.tenant, again=subject.again, by=request.actor, **facts)
        return _url(request, "push", key.pk)
    version = _taken(request, subject, way, form)
    return f"{_url(request, 'code', version.pk)}?{subject.query}" if version else ""


def _taken(request, subject: Subject, way: str, form) -> CodeVersion | None:
    """None when the action refused; the form says why."""
    facts = {"tenant": request.tenant, "pipeline": subject.pipeline, "snapshot": subject.snapshot}
    try:
        if way == "upload":
            return _uploaded(form.cleaned_data["archive"], facts, request.actor)
        add_it = code_actions.add_commit if way == "git" else code_actions.add_folder
        return add_it(**facts, **form.cleaned_data, by=request.actor)
    except code_actions.CodeRefused as error:
        form.add_error(error.field if error.field in form.fields else None, error.reason)
        return None


def _uploaded(upload, facts: dict, by: Actor) -> CodeVersion:
    with on_disk(upload.chunks(), LARGEST) as archive:
        return code_actions.add_archive(**facts, archive=archive, name=upload.name, by=by)


def _layout(request, version: CodeVersion, subject: Subject):
    """The form, and the look at the code with what it says; or why the code can't be looked at."""
    initial = {"roots": [root or "." for root in version.roots], "starts_in": version.starts_in or "."}
    posted = request.POST if request.method == "POST" else None
    chosen = [_path(root) for root in request.POST.getlist("roots")] if posted else version.roots
    try:
        look = look_at(version.code_hash, subject.snapshot, chosen or version.roots, str(request.tenant.pk))
    except CodeError as error:
        return None, None, error.reason
    return LayoutForm(posted, look=look, initial=initial), look, ""


def _shown(step: StepLook) -> StepLook:
    """Names come from the tenant's server and from the code."""
    words = {name: presentable(getattr(step, name)) for name in ("name", "module", "file")}
    return replace(step, **words)


def _path(choice: str) -> str:
    return "" if choice == "." else choice


def _done(request, version: CodeVersion, subject: Subject, form) -> str:
    """Where it goes on; "" when that was refused, and the form says why."""
    if request.POST.get("do") == "try":
        begun = _tried(request, version, subject, form)
        return f"{begun.get_absolute_url()}?{subject.query}" if begun else ""
    used = _saved(request, version, subject, form)
    if not used:
        return ""
    where, tried = _onward(request, used, subject), request.POST.get("tried")
    return f"{where}&{urlencode({'tried': tried})}" if tried and not subject.template else where


def _tried(request, version: CodeVersion, subject: Subject, form) -> CodeTry | None:
    """A try with the packages that are known so far; None when that was refused, and the form says why."""
    try:
        return begin_try(
            code=version,
            snapshot=subject.snapshot,
            roots=[_path(root) for root in form.cleaned_data["roots"]],
            starts_in=_path(form.cleaned_data["starts_in"]),
            requirements=_packages(request, subject),
            recorded=subject.packages,
            integrations=_integrations(request, subject),
            by=request.actor,
        )
    except code_actions.CodeRefused as error:
        form.add_error(error.field if error.field in form.fields else None, error.reason)
        return None


def _integrations(request, subject: Subject) -> list[str]:
    """Of the stack, as the template keeps it or as the run's server tells now; [] where it tells nothing."""
    if subject.template:
        return integrations_of(subject.template.snapshot)
    found, _ = ask(request.user, request.tenant, lambda client: integrations_at(client, subject.stack))
    return found or []


def _packages(request, subject: Subject) -> str:
    """Those of the template, or those that were chosen last for the pipeline."""
    if subject.template:
        return subject.template.requirements
    return last_packages(request.tenant, subject.pipeline)


def _tried_packages(request) -> str | None:
    """Those the code was tried with, for its template to have; none of them only where that was said in so many words."""
    tried = try_of(request, request.POST.get("tried", ""))
    is_meant = tried and (tried.requirements.strip() or request.POST.get("packages") == "none")
    return tried.requirements if is_meant else None


def _saved(request, version: CodeVersion, subject: Subject, form) -> CodeVersion | None:
    """The version with this layout, which the template uses by now; None when that was refused, and the form says why."""
    roots = [_path(root) for root in form.cleaned_data["roots"]]
    starts_in = _path(form.cleaned_data["starts_in"])
    try:
        layout = {"roots": roots, "starts_in": starts_in}
        version = code_actions.lay_out(version=version, snapshot=subject.snapshot, by=request.actor, **layout)
        if subject.template:
            wanted = {"code": version, "requirements": _tried_packages(request)}
            actions.change_code(template=subject.template, **wanted, by=request.actor)
    except (code_actions.CodeRefused, actions.TemplateRefused) as error:
        form.add_error(error.field if error.field in form.fields else None, error.reason)
        return None
    return version


def _onward(request, version: CodeVersion, subject: Subject) -> str:
    """Back to the template, or on to a new one."""
    if subject.template:
        messages.success(request, f"{subject.template} now runs code v{version.number}.")
        return subject.url
    if subject.again:
        query = urlencode({"do": subject.again, "code": version.pk})
        return f"{_url(request, 'prepare', subject.run)}?{query}"
    return f"{_url(request, 'create')}?{subject.query}&{urlencode({'code': version.pk})}"


def _url(request, name: str, *args) -> str:
    return reverse(f"run_templates:{name}", args=[request.org.slug, request.tenant.slug, *args])


def _status(trouble, form) -> int:
    if trouble:
        return 503
    return 422 if form and form.errors else 200
