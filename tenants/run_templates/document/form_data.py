"""Between the text of a form and the values of a configuration document.

Inputs are named by the path of their field ("steps.train.parameters.kind"); beside it `<path>.none` ("No value") may be
posted for a field that may be null. A value that its input could not give back byte for byte is shown as JSON, in an
input named `<path>.json`. What a form does not post stays as in the document it began with.
"""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from tenants.run_templates.document.configuration import MAX_VALUES
from tenants.run_templates.document.schema import (
    AS_JSON,
    MAX_DEPTH,
    NONE,
    Choice,
    Field,
    Kind,
    measure,
)

INTEGER = re.compile(r"[+-]?[0-9]{1,30}(\.0{1,30})?")
NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ON, OFF = {"true", "on", "1", "yes"}, {"false", "off", "0", "no"}
KEPT = "="  # sent for a choice that is none of those allowed: the value the form began with
NUMBERS = {Kind.INTEGER, Kind.NUMBER}
MOST_LABELS = 20
LINE = {*NUMBERS, Kind.DATE, Kind.DATETIME}  # kinds that an empty input has no value of
SWALLOWED = re.compile("[\0\r\ud800-\udfff]")  # no browser sends these back as they are
Raw = str | list[str]
Sent = dict[str, list[str]]


class Unreadable(ValueError):
    """Text that cannot become a value of its field; the message is for people."""


def inputs(entry: Field, value: Any) -> dict[str, Raw]:
    """The inputs of one field: name -> text."""
    raw: dict[str, Raw] = {}
    if is_plain(entry, value):
        raw[entry.path] = to_raw(entry, value)
    else:
        raw[entry.path + AS_JSON] = as_text(value)
    if entry.nullable:
        raw[entry.path + NONE] = "on" if value is None else ""
    return raw


def read_text(name: str, entry: Field, posted: Raw, current: Any) -> Any:
    """The value of what was posted under a name, as JSON or as its kind is written. Raises Unreadable."""
    if name != entry.path or entry.kind == Kind.JSON:
        return _json(posted, current, entry)
    return parse(entry, posted, current)


def _json(posted: Raw, current: Any, entry: Field) -> Any:
    """The value of JSON text; text that is how the current or the recorded value is shown means that very value."""
    text = posted if isinstance(posted, str) else "\n".join(posted)
    for value in (current, entry.default):
        if _unix(text) == _unix(as_text(value)):
            return value
    return read_json(text)


def parse(entry: Field, posted: Raw, current: Any = None) -> Any:
    """The JSON value of a posted text. Raises Unreadable.

    Nothing but a number or a date is empty: an empty text is a text. No text at all means null, which only
    `<path>.none` can say, or the "No value" of a list of choices.
    """
    if entry.kind == Kind.LIST:
        return _list(entry, posted if isinstance(posted, list) else [posted])
    text = posted if isinstance(posted, str) else "\n".join(posted)
    if entry.kind == Kind.ENUM:
        return _choice(entry, text, current)
    if entry.kind in LINE:
        for value in (current, entry.default):
            if (text or not entry.nullable) and is_plain(entry, value) and text == to_raw(entry, value):
                return value
    if entry.nullable and entry.kind == Kind.BOOLEAN and not text:
        return None
    return READERS[entry.kind](entry, text)


def to_raw(entry: Field, value: Any) -> Raw:
    """The text that shows a value in its input, if it is a plain one."""
    if entry.kind == Kind.LIST:
        return _items_to_raw(entry, value or [])
    if entry.kind == Kind.ENUM:
        chosen = chosen_of(entry, value)
        return chosen.raw if chosen else "" if value is None and entry.nullable else KEPT
    if entry.kind == Kind.JSON:
        return "" if value is None and entry.nullable else as_text(value)
    return _as_text(value)


def _items_to_raw(entry: Field, items: list[Any]) -> list[str]:
    if not entry.choices:
        return [_as_text(item) for item in items]
    return [choice.raw for choice in (chosen_of(entry, item) for item in items) if choice]


def chosen_of(entry: Field, value: Any) -> Choice | None:
    """The choice that is exactly this value."""
    return None if isinstance(value, dict | list) else entry.choice_of.get((type(value), repr(value)))


def exactly(one: Any, other: Any) -> bool:
    """Equal, and written alike."""
    return type(one) is type(other) and repr(one) == repr(other)


# -- what an input gives back byte for byte


def is_plain(entry: Field, value: Any) -> bool:
    """Does the input of this kind of field give the value back as it is, whatever the browser does to texts?"""
    if value is None:
        return entry.nullable or entry.kind in LINE or entry.kind in (Kind.ENUM, Kind.JSON)
    return PLAIN[entry.kind](entry, value)


def _is_plain_text(entry: Field, value: Any) -> bool:
    return isinstance(value, str) and not SWALLOWED.search(value)


