"""What the rest of the code knows about tenant servers: one interface, its data and its exceptions.

Nothing here or below imports Django: callers hand over a ServerSpec, and secrets travel only in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from django.db.models import Q

    from tenants.models import Tenant

# What the agent itself sees of the start of a server, of whatever kind.
SERVER_STEPS = ("start", "database", "register", "health", "project", "ready")
UNREACHABLE = "The server cannot reach ZenPro."
TROUBLE_HERE = re.compile(r"ZenPro answered this server with 5\d\d")


def may_pass(sentence: str) -> bool:
    """Did the start fail because ZenPro itself was slow or busy? The next attempt may succeed."""
    return sentence == UNREACHABLE or bool(TROUBLE_HERE.match(sentence))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """What a tenant's server has to run with wherever it lives; a backend adds what its place needs."""

    tenant_id: UUID  # burnt into the server's database at its first start
    workspace_name: str
    version: str  # ZenML version, "0.98.0"
    server_url: str  # how clients reach the server
    api_url: str  # how the server reaches the control plane: dashboard url + "/api"
    dashboard_url: str
    organization_id: UUID
    organization_name: str
    oauth_secret: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    encryption_key: str = field(repr=False)


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
    hint: str = ""  # about the last exit, or about what is wrong, for people
    place: str = ""  # where it runs, for people

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


class NotYet(ServerError):
    """What was asked for is under way elsewhere and takes its time: ask again."""


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


@dataclass(frozen=True, kw_only=True)
class Carriage:
    """The copy of a tenant's database, on its way from one home to another."""

    name: str  # of the move, as a part of names of what carries it
    file: Path  # of the copy, between the homes
    sent: Path  # where a carrier's copy arrives; only a whole one is ever there
    most: int  # bytes
    url: str  # where carriers send it to and fetch it from
    ticket: Callable[[str], str]  # "out" or "in" -> what a carrier shows there, once; it ends the one before


class Tell(Protocol):
    """Writes a step of a start into the tenant's progress: as under way, or as done."""

    def __call__(self, key: str, note: str, *, done: bool = False) -> None: ...


class Hosting(Protocol):
    """Where the servers of one kind of tenant live; hosting.backends has the one of each kind.

    Whatever is asked may be asked again. Every ServerError is for people. What opens the tenant's secrets raises
    SecretsUnreadable when no key of this installation does.
    """

    steps: tuple[
        str, ...
    ]  # of a start, in order, with SERVER_STEPS at the end; () where others start the servers

    def look_every(self, tenant: Tenant) -> float:
        """Seconds between looks at a tenant in which nothing is to be done."""

    def hurried(self) -> Q:
        """Tenants for which look_every() may say less than it did at the last look, by what their rows say."""

    def provision(self, tenant: Tenant, tell: Tell) -> None:
        """Everything a server needs before it can start, its address included. `tell` hears of each step.

        Blocks for seconds to minutes. Raises ServerError.
        """

    def start(self, tenant: Tenant) -> None:
        """Make the server run with what its row says; restart it when it runs with something else.

        Returns as soon as the process is started: poll healthy(). Raises ServerError.
        """

    def restart(self, tenant: Tenant) -> None:
        """Stop and start, also when nothing changed. Raises what start() raises."""

    def stop(self, tenant: Tenant) -> None:
        """Stop the server, if there is one, and wait until it is gone; its data stays. Raises ServerError.

        NotYet where waiting would take long: ask again until it is not raised.
        """

    def retire(self, tenant: Tenant) -> None:
        """Remove the server with its data and all that was reserved for it. Raises ServerError when some of it stays.

        To be called again then: it goes on with what is left.
        """

    def is_gone(self, tenant: Tenant) -> bool:
        """True when nothing of it is left for retire()."""

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        """Stop servers of tenants other than these, and what lost whoever looked after it. Returns the servers' names.
        Raises SupervisorGone."""

    def take_out(self, tenant: Tenant, carriage: Carriage) -> None:
        """Have a consistent copy of its database lie at `carriage.file`. Its server is stopped. Raises ServerError.

        NotYet while that is under way elsewhere. What is in the copy may be anything: see put_in().
        """

    def put_in(self, tenant: Tenant, carriage: Carriage) -> None:
        """Make this copy its database here, in place of one that is here, ready for start(). After provision().

        Raises ServerError, also for a copy that is no sound database; NotYet while it is under way elsewhere.
        """

    def state(self, tenant: Tenant) -> ServerState:
        """How its server is. Where others start it: what the last look tells, see ElsewhereHosting.

        Raises SupervisorGone.
        """

    def healthy(self, tenant: Tenant) -> bool:
        """True when the server answers and says it is this tenant's. At most about 4 s, never raises ServerError."""

    def cpu_seconds(self, tenant: Tenant) -> float:
        """CPU time that the server has used so far: grows while it works. 0.0 where that is unknown.

        Raises SupervisorGone.
        """

    def address(self, tenant: Tenant) -> str:
        """Where ZenPro itself reaches the server; "" while it has none."""

    def has_data(self, tenant: Tenant) -> bool:
        """True when the tenant's data are there: a start without them would begin an empty one."""

    def data_at(self, tenant: Tenant) -> str:
        """Where these data are, for people who look for them."""

    def places(self, tenant: Tenant) -> list[Path]:
        """Folders on this machine that hold them and count as the tenant's."""

    def stores(self, tenant: Tenant) -> Path | None:
        """The folder on this machine that holds the artifact stores of this tenant, and of no other."""

    def tail_log(self, tenant: Tenant, lines: int = 200) -> list[str]:
        """Last lines of the server's log, oldest first; before its first start, of what provisioning it said."""

    def explain_failure(self, tenant: Tenant) -> str:
        """One sentence from the end of the log that a person understands; "" when there is nothing."""

    def shut_out(self, tenant: Tenant, person: UUID, still_out: Callable[[], bool]) -> bool:
        """End what an account has open inside the server. True when that is done.

        `still_out` is asked while no one else can write; False when it says no. Raises ServerError.
        """

    def end_run(self, tenant: Tenant, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
        """Give a run inside the server this end, in place of a person who can no longer; one that ended keeps its end.

        Returns (status, reason) the server has of it from now on; None when it has no such run, or is out of reach.
        `status` is "stopped" or "failed". Raises ServerError: then try again later.
        """
