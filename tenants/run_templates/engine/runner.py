"""ZenML's own runner as a process of this machine (rerun §2.7): started once, in a box of its own, watched, ended.

Each re-run has a folder data/runs/<id> with its output, its scratch and a lock. The keeper of the box inherits the
lock, so the kernel itself says whether one is alive: two agents cannot start the same re-run twice. The process that
is known here is that keeper; what runs the template's code is inside the box, and ends with it.
"""

import fcntl
import json
import math
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import structlog
from django.conf import settings

from tenants.hosting.base import StartFailed
from tenants.hosting.bounded import CallPlaces
from tenants.hosting.local import box, folders, groups
from tenants.hosting.local.keep import kill_group
from tenants.hosting.local.launch import read_record, started_at, write_record
from tenants.run_templates.engine import marked_processes

from .base import AlreadyRunning, Order, Runner, RunnerFailed, Started
from .boxed_programs import answer_of
from .cluster_runner import ClusterRunner
from .code import CodeError
from .run_files import KEPT, TAIL_BYTES, folder_of, kept_file, last_lines, output_file
from .runner_program import CODE, SCRATCH, base_variables, command, environment

__all__ = ["TAIL_BYTES", "BoxedRunner", "base_variables", "chosen", "kept_file"]
log = structlog.get_logger("zenpro.agent")

NICENESS = 5  # pages and permissions come before runs
SENT = "sent"  # the file that says all of it is in the storage that machines share
PACKED = "packed"  # the folder in which that is packed
PACKING = 40  # seconds for it
PACKERS = CallPlaces(each=1, together=4, patience=PACKING, credit=math.inf)
TOLD = "limit"  # the file in which its keeper says which limit ended it
BURIAL = 5.0  # seconds until a process that ended is gone
TIDYING = 10.0  # seconds for one of them; what takes longer is the sweeper's, tenants.agent.disk_sweeper


def walls(order: Order) -> box.Walls:
    """A run reads its environment, writes its scratch and the tenant's stores, and sees nothing else."""
    folder = folder_of(order.run_id)
    return box.Walls(
        read=box.python_folders(order.python),
        write=[*(folder / name for name in SCRATCH), order.local_stores],
        limits=limits(),
        group=groups.of_run(str(order.run_id)),
        ports=settings.ZENPRO_RUN_PORTS,
        told=folder / TOLD,
    )


def limits() -> box.Limits:
    return box.Limits(
        processes=settings.ZENPRO_RUN_PROCESSES,
        file_size=settings.ZENPRO_RUN_FILE_SIZE,
        open_files=settings.ZENPRO_RUN_OPEN_FILES,
        memory=settings.ZENPRO_RUN_MEMORY,
        cpus=settings.ZENPRO_RUN_CPUS,
        niceness=NICENESS,
    )


