"""The page that says who may change what in a template."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.pages.rule_forms import RulesForm
from tenants.run_templates.rules import RulesRefused, set_rules


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def rules(request, template):
    template = get_object_or_404(request.tenant.templates, pk=template)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    form = RulesForm(template, request.POST if request.method == "POST" else None)
    if request.method == "POST" and _saved(request, template, form):
        return redirect(template)
    status = 422 if form.wrong else 200
    return render(
        request, "run_templates/rules/page.html", {"template": template, "form": form}, status=status
    )


def _saved(request, template, form: RulesForm) -> bool:
    if form.wrong:
        return False
    try:
        changed = set_rules(template=template, rules=form.rules, by=request.actor)
    except RulesRefused as error:
        form.add_problems(error.problems)
        return False
    messages.success(request, "Saved." if changed else "Nothing changed.")
    return True
