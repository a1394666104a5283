"""`zenml login`: a computer asks, a person answers in their browser, the computer collects its token (protocol §3.1-3.3a)."""

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orgs.access.gate import can
from orgs.access.required_two_factor import closed_to
from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.users.models import Actor
from tenants.access.decisions import may_connect
from tenants.credentials.models import AccessToken, DeviceLogin, hash_token
from tenants.models import Share, Tenant, TenantGrant

LIFETIME = timedelta(minutes=10)  # of a request; the client counts it down by itself
INTERVAL = 3  # seconds between two polls of a client that behaves
TOKEN_LIFETIME = timedelta(days=1)
TRUSTED_LIFETIME = timedelta(days=30)
OPEN_PER_ADDRESS = 20  # requests from one address that can wait for an answer at the same time
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; no digits: nothing to mix up
AGENT = re.compile(r"(Host|ZenML|Python|OS)/(\S+)")


class TooMany(Exception):
    """One address asks for more codes than people answer."""


class LoginFailed(Exception):
    """Why a computer gets no token yet, or never: `error` is a word of RFC 8628 that the client knows."""

    def __init__(self, error: str, description: str):
        super().__init__(description)
        self.error, self.description = error, description


class NotAnswerable(Exception):
    """The request has been answered or has expired, or the answer is not theirs to give; a sentence for people."""


@dataclass(frozen=True)
class Asked:
    """A new request: the row, and what only its computer knows."""

    login: DeviceLogin
    device_code: str


def ask(*, client_id: UUID, user_agent: str, ip: str | None, home: Tenant | None = None) -> Asked:
    """A computer asks to act as someone. `user_agent`: "Host/<name> ZenML/<version> Python/<version> OS/<system>".

    `home`: the tenant at whose own address it asks; the sign-in opens that one alone. Only the hash of the device code is stored. Raises TooMany.
    """
    if DeviceLogin.objects.live().filter(ip=ip, state=DeviceLogin.State.PENDING).count() >= OPEN_PER_ADDRESS:
        raise TooMany
    DeviceLogin.objects.useless().delete()
    claims, code = dict(AGENT.findall(user_agent)), secrets.token_urlsafe(32)
    while True:
        login = DeviceLogin(
            client_id=client_id,
            tenant=home,
            device_code_hash=hash_token(code),
            user_code=new_user_code(),
            host=claims.get("Host", "")[:100],
            system=claims.get("OS", "")[:100],
            python_version=claims.get("Python", "")[:30],
            zenml_version=claims.get("ZenML", "")[:30],
            ip=ip,
            expires_at=timezone.now() + LIFETIME,
        )
        try:
            with transaction.atomic():
                login.save(force_insert=True)
            return Asked(login, code)
        except IntegrityError:  # two computers were about to show the same code
            continue


