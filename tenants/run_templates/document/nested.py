"""What a form posts for one parameter, read along the nodes it was drawn from, and rows that come, go and move.

The nodes are those of the document the form was filled from. What is not posted stays as it was there; a value that
was not there and whose input nobody touched is not there afterwards either.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tenants.run_templates.document.configuration import MAX_VALUES, DocumentFault, fault_within
from tenants.run_templates.document.form_data import (
    Raw,
    Sent,
    Unreadable,
    exactly,
    is_plain,
    read_text,
    to_raw,
)
from tenants.run_templates.document.nodes import (
    KEPT_SHAPES,
    KEY,
    SHAPE,
    FormNode,
    NodeLayout,
    started,
    value_at,
)
from tenants.run_templates.document.schema import (
    AS_JSON,
    MAX_DEPTH,
    NONE,
    Field,
    Kind,
    is_hidden,
    mapping,
    measure,
)

MISSING = object()
ONLY_A_MASK = "This stands for a secret and is none itself: enter the secret."
LONGEST_KEPT = 50_000
MOST_ROWS = 200
ACTIONS = ("add", "copy", "remove", "up", "down")


@dataclass
class Reading:
    """What was posted, and what becomes of it: `raw` refills inputs, `reshaped` has other inputs than were shown."""

    sent: Sent
    raw: dict[str, Raw] = field(default_factory=dict)
    problems: list[DocumentFault] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)


def read_leaf(entry: Field, parts: tuple, before: Any, reading: Reading, parameter: str) -> Any:
    """The value of one input, or `before` when it was not in the form; the text itself where it cannot be read.

    "No value" that was ticked before gives way to what is written beside it.
    """
    name, posted = posted_for(entry, reading.sent)
    if posted is None:
        return before
    is_secret = entry.secret and name == entry.path
    if not is_secret:  # what was typed of a secret is not sent back
        reading.raw[name] = posted
    none = entry.nullable and _is_none(entry, before, reading.sent)
    if entry.nullable:
        reading.raw[entry.path + NONE] = "on" if none else ""
    if is_secret and not none and not posted:
        return before
    if is_secret and not none and is_hidden(posted):
        reading.problems.append(fault_within(parameter, parts, ONLY_A_MASK))
        return before
    try:
        return None if none else read_text(name, entry, posted, before)
    except Unreadable as error:
        reading.problems.append(fault_within(parameter, parts, str(error)))
        return posted


def posted_for(entry: Field, sent: Sent) -> tuple[str, Raw | None]:
    """(name of the input, its text), without a text when the field was not in the form.

    Boxes stand behind a hidden input, so that they can be told from a field that was not there: forms of very many
    fields show only some of them.
    """
    if texts := sent.get(entry.path + AS_JSON):
        return entry.path + AS_JSON, texts[-1]
    texts = sent.get(entry.path)
    if entry.kind == Kind.LIST:
        return entry.path, texts if texts is not None else [] if _is_ticked(entry, sent) else None
    return entry.path, texts[-1] if texts else "" if _is_ticked(entry, sent) else None


def _is_ticked(entry: Field, sent: Sent) -> bool:
    return any(sent.get(entry.path + NONE, ()))


def _is_none(entry: Field, before: Any, sent: Sent) -> bool:
    written = any(_says_something(entry, text) for text in sent.get(entry.path, ()))
    return _is_ticked(entry, sent) and not (before is None and written)


def _says_something(entry: Field, text: str) -> bool:
    """A blank is a text, but no number and no date."""
    return bool(text if entry.kind == Kind.STRING else text.strip())


# -- along the nodes


def read_node(node: FormNode, reading: Reading) -> Any:
    """The value that was posted for a parameter with an inside."""
    return _NodeReader(node, reading).read(node)


class _NodeReader:
    """Reads one parameter. Its methods give MISSING for what was not in the document and was not entered."""

    def __init__(self, top: FormNode, reading: Reading):
        self.top, self.reading, self.sent = top, reading, reading.sent

    def read(self, node: FormNode) -> Any:
        value = self._value(node)
        is_untouched = node.missing and (value is MISSING or exactly(value, node.value))
        return MISSING if is_untouched else value

    def _value(self, node: FormNode) -> Any:
        if node.layout == NodeLayout.LEAF and not node.is_choice:
            return self._leaf(node)
        if _is_json(node, self.sent):
            return self._leaf(node)
        return self._chosen(node) if node.is_choice else self._inside(node)

    def _leaf(self, node: FormNode) -> Any:
        name, posted = posted_for(node.entry, self.sent)
        ticked = _is_ticked(node.entry, self.sent)
        shown = to_raw(node.entry, node.value) if is_plain(node.entry, node.value) else None
        if node.missing and not ticked and (posted is None or (name == node.path and posted == shown)):
            return MISSING
        return read_leaf(node.entry, node.parts, node.value, self.reading, self.top.path)

    def _inside(self, node: FormNode) -> Any:
        if node.layout == NodeLayout.ROWS:
            return [self.read(child) for child in node.children]
        if node.layout == NodeLayout.PAIRS:
            return self._pairs(node)
        value = dict(mapping(node.value))
        for child in node.children:
            found = self.read(child)
            if found is MISSING:
                value.pop(child.parts[-1], None)
            else:
                value[child.parts[-1]] = found
        return None if node.missing and node.value is None and not value else value

    # -- keys

    def _pairs(self, node: FormNode) -> dict[str, Any]:
        """A key that is there twice keeps its old name in the document until it has a name of its own."""
        before = [child.parts[-1] for child in node.children]
        typed = [self._key(child) for child in node.children]
        wanted, found = {*typed}, {}
        for child, old, new in zip(node.children, before, typed, strict=True):
            key = new
            if new in found:
                key = old if old not in found and old not in wanted else free_key({*found} | wanted)
                message = f"The key “{new[:80]}” is there twice." if new else "Enter a key."
                self.reading.raw[child.path + KEY] = new
                self.reading.problems.append(fault_within(self.top.path, (*node.parts, key), message))
            found[key] = self.read(child)
        return found

    def _key(self, child: FormNode) -> str:
        texts = self.sent.get(child.path + KEY)
        return texts[-1] if texts else child.parts[-1]

    # -- shapes

    def _chosen(self, node: FormNode) -> Any:
        value = self.read(node.children[0]) if node.children else node.value
        kept = self._kept(node)
        if kept:
            self.reading.raw[node.path + KEPT_SHAPES] = json.dumps(kept)
        wanted = self._wanted(node)
        if wanted == node.chosen:
            return value
        self.reading.reshaped.append(node.path)
        if node.chosen is not None and value is not MISSING:
            kept[str(node.chosen)] = value
        self.reading.raw[node.path + KEPT_SHAPES] = json.dumps(without_secrets(kept, node))
        return None if wanted is None else self._reshaped(node, wanted, value, kept)

    def _wanted(self, node: FormNode) -> int | None:
        texts = self.sent.get(node.path + SHAPE)
        text = texts[-1] if texts else ""
        if texts and not text and (node.entry.nullable or node.chosen is None):
            return None
        is_place = text.isascii() and text.isdecimal() and len(text) < 4 and int(text) < len(node.options)
        return int(text) if is_place else node.chosen

    def _kept(self, node: FormNode) -> dict[str, Any]:
        """Values of the shapes that are not shown, as the page carried them."""
        texts = self.sent.get(node.path + KEPT_SHAPES)
        if not texts or len(texts[-1]) > LONGEST_KEPT:
            return {}
        try:
            kept = mapping(json.loads(texts[-1]))
        except (ValueError, RecursionError):
            return {}
        size = measure(kept, MAX_VALUES)
        return {} if size.values > MAX_VALUES or size.depth > MAX_DEPTH or size.is_odd else kept

    def _reshaped(self, node: FormNode, wanted: int, value: Any, kept: Mapping[str, Any]) -> Any:
        """What this shape had before, or what it begins with and what both shapes have."""
        if str(wanted) in kept:
            return kept[str(wanted)]
        flat = node.options[wanted].flat
        fresh = started(flat, mapping(node.entry.schema.get("$defs")))
        if isinstance(fresh, dict) and isinstance(value, dict):
            common = mapping(flat.get("properties")).items()
            shared = {name for name, inner in common if name in value and "const" not in mapping(inner)}
            fresh |= {name: value[name] for name in shared}
        return fresh


def without_secrets(kept: dict[str, Any], node: FormNode) -> dict[str, Any]:
    """No value of a shape that holds a secret goes back to the page."""
    is_secret = any(one.is_secret for one in node.walk())
    return {shape: value for shape, value in kept.items() if not is_secret or shape != str(node.chosen)}


def _is_json(node: FormNode, sent: Sent) -> bool:
    """Was the whole of it written as JSON?"""
    return bool(sent.get(node.path + AS_JSON) or sent.get(node.path))


def free_key(taken: set[str]) -> str:
    """A key for a new row; the first one is for the person to enter."""
    if "" not in taken:
        return ""
    return next(key for number in range(2, len(taken) + 3) if (key := f"key-{number}") not in taken)


# -- rows


def node_at(top: FormNode, path: str) -> FormNode | None:
    """The node whose inputs have this path; of a union the value in its shape, which has the rows."""
    found = [one for one in top.walk() if one.path == path]
    return found[-1] if found else None


def rearranged(top: FormNode, action: str, path: str) -> Any:
    """The value of a parameter after its rows were changed; as it was when there is no such row.

    `path` is that of the list for "add", else that of the row.
    """
    value = deepcopy(top.value)
    holder = node_at(top, path if action == "add" else path.rpartition("/")[0])
    if holder is None or action not in ACTIONS:
        return value
    inside = value_at(value, holder.parts)
    row = next((at for at, child in enumerate(holder.children) if child.path == path), None)
    if row is None and action != "add":
        return value
    if holder.layout == NodeLayout.ROWS and isinstance(inside, list):
        _change_list(inside, holder, action, row)
    elif holder.layout == NodeLayout.PAIRS and isinstance(inside, dict):
        _change_keys(inside, holder, action, row)
    return value


def _change_list(rows: list[Any], holder: FormNode, action: str, row: int | None) -> None:
    if holder.row is None:
        return
    if action == "add" and len(rows) < MOST_ROWS:
        rows.append(_first(holder))
    elif action == "copy" and len(rows) < MOST_ROWS:
        rows.insert(row + 1, deepcopy(rows[row]))
    elif action == "remove":
        del rows[row]
    elif action in ("up", "down"):
        _swap(rows, row, row - 1 if action == "up" else row + 1)


def _change_keys(inside: dict[str, Any], holder: FormNode, action: str, row: int | None) -> None:
    pairs = [*inside.items()]
    if action == "add" and len(pairs) < MOST_ROWS:
        pairs.append((free_key({*inside}), _first(holder)))
    elif action == "remove":
        del pairs[row]
    elif action in ("up", "down"):
        _swap(pairs, row, row - 1 if action == "up" else row + 1)
    inside.clear()
    inside.update(pairs)


def _swap(rows: list[Any], one: int, other: int) -> None:
    if 0 <= other < len(rows):
        rows[one], rows[other] = rows[other], rows[one]


def _first(holder: FormNode) -> Any:
    return started(mapping(holder.row), mapping(holder.entry.schema.get("$defs")))
