"""Keys that were revoked, or ended, and computers that were signed out: what came in with them ends inside the tenants
we host."""

import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from tenants.control_plane.models import DeviceEntry, KeyEntry
from tenants.hosting import folder_of
from tenants.models import Tenant
from tenants.servers.accounts import switch_off
from tenants.servers.base import ServerError, database_in

log = structlog.get_logger("zenpro.agent")

LOGIN_TIME = timedelta(seconds=60)  # a server that we told yes may write until then that an account is active
RETRY_AFTER = 30.0  # seconds after an account could not be signed out

Entry = KeyEntry | DeviceEntry


class KeyCuts:
    """Signs accounts out where they came in with a key that ended, or with a computer that was signed out: their
    sessions and API tokens there end.

    A server does not know which key or computer a token came from, so all that the account has in that tenant ends.
    Clients with another key, and other computers, come in again by themselves.
    """

    def __init__(self):
        self.not_before: dict[Entry, float] = {}

    def __call__(self) -> int:
        """Returns how many accounts were signed out."""
        return self._end(KeyEntry.objects.ended()) + self._end(DeviceEntry.objects.ended())

    def _end(self, ended) -> int:
        """`ended`: a query set of entries."""
        _out_of_reach(ended).delete()
        now = timezone.now()
        first, once_more = (
            Q(cut_at=None),
            Q(cut_at__lt=F("entered_at") + LOGIN_TIME, entered_at__lte=now - LOGIN_TIME),
        )
        due = ended.filter(first | once_more)
        return sum(self._cut(entry) for entry in due if time.monotonic() >= self.not_before.get(entry, 0))

    def _cut(self, entry: Entry) -> bool:
        began = timezone.now()
        try:
            database = database_in(folder_of(entry.tenant))
            done = switch_off(database, entry.user_id, lambda: True, settings.ZENPRO_ISOLATION)
        except ServerError as error:
            log.warning("account stays signed in for now", entry=str(entry), reason=error.reason)
            self.not_before[entry] = time.monotonic() + RETRY_AFTER
            return False
        self.not_before.pop(entry, None)
        self._settle(entry, began)
        return done

    def _settle(self, entry: Entry, began: datetime) -> None:
        """Once nothing could be under way any more when it began it is done; until then there is a second look."""
        same = type(entry).objects.filter(pk=entry.pk, entered_at=entry.entered_at)
        if began - entry.entered_at >= LOGIN_TIME:
            same.delete()
        else:
            same.update(cut_at=began)


def _out_of_reach(entries):
    """In tenants that were deleted, and on servers that somebody else runs."""
    deleted = Q(tenant__desired_state=Tenant.DesiredState.DELETED)
    return entries.filter(deleted | Q(tenant__enrollment__isnull=False))
