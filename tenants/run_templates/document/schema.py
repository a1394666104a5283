"""What of a recorded run can be changed: its steps and their parameters, read from the stored snapshot.

A snapshot (rerun §2.2) carries a JSON schema per step; the recorded values are the defaults. Nothing here
raises, whatever the snapshot holds: what cannot be understood becomes a JSON field, and what is too much for a page
is left out of the description and stays as it was recorded.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, chain, repeat
from typing import Any

REF_DEPTH = 20
LONGEST_REF = 500
BIGGEST, MAX_BITS = 1e300, 900
MAX_STEPS, MAX_FIELDS = 2000, 2000
MAX_CHOICES, ALL_CHOICES = 500, 4000  # of one field, and of all on one page
MAX_OPTIONS = 50  # of a union
MAX_DEPTH = 40  # of a value that people edit
RECORDED_VALUES, RECORDED_CHARACTERS = 20_000, 100_000  # of all recorded values that people edit
LONGEST_NAME, LONGEST_LABEL, LONGEST_DESCRIPTION = 200, 200, 500
NAMED_LENGTH = 36  # characters of choices beside the name of a field
HALF = re.compile("[\ud800-\udfff]")


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
NONE, AS_JSON = ".none", ".json"  # endings of the names of inputs, see form_data
ENDINGS = (NONE, AS_JSON)
MOST_LOOKS = 50_000  # at the values and schemas of one parameter, for its secrets
DEEPEST_LOOK = 4 * MAX_DEPTH  # unions inside unions take several for one value
MOST_LOOKS_OF_A_PAGE = 50_000  # half a second or so
MASK, SEALED = "**********", "sealed:"  # pydantic writes the same mask for a secret
A_SEAL = re.compile(r"sealed:gAAAA[A-Za-z0-9_-]{90,}={0,2}")  # as our encryption writes it
ALONE = {"\t": "(tab)", "\n": "(line break)", "\r\n": "(line break, CR LF)", "\r": "(line break, CR)"}
SWALLOWED = re.compile("^ +| +$| {2,}")
SIGNS = {"\t": "⇥", "\n": "↵", "\r": "␍", "\0": "␀"}
LIMITS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems"),
)
# Of a schema, what a form needs to know: of the value, and of what is around it.
SAID = (
    *("type", "$ref", "allOf", "anyOf", "oneOf", "enum", "const", "items", "prefixItems", "description"),
    *("pattern", "format", *LIMITS),
)
AROUND = (
    *("title", "default", "properties", "additionalProperties", "patternProperties", "required"),
    *("discriminator", "writeOnly", "contentMediaType"),
)
KNOWN = (*SAID, *AROUND)


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is the JSON value, `raw` what a form sends for it: its place among the choices."""

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
    secret: bool = False  # never shown
    hides: bool = False  # is a secret, or has one inside
    masks: Mapping[str, list[tuple]] = field(default_factory=dict)  # of recorded secrets: where they stood

    @cached_property
    def range(self) -> str:
        """What may be entered, in a few words: "1 to 500", "whole number or none", "list of text, 1 to 6"."""
        return _range(self)

    @cached_property
    def choice_of(self) -> dict[tuple[type, str], Choice]:
        """The choice for a value as it is written: 1 is neither 1.0 nor "1"."""
        return {(type(choice.value), repr(choice.value)): choice for choice in reversed(self.choices)}

    @property
    def bounds(self) -> str:
        """The limits alone: "from 1 to 500", "more than 0, up to 2"; "" without limits."""
        return _bounds(self)

    @property
    def long(self) -> bool:
        """Needs more than one line."""
        return self.kind == Kind.JSON or (isinstance(self.default, str) and _is_long(self.default))


