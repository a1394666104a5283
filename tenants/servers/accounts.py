"""Switching off a person's account in the database of a tenant's server (protocol §13.3).

The database lies in a folder that the tenant's server can write, so it is opened in a box that sees only that folder:
a link or a crafted journal in its place reaches nothing of ours.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from tenants.servers import box
from tenants.servers.base import ServerError

SCRIPT = Path(__file__).with_name("account_script.py")
PATIENCE = 2.0  # seconds to wait for the server to finish a write of its own
SECONDS = 20  # for all of it; a schema of the tenant's making might never end


def switch_off(database: Path, user_id: UUID, still_out: Callable[[], bool], isolation: str = "") -> bool:
    """Make the account inactive: the server answers all its tokens with 401 from now on. True when that is done.

    `still_out` is asked while nobody else can write: a server that lets the person in again either has written that
    already, and then their right is seen, or writes it after us and makes the account active again.

    The server may run or not; nothing but this one row is touched, in one short transaction. False when `still_out`
    says so. `isolation`: see box.chosen(). Raises ServerError when the database is not there, is busy, or is not
    one of ZenML.
    """
    if not database.parent.is_dir():
        raise ServerError("The account could not be switched off: unable to open database file.")
    reader, writer = os.pipe()
    try:
        with _boxed(database, user_id, reader, isolation) as process:
            said = process.stdout.readline().strip()
            if said == "locked":
                os.write(writer, b"y" if still_out() else b"n")
                said = process.stdout.read().strip()
    finally:
        os.close(reader)
        os.close(writer)
    if said not in ("done", "kept"):
        raise ServerError(f"The account could not be switched off: {said[:200] or 'it took too long'}.")
    return said == "done"


@contextmanager
def _boxed(database: Path, user_id: UUID, reader: int, isolation: str):
    order = json.dumps(_order(database, user_id, reader, isolation))
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


def _order(database: Path, user_id: UUID, reader: int, isolation: str) -> dict:
    """Plain Python of the system: nothing of a tenant's environment is needed."""
    python = Path(os.path.realpath(sys.executable))
    about = [quote(str(database)), user_id.hex, str(reader), str(PATIENCE)]
    command = [str(python), "-I", "-S", str(SCRIPT), *about]
    walls = box.Walls(
        read=[SCRIPT, *box.python_folders(python)[1:]],
        write=[database.parent],
        limits=box.Limits(seconds=SECONDS),
    )
    return box.document("", command, {}, database.parent, walls, box.chosen(isolation).kind)
