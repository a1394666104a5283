"""The log of a step: one window of it for the page, searched and filtered, or why there is none.

The page gets at most LOG_LINES lines, whatever the log has; the address says which (`line`), what is looked for (`q`)
and how grave a line must be (`level`). Lines are numbered from 1, as people count them, also when some are left out.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.html import format_html, format_html_join

from tenants.hosting.base import TenantBusy, TenantError, TenantRefused, TenantUnreachable
from tenants.runs.artifact_places import in_words
from tenants.runs.client import LogLine
from zenpro_site.common.names import without_odd

COLORS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
LINE_LENGTH = 10_000  # characters of one line of a log
LOG_LINES, LOG_LENGTH = 500, 300_000  # lines and characters in one window
HITS = 10_000  # that are counted
MARKS = 50  # hits shown in one line
LEVELS = {"warning": 30, "error": 40}
COLOURS = ((40, "err"), (30, "wrn"), (20, ""))  # of lines, by their least level
QUERY_LENGTH = 200
LARGEST_LINE = 10**9
EARLIER = {"cached": "Cached", "skipped": "Skipped"}  # steps that hand on what an earlier run saved

Lines = Sequence[LogLine]


@dataclass(frozen=True)
class LogChoice:
    """What the address asks of a log."""

    q: str = ""
    level: str = ""  # of LEVELS, "" for all
    line: int = 0  # the window holds this one; 0 for the end, or the first hit
    wrap: bool = True

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "LogChoice":
        """Whatever makes no sense is left out."""
        number, level = asked.get("line", ""), asked.get("level", "")
        line = int(number) if number.isascii() and number.isdecimal() and len(number) < 11 else 0
        return cls(
            q=asked.get("q", "")[:QUERY_LENGTH].strip(),
            level=level if level in LEVELS else "",
            line=min(line, LARGEST_LINE),
            wrap=asked.get("wrap") != "off",
        )

    def passes(self, line: LogLine) -> bool:
        return line.level >= LEVELS.get(self.level, 0)

    def finds(self, line: LogLine) -> bool:
        return bool(self.q) and self.q.lower() in line.message.lower()


@dataclass(frozen=True)
class LogRow:
    """A line as the page shows it."""

    number: int
    message: str
    level: int
    time: datetime | None
    parts: tuple[tuple[str, bool], ...] = ()  # of the message, with whether each is what was looked for
    is_current: bool = False

    @property
    def css(self) -> str:
        level = next((css for least, css in COLOURS if self.level >= least), "dim")
        return f"{level} current".strip() if self.is_current else level

    @property
    def marked(self) -> str:
        """HTML of the message, what was looked for marked."""
        parts = self.parts or ((self.message, False),)
        return format_html_join(
            "", "{}", ((format_html("<mark>{}</mark>", text) if found else text,) for text, found in parts)
        )


@dataclass(frozen=True)
class LogPane:
    """A window of the chosen step's output; `note` says why there is none, or whose it is."""

    lines: list[LogRow] = field(default_factory=list)
    note: str = ""
    step_id: UUID | None = None  # whose output it is: that of the original for a cached step
    total: int = 0  # lines of the log
    passing: int = 0  # of them, those of the chosen level
    hits: int = 0
    hit: int = 0  # which of them the window is about, from 1
    previous_hit: int = 0  # its line
    next_hit: int = 0
    earlier: int = 0  # a line in the window before this one; 0 when it begins the log
    later: int = 0

    @property
    def first(self) -> int:
        return self.lines[0].number if self.lines else 1

    @property
    def last(self) -> int:
        return self.lines[-1].number if self.lines else 0

    @property
    def text(self) -> str:
        return "\n".join(line.message for line in self.lines)


def read_log(
    read: Callable[[UUID], Lines], step, original: UUID | None, choice: LogChoice | None = None
) -> LogPane:
    """The window of the log of a StepRow, or why there is none: a log that the server cannot reach must not take the
    page with it (rerun §9). `original` is the step whose result a cached one took."""
    try:
        return _log(read, step, original, choice or LogChoice())
    except TenantRefused as refused:
        if "outside of artifact store" in refused.reason:
            return LogPane(note="The log stayed on the computer where the pipeline was run.")
        return _unreadable(refused)
    except (TenantUnreachable, TenantBusy) as silent:
        return _unreadable(silent)


def _unreadable(error: TenantError) -> LogPane:
    return LogPane(note=f"The log cannot be read: {in_words(error.reason)}")


