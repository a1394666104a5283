"""Small jobs that are due now and then. Each starts from the database, so nothing is lost when one is killed."""

import math
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from django.db import close_old_connections
from django.db.models import Exists, OuterRef
from django.utils import timezone

from orgs.models import Membership
from tenants.access import decisions
from tenants.agent.disk_sweeper import measure_due, sweep_code, sweep_runs
from tenants.agent.grant_endings import announce_endings, end_expired_grants
from tenants.agent.storage_sweeper import sweep_stored
from tenants.credentials.models import AccessToken, ApiKey
from tenants.hosting.backends import backend_for
from tenants.models import Tenant, TenantAccount

from .job_sweeper import sweep_jobs
from .key_cuts import KeyCuts
from .key_endings import announce_keys
from .tries import Tries

log = structlog.get_logger("zenpro.agent")

LOGIN_TIME = timedelta(
    seconds=60
)  # a server that was told yes can still write until then that a person is active
REST = 20  # a chore takes at most this part of the time, however much there is to look through
BRIEF = 10.0  # seconds


def forget_expired_tokens() -> int:
    """Delete access tokens that no longer work. Returns how many."""
    return AccessToken.objects.expired().delete()[0]


def end_tokens_of_the_gone() -> int:
    """End tokens and keys of people who were deactivated, or who left the organization the tokens were made for.

    They are refused already; this is for people who come back one day. Returns how many.
    """
    tokens = AccessToken.objects.filter(kind=AccessToken.Kind.USER)
    ended = tokens.filter(user__is_active=False).delete()[0]
    for bound in ("tenant__organization", "device__tenant__organization", "api_key__organization"):
        ended += _of_strangers(tokens, bound).delete()[0]
    for bound in ("organization", "tenant__organization"):
        keys = _of_strangers(ApiKey.objects.filter(revoked_at=None), bound)
        ended += keys.update(revoked_at=timezone.now())
    return ended


def _of_strangers(rows, organization: str):
    """Those bound to an organization, or to a tenant of one, that the person doesn't belong to."""
    here = Membership.objects.filter(user=OuterRef("user"), organization=OuterRef(organization))
    return rows.filter(~Exists(here), **{f"{organization}__isnull": False, "user__is_superuser": False})


class Cuts:
    """Switches off the accounts, inside the tenants we host, of people who can no longer enter them.

    The reason doesn't matter: removed, deactivated, an expired grant, a team left.
    """

    def __init__(self):
        self.tries = Tries(self._cut)

    def __call__(self) -> int:
        """Returns how many accounts were switched off."""
        return self.tries.first(self._due)

    def again(self) -> int:
        """The same in tenants where it has failed."""
        return self.tries.again(self._due)

    def _due(self):
        accounts = TenantAccount.objects.filter(
            pk__in=decisions.shut_out(), tenant__in=Tenant.objects.with_open_database()
        )
        return accounts.select_related("tenant")

    def _cut(self, account: TenantAccount) -> bool:
        hosting = backend_for(account.tenant)
        done = hosting.shut_out(account.tenant, account.user_id, lambda: _is_out(account))
        if done and timezone.now() - account.entered_at > LOGIN_TIME:
            same = TenantAccount.objects.filter(pk=account.pk, entered_at=account.entered_at)
            here = Tenant.objects.with_open_database()  # else perhaps in a database that stays behind
            same.filter(tenant__in=here).update(cut_at=timezone.now())
        return done


def _is_out(account: TenantAccount) -> bool:
    return not decisions.holds_anything(account.user_id, account.tenant)


Plan = list[tuple[float, Callable[[], int]]]  # (seconds, chore): each is done that often


def plan() -> Plan:
    return [
        (30, end_expired_grants),
        (30, announce_endings),
        (300, announce_keys),
        (30, forget_expired_tokens),
        (30, end_tokens_of_the_gone),
    ]


def slow_plan() -> Plan:
    """Jobs that can take many seconds and that no one waits for, in a thread of their own."""
    return [(20, measure_due), (600, sweep_runs), (600, sweep_jobs), (3600, sweep_code), (3600, sweep_stored)]


def run_slow(stop: threading.Event) -> None:
    run_forever(stop, chosen=slow_plan())


def cutting() -> list[Callable[[threading.Event], None]]:
    """Two loops that end what was opened inside tenants; the second one in those in which it has failed.

    They rest only briefly: what takes long is a tenant that answers slowly, and the others must not wait for it.
    """
    cuts = Cuts(), KeyCuts()
    plans = [(2, cut) for cut in cuts], [(2, cut.again) for cut in cuts]
    return [partial(run_forever, chosen=chosen, longest=BRIEF) for chosen in plans]


def run_forever(
    stop: threading.Event, interval: float = 1, chosen: Plan | None = None, longest: float = math.inf
) -> None:
    """Run until `stop` is set. Between rounds a chore rests for REST times as long as it took, at most `longest`."""
    chores = [[every, chore, 0.0] for every, chore in chosen or plan()]
    while not stop.is_set():
        close_old_connections()
        for entry in chores:
            every, chore, due = entry
            if time.monotonic() >= due:
                rest = max(every, min(longest, REST * _do(chore)))
                entry[2] = time.monotonic() + rest
        stop.wait(interval)


def _do(chore: Callable[[], int]) -> float:
    """Seconds it took."""
    began = time.monotonic()
    try:
        chore()
    except Exception:
        log.exception("chores failed")
    return time.monotonic() - began
