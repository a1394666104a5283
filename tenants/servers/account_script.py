"""Runs inside a box that holds one tenant's folder: switches off an account in the server's own database.

`python account_script.py database user-hex answer-fd patience`. It takes the database's lock, says "locked", reads one
character from the pipe, and only after a "y" writes. What it prints last is "done", "kept" or the database's error.
A tenant may have put anything in place of its database, so nothing of it is opened by a process of ours.
"""

import os
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone

SAME_PERSON = "replace(lower(external_user_id), '-', '') = :user"  # servers store ids without dashes


def open_database(path, patience):
    """mode=rw: a database that is not there is not made. The server's journal mode stays as it is."""
    address = f"file:{path}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=float(patience), isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def write(connection, user, answer):
    connection.execute("BEGIN IMMEDIATE")
    try:
        print("locked", flush=True)
        if os.read(answer, 1) != b"y":
            return "kept"
        connection.execute(statement(connection), values(user))
        connection.execute("COMMIT")
        return "done"
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def statement(connection):
    """Newer servers also refuse tokens from before the last password: those then stay dead after a return."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(user)")}
    ends_tokens = ", password_changed_at = :end" if "password_changed_at" in columns else ""
    return f"UPDATE user SET active = 0{ends_tokens} WHERE {SAME_PERSON} AND active"  # noqa: S608 - no values in it


def values(user):
    """Tokens carry whole seconds, so those of this second die as well; written the way the server writes times."""
    end = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)  # noqa: UP017
    return {"user": user, "end": end.isoformat(sep=" ", timespec="microseconds")}


def main(path, user, answer, patience):
    try:
        with closing(open_database(path, patience)) as connection:
            print(write(connection, user, int(answer)), flush=True)
    except sqlite3.Error as error:
        print(error, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
