"""A person's own webhook, and tests of every way in which they are told of runs."""

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.models import NoticeWay, NoticeWhen
from tenants.run_templates.notices import NO_WEBHOOK, default_of, send_test_mail
from zenpro_site.common.refusals import Refused

from . import actions
from .forms import ABOUT_OWN, NoticeTestForm
from .hook_page import HookPage, removed, retried, saved, tested, with_new_secret
from .outbox import own_webhook

NO_WAY = "Nothing was sent: choose email or your webhook."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def own(request):
    return saved(request, _mine(request))


@never_cache
@require_POST
@login_required
def own_secret(request):
    return with_new_secret(request, _mine(request))


@require_POST
@login_required
def own_test(request):
    place = _mine(request)
    return tested(request, place.hook_or_404(), place.url)


@require_POST
@login_required
def own_remove(request):
    return removed(request, _mine(request))


@require_POST
@login_required
def own_retry(request, delivery):
    return retried(request, _mine(request), delivery)


def _mine(request) -> HookPage:
    hook = own_webhook(request.user)
    return HookPage(
        url=reverse("webhooks:own"),
        html="webhooks/own.html",
        hook=hook,
        about={},
        choices=ABOUT_OWN,
        when=default_of(request.user, NoticeWay.WEBHOOK) if hook else NoticeWhen.ALWAYS,
        save=actions.set_own_webhook,
        find=partial(own_webhook, request.user),
    )


# -- tests of what a person chose


@require_POST
@login_required
def try_default(request):
    return _try(request, reverse("run_templates:notice_default"))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def try_tenant(request):
    back = reverse("run_templates:tenant_notice", args=[request.org.slug, request.tenant.slug])
    return _try(request, back, request.tenant)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def try_template(request, template):
    template = get_object_or_404(request.tenant.templates.listed().defer("snapshot"), pk=template)
    template.tenant = request.tenant
    return _try(request, f"{template.get_absolute_url()}#notices", template)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def try_run(request, template, number):
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    template.tenant = request.tenant
    made = get_object_or_404(template.runs.defer("configuration"), number=number)
    made.template = template
    back = reverse(
        "run_templates:run_notice", args=[request.org.slug, request.tenant.slug, template.pk, number]
    )
    return _try(request, back, made)


def _try(request, back: str, about=None):
    """Send a test in the way that was asked for, and say what came of it."""
    form = NoticeTestForm(request.POST)
    if not form.is_valid():
        messages.error(request, NO_WAY)
    elif form.cleaned_data["way"] == NoticeWay.WEBHOOK:
        if hook := own_webhook(request.user):
            return tested(request, hook, back, about)
        messages.error(request, NO_WEBHOOK)
    else:
        _try_mail(request, about)
    return redirect(back)


def _try_mail(request, about) -> None:
    try:
        address = send_test_mail(about=about, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"A test email to {address} is on its way.")
