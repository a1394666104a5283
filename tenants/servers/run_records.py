"""Ending a run in the database of a tenant's server, for which nobody may speak to the server any more.

As for accounts (accounts.py): one short transaction, whether the server runs or not, and nothing else is touched.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from tenants.servers.accounts import open_database
from tenants.servers.base import ServerError

FINISHED = ("completed", "failed", "stopped", "cached", "skipped", "retried")


def end_run(database: Path, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
    """Give a run and its steps that are under way this end; one that ended keeps the end it has.

    Returns (status, reason) as they are now, None when there is no such run. `status` is "stopped" or "failed".
    Raises ServerError when the database is not there, is busy, or is not one of ZenML.
    """
    try:
        with closing(open_database(database)) as connection:
            return _write(connection, run_id, status, reason)
    except sqlite3.Error as error:
        raise ServerError(f"The run could not be ended in the tenant: {error}.") from error


def _write(connection: sqlite3.Connection, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    values = {"status": status, "status_reason": reason, "end_time": now, "updated": now, "in_progress": 0}
    connection.execute("BEGIN IMMEDIATE")
    try:
        _end(connection, "pipeline_run", "id", run_id, values)
        _end(connection, "step_run", "pipeline_run_id", run_id, values)
        found = _read(connection, run_id)
        connection.execute("COMMIT")
        return found
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _end(connection: sqlite3.Connection, table: str, key: str, run_id: UUID, values: dict) -> None:
    """Older servers have fewer columns."""
    there = _columns(connection, table)
    news = ", ".join(f"{name} = :{name}" for name in values if name in there)
    open_rows = f"{key} IN (:hex, :dashed) AND status NOT IN ({_quoted(FINISHED)})"
    connection.execute(f"UPDATE {table} SET {news} WHERE {open_rows}", values | _ids(run_id))  # noqa: S608


def _read(connection: sqlite3.Connection, run_id: UUID) -> tuple[str, str] | None:
    reason = "status_reason" if "status_reason" in _columns(connection, "pipeline_run") else "''"
    texts = f"CAST(substr(status, 1, 50) AS TEXT), CAST(substr({reason}, 1, 500) AS TEXT)"
    query = f"SELECT {texts} FROM pipeline_run WHERE id IN (:hex, :dashed)"  # noqa: S608
    row = connection.execute(query, _ids(run_id)).fetchone()
    return row and (row[0] or "", row[1] or "")


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _ids(run_id: UUID) -> dict[str, str]:
    """As servers store ids, and as they are written."""
    return {"hex": run_id.hex, "dashed": str(run_id)}


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
