"""Pages on which people answer `zenml login`, and see what is signed in as them."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orgs.access.required_two_factor import closed_to
from tenants.credentials import devices
from tenants.credentials.forms import AnswerForm
from tenants.credentials.models import DeviceLogin
from zenpro_site.common import identifiers


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def device_verify(request):
    """Let this computer act as you? The answer is a POST; the code alone never answers."""
    given = request.POST if request.method == "POST" else request.GET
    login = devices.open_request(identifiers.uuid_or_none(given.get("device_id")), given.get("user_code", ""))
    if login is None:
        return render(request, "credentials/device_gone.html", status=HTTPStatus.NOT_FOUND)
    tenants = list(devices.tenants_of(request.user, member_only=True))
    elsewhere = [tenant for tenant in tenants if tenant.is_elsewhere]
    here = [tenant for tenant in tenants if not tenant.is_elsewhere]
    if login.home:
        here, elsewhere = [tenant for tenant in elsewhere if tenant.pk == login.home], []
    is_near, hint = login.ip == request.origin.ip, request.GET.get("workspace", "")
    form = AnswerForm(request.POST or None, tenants=here, hint=hint, is_near=is_near)
    if request.method == "POST" and form.is_valid():
        return _answer(request, login, form)
    context = {"login": login, "form": form, "same_address": is_near}
    context |= {"closed": closed_to(request.user), "elsewhere": elsewhere}
    return render(request, "credentials/device_verify.html", context, status=422 if form.errors else 200)


def _answer(request, login: DeviceLogin, form: AnswerForm):
    choice = form.cleaned_data
    try:
        if choice["answer"] == "deny":
            devices.deny(login=login, by=request.actor)
        else:
            devices.approve(login=login, tenant=choice["tenant"], trusted=choice["trusted"], by=request.actor)
    except devices.NotAnswerable as error:
        messages.error(request, str(error))
        return render(request, "credentials/device_gone.html", status=HTTPStatus.CONFLICT)
    return render(request, "credentials/device_answered.html", {"login": login, "choice": choice})


@require_safe
@login_required
def device_list(request):
    """Computers that are signed in as the person."""
    mine = request.user.device_logins.signed_in().select_related("tenant__organization")
    mine = mine.prefetch_related("tokens")
    return render(request, "credentials/device_list.html", {"devices": mine})


@require_POST
@login_required
def device_sign_out(request, device):
    """End one computer's sign-in."""
    login = get_object_or_404(request.user.device_logins.signed_in(), pk=device)
    devices.sign_out(login=login, by=request.actor)
    messages.success(request, f"{login} is signed out.")
    return redirect("control_plane:device_list")
