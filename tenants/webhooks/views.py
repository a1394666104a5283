"""The webhook of a template, for those who may change the template."""

from functools import partial

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from orgs.access.gate import refuse
from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.models import RunTemplate

from . import actions
from .forms import ABOUT
from .hook_page import HookPage, removed, retried, saved, tested, with_new_secret
from .models import Webhook


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def detail(request, template):
    return saved(request, _of(request, template))


@never_cache
@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def secret(request, template):
    return with_new_secret(request, _of(request, template))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def test(request, template):
    place = _of(request, template)
    return tested(request, place.hook_or_404(), place.url)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def remove(request, template):
    return removed(request, _of(request, template))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def retry(request, template, delivery):
    return retried(request, _of(request, template), delivery)


def _of(request, template) -> HookPage:
    """For those who may edit the template."""
    template = _changeable(request, template)
    hook = _hook(template)
    return HookPage(
        url=reverse("webhooks:detail", args=[request.org.slug, request.tenant.slug, template.pk]),
        html="webhooks/detail.html",
        hook=hook,
        about={"template": template},
        choices=ABOUT,
        when=hook.when if hook else Webhook.When.ALWAYS,
        save=partial(actions.set_webhook, template=template),
        find=partial(_hook, template),
    )


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
