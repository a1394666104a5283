"""The code of a template: an immutable copy of a directory, named by what is in it."""

import errno
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from django.conf import settings

from tenants.hosting.local import folders
from tenants.hosting.local.folders import DESCRIPTORS

MAX_BYTES = 50 * 1024**2
MAX_FILES = 20_000
MAX_NAMES = 2 * MAX_FILES  # of files and folders
MAX_DEPTH = 100  # folders inside folders
MAX_HOPS = 40  # links that lead to links, as the system itself allows
MAX_STEPS = 1_000_000  # names on the ways of all links of a directory
IGNORED = {".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".zen", ".mypy_cache"}
IGNORED |= {".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".tox", ".DS_Store"}
IGNORED_ENDINGS = (".pyc", ".pyo")
CHUNK = 1024**2
OUTSIDE = "Code can only come from directories that the operator of ZenPro has allowed."
STALE = 3600.0  # seconds after which a copy that was never finished is thrown away


class CodeError(Exception):
    """A directory that cannot be a template's code; `reason` is a sentence for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def code_folder(code_hash: str) -> Path:
    """Where the copy with this hash is."""
    return settings.ZENPRO_DATA / "code" / code_hash


def freeze(location: str) -> str:
    """Copy a directory to its immutable place and return its hash; the same content is kept once.

    Safe to kill and to repeat: the copy gets its name when it is complete. Raises CodeError.
    """
    with _opened(location) as source:
        return _frozen(source)


def freeze_folder(folder: Path) -> str:
    """freeze() for a folder that we made ourselves, wherever it is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return _frozen(descriptor)
    finally:
        os.close(descriptor)


def freeze_as(folder: Path, code_hash: str) -> bool:
    """freeze_folder() if the content has this hash, which is returned; else nothing is kept. Raises CodeError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return _frozen(descriptor, code_hash) == code_hash
    finally:
        os.close(descriptor)


def _frozen(source: int, wanted: str = "") -> str:
    """With `wanted` only that content gets a name."""
    with scratch("copy") as copy:
        try:
            code_hash = _Copy(_real(source), copy).of(source)
            if code_hash == (wanted or code_hash):
                _publish(copy, copy.parent / code_hash)
        except OSError as error:
            raise CodeError(f"The directory cannot be copied: {error.strerror or error}.") from error
    return code_hash


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """An empty folder beside the copies, thrown away afterwards. What a killed process left goes first."""
    home = settings.ZENPRO_DATA / "code"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_stale(home)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home))
    try:
        yield folder
    finally:
        folders.remove(folder)


def _publish(copy: Path, place: Path) -> None:
    """Give a complete copy its name, unless the same content has it already, which is then as new."""
    _make_read_only(copy)
    try:
        if place.exists():
            os.utime(place)  # not to be swept before its new template is stored
        else:
            copy.rename(place)
    except OSError:
        if not place.exists():  # no one else published it in the meantime
            raise


@contextmanager
def _opened(location: str) -> Iterator[int]:
    """Descriptor of a directory that may be used, for paths to begin at. Raises CodeError.

    Someone may put a link on the way between the check of a path and its use: what was opened is checked again.
    """
    path = Path(location)
    if "\0" in location or not path.is_absolute():
        raise CodeError("Enter the full path of a directory on this machine, starting with “/”.")
    path = _allowed(path)
    try:
        folder = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        raise CodeError(f"There is no directory {location} on this machine.") from error
    try:
        _check_inside(_real(folder))
        _check_usable(folder, location)
        yield folder
    finally:
        os.close(folder)


def _real(descriptor: int) -> Path:
    """Where the system says that something opened is."""
    return Path(os.readlink(f"{DESCRIPTORS}/{descriptor}"))


def _check_usable(folder: int, location: str) -> None:
    if not stat.S_ISDIR(os.fstat(folder).st_mode):
        raise CodeError(f"{location} is not a directory.")
    if not os.access(f"{DESCRIPTORS}/{folder}", os.R_OK | os.X_OK):
        raise CodeError(f"ZenPro isn't allowed to read {location}.")


def _allowed(path: Path) -> Path:
    """The path with its links resolved. Raises CodeError."""
    try:
        path = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise CodeError(OUTSIDE) from error
    _check_inside(path)
    return path


def _check_inside(path: Path) -> None:
    """Is a path without links below what the operator has allowed? Raises CodeError."""
    try:
        inside = any(path.is_relative_to(root.resolve()) for root in _roots())
    except (OSError, RuntimeError, ValueError) as error:
        raise CodeError(OUTSIDE) from error
    if not inside:
        raise CodeError(OUTSIDE)
    data = settings.ZENPRO_DATA
    if path.is_relative_to(data) or data.is_relative_to(path):
        raise CodeError("ZenPro's own data folder cannot be the code of a template.")


def _roots() -> list[Path]:
    return [*map(Path, settings.ZENPRO_CODE_ROOTS), settings.ZENPRO_SHIPPED_CODE]


class _Copy:
    """A copy in the making, of a directory that someone may be changing.

    Each folder and file is opened by its name in the folder above, never by a path, so no link leads elsewhere. What
    counts for the limits, for the hash and for links is what was copied, not what was there before or is there after.
    """

    def __init__(self, source: Path, target: Path):
        """`source`: where the directory is, for links that begin with “/”; nothing is opened by it."""
        self.source, self.target = source, target
        self.lines: list[str] = []  # which make the hash
        self.files = self.bytes = self.steps = 0
        # Relative path -> where it leads, None for what is no link.
        self.seen: dict[str, str | None] = {".": None}

    def of(self, folder: int) -> str:
        """Copy what is not ignored; returns the hash of sorted paths, kinds and contents."""
        self._folder(".", folder)
        self._links()
        if not self.lines:
            raise CodeError("The directory is empty.")
        return hashlib.sha256("".join(sorted(self.lines)).encode(errors="surrogateescape")).hexdigest()

    def _folder(self, name: str, above: int, prefix: str = "", depth: int = 0) -> None:
        """What is in a folder. `prefix`: its relative path with a “/”. Holds one descriptor for each depth."""
        if depth > MAX_DEPTH:
            raise CodeError(f"The directory is nested more than {MAX_DEPTH} folders deep.")
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
        try:
            for entry in _entries(folder):
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    self._see(path)
                    self._folder(entry.name, folder, f"{path}/", depth + 1)
                else:
                    self._take(entry, folder, path)
        finally:
            os.close(folder)

    def _see(self, path: str, leads_to: str | None = None) -> None:
        if path in self.seen:  # a listing can hold a name twice while names change
            raise FileExistsError(errno.EEXIST, f"{path} is changing right now")
        self.seen[path] = leads_to
        self._count()

    def _take(self, entry: os.DirEntry, folder: int, path: str) -> None:
        """A file or a link; nothing of what is neither."""
        if entry.is_symlink():
            self._count(files=1)
            self._see(path, os.readlink(entry.name, dir_fd=folder))
        elif entry.is_file(follow_symlinks=False):
            self._count(files=1)
            self._see(path)
            self._add(path, self._file(entry.name, folder, self._place(path)))

    def _count(self, files: int = 0, size: int = 0) -> None:
        self.files, self.bytes = self.files + files, self.bytes + size
        if self.bytes > MAX_BYTES or self.files > MAX_FILES or len(self.seen) > MAX_NAMES:
            raise CodeError(
                f"The directory contains more than {MAX_BYTES // 1024**2} MB or {MAX_FILES:,} files. "
                "Choose the folder of the code itself; data belongs elsewhere."
            )

    def _add(self, path: str, what: str) -> None:
        self.lines.append(f"{path}\0{what}\n")

    def _place(self, path: str) -> Path:
        """Where a file or a link goes. Until all files are there, no link is in the copy."""
        place = self.target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _file(self, name: str, folder: int, target: Path) -> str:
        """Copy one file; returns what it adds to the hash."""
        digest = hashlib.sha256()
        opener = partial(_open_itself, folder=folder)
        with open(name, "rb", opener=opener) as reader, open(target, "xb") as writer:
            while chunk := reader.read(CHUNK):
                self._count(size=len(chunk))
                digest.update(chunk)
                writer.write(chunk)
            executable = bool(os.fstat(reader.fileno()).st_mode & stat.S_IXUSR)
        target.chmod(0o555 if executable else 0o444)
        return f"{'x' if executable else '-'} {digest.hexdigest()}"

    def _links(self) -> None:
        """A link inside the directory stays a link; one that leads out of it would not be a copy."""
        for path, text in self.seen.items():
            if text is not None:
                aim = self._aim(path, text)
                if not aim.is_relative_to(self.source):
                    raise CodeError(
                        f"{path} links to {text}, outside the directory. Replace the link with the file."
                    )
                relative = os.path.relpath(aim, (self.source / path).parent)
                self._place(path).symlink_to(relative)
                self._add(path, f"link {relative}")

    def _aim(self, path: str, text: str) -> Path:
        """Where a link leads at last, by names alone: by those on the way, and by the links that were copied."""
        here, left, hops = self.source / path, [], 0
        further: str | None = text
        while further is not None or left:
            if further is not None:
                here, hops = Path("/") if further.startswith("/") else here.parent, hops + 1
                left += reversed(further.split("/"))
            self.steps += 1
            if hops > MAX_HOPS or self.steps > MAX_STEPS:
                raise CodeError(f"{path} is a link that goes in a circle, or through too many other links.")
            here, further = self._step(here, left.pop())
        return here

    def _step(self, here: Path, part: str) -> tuple[Path, str | None]:
        """The next place on the way of a link, and where that leads when it is a link itself."""
        if part == "..":
            return here.parent, None
        if part in ("", "."):
            return here, None
        return here / part, self._link_at(here / part)

    def _link_at(self, place: Path) -> str | None:
        """What was not copied, ignored or outside, is looked at; whatever it says, where the way ends decides."""
        if place.is_relative_to(self.source):
            path = place.relative_to(self.source).as_posix()
            if path in self.seen:
                return self.seen[path]
        try:
            return os.readlink(place)
        except OSError:
            return None


def _open_itself(name: str, flags: int, folder: int) -> int:
    """A file that has become a link since we looked is not followed; one that has become a pipe does not block."""
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)


def _entries(folder: int) -> list[os.DirEntry]:
    """What is in a folder, sorted, without what is ignored."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    return [
        entry for entry in found if entry.name not in IGNORED and not entry.name.endswith(IGNORED_ENDINGS)
    ]


def _make_read_only(folder: Path) -> None:
    for inner, _, _ in os.walk(folder, topdown=False):
        Path(inner).chmod(0o555)


def _remove_stale(home: Path) -> None:
    for copy in home.glob(".*-*"):
        with suppress(FileNotFoundError):  # someone else was faster
            if time.time() - copy.stat().st_mtime > STALE:
                folders.remove(copy)
