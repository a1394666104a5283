"""The pages that say who may change what in a template, and who may run it."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.access.holder_fields import suggestions, typed
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.pages.preset_conflicts import conflicts_after
from tenants.run_templates.pages.rule_forms import RulesForm, RunnersForm
from tenants.run_templates.rules import RulesRefused, set_rules, set_runners
from zenpro_site.common.htmx import wants
from zenpro_site.common.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def rules(request, template):
    template = _changeable(request, template)
    form = RulesForm(template, request.POST if request.method == "POST" else None)
    if request.method == "POST" and _saved(request, template, form):
        return redirect(template)
    context = {"template": template, "form": form, "here": "rules"}
    status = 422 if form.wrong else 200
    return render(request, "run_templates/rules/page.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def runners(request, template):
    template = _changeable(request, template)
    if wants(request, "holders"):
        return render(request, "access/_holders.html", {"holders": suggestions(request.org, typed(request))})
    form = RunnersForm(request.POST or None, template=template, search_at=request.path)
    if request.method == "POST" and form.is_valid() and _narrowed(request, template, form):
        return redirect(request.path if form.cleaned_data["holder"] else template.get_absolute_url())
    context = {"template": template, "form": form, "here": "runners"}
    status = 422 if form.errors else 200
    return render(request, "run_templates/rules/runners.html", context, status=status)


def _changeable(request, pk) -> RunTemplate:
    """The template, for those who may edit it."""
    template = get_object_or_404(request.tenant.templates, pk=pk)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    return template


def _narrowed(request, template: RunTemplate, form: RunnersForm) -> bool:
    facts = {"is_narrowed": form.is_narrowed, "runners": form.runners}
    try:
        changed = set_runners(template=template, by=request.actor, **facts)
    except Refused as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, "Saved." if changed else "Nothing changed.")
    return True


def _saved(request, template, form: RulesForm) -> bool:
    if form.wrong:
        return False
    try:
        changed = set_rules(template=template, rules=form.rules, by=request.actor)
    except RulesRefused as error:
        form.add_problems(error.problems)
        return False
    messages.success(request, "Saved." if changed else "Nothing changed.")
    for sentence in conflicts_after(template, request.user) if changed else ():
        messages.warning(request, sentence)
    return True
