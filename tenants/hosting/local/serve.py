"""Starts the unmodified ZenML server inside its box: `python -I serve.py host port`.

Its secrets come once, through a pipe: they never stand in the environment the process began with, which its own
API could be made to read as a file (/proc/self/environ), and when they have been read they are nowhere else.
"""

import gc
import importlib
import json
import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID, uuid4

SECRETS_FD = "ZENPRO_SECRETS_FD"
EMPTY_DATABASE = "ZENPRO_EMPTY_DATABASE"  # names the file that a new tenant begins with
SERVER_ID = "ZENML_SERVER_PRO_WORKSPACE_ID"
IDS, TIMES = "CHAR(32)", "DATETIME"  # types of columns
PATIENCE = 5  # seconds for what an earlier server left behind

# Our own health checks would fill the log; the server turns uvicorn's --no-access-log back on, but not this.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn.access": {"level": "WARNING"}},
}


def take_secrets():
    """Into this process's variables, where ZenML looks for them. It starts no other program that would inherit them."""
    number = os.environ.pop(SECRETS_FD, "")
    if number:
        with os.fdopen(int(number)) as pipe:
            os.environ.update(json.load(pipe))


def begin(prepared, address, server):
    """Put a copy of the empty database of this version where a new tenant's will be. `server`: its id.

    Whatever goes wrong, the server makes its tables itself. A database that is there, or the journal of one, is never
    touched.
    """
    path = address.removeprefix("sqlite:///")
    if not prepared or path == address or any(map(os.path.lexists, (path, f"{path}-journal", f"{path}-wal"))):
        return
    try:
        put(copied(prepared, UUID(server)), path)
    except Exception as error:  # noqa: BLE001 - none of them may keep a server from starting
        print(f"This server makes its tables itself: {error}", flush=True)


def copied(prepared, server):
    """The bytes of a copy with ids and times of its own. Raises OSError, ValueError, sqlite3.Error."""
    source = sqlite3.connect(f"file:{quote(prepared)}?mode=ro&immutable=1", uri=True)
    with closing(source), closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA trusted_schema = OFF")
        copy.execute("BEGIN")
        renew(copy, server)
        copy.execute("COMMIT")
        check(copy)
        return copy.serialize()


def renew(copy, server):
    """Every id, wherever it stands, and every time: moved, so that what came first stays first."""
    found = list(cells(copy))
    ids = {value: uuid4().hex for _, column, _, kind, value in found if kind == IDS and column == "id"}
    ((own,),) = copy.execute("SELECT id FROM server_settings")
    ids[own] = server.hex
    times = {value: datetime.fromisoformat(value) for *_, kind, value in found if kind == TIMES}
    late = datetime.now(UTC).replace(tzinfo=None) - max(times.values())
    news = ids | {
        old: (moment + late).isoformat(sep=" ", timespec="microseconds") for old, moment in times.items()
    }
    for table, column, row, _, value in found:
        values = (news.get(value, value), row)
        copy.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', values)  # noqa: S608


def cells(copy):
    """(table, column, row, type, value) of all that hold an id or a time."""
    for (table,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for _, column, kind, *_ in copy.execute(f'PRAGMA table_info("{table}")').fetchall():
            if kind in (IDS, TIMES):
                query = f'SELECT rowid, ?, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608
                yield from ((table, column, *row) for row in copy.execute(query, (kind,)).fetchall())


def check(copy):
    """Raises ValueError."""
    faults = copy.execute("PRAGMA foreign_key_check").fetchall()
    if faults or copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        raise ValueError("the copy is not whole")


def put(content, path):
    """Whole or not at all. Raises OSError."""
    beside = f"{path}.copy"
    with suppress(FileNotFoundError):
        os.unlink(beside)  # of a server that was killed
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(beside, path)


def forget_interrupted(address):
    """Forget requests during which the last server of this database was killed. Whoever repeats one would be told for
    ever to try again later (ZenML 0.98, zen_server/request_management.py: 429 until it is completed), and their run
    would fail.
    """
    path, until = address.removeprefix("sqlite:///"), time.monotonic() + PATIENCE
    if not os.path.isfile(path):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=PATIENCE)) as database, database:
        database.set_progress_handler(lambda: time.monotonic() > until, 10_000)  # of a schema that never ends
        database.execute("DELETE FROM api_transaction WHERE NOT completed")


def load():
    """The server's application. What it brings stays for ever, so that nobody has to look through it for garbage."""
    module = importlib.import_module("zenml.zen_server.zen_server_api")
    gc.freeze()
    gc.enable()
    return module.app


def main(host, port):
    take_secrets()
    gc.disable()  # a sixth of the time that loading takes, and there is nothing to find
    run(load, host, port)


def run(application, host, port):
    """Until the server is told to end. `application`: makes it."""
    address = os.environ.get("ZENML_STORE_URL", "")
    begin(os.environ.pop(EMPTY_DATABASE, ""), address, os.environ.get(SERVER_ID, ""))
    forget_interrupted(address)
    uvicorn = importlib.import_module("uvicorn")  # of the server's environment, not of ours
    about = {"log_config": LOGGING, "timeout_graceful_shutdown": 8}
    uvicorn.run(application, factory=True, host=host, port=int(port), **about)


if __name__ == "__main__":
    main(*sys.argv[1:])
