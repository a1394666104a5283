"""Changes one thing in the database of a tenant's server, from inside a box.

The database lies in a folder that the tenant's server can write, so no process of ours opens it: a link or a crafted
journal in its place reaches nothing outside of that folder.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tenants.hosting.base import ServerError
from tenants.hosting.local import box

SCRIPT = Path(__file__).with_name("database_script.py")
MOST = 64 * 1024  # characters of an answer
PATIENCE = 2.0  # seconds to wait for the server to finish a write of its own
SECONDS = 20  # for all of it; a schema of the tenant's making might never end


def change(
    database: Path,
    operation: str,
    *arguments: str,
    wanted: Callable[[], bool] = lambda: True,
    isolation: str,
) -> Any:
    """What the operation of database_script.py returns; None when it was no longer wanted.

    `wanted` is asked while no one else can write. The server may run or not. `isolation`: see box.chosen().
    Raises ServerError with the database's words: it is not there, busy, or not one of ZenML.
    """
    if not database.parent.is_dir():
        raise ServerError("unable to open database file")
    reader, writer = os.pipe()
    try:
        with _boxed(database, operation, arguments, reader, isolation) as process:
            said = process.stdout.readline(MOST).strip()
            if said == "locked":
                os.write(writer, b"y" if wanted() else b"n")
                said = process.stdout.read(MOST).strip()
    finally:
        os.close(reader)
        os.close(writer)
    return _result(said)


def _result(said: str) -> Any:
    try:
        return json.loads(said)
    except ValueError as error:
        words = said.removeprefix("error ")[:200] or "it took too long"
        raise ServerError(words) from error


@contextmanager
def _boxed(
    database: Path, operation: str, arguments, reader: int, isolation: str
) -> Iterator[subprocess.Popen]:
    order = json.dumps(_order(database, [str(reader), operation, *arguments], isolation))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(box.launcher("-"), env={}, pass_fds=[reader], **pipes)
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(order)
            process.stdin.close()
        yield process
    finally:
        process.kill()  # its box ends with it
        process.wait()
        process.stdout.close()


def _order(database: Path, words: list[str], isolation: str) -> dict:
    """Plain Python of the system: nothing of a tenant's environment is needed."""
    python = Path(os.path.realpath(sys.executable))
    command = [str(python), "-I", "-S", str(SCRIPT), str(database), str(PATIENCE), *words]
    walls = box.Walls(
        read=[SCRIPT, *box.base_folders(str(python))],
        write=[database.parent],
        limits=box.Limits(seconds=SECONDS),
    )
    return box.document("", command, {}, database.parent, walls, box.chosen(isolation).kind)
