"""Files that all machines of an installation share: the second home of some, where an object storage is set.

What comes from there is hostile until proved otherwise: every read has a limit in bytes and in seconds, and one that did
not answer is left alone for a moment, so that pages say so at once instead of waiting one after the other.
"""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, Protocol

from django.conf import settings
from django.core.files.storage import storages
from django.utils.crypto import salted_hmac

ALIAS = "shared"  # in Django's STORAGES
REST = 5.0  # seconds
CHUNK = 64 * 1024
OWNER = "installation"  # the object that says whose files these are
SECONDS = 5.0
TAKEN = (
    "another installation stores its files there, or the key of this one was changed. Give each a prefix of its own in "
    f"ZENPRO_STORAGE; if there is only this one, remove the object “{OWNER}”."
)
SILENT = "the object storage does not answer."


class StorageFailed(Exception):
    """The storage could not do it; `reason` completes a sentence. `is_silent`: it did not answer at all."""

    def __init__(self, reason: str, is_silent: bool = False):
        super().__init__(reason)
        self.reason, self.is_silent = reason, is_silent


class SharedFiles(Protocol):
    """What the storage can do. Names have slashes. All raise StorageFailed."""

    def put(self, name: str, file: BinaryIO) -> None:
        """Store what is left to be read of a file, in place of what has that name."""

    def end_of(self, name: str, most: int, seconds: float) -> bytes:
        """The last `most` bytes at most. Raises FileNotFoundError."""

    def fetch(self, name: str, target: BinaryIO, most: int, seconds: float) -> None:
        """Write all of it to a file. Raises FileNotFoundError, and StorageFailed for more than `most` bytes."""

    def remove(self, name: str) -> None:
        """Also what is not there."""

    def listed(self, folder: str) -> dict[str, datetime]:
        """Names below a folder, relative to it, and when each was stored."""


class _Quiet:
    """Until when the storage is left alone, by the clock of this process."""

    until = 0.0


def is_set() -> bool:
    return ALIAS in settings.STORAGES


def put(name: str, file: BinaryIO) -> None:
    """Raises StorageFailed; so do all of these."""
    with _asked() as shared:
        shared.put(name, file)


def end_of(name: str, most: int, seconds: float) -> bytes:
    """Raises FileNotFoundError as well."""
    with _asked() as shared:
        return shared.end_of(name, most, seconds)


def fetch(name: str, target: BinaryIO, most: int, seconds: float) -> None:
    """Raises FileNotFoundError as well."""
    with _asked() as shared:
        shared.fetch(name, target, most, seconds)


def remove(name: str) -> None:
    """Also what is not there."""
    with _asked() as shared:
        shared.remove(name)


def listed(folder: str) -> dict[str, datetime]:
    """Names below a folder -> when each was stored."""
    with _asked() as shared:
        return shared.listed(folder)


def claim() -> None:
    """Before anything is stored or removed: raises StorageFailed where another installation stores its files.

    Each removes what its own database does not know, so two must never share a place. The first one leaves a mark.
    """
    mine = salted_hmac("zenpro.common.shared_files", "installation").hexdigest()[:32].encode()
    try:
        found = end_of(OWNER, len(mine) + 1, SECONDS)
    except FileNotFoundError:
        put(OWNER, io.BytesIO(mine))
        return
    if found != mine:
        raise StorageFailed(TAKEN)


def forget_silence() -> None:
    """Ask again at once: for someone who has just changed something."""
    _Quiet.until = 0.0


@contextmanager
def _asked() -> Iterator[SharedFiles]:
    if time.monotonic() < _Quiet.until:
        raise StorageFailed(SILENT, is_silent=True)
    try:
        yield storages[ALIAS]
    except StorageFailed as error:
        if error.is_silent:
            _Quiet.until = time.monotonic() + REST
        raise
