"""From a server's log to one sentence a person understands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tenants.hosting.last_words import explain_attempt
from tenants.hosting.local.launch import MARK

TAIL_BYTES = 256 * 1024


def tail(path: Path, lines: int) -> list[str]:
    """Last lines of a log, oldest first; [] when there is none. Reads at most 256 KB."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


def explain(lines: Sequence[str]) -> str:
    """The cause of the last failed start in these log lines; "" when there is none.

    Looks at the last attempt, and at the one before while the last has not said anything yet.
    """
    for attempt in reversed(attempts(lines)[-2:]):
        if sentence := explain_attempt(attempt):
            return sentence
    return ""


def attempts(lines: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(MARK):
            found.append([])
        else:
            found[-1].append(line)
    return found
