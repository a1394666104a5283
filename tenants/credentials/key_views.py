"""Pages of service accounts and API keys. A new secret is shown by the answer to the POST, and never again."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Max, Q
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.gate import org_view
from orgs.access.required_two_factor import closed_to
from orgs.permissions import Permission
from tenants.access import people
from tenants.credentials import devices, keys
from tenants.credentials.forms import KeyForm, RotateForm, ServiceAccountForm
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.lasting import lasting
from zenpro_site.common.refusals import Refused

SHOWN_KEYS = 50


@require_safe
@org_view(Permission.MEMBER_MANAGE)
def account_list(request):
    key = "user__api_keys"
    works = lasting(key) & Q(**{f"{key}__revoked_at": None})
    accounts = keys.accounts_of(request.org).annotate(
        keys=Count(key, filter=works), last_used_at=Max(f"{key}__last_used_at")
    )
    context = {
        "rows": people.rows(request, accounts),
        "people": request.org.memberships.filter(user__is_service_account=False).count(),
        "can_invite": Permission.INVITATION_MANAGE in request.org_permissions,
        "invitations": request.org.invitations.open().count(),
    }
    return render(request, "credentials/account_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def account_create(request):
    form = ServiceAccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            account = keys.create_service_account(
                organization=request.org, by=request.actor, **form.cleaned_data
            )
        except Refused as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, f"{account.user} is ready. Create its first key.")
            return redirect("control_plane:account_detail", request.org.slug, account.pk)
    context = {"form": form}
    status = 422 if form.errors else 200
    return render_partial(request, "credentials/account_create.html#modal", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def account_detail(request, account):
    """The account with its keys; a POST creates another key."""
    account = _account(request, account)
    form = _account_form(request, request.POST if request.method == "POST" else None)
    made = _create(request, form, user=account.user, account=account)
    context = {**_account_context(request, account), "form": _account_form(request) if made else form, **made}
    return render(request, "credentials/account_detail.html", context, status=_status(form))


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def account_deactivate(request, account):
    return _switch(request, account, keys.deactivate, "is deactivated. Its keys no longer work.")


@require_POST
@org_view(Permission.MEMBER_MANAGE)
def account_activate(request, account):
    return _switch(request, account, keys.activate, "is active again.")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def account_key_rotate(request, account, key):
    account = _account(request, account)
    key = get_object_or_404(account.user.api_keys, pk=key)
    context = _rotate(request, key, account=account)
    if "secret" not in context:
        return _ask(request, "credentials/key_rotate.html#modal", context, account)
    context |= _account_context(request, account)
    context["form"] = _account_form(request)
    return render(request, "credentials/account_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.MEMBER_MANAGE)
def account_key_revoke(request, account, key):
    account = _account(request, account)
    key = get_object_or_404(account.user.api_keys, pk=key)
    context = _revoke(request, key, account=account)
    if "done" in context:
        return redirect("control_plane:account_detail", request.org.slug, account.pk)
    return _ask(request, "credentials/key_revoke.html#modal", context, account)


# -- a person's own


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def token_list(request):
    """A person's own keys; a POST creates another one."""
    form = _token_form(request, request.POST if request.method == "POST" else None)
    made = _create(request, form, user=request.user)
    context = {**_token_context(request), "form": _token_form(request) if made else form, **made}
    return render(request, "credentials/token_list.html", context, status=_status(form))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def token_rotate(request, key):
    key = get_object_or_404(request.user.api_keys, pk=key)
    context = _rotate(request, key)
    if "secret" not in context:
        return _ask(request, "credentials/key_rotate.html#modal", context)
    context |= {**_token_context(request), "form": _token_form(request)}
    return render(request, "credentials/token_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def token_revoke(request, key):
    key = get_object_or_404(request.user.api_keys, pk=key)
    context = _revoke(request, key)
    if "done" in context:
        return redirect("control_plane:token_list")
    return _ask(request, "credentials/key_revoke.html#modal", context)


# -- for both


def _create(request, form, **whose) -> dict:
    """What the page shows of a key that was just created; empty if none was."""
    if not form.is_valid():
        return {}
    try:
        key, secret = keys.create_key(by=request.actor, **whose, **form.words)
    except Refused as refused:
        form.add_error(None, str(refused))
        return {}
    return {"new_key": key, "secret": secret}


def _rotate(request, key, **whose) -> dict:
    form = RotateForm(request.POST if request.method == "POST" else None)
    context = {"key": key, "form": form}
    if form.is_valid():
        try:
            secret = keys.rotate_key(key=key, by=request.actor, **whose, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            return {"new_key": key, "secret": secret, "rotated": True}
    return context


def _revoke(request, key, **whose) -> dict:
    if request.method != "POST":
        return {"key": key}
    try:
        keys.revoke_key(key=key, by=request.actor, **whose)
    except Refused as refused:
        return {"key": key, "refused": str(refused)}
    messages.success(request, f"The key {key} has been revoked and no longer works.")
    return {"done": True}


def _ask(request, template: str, context: dict, account=None):
    """A question before a key changes, as a page or in the dialog of the page that asks."""
    wrong = context.get("refused") or ("form" in context and context["form"].errors)
    return render_partial(request, template, {**context, "account": account}, status=422 if wrong else 200)


def _switch(request, account, action, words: str):
    account = _account(request, account)
    try:
        action(account=account, by=request.actor)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{account.user} {words}")
    return redirect("control_plane:account_detail", request.org.slug, account.pk)


def _account(request, pk):
    return get_object_or_404(keys.accounts_of(request.org), pk=pk)


def _account_form(request, data=None) -> KeyForm:
    return KeyForm(data, tenants=people.visible_tenants(request))


def _account_context(request, account) -> dict:
    [row] = people.rows(request, [account])
    return {
        "account": account,
        "row": row,
        "keys": account.user.api_keys.shown()[:SHOWN_KEYS],
        "tenant_roles": people.tenant_roles(request, account),
    }


def _token_form(request, data=None) -> KeyForm:
    mine = devices.tenants_of(request.user, member_only=True)
    here = devices.organizations_of(request.user)
    return KeyForm(data, tenants=mine, organizations=here, every="everything you can access")


def _token_context(request) -> dict:
    return {"keys": request.user.api_keys.shown()[:SHOWN_KEYS], "closed": closed_to(request.user)}


def _status(form) -> int:
    return 422 if form.errors else 200
