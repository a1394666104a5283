"""One agent at a time: two would end what the other has just begun. docs/adr/0035-one-agent-works.md

On PostgreSQL a second one waits and goes on within seconds when the first ends, however it ends. The database's own lock
says whose turn it is: it is held by one connection, and falls with it. Whoever loses that connection no longer knows
whether it is their turn, and ends. With SQLite there is one machine, and a lock of its file system.
"""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import structlog
from django.db import Error, InterfaceError, OperationalError, connection

log = structlog.get_logger("zenpro.agent")

LOOK_EVERY = 1.0  # seconds between two looks: of who waits at the lock, of who works at their connection
NAME = "zenpro-agent"
ASK = "SELECT pg_try_advisory_lock(hashtext(%s))"
# Of a machine that was lost nobody hears anything: the database counts it as gone after ten seconds of silence, and a
# machine that hears nothing of the database gives up before.
SILENCE = ("tcp_keepalives_idle = 4", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3")
SILENCE_HERE = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,  # milliseconds
}
GONE = (OperationalError, InterfaceError)  # what a connection that broke ends with
PATIENCE = 5000  # milliseconds for one of these statements
WAITS = "another agent works with this database; this one waits until it ends"
BEGINS = "this agent begins to work"


class NotAlone(Exception):
    """Another agent works, or could; the message is for people."""


@contextmanager
def one_agent(data: Path, stop: threading.Event) -> Iterator["Turn | None"]:
    """Wait for our turn. None when `stop` was set before it came. Raises NotAlone where waiting makes no sense."""
    with ExitStack() as held:
        turn = Turn() if connection.vendor == "postgresql" else FolderTurn()
        held.callback(turn.close)
        if not turn.wait(stop):
            yield None
            return
        held.enter_context(folder_lock(data))
        yield turn


@contextmanager
def folder_lock(data: Path) -> Iterator[None]:
    """The kernel lets it go however we end. Raises NotAlone."""
    folder = data / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "only-agent.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotAlone("Another agent looks after this data folder already.") from error
        yield


class FolderTurn:
    """Of an installation with SQLite: the folder's lock alone decides."""

    def wait(self, stop: threading.Event) -> bool:
        return True

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class Turn:
    """The lock of the database, on a connection that is used for nothing else. Not through a pooler that shares
    connections between transactions: the lock would stay with one of those. One thread uses it."""

    def __init__(self):
        self._connection = connection.copy()
        options = self._connection.settings_dict["OPTIONS"]
        self._connection.settings_dict = {
            **self._connection.settings_dict,
            "OPTIONS": {**options, **SILENCE_HERE},
        }

    def wait(self, stop: threading.Event) -> bool:
        """True once it is ours, False when `stop` was set before. A database that is away is waited for as well."""
        told = False
        while not stop.is_set():
            if self._try():
                log.info(BEGINS)
                return True
            if not told:
                log.info(WAITS)
            told = True
            stop.wait(LOOK_EVERY)
        return False

    def _try(self) -> bool:
        try:
            if self._connection.connection is None:
                self._settle()
            return self._ask(ASK, [NAME])
        except GONE as error:
            log.warning("the database does not answer", reason=str(error).strip())
            self.close()
            return False

    def _settle(self) -> None:
        for setting in (*SILENCE, f"statement_timeout = {PATIENCE}"):
            with self._connection.cursor() as cursor:
                cursor.execute(f"SET {setting}")

    def _ask(self, statement: str, values: list[str]) -> bool:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return bool(cursor.fetchone()[0])

    def check(self) -> None:
        """Is it still ours? Raises NotAlone."""
        try:
            self._ask("SELECT 1", [])
        except GONE as error:
            raise NotAlone(
                "The connection to the database broke. Another agent may have taken over."
            ) from error

    def close(self) -> None:
        with suppress(Error):
            self._connection.close()
