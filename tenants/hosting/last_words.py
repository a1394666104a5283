"""The words in which a server's log says why it ended, and one sentence for people in their place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tenants.hosting.base import UNREACHABLE

LINE_LENGTH = 300
LONGEST = 2000  # characters of a line that are read: some patterns take time in the square of them
LAST_WORDS = 200  # lines before the end; what went wrong days earlier did not end the server

# First match wins, so the cause comes before what follows from it.
CAUSES = [
    (r"(Port \d+ on \S+ is taken by another program)", r"\1."),
    (r"address already in use", "The server's port is taken by another program."),
    (r"(The folder .+ cannot be used: .+)", r"\1"),
    (r"bwrap: Can't find source path ([^\n:]+): (.+)", r"The folder \1 cannot be used: \2."),
    (r"No space left on device|database or disk is full", "The disk is full."),
    (r"unable to open database file|readonly database", "The server cannot open its database file."),
    (r"database disk image is malformed|file is not a database", "The server's database file is damaged."),
    (r"Can't locate revision|Database migration failed|Error while running migrat|alembic\S*\.CommandError",
     "The database could not be brought to this ZenML version."),
    (r"(?:Cloud API|zenml pro service).*\b(?:401|403) Client Error",
     "ZenPro did not accept this server: its secret is wrong."),
    (r"(?:Cloud API|zenml pro service).*\b(\d{3} (?:Client|Server) Error)", r"ZenPro answered this server with \1."),
    (r"(?:Cloud API|zenml pro service)", UNREACHABLE),
    (r"MemoryError|Cannot allocate memory", "The machine has no memory left."),
    (r"No module named '?([\w.]+)", r"The Python environment of this version is incomplete: \1 is missing."),
]  # fmt: skip


def explain_attempt(lines: Sequence[str]) -> str:
    lines = [line[:LONGEST] for line in lines[-LAST_WORDS:]]
    text = "\n".join(lines)
    for pattern, sentence in CAUSES:
        if found := re.search(pattern, text, re.IGNORECASE):
            return found.expand(sentence)
    return last_error(lines)


def last_error(lines: Sequence[str]) -> str:
    """The last line that looks like an exception or an error, without its decoration."""
    wanted = re.compile(r"^(?:ERROR:?\s+)?([\w.]*(?:Error|Exception|NotValid)\b.*|(?:ERROR|CRITICAL)\b.*)")
    for line in reversed(lines):
        if (found := wanted.match(line.strip())) and "Application startup failed" not in line:
            return found.group(1)[:LINE_LENGTH]
    return ""