@dataclass(frozen=True)
class PipelineStep:
    """A step of the pipeline in the order of the graph; `fields` may be empty."""

    name: str
    fields: tuple[Field, ...]
    upstream: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Description:
    """All that can be changed in one recorded run."""

    steps: tuple[PipelineStep, ...]
    parameters: tuple[Field, ...]  # of the pipeline; only dynamic pipelines have any
    is_dynamic: bool
    left_out: int = 0  # recorded values that are too large or too odd for a page: they stay as they are
    is_guessed: bool = False  # no types were recorded: all that is known is of which kind each value was

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Every field in the order of the form."""
        return (*self.parameters, *chain.from_iterable([step.fields for step in self.steps]))

    @cached_property
    def by_path(self) -> dict[str, Field]:
        return {entry.path: entry for entry in self.fields}

    @cached_property
    def by_step(self) -> dict[str, PipelineStep]:
        return {step.name: step for step in self.steps}


def describe(snapshot: Mapping[str, Any]) -> Description:
    """Steps and fields of a stored snapshot, the steps in topological order."""
    metadata = mapping(snapshot.get("metadata"))
    configurations = mapping(metadata.get("step_configurations"))
    upstream = {name: _upstream(step) for name, step in configurations.items() if is_name(name)}
    is_dynamic = bool(mapping(snapshot.get("body")).get("is_dynamic"))
    room = Room(RECORDED_VALUES, RECORDED_CHARACTERS)
    parameters = _pipeline_fields(metadata, room) if is_dynamic else ()
    names = topological(upstream)[:MAX_STEPS]
    return Description(
        steps=tuple(_step(name, configurations[name], upstream[name], room) for name in names),
        parameters=parameters,
        is_dynamic=is_dynamic,
        left_out=room.refused,
        is_guessed=any(map(_lacks_types, configurations.values())),
    )


def _lacks_types(configuration: Any) -> bool:
    """Has a step parameters of which nothing but the values is known? ZenML records types since 0.94.1."""
    configuration = mapping(configuration)
    recorded = mapping(mapping(configuration.get("config")).get("parameters"))
    return bool(recorded) and not mapping(mapping(configuration.get("spec")).get("parameter_spec"))


@dataclass
class Room:
    """How much of what was recorded a page takes in; `refused` counts what found no room."""

    values: int
    characters: int
    fields: int = MAX_FIELDS
    choices: int = ALL_CHOICES
    refused: int = 0

    def takes(self, value: Any) -> bool:
        """Make room for a recorded value; it is left out when there is too much of it."""
        size = measure(value, self.values) if self.fields > 0 else None
        fits = size and size.values <= self.values and size.characters <= self.characters
        if not fits or size.depth > MAX_DEPTH or size.is_odd:
            self.refused += 1
            return False
        self.values -= size.values
        self.characters -= size.characters
        self.fields -= 1
        return True

    def takes_choices(self, count: int) -> bool:
        if count > min(MAX_CHOICES, self.choices):
            return False
        self.choices -= count
        return True


@dataclass
class Size:
    """How large a value is; `is_odd` when no page can show it: half characters, hundreds of digits."""

    values: int = 0
    characters: int = 0
    depth: int = 0
    is_odd: bool = False
    is_json: bool = True


SMALL = {int, float, bool, type(None)}


def measure(value: Any, most: int) -> Size:
    """The size of any value, without recursion; it looks at hardly more than `most` values."""
    if type(value) in SMALL and most >= 0:  # as most are
        return Size(values=1, depth=1, is_odd=type(value) is int and value.bit_length() > MAX_BITS)
    size, texts, waiting = Size(), [], [(value, 1)]
    while waiting and size.values <= most:
        current, depth = waiting.pop()
        size.values += 1
        size.depth = max(size.depth, depth)
        if isinstance(current, dict):
            texts += current
            waiting += zip(current.values(), repeat(depth + 1))
        elif isinstance(current, list):
            waiting += zip(current, repeat(depth + 1))
        elif isinstance(current, str):
            texts.append(current)
        else:
            size.is_odd = size.is_odd or (isinstance(current, int) and current.bit_length() > MAX_BITS)
            size.is_json = size.is_json and isinstance(current, int | float | None)
    written = [text for text in texts if isinstance(text, str)]  # any key but a text is no JSON
    size.is_json = size.is_json and len(written) == len(texts)
    size.characters = sum(map(len, written))
    size.is_odd = size.is_odd or any(map(HALF.search, written))
    return size


def is_name(name: Any) -> bool:
    """Can a step or a parameter of this name be shown, sent by a form and told from others?"""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        return False
    clear = name == "parameters" or ".parameters." not in f".{name}."
    return clear and name.isprintable() and name == name.strip()


def topological(upstream: Mapping[str, Iterable[str]]) -> list[str]:
    """Names with every one behind those it follows; otherwise in the order they came."""
    place = {name: at for at, name in enumerate(upstream)}
    waits, followers = {}, defaultdict(list)
    for name in upstream:
        before = {other for other in upstream[name] if other in place}
        waits[name] = len(before)
        for other in before:
            followers[other].append(name)
    order: list[str] = []
    ready = [name for name in upstream if not waits[name]]
    while ready:
        order += ready
        for follower in (each for name in ready for each in followers[name]):
            waits[follower] -= 1
        freed = {each for name in ready for each in followers[name] if not waits[each]}
        ready = sorted(freed, key=place.__getitem__)
    return order + [name for name in upstream if waits[name]]


def in_order(configurations: Mapping[str, Any]) -> dict[str, Any]:
    """Steps of a snapshot, each behind those it follows: ZenML's local orchestrator runs them as they come.

    As ZenML wrote them they are; PostgreSQL's jsonb, which forgets the order of keys, once kept them here.
    """
    upstream = {name: _upstream(step) for name, step in configurations.items()}
    place = {name: at for at, name in enumerate(upstream)}
    if all(place.get(one, -1) < at for name, at in place.items() for one in upstream[name]):
        return dict(configurations)
    return {name: configurations[name] for name in topological(upstream)}


def mapping(value: Any) -> dict[str, Any]:
    """`value` when it is an object, else an empty one: snapshots come from outside."""
    return value if isinstance(value, dict) else {}


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, but true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(map(same, one.values(), map(other.get, one)))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN is as it was recorded


def _upstream(configuration: Any) -> tuple[str, ...]:
    names = mapping(mapping(configuration).get("spec")).get("upstream_steps")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _step(name: str, configuration: Any, upstream: tuple[str, ...], room: Room) -> PipelineStep:
    spec = mapping(mapping(configuration).get("spec"))
    recorded = mapping(mapping(mapping(configuration).get("config")).get("parameters"))
    root = _completed(mapping(spec.get("parameter_spec")), recorded)
    fields = _fields(f"steps.{name}.parameters", name, root, recorded, room)
    return PipelineStep(name, fields, upstream, root)


def _pipeline_fields(metadata: Mapping[str, Any], room: Room) -> tuple[Field, ...]:
    recorded = mapping(mapping(metadata.get("pipeline_configuration")).get("parameters"))
    root = mapping(mapping(metadata.get("pipeline_spec")).get("input_schema"))
    return _fields("parameters", "", _completed(root, recorded), recorded, room)


def _completed(root: dict[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its definitions, also with what was recorded without one (servers before 0.94.1 write none)."""
    known = mapping(root.get("properties"))
    guessed = {name: guess(value) for name, value in recorded.items() if name not in known}
    return {**root, "properties": {**known, **guessed}, "$defs": mapping(root.get("$defs"))}


