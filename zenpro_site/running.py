"""What the last `zenpro up` found and said, for commands that run beside it: their environment may be another."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.local.box import Isolation, IsolationKind
from tenants.hosting.local.supervisor import Supervisor, disk_errors, write_private
from zenpro_site.env import as_site

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, ImproperlyConfigured)


@dataclass(frozen=True, slots=True)
class Start:
    """`isolation`: how that ZenPro isolates tenants. `url`: where people reach it, scheme, host and perhaps a port."""

    isolation: Isolation
    url: str


def note_file() -> Path:
    return settings.ZENPRO_DATA / "run" / "up.json"


def write_note(start: Start) -> None:
    """In place of the one of an earlier start. Readable by this account alone. Raises StartFailed, NoSpace."""
    with disk_errors():
        write_private(note_file(), json.dumps(asdict(start)))


def last_start() -> Start | None:
    """None before the first start, and when the note cannot be read. Never raises."""
    try:
        row = json.loads(note_file().read_text())
        return Start(_isolation(row["isolation"]), as_site("url", row["url"]).geturl())
    except UNREADABLE:
        return None


def _isolation(row: dict) -> Isolation:
    return Isolation(
        IsolationKind(row["kind"]), *(str(row[name]) for name in ("sentence", "leaves_open", "remedy"))
    )


def is_running() -> bool:
    """Does a supervisor of this data folder answer? At most some seconds; makes nothing, never raises."""
    supervisor = Supervisor(settings.ZENPRO_DATA)
    with contextlib.suppress(OSError):  # someone else's folder
        return supervisor.socket.exists() and supervisor.running()  # a first call would make what it needs
    return False


def isolation() -> Isolation | None:
    """Of the ZenPro that runs on this data folder; None when none does, or it does not say."""
    start = last_start()
    return start.isolation if start and is_running() else None


def address() -> str:
    """Where people reach ZenPro, for commands: ZENPRO_URL, else where the last start said that it serves.

    Programs that `zenpro up` starts need not ask: it gives them ZENPRO_URL.
    """
    start = None if settings.ZENPRO_URL_IS_SET else last_start()
    return start.url if start else settings.ZENPRO_URL
