"""Switching off a person's account in the database of a tenant's server (protocol §13.3)."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from tenants.servers.base import ServerError

PATIENCE = 2.0  # seconds to wait for the server to finish a write of its own
LIMIT = 10.0  # seconds for everything, or it is undone
STEPS = 10_000  # of SQLite's machine, between looks at the clock
SAME_PERSON = "replace(lower(external_user_id), '-', '') = :user"  # servers store ids without dashes


def switch_off(database: Path, user_id: UUID, still_out: Callable[[], bool]) -> bool:
    """Make the account inactive: the server answers all its tokens with 401 from now on. True when that is done.

    `still_out` is asked while nobody else can write: a server that lets the person in again either has written that
    already, and then we see her right, or writes it after us and makes the account active again.

    The server may run or not; nothing but this one row is touched, in one short transaction. False when `still_out`
    says so. Raises ServerError when the database is not there, is busy, or is not one of ZenML.
    """
    try:
        with closing(open_database(database)) as connection:
            return _write(connection, user_id, still_out)
    except sqlite3.Error as error:
        raise ServerError(f"The account could not be switched off: {error}.") from error


def open_database(database: Path) -> sqlite3.Connection:
    """mode=rw: a database that is not there is not made. The server's journal mode stays as it is.

    Whoever runs code in the server can write the file: it may be a link to another one, or a database whose triggers
    never end. Raises ServerError for what is no file, sqlite3.Error for what cannot be opened.
    """
    if database.is_symlink() or (database.exists() and not database.is_file()):
        raise ServerError(f"{database.name} of the tenant is no database file.")
    address = f"{database.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
    deadline = time.monotonic() + LIMIT
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _write(connection: sqlite3.Connection, user_id: UUID, still_out: Callable[[], bool]) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not still_out():
            return False
        connection.execute(_statement(connection), _values(user_id))
        connection.execute("COMMIT")
        return True
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _statement(connection: sqlite3.Connection) -> str:
    """Newer servers also refuse tokens from before the last password: those then stay dead when she comes back."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(user)")}
    ends_tokens = ", password_changed_at = :end" if "password_changed_at" in columns else ""
    return f"UPDATE user SET active = 0{ends_tokens} WHERE {SAME_PERSON} AND active"  # noqa: S608 - no values in it


def _values(user_id: UUID) -> dict[str, str]:
    """Tokens carry whole seconds, so those of this second die as well; written the way the server writes times."""
    end = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
    return {"user": user_id.hex, "end": end.isoformat(sep=" ", timespec="microseconds")}
