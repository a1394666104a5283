"""What people logged about runs, steps and artifacts, as the pages show it.

`zenml.log_metadata` takes numbers, booleans, texts, URIs, lists and nested dictionaries; over REST they arrive as plain
JSON, so that a URI is a text (rerun.md section 13).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tenants.hosting.answers import line, mapping
from zenpro_site.common.names import without_odd

ENTRIES, LENGTH = 500, 300_000  # values and characters of them on one page
VALUE_LENGTH = 5000  # characters of one value
FOLDED_FROM = 160  # characters; longer values are opened by hand
BEGINNING = 80  # characters of a folded value that are seen
DEPTH = 5  # levels that are shown one below the other; deeper ones as JSON
SIMPLE = (str, int, float, bool, type(None))
ADDRESS = re.compile(r"https?://[!#-;=?-~]+", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A name and its value, or what is nested below it."""

    name: str
    text: str = ""
    link: str = ""  # an http(s) address, else ""
    inner: tuple = ()

    @property
    def beginning(self) -> str:
        """What is seen of a long value; "" for one that is short."""
        return f"{self.text[:BEGINNING]}…" if len(self.text) > FOLDED_FROM or "\n" in self.text else ""


@dataclass
class MetadataReader:
    """Reads metadata for one page, which holds so much of it and no more."""

    entries: int = ENTRIES
    length: int = LENGTH
    unseen: int = field(default=0, init=False)  # values of the uppermost level that had no place

    def read(self, metadata: Any) -> list[Entry]:
        """In the order of their names. Whatever it is: an answer that is no object has no entries."""
        found = []
        for name in sorted(mapping(metadata), key=str):
            if self.entries <= 0 or self.length <= 0:
                self.unseen += 1
            else:
                found.append(self._entry(line(name) or "?", metadata[name], DEPTH))
        return found

    def _entry(self, name: str, value: Any, depth: int) -> Entry:
        self.entries -= 1
        nested = _nested(value) if depth else None
        if nested:
            return Entry(name, inner=self._inner(nested, depth - 1))
        text = _text(value)
        self.length -= len(text)
        return Entry(name, text, _link(value))

    def _inner(self, nested: list[tuple[str, Any]], depth: int) -> tuple[Entry, ...]:
        found = []
        for place, (name, value) in enumerate(nested):
            if self.entries <= 0 or self.length <= 0:
                found.append(Entry("…", f"{len(nested) - place} more"))
                break
            found.append(self._entry(name, value, depth))
        return tuple(found)


def _nested(value: Any) -> list[tuple[str, Any]] | None:
    """What is shown one below the other: objects, and lists that hold more than simple values."""
    if isinstance(value, dict):
        return [(line(name) or "?", one) for name, one in value.items()]
    if isinstance(value, list) and not all(isinstance(one, SIMPLE) for one in value):
        return [(str(number), one) for number, one in enumerate(value, 1)]
    return None


def _text(value: Any) -> str:
    """As people write it: text without quotes, everything else as JSON."""
    if value is None or value in ("", [], {}):
        return "empty"
    if isinstance(value, list) and all(isinstance(one, SIMPLE) for one in value[:VALUE_LENGTH]):
        text = ", ".join(_simple(one) for one in value[:VALUE_LENGTH])
    else:
        text = _simple(value) if isinstance(value, SIMPLE) else _as_json(value)
    return f"{text[:VALUE_LENGTH]}…" if len(text) > VALUE_LENGTH else text


def _simple(value: Any) -> str:
    if isinstance(value, str):
        return without_odd(value[: VALUE_LENGTH + 1])
    return "empty" if value is None else _as_json(value)


def _as_json(value: Any) -> str:
    return without_odd(json.dumps(value, ensure_ascii=False)[: VALUE_LENGTH + 1])


def _link(value: Any) -> str:
    """Addresses of pages alone are links: what gs://, file:// or javascript: would open is not ours to say."""
    if not isinstance(value, str) or len(value) > VALUE_LENGTH or not ADDRESS.fullmatch(value):
        return ""
    try:
        return value if urlsplit(value).hostname else ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class Logged:
    """Metadata of a whole page: [(step or "" for the run, its entries)], and how many had no place."""

    groups: list[tuple[str, list[Entry]]]
    unseen: int


def logged(sources: Iterable[tuple[str, Any]]) -> Logged:
    """`sources`: (name, metadata) of the run and its steps; what has none is left out."""
    reader = MetadataReader()
    read = [(name, reader.read(metadata)) for name, metadata in sources]
    return Logged([(name, entries) for name, entries in read if entries], reader.unseen)