def _is_plain_line(entry: Field, value: Any) -> bool:
    return _is_plain_text(entry, value) and "\n" not in value and bool(value)


def _is_plain_number(entry: Field, value: Any) -> bool:
    """Not infinity, which no text of a number says, and not a text that looks like a number."""
    if isinstance(value, str):
        return _is_plain_line(entry, value) and not _is_read(entry, value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value - value == 0


def _is_read(entry: Field, text: str) -> bool:
    try:
        READERS[entry.kind](entry, text)
    except Unreadable:
        return False
    return True


def _is_plain_list(entry: Field, value: Any) -> bool:
    if not isinstance(value, list):
        return False
    if entry.choices:
        places = [chosen_of(entry, item) for item in value] if len(value) <= len(entry.choices) else [None]
        order = [int(choice.raw) for choice in places if choice]
        return len(order) == len(places) and order == sorted({*order})
    return all(_comes_back(entry, item) for item in value)


def _comes_back(entry: Field, item: Any) -> bool:
    """One item of a list, as a line of text and read again."""
    text = _as_text(item)
    if SWALLOWED.search(text) or _lines([text]) != [text] or text != text.strip("\ufeff"):
        return False
    try:
        return exactly(READERS[entry.item_kind](entry, text), item)
    except Unreadable:
        return False


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_text(value: Any) -> str:
    """JSON over several lines, for people to edit."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return json.dumps(value, indent=1) if SWALLOWED.search(text) else text


def _unix(text: str) -> str:
    """Browsers send the line ends of a text as CR LF."""
    return text.replace("\r\n", "\n")


def _lines(texts: list[str]) -> list[str]:
    return [line.strip() for text in texts for line in _unix(text).split("\n") if line.strip()]


# One reader a kind


def _integer(entry: Field, text: str) -> int:
    if not INTEGER.fullmatch(text.strip()):
        raise Unreadable(f"Enter a whole number{_limits(entry)}.")
    return int(text.strip().partition(".")[0])


def _number(entry: Field, text: str) -> int | float:
    text = text.strip()
    if not NUMBER.fullmatch(text):
        raise Unreadable(f"Enter a number{_limits(entry)}.")
    return int(text) if WHOLE.fullmatch(text) else float(text)


def _limits(entry: Field) -> str:
    bounds = entry.bounds
    return f" {bounds}" if bounds.startswith(("from", "between")) else f" that is {bounds}" if bounds else ""


def _boolean(entry: Field, text: str) -> bool:
    word = text.strip().lower()
    if word not in ON | OFF:
        raise Unreadable("Choose on or off.")
    return word in ON


def _choice(entry: Field, text: str, current: Any) -> Any:
    """Choices are sent by their place: texts that look alike stay apart."""
    if text == KEPT and not chosen_of(entry, current):
        return current
    if text == "" and entry.nullable:
        return None
    return _chosen(entry, text)


def _chosen(entry: Field, text: str) -> Any:
    if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < len(entry.choices):
        return entry.choices[int(text)].value
    labels = [option.label for option in entry.choices]
    more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
    raise Unreadable(f"Choose one of {', '.join(labels[:MOST_LABELS])}{more}.")


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
    if entry.choices:
        return [_chosen(entry, text) for text in texts if text]
    read, items = READERS[entry.item_kind], []
    for number, line in enumerate(_lines(texts), start=1):
        try:
            items.append(read(entry, line))
        except Unreadable as error:
            raise Unreadable(f"Line {number}: {error}") from error
    return items


def read_json(text: str) -> Any:
    """The value of JSON text, without doubled keys and without NaN. Raises Unreadable."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"This is not JSON: {error.msg} ({place}).") from error
    except RecursionError as error:
        raise Unreadable("The JSON is nested too deeply.") from error
    except Unreadable:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise Unreadable("The JSON contains a number that is too large.") from error
    size = measure(value, MAX_VALUES)
    if size.depth > MAX_DEPTH:
        raise Unreadable("The JSON is nested too deeply.")
    if size.values > MAX_VALUES:
        raise Unreadable("The JSON contains too many values.")
    if size.is_odd:
        raise Unreadable("The JSON contains a character or a number that cannot be stored.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("The JSON contains the same key twice.")
    return found


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is not a valid JSON number.")


READERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.STRING: lambda entry, text: _unix(text),
    Kind.BOOLEAN: _boolean,
    Kind.ENUM: _chosen,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
}
PLAIN: dict[Kind, Callable[[Field, Any], bool]] = {
    **dict.fromkeys(NUMBERS, _is_plain_number),
    **dict.fromkeys((Kind.DATE, Kind.DATETIME), _is_plain_line),
    Kind.STRING: _is_plain_text,
    Kind.BOOLEAN: lambda entry, value: isinstance(value, bool),
    Kind.ENUM: lambda entry, value: True,
    Kind.LIST: _is_plain_list,
    Kind.JSON: lambda entry, value: True,
}
