"""Whether a person gets an email when re-runs end: of one run, of a template's, of those they start."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import notices
from tenants.run_templates.models import NoticeWhen
from tenants.run_templates.pages.notice_forms import NoticesForm, RunNoticeForm
from tenants.run_templates.pages.presentation import url_of
from zenpro_site.common.refusals import Refused

UNKNOWN = "Nothing was changed: choose one of the options."
TOLD = "You will get an email when {0} ends."
NOT_TOLD = "You will get no email about {0}."
TOLD_OF_TEMPLATE = {
    NoticeWhen.ALWAYS: "You will get an email when runs of {0} end.",
    NoticeWhen.FAILED: "You will get an email when runs of {0} fail.",
    NoticeWhen.NEVER: "You will get no email about runs of {0} that others start.",
}


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def run_notice(request, template, number):
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    made = get_object_or_404(template.runs.all(), number=number)
    form = RunNoticeForm(request.POST)
    if not form.is_valid():
        messages.error(request, UNKNOWN)
        return redirect(url_of(made))
    wanted = form.cleaned_data["tell"]
    try:
        notices.choose_for_run(run=made, wanted=wanted, by=request.actor)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, (TOLD if wanted else NOT_TOLD).format(made))
    return redirect(url_of(made))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def template_notice(request, template):
    template = get_object_or_404(request.tenant.templates.listed().defer("snapshot"), pk=template)
    form = NoticesForm(request.POST)
    if form.is_valid():
        when = form.cleaned_data["when"]
        notices.choose_for_template(template=template, when=when, by=request.actor)
        messages.success(request, TOLD_OF_TEMPLATE[NoticeWhen(when)].format(template))
    else:
        messages.error(request, UNKNOWN)
    return redirect(f"{template.get_absolute_url()}#notices")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notice_default(request):
    """A person's own: of which runs that they start they are told."""
    now = {"when": notices.default_of(request.user)}
    form = NoticesForm(request.POST if request.method == "POST" else None, initial=now)
    if form.is_valid():
        notices.choose_default(when=form.cleaned_data["when"], by=request.actor)
        messages.success(request, "Saved.")
        return redirect("run_templates:notice_default")
    return render(
        request, "run_templates/notices/default.html", {"form": form}, status=422 if form.errors else 200
    )