class BoxedRunner:
    """Runner on this machine: one box for each re-run. Any number of these may look after the same re-runs."""

    def __init__(self):
        self.children: dict[UUID, subprocess.Popen] = {}  # of those it started itself

    def start(self, order: Order) -> Started:
        """Start the runner in its box, in a session of its own. Raises AlreadyRunning, RunnerFailed."""
        try:
            process = _start(order)
        except OSError as error:
            raise RunnerFailed(f"The runner could not be started: {error.strerror}.") from error
        except StartFailed as error:
            raise RunnerFailed(error.reason) from error
        self.children[order.run_id] = process
        return _started(order.run_id, process.pid)

    def find(self, run_id: UUID) -> Started | None:
        """A runner that was started before its row could be written; its lock says so, and the kernel that it lives."""
        try:
            with open(folder_of(run_id) / "lock", "rb") as file:
                record = read_record(file.fileno())
        except OSError:
            return None
        if record is None or started_at(record[0]) != record[1] or marked_processes.has_ended(record[0]):
            return None
        return _started(run_id, record[0])

    def alive(self, started: Started) -> bool:
        """Does this very process still run? Takes note of its end, or it would stay as a zombie."""
        if child := self.children.get(started.run_id):
            child.poll()
        return marked_processes.alive(started.pid, started.mark)

    def waits(self, started: Started) -> str:
        return ""

    def stop(self, started: Started) -> None:
        """Ask the runner: the keeper passes it on, and ZenML's own handler ends the step."""
        marked_processes.terminate(started.pid, started.mark)

    def end(self, started: Started) -> None:
        """End the keeper and with it the box."""
        marked_processes.kill(started.pid, started.mark)

    def exit_code(self, started: Started) -> int | None:
        """None when another agent started the process."""
        child = self.children.get(started.run_id)
        try:
            # Not poll(): it says None while another thread is just asking.
            return child.wait(timeout=BURIAL) if child else None
        except subprocess.TimeoutExpired:
            return None

    def limit(self, run_id: UUID) -> str:
        """The keeper's sentence."""
        try:
            return (folder_of(run_id) / TOLD).read_text(encoding="utf-8")
        except OSError:
            return ""

    def output(self, run_id: UUID, lines: int = 200) -> list[str]:
        return last_lines(run_id, lines)

    def keep(self, run_id: UUID, code: Path) -> int:
        """Packed in a box. What can't be packed is not kept."""
        folder = folder_of(run_id)
        if not (folder / CODE).is_dir():
            return 0
        place = folder / PACKED
        folders.remove(place)
        place.mkdir(mode=0o700)
        try:
            words = [folder / CODE, code, place / KEPT]
            answer = answer_of(
                "pack.py", words, place, read=words[:2], seconds=PACKING, place=str(run_id), places=PACKERS
            )
            if answer["files"]:
                os.replace(place / KEPT, folder / KEPT)
            return answer["bytes"]
        except (CodeError, OSError) as error:
            log.info("what a run wrote could not be kept", run=str(run_id), reason=str(error))
            return 0
        finally:
            folders.remove(place)

    def tidy(self, run_id: UUID) -> None:
        """Also ends what is left in its control group."""
        self.children.pop(run_id, None)
        if group := groups.of_run(str(run_id)):
            kill_group(str(group))
        for name in SCRATCH:
            folders.remove(folder_of(run_id) / name, TIDYING)
        for name in ("lock", TOLD):
            (folder_of(run_id) / name).unlink(missing_ok=True)


def chosen() -> Runner:
    """The runner of this installation, knowing nothing of what others started. To make one costs nothing."""
    return ClusterRunner() if settings.ZENPRO_RUNS_IN_CLUSTER else BoxedRunner()


def _started(run_id: UUID, pid: int) -> Started:
    return Started(run_id, pid, marked_processes.mark_of(pid))


def _start(order: Order) -> subprocess.Popen:
    folder = folder_of(order.run_id)
    for inner in (folder, *(folder / name for name in SCRATCH)):
        inner.mkdir(parents=True, exist_ok=True, mode=0o700)
    order.local_stores.mkdir(parents=True, exist_ok=True, mode=0o700)
    if order.local_stores.is_symlink():
        raise RunnerFailed("The tenant's stores are a link, which is not followed.")
    with _lock(order.run_id) as lock, open(output_file(order.run_id), "ab") as output:
        (folder / TOLD).unlink(missing_ok=True)  # of an attempt before this one
        if order.code:
            copy_code(order.code, folder / CODE)
        return _spawn(order, lock, output)


def _spawn(order: Order, lock: int, output: BinaryIO) -> subprocess.Popen:
    """The order goes through a pipe: the run's token is neither on a command line nor in a file."""
    kind = box.chosen(settings.ZENPRO_ISOLATION).kind
    folder = folder_of(order.run_id)
    starts_in = folder / CODE / order.starts_in
    document = box.document("", command(order), environment(order, folder), starts_in, walls(order), kind)
    os.stat(order.python)  # a missing interpreter is told here, in words
    process = subprocess.Popen(
        box.launcher("-"),
        env={},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[lock],
    )
    write_record(lock, process.pid)
    with process.stdin, suppress(BrokenPipeError):
        process.stdin.write(json.dumps(document | {"lock_fd": lock}).encode())
    return process


def copy_code(code: Path, place: Path) -> None:
    """The code for one run alone: what its steps write beside it reaches no other run."""
    folders.remove(place)
    shutil.copytree(code, place, symlinks=True)
    for folder, _, files in os.walk(place):
        os.chmod(folder, 0o700)
        for name in files:
            if not os.path.islink(path := os.path.join(folder, name)):
                os.chmod(path, 0o700 if os.stat(path).st_mode & stat.S_IXUSR else 0o600)


@contextmanager
def _lock(run_id: UUID) -> Iterator[int]:
    """Held by us until the keeper has it; it falls when the keeper ends, and with it the box."""
    lock = os.open(folder_of(run_id) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning from error
        yield lock
    finally:
        os.close(lock)