def new_user_code() -> str:
    """`BCDF-GHJK`: short enough to compare, one of 20^8, and worth nothing without signing in."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def open_request(login_id: UUID | None, user_code: str) -> DeviceLogin | None:
    """The request a person can answer: id and code must both be right."""
    wanted = {"state": DeviceLogin.State.PENDING, "user_code": user_code.strip().upper()}
    rows = DeviceLogin.objects.live().select_related("tenant")
    return rows.filter(pk=login_id, **wanted).first()


@transaction.atomic
def approve(*, login: DeviceLogin, tenant: Tenant, trusted: bool, by: Actor) -> None:
    """The person lets the computer act as them and picks its default tenant. Raises NotAnswerable.

    Sign-ins to a server that someone else runs are approved only if they were requested at its own address.
    """
    if (login.home or tenant.pk) != tenant.pk or (tenant.is_elsewhere and not login.home):
        raise NotAnswerable(f"This computer can't be signed in to {tenant} here.")
    if not may_connect(by.person, tenant):
        raise NotAnswerable(f"You have no role on {tenant}.")
    _answer(login, DeviceLogin.State.APPROVED, user=by.person, tenant=tenant, trusted=trusted)
    AuditEvent.objects.record(
        "device.approved",
        login,
        by=by,
        organization=tenant.organization,
        after={"computer": str(login), "tenant": tenant.name, "address": login.ip, "trusted": trusted},
    )


@transaction.atomic
def deny(*, login: DeviceLogin, by: Actor) -> None:
    """The person does not know this computer. Raises NotAnswerable."""
    _answer(login, DeviceLogin.State.DENIED, user=by.person)
    after = {"computer": str(login), "address": login.ip}
    AuditEvent.objects.record("device.denied", login, by=by, after=after)


def _answer(login: DeviceLogin, state: str, **values) -> None:
    """One answer only: the row must still be waiting."""
    waiting = DeviceLogin.objects.live().filter(pk=login.pk, state=DeviceLogin.State.PENDING)
    if not waiting.update(state=state, **values):
        raise NotAnswerable("This request has already been answered or has expired.")


def collect(
    *, device_code: str, client_id: UUID | None, home: UUID | None = None
) -> tuple[str, DeviceLogin, timedelta]:
    """(token, login, lifetime) once, after approval. Raises LoginFailed with authorization_pending, slow_down,
    access_denied or expired_token; a code that is unknown, used or another client's is expired_token as well, and so
    is one that was asked for at another address than `home`."""
    rows = DeviceLogin.objects.select_related("user", "tenant")
    login = rows.filter(device_code_hash=hash_token(device_code), client_id=client_id).first()
    if login is None or login.home != home:
        raise LoginFailed("expired_token", "This sign-in is no longer valid. Start again.")
    if login.expires_at <= timezone.now() or login.state == DeviceLogin.State.COLLECTED:
        raise LoginFailed("expired_token", "This sign-in is no longer valid. Start again.")
    if login.state == DeviceLogin.State.DENIED:
        raise LoginFailed("access_denied", "The sign-in was denied in the browser.")
    if login.state == DeviceLogin.State.PENDING:
        raise _not_yet(login)
    return _hand_over(login)


def _not_yet(login: DeviceLogin) -> LoginFailed:
    now, before = timezone.now(), login.polled_at
    DeviceLogin.objects.filter(pk=login.pk).update(polled_at=now)
    if before and now - before < timedelta(seconds=INTERVAL - 1):
        return LoginFailed("slow_down", "Poll less often.")
    return LoginFailed("authorization_pending", "No one has answered in the browser yet.")


@transaction.atomic
def _hand_over(login: DeviceLogin) -> tuple[str, DeviceLogin, timedelta]:
    approved = DeviceLogin.objects.filter(pk=login.pk, state=DeviceLogin.State.APPROVED)
    if not login.user.is_active or not approved.update(state=DeviceLogin.State.COLLECTED):
        raise LoginFailed("expired_token", "This sign-in is no longer valid. Start again.")
    lifetime = TRUSTED_LIFETIME if login.trusted else TOKEN_LIFETIME
    kind, bound = AccessToken.Kind.USER, login.tenant if login.home else None
    issue = AccessToken.objects.issue
    return issue(kind=kind, user=login.user, tenant=bound, device=login, lifetime=lifetime), login, lifetime


@transaction.atomic
def sign_out(*, login: DeviceLogin, by: Actor) -> None:
    """End a computer's sign-in: its token stops working at the next request, and the agent ends what was opened with it
    inside tenants."""
    login.state = DeviceLogin.State.SIGNED_OUT
    login.save(update_fields=["state"])
    login.tokens.all().delete()
    before = {"computer": str(login)}
    AuditEvent.objects.record(
        "device.signed_out", login, by=by, organization=login.tenant.organization, before=before
    )


# -- what a signed-in client can see


def tenants_of(user, *, member_only: bool):
    """Tenants for the client's lists: with `member_only` those the user can connect to, else all they can see.

    Leaves out organizations that require a second factor the user doesn't have.
    """
    live = Tenant.objects.live().select_related("organization")
    live = live.order_by("organization__name", "name")
    live = live.exclude(organization__in=closed_to(user))
    if user.is_superuser:
        return live
    theirs = Q(pk__in=TenantGrant.objects.valid().of_person(user).order_by().values("tenant"))
    theirs |= Q(pk__in=Share.objects.of_person(user).order_by().values("tenant"))
    if not member_only:
        theirs |= Q(organization__in=_managed(user))
    return live.filter(theirs)


def organizations_of(user):
    """The user's organizations, without those that require a second factor they don't have."""
    return Organization.objects.of(user).exclude(pk__in=[one.pk for one in closed_to(user)])


def _managed(user) -> list[UUID]:
    """Organizations all of whose tenants the user can see."""
    mine = Organization.objects.of(user)
    return [organization.pk for organization in mine if can(user, Permission.TENANT_MANAGE_ALL, organization)]
