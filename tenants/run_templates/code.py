"""The code of a template: an immutable copy of a directory, named by what is in it."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from .schema import mapping

MAX_BYTES = 50 * 1024**2
MAX_FILES = 20_000
MAX_DEPTH = 100  # folders inside folders
IGNORED = {".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules", ".zen", ".mypy_cache"}
IGNORED |= {".ruff_cache", ".pytest_cache", ".ipynb_checkpoints", ".tox", ".DS_Store"}
IGNORED_ENDINGS = (".pyc", ".pyo")
CHUNK = 1024**2
OUTSIDE = "Code may only come from directories that the operator of ZenPro has allowed."
MODULE = re.compile(r"\w+(\.\w+)*")
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
    source = checked_location(location)
    home = settings.ZENPRO_DATA / "code"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_stale(home)
    copy = Path(tempfile.mkdtemp(prefix=".copy-", dir=home))
    try:
        code_hash = _copy(source, copy)
        _publish(copy, home / code_hash)
    except OSError as error:
        raise CodeError(f"The directory cannot be copied: {error.strerror or error}.") from error
    finally:
        _remove(copy)
    return code_hash


def _publish(copy: Path, place: Path) -> None:
    """Give a complete copy its name, unless the same content has it already."""
    _make_read_only(copy)
    try:
        if not place.exists():
            copy.rename(place)
    except OSError:
        if not place.exists():  # nobody else published it in the meantime
            raise


def checked_location(location: str) -> Path:
    """The directory itself, links resolved. Raises CodeError when it may not or cannot be used.

    What is outside of the allowed directories gets one and the same answer, whether it is there or not.
    """
    path = Path(location)
    if "\0" in location or not path.is_absolute():
        raise CodeError("Enter the full path of a directory on this machine, beginning with “/”.")
    path = _allowed(path)
    if not os.path.exists(path):  # Path.exists() raises for names that are too long
        raise CodeError(f"There is no directory {location} on this machine.")
    if not os.path.isdir(path):
        raise CodeError(f"{location} is not a directory.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise CodeError(f"ZenPro may not read {location}.")
    return path


def _allowed(path: Path) -> Path:
    """The path with its links resolved. Raises CodeError."""
    try:
        path = path.resolve()
        inside = any(path.is_relative_to(root.resolve()) for root in _roots())
    except (OSError, RuntimeError, ValueError) as error:
        raise CodeError(OUTSIDE) from error
    if not inside:
        raise CodeError(OUTSIDE)
    data = settings.ZENPRO_DATA
    if path.is_relative_to(data) or data.is_relative_to(path):
        raise CodeError("ZenPro's own data folder cannot be the code of a template.")
    return path


def _roots() -> list[Path]:
    return [*map(Path, settings.ZENPRO_CODE_ROOTS), settings.ZENPRO_SHIPPED_CODE]


def check_modules(location: str, snapshot: Mapping[str, Any]) -> None:
    """Raises CodeError when a step of the snapshot comes from a module that the directory does not have."""
    folder = Path(location)
    for step, source in _sources(snapshot):
        module, kind = source.get("module"), source.get("type")
        if kind == "notebook":
            raise CodeError(f"The step “{step}” was written in a notebook; a template needs a file.")
        if kind == "user" and isinstance(module, str) and not _has_module(folder, module):
            path = module.replace(".", "/")
            raise CodeError(
                f"There is no {path}.py in this directory, where the step “{step}” of the run comes from. "
                "Choose the directory the run was started from."
            )


def _sources(snapshot: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    metadata = mapping(snapshot.get("metadata"))
    for name, configuration in mapping(metadata.get("step_configurations")).items():
        yield name, mapping(mapping(mapping(configuration).get("spec")).get("source"))


def _has_module(folder: Path, module: str) -> bool:
    """What a run recorded is no path: it leads nowhere else, nor does a link in the directory."""
    if not MODULE.fullmatch(module):
        return False
    path = folder.joinpath(*module.split("."))
    found = [path.with_name(f"{path.name}.py"), path / "__init__.py"]
    return any(file.resolve().is_relative_to(folder.resolve()) and file.is_file() for file in found)


def _copy(source: Path, target: Path) -> str:
    """Copy what is not ignored; returns the hash of sorted paths, kinds and contents."""
    lines, size = [], 0
    for number, path in enumerate(_files(source)):
        relative = path.relative_to(source)
        size += 0 if path.is_symlink() else path.stat().st_size
        if size > MAX_BYTES or number >= MAX_FILES:
            raise CodeError(
                f"The directory holds more than {MAX_BYTES // 1024**2} MB or {MAX_FILES:,} files. "
                "Choose the folder of the code itself; data belong elsewhere."
            )
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        lines.append(f"{relative.as_posix()}\0{_copy_one(source, path, target / relative)}\n")
    if not lines:
        raise CodeError("The directory is empty.")
    return hashlib.sha256("".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()


def _files(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Regular files and links below a folder, without what is ignored."""
    if depth > MAX_DEPTH:
        raise CodeError(f"The directory is nested more than {MAX_DEPTH} folders deep.")
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in IGNORED or entry.name.endswith(IGNORED_ENDINGS):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), depth + 1)
        elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
            yield Path(entry.path)


def _copy_one(source: Path, path: Path, target: Path) -> str:
    """Copy one file or link; returns what it adds to the hash."""
    if path.is_symlink():
        return f"link {_copy_link(source, path, target)}"
    digest = hashlib.sha256()
    with open(path, "rb", opener=_open_file_itself) as reader, open(target, "wb") as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        executable = bool(os.fstat(reader.fileno()).st_mode & stat.S_IXUSR)
    target.chmod(0o555 if executable else 0o444)
    return f"{'x' if executable else '-'} {digest.hexdigest()}"


def _open_file_itself(path: str, flags: int) -> int:
    """A file that has become a link since we looked is not followed; one that has become a pipe does not block."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _copy_link(source: Path, path: Path, target: Path) -> str:
    """A link inside the directory stays a link; one that leads out of it would not be a copy."""
    aim = path.resolve()
    if not aim.is_relative_to(source):
        name = path.relative_to(source)
        raise CodeError(
            f"{name} is a link to {os.readlink(path)}, outside of the directory: put the file itself there."
        )
    relative = os.path.relpath(aim, path.parent.resolve())
    target.symlink_to(relative)
    return relative


def _make_read_only(folder: Path) -> None:
    for inner in _folders(folder):
        inner.chmod(0o555)


def _folders(folder: Path) -> Iterable[Path]:
    return [Path(parent) for parent, _, _ in os.walk(folder, topdown=False)]


def _remove(folder: Path) -> None:
    """Also what has been made read-only."""
    if folder.exists():
        for inner in _folders(folder):
            inner.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(home: Path) -> None:
    for copy in home.glob(".copy-*"):
        if time.time() - copy.stat().st_mtime > STALE:
            _remove(copy)
