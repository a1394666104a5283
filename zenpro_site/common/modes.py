"""Modes of what lies in the data folder: for the account of ZenPro alone.

Folders of tenants and of runs may hold anything their code put there: links are never followed, and each name is
changed through the folder it was seen in.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UMASK = 0o077
OTHERS = 0o077
# Folders that are looked into, one level. What is deeper no one reaches once these are closed.
INSIDE = ("logs", "run", "runs", "supervisor", "supervisor/conf.d", "tenants")
OF_TENANT = ("zenml.db", "zenml.db-wal", "zenml.db-shm", "config", "stores")

Found = tuple[Path, int, str]  # where, descriptor of the folder, name in it


def restrict() -> None:
    """From now on this process, and what it starts, makes files that only this account can read."""
    os.umask(UMASK)


def mend(data: Path) -> list[Path]:
    """Close what others could reach. Returns what was changed; what is not ours to change stays as it is."""
    return [path for path, folder, name in _loose(data) if _close(folder, name)]


def open_to_others(data: Path) -> list[Path]:
    """What `mend` would change, or could not."""
    return [path for path, _, _ in _loose(data)]


def _loose(data: Path) -> Iterator[Found]:
    with _opened(str(data)) as top:
        if top is None:
            return
        if _is_loose(os.fstat(top)):
            yield data, top, "."
        yield from _in(top, data)
        for name in INSIDE:
            with _opened(name, top) as folder:
                if folder is not None:
                    yield from _in(folder, data / name)
        yield from _of_tenants(top, data / "tenants")


def _in(folder: int, place: Path) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_loose(entry.stat(follow_symlinks=False)):
                yield place / entry.name, folder, entry.name


def _of_tenants(top: int, place: Path) -> Iterator[Found]:
    """By name: a tenant's program may have made any number of files there."""
    with _opened("tenants", top) as tenants:
        for name in os.listdir(tenants) if tenants is not None else ():
            with _opened(name, tenants) as folder:
                yield from (
                    (place / name / inner, folder, inner)
                    for inner in (OF_TENANT if folder is not None else ())
                    if (info := _stat(folder, inner)) and _is_loose(info) and not _has_other_names(info)
                )


def _is_loose(info: os.stat_result) -> bool:
    is_ours_to_see = stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)
    return is_ours_to_see and bool(info.st_mode & OTHERS)


def _has_other_names(info: os.stat_result) -> bool:
    return stat.S_ISREG(info.st_mode) and info.st_nlink > 1


def _stat(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


@contextmanager
def _opened(name: str, folder: int | None = None) -> Iterator[int | None]:
    """Descriptor of a folder that is no link; None when there is none that we may read."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except OSError:
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def _close(folder: int, name: str) -> bool:
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    try:
        info = os.fstat(handle)
        if _is_loose(info):
            os.fchmod(handle, stat.S_IMODE(info.st_mode) & ~OTHERS)
        return _is_loose(info)
    except OSError:
        return False
    finally:
        os.close(handle)
