"""Between the text of a form and the values of a configuration document.

Inputs are named by the path of their field ("steps.train.parameters.kind"); beside it `<path>.none` ("No value")
may be posted for a field that may be null. What a form does not post stays as in the document it began with.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from .configuration import Problem, tag_names, value_of
from .schema import Description, Field, Kind, mapping

NONE = ".none"
INTEGER = re.compile(r"[+-]?[0-9]{1,30}(\.0{1,30})?")
NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ON, OFF = {"true", "on", "1", "yes"}, {"false", "off", "0", "no"}
Raw = str | list[str]


class Unreadable(ValueError):
    """Text that cannot become a value of its field; the message is for people."""


@dataclass(frozen=True)
class Submission:
    """`document` holds the text itself where it could not be read; `raw` refills the form as it was sent."""

    document: dict[str, Any]
    raw: dict[str, Raw]
    problems: list[Problem]


def initial(description: Description, document: Mapping[str, Any]) -> dict[str, Raw]:
    """The text of every input for a document: path -> text, for lists a list of texts."""
    raw: dict[str, Raw] = {
        "run_name": _as_text(document.get("run_name")),
        "enable_cache": "false" if document.get("enable_cache") is False else "true",
        "tags": ", ".join(tag_names(document.get("tags"))),
        "extra": _as_json(document.get("extra") or {}),
    }
    for entry in description.fields:
        value = value_of(document, entry)
        raw[entry.path] = to_raw(entry, value)
        if entry.nullable:
            raw[entry.path + NONE] = "on" if value is None else ""
    return raw


def parse_form(description: Description, data: Mapping[str, Any], base: Mapping[str, Any]) -> Submission:
    """The document a form makes of `base`, the document it was filled from (the template's default, or YAML).

    `data` is a QueryDict or a plain mapping. Never raises; whether values are in range is for validate().
    """
    document, raw, problems = deepcopy(dict(base)), {}, []
    for path, read in _general(data, base):
        _take(path, read, data, document, raw, problems)
    for entry in description.fields:
        posted = _posted(entry, data)
        if posted is None:
            continue
        raw[entry.path] = posted
        none = any(_texts(data, entry.path + NONE))
        if entry.nullable:
            raw[entry.path + NONE] = "on" if none else ""
        try:
            value = None if none and entry.nullable else parse(entry, posted, value_of(base, entry))
        except Unreadable as error:
            value = posted
            problems.append(Problem(entry.path, str(error)))
        _put(document, entry, value)
    return Submission(document, raw, problems)


def parse(entry: Field, posted: Raw, current: Any = None) -> Any:
    """The JSON value of a posted text. Raises Unreadable.

    Text that is just how `current` or the recorded value is shown means that very value.
    """
    for value in (current, entry.default):
        if _same_text(posted, to_raw(entry, value)):
            return value
    if entry.kind == Kind.LIST:
        return _list(entry, posted if isinstance(posted, list) else [posted])
    text = posted if isinstance(posted, str) else "\n".join(posted)
    if entry.nullable and not text.strip():
        return None
    return READERS[entry.kind](entry, text)


def to_raw(entry: Field, value: Any) -> Raw:
    """The text that shows a value in its input."""
    if entry.kind == Kind.LIST and (value is None or isinstance(value, list)):
        return [_as_text(item) for item in value or []]
    if entry.kind == Kind.JSON:
        return "" if value is None and entry.nullable else _as_json(value)
    return _as_text(value)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _same_text(one: Raw, other: Raw) -> bool:
    """Browsers send the line ends of a text as CR LF, and lists as items or as lines of one text."""
    if isinstance(one, list) and isinstance(other, list):
        return _lines(one) == _lines(other)
    return isinstance(one, str) and isinstance(other, str) and _unix(one) == _unix(other)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _lines(texts: list[str]) -> list[str]:
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def _texts(data: Mapping[str, Any], name: str) -> list[str]:
    """All texts posted under a name, from a QueryDict or a plain mapping."""
    values = data.getlist(name) if hasattr(data, "getlist") else data.get(name, [])
    return [value for value in ([values] if isinstance(values, str) else values) if isinstance(value, str)]


def _posted(entry: Field, data: Mapping[str, Any]) -> Raw | None:
    """None when the field was not in the form. A box that is not ticked, or a list of choices without any, posts nothing."""
    texts = _texts(data, entry.path)
    if entry.kind == Kind.LIST:
        return texts if entry.path in data or entry.choices else None
    if texts:
        return texts[-1]  # a hidden "false" may stand before a box
    if entry.kind == Kind.BOOLEAN and not entry.nullable:
        return "false"
    return "" if any(_texts(data, entry.path + NONE)) else None


def _put(document: dict[str, Any], entry: Field, value: Any) -> None:
    holder = document
    for key in ("steps", entry.step, "parameters") if entry.step else ("parameters",):
        holder[key] = mapping(holder.get(key))
        holder = holder[key]
    holder[entry.name] = value


# Run name, cache switch, tags and extra; the cache switch of steps


def _general(data, base) -> Iterator[tuple[str, Callable[[str, Any], Any]]]:
    yield "run_name", lambda text, now: text.strip() or now
    yield "enable_cache", _switch
    yield "tags", _tags
    yield "extra", lambda text, now: _object(text) if text.strip() else {}
    for name in mapping(base.get("steps")):
        yield f"steps.{name}.enable_cache", _switch


def _take(path, read, data, document, raw, problems) -> None:
    texts = _texts(data, path)
    if not texts:
        return
    raw[path] = texts[-1]
    *where, key = path.rsplit(".", 1)
    holder = document["steps"][where[0].removeprefix("steps.")] if where else document
    if not isinstance(holder, dict):
        return
    try:
        value = read(texts[-1], holder.get(key))
    except Unreadable as error:
        value = texts[-1]
        problems.append(Problem(path, str(error)))
    if value is not None or key in holder:
        holder[key] = value


def _switch(text: str, now: Any) -> bool | None:
    """A cache that is not switched off is on: that is no change."""
    word = text.strip().lower()
    if word in ON:
        return True if now is False else now
    if word in OFF:
        return False
    if word:
        raise Unreadable("Choose on or off.")
    return now


def _tags(text: str, now: Any) -> list[str]:
    return list(dict.fromkeys(filter(None, (tag.strip() for tag in re.split(r"[,\n]", text)))))


# One reader a kind


def _integer(entry: Field, text: str) -> int:
    if not INTEGER.fullmatch(text.strip()):
        raise Unreadable(f"Enter a whole number{_limits(entry)}.")
    return int(text.strip().partition(".")[0])


def _number(entry: Field, text: str) -> int | float:
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise Unreadable(f"Enter a number{_limits(entry)}.")
    number = float(text)
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,15}", text) else number


def _limits(entry: Field) -> str:
    bounds = entry.bounds
    return f" {bounds}" if bounds.startswith(("from", "between")) else f" that is {bounds}" if bounds else ""


def _boolean(entry: Field, text: str) -> bool:
    word = text.strip().lower()
    if word not in ON | OFF:
        raise Unreadable("Choose on or off.")
    return word in ON


def _choice(entry: Field, text: str) -> Any:
    for option in entry.choices:
        if option.raw == text:
            return option.value
    raise Unreadable(f"Choose one of {', '.join(option.label for option in entry.choices)}.")


def _date(entry: Field, text: str) -> str:
    try:
        if DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        pass
    raise Unreadable("Enter a date like 2026-11-23.")


def _datetime(entry: Field, text: str) -> str:
    try:
        if len(text.strip()) > 10:
            return datetime.fromisoformat(text.strip()).isoformat()
    except ValueError:
        pass
    raise Unreadable("Enter a date and time like 2026-11-23T14:30:00.")


def _list(entry: Field, texts: list[str]) -> list[Any]:
    read, items = READERS[entry.item_kind], []
    for number, line in enumerate(_lines(texts), start=1):
        try:
            items.append(read(entry, line))
        except Unreadable as error:
            raise Unreadable(f"Line {number}: {error}") from error
    return items


def _object(text: str) -> Any:
    """JSON text, without doubled keys and without NaN. Raises Unreadable."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"This is not JSON: {error.msg} ({place}).") from error
    except RecursionError as error:
        raise Unreadable("The JSON is nested too deeply.") from error
    except Unreadable:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable("The JSON holds a number that is too large.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("The JSON holds the same key twice.")
    return found


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is not a number that JSON knows.")


READERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.STRING: lambda entry, text: _unix(text),
    Kind.BOOLEAN: _boolean,
    Kind.ENUM: _choice,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.JSON: lambda entry, text: _object(text),
}
