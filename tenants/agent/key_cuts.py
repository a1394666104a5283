"""Keys that were revoked, or ended, end what was signed in with them inside the tenants we host."""

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from tenants.control_plane.models import KeyEntry
from tenants.hosting import folder_of
from tenants.models import Tenant
from tenants.servers.accounts import switch_off
from tenants.servers.base import ServerError, database_in

log = structlog.get_logger("zenpro.agent")

LOGIN_TIME = timedelta(seconds=60)  # a server that we told yes may write until then that an account is active
RETRY_AFTER = 30.0  # seconds after an account could not be signed out


class KeyCuts:
    """Signs accounts out where they came in with a key that ended: their sessions and API tokens there end.

    A server does not know which key a token came from, so all that the account has in that tenant ends. Clients with
    another key, or a person's own sign-in, come in again by themselves.
    """

    def __init__(self):
        self.not_before: dict[int, float] = {}

    def __call__(self) -> int:
        """Returns how many accounts were signed out."""
        ended = KeyEntry.objects.ended()
        _out_of_reach(ended).delete()
        now = timezone.now()
        first, once_more = (
            Q(cut_at=None),
            Q(cut_at__lt=F("entered_at") + LOGIN_TIME, entered_at__lte=now - LOGIN_TIME),
        )
        due = ended.filter(first | once_more).select_related("tenant", "api_key")
        return sum(self._cut(entry) for entry in due if time.monotonic() >= self.not_before.get(entry.pk, 0))

    def _cut(self, entry: KeyEntry) -> bool:
        began = timezone.now()
        try:
            database = database_in(folder_of(entry.tenant))
            done = switch_off(database, entry.api_key.user_id, lambda: True, settings.ZENPRO_ISOLATION)
        except ServerError as error:
            log.warning("key's account stays signed in for now", entry=entry.pk, reason=error.reason)
            self.not_before[entry.pk] = time.monotonic() + RETRY_AFTER
            return False
        self.not_before.pop(entry.pk, None)
        self._settle(entry, began)
        return done

    def _settle(self, entry: KeyEntry, began: datetime) -> None:
        """Once nothing could be under way any more when it began it is done; until then there is a second look."""
        same = KeyEntry.objects.filter(pk=entry.pk, entered_at=entry.entered_at)
        if began - entry.entered_at >= LOGIN_TIME:
            same.delete()
        else:
            same.update(cut_at=began)


def _out_of_reach(entries):
    """In tenants that were deleted, and on servers that somebody else runs."""
    deleted = Q(tenant__desired_state=Tenant.DesiredState.DELETED)
    return entries.filter(deleted | Q(tenant__enrollment__isnull=False))
