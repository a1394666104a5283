"""What a tenant keeps to open its git repositories: for those who manage its templates."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import git_actions
from tenants.run_templates.code_actions import CodeRefused
from tenants.run_templates.engine.deploy_keys import fingerprint_of
from tenants.run_templates.models import GitAccess
from tenants.run_templates.pages.git_forms import GitAccessForm

PEOPLE = ("given_by", "host_confirmed_by")


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_DELETE)
def git_list(request):
    posted = request.POST if request.method == "POST" else None
    form = GitAccessForm(posted, initial={"url": request.GET.get("url", "")})
    if posted and form.is_valid() and (access := _given(request, form)):
        return redirect(access if access.public_key else _list_url(request))
    context = {"form": form, "accesses": request.tenant.git_accesses.select_related(*PEOPLE)}
    status = 422 if form.errors else 200
    return render(request, "run_templates/git/list.html", context, status=status)


def _list_url(request) -> str:
    return reverse("run_templates:git_list", args=[request.org.slug, request.tenant.slug])


def _given(request, form: GitAccessForm) -> GitAccess | None:
    """None when the action refused; the form says why."""
    facts = {"tenant": request.tenant, "url": form.cleaned_data["url"], "by": request.actor}
    token = form.cleaned_data["token"]
    try:
        if form.wants_key and not token:
            return git_actions.make_deploy_key(**facts)
        access = git_actions.keep_token(**facts, token=token)
    except CodeRefused as error:
        form.add_error(error.field if error.field in form.fields else None, error.reason)
        return None
    messages.success(request, f"The token for {access} is kept. Whoever adds code from there uses it.")
    return access


@require_safe
@tenant_view(TenantPermission.TEMPLATE_DELETE)
def git_detail(request, access):
    """A deploy key: what to do with its public half, and the key of its host."""
    return _shown(request, _access(request, access))


@require_POST
@tenant_view(TenantPermission.TEMPLATE_DELETE)
def git_confirm(request, access):
    access = _access(request, access)
    fingerprint = request.POST.get("fingerprint", "")
    return _done(request, access, git_actions.confirm_host, fingerprint=fingerprint)


@require_POST
@tenant_view(TenantPermission.TEMPLATE_DELETE)
def git_read(request, access):
    return _done(request, _access(request, access), git_actions.read_host_again)


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_DELETE)
def git_remove(request, access):
    access = _access(request, access)
    if request.method != "POST":
        return render(request, "run_templates/git/remove.html", {"access": access})
    git_actions.forget_access(access=access, by=request.actor)
    messages.success(request, f"What opened {access} is removed.")
    return redirect(_list_url(request))


def _access(request, pk) -> GitAccess:
    return get_object_or_404(request.tenant.git_accesses.select_related(*PEOPLE), pk=pk)


def _done(request, access: GitAccess, deed, **facts):
    """Back to the page of the key; with the reason on it when the action refused."""
    try:
        deed(access=access, by=request.actor, **facts)
    except CodeRefused as error:
        access.refresh_from_db()
        return _shown(request, access, error.reason)
    return redirect(access)


def _shown(request, access: GitAccess, refusal: str = ""):
    context = {"access": access, "refusal": refusal}
    if access.host_key:
        context["fingerprint"] = fingerprint_of(access.host_key)
        context["key_type"] = access.host_key.partition(" ")[0]
    return render(request, "run_templates/git/detail.html", context, status=422 if refusal else 200)
