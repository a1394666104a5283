"""The inside of a value as a form shows it: groups of a model, rows of a list, keys of a dictionary, a choice of shape.

A tree is made of a schema and of the value that is there: what the value does not have is not followed, so that a
schema that refers to itself ends. What no inputs can give back as it is stays one area of JSON.

Inputs are named by their path: `steps.train.parameters.booster/early_stopping/rounds`, and rows by their number.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from functools import cached_property
from itertools import islice
from typing import Any

from tenants.run_templates.document.form_data import is_plain
from tenants.run_templates.document.schema import (
    PLURALS,
    WORDS,
    Description,
    Field,
    Kind,
    Room,
    field_of,
    flatten,
    is_name,
    mapping,
    measure,
    options_of,
)
from tenants.run_templates.document.validation import Budget, Spent, faults

MAX_INSIDE, ALL_INSIDE = (
    300,
    600,
)  # inputs inside one parameter, and inside all of a page; a form can send 1,000
DEEPEST_NODE = 6
MAX_SHAPES = 20
LARGEST_START, DEEPEST_START = 500, 12  # of a value that a new row begins with
FIT_UNITS = 20_000  # of work to find out which shape a value has
SHAPE, KEY, KEPT_SHAPES = ".shape", ".key", ".kept"  # endings of the names of inputs


class _Open(Enum):
    """What a person has to enter; an enumeration, so that a copy of it is the same."""

    OPEN = "open"


OPEN = _Open.OPEN


class NoRoom(Exception):
    """More inputs than a form has room for."""


class NodeLayout(StrEnum):
    """How the inside of a value is shown."""

    LEAF = "leaf"
    GROUP = "group"
    ROWS = "rows"
    PAIRS = "pairs"


@dataclass(frozen=True)
class Option:
    """One shape of a union, with its schema without references."""

    label: str
    flat: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class FormNode:
    """A value, or a place where one may be. `missing`: the value is none of the document, only what stands for it."""

    entry: Field  # its path is the name of its input
    parts: tuple[str | int, ...]  # where it is in the value of its parameter
    value: Any
    layout: NodeLayout = NodeLayout.LEAF
    missing: bool = False
    options: tuple[Option, ...] = ()  # when there is something to choose
    chosen: int | None = None  # None: no value
    children: tuple["FormNode", ...] = ()  # of a union one: the value in the chosen shape
    row: Mapping[str, Any] | None = field(
        default=None, repr=False
    )  # schema of further rows, if there may be any

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def is_choice(self) -> bool:
        return bool(self.options)

    @property
    def is_switch(self) -> bool:
        """One shape, or no value."""
        return len(self.options) == 1

    @property
    def is_secret(self) -> bool:
        return self.entry.secret

    @cached_property
    def inner(self) -> "FormNode":
        """The node whose children are shown: itself, or the one in the chosen shape."""
        return self.children[0].inner if self.is_choice and self.children else self

    def walk(self) -> Iterator["FormNode"]:
        """This node and all inside."""
        yield self
        for child in self.children:
            yield from child.walk()


def trees(description: Description, values: Mapping[str, Any]) -> dict[str, FormNode]:
    """The nodes of those parameters that have an inside that can be shown, by the path of their parameter."""
    taken = {prefix for entry in description.fields for prefix in _prefixes(entry.path)}
    left, room, found = ALL_INSIDE, Room(0, 0), {}
    for entry in description.fields:
        if entry.path in taken or entry.kind not in (Kind.JSON, Kind.LIST):
            continue
        node = tree(entry, values[entry.path], min(left, MAX_INSIDE), room)
        if node.layout != NodeLayout.LEAF or node.is_choice:
            found[entry.path] = node
            left -= inputs_inside(node)
    return found


def inputs_of(entry: Field) -> int:
    """How many inputs a form has for one value at most."""
    boxes = len(entry.choices) if entry.kind == Kind.LIST else 0
    return 1 + boxes + entry.nullable + (entry.kind == Kind.BOOLEAN)


def inputs_inside(node: FormNode) -> int:
    """How many inputs a form has for a node and all inside; two for its shape, one for a key."""
    return sum(inputs_of(one.entry) + 2 for one in node.walk())


def _prefixes(path: str) -> list[str]:
    """Names of parameters that the inputs of this one could be taken for."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))][:50]


