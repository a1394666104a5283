"""ZenML's own runner as a process of this machine (rerun §2.7): started once, in a box of its own, watched, ended.

Each re-run has a folder data/runs/<id> with its output, its scratch and a lock. The keeper of the box inherits the
lock, so the kernel itself says whether one is alive: two agents cannot start the same re-run twice. The process that
is known here is that keeper; what runs the template's code is inside the box, and ends with it.
"""

import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.conf import settings

from tenants.hosting.base import StartFailed
from tenants.hosting.local import box, folders, groups
from tenants.hosting.local.keep import family, kill_group
from tenants.hosting.local.launch import read_record, started_at, write_record

SOURCE = "zenml.zen_server.pipeline_execution.runner_entrypoint_configuration.RunnerEntrypointConfiguration"
MODULE = "zenml.entrypoints.entrypoint"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
TAIL_BYTES = 64 * 1024
NICENESS = 5  # pages and permissions come before runs
SCRATCH = ("home", "config", "tmp")  # all that a run may write beside the tenant's stores
TOLD = "limit"  # the file in which its keeper says which limit ended it
TIDYING = 10.0  # seconds for one of them; what takes longer is the sweeper's, tenants.agent.disk


class AlreadyRunning(Exception):
    """A runner of this re-run is alive: adopt it."""


class RunnerFailed(Exception):
    """The process could not be started; `reason` is a sentence for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Order:
    """All that one runner needs."""

    run_id: UUID  # of our TemplateRun
    zenml_run_id: UUID
    snapshot_id: UUID
    python: Path
    code: Path
    server_url: str
    token: str
    project_id: UUID
    stack_id: UUID
    local_stores: Path
    user_id: UUID  # one per tenant, or nothing would ever be cached (rerun §8)


def folder_of(run_id: UUID) -> Path:
    return settings.ZENPRO_DATA / "runs" / str(run_id)


def output_file(run_id: UUID) -> Path:
    """What the runner and its steps print."""
    return folder_of(run_id) / "output.log"


def command(order: Order) -> list[str]:
    """ZenML's runner for one placeholder run."""
    source = ["--entrypoint_config_source", SOURCE]
    ids = ["--snapshot_id", str(order.snapshot_id), "--run_id", str(order.zenml_run_id)]
    return [str(order.python), "-m", MODULE, *source, *ids]


def environment(order: Order) -> dict[str, str]:
    """The complete environment: nothing of ours reaches the code of a template."""
    folder = folder_of(order.run_id)
    return {
        "PATH": f"{order.python.parent}:{SYSTEM_PATH}",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_STORE_TYPE": "rest",
        "ZENML_STORE_URL": order.server_url,
        "ZENML_STORE_API_TOKEN": order.token,
        "ZENML_ACTIVE_PROJECT_ID": str(order.project_id),
        "ZENML_ACTIVE_STACK_ID": str(order.stack_id),
        "ZENML_LOCAL_STORES_PATH": str(order.local_stores),
        "ZENML_CUSTOM_SOURCE_ROOT": str(order.code),
        "ZENML_USER_ID": str(order.user_id),
        "ZENML_LOGS_OTEL_SCHEDULE_DELAY_MILLIS": "500",
        "ZENML_ANALYTICS_OPT_IN": "false",
        "PYTHONUNBUFFERED": "1",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
    }


def walls(order: Order) -> box.Walls:
    """A run reads its code and its environment, writes its scratch and the tenant's stores, and sees nothing else."""
    folder = folder_of(order.run_id)
    return box.Walls(
        read=[order.code, *box.python_folders(order.python)],
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


def start(order: Order) -> subprocess.Popen:
    """Start the runner in its box, in a session of its own. Raises AlreadyRunning, RunnerFailed."""
    folder = folder_of(order.run_id)
    try:
        for inner in (folder, *(folder / name for name in SCRATCH)):
            inner.mkdir(parents=True, exist_ok=True, mode=0o700)
        order.local_stores.mkdir(parents=True, exist_ok=True, mode=0o700)
        if order.local_stores.is_symlink():
            raise RunnerFailed("The tenant's stores are a link, which is not followed.")
        with _lock(order.run_id) as lock, open(output_file(order.run_id), "ab") as output:
            (folder / TOLD).unlink(missing_ok=True)  # of an attempt before this one
            return _spawn(order, lock, output)
    except OSError as error:
        raise RunnerFailed(f"The runner could not be started: {error.strerror}.") from error
    except StartFailed as error:
        raise RunnerFailed(error.reason) from error


def _spawn(order: Order, lock: int, output: BinaryIO) -> subprocess.Popen:
    """The order goes through a pipe: the run's token is neither on a command line nor in a file."""
    kind = box.chosen(settings.ZENPRO_ISOLATION).kind
    document = box.document("", command(order), environment(order), order.code, walls(order), kind)
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


def mark_of(pid: int) -> str:
    """What tells a process from a later one of the same number, also after a reboot; "" when there is none."""
    started = started_at(pid)
    return f"{started}/{_boot()}" if started is not None else ""


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return ""


def alive(pid: int | None, mark: str) -> bool:
    """Does this very process still run? A zombie does not."""
    return pid is not None and mark_of(pid) == mark != "" and _state(pid) not in "ZX"


def _state(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "X"
    return text.rpartition(")")[2].split()[0]


def find(run_id: UUID) -> int | None:
    """Pid of a runner that was started before its row could be written; its lock says so, and the kernel that it lives."""
    try:
        with open(folder_of(run_id) / "lock", "rb") as file:
            record = read_record(file.fileno())
    except OSError:
        return None
    if record is None or started_at(record[0]) != record[1] or _state(record[0]) in "ZX":
        return None
    return record[0]


def terminate(pid: int, mark: str) -> None:
    """Ask the runner: the keeper passes it on, and ZenML's own handler ends the step."""
    if alive(pid, mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def kill(pid: int | None, mark: str) -> None:
    """End a runner with all that its steps started, also what left its session.

    As long as one of them lives the kernel gives the number to no one else, so it is safe after the runner's end.
    """
    if pid is not None and mark.endswith(f"/{_boot()}") and mark_of(pid) in ("", mark):
        strays = family(pid)[1:]  # without a box they would outlive their keeper
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        for stray in strays:
            with suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)


def tail(run_id: UUID, lines: int = 200) -> list[str]:
    """Last lines of the output, oldest first; [] before the start. Reads at most 64 KB."""
    try:
        with open(output_file(run_id), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


def limit_told(run_id: UUID) -> str:
    """The keeper's sentence when a limit ended the runner; "" when none did."""
    try:
        return (folder_of(run_id) / TOLD).read_text(encoding="utf-8")
    except OSError:
        return ""


def unsettled(run_id: UUID | None = None) -> Path:
    """A mark for an ended re-run of whose end the tenant has not heard; without an id, the folder of all marks."""
    folder = settings.ZENPRO_DATA / "runs" / ".unsettled"
    return folder / str(run_id) if run_id else folder


def tidy(run_id: UUID) -> None:
    """Throw away what only the runner needed, and end what is left in its control group; the output stays."""
    if group := groups.of_run(str(run_id)):
        kill_group(str(group))
    for name in SCRATCH:
        folders.remove(folder_of(run_id) / name, TIDYING)
    for name in ("lock", TOLD):
        (folder_of(run_id) / name).unlink(missing_ok=True)
