"""Whether a person is told when re-runs end, by mail and to their webhook: of one run, a template's, those they start."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import notices
from tenants.run_templates.models import NoticeWay, NoticeWhen
from tenants.run_templates.pages.notice_forms import (
    NoticesForm,
    RunNoticeForm,
    TenantNoticesForm,
    ways_for_own,
    ways_for_run,
    ways_for_tenant,
)
from tenants.run_templates.pages.presentation import url_of
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.refusals import Refused

UNKNOWN = "Nothing was changed: choose one of the options."
WAYS = {NoticeWay.MAIL: "by email", NoticeWay.WEBHOOK: "at your webhook"}
TOLD = "You will be told {way} when {0} ends."
NOT_TOLD = "You will not be told {way} when {0} ends."
TOLD_OF_TEMPLATE = {
    NoticeWhen.ALWAYS: "You will be told {way} when runs of {0} end.",
    NoticeWhen.FAILED: "You will be told {way} when runs of {0} fail.",
    NoticeWhen.NEVER: "You will not be told {way} of runs of {0} that others start.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def run_notice(request, template, number):
    template = get_object_or_404(request.tenant.templates.defer("snapshot"), pk=template)
    made = get_object_or_404(template.runs.select_related("created_by"), number=number)
    if request.method == "POST":
        form = RunNoticeForm(request.POST)
        _choose(request, form, lambda chosen: _for_run(request, made, **chosen))
        return redirect(url_of(made))
    context = {"template": template, "run": made, "ways": ways_for_run(request.user, made)}
    context["back_url"] = url_of(made)
    return render_partial(request, "run_templates/notices/run.html#modal", context)


def _choose(request, form, do) -> None:
    """Keep what was chosen, and say so. `do` returns the sentence."""
    if not form.is_valid():
        messages.error(request, UNKNOWN)
        return
    try:
        said = do(form.cleaned_data)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)


def _for_run(request, made, tell: bool, way: str) -> str:
    notices.choose_for_run(run=made, wanted=tell, way=way, by=request.actor)
    return (TOLD if tell else NOT_TOLD).format(made, way=WAYS[way])


@require_POST
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def template_notice(request, template):
    template = get_object_or_404(request.tenant.templates.listed().defer("snapshot"), pk=template)
    _choose(request, NoticesForm(request.POST), lambda chosen: _for_template(request, template, **chosen))
    return redirect(f"{template.get_absolute_url()}#notices")


def _for_template(request, template, when: str, way: str) -> str:
    notices.choose_for_template(template=template, when=when, way=way, by=request.actor)
    return TOLD_OF_TEMPLATE[when].format(template, way=WAYS[way])


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notice_default(request):
    """A person's own: of which runs that they start they are told."""
    if request.method == "POST":
        _choose(request, NoticesForm(request.POST), lambda chosen: _for_own(request, **chosen))
        return redirect("run_templates:notice_default")
    context = {"ways": ways_for_own(request.user), "tenants": notices.tenants_to_choose(request.user)}
    return render(request, "run_templates/notices/default.html", context)


def _for_own(request, when: str, way: str) -> str:
    notices.choose_default(when=when, way=way, by=request.actor)
    return "Saved."


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_VIEW)
def tenant_notice(request):
    """The same for runs that they start in one tenant."""
    if request.method == "POST":
        _choose(request, TenantNoticesForm(request.POST), lambda chosen: _for_tenant(request, **chosen))
        return redirect("run_templates:tenant_notice", request.org.slug, request.tenant.slug)
    context = {"ways": ways_for_tenant(request.user, request.tenant)}
    return render(request, "run_templates/notices/tenant.html", context)


def _for_tenant(request, when: str, way: str) -> str:
    notices.choose_for_tenant(tenant=request.tenant, when=when, way=way, by=request.actor)
    return "Saved."