def tree(entry: Field, value: Any, most: int = MAX_INSIDE, room: Room | None = None) -> FormNode:
    """The nodes of one parameter; a leaf when there are too many, or no inside that can be shown."""
    try:
        return _Builder(entry.schema, most, room or Room(0, 0)).node(entry, (), value)
    except NoRoom:
        return FormNode(entry, (), value)


class _Builder:
    """Makes the nodes of one parameter, at most so many. Raises NoRoom."""

    def __init__(self, root: Mapping[str, Any], most: int, room: Room):
        self.root, self.left = {"$defs": mapping(root.get("$defs"))}, most
        self.room, self.budget = room, Budget(FIT_UNITS)

    def node(self, entry: Field, parts, value: Any, missing=False, deep=0) -> FormNode:
        self.left -= inputs_of(entry) + 2
        if self.left < 0:
            raise NoRoom
        leaf = FormNode(entry, parts, value, missing=missing)
        if entry.kind not in (Kind.JSON, Kind.LIST) or deep >= DEEPEST_NODE:
            return leaf
        if entry.kind == Kind.LIST and is_plain(entry, value):
            return leaf
        flat, nullable = flatten(entry.schema, self.root)
        shapes = self._shapes(flat)
        if len(shapes) > 1 or (nullable and shapes and _layout(shapes[0].flat)):
            return self._choice(leaf, shapes, deep)
        return self._inside(leaf, flat, deep) if shapes else leaf

    # -- unions

    def _shapes(self, flat: Mapping[str, Any]) -> list[Option]:
        options = options_of(flat, "anyOf") or options_of(flat, "oneOf")
        if not options:
            return [Option(_label(flat), flat)] if _layout(flat) else []
        if len(options) > MAX_SHAPES:
            return []
        found = [flatten(option, self.root) for option in options if option.get("type") != "null"]
        return [Option(_label(one), one) for one, nullable in found if not nullable]

    def _choice(self, leaf: FormNode, shapes: list[Option], deep: int) -> FormNode:
        """The value in the first shape it has; a value that has none is shown as JSON."""
        node = replace(leaf, options=tuple(shapes))
        if leaf.value is None and (leaf.entry.nullable or leaf.missing):
            return node
        for at, shape in enumerate(shapes):
            if self._fits(shape.flat, leaf.value):
                child = self._shaped(node, at, deep)
                return replace(node, chosen=at, children=(child,)) if child else leaf
        return leaf

    def _fits(self, flat: Mapping[str, Any], value: Any) -> bool:
        """Only roughly: what is wrong inside is a fault of that value, and not of its shape."""
        kind = flat.get("type")
        if isinstance(value, dict) and kind == "object" and (known := _constants(flat, self.root)):
            return all(value.get(name) == constant for name, constant in known.items())
        if isinstance(value, dict) and kind == "object" and mapping(flat.get("properties")):
            return value.keys() <= flat["properties"].keys() and {*_required(flat)} <= value.keys()
        return not faults({**flat, "$defs": self.root["$defs"]}, value, self.budget)

    def _shaped(self, node: FormNode, at: int, deep: int) -> FormNode | None:
        shape = node.options[at]
        layout = _layout(shape.flat)
        path = node.path if node.is_switch and layout else f"{node.path}/{at}"
        entry = self._entry(path, node.entry.name, shape.flat, node.value, True)
        child = self.node(entry, node.parts, node.value, node.missing, deep + 1)
        is_json = child.layout == NodeLayout.LEAF and not child.is_choice and entry.kind == Kind.JSON
        return None if is_json and layout else child

    # -- groups, rows, pairs

    def _inside(self, leaf: FormNode, flat: Mapping[str, Any], deep: int) -> FormNode:
        make = {NodeLayout.GROUP: self._group, NodeLayout.ROWS: self._rows, NodeLayout.PAIRS: self._pairs}
        layout = _layout(flat)
        made = make[layout](leaf, flat, deep) if layout else None
        if made is None:
            return leaf
        children, row = made
        return replace(leaf, layout=layout, children=tuple(children), row=row)

    def _group(self, leaf: FormNode, flat, deep: int):
        known, value = flat["properties"], leaf.value
        if len(known) > self.left:
            raise NoRoom
        given = value if isinstance(value, dict) else {} if leaf.missing and value is None else None
        if given is None or not given.keys() <= known.keys() or not all(map(_is_part, known)):
            return None
        required = {*_required(flat)}
        children = [
            self._child(leaf, name, name, mapping(schema), given.get(name), name not in given, required, deep)
            for name, schema in known.items()
        ]
        return children, None

    def _child(
        self, leaf: FormNode, at, part, schema, value, missing: bool, required, deep: int, name: str = ""
    ) -> FormNode:
        path, needed = f"{leaf.path}/{at}", part in required
        if missing:
            value = _stand_in(schema, self.root)
        entry = self._entry(path, name or str(part), schema, value, needed)
        return self.node(entry, (*leaf.parts, part), value, missing, deep + 1)

    def _rows(self, leaf: FormNode, flat, deep: int):
        value = [] if leaf.missing and leaf.value is None else leaf.value
        given = flat.get("prefixItems")
        if not isinstance(value, list) or (isinstance(given, list) and len(given) != len(value)):
            return None
        if len(value) > self.left:
            raise NoRoom
        row = None if isinstance(given, list) else flat["items"]
        schemas = map(mapping, given) if isinstance(given, list) else [row] * len(value)
        rows = [
            self._child(leaf, at, at, schema, item, False, {at}, deep, f"{leaf.entry.name} {at + 1}")
            for at, (schema, item) in enumerate(zip(schemas, value, strict=True))
        ]
        return rows, row

    def _pairs(self, leaf: FormNode, flat, deep: int):
        value = {} if leaf.missing and leaf.value is None else leaf.value
        if not isinstance(value, dict) or not all(map(_is_line, value)):
            return None
        if len(value) > self.left:
            raise NoRoom
        row = _of_keys(flat)
        rows = [
            self._child(leaf, at, key, row, item, False, {key}, deep, key)
            for at, (key, item) in enumerate(value.items())
        ]
        return rows, row

    def _entry(self, path: str, name: str, schema, value: Any, required: bool) -> Field:
        return field_of(path, "", name, schema, self.root, value, required, self.room)


