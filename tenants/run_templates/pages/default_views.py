"""The values of a run become the default of a template, after a look at what that changes."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import may_edit
from tenants.run_templates.document.drafts import draft_after, examined, like
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.pages.presentation import DraftEditor, source_of
from tenants.runs.reading import ask_or_404


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def make_default(request, template):
    """GET shows what changes; POST does it, or with `back` undoes the last change."""
    template = get_object_or_404(request.tenant.templates.listed().select_related("created_by"), pk=template)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    if request.method == "POST" and "back" in request.POST:
        return _undone(request, template)
    draft, trouble = _draft(request, template)
    refusal = ""
    if request.method == "POST" and draft:
        try:
            actions.make_default(template=template, document=draft.parsed, by=request.actor)
        except actions.TemplateRefused as error:
            refusal = error.reason
        else:
            return _changed(request, template)
    return _page(request, template, draft, trouble, refusal)


def _page(request, template, draft, trouble, refusal: str):
    context = {"template": template, "trouble": trouble, "refusal": refusal, "run_id": _run_id(request)}
    context["editor"] = DraftEditor(template, examined(draft)) if draft else None
    return render(request, "run_templates/default.html", context, status=422 if refusal else 200)


def _draft(request, template):
    """The values of the run in the address, and why they cannot be read. Raises Http404 for a run that is not there."""
    run_id, document = _run_id(request), Document.of(template)
    rerun = template.runs.filter(zenml_run_id=run_id).first()
    if rerun:
        return draft_after(document, rerun, request.user), None
    found, trouble = ask_or_404(request, lambda client: source_of(client, run_id))
    return (like(document, found.snapshot) if found else None), trouble


def _run_id(request) -> UUID:
    try:
        return UUID(request.GET.get("run", ""))
    except ValueError as error:
        raise Http404("No run was named.") from error


def _changed(request, template):
    path = reverse("run_templates:make_default", args=[request.org.slug, request.tenant.slug, template.pk])
    text = f"{template.name} now begins with the values of that run."
    messages.success(request, text, extra_tags=f"undo:{path}?back=1")
    return redirect(template)


def _undone(request, template):
    try:
        actions.undo_default(template=template, by=request.actor)
    except actions.TemplateRefused as error:
        messages.error(request, error.reason)
    else:
        messages.success(request, f"{template.name} has its earlier default values again.")
    return redirect(template)
