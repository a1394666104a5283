"""What runs printed and left behind, in the storage that all machines share: `runs/<id>/output.log` and `written.tar.gz`.

While a run goes on, its last lines are there; when it has ended, all it printed, or the last 50 MB of it. A page reads the
end of whatever is there, so it needs no other machine's disk.
"""

import math
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple
from uuid import UUID

from django.core.cache import caches

from tenants.hosting.base import TenantBusy
from tenants.hosting.bounded import CallPlaces
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import StorageFailed

from . import runner
from .runner import TAIL_BYTES, kept_file, output_file

FOLDER = "runs"
WHOLE = 50 * 1024**2  # bytes of an output that are kept
LARGEST_KEPT = 100 * 1024**2  # bytes; boxed/pack.py packs less
CUT = b"(The beginning was left out: only the end of a long output is stored.)\n"
READING, FETCHING = 5.0, 20.0  # seconds
HELD = 1.5  # seconds; pages ask every second
PLACES = CallPlaces(each=8, together=8, patience=0.25, credit=math.inf)
BUSY = "the object storage is busy."


class Printed(NamedTuple):
    """The last lines, oldest first; `trouble`: why they can't be read now, "" when they can."""

    lines: list[str]
    trouble: str = ""


class State(NamedTuple):
    """What a file was like when it was sent."""

    size: int
    changed: int
    whole: bool


def name_of(run_id: UUID, file: Path) -> str:
    return f"{FOLDER}/{run_id}/{file.name}"


def printed(run_id: UUID, lines: int) -> Printed:
    """From here where the run is, from the storage where it is not. Reads at most 64 KB, for seconds at most."""
    if output_file(run_id).exists() or not shared_files.is_set():
        return Printed(runner.chosen().output(run_id, lines))
    key = f"printed-{run_id}-{lines}"
    if (found := caches["local"].get(key)) is None:
        found = _stored(run_id, lines)
        caches["local"].set(key, found, HELD)
    return found


def _stored(run_id: UUID, lines: int) -> Printed:
    try:
        with _place():
            end = shared_files.end_of(name_of(run_id, output_file(run_id)), TAIL_BYTES, READING)
    except FileNotFoundError:
        return Printed([])
    except StorageFailed as error:
        return Printed([], f"The output can't be read now: {error.reason}")
    return Printed(end.decode(errors="replace").splitlines()[-lines:])


def opened_kept(run_id: UUID) -> BinaryIO | None:
    """What a failed run wrote in its working directory, from here or from the storage. Raises StorageFailed."""
    try:
        return open(os.open(kept_file(run_id), os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError:
        return _fetched(name_of(run_id, kept_file(run_id))) if shared_files.is_set() else None


def _fetched(name: str) -> BinaryIO | None:
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        try:
            with _place():
                shared_files.fetch(name, file, LARGEST_KEPT, FETCHING)
        except FileNotFoundError:
            return None
        file.seek(0)
        stack.pop_all()
        return file


@contextmanager
def _place() -> Iterator[None]:
    """A storage that hangs holds few threads of the web. Raises StorageFailed when they are all taken."""
    try:
        with PLACES.one(FOLDER):
            yield
    except TenantBusy as error:
        raise StorageFailed(BUSY) from error


# -- on the machine of the run


def send_output(run_id: UUID, whole: bool, last: State | None) -> State | None:
    """Send it if it is not as it was when it was sent last; returns what it was like now. Raises StorageFailed, and
    OSError when this machine can't copy it."""
    return _send(run_id, output_file(run_id), whole, last, WHOLE if whole else TAIL_BYTES)


def send_kept(run_id: UUID, last: State | None) -> State | None:
    """The same for what a failed run left behind."""
    return _send(run_id, kept_file(run_id), True, last, LARGEST_KEPT)


def _send(run_id: UUID, path: Path, whole: bool, last: State | None, most: int) -> State | None:
    """Raises OSError when this machine can't copy it."""
    try:
        found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return last  # there is none yet
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        return last
    with open(found, "rb") as file:
        info = os.fstat(found)
        now = State(info.st_size, info.st_mtime_ns, whole)
        if now != last:
            _send_end(name_of(run_id, path), file, info.st_size, most, whole)
        return now


def _send_end(name: str, file: BinaryIO, size: int, most: int, whole: bool) -> None:
    """A copy of the end: what is sent must not grow meanwhile."""
    with tempfile.TemporaryFile() as end:
        if size > most:
            file.seek(-most, os.SEEK_END)
            end.write(CUT if whole else b"")
        shutil.copyfileobj(_Bounded(file, most), end)
        end.seek(0)
        shared_files.put(name, end)


class _Bounded:
    """No more than so many bytes of a file."""

    def __init__(self, file: BinaryIO, left: int):
        self.file, self.left = file, left

    def read(self, size: int) -> bytes:
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data


# -- what no one needs


def stored_runs() -> dict[UUID, set[str]]:
    """Re-runs of which something is stored, each with the names of it. Raises StorageFailed."""
    found: dict[UUID, set[str]] = {}
    for path in shared_files.listed(FOLDER):
        run_id, _, name = path.partition("/")
        try:
            found.setdefault(UUID(run_id), set()).add(name)
        except ValueError:
            continue  # someone else's
    return found


def remove_stored(run_id: UUID, name: str) -> None:
    """Raises StorageFailed."""
    shared_files.remove(f"{FOLDER}/{run_id}/{name}")
