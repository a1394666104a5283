"""Goes through folders in which strangers may have put anything, to remove or to measure them.

Python's own ways give up on a tree deeper than their stack or than the longest path, and on folders closed to their own
owner. Here each folder is opened by its name in the folder above: no depth is too deep, no link that someone puts on
the way leads elsewhere, and never more than four descriptors are open.
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


class Walk:
    """Depth first through a folder. What is done there is in `look`, `leave` and `closed`, which others fill in."""

    rights = stat.S_IRUSR | stat.S_IXUSR  # what we must be allowed in a folder to do it

    def __init__(self, seconds: float):
        self.deadline = time.monotonic() + seconds

    def look(self, folder: int) -> list[str]:
        """Names of the folders in a folder, by its descriptor. Everything else that is to be done there is done."""
        raise NotImplementedError

    def leave(self, name: str, above: int) -> None:
        """All that is in a folder has been gone through; `above`: descriptor of the one that holds it."""

    def closed(self, error: OSError) -> None:
        """A folder could not be opened or listed, and is left out."""

    def hurry(self) -> None:
        """Raises TimeoutError when the time is over."""
        if time.monotonic() > self.deadline:
            raise TimeoutError

    def through(self, here: int) -> None:
        """Go through all that is in a folder, by its descriptor, which is closed. Raises OSError, TimeoutError too."""
        top = os.dup(here)
        try:
            way = [self._level("", here)]
            while way[-1].left or len(way) > 1:
                level = way[-1]
                following = (
                    self._down(here, level.left.pop(), way) if level.left else self._up(here, way, top)
                )
                os.close(here)
                here = following
        finally:
            os.close(here)
            os.close(top)

    def _level(self, name: str, folder: int) -> _Level:
        return _Level(name, key_of(os.fstat(folder)), self.look(folder))

    def _down(self, here: int, name: str, way: list[_Level]) -> int:
        """Descriptor of a folder in this one; of this one when that cannot be opened or listed."""
        self.hurry()
        try:
            inner = enter(name, here, self.rights)
        except OSError as error:
            self.closed(error)
            return os.dup(here)
        try:
            way.append(self._level(name, inner))
        except OSError as error:
            os.close(inner)
            if isinstance(error, TimeoutError):
                raise
            self.closed(error)  # someone has closed it again: what is beside it is gone through all the same
            return os.dup(here)
        return inner

    def _up(self, here: int, way: list[_Level], top: int) -> int:
        """Descriptor of the folder above, or of what is left of the way there if someone has moved or closed it."""
        name = way.pop().name
        with suppress(OSError):  # someone has closed the one above
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
            if key_of(os.fstat(above)) == way[-1].key:
                self.leave(name, above)
                return above
            os.close(above)
        return self._again(way, top)

    def _again(self, way: list[_Level], top: int) -> int:
        """Descriptor of the last folder on the way that is still where it was; the way ends there."""
        here = os.dup(top)
        try:
            for depth, level in enumerate(way[1:], 1):
                inner = self._same(level, here)
                if inner is None:
                    del way[depth:]
                    break
                os.close(here)
                here = inner
        except TimeoutError:
            os.close(here)
            raise
        return here

    def _same(self, level: _Level, here: int) -> int | None:
        """Descriptor of the folder we came through, if it is still in this one."""
        self.hurry()
        try:
            inner = enter(level.name, here, self.rights)
        except OSError as error:
            self.closed(error)
            return None
        if key_of(os.fstat(inner)) == level.key:
            return inner
        os.close(inner)
        return None


class _Removal(Walk):
    """Removes what it goes through. What cannot be removed stays, and keeps nothing else."""

    rights = stat.S_IRWXU

    def of(self, name: str, above: int) -> None:
        """Remove a folder, a file or a link by its name. Raises OSError, TimeoutError too."""
        try:
            folder = enter(name, above, self.rights)
        except NotADirectoryError:
            os.unlink(name, dir_fd=above)
            return
        self.through(folder)
        os.rmdir(name, dir_fd=above)

    def leave(self, name: str, above: int) -> None:
        with suppress(OSError):
            os.rmdir(name, dir_fd=above)

    def look(self, folder: int) -> list[str]:
        """Removes files and links; listing may leave some out while they go, so it is done again."""
        folders, removed = self._look(folder)
        while removed:
            folders, removed = self._look(folder)
        return folders

    def _look(self, folder: int) -> tuple[list[str], int]:
        """Names of the folders in a folder, and how many files and links of it were removed."""
        folders, removed = [], 0
        with os.scandir(folder) as entries:
            for entry in entries:
                self.hurry()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                    continue
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)
                    removed += 1
        return folders, removed


def enter(name: str, above: int | None, rights: int) -> int:
    """Descriptor of a folder itself, with these rights in it; `above`: of the one that holds it. Raises OSError."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=above)
    try:
        return open_up(handle, rights)
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
