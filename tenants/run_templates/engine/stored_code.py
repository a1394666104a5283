"""Frozen code in the storage that all machines share: `code/<hash>.tar.gz`, and back from there into a folder here.

The name says what must be in it. What comes back is unpacked in a box and counts only if it has that hash.
"""

import fcntl
import gzip
import math
import os
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.utils import timezone

from tenants.hosting.base import TenantBusy
from tenants.hosting.bounded import CallPlaces
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import StorageFailed

from .archives import SECONDS
from .boxed.written import DEEPEST, LONGEST_PATH, shown
from .boxed_programs import BUSY, CodeUnreadable, answer_of
from .code import MAX_BYTES, MAX_FILES, CodeError, code_folder, freeze_as, scratch
from .code_archives import add

HEADER = 1024  # bytes of an archive for each file beside its content, as boxed/unpack.py counts them
MOST = MAX_BYTES + HEADER * MAX_FILES  # bytes of an archive, before it is compressed
FETCHING = 20.0  # seconds
WAITING = FETCHING + SECONDS  # for another process that fetches the same
LOOK_EVERY = 0.05
PLACES = CallPlaces(each=4, together=8, patience=0.25, credit=math.inf)  # threads of the web, at most
READERS = CallPlaces(each=1, together=2, patience=WAITING, credit=math.inf)
GONE = "The copy of this code is no longer there. Add it again."
OTHER = "The code in the object storage is not what it was when it was added. Add it again."
ODD = "{} can't be stored: names with a backslash, a drive or control characters are not portable. Rename it."
LONG = "{} can't be stored: its path is too long. Give it a shorter one."
FOLDER = "code"


class CodeOutOfReach(CodeError):
    """The storage can't be read now; a later try may succeed."""


def name_of(code_hash: str) -> str:
    return f"{FOLDER}/{code_hash}.tar.gz"


def store(code_hash: str) -> None:
    """Send frozen code to the storage, if there is one; also what is there, so that it counts as new. Raises CodeError."""
    if not shared_files.is_set():
        return
    try:
        with PLACES.one(code_hash), tempfile.TemporaryFile(dir=code_folder(code_hash).parent) as file:
            shared_files.claim()
            _pack(code_folder(code_hash), file)
            file.seek(0)
            shared_files.put(name_of(code_hash), file)
    except TenantBusy as error:
        raise CodeError(BUSY) from error
    except StorageFailed as error:
        raise CodeError(f"The code can't be stored now: {error.reason}") from error
    except OSError as error:
        raise CodeError(f"The code can't be packed: {error.strerror or error}.") from error


def _pack(folder: Path, file: BinaryIO) -> None:
    """Always the same bytes for the same code: in order, without owners and times. Raises CodeError."""
    with (
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or path.is_file():
                _add(archive, folder, path)
        if archive.offset > MOST:
            raise CodeError("The names in this code are too long to be stored.")


def _add(archive: tarfile.TarFile, folder: Path, path: Path) -> None:
    name = str(path.relative_to(folder))
    _check(name)
    add(archive, path, name)


def _check(name: str) -> None:
    """Would boxed/unpack.py take it? Raises CodeError."""
    if "\\" in name or name[1:3] == ":/" or any(sign < " " for sign in name):
        raise CodeError(ODD.format(shown(name)))
    if len(name) > LONGEST_PATH or len(name.split("/")) > DEEPEST:
        raise CodeError(LONG.format(shown(name)))


# -- and back


def present(code_hash: str) -> Path:
    """The folder with this code, fetched from the storage where this machine does not have it. Blocks for seconds.

    Raises CodeOutOfReach, and CodeError for code that is gone or is not what its name says. Without a storage the folder
    may not be there.
    """
    place = code_folder(code_hash)
    if place.is_dir() or not shared_files.is_set():
        return place
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with PLACES.one(code_hash), _alone(code_hash):
            if not place.is_dir():  # no one else has fetched it meanwhile
                _fetch(code_hash)
    except TenantBusy as error:
        raise CodeOutOfReach(BUSY) from error
    return place


@contextmanager
def _alone(code_hash: str) -> Iterator[None]:
    """One process and one thread at a time fetches the same code. Raises CodeOutOfReach when another takes too long."""
    lock = os.open(code_folder(f".fetching-{code_hash}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + WAITING
    try:
        while not _locked(lock):
            if time.monotonic() > until:
                raise CodeOutOfReach("This code is being fetched by someone else. Try again in a moment.")
            time.sleep(LOOK_EVERY)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fetch(code_hash: str) -> None:
    with scratch("fetched") as folder:
        archive, inside = folder / "archive", folder / "code"
        try:
            with open(archive, "xb") as file:
                shared_files.fetch(name_of(code_hash), file, MOST, FETCHING)
        except FileNotFoundError as error:
            raise CodeError(GONE) from error
        except StorageFailed as error:
            raise CodeOutOfReach(f"The code can't be fetched now: {error.reason}") from error
        inside.mkdir(mode=0o700)
        _unpack(archive, inside, folder, code_hash)


def _unpack(archive: Path, inside: Path, folder: Path, code_hash: str) -> None:
    """Raises CodeError unless what is in it has that hash, and CodeOutOfReach when that can't be found out now."""
    words = [archive, inside]
    try:
        answer_of(
            "unpack.py", words, folder, read=[archive], seconds=SECONDS, place=code_hash, places=READERS
        )
        same = freeze_as(inside, code_hash)
    except CodeError as error:
        if isinstance(error, CodeUnreadable) or error.__cause__ is None:
            raise CodeError(f"{OTHER} ({error.reason})") from error
        raise CodeOutOfReach(f"The code can't be fetched now. {error.reason}") from error
    if not same:
        raise CodeError(OTHER)


# -- what is missing, and what no one needs


def _stored() -> dict[str, datetime]:
    return {f"{FOLDER}/{name}": stored for name, stored in shared_files.listed(FOLDER).items()}


def missing(used: Collection[str]) -> list[str]:
    """Hashes of code that is here and not in the storage, as it is when one is set for the first time. Raises StorageFailed."""
    found = _stored()
    return [one for one in used if name_of(one) not in found and code_folder(one).is_dir()]


def sweep(used: Collection[str], kept: timedelta) -> int:
    """Remove stored code that nothing refers to and that is older than `kept`. Returns of how much. Raises StorageFailed."""
    names, before = {name_of(one) for one in used}, timezone.now() - kept
    found = _stored()
    unused = [name for name, stored in found.items() if name not in names and stored <= before]
    for name in unused:
        shared_files.remove(name)
    return len(unused)