def guess(value: Any) -> dict[str, Any]:
    """A schema from a recorded value alone; none for what says little about its type."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        return {"type": "integer" if isinstance(value, int) else "number"}
    return {"type": "string"} if isinstance(value, str) else {}


def _fields(prefix, step: str, root: dict[str, Any], recorded: Mapping[str, Any], room: Room):
    """The parameters there is room for; those of one step have different names without their ending, too."""
    given = root.get("required")
    required = {name for name in given if isinstance(name, str)} if isinstance(given, list) else set()
    fields, has_secrets = [], _has_secrets(root)
    for name, value in root["properties"].items():
        schema = mapping(value)
        default = recorded[name] if name in recorded else schema.get("default")
        if not is_name(name) or name.endswith(ENDINGS):
            room.refused += 1
        elif room.takes(default):
            path, hides = f"{prefix}.{name}", has_secrets and _hides(default, schema, root)
            default, masks = _masked(default, schema, root) if hides else (default, {})
            entry = field_of(path, step, name, schema, root, default, name in required, room)
            hides = hides or (has_secrets and entry.kind in (Kind.JSON, Kind.LIST))
            fields.append(replace(entry, hides=hides, masks=masks))
    return tuple(fields)


# -- secrets


class Row(int):
    """The place of something in a list whose rows may move; in a list of fixed places it is a plain number."""


def is_same_place(kept: Sequence[str | int], place: Sequence[str | int]) -> bool:
    """Is a secret that belongs to the place `kept` at home in `place`? It moves with its row, and in no other way."""
    pairs = zip(kept, place, strict=False)
    return len(kept) == len(place) and all(
        isinstance(one, int) if isinstance(other, Row) else one == other for one, other in pairs
    )


def masked(text: str, place: tuple[str | int, ...]) -> str:
    """What stands for a recorded secret: another mask for each place, so that rows may move."""
    return text if not text or text == MASK else " ".join([MASK, *map(str, place)])


def _masked(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]
) -> tuple[Any, dict[str, list[tuple]]]:
    """(the value with masks, where those stand that are of a secret). ZenML records a SecretStr as a mask: as nothing."""
    found: dict[str, list[tuple]] = defaultdict(list)

    def change(text: str, place: tuple[str | int, ...]) -> str:
        mask = masked(text, place)
        if text and text != MASK:
            found[mask].append(place)
        return mask

    return at_secrets(value, schema, root, change), dict(found)


def is_hidden(value: Any) -> bool:
    """Does a text, where a secret has to be, stand for one? Elsewhere a text is a text, however it begins."""
    return isinstance(value, str) and (value.startswith(MASK) or A_SEAL.fullmatch(value) is not None)


def at_secrets(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], change) -> Any:
    """The value with every secret in it replaced by `change(text, place)`; within a limit, whatever the schema says."""
    return _SecretWalk(root, change).walk(value, schema, ())


class _SecretWalk:
    """Looks at a value together with its schema, so many times at most.

    Of a union every option has its say: the first that hides something need not be the one that hides everything.
    Where there is no time to look, and inside what is a secret as a whole, every text is one. No text is changed twice.
    """

    def __init__(self, root: Mapping[str, Any], change):
        self.root, self.change, self.left = root, change, MOST_LOOKS
        # (place, id of a schema) -> that schema, which must live as long as its id is known.
        self.seen: dict[tuple, Mapping[str, Any]] = {}
        self.whole: set[tuple] = set()  # places in which every text was taken for a secret
        self.made: set[tuple] = set()  # (place, what was put there)

    def walk(self, value: Any, schema: Mapping[str, Any], place: tuple, deep: int = 0) -> Any:
        known = (place, id(schema))
        if known in self.seen or place in self.whole or not isinstance(value, str | dict | list):
            return value
        self.seen[known] = schema
        self.left -= 1
        if self.left < 0 or deep > DEEPEST_LOOK:
            return self._every_text(value, place)
        flat, _ = flatten(schema, self.root)
        for option in _all_options(flat):
            value = self.walk(value, option, place, deep + 1)
            if self.left < 0:
                break
        if _is_secret(flat) or self.left < 0:
            return self._every_text(value, place)
        return value if isinstance(value, str) else self._inside(value, flat, place, deep)

    def _inside(self, value: Any, flat: Mapping[str, Any], place: tuple, deep: int) -> Any:
        pairs = value.items() if isinstance(value, dict) else _rows(value, flat)
        found = {
            part: self.walk(one, inner, (*place, part), deep + 1)
            if (inner := _schema_at(flat, part))
            else one
            for part, one in pairs
        }
        return found if isinstance(value, dict) else [*found.values()]

    def _every_text(self, value: Any, place: tuple) -> Any:
        self.whole.add(place)
        if isinstance(value, str):
            return self._changed(value, place)
        if len(place) > DEEPEST_LOOK:
            return MASK
        if isinstance(value, list):
            return [self._every_text(one, (*place, at)) for at, one in _rows(value, {})]
        if isinstance(value, dict):
            return {key: self._every_text(one, (*place, key)) for key, one in value.items()}
        return value

    def _changed(self, text: str, place: tuple) -> str:
        if (place, text) in self.made:
            return text
        changed = self.change(text, place)
        self.made.add((place, changed))
        return changed


def _rows(value: list, flat: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """What is in a list with its place: fixed where the schema has one schema for each place."""
    given = flat.get("prefixItems")
    fixed = len(given) if isinstance(given, list) else 0
    for at, one in enumerate(value):
        yield (at if at < fixed else Row(at)), one


class SecretHider:
    """Takes out of recorded parameters what their schemas call secret: for one page, which takes so many looks at most.

    What there is no time to look at is hidden as well.
    """

    def __init__(self, instead: Callable[[str], str]):
        self.instead, self.left = instead, MOST_LOOKS_OF_A_PAGE

    def __call__(self, values: Mapping[str, Any], root: Any) -> dict[str, Any]:
        """The parameters of one step with a word instead of each secret; `root` is whatever a server calls their schema."""
        root = mapping(root)
        if not _has_secrets(root):
            return dict(values)
        known, found = mapping(root.get("properties")), {}
        walk = _SecretWalk({**root, "$defs": mapping(root.get("$defs"))}, self._hide)
        walk.left = self.left
        for name, value in values.items():
            hidden = walk.walk(value, mapping(known.get(name)), (name,)) if walk.left >= 0 else MASK
            found[name] = MASK if walk.left < 0 else hidden
        self.left = walk.left
        return found

    def _hide(self, text: str, place: tuple[str | int, ...]) -> str:
        return text if text in ("", MASK) else self.instead(text)


def _schema_at(flat: Mapping[str, Any], part: str | int) -> dict[str, Any]:
    if isinstance(part, str):
        return mapping(mapping(flat.get("properties")).get(part)) or _schema_of_keys(flat)
    given = flat.get("prefixItems")
    is_given = isinstance(given, list) and part < len(given)
    return mapping(given[part]) if is_given else mapping(flat.get("items"))


def _schema_of_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Of a key without a schema of its own: any pattern may be meant, which come from a server and are not tried."""
    others = mapping(flat.get("additionalProperties"))
    patterns = [mapping(one) for one in mapping(flat.get("patternProperties")).values()]
    return {"anyOf": [*patterns, *([others] if others else [])]} if patterns else others


