"""A sweep: up to two values of a document, each with a list or a range, and the documents that come of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice, product
from typing import Any

from tenants.run_templates.document.drafts import Draft, with_paths
from tenants.run_templates.document.field_rules import (
    CHOSEN_OF,
    NUMBERS,
    RulePlace,
    changed_inside,
    one_value,
    places_of,
)
from tenants.run_templates.document.form_data import Unreadable
from tenants.run_templates.document.nodes import value_at
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import Field, Kind

MOST_FIELDS = 2
MOST_PLACES = 1000  # that are offered
MOST_VALUES = 1000  # of one field, whatever the setting says
LONGEST_VALUES = 20_000  # characters
NUMBER = r"[-+]?[0-9]{1,15}(?:\.[0-9]{1,15})?"
RANGE = re.compile(rf"({NUMBER})\s+to\s+({NUMBER})(?:\s+step\s+({NUMBER}))?")
TOO_MANY = f"That is more than {MOST_VALUES} values."


@dataclass(frozen=True)
class SweepField:
    """A parameter, or a value `within` it, and the values it takes, each in its own run."""

    field: Field
    values: tuple[Any, ...]
    within: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return self.field.path, self.within

    @property
    def name(self) -> str:
        return ".".join([self.field.name, *self.within])

    def as_json(self) -> dict[str, Any]:
        """As a sweep keeps it; `name` is for people."""
        inside = {"parameter": self.field.name, "within": [*self.within]} if self.within else {}
        return {"path": self.field.path, "step": self.field.step, "name": self.name, **inside}

    def value_in(self, document: Document) -> Any:
        return value_at(document.by_path[self.field.path], self.within)


def sweepable(document: Document) -> list[RulePlace]:
    """Plain values that are neither locked, hidden nor secret: parameters, and what is inside of models.

    Rows, keys and what may have another shape come and go with the value: they are none.
    """
    places = islice(places_of(document.schema, document.by_path), MOST_PLACES)
    return [one for one in places if _is_plain(one.field) and not document.rules.locks(*one.key)]


def _is_plain(entry: Field) -> bool:
    return entry.kind in {*CHOSEN_OF, Kind.BOOLEAN} and not entry.secret


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
    values: dict[tuple[bool, Any], Any] = {}
    for value in found:  # they are plain; as in JSON 1 is 1.0, but true is not 1
        values.setdefault((isinstance(value, bool), value), value)
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
        _named(with_paths(Draft(document), _by_path(document, fields, values)).parsed, at)
        for at, values in enumerate(product(*[one.values for one in fields]), start=1)
    ]


def _by_path(document: Document, fields: list[SweepField], values: tuple[Any, ...]) -> dict[str, Any]:
    """The parameters' new values; two fields may be inside of the same one."""
    found: dict[str, Any] = {}
    for one, value in zip(fields, values, strict=True):
        path = one.field.path
        whole = found[path] if path in found else document.by_path.get(path)
        found[path] = changed_inside(whole, one.within, value)
    return found


def _named(document: Document, at: int) -> Document:
    """ZenML takes each name once: one without a time gets a number."""
    name = document.values.get("run_name") or document.default.get("run_name")
    is_plain = isinstance(name, str) and "{time}" not in name
    return document.with_values({**document.values, "run_name": f"{name}-{at}"}) if is_plain else document
