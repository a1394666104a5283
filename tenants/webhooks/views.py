"""The webhook of a template, for those who may change the template. A new secret is in the answer that made it alone."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.models import RunTemplate
from zenpro_site.common.refusals import Refused

from . import actions
from .forms import WebhookForm
from .models import Webhook
from .outbox import why_silent

SHOWN = 20  # deliveries


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def detail(request, template):
    template = _changeable(request, template)
    hook = _hook(template)
    form = WebhookForm(request.POST if request.method == "POST" else None, hook=hook)
    if not form.is_valid():
        return _page(request, template, hook, form)
    try:
        made = actions.set_webhook(template=template, by=request.actor, **form.cleaned_data)
    except Refused as error:
        form.add_error("address", str(error))
        return _page(request, template, hook, form)
    if not made:
        messages.success(request, "Saved.")
        return _back(request, template)
    hook = _hook(template)
    return _page(request, template, hook, WebhookForm(hook=hook), made)


@never_cache
@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def secret(request, template):
    template = _changeable(request, template)
    hook = _hook_or_404(template)
    try:
        made = actions.replace_secret(hook=hook, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
        return _back(request, template)
    return _page(request, template, hook, WebhookForm(hook=hook), made)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def test(request, template):
    template = _changeable(request, template)
    answer = actions.try_webhook(hook=_hook_or_404(template), by=request.actor)
    if answer.ok:
        messages.success(request, f"The test arrived: the other side answered with status {answer.status}.")
    else:
        messages.error(request, f"The test failed. {answer.error}")
    return _back(request, template)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def remove(request, template):
    template = _changeable(request, template)
    actions.remove_webhook(hook=_hook_or_404(template), by=request.actor)
    messages.success(request, "The webhook has been removed.")
    return _back(request, template)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def retry(request, template, delivery):
    template = _changeable(request, template)
    delivery = get_object_or_404(_hook_or_404(template).deliveries, pk=delivery)
    if actions.retry_delivery(delivery):
        messages.success(request, "It will be sent again shortly.")
    else:
        messages.error(request, "This can't be sent any more.")
    return _back(request, template)


def _changeable(request, pk) -> RunTemplate:
    """The template, for those who may edit it."""
    template = get_object_or_404(request.tenant.templates.listed().defer("snapshot"), pk=pk)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    template.tenant = request.tenant
    return template


def _hook(template: RunTemplate) -> Webhook | None:
    hook = getattr(template, "webhook", None)
    if hook:
        hook.template = template
    return hook


def _hook_or_404(template: RunTemplate) -> Webhook:
    hook = _hook(template)
    if hook is None:
        raise Http404("The template has no webhook.")
    return hook


def _page(request, template, hook, form: WebhookForm, secret: str = ""):
    context = {
        "template": template,
        "hook": hook,
        "form": form,
        "secret": secret,
        "silent": why_silent(hook) if hook else "",
        "deliveries": hook.deliveries.select_related("run")[:SHOWN] if hook else [],
    }
    return render(request, "webhooks/detail.html", context, status=422 if form.errors else 200)


def _back(request, template: RunTemplate):
    return redirect("webhooks:detail", request.org.slug, request.tenant.slug, template.pk)
