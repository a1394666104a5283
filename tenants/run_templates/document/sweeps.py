"""A sweep: up to two values of a document, each with a list or a range, and the documents that come of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from tenants.run_templates.document.drafts import Draft, with_paths
from tenants.run_templates.document.field_rules import CHOSEN_OF, NUMBERS, one_value
from tenants.run_templates.document.form_data import Unreadable
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import Field, Kind

MOST_FIELDS = 2
MOST_VALUES = 1000  # of one field, whatever the setting says
LONGEST_VALUES = 20_000  # characters
NUMBER = r"[-+]?[0-9]{1,15}(?:\.[0-9]{1,15})?"
RANGE = re.compile(rf"({NUMBER})\s+to\s+({NUMBER})(?:\s+step\s+({NUMBER}))?")
TOO_MANY = f"That is more than {MOST_VALUES} values."


@dataclass(frozen=True)
class SweepField:
    """A parameter and the values it takes, each in its own run."""

    field: Field
    values: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        return {"path": self.field.path, "step": self.field.step, "name": self.field.name}


def sweepable(document: Document) -> list[Field]:
    """Parameters with one plain value that is neither locked, hidden nor secret."""
    return [
        entry
        for entry in document.schema.fields
        if entry.kind in {*CHOSEN_OF, Kind.BOOLEAN}
        and not entry.secret
        and not document.rules.lock_of(entry.path)
    ]


def read_values(entry: Field, text: str) -> tuple[Any, ...]:
    """Values one a line, or for numbers "1 to 9 step 2"; each once. Raises Unreadable with a sentence for people."""
    if len(text) > LONGEST_VALUES:
        raise Unreadable("That is too much text.")
    found: list[Any] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        is_range = RANGE.fullmatch(line) if entry.kind in NUMBERS else None
        texts = _numbers(*is_range.groups()) if is_range else [line]
        found += [one_value(entry, one) for one in texts]
        if len(found) > MOST_VALUES:
            raise Unreadable(TOO_MANY)
    values = {(type(value), repr(value)): value for value in found}
    if not values:
        raise Unreadable("Enter at least one value.")
    return tuple(values.values())


def _numbers(start: str, end: str, step: str | None) -> list[str]:
    """From start to end, both included where the steps meet it; exact, so that 0.1 to 0.3 is three numbers."""
    low, high, by = Decimal(start), Decimal(end), Decimal(step or "1")
    if by <= 0 or high < low:
        raise Unreadable("A range goes up: “1 to 9 step 2”.")
    count = int((high - low) / by) + 1
    if count > MOST_VALUES:
        raise Unreadable(TOO_MANY)
    return [f"{low + by * at:f}" for at in range(count)]


def combined(document: Document, fields: Iterable[SweepField]) -> list[Document]:
    """One document for each combination, in the order of the values; each with a run name of its own."""
    fields = [*fields]
    return [
        _named(with_paths(Draft(document), _by_path(fields, values)).parsed, at)
        for at, values in enumerate(product(*[one.values for one in fields]), start=1)
    ]


def _by_path(fields: list[SweepField], values: tuple[Any, ...]) -> dict[str, Any]:
    return {one.field.path: value for one, value in zip(fields, values, strict=True)}


def _named(document: Document, at: int) -> Document:
    """ZenML takes each name once: one without a time gets a number."""
    name = document.values.get("run_name") or document.default.get("run_name")
    is_plain = isinstance(name, str) and "{time}" not in name
    return document.with_values({**document.values, "run_name": f"{name}-{at}"}) if is_plain else document
