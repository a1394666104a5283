"""Tenant servers on this machine: one uvicorn process per tenant under our supervisor, SQLite in its folder."""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tenants.hosting.base import (
    EnvironmentFailed,
    PortTaken,
    ServerError,
    ServerState,
    ServerStatus,
    StartFailed,
)
from tenants.hosting.health import is_well
from tenants.hosting.local import box, folders
from tenants.hosting.local.empty_database import EmptyDatabases
from tenants.hosting.local.environments import Environments, version_key
from tenants.hosting.local.explain import explain, tail
from tenants.hosting.local.extended import ExtendedEnvironments
from tenants.hosting.local.index import PackageIndex
from tenants.hosting.local.proc import cpu_seconds
from tenants.hosting.local.spec import LocalSpec
from tenants.hosting.local.supervisor import (
    ProcessInfo,
    Program,
    Supervisor,
    disk_errors,
    private_folder,
)
from tenants.hosting.local.variables import (
    certificate_paths,
    environment,
    parted,
    preloading_environment,
)
from zenpro_site.common.addresses import authority, reachable

HERE = Path(__file__).parent
SERVE, PRELOAD = HERE / "serve.py", HERE / "preload.py"
PRELOADING = (PRELOAD, SERVE, HERE / "keep.py")
PRELOADED_SINCE = (0, 98)  # older servers keep more of what they read first
PARENTS = "preload-"  # names of the programs that fork servers
EMPTY_DATABASE = "ZENPRO_EMPTY_DATABASE"  # names it to serve.py
INNER = ("config", "tmp")  # of a tenant's folder, beside its database and its stores
SERVER_GRACE = 10  # seconds; uvicorn waits 8 for requests under way, the supervisor kills after 12
SERVER_PROCESSES = 1024  # of one server, threads among them
LOG_LINES = 2000
# From the newest family that was tried to the oldest that speaks the protocol; one patch release each.
VERSIONS = ("0.98.0", "0.97.0", "0.96.4", "0.95.1", "0.94.6", "0.93.3", "0.92.0", "0.91.2", "0.90.0")
VERSIONS += ("0.85.0", "0.84.3", "0.83.1", "0.82.1", "0.81.0", "0.80.2", "0.75.0", "0.74.0")

STATUS = {
    "STARTING": ServerStatus.STARTING,
    "RUNNING": ServerStatus.RUNNING,
    "BACKOFF": ServerStatus.BACKOFF,
    "FATAL": ServerStatus.FATAL,
}


