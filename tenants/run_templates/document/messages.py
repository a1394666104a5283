"""From a violated JSON schema to a sentence a person understands."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError

from tenants.run_templates.document.schema import plain

MESSAGE_LENGTH = 300
DEEPEST = 20  # unions inside unions
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "an object with keys and values",
    "null": "no value",
}
FORMATS = {
    "date": "Enter a date like 2026-11-23.",
    "date-time": "Enter a date and time like 2026-11-23T14:30:00.",
    "time": "Enter a time like 14:30:00.",
    "email": "Enter an email address.",
    "uuid": "Enter a UUID.",
    "uri": "Enter a URL.",
    "zenml-memory": "Enter a size such as 16GB or 500MiB.",
}
OPEN = ("anyOf", "oneOf")


def sentences(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    """(where inside the value, one sentence) for everything that is wrong with it."""
    return [(tuple(inner.absolute_path), _text(inner)[:MESSAGE_LENGTH]) for inner in _narrowed(error)]


def _narrowed(error: ValidationError, deep: int = 0) -> list[ValidationError]:
    """The faults of the one shape that a value was meant to have; the fault itself when that can't be told."""
    if error.validator not in OPEN or not error.context or deep > DEEPEST:
        return [error]
    shapes = defaultdict(list)
    for inner in error.context:
        shapes[inner.relative_schema_path[0]].append(inner)
    meant = [found for found in shapes.values() if not any(map(_is_other_shape, found))]
    if len(meant) != 1:
        meant = [found for found in shapes.values() if not any(map(_only_null, found))]
    if len(meant) != 1:
        return [error]
    return [one for inner in meant[0] for one in _narrowed(inner, deep + 1)]


def _is_other_shape(error: ValidationError) -> bool:
    """Is the value of another type, or does it have another mark than this shape?"""
    deep = len(error.relative_path)
    return (error.validator == "type" and deep == 0) or (error.validator == "const" and deep == 1)


def _only_null(error: ValidationError) -> bool:
    return error.validator == "type" and error.validator_value == "null"


def place_of(parts: Iterable[str | int]) -> str:
    """A place inside a value, in words; "" for the value itself."""
    words = [f"item {part + 1}" if isinstance(part, int) else f"“{part}”" for part in parts]
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def _text(error: ValidationError) -> str:
    """Never what the library says, which shows values as Python writes them."""
    writer = WRITERS.get(error.validator)
    return writer(error) if writer else "This value is not allowed here."


def _written(value: Any) -> str:
    """A value as people write it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type(error: ValidationError) -> str:
    types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    if types == ["null"]:
        return "Leave it empty."
    words = [TYPES.get(name, _written(name)) for name in types if name != "null"]
    limits = _limits(error.schema) if types in (["integer"], ["number"]) else ""
    nothing = " or null" if "null" in types else ""
    return f"Enter {' or '.join(words)}{limits}{nothing}."


def _limits(schema: Mapping[str, Any]) -> str:
    """The limits of a number after a space, or nothing."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {plain(low)} to {plain(high)}"
    if above is not None and below is not None:
        return f" between {plain(above)} and {plain(below)}"
    bounds = {"at least": low, "above": above, "at most": high, "below": below}
    words = [f"{word} {plain(number)}" for word, number in bounds.items() if number is not None]
    return f" that is {' and '.join(words)}" if words else ""


def _range(error: ValidationError) -> str:
    noun = TYPES["integer" if error.schema.get("type") == "integer" else "number"]
    return f"Enter {noun}{_limits(error.schema)}."


def _choices(error: ValidationError) -> str:
    values = error.validator_value if error.validator == "enum" else [error.validator_value]
    written = map(_written, islice(values, MESSAGE_LENGTH))  # more are cut off, and there may be 100,000
    return f"Choose one of {', '.join(written)}."


def _count(low: bool, noun: str, nouns: str = ""):
    def write(error: ValidationError) -> str:
        number = plain(error.validator_value)
        plural = noun if number == "1" else nouns or f"{noun}s"
        return f"Enter {'at least' if low else 'at most'} {number} {plural}."

    return write


def _unknown_keys(error: ValidationError) -> str:
    known = error.schema.get("properties", {})
    unknown = [key for key in error.instance if key not in known]
    return (
        f"{', '.join(f'“{key}”' for key in unknown)} {'is' if len(unknown) == 1 else 'are'} not known here."
    )


def _missing(error: ValidationError) -> str:
    missing = [key for key in error.validator_value if key not in error.instance]
    return f"{', '.join(f'“{key}”' for key in missing)} {'is' if len(missing) == 1 else 'are'} missing."


WRITERS = {
    "type": _type,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _range),
    **dict.fromkeys(("enum", "const"), _choices),
    "multipleOf": lambda error: f"Enter a multiple of {plain(error.validator_value)}.",
    "minLength": _count(True, "character"),
    "maxLength": _count(False, "character"),
    "minItems": _count(True, "value"),
    "maxItems": _count(False, "value"),
    "minProperties": _count(True, "entry", "entries"),
    "maxProperties": _count(False, "entry", "entries"),
    "contains": lambda error: "None of these values is one that has to be there.",
    "uniqueItems": lambda error: "Enter each value only once.",
    "pattern": lambda error: f"Enter text that matches {error.validator_value}",
    "format": lambda error: FORMATS.get(error.validator_value, f"Enter a valid {error.validator_value}."),
    "additionalProperties": _unknown_keys,
    "required": _missing,
    **dict.fromkeys(OPEN, lambda error: "This value matches none of the forms allowed here."),
}
