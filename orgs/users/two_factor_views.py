"""Two-factor sign-in. allauth's own views do the work; around them we keep the audit log and the look."""

from allauth.mfa.base.views import index as allauth_index
from allauth.mfa.recovery_codes.views import generate_recovery_codes
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from allauth.mfa.webauthn.views import add_webauthn, edit_webauthn, remove_webauthn
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from orgs.access.required_two_factor import BACK, closed_to

from . import actions
from .two_factor import factors_of


def _recorded(view):
    """The view in one transaction with the audit row of what it changed."""

    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    @login_required
    def wrapper(request, *args, **kwargs):
        request.demanding = _demanding(request.user)
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            before = factors_of(request.user)
            response = view(request, *args, **kwargs)
            actions.factors_changed(by=request.actor, before=before, after=factors_of(request.user))
        return response

    return wrapper


totp_activate = _recorded(activate_totp)
totp_deactivate = _recorded(deactivate_totp)
codes_generate = _recorded(generate_recovery_codes)
passkey_add = _recorded(add_webauthn)
passkey_rename = _recorded(edit_webauthn)
passkey_remove = _recorded(remove_webauthn)


@never_cache
@require_safe
@login_required
def index(request):
    request.demanding = _demanding(request.user)
    return allauth_index(request)


@never_cache
@require_safe
@login_required
def needed(request, org):
    """Why an organization does not let the person in, and what to do."""
    closed = next((one for one in closed_to(request.user) if one.slug == org), None)
    if closed is None:
        return redirect("users:two_factor_done")
    return render(request, "users/two_factor_needed.html", {"closed": closed})


@require_safe
@login_required
def done(request):
    """Back to the page that asked for two-factor sign-in."""
    return redirect(request.session.pop(BACK, "home"))


def _demanding(person) -> list[str]:
    """Names of the person's organizations that require two-factor sign-in."""
    theirs = person.memberships.filter(organization__requires_two_factor=True)
    return list(theirs.order_by("organization__name").values_list("organization__name", flat=True))
