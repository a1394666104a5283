"""What the rest of the code knows about tenant servers: one interface, its data and its exceptions.

Nothing here or below imports Django: callers hand over a ServerSpec, and secrets travel only in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID


def database_in(folder: Path) -> Path:
    """Where a server on this machine keeps its rows, in its tenant's folder."""
    return folder / "zenml.db"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """Everything one tenant server needs to run; equal specs mean the same running configuration."""

    tenant_id: UUID  # burnt into the server's database at its first start
    workspace_name: str
    version: str  # ZenML version, "0.98.0"
    port: int
    server_url: str  # how clients reach the server
    api_url: str  # how the server reaches the control plane: dashboard url + "/api"
    dashboard_url: str
    organization_id: UUID
    organization_name: str
    oauth_secret: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    encryption_key: str = field(repr=False)
    folder: Path  # this tenant's own folder under the data folder
    local_stores: Path  # where local artifact stores live; runners must use the same

    @property
    def program(self) -> str:
        """Name of the supervised program."""
        return f"tenant-{self.tenant_id}"

    @property
    def database(self) -> Path:
        return database_in(self.folder)


class ServerStatus(StrEnum):
    ABSENT = "absent"  # not registered
    STARTING = "starting"  # process exists, may already answer: ask healthy()
    RUNNING = "running"
    BACKOFF = "backoff"  # died while starting, will be tried again
    FATAL = "fatal"  # died while starting too often; no further tries
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the supervisor says about one server."""

    status: ServerStatus
    pid: int | None = None
    uptime: float = 0.0  # seconds, 0 unless the process is alive
    hint: str = ""  # the supervisor's own words about the last exit

    @property
    def alive(self) -> bool:
        return self.status in (ServerStatus.STARTING, ServerStatus.RUNNING)


class ServerError(Exception):
    """A server could not be brought to where it should be; `reason` is a sentence for people."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class EnvironmentFailed(ServerError):
    """The Python environment of a version could not be created; the reason carries the resolver's message."""


class PortTaken(ServerError):
    """Another process listens on the port, or no port of the range is free."""


class NoSpace(ServerError):
    """The disk is full or nearly so."""


class StartFailed(ServerError):
    """The program could not be started at all."""


class SupervisorGone(ServerError):
    """The supervisor does not answer on its socket."""


class TenantError(Exception):
    """A call to a tenant server did not work; `reason` is the server's own sentence where it gave one."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class TenantUnreachable(TenantError):
    """No answer in time. After a POST or PUT the change may or may not have happened."""


class TenantBusy(TenantUnreachable):
    """The most calls allowed at once are already waiting for this server; nothing was sent."""

    def __init__(self):
        super().__init__("The server is answering slowly. Try again in a moment.")


class TenantRefused(TenantError):
    """The server answered and said no: `status` is the HTTP status."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class TenantNotFound(TenantRefused):
    """404: no such object, or not visible to this person."""

    def __init__(self, reason: str):
        super().__init__(404, reason)


class TenantUnreadable(TenantRefused):
    """The server answered with something other than what was asked for."""

    def __init__(self):
        super().__init__(502, "The server's answer cannot be read.")


class TenantConflict(TenantRefused):
    """409: an object of that name already exists."""

    def __init__(self, reason: str):
        super().__init__(409, reason)


class ServerBackend(Protocol):
    """Where tenant servers live. Every method may be repeated; every ServerError is for people."""

    def install(self, version: str) -> None:
        """Create the environment of a version, or return at once if it exists.

        Blocks for seconds to minutes. Raises EnvironmentFailed, NoSpace.
        """

    def installed(self, version: str) -> bool: ...

    def known_versions(self) -> list[str]:
        """Versions that can be offered, newest first."""

    def start(self, spec: ServerSpec) -> None:
        """Make the server run with this configuration; restart it when it runs with another one.

        Returns as soon as the process is started: poll healthy().
        Raises StartFailed, PortTaken, NoSpace, EnvironmentFailed, SupervisorGone.
        """

    def stop(self, spec: ServerSpec) -> None:
        """Stop the server and wait until it is gone; keeps its folder. Raises SupervisorGone."""

    def restart(self, spec: ServerSpec) -> None:
        """Stop and start, also when nothing changed. Raises what start() raises."""

    def state(self, spec: ServerSpec) -> ServerState:
        """Raises SupervisorGone."""

    def cpu_seconds(self, spec: ServerSpec) -> float:
        """CPU time that the server's processes have used so far: grows while it works. 0.0 without a process.

        Raises SupervisorGone.
        """

    def healthy(self, spec: ServerSpec) -> bool:
        """True when the server answers and says it is this tenant's. At most about 4 s, never raises."""

    def has_data(self, spec: ServerSpec) -> bool:
        """True when the tenant's database is there: a start without it would begin an empty one."""

    def tail_log(self, spec: ServerSpec, lines: int = 100) -> list[str]:
        """Last lines of the server's log, oldest first, without line ends.

        Where there is none, or its version could not be installed, of what installing said.
        """

    def remove(self, spec: ServerSpec) -> None:
        """Stop, unregister and delete the tenant's folder. Raises SupervisorGone, ServerError when some of it stays.

        To be called again then: it goes on with what is left.
        """

    def free_port(self, taken: set[int]) -> int:
        """A port of the range that no one listens on and that is not in `taken`. Raises PortTaken."""

    def explain_failure(self, spec: ServerSpec) -> str:
        """One sentence from the end of the log that a person understands; "" when there is nothing."""
