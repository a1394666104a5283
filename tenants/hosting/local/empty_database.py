"""The database that a server of some ZenML version makes at its first start, made once: new tenants begin with a copy.

It is made in a box that sees that version's environment and a folder of its own, and never opened by a process of ours.
serve.py copies it, in the tenant's own box. Where it is missing, a server makes its tables itself.
"""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from tenants.hosting.base import StartFailed
from tenants.hosting.local import box, folders
from tenants.hosting.local.environments import Environments, check_version
from tenants.hosting.local.variables import certificate_paths, nobodys_environment

log = structlog.get_logger("zenpro.agent")

SCRIPT = Path(__file__).with_name("empty_database_script.py")
SECONDS = 180  # to load ZenML and make the tables: 10 on a quiet machine
LARGEST = 64 * 1024**2  # bytes of a file in the making; the database has one
PROCESSES = 1024  # threads among them
MADE = "made.db"
REASON_LENGTH = 300


class EmptyDatabases:
    """Files `data/envs/empty/<version>.db`, each whole or not there."""

    def __init__(self, environments: Environments, isolation: str = ""):
        self.environments = environments
        self.isolation = isolation
        self.folder = environments.folder / "empty"
        self._refused: set[str] = set()

    def path(self, version: str) -> Path:
        check_version(version)
        return self.folder / f"{version}.db"

    def make(self, version: str) -> None:
        """Where it is missing and nobody makes it; seconds. Never raises for what goes wrong: the log says it, and this
        process does not try that version again."""
        if version in self._refused or self.path(version).exists():
            return
        try:
            self._make(version)
        except BlockingIOError:
            return
        except (OSError, subprocess.SubprocessError, StartFailed) as error:
            self._refused.add(version)
            log.warning("no_empty_database", version=version, reason=str(error)[-REASON_LENGTH:])

    def _make(self, version: str) -> None:
        """Raises BlockingIOError when somebody else makes it, OSError, subprocess.SubprocessError, StartFailed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone(version) as lock, _place(self.environments.folder / f".empty-{version}") as place:
            done = box.run(self._order(version, place) | {"lock_fd": lock}, timeout=SECONDS, pass_fds=[lock])
            if done.returncode:
                raise OSError(done.stdout.strip() or f"it ended with {done.returncode}")
            check_file(place / MADE)
            (place / MADE).rename(self.path(version))

    def _order(self, version: str, place: Path) -> dict:
        python = self.environments.python(version)
        read = [SCRIPT, *box.python_folders(python), *certificate_paths(os.environ)]
        limits = box.Limits(processes=PROCESSES, file_size=LARGEST, seconds=SECONDS)
        command = [str(python), "-I", str(SCRIPT), str(place / MADE)]
        env = nobodys_environment(version, os.environ, place)
        walls = box.Walls(read=read, write=[place], limits=limits)
        return box.document("", command, env, place, walls, box.chosen(self.isolation).kind)

    @contextmanager
    def _alone(self, version: str) -> Iterator[int]:
        """The lock that the box's keeper inherits, so that one that outlives us still keeps others out."""
        with open(self.environments.folder / f".lock-empty-{version}", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock.fileno()


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    """An empty folder, without what one that was killed left there, and gone afterwards."""
    folders.remove(folder)
    (folder / "tmp").mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        folders.remove(folder)


def check_file(path: Path) -> None:
    """It is on the disk afterwards. Raises OSError for what is no file of its own: a link would show a tenant what it
    leads to."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or not 0 < found.st_size <= LARGEST:
            raise OSError(f"{path.name} is no file, or not of a database's size")
        os.fsync(number)
    finally:
        os.close(number)
