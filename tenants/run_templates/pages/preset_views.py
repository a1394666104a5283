"""Presets of a template: saved, run, renamed and deleted. They are filled in on the form, see rerun_views."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from tenants.access.gate import tenant_view
from tenants.hosting.base import TenantNotFound
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions, presets
from tenants.run_templates.access import NOT_AN_EDITOR, may_change_preset, may_edit, require_runner
from tenants.run_templates.document.drafts import draft_after, examined, fresh, from_post, like
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.models import Preset
from tenants.run_templates.pages.presentation import DraftEditor, source_of
from tenants.run_templates.pages.preset_conflicts import conflicts_of
from tenants.run_templates.pages.preset_forms import PresetForm, SavePresetForm
from tenants.run_templates.presets import PresetRefused
from tenants.runs.reading import ask
from zenpro_site.common.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def new(request, template):
    """What the form of a run sends, or a run, or the default: shown with what it sets, and saved with `save`."""
    template = _template(request, template)
    draft, trouble = _draft(request, template)
    editor = DraftEditor(template, examined(draft))
    known = [one for one in presets.presets_for(template, request.user) if _may_change(request, one)]
    form = SavePresetForm(
        request.POST if "save" in request.POST else None,
        can_share=may_edit(request.user, template, request.tenant_permissions),
        known=known,
        initial={"replace": request.POST.get("preset")},
    )
    if form.is_bound and not editor.troubles and form.is_valid() and _save(request, form, editor):
        return redirect(template)
    count = len(presets.values_set(draft.parsed)) if not editor.troubles else 0
    context = {"template": template, "editor": editor, "form": form, "known": known, "count": count}
    context["trouble"] = trouble
    status = 422 if form.errors or (form.is_bound and editor.troubles) else 200
    return render(request, "run_templates/presets/new.html", context, status=status)


def _draft(request, template):
    """The values to save, and why those of a run can't be read."""
    document = Document.of(template)
    if request.method == "POST":
        return from_post(document, request.POST, request.FILES, sealer(template)), None
    if number := request.GET.get("from", ""):
        is_number = number.isascii() and number.isdecimal() and len(number) < 9
        run = get_object_or_404(template.runs.all(), number=int(number) if is_number else 0)
        return draft_after(document, run, request.user), None
    if "like" not in request.GET:
        return fresh(document), None
    found, trouble = _recorded(request)
    return (like(document, found.snapshot) if found else fresh(document)), trouble


def _recorded(request):
    try:
        run = UUID(request.GET["like"])
        return ask(request.user, request.tenant, lambda client: source_of(client, run))
    except (ValueError, TenantNotFound) as error:
        raise Http404("There is no such run.") from error


def _save(request, form: SavePresetForm, editor) -> bool:
    replaced, document = form.cleaned_data["replace"], editor.draft.parsed
    try:
        if replaced:
            made = presets.replace_preset(preset=replaced, document=document, by=request.actor)
        else:
            made = presets.save_preset(
                template=editor.template, document=document, by=request.actor, **form.facts
            )
    except PresetRefused as error:
        form.add_error(error.field or None, error.reason)
        return False
    messages.success(request, f"Preset “{made}” saved.")
    return True


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def run(request, template, preset):
    """Run it as it is; one that does not fit any more opens the form, which says where, and runs nothing."""
    template = _template(request, template)
    chosen = get_object_or_404(presets.presets_for(template, request.user), pk=preset)
    unchanged = Document.of(template)
    draft = examined(presets.draft_of(chosen, unchanged))
    if draft.problems:
        why = " ".join([presets.NO_LONGER_FITS.format(chosen), *conflicts_of(chosen, unchanged)])
        messages.error(request, why)
        return redirect(f"{_url(request, 'run', template.pk)}?preset={chosen.pk}")
    try:
        made = actions.queue_run(
            template=template, configuration=draft.parsed, by=request.actor, preset=chosen
        )
    except Refused as error:
        messages.error(request, f"Nothing was started. {error}")
        return redirect(template)
    return redirect(made)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_RUN)
def edit(request, template, preset):
    """Rename it, or change who sees it."""
    template = _template(request, template)
    chosen = _changeable(request, template, preset)
    form = PresetForm(
        request.POST or None,
        can_share=may_edit(request.user, template, request.tenant_permissions),
        initial={"name": chosen.name, "is_shared": chosen.is_shared},
    )
    if request.method == "POST" and form.is_valid() and _rename(request, form, chosen):
        return redirect(template)
    context = {"template": template, "preset": chosen, "form": form, "name": form.initial["name"]}
    context["conflicts"] = conflicts_of(chosen, Document.of(template)) if template.field_rules else []
    status = 422 if form.errors else 200
    return render(request, "run_templates/presets/edit.html", context, status=status)


def _rename(request, form: PresetForm, preset: Preset) -> bool:
    try:
        presets.rename_preset(preset=preset, by=request.actor, **form.facts)
    except PresetRefused as error:
        form.add_error(error.field or None, error.reason)
        return False
    messages.success(request, "Saved.")
    return True


@require_POST
@tenant_view(TenantPermission.TEMPLATE_RUN)
def delete(request, template, preset):
    template = _template(request, template)
    chosen = _changeable(request, template, preset)
    presets.delete_preset(preset=chosen, by=request.actor)
    messages.success(request, f"Preset “{chosen}” deleted.")
    return redirect(template)


def _template(request, pk):
    found = get_object_or_404(request.tenant.templates.select_related("created_by", "code"), pk=pk)
    require_runner(request, found)
    return found


def _changeable(request, template, pk) -> Preset:
    preset = get_object_or_404(presets.presets_for(template, request.user), pk=pk)
    if not _may_change(request, preset):
        raise PermissionDenied(NOT_AN_EDITOR)
    return preset


def _may_change(request, preset: Preset) -> bool:
    return may_change_preset(request.user, preset, request.tenant_permissions)


def _url(request, name: str, *args) -> str:
    return reverse(f"run_templates:{name}", args=[request.org.slug, request.tenant.slug, *args])
