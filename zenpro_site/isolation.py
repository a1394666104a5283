"""How tenants are isolated here, for pages and checks."""

from django.conf import settings

from tenants.hosting.base import StartFailed
from tenants.hosting.local import box
from tenants.hosting.local.box import Isolation, IsolationKind


def isolation() -> Isolation:
    """What holds, or what there is where nothing does. Walls are tried once a process, then remembered."""
    try:
        return box.chosen(settings.ZENPRO_ISOLATION)
    except StartFailed as error:  # `zenpro up` refuses to start so
        return Isolation(IsolationKind.NONE, error.reason) if settings.ZENPRO_ISOLATION else box.probe()


def notice_for(user) -> Isolation | None:
    """What superusers should know: isolation that is missing or weaker than the best. No one else is told."""
    if not (user.is_active and user.is_superuser):
        return None
    found = isolation()
    return None if found.kind is IsolationKind.BUBBLEWRAP else found