def _layout(flat: Mapping[str, Any]) -> NodeLayout | None:
    """How values of a schema are shown; None for what has no inside, or one nothing is known of."""
    if "enum" in flat or "const" in flat:
        return None
    if flat.get("type") == "array":
        known = isinstance(flat.get("prefixItems"), list) or mapping(flat.get("items"))
        return NodeLayout.ROWS if known else None
    if flat.get("type") != "object":
        return None
    if mapping(flat.get("properties")):
        return NodeLayout.GROUP
    return NodeLayout.PAIRS if _of_keys(flat) else None


def _of_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the values of a dictionary, {} when any will do."""
    patterns = mapping(flat.get("patternProperties"))
    if len(patterns) == 1:
        return mapping(next(iter(patterns.values())))
    return mapping(flat.get("additionalProperties"))


def _constants(flat: Mapping[str, Any], root) -> dict[str, Any]:
    """Properties that can have one value alone: what tells the shapes of a union apart."""
    found = {}
    for name, schema in islice(mapping(flat.get("properties")).items(), MAX_INSIDE):
        inner = mapping(schema)
        if "const" in inner and not isinstance(inner["const"], dict | list):
            found[name] = inner["const"]
    return found


def _label(flat: Mapping[str, Any]) -> str:
    """What a shape is called: as its model, or by what it holds."""
    layout = _layout(flat)
    title = flat.get("title")
    if layout == NodeLayout.GROUP and isinstance(title, str) and title.isprintable():
        return title[:60] or "group"
    if layout:
        return {NodeLayout.GROUP: "group", NodeLayout.ROWS: "list", NodeLayout.PAIRS: "dictionary"}[layout]
    if flat.get("type") == "array":
        return "list"
    entry = field_of("x", "", "x", flat, {"$defs": {}}, None, False, Room(0, 0))
    return {Kind.BOOLEAN: "switch", Kind.LIST: "list"}.get(entry.kind) or WORDS[entry.kind]


def described(node: FormNode) -> str:
    """What a value is, in a few words: "Booster, 4 values", "list of Segment, 1 to 8", "dictionary, text to number"."""
    flat, nullable = flatten(node.entry.schema, {"$defs": mapping(node.entry.schema.get("$defs"))})
    words = _described(flat, node)
    return f"{words} or none" if nullable and not node.is_choice else words


def _described(flat: Mapping[str, Any], node: FormNode) -> str:
    if node.is_choice:
        labels = [option.label for option in node.options]
        return " or ".join([*labels[:4], *(["none"] if node.entry.nullable else [])])
    if node.layout == NodeLayout.GROUP:
        count = len(node.children)
        return f"{_label(flat)}, {count} value{'s' * (count != 1)}"
    if node.row is None:
        return f"{len(node.children)} values"
    label = _label_of_row(node.row, {"$defs": mapping(node.entry.schema.get("$defs"))})
    if node.layout == NodeLayout.PAIRS:
        return f"dictionary, text to {label}"
    plurals = {WORDS[kind]: plural for kind, plural in PLURALS.items()}
    return f"list of {plurals.get(label, label)}"


def _label_of_row(row: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    flat = flatten(row, root)[0]
    options = options_of(flat, "anyOf") or options_of(flat, "oneOf")
    labels = [_label(flatten(option, root)[0]) for option in options[:4] if option.get("type") != "null"]
    return " or ".join(labels) or _label(flat)


def _required(flat: Mapping[str, Any]) -> list[str]:
    given = flat.get("required")
    return [name for name in given[:MAX_INSIDE] if isinstance(name, str)] if isinstance(given, list) else []


def _is_part(name: Any) -> bool:
    """Can a property of this name be told from others by the name of its input?"""
    return is_name(name) and "/" not in name and "." not in name


def _is_line(key: str) -> bool:
    """Does an input give this key back as it is?"""
    return key.isprintable() and len(key) <= 1000


# -- what a place begins with


def _stand_in(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """What is shown for a value that is not there: its default, or the emptiest value that has an input."""
    if "default" in schema:
        return _bounded(schema["default"])
    flat, nullable = flatten(schema, root)
    if "default" in flat:
        return _bounded(flat["default"])
    if nullable or "enum" in flat or "const" in flat:
        return None
    entry = field_of("x", "", "x", schema, root, None, False, Room(0, 0))
    return {Kind.STRING: "", Kind.BOOLEAN: False, Kind.LIST: []}.get(entry.kind)


def started(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """The value a new row, or a newly chosen shape, begins with: defaults where there are any.

    Numbers and dates without a default are left out of their group: they are for the person to enter.
    """
    try:
        value = _started(schema, {"$defs": definitions}, Budget(LARGEST_START), 0)
    except Spent:
        return None
    return None if value is OPEN else value


def _started(schema: Mapping[str, Any], root: Mapping[str, Any], budget: Budget, deep: int) -> Any:
    budget.spend(1)
    if "default" in schema:
        return _bounded(schema["default"])
    flat, nullable = flatten(schema, root)
    if "default" in flat:
        return _bounded(flat["default"])
    if nullable or deep > DEEPEST_START:
        return None
    if options := options_of(flat, "anyOf") or options_of(flat, "oneOf"):
        return _started(options[0], root, budget, deep + 1)
    values = [flat["const"]] if "const" in flat else flat.get("enum")
    if isinstance(values, list) and values:
        return _bounded(values[0])
    return _started_inside(flat, root, budget, deep + 1)


def _started_inside(flat: Mapping[str, Any], root: Mapping[str, Any], budget: Budget, deep: int) -> Any:
    layout = _layout(flat)
    if layout == NodeLayout.GROUP:
        inside = islice(flat["properties"].items(), MAX_INSIDE)
        values = {name: _started(mapping(schema), root, budget, deep + 1) for name, schema in inside}
        return {name: value for name, value in values.items() if value is not OPEN}
    if layout == NodeLayout.ROWS and isinstance(flat.get("prefixItems"), list):
        values = [_started(mapping(one), root, budget, deep + 1) for one in flat["prefixItems"][:20]]
        return [None if value is OPEN else value for value in values]
    kind, is_text = flat.get("type"), flat.get("type") == "string"
    if is_text and flat.get("format") in ("date", "date-time"):
        return OPEN
    empty = {"object": {}, "array": [], "string": "", "boolean": False, "integer": OPEN, "number": OPEN}
    return deepcopy(empty[kind]) if isinstance(kind, str) and kind in empty else None


def _bounded(value: Any) -> Any:
    """A value of a schema, if it is a small one."""
    return deepcopy(value) if measure(value, LARGEST_START).values <= LARGEST_START else None


def value_at(value: Any, parts: Iterable[str | int], otherwise: Any = None) -> Any:
    """What is at this place inside a value."""
    for part in parts:
        is_there = part in value if isinstance(value, dict) else False
        if isinstance(value, list) and isinstance(part, int):
            is_there = part < len(value)
        if not is_there:
            return otherwise
        value = value[part]
    return value
