"""Runs inside a box that holds one tenant's folder, and changes one thing in the server's own database there.

`python database_script.py database patience answer-fd operation …`. It takes the database's lock, says "locked", reads
one character from the pipe, and only after a "y" writes. What it says last is a JSON value, or "error" and the reason.
"""

import json
import os
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

FINISHED = ("completed", "failed", "stopped", "cached", "skipped", "retried")
SAME_PERSON = "replace(lower(external_user_id), '-', '') = :user"  # servers store ids without dashes
SAME_RUN = "replace(lower({key}), '-', '') = :run"


def open_database(path, patience):
    """mode=rw: a database that is not there is not made. The server's journal mode stays as it is."""
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        raise sqlite3.OperationalError(f"{os.path.basename(path)} of the tenant is no database file")
    address = f"file:{quote(path)}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=float(patience), isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def change(connection, answer, operation, arguments):
    """What the operation returns; None when it was no longer wanted once the lock was ours."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        print("locked", flush=True)
        if os.read(answer, 1) != b"y":
            return None
        result = operation(connection, *arguments)
        connection.execute("COMMIT")
        return result
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def columns(connection, table):
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def switch_off(connection, user):
    """Newer servers also refuse tokens from before the last password: those then stay dead after a return.

    Tokens carry whole seconds, so those of this second die as well; written the way the server writes times.
    """
    ends_tokens = (
        ", password_changed_at = :end" if "password_changed_at" in columns(connection, "user") else ""
    )
    end = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
    values = {"user": user, "end": end.isoformat(sep=" ", timespec="microseconds")}
    connection.execute(
        f"UPDATE user SET active = 0{ends_tokens} WHERE {SAME_PERSON} AND active",  # noqa: S608 - no values in it
        values,
    )
    return True


def end_run(connection, run, status, reason):
    """Give a run and its steps that are under way this end; one that ended keeps the end it has."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    values = {"status": status, "status_reason": reason, "end_time": now, "updated": now, "in_progress": 0}
    for table, key in (("pipeline_run", "id"), ("step_run", "pipeline_run_id")):
        end_rows(connection, table, SAME_RUN.format(key=key), values | {"run": run})
    return read_run(connection, run)


def end_rows(connection, table, whose, values):
    """Older servers have fewer columns."""
    news = ", ".join(f"{name} = :{name}" for name in values if name in columns(connection, table))
    finished = ", ".join(f"'{word}'" for word in FINISHED)
    connection.execute(f"UPDATE {table} SET {news} WHERE {whose} AND status NOT IN ({finished})", values)  # noqa: S608


def read_run(connection, run):
    """[status, reason], short texts whatever the tenant wrote there; None when there is no such run."""
    reason = "status_reason" if "status_reason" in columns(connection, "pipeline_run") else "''"
    texts = f"CAST(substr(status, 1, 50) AS TEXT), CAST(substr({reason}, 1, 500) AS TEXT)"
    query = f"SELECT {texts} FROM pipeline_run WHERE {SAME_RUN.format(key='id')}"  # noqa: S608
    row = connection.execute(query, {"run": run}).fetchone()
    return row and [row[0] or "", row[1] or ""]


OPERATIONS = {"switch_off": switch_off, "end_run": end_run}


def main(path, patience, answer, operation, *arguments):
    try:
        with closing(open_database(path, patience)) as connection:
            result = change(connection, int(answer), OPERATIONS[operation], arguments)
        print(json.dumps(result), flush=True)
    except sqlite3.Error as error:
        print(f"error {error}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
