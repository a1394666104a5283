"""Runs inside a box, and copies or checks one database of a tenant's server, which may hold anything.

`python carrying_script.py copy database copy most` or `… check copy most`. It says "done", or "error" and the reason.
"""

import os
import sqlite3
import sys
from contextlib import closing
from urllib.parse import quote

PAGES = 2000  # copied at a time
MAGIC = b"SQLite format 3\0"


def opened(path, how):
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        raise sqlite3.OperationalError(f"{os.path.basename(path)} of the tenant is no database file")
    connection = sqlite3.connect(f"file:{quote(path)}?{how}", uri=True, timeout=30, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def copy(path, to, most):
    """A consistent copy, whole and on the disk before it has its name. One that is there already stays."""
    if os.path.exists(to):
        return
    part = f"{to}.part"
    if os.path.lexists(part):
        os.unlink(part)
    with closing(opened(path, "mode=rw")) as original, closing(sqlite3.connect(part)) as made:
        check_size(original, most)
        original.backup(made, pages=PAGES)
        made.execute("PRAGMA journal_mode = DELETE")
    check(part, most)
    os.chmod(part, 0o600)
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, to)


def check(path, most):
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise sqlite3.DatabaseError("file is not a database")
    with closing(opened(path, "mode=ro&immutable=1")) as connection:
        check_size(connection, most)
        ((found,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged: {found}")


def check_size(connection, most):
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    if pages * size > int(most):
        raise sqlite3.DataError(f"the database has {pages * size // 1024**2} MB, more than may be moved")


OPERATIONS = {"copy": copy, "check": check}


def main(operation, *arguments):
    try:
        OPERATIONS[operation](*arguments)
        print("done", flush=True)
    except (sqlite3.Error, OSError) as error:
        print(f"error {error}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
