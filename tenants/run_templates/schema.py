"""What of a recorded run can be changed: its steps and their parameters, read from the stored snapshot.

A snapshot (rerun §2.2) carries a JSON schema per step; the recorded values are the defaults. Nothing here
raises, whatever the snapshot holds: what cannot be understood becomes a JSON field.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

REF_DEPTH = 20
BIGGEST = 1e300


class Kind(StrEnum):
    """How a value is shown and typed in."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    ENUM = "enum"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"
    JSON = "json"


WORDS = {
    Kind.INTEGER: "whole number",
    Kind.NUMBER: "number",
    Kind.STRING: "text",
    Kind.ENUM: "choice",
    Kind.DATE: "date",
    Kind.DATETIME: "date and time",
    Kind.JSON: "JSON",
}
PLURALS = {Kind.INTEGER: "whole numbers", Kind.NUMBER: "numbers", Kind.STRING: "text", Kind.ENUM: "choices"}
ITEM_KINDS = frozenset(PLURALS)


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is the JSON value, `raw` the text a form sends for it."""

    value: Any
    raw: str
    label: str


@dataclass(frozen=True)
class Field:
    """One parameter. `schema` is complete in itself: it carries the definitions it refers to."""

    path: str  # "steps.train.parameters.kind", also the name of the form's input
    step: str  # "" for a parameter of the pipeline
    name: str
    kind: Kind
    default: Any  # the value of the recorded run
    schema: Mapping[str, Any] = field(repr=False)
    nullable: bool = False
    required: bool = False  # the code has no default of its own
    description: str = ""
    choices: tuple[Choice, ...] = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: int | float | None = None
    min_length: int | None = None  # of a text in characters, of a list in items
    max_length: int | None = None
    pattern: str = ""
    format: str = ""
    item_kind: Kind | None = None

    @cached_property
    def range(self) -> str:
        """What may be entered, in a few words: "1 to 500", "whole number or none", "list of text, 1 to 6"."""
        return _range(self)

    @property
    def bounds(self) -> str:
        """The limits alone: "from 1 to 500", "more than 0, up to 2"; "" without limits."""
        return _bounds(self)

    @property
    def long(self) -> bool:
        """Needs more than one line."""
        return self.kind == Kind.JSON or (isinstance(self.default, str) and _is_long(self.default))


@dataclass(frozen=True)
class Step:
    """A step of the pipeline in the order of the graph; `fields` may be empty."""

    name: str
    fields: tuple[Field, ...]
    upstream: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Description:
    """All that can be changed in one recorded run."""

    steps: tuple[Step, ...]
    parameters: tuple[Field, ...]  # of the pipeline; only dynamic pipelines have any
    is_dynamic: bool

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field in the order of the form."""
        return (*self.parameters, *(entry for step in self.steps for entry in step.fields))

    @cached_property
    def by_path(self) -> dict[str, Field]:
        return {entry.path: entry for entry in self.fields}

    @cached_property
    def by_step(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}


def describe(snapshot: Mapping[str, Any]) -> Description:
    """Steps and fields of a stored snapshot, the steps in topological order."""
    metadata = mapping(snapshot.get("metadata"))
    configurations = mapping(metadata.get("step_configurations"))
    upstream = {name: _upstream(configuration) for name, configuration in configurations.items()}
    is_dynamic = bool(mapping(snapshot.get("body")).get("is_dynamic"))
    return Description(
        steps=tuple(_step(name, configurations[name], upstream[name]) for name in topological(upstream)),
        parameters=_pipeline_fields(metadata) if is_dynamic else (),
        is_dynamic=is_dynamic,
    )


def topological(upstream: Mapping[str, Iterable[str]]) -> list[str]:
    """Names with every one behind those it follows; otherwise in the order they came."""
    waiting, order = dict.fromkeys(upstream), []
    while waiting:
        ready = [name for name in waiting if not any(other in waiting for other in upstream[name])]
        for name in ready or list(waiting):
            order.append(name)
            del waiting[name]
    return order


def mapping(value: Any) -> dict[str, Any]:
    """`value` when it is an object, else an empty one: snapshots come from outside."""
    return value if isinstance(value, dict) else {}


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, but true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _upstream(configuration: Any) -> tuple[str, ...]:
    names = mapping(mapping(configuration).get("spec")).get("upstream_steps")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _step(name: str, configuration: Any, upstream: tuple[str, ...]) -> Step:
    spec = mapping(mapping(configuration).get("spec"))
    recorded = mapping(mapping(mapping(configuration).get("config")).get("parameters"))
    root = _completed(mapping(spec.get("parameter_spec")), recorded)
    fields = _fields(f"steps.{name}.parameters", name, root, recorded)
    return Step(name, fields, upstream, root)