def _all_options(flat: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Also those that are too many for a form."""
    found = [flat.get(key) for key in ("anyOf", "oneOf", "allOf")]
    return [mapping(option) for options in found if isinstance(options, list) for option in options]


def _is_secret(flat: Mapping[str, Any]) -> bool:
    return flat.get("format") == "password" or flat.get("writeOnly") is True


def _hides(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    found: list[tuple] = []

    def note(text: str, place: tuple) -> str:
        found.append(place)
        return text

    at_secrets(value, schema, root, note)
    return bool(found) or _is_secret(flatten(schema, root)[0])


def _has_secrets(root: Mapping[str, Any]) -> bool:
    """Does the word for one stand anywhere in the schemas of a step?"""
    try:
        text = json.dumps(root)
    except (ValueError, TypeError, RecursionError):
        return False
    return '"password"' in text or '"writeOnly"' in text


def field_of(path, step, name, schema, root, default, required, room) -> Field:
    """One value with its schema, which may refer to definitions of `root`; `default` says how it is shown as well."""
    flat, nullable = flatten(schema, root)
    if isinstance(flat.get("items"), dict):
        flat["items"] = _item(flat["items"], root)
    kind, choices, item_kind = _kind(flat, default, room)
    return Field(
        path=path,
        step=step,
        name=name,
        kind=kind,
        default=default,
        schema={**schema, "$defs": root["$defs"]},
        nullable=nullable or (default is None and not flat.keys() - {*AROUND}),
        required=required,
        description=_text(flat.get("description"))[:LONGEST_DESCRIPTION],
        choices=choices,
        item_kind=item_kind,
        secret=kind == Kind.STRING and _is_secret(flat),
        **_limits(flat),
    )


def flatten(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """(what a form needs of the schema without references and without its null option, whether null is allowed).

    A union of several other options keeps its `anyOf`.
    """
    flat, nullable = _known(schema), False
    for _ in range(REF_DEPTH):
        if isinstance(flat.get("$ref"), str):
            flat = _known(_target(flat.pop("$ref"), root)) | flat
        elif len(options_of(flat, "allOf")) == 1:
            flat = _known(options_of(flat, "allOf")[0]) | _without(flat, "allOf")
        elif union := next((key for key in ("anyOf", "oneOf") if key in flat), None):
            options = options_of(flat, union)
            others = [option for option in options if option.get("type") != "null"]
            nullable = nullable or len(others) < len(options)
            if len(others) != 1:
                break
            flat = _known(others[0]) | _without(flat, union)
        else:
            break
    return _without_null(flat, nullable)


def _known(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in KNOWN if key in schema}


def _without_null(flat: dict[str, Any], nullable: bool) -> tuple[dict[str, Any], bool]:
    types = flat.get("type")
    if isinstance(types, list) and "null" in types:
        others = [name for name in types if name != "null"]
        flat, nullable = {**flat, "type": others[0] if len(others) == 1 else others}, True
    values = flat.get("enum")
    if isinstance(values, list) and len(values) <= MAX_CHOICES and any(value is None for value in values):
        flat, nullable = {**flat, "enum": [value for value in values if value is not None]}, True
    return flat, nullable or flat.get("type") == "null"


def options_of(schema: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The schemas of a union, without those that are too many."""
    options = schema.get(key)
    return [mapping(option) for option in options[:MAX_OPTIONS]] if isinstance(options, list) else []


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _target(reference: str, root: Mapping[str, Any]) -> dict[str, Any]:
    target: Any = root if len(reference) <= LONGEST_REF else None
    for part in reference[:LONGEST_REF].removeprefix("#/").split("/"):
        target = mapping(target).get(part.replace("~1", "/").replace("~0", "~"))
    return mapping(target)


def _kind(flat: Mapping[str, Any], default: Any, room: Room) -> tuple[Kind, tuple[Choice, ...], Kind | None]:
    kind, choices = _scalar_kind(flat, room)
    if kind is None and _is_plain_list(flat):
        item_kind, choices = _scalar_kind(flat["items"], room)
        is_open = not _is_secret(flat["items"])  # each secret has a field of its own
        if is_open and item_kind in ITEM_KINDS and (default is None or isinstance(default, list)):
            return Kind.LIST, choices, item_kind
        choices = ()
    return kind or Kind.JSON, choices, None


def _scalar_kind(flat: Mapping[str, Any], room: Room) -> tuple[Kind | None, tuple[Choice, ...]]:
    values = [flat["const"]] if "const" in flat else flat.get("enum")
    if isinstance(values, list) and values:
        few = room.takes_choices(len(values))
        scalar = few and not any(isinstance(value, dict | list) or _is_half(value) for value in values)
        return (Kind.ENUM, choices_of(values)) if scalar else (None, ())
    if flat.get("type") == "string":
        return {"date": Kind.DATE, "date-time": Kind.DATETIME}.get(_text(flat.get("format")), Kind.STRING), ()
    simple = {"integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
    return (simple.get(flat["type"]) if isinstance(flat.get("type"), str) else None), ()


def _is_half(value: Any) -> bool:
    return isinstance(value, str) and bool(HALF.search(value))


# -- choices


def choices_of(values: Iterable[Any]) -> tuple[Choice, ...]:
    """Choices that a form can send and a person can tell apart, also those that look alike."""
    values = [*values]
    labels = [visible(value) if isinstance(value, str) else as_json(value) for value in values]
    labels = _told_apart(
        labels, [_with_type(value, text) for value, text in zip(values, labels, strict=True)]
    )
    numbered = [f"{text} (choice {at})" for at, text in enumerate(labels, start=1)]
    labels = _told_apart(labels, numbered)
    return tuple(Choice(value, str(at), labels[at]) for at, value in enumerate(values))


def _told_apart(labels: list[str], longer: list[str]) -> list[str]:
    count = Counter(labels)
    return [more if count[text] > 1 else text for text, more in zip(labels, longer, strict=True)]


def _with_type(value: Any, label: str) -> str:
    if isinstance(value, str):
        return f"{label} (text)"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{label} (number)" if is_number else label


def visible(text: str) -> str:
    """A text that shows its spaces, tabs and other characters that pages swallow."""
    if not text:
        return "(empty)"
    if text == " " * len(text):
        return "(space)" if len(text) == 1 else f"({len(text)} spaces)"
    if text in ALONE:
        return ALONE[text]
    if text.isprintable() and text == " ".join(text.split()) and len(text) <= LONGEST_LABEL:
        return text
    seen = SWALLOWED.sub(lambda blanks: "␣" * len(blanks[0]), text[:LONGEST_LABEL])
    return "".join(map(_shown, seen)) + "…" * (len(text) > LONGEST_LABEL)


def _shown(character: str) -> str:
    if character in SIGNS or character.isprintable():
        return SIGNS.get(character, character)
    return f"\\u{ord(character):04x}"


def as_json(value: Any) -> str:
    """JSON in one line, with all characters that a page can show."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if HALF.search(text) else text


def _is_plain_list(flat: Mapping[str, Any]) -> bool:
    return flat.get("type") == "array" and "prefixItems" not in flat and isinstance(flat.get("items"), dict)


def _item(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The flat schema of a list's items; nothing when an item may be null, which no line of text can say."""
    flat, nullable = flatten(schema, root)
    return {} if nullable else flat


def _limits(flat: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: flat[key] for key in LIMITS if key in flat and _is_number(flat[key])}
    texts = {key: flat[key] for key in ("pattern", "format") if isinstance(flat.get(key), str)}
    low, high = numbers.get("exclusiveMinimum"), numbers.get("exclusiveMaximum")
    size = "Items" if flat.get("type") == "array" else "Length"
    return {
        "minimum": numbers.get("minimum") if low is None else low,
        "maximum": numbers.get("maximum") if high is None else high,
        "exclusive_minimum": low is not None,
        "exclusive_maximum": high is not None,
        "multiple_of": numbers.get("multipleOf"),
        "min_length": numbers.get(f"min{size}"),
        "max_length": numbers.get(f"max{size}"),
        **texts,
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < BIGGEST


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
    if entry.kind == Kind.ENUM and entry.choices:
        return _one_of([choice.label for choice in entry.choices])
    return WORDS[entry.kind]


def _one_of(labels: list[str]) -> str:
    """ "one of a, b", as many as have room beside a name: "one of a, b and 7 more"."""
    if len(labels) == 1 and len(labels[0]) <= NAMED_LENGTH:
        return f"only {labels[0]}"
    room = list(accumulate(len(label) + 2 for label in labels))
    fit = sum(length <= NAMED_LENGTH + 2 for length in room)
    if not fit:
        return f"one of {len(labels)} choices"
    more = f" and {len(labels) - fit} more" if fit < len(labels) else ""
    return f"one of {', '.join(labels[:fit])}{more}"


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
