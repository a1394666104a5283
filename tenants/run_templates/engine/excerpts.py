"""A few lines of frozen code around the one where a run failed."""

import os
import stat
from typing import NamedTuple

from tenants.runs.step_failures import CodeLine
from zenpro_site.common.names import without_odd

from .code import CodeError
from .stored_code import present

BEFORE, AFTER = 2, 1
LARGEST = 1024**2  # bytes of a file that is read
LONGEST = 200  # characters of a line


class ExcerptLine(NamedTuple):
    """One line of a file; `is_it`: the one that is looked for."""

    number: int
    text: str
    is_it: bool


def excerpt(code_hash: str, place: CodeLine) -> list[ExcerptLine]:
    """The line with those around it; [] where the code has no such file or line. What a traceback says is hostile."""
    lines = _text(code_hash, place.file).splitlines()
    if not 0 < place.number <= len(lines):
        return []
    first = max(place.number - BEFORE, 1)
    return [
        ExcerptLine(number, without_odd(text[:LONGEST]), number == place.number)
        for number, text in enumerate(lines[first - 1 : place.number + AFTER], first)
    ]


def _text(code_hash: str, path: str) -> str:
    """Of a file of the code, and of no other: links lead nowhere, and neither do dots."""
    try:
        home = os.path.realpath(present(code_hash))
    except CodeError:
        return ""
    real = os.path.realpath(os.path.join(home, path))
    if not real.startswith(f"{home}{os.sep}"):
        return ""
    try:
        with open(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            info = os.fstat(file.fileno())
            readable = stat.S_ISREG(info.st_mode) and info.st_size <= LARGEST
            return file.read(LARGEST).decode(errors="replace") if readable else ""
    except (OSError, ValueError):
        return ""
