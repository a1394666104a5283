"""Databases of tenants that move: taken out of a tenant's folder, checked, and put into another one.

What a tenant's server has written is opened as a database only inside a box, and no link in its place is followed.
"""

import os
import shutil
import sys
from pathlib import Path
from subprocess import TimeoutExpired

from tenants.hosting.base import ServerError
from tenants.hosting.local import box, folders
from tenants.hosting.local.supervisor import disk_errors, private_folder

SCRIPT = Path(__file__).with_name("carrying_script.py")
SECONDS = 1800  # for one copy, or one check
MEMORY = 1024**3  # bytes
WORDS = 200  # characters of a reason
BESIDE = ("-wal", "-shm", "-journal", ".part")  # of another database they would become part of this one


def take(database: Path, to: Path, most: int, isolation: str) -> None:
    """Copy a database that no server writes to. `most`: bytes. `isolation`: see box.chosen().

    Raises ServerError with the database's words.
    """
    if not database.parent.is_dir():
        raise ServerError("unable to open database file")
    with disk_errors():
        private_folder(to.parent)
    words = ["copy", str(database), str(to), str(most)]
    walls = box.Walls(read=[SCRIPT], write=[database.parent, to.parent], limits=_limits(most))
    try:
        _run(words, to.parent, walls, isolation)
    finally:
        folders.remove(to.with_name(f"{to.name}.part"))  # half a copy, when its maker could not end


def check(file: Path, most: int, isolation: str) -> None:
    """Raises ServerError unless it is a sound database of at most so many bytes."""
    walls = box.Walls(read=[SCRIPT, file.parent], limits=_limits(most))
    _run(["check", str(file), str(most)], file.parent, walls, isolation)


def put(file: Path, database: Path) -> None:
    """Make a file the database of a folder in which no server runs, whatever lies there. Raises ServerError."""
    with disk_errors():
        private_folder(database.parent)
        for place in (database.with_name(database.name + end) for end in BESIDE):
            _clear(place)
        part = database.with_name(f"{database.name}.part")
        try:
            _copy(file, part)
            _clear(database)
            os.replace(part, database)
        finally:
            folders.remove(part)


def _clear(place: Path) -> None:
    if not folders.remove(place):
        raise ServerError(f"{place} could not be removed.")


def _copy(file: Path, to: Path) -> None:
    """Whole and on the disk. Neither of the two may be a link."""
    with (
        open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source,
        open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target,
    ):
        shutil.copyfileobj(source, target, 1024**2)
        target.flush()
        os.fsync(target.fileno())


def _limits(most: int) -> box.Limits:
    return box.Limits(seconds=SECONDS, memory=MEMORY, file_size=most + 1024**2)


def _run(words: list[str], cwd: Path, walls: box.Walls, isolation: str) -> None:
    """Plain Python of the system: nothing of a tenant's environment is needed."""
    python = Path(os.path.realpath(sys.executable))
    command = [str(python), "-I", "-S", str(SCRIPT), *words]
    walls = box.Walls(
        read=[*walls.read, *box.base_folders(str(python))], write=walls.write, limits=walls.limits
    )
    order = box.document("", command, {}, cwd, walls, box.chosen(isolation).kind)
    try:
        said = box.run(order, timeout=SECONDS + 60).stdout.strip()
    except TimeoutExpired:
        said = ""
    if said != "done":
        raise ServerError(said.rpartition("\n")[2].removeprefix("error ")[:WORDS] or "it took too long")
