"""Sign-in through the provider that the settings name (OpenID Connect): who is let in, and as whom.

The account belongs to what the provider calls the person (`sub`). The first time, it is found or created by their
email address, and only when the provider says that this is verified.
"""

import hashlib
from contextlib import contextmanager

import requests
import structlog
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.db import IntegrityError, transaction
from django.shortcuts import render

from orgs.domains.actions import lets_in
from orgs.invitations.actions import account_of, is_expected
from orgs.users import actions
from orgs.users.models import Actor
from zenpro_site.common.characters import storable
from zenpro_site.common.mailboxes import is_written_plainly, normal
from zenpro_site.common.names import without_odd

log = structlog.get_logger("zenpro.people")
PATIENCE = 5  # seconds for one answer of the provider
TRUE = (True, "true", "True")  # some send a word


class ProviderSession(requests.Session):
    """What does not arrive, or is no answer, ends in a page instead of an error."""

    def __init__(self, page_request):
        super().__init__()
        self.page_request = page_request

    def request(self, method, url, **kwargs):
        try:
            response = super().request(method, url, timeout=PATIENCE, **kwargs)
            if method.upper() == "GET":
                response.raise_for_status()
                response.json()
            return response
        except requests.RequestException as error:
            raise ImmediateHttpResponse(_page(self.page_request, "unreachable", status=502)) from error


class SocialAdapter(DefaultSocialAccountAdapter):
    def get_requests_session(self) -> ProviderSession:
        return ProviderSession(self.request)

    def on_authentication_error(self, request, provider, error=None, exception=None, extra_context=None):
        log.warning("sign-in through the provider failed", error=error, reason=str(exception or ""))
        problem = "cancelled" if error == AuthError.CANCELLED else "failed"
        raise ImmediateHttpResponse(_page(request, problem))

    def populate_user(self, request, sociallogin, data):
        """From what the provider says, before an account is looked for.

        The key of the account covers who says it: another provider may use the same name for someone else.
        """
        if not storable(sociallogin.account.extra_data):
            raise ImmediateHttpResponse(_page(request, "failed"))
        address, verified = _address(sociallogin.account.extra_data)
        _, issuer, subject = _identity(sociallogin.account.extra_data)
        sociallogin.account.uid = hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()
        sociallogin.email_addresses = (
            [EmailAddress(email=address, verified=True, primary=True)] if verified else []
        )
        user = sociallogin.user
        user.email, user.name = address if verified else "", _name(data)
        return user

    def pre_social_login(self, request, sociallogin) -> None:
        is_same, _, _ = _identity(sociallogin.account.extra_data)
        if not is_same or sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise ImmediateHttpResponse(_page(request, "failed"))
        if sociallogin.is_existing:
            return
        if not sociallogin.email_addresses:
            raise ImmediateHttpResponse(_page(request, "unverified"))
        person = account_of(sociallogin.user.email)
        if person is None:
            EmailAddress.objects.filter(email__iexact=sociallogin.user.email, verified=False).delete()
        elif person.is_active and not person.is_service_account:
            with _once(request):
                _connect(request, sociallogin, person)
        else:
            sociallogin.user = person  # told that the account is switched off, and nothing is stored

    def is_open_for_signup(self, request, sociallogin) -> bool:
        address = sociallogin.user.email
        if settings.ZENPRO_OPEN_SIGNUP or is_expected(address) or lets_in(address):
            return True
        raise ImmediateHttpResponse(_page(request, "unknown", address=address))

    def save_user(self, request, sociallogin, form=None):
        with _once(request):
            user = super().save_user(request, sociallogin, form)
            actions.registered(by=Actor(user, request.origin), through=sociallogin.provider.name)
        return user


@contextmanager
def _once(request):
    """One transaction. When two of a person's windows come back at the same moment, the second is told to try again."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise ImmediateHttpResponse(_page(request, "failed")) from error


def _connect(request, sociallogin, person) -> None:
    """From now on the provider's word opens this account.

    Someone may have created it with an address that was not theirs: the password they chose ends here.
    """
    if person.email == sociallogin.user.email:
        if EmailAddress.objects.filter(user=person, email=person.email, verified=False).exists():
            person.set_unusable_password()
            person.save(update_fields=["password"])
        actions.settle_address(person=person)
    sociallogin.connect(request, person)
    actions.connected(by=Actor(person, request.origin), through=sociallogin.provider.name)


def _identity(said: dict) -> tuple[bool, str, str]:
    """(do both documents speak of the same person, issuer, subject): the first of the two is signed for us."""
    signed, told = said.get("id_token") or {}, said.get("userinfo") or {}
    issuer, subject = signed.get("iss"), signed.get("sub")
    return bool(issuer and subject) and told.get("sub", subject) == subject, str(issuer), str(subject)


def _address(said: dict) -> tuple[str, bool]:
    """(email address, does the provider vouch for it): both from the same document."""
    documents = (said.get("userinfo") or {}, said.get("id_token") or {})
    found = next((document for document in documents if document.get("email")), {})
    said = str(found.get("email", ""))
    return normal(said), found.get("email_verified") in TRUE and is_written_plainly(said)


def _name(data: dict) -> str:
    parts = (data.get("first_name"), data.get("last_name"))
    said = data.get("name") or " ".join(part for part in parts if isinstance(part, str))
    return " ".join(without_odd(said).split())[:150] if isinstance(said, str) else ""


def _page(request, problem: str, *, status: int = 403, **context):
    """Why the person is not signed in, and what they can do."""
    context |= {"problem": problem, "provider": settings.ZENPRO_OIDC.name}
    return render(request, "users/oidc.html", context, status=status)