def _log(read, step, original: UUID | None, choice: LogChoice) -> LogPane:
    if step is None:
        return LogPane(note="This run has no steps.")
    if step.id is None:
        note = "This step has not started yet." if step.status == "waiting" else "This step was not run."
        return LogPane(note=note)
    if step.status in EARLIER:
        return _earlier_log(read, original or step.id, choice, EARLIER[step.status])
    empty = "No output yet." if step.status == "running" else "No output."
    lines = read(step.id)
    return window(lines, choice, step.id, getattr(lines, "note", "")) if lines else LogPane(note=empty)


def _earlier_log(read, original: UUID, choice: LogChoice, word: str) -> LogPane:
    lines = read(original)
    if not lines:
        return LogPane(note=f"{word}: the result comes from an earlier run, so there is no output.")
    note = f"{word}: this is the output of the step that produced the result."
    return window(lines, choice, original, note)


# -- window


def window(lines: Lines, choice: LogChoice, step_id: UUID | None = None, note: str = "") -> LogPane:
    """The part of a log that the page shows. Without a search and a level only that part is looked at."""
    numbers, hits = _chosen(lines, choice) if choice.level or choice.q else (range(len(lines)), [])
    wanted = choice.line - 1 if choice.line else next(iter(hits), len(lines) - 1)
    start, rows = _around(lines, numbers, wanted, choice)
    before, after = numbers[:start], numbers[start + len(rows) :]
    return LogPane(
        lines=rows,
        note=note,
        step_id=step_id,
        total=len(lines),
        passing=len(numbers),
        earlier=before[-min(LOG_LINES // 2, len(before))] + 1 if before else 0,
        later=after[min(LOG_LINES // 2, len(after)) - 1] + 1 if after else 0,
        **_place_among(hits, wanted),
    )


def _chosen(lines: Lines, choice: LogChoice) -> tuple[list[int], list[int]]:
    """(lines of the chosen level, the first of them with what is looked for). Each is read once, and none is kept."""
    numbers: list[int] = []
    hits: list[int] = []
    for number in range(len(lines)):
        line = lines[number]
        if choice.passes(line):
            numbers.append(number)
            if len(hits) < HITS and choice.finds(line):
                hits.append(number)
    return numbers, hits


def _place_among(hits: list[int], wanted: int) -> dict[str, int]:
    """The hit at the wanted line, else the next one, and its neighbours; both ends lead to each other."""
    if not hits:
        return {}
    place = bisect_left(hits, wanted) % len(hits)
    around = hits[place - 1], hits[(place + 1) % len(hits)]
    return {"hits": len(hits), "hit": place + 1, "previous_hit": around[0] + 1, "next_hit": around[1] + 1}


def _around(lines: Lines, numbers: Sequence[int], wanted: int, choice: LogChoice) -> tuple[int, list[LogRow]]:
    """(place of the first, rows): as many lines around the wanted one as fit onto a page."""
    centre = min(bisect_left(numbers, wanted), max(len(numbers) - 1, 0))
    start = max(min(centre - LOG_LINES // 2, len(numbers) - LOG_LINES), 0)
    rows = [_row(number, lines[number], wanted, choice) for number in numbers[start : start + LOG_LINES]]
    kept = _that_fit([len(row.message) + 1 for row in rows], centre - start)
    return start + kept.start, rows[kept.start : kept.stop]


def _that_fit(lengths: list[int], centre: int) -> range:
    """Which of these fit together, those next to the middle one first."""
    first = last = centre
    room = LOG_LENGTH - sum(lengths[centre : centre + 1])
    while first > 0 or last < len(lengths) - 1:
        room -= (lengths[first - 1] if first else 0) + (lengths[last + 1] if last < len(lengths) - 1 else 0)
        if room < 0:
            break
        first, last = max(first - 1, 0), min(last + 1, len(lengths) - 1)
    return range(first, min(last + 1, len(lengths)))


def _row(number: int, line: LogLine, wanted: int, choice: LogChoice) -> LogRow:
    message = shown(line.message)
    found = choice.finds(line)
    parts = _parts(message, choice.q.lower()) if found else ()
    return LogRow(
        number + 1, message, line.level, line.time, parts, bool(choice.line or found) and number == wanted
    )


def shown(message: str) -> str:
    """Without colors, and without what would make the page say something else; the download has all of it."""
    text = message[:LINE_LENGTH]
    text = text if text.isprintable() else without_odd(COLORS.sub("", text))
    return f"{text}…" if len(message) > LINE_LENGTH else text


def _parts(text: str, wanted: str) -> tuple[tuple[str, bool], ...]:
    """The text cut where what is looked for begins and ends; () where lower case has another length."""
    lower, parts, place = text.lower(), [], 0
    if len(lower) != len(text):
        return ()
    while len(parts) < 2 * MARKS and (found := lower.find(wanted, place)) >= 0:
        parts += [(text[place:found], False), (text[found : found + len(wanted)], True)]
        place = found + len(wanted)
    return (*parts, (text[place:], False)) if parts else ()