def _pipeline_fields(metadata: Mapping[str, Any]) -> tuple[Field, ...]:
    recorded = mapping(mapping(metadata.get("pipeline_configuration")).get("parameters"))
    root = mapping(mapping(metadata.get("pipeline_spec")).get("input_schema"))
    return _fields("parameters", "", _completed(root, recorded), recorded)


def _completed(root: dict[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, also with what was recorded without one (servers before 0.98 write none)."""
    known = mapping(root.get("properties"))
    guessed = {name: guess(value) for name, value in recorded.items() if name not in known}
    return {**root, "properties": {**known, **guessed}}


def guess(value: Any) -> dict[str, Any]:
    """A schema from a recorded value alone; none for what says little about its type."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    return {"type": "string"} if isinstance(value, str) else {}


def _fields(prefix: str, step: str, root: dict[str, Any], recorded: Mapping[str, Any]) -> tuple[Field, ...]:
    required = root.get("required") if isinstance(root.get("required"), list) else []
    return tuple(
        _field(f"{prefix}.{name}", step, name, mapping(schema), root, recorded, name in required)
        for name, schema in mapping(root.get("properties")).items()
    )


def _field(path, step, name, schema, root, recorded, required) -> Field:
    flat, nullable = flatten(schema, root)
    if isinstance(flat.get("items"), dict):
        flat["items"] = _item(flat["items"], root)
    default = recorded[name] if name in recorded else schema.get("default")
    kind, choices, item_kind = _kind(flat, default)
    return Field(
        path=path,
        step=step,
        name=name,
        kind=kind,
        default=default,
        schema={**schema, "$defs": mapping(root.get("$defs"))},
        nullable=nullable or (default is None and not flat),
        required=required,
        description=_text(flat.get("description")),
        choices=choices,
        item_kind=item_kind,
        **_limits(flat),
    )


def flatten(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """(the schema without references and without its null option, whether null is allowed).

    A union of several other options keeps its `anyOf`.
    """
    flat, nullable = dict(schema), False
    for _ in range(REF_DEPTH):
        if isinstance(flat.get("$ref"), str):
            flat = _target(flat.pop("$ref"), root) | flat
        elif len(_options(flat, "allOf")) == 1:
            flat = _options(flat, "allOf")[0] | _without(flat, "allOf")
        elif union := next((key for key in ("anyOf", "oneOf") if key in flat), None):
            options = _options(flat, union)
            others = [option for option in options if option.get("type") != "null"]
            nullable = nullable or len(others) < len(options)
            if len(others) != 1:
                break
            flat = others[0] | _without(flat, union)
        else:
            break
    return _without_null(flat, nullable)


def _without_null(flat: dict[str, Any], nullable: bool) -> tuple[dict[str, Any], bool]:
    types = flat.get("type")
    if isinstance(types, list) and "null" in types:
        others = [name for name in types if name != "null"]
        flat, nullable = {**flat, "type": others[0] if len(others) == 1 else others}, True
    if isinstance(flat.get("enum"), list) and None in flat["enum"]:
        flat, nullable = {**flat, "enum": [value for value in flat["enum"] if value is not None]}, True
    return flat, nullable or flat.get("type") == "null"


def _options(schema: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    options = schema.get(key)
    return [mapping(option) for option in options] if isinstance(options, list) else []


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _target(reference: str, root: Mapping[str, Any]) -> dict[str, Any]:
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = mapping(target).get(part.replace("~1", "/").replace("~0", "~"))
    return mapping(target)


def _kind(flat: Mapping[str, Any], default: Any) -> tuple[Kind, tuple[Choice, ...], Kind | None]:
    kind, choices = _scalar_kind(flat)
    if kind is None and _is_plain_list(flat):
        item_kind, choices = _scalar_kind(flat["items"])
        if item_kind in ITEM_KINDS and _fits_lines(default):
            return Kind.LIST, choices, item_kind
        choices = ()
    return kind or Kind.JSON, choices, None


def _scalar_kind(flat: Mapping[str, Any]) -> tuple[Kind | None, tuple[Choice, ...]]:
    values = [flat["const"]] if "const" in flat else flat.get("enum")
    if isinstance(values, list) and values:
        scalar = not any(isinstance(value, dict | list) for value in values)
        return (Kind.ENUM, tuple(map(choice, values))) if scalar else (None, ())
    if flat.get("type") == "string":
        return {"date": Kind.DATE, "date-time": Kind.DATETIME}.get(_text(flat.get("format")), Kind.STRING), ()
    simple = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
    return (simple.get(flat["type"]) if isinstance(flat.get("type"), str) else None), ()


def choice(value: Any) -> Choice:
    """A choice; what is not text is sent as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return Choice(value, text, text)


def _is_plain_list(flat: Mapping[str, Any]) -> bool:
    return flat.get("type") == "array" and "prefixItems" not in flat and isinstance(flat.get("items"), dict)


def _item(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The flat schema of a list's items; nothing when an item may be null, which no line of text can say."""
    flat, nullable = flatten(schema, root)
    return {} if nullable else flat


def _fits_lines(default: Any) -> bool:
    """Can the recorded list be written one item a line?"""
    if default is None:
        return True
    return isinstance(default, list) and all(
        not isinstance(item, str) or (item and item == item.strip() and item.splitlines() == [item])
        for item in default
    )


def _limits(flat: Mapping[str, Any]) -> dict[str, Any]:
    low, high = _number(flat, "exclusiveMinimum"), _number(flat, "exclusiveMaximum")
    size = "Items" if flat.get("type") == "array" else "Length"
    return {
        "minimum": _number(flat, "minimum") if low is None else low,
        "maximum": _number(flat, "maximum") if high is None else high,
        "exclusive_minimum": low is not None,
        "exclusive_maximum": high is not None,
        "multiple_of": _number(flat, "multipleOf"),
        "min_length": _number(flat, f"min{size}"),
        "max_length": _number(flat, f"max{size}"),
        "pattern": _text(flat.get("pattern")),
        "format": _text(flat.get("format")),
    }


def _number(flat: Mapping[str, Any], key: str) -> int | float | None:
    value = flat.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < BIGGEST
    return value if usable else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_long(text: str) -> bool:
    return "\n" in text or len(text) > 80


def _range(entry: Field) -> str:
    text = _range_without_null(entry)
    if not entry.nullable:
        return text
    return f"{text} or none" if text else "on, off or none"


def _range_without_null(entry: Field) -> str:
    if entry.kind == Kind.BOOLEAN:
        return ""
    if entry.kind in (Kind.INTEGER, Kind.NUMBER):
        bounds = _bounds(entry)
        if not bounds:
            return WORDS[entry.kind]
        whole = entry.minimum is None or entry.maximum is None
        return f"{WORDS[entry.kind]}, {bounds}" if whole else bounds.removeprefix("from ")
    if entry.kind == Kind.LIST:
        return ", ".join(filter(None, [f"list of {PLURALS[entry.item_kind]}", _size(entry)]))
    if entry.kind == Kind.STRING and (size := _size(entry)):
        return f"text, {size} characters"
    return WORDS[entry.kind]


def _bounds(entry: Field) -> str:
    low, high = entry.minimum, entry.maximum
    if low is None and high is None:
        return ""
    if entry.exclusive_minimum and entry.exclusive_maximum:
        return f"between {plain(low)} and {plain(high)}"
    if low is not None and high is not None and not entry.exclusive_minimum and not entry.exclusive_maximum:
        return f"from {plain(low)} to {plain(high)}"
    parts = []
    if low is not None:
        parts.append(f"{'more than' if entry.exclusive_minimum else 'at least'} {plain(low)}")
    if high is not None:
        parts.append(f"{'less than' if entry.exclusive_maximum else 'up to'} {plain(high)}")
    return ", ".join(parts)


def _size(entry: Field) -> str:
    low, high = entry.min_length, entry.max_length
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at least {plain(low)}" if high is None else f"up to {plain(high)}"
    return plain(low) if low == high else f"{plain(low)} to {plain(high)}"


def plain(number: float) -> str:
    """1 for 1.0, 0.25 for 0.25."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else str(number)


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside a JSON value with its path, keys as well; without recursion, so any depth will do."""
    waiting = [(path, value)]
    while waiting:
        where, current = waiting.pop()
        yield where, current
        if isinstance(current, dict):
            for key, inner in current.items():
                yield f"{where}.{key}".lstrip("."), key
                waiting.append((f"{where}.{key}".lstrip("."), inner))
        elif isinstance(current, list):
            waiting += [(f"{where}.{index}".lstrip("."), inner) for index, inner in enumerate(current)]
