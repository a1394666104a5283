from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.shortcuts import redirect
from django.urls import reverse

from orgs.domains.actions import join
from zenpro_site.common.addresses import full
from zenpro_site.common.mailboxes import normal

from . import actions, limits, sessions
from .models import Actor

WAYS = {
    "reauthenticate": "Use your password",
    "mfa_reauthenticate": "Use a code",
    "mfa_reauthenticate:webauthn": "Use a passkey",
}


def only_through_provider() -> bool:
    """Are passwords switched off?"""
    return bool(settings.ZENPRO_OIDC and settings.ZENPRO_OIDC.only)


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come from invitations or a superuser unless open sign-up is switched on."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": "Too many wrong codes. Wait five minutes, then try again.",
        "rate_limited": "Too many wrong codes. Wait five minutes, then try again.",
    }

    def get_client_ip(self, request) -> str:
        """The same address as in the audit log, proxies taken into account."""
        return request.origin.ip or "0.0.0.0"  # noqa: S104 - nobody listens there; a socket file has no address

    def is_open_for_signup(self, request) -> bool:
        return settings.ZENPRO_OPEN_SIGNUP and not only_through_provider()

    def pre_authenticate(self, request, **credentials) -> None:
        """Failed sign-ins are counted for the person and for the address they come from."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            key = self._get_login_attempts_cache_key(request, **credentials)
            raise ImmediateHttpResponse(limits.too_many(request, key)) from error
        if only_through_provider():
            raise ValidationError(f"Sign in with {settings.ZENPRO_OIDC.name}. Passwords are switched off.")

    def pre_login(self, request, user, **kwargs):
        """Service accounts work with keys alone, even if someone gave one a password.

        With the provider as the only way in, passkeys and links in mails end here as well.
        """
        if only_through_provider() and "sociallogin" not in (kwargs["signal_kwargs"] or {}):
            messages.error(request, f"Sign in with {settings.ZENPRO_OIDC.name}.")
            return redirect(settings.LOGIN_URL)
        user.is_active = (
            user.is_active and not user.is_service_account
        )  # for this sign-in only: nothing is saved
        return super().pre_login(request, user, **kwargs)

    def is_reauthentication_required(self, *, app, **kwargs) -> bool:
        """Whoever has neither a password nor a second factor has nothing to confirm with."""
        can_confirm = bool(self.get_reauthentication_methods(context.request.user))
        return can_confirm and super().is_reauthentication_required(app=app, **kwargs)

    def post_login(self, request, user, **kwargs):
        """Every way to sign in through allauth ends here."""
        join(by=Actor(user, request.origin))
        return super().post_login(request, user, **kwargs)

    @transaction.atomic
    def save_user(self, request, user, form, commit=True):
        """allauth's page to sign up, where it is open."""
        user = super().save_user(request, user, form, commit)
        actions.registered(by=Actor(user, request.origin), through="password")
        return user

    def send_password_reset_mail(self, user, email, context) -> None:
        if not user.is_service_account and not only_through_provider():  # its address leads nowhere
            super().send_password_reset_mail(user, email, context)

    def clean_email(self, email) -> str:
        """Of sign-up, a change of address and a reset."""
        return super().clean_email(normal(email))

    def authenticate(self, request, **credentials):
        """Sign-in. Accounts of before may not have the normal form."""
        if given := credentials.get("email", "").lower():
            people = get_user_model().objects
            is_known = given == normal(given) or people.filter(email=given).exists()
            credentials["email"] = given if is_known else normal(given)
        return super().authenticate(request, **credentials)

    def send_mail(self, template_prefix, email, context) -> None:
        """Every mail of allauth's passes here. Its links are made from ZENPRO_URL below, never from Host."""
        addresses = {"site_host": full("").partition("://")[2]}
        super().send_mail(template_prefix, normal(email), {**context, **addresses})

    def get_reset_password_from_key_url(self, key) -> str:
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return full(path.replace("UID-KEY", quote(key)))

    def get_email_confirmation_url(self, request, emailconfirmation) -> str:
        return full(reverse("account_confirm_email", args=[emailconfirmation.key]))

    def send_account_already_exists_mail(self, email) -> None:
        links = {"password_reset_url": full(reverse("account_reset_password"))}
        self.send_mail("account/email/account_already_exists", email, links)

    def _get_login_attempts_cache_key(self, request, **credentials) -> str:
        """allauth counts each Host apart, and an attacker chooses the Host: its port is never checked."""
        login = credentials.get("email", credentials.get("username", "")).lower()
        return f"zenpro:{login}"

    def populate_username(self, request, user) -> None:
        if not user.username:
            user.username = get_user_model().objects.free_username(user.email.partition("@")[0])

    @transaction.atomic
    def set_password(self, user, password) -> None:
        """allauth's pages to change, set and reset a password all come here."""
        had_one = user.has_usable_password()
        super().set_password(user, password)
        was_signed_in = self.request.user == user
        actions.password_changed(
            by=Actor(user, self.request.origin), had_one=had_one, was_signed_in=was_signed_in
        )

    @transaction.atomic
    def confirm_email(self, request, email_address) -> bool:
        """The link in the mail. Another address than before ends all sessions but the one it was opened in."""
        person = email_address.user
        before = person.email
        if not super().confirm_email(request, email_address):
            return False
        actions.address_confirmed(by=Actor(person, request.origin), before=before)
        if person.email != before and request.user == person:
            sessions.keep(request, person)
        return True

    def get_reauthentication_methods(self, user) -> list[dict]:
        """Ways to confirm that it is really them, in our words."""
        ways = super().get_reauthentication_methods(user)
        return [{**way, "description": WAYS.get(way["id"], way["description"])} for way in ways]
