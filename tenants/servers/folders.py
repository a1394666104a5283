"""Removes folders in which strangers may have put anything.

Python's own way gives up on a tree deeper than its stack or than the longest path, and on folders closed to their own
owner. Here each folder is opened by its name in the folder above: no depth is too deep, no link that somebody puts on
the way leads elsewhere, and never more than three descriptors are open.
"""

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DESCRIPTORS = "/proc/self/fd"
SECONDS = 60.0  # for one removal; what takes longer goes on at the next

Key = tuple[int, int]  # what tells a file or folder from all others, whatever its name


def remove(place: Path, seconds: float = SECONDS) -> bool:
    """Remove a folder with all that is in it, or a file, or a link but not where it leads.

    True when nothing is there any more. False when something could not be removed in `seconds`, or at all; as much as
    could be is gone then, and another try goes on with the rest.
    """
    with suppress(OSError):
        above = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            _Removal(seconds).of(place.name, above)
        finally:
            os.close(above)
    return _is_gone(place)


def _is_gone(place: Path) -> bool:
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


@dataclass
class _Level:
    """A folder on the way down: its name in the one above, what tells it from others, the folders left in it."""

    name: str
    key: Key
    left: list[str]


class _Removal:
    """Goes down and up again with one descriptor. Raises OSError when it cannot go on, TimeoutError among them."""

    def __init__(self, seconds: float):
        self.deadline = time.monotonic() + seconds

    def of(self, name: str, above: int) -> None:
        try:
            folder = _open(name, above)
        except NotADirectoryError:
            os.unlink(name, dir_fd=above)
            return
        self._empty(folder)
        os.rmdir(name, dir_fd=above)

    def _empty(self, here: int) -> None:
        """Remove all that is in a folder; closes its descriptor."""
        try:
            way = [self._level("", here)]
            while way[-1].left or len(way) > 1:
                level = way[-1]
                following = self._down(here, level.left.pop(), way) if level.left else self._up(here, way)
                os.close(here)
                here = following
        finally:
            os.close(here)

    def _down(self, here: int, name: str, way: list[_Level]) -> int:
        """Descriptor of a folder in this one, without its files; of this one when that cannot be opened."""
        try:
            inner = _open(name, here)
        except OSError:
            return os.dup(here)
        try:
            way.append(self._level(name, inner))
        except OSError:
            os.close(inner)
            raise
        return inner

    def _up(self, here: int, way: list[_Level]) -> int:
        """Descriptor of the folder above, without this one, which is empty unless something could not be removed."""
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        name = way.pop().name
        if key_of(os.fstat(above)) != way[-1].key:  # somebody has moved what we are in
            os.close(above)
            raise FileNotFoundError
        with suppress(OSError):
            os.rmdir(name, dir_fd=above)
        return above

    def _level(self, name: str, folder: int) -> _Level:
        """Removes the files and links of a folder; listing may leave some out while they go, so it is done again."""
        folders, removed = self._look(folder)
        while removed:
            folders, removed = self._look(folder)
        return _Level(name, key_of(os.fstat(folder)), folders)

    def _look(self, folder: int) -> tuple[list[str], int]:
        """Names of the folders in a folder, and how many files and links of it were removed."""
        folders, removed = [], 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > self.deadline:
                    raise TimeoutError
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                    continue
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
                    removed += 1
        return folders, removed


def _open(name: str, above: int) -> int:
    """Descriptor of a folder itself, in which we may remove what is there."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=above)
    try:
        return open_up(handle, stat.S_IRWXU)
    finally:
        os.close(handle)


def open_up(handle: int, rights: int) -> int:
    """Descriptor to list a folder by, of which we have one that cannot.

    Its owner, which we are, gets back those of the rights that they had taken from themselves. Raises OSError.
    """
    if os.fstat(handle).st_mode & rights != rights:
        with suppress(OSError):
            os.chmod(f"{DESCRIPTORS}/{handle}", stat.S_IRWXU)
    return os.open(f"{DESCRIPTORS}/{handle}", os.O_RDONLY | os.O_DIRECTORY)


def key_of(info: os.stat_result) -> Key:
    return info.st_dev, info.st_ino
