"""Events as a file, line by line: however long the log, few events are in memory."""

import csv
import json
from collections.abc import Iterable, Iterator

from .models import AuditEvent
from .sentences import plain
from .verify import in_chunks

# What spreadsheets take for the beginning of a formula, or skip before one.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FIELDS = (
    "number",
    "at",
    "sentence",
    "actor_label",
    "actor_key",
    "action",
    "target_type",
    "target_id",
    "target_label",
    "outcome",
    "via",
    "ip",
    "request_id",
    "before",
    "after",
    "uuid",
    "organization_key",
    "previous_hash",
    "hash",
)


def as_csv(events) -> Iterator[str]:
    """Header and one record an event, oldest first."""
    writer = csv.writer(Echo())
    yield writer.writerow(FIELDS)
    for row in _rows(events):
        yield writer.writerow([cell(value) for value in row.values()])


def as_json_lines(events) -> Iterator[str]:
    """One JSON object a line, oldest first."""
    for row in _rows(events):
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _rows(events: Iterable[AuditEvent]) -> Iterator[dict]:
    for event in in_chunks(events):
        row = {name: getattr(event, name, "") for name in FIELDS}
        words = {"at": event.at.isoformat(), "sentence": plain(event), "uuid": str(event.uuid)}
        yield {**row, **words}


def cell(value) -> str:
    """A value as text that no spreadsheet takes for a formula."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


class Echo:
    """What csv writes to: hands each line on instead of keeping it."""

    def write(self, line: str) -> str:
        return line