class LocalBackend:
    """What LocalHosting does, by configuration instead of by row. The supervisor must run for everything that starts or stops.

    `python`: interpreter of the environments. `index`: where packages come from.
    `host`: address the servers listen on. `versions`: what may be offered beside what is installed.
    `isolation`: the setting ZENPRO_ISOLATION, see box.chosen().
    """

    def __init__(
        self,
        data: Path,
        port_range: tuple[int, int],
        *,
        python: str = sys.executable,
        index: PackageIndex | None = None,
        host: str = "127.0.0.1",
        versions: Sequence[str] = VERSIONS,
        isolation: str = "",
    ):
        self.data = Path(data).resolve()
        self.port_range = port_range  # first and last, both included
        self.host = host
        self.versions = versions
        self.isolation = isolation
        self.supervisor = Supervisor(self.data)
        self.environments = Environments(self.data, python, index, isolation)
        self.extended = ExtendedEnvironments(self.data, python, index, isolation)
        self.empty = EmptyDatabases(self.environments, isolation)

    def install(self, version: str) -> None:
        """With the database that new tenants begin with, also where the version was installed before without one."""
        self.environments.install(version)
        self.empty.make(version)

    def installed(self, version: str) -> bool:
        return self.environments.installed(version)

    def extend(self, version: str, packages: Sequence[str]) -> None:
        """Install packages beside this version, in an environment of their own. Raises EnvironmentFailed, NoSpace."""
        self.extended.prepare(version, packages)

    def python(self, spec: LocalSpec) -> Path:
        """Without its packages where those can't be installed: a server that can't read some logs is better than none."""
        return self._extended(spec) or self.environments.python(spec.version)

    def _extended(self, spec: LocalSpec) -> Path | None:
        return self.extended.found(spec.version, spec.packages) if spec.packages else None

    def known_versions(self) -> list[str]:
        return sorted({*self.versions, *self.environments.versions()}, key=version_key, reverse=True)

    def start(self, spec: LocalSpec) -> None:
        self._check_installed(spec)
        self._prepare(spec)
        self._check_port(spec)
        self._preload(spec)
        self.supervisor.apply(self.program(spec))
        self.supervisor.start(spec.program)
        self._retire_parents()

    def _retire_parents(self) -> None:
        """Of versions that no tenant has any more."""
        names = self.supervisor.names()
        needed = {self.supervisor.asks(name) for name in names}
        for name in names:
            if name.startswith(PARENTS) and str(self._socket(name)) not in needed:
                self.supervisor.remove(name)

    def _socket(self, parent: str) -> Path:
        return self.supervisor.socket.with_name(f"{parent}.sock")

    def _preload(self, spec: LocalSpec) -> None:
        """Whoever forks the servers of this version runs before the first of them."""
        if self._is_forked(spec):
            parent = self.parent(spec.version)
            self.supervisor.apply(parent)
            self.supervisor.start(parent.name)

    def preloads(self, version: str) -> bool:
        """Servers of this version are forked from one that has loaded everything; only bubblewrap's boxes take forks."""
        return version_key(version) >= PRELOADED_SINCE and self._kind() is box.IsolationKind.BUBBLEWRAP

    def _is_forked(self, spec: LocalSpec) -> bool:
        """One with packages of its own starts by itself: a parent has loaded ZenML alone."""
        return self.preloads(spec.version) and self._extended(spec) is None

    def _kind(self) -> box.IsolationKind:
        return box.chosen(self.isolation).kind

    def stop(self, spec: LocalSpec) -> None:
        self.supervisor.stop(spec.program)

    def restart(self, spec: LocalSpec) -> None:
        self.stop(spec)
        self.start(spec)

    def state(self, spec: LocalSpec) -> ServerState:
        info = self.supervisor.status(spec.program)
        return server_state(info) if info else ServerState(ServerStatus.ABSENT)

    def cpu_seconds(self, spec: LocalSpec) -> float:
        """Of the server with all that keeps it, since it was started."""
        return sum(map(cpu_seconds, (self.state(spec).pid, self.supervisor.server_pid(spec.program))))

    def healthy(self, spec: LocalSpec) -> bool:
        return is_well(self.address(spec), spec)

    def has_data(self, spec: LocalSpec) -> bool:
        """True when the tenant's database is there: a start without it would begin an empty one."""
        return spec.database.exists()

    def tail_log(self, spec: LocalSpec, lines: int = 100) -> list[str]:
        """Of the server, or what installing its version said where that failed or the server wrote nothing."""
        written = self._written(spec, lines) if self.installed(spec.version) else []
        return written or self._build_lines(spec, lines) or self._written(spec, lines)

    def _written(self, spec: LocalSpec, lines: int) -> list[str]:
        return tail(self.supervisor.log_file(spec.program), lines)

    def _build_lines(self, spec: LocalSpec, lines: int) -> list[str]:
        found = self.environments.lines(spec.version, lines - 1) if lines > 1 else []
        return found and [f"Output of installing ZenML {spec.version}:", *found]

    def remove(self, spec: LocalSpec) -> None:
        self._check_folder(spec)
        self.supervisor.remove(spec.program)
        self._retire_parents()
        for log in self.supervisor.logs.glob(f"{spec.program}.log*"):
            log.unlink(missing_ok=True)
        if not folders.remove(spec.folder):
            raise ServerError(
                f"The folder {spec.folder} could not be removed completely; ZenPro will try again."
            )

    def free_port(self, taken: set[int]) -> int:
        first, last = self.port_range
        for port in range(first, last + 1):
            if port not in taken and port_free(self.host, port):
                return port
        raise PortTaken(f"No port between {first} and {last} is free.")

    def explain_failure(self, spec: LocalSpec) -> str:
        return explain(self._written(spec, LOG_LINES))

    def address(self, spec: LocalSpec) -> str:
        """Where this machine reaches the server, whatever its public url is."""
        return f"http://{authority(reachable(self.host), spec.port)}"

    def program(self, spec: LocalSpec) -> Program:
        """How the supervisor runs this tenant.

        Not started with the supervisor itself: the control plane must answer first, and ten cold starts at
        once on two cores take minutes. Whoever reconciles starts them one after the other.
        """
        python = self.python(spec)
        variables, secrets = parted(environment(spec, os.environ))
        variables[EMPTY_DATABASE] = str(self.empty.path(spec.version))
        walls = self.walls(spec, python, secrets)
        if self._is_forked(spec):
            walls = replace(walls, preloaded=self.parent(spec.version).listen)
        return Program(
            name=spec.program,
            command=[str(python), "-I", "-u", str(SERVE), self.host, str(spec.port)],
            env=variables,
            cwd=self.nowhere,
            walls=box.as_document(walls, self._kind(), self.nowhere),
            autostart=False,
            startsecs=180,  # a start that fails takes 5 s, or a minute on a busy machine, and must count as failed
            startretries=5,
            stopwaitsecs=12,
            host=self.host,
            port=spec.port,
        )

    def parent(self, version: str) -> Program:
        """How the supervisor runs the program that forks the servers of a version: behind walls, without a secret."""
        python = self.environments.python(version)
        read = [*PRELOADING, self.nowhere, *box.python_folders(python), *certificate_paths(os.environ)]
        walls = box.Walls(read=read, ports=None, holds_boxes=True)
        name = f"{PARENTS}{version.replace('.', '-')}"
        return Program(
            name=name,
            command=[str(python), "-I", "-u", str(PRELOAD)],
            env=preloading_environment(version, os.environ),
            cwd=self.nowhere,
            walls=box.as_document(walls, self._kind(), self.nowhere),
            autostart=False,
            listen=self._socket(name),
        )

    @property
    def nowhere(self) -> Path:
        """An empty folder: a server imports what a flavor or a step names from where it stands."""
        return self.supervisor.run / "nowhere"

    def walls(self, spec: LocalSpec, python: Path, secrets: Mapping[str, str]) -> box.Walls:
        """A server sees its environment and its own folder.

        What lies in the folder and others rely on is a place of its own, which the server cannot put a link for.
        """
        return box.Walls(
            read=[
                SERVE,
                self.nowhere,
                self.empty.folder,  # not the file, which may not be there yet: a program that differs is started anew
                *box.python_folders(python),
                *certificate_paths(os.environ),
            ],
            write=[spec.folder, *(spec.folder / name for name in INNER), spec.local_stores],
            limits=box.Limits(processes=SERVER_PROCESSES, grace=SERVER_GRACE),
            secrets=secrets,
            ports=[spec.port],
        )

    def _check_installed(self, spec: LocalSpec) -> None:
        if not self.installed(spec.version):
            raise EnvironmentFailed(f"ZenML {spec.version} is not installed.")

    def _check_folder(self, spec: LocalSpec) -> None:
        """Only a folder of its own below the data folder may ever be made or deleted."""
        if self.data not in Path(os.path.abspath(spec.folder)).parents or spec.folder.is_symlink():
            raise ServerError(f"The folder {spec.folder} is not below the data folder.")

    def _prepare(self, spec: LocalSpec) -> None:
        self._check_folder(spec)
        with disk_errors():
            for folder in (self.nowhere, self.empty.folder, spec.folder):
                private_folder(folder)
            for name in INNER:
                private_folder(spec.folder / name)
            spec.local_stores.mkdir(parents=True, exist_ok=True)
            refuse_link(spec.local_stores)
            # SQLite's own message comes 15 s later. Not in the tenant's folder: it may have put a link there.
            with tempfile.TemporaryFile(dir=self.supervisor.run) as space:
                os.posix_fallocate(space.fileno(), 0, 1024**2)

    def _check_port(self, spec: LocalSpec) -> None:
        """Refuse at once when a stranger has the port; what we left over ourselves, the launcher ends."""
        if self.state(spec).alive or port_free(self.host, spec.port) or self.healthy(spec):
            return
        raise PortTaken(f"Port {spec.port} on {self.host} is taken by another program.")


def refuse_link(path: Path) -> None:
    """What a tenant could have put in place of a folder would open another one to it."""
    if path.is_symlink():
        raise StartFailed(f"{path} is a link. Remove it, and put the folder itself back.")


def server_state(info: ProcessInfo) -> ServerState:
    status = STATUS.get(info.state, ServerStatus.STOPPED)
    return ServerState(status, info.pid, info.uptime, info.hint)


def port_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
