"""Keys that were revoked or expired, and computers that were signed out: what they opened ends inside the tenants
we host."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from tenants.credentials.models import DeviceEntry, KeyEntry
from tenants.hosting.backends import backend_for
from tenants.models import Tenant

from .tries import Tries

LOGIN_TIME = timedelta(
    seconds=60
)  # a server that was told yes can still write until then that an account is active

Entry = KeyEntry | DeviceEntry


class KeyCuts:
    """Signs accounts out where they came in with a key that ended, or with a computer that was signed out: their
    sessions and API tokens there end.

    A server does not know which key or computer a token came from, so all that the account has in that tenant ends.
    Clients with another key, and other computers, come in again by themselves.
    """

    def __init__(self):
        self.tries = Tries(self._cut)

    def __call__(self) -> int:
        """Returns how many accounts were signed out."""
        return self.tries.first(_due)

    def again(self) -> int:
        """The same in tenants where it has failed."""
        return self.tries.again(_due)

    def _cut(self, entry: Entry) -> bool:
        began = timezone.now()
        done = backend_for(entry.tenant).shut_out(entry.tenant, entry.user_id, lambda: True)
        self._settle(entry, began)
        return done

    def _settle(self, entry: Entry, began: datetime) -> None:
        """Once nothing could be under way any more when it began it is done; until then there is a second look."""
        same = type(entry).objects.filter(pk=entry.pk, entered_at=entry.entered_at)
        same = same.filter(
            tenant__in=Tenant.objects.with_open_database()
        )  # else perhaps where it stays behind
        if began - entry.entered_at >= LOGIN_TIME:
            same.delete()
        else:
            same.update(cut_at=began)


def _due() -> Iterator[Entry]:
    for ended in (KeyEntry.objects.ended(), DeviceEntry.objects.ended()):
        _out_of_reach(ended).delete()
        now = timezone.now()
        once_more = Q(cut_at__lt=F("entered_at") + LOGIN_TIME, entered_at__lte=now - LOGIN_TIME)
        on_the_way = Q(tenant__in=Tenant.objects.moving())  # to a database that may not be the present one
        yield from ended.filter(Q(cut_at=None) | once_more).exclude(on_the_way)


def _out_of_reach(entries):
    """In tenants that were deleted, and in databases that are not on this machine and are not coming to it."""
    deleted = Q(tenant__desired_state=Tenant.DesiredState.DELETED)
    unreached = ~Q(tenant__in=Tenant.objects.with_open_database()) & ~Q(tenant__in=Tenant.objects.moving())
    return entries.filter(deleted | unreached)
