"""What a form shows of one value: its input, and of a value with an inside its boxes, rows and keys."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from typing import Any

from tenants.run_templates.document.configuration import Change, DocumentFault
from tenants.run_templates.document.field_rules import FieldRule, FieldRules
from tenants.run_templates.document.form_data import KEPT, inputs
from tenants.run_templates.document.hidden import plainly
from tenants.run_templates.document.nodes import KEPT_SHAPES, KEY, FormNode, NodeLayout, described, value_at
from tenants.run_templates.document.run_settings import Setting
from tenants.run_templates.document.schema import (
    AS_JSON,
    MASK,
    NONE,
    Choice,
    Field,
    Kind,
    choices_of,
    same,
)

VALUE_LENGTH = 40
MIN_STEP = 1e-9  # browsers count with floats
GONE = object()  # what the template does not have
WORDS = {None: "none", True: "on", False: "off"}


def in_words(value: Any) -> str:
    """A value as people read it in one line."""
    value = plainly(value)
    if value is None or isinstance(value, bool):
        return WORDS[value]
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return ", ".join(map(in_words, value)) or "empty list"
    if isinstance(value, str):
        return value or "empty"
    return json.dumps(value, ensure_ascii=False)


def shortened(text: str, length: int = VALUE_LENGTH) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


# -- one value in the form


@dataclass(frozen=True)
class Hints:
    """`min`, `max` and `step` of a number input, "" for none: what its arrows offer is what the check takes."""

    minimum: str = ""
    maximum: str = ""
    step: str = ""


def hints_of(entry: Field, text: str) -> Hints:
    """A browser counts its steps from `min`, or without one from the number it was given."""
    factor = _factor(entry)
    low = _edge(entry.minimum, entry.exclusive_minimum, factor, math.ceil, 1)
    high = _edge(entry.maximum, entry.exclusive_maximum, factor, math.floor, -1)
    if factor is None or (low is None and text and not _is_multiple(text, factor)):
        return Hints(_decimal(low), _decimal(high), "any")
    return Hints(_decimal(low), _decimal(high), _decimal(factor))


def _factor(entry: Field) -> Fraction | None:
    """What every allowed number is a multiple of."""
    given = entry.multiple_of
    whole = entry.kind == Kind.INTEGER
    if given is None or not MIN_STEP <= abs(given) <= 2**53:
        return Fraction(1) if whole and given is None else None
    factor = abs(Fraction(str(given)))
    return Fraction(factor.numerator) if whole else factor  # the least whole number that is a multiple of it


def _edge(limit, exclusive: bool, factor: Fraction | None, rounded, step: int) -> Fraction | None:
    """The first, or last, number that is allowed; None where there is none that can be named."""
    if limit is None or abs(limit) > 2**53:
        return None
    exact = Fraction(str(limit))
    if factor is None:
        return None if exclusive else exact
    edge = rounded(exact / factor) * factor
    return edge + step * factor if exclusive and edge == exact else edge


def _is_multiple(text: str, factor: Fraction) -> bool:
    return _is_number(text) and (Fraction(text) / factor).denominator == 1


def _decimal(number: Fraction | None) -> str:
    """The number as HTML writes it: 10, 0.1, 1e-07."""
    if number is None:
        return ""
    return str(number.numerator) if number.denominator == 1 else repr(float(number))


@dataclass(frozen=True)
class FieldView:
    """A parameter with what its input shows. `id` is safe in HTML and the same as long as the template is."""

    id: str
    field: Field
    raw: str | list[str]
    value: Any = None  # of the document
    none: bool = False
    as_json: bool = False  # the value is one that its own input could not give back
    change: Change | None = None
    error: str = ""
    place: tuple = ()  # inside the value of its parameter
    has_form: bool = False  # written as JSON by choice: there are inputs for it
    lock: FieldRule | None = None

    @property
    def locked_words(self) -> str:
        return shortened(in_words(self.value), 400)

    @cached_property
    def text(self) -> str:
        return "\n".join(self.raw) if isinstance(self.raw, list) else self.raw

    @property
    def checked(self) -> bool:
        return self.text.strip().lower() in ("true", "on", "1", "yes")

    @property
    def options(self) -> list[tuple[Choice, bool]]:
        """Choices with whether they are chosen; a value that is none of them is shown all the same."""
        chosen = {*self.raw} if isinstance(self.raw, list) else {self.raw}
        kept = [Choice(self.value, KEPT, option_label(self.value))] if KEPT in chosen else []
        return [(choice, choice.raw in chosen) for choice in [*self.field.choices, *kept]]

    @property
    def name(self) -> str:
        """Of the input. Another name says that its text is JSON."""
        return self.field.path + AS_JSON if self.as_json else self.field.path

    @cached_property
    def widget(self) -> str:
        """Which piece of the template draws it."""
        if self.as_json:
            return "json"
        if self.field.secret:
            return "input"
        kind = self.field.kind
        if kind == Kind.BOOLEAN:
            return "tristate" if self.field.nullable else "switch"
        if kind == Kind.LIST:
            return "boxes" if self.field.choices else "lines"
        plain = {Kind.ENUM: "select", Kind.JSON: "json"}
        if kind == Kind.STRING and (self.field.long or "\n" in self.text):
            return "text"
        return plain.get(kind, "input")

    @cached_property
    def type(self) -> str:
        """Type of the <input>; browsers would drop a text that does not fit a narrower one."""
        if self.field.secret:
            return "password"
        fits = {
            Kind.INTEGER: ("number", _is_number),
            Kind.NUMBER: ("number", _is_number),
            Kind.DATE: ("date", _is_day),
            Kind.DATETIME: ("datetime-local", _is_moment),
        }
        narrow, check = fits.get(self.field.kind, ("text", bool))
        return narrow if not self.text or check(self.text) else "text"

    @property
    def hints(self) -> Hints:
        return hints_of(self.field, self.text)

    @property
    def wide(self) -> bool:
        return self.widget in ("lines", "boxes", "json", "text")

    @property
    def was(self) -> str:
        return shortened(in_words(self.change.before)) if self.change else ""

    @property
    def mode(self) -> str:
        """Keyboard that phones open."""
        return {Kind.INTEGER: "numeric", Kind.NUMBER: "decimal"}.get(self.field.kind, "")

    @property
    def placeholder(self) -> str:
        """What an empty input says."""
        if self.none:
            return "no value"
        if self.field.secret and not self.is_missing:
            return "changed, not shown" if self.change else "unchanged"
        return "required" if self.field.required or self.is_missing else ""

    @property
    def is_missing(self) -> bool:
        """Is it a secret that no one knows here?"""
        return self.field.secret and self.value == MASK and MASK not in self.field.masks

    @property
    def none_name(self) -> str:
        return self.field.path + NONE


# What browsers take for a number, a date and a time: anything else they empty before anyone has seen it.
HTML_NUMBER = re.compile(r"-?([0-9]{1,20}(\.[0-9]{1,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")
HTML_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
HTML_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def _is_number(text: str) -> bool:
    """Also one that a browser counts up and down without loss."""
    return bool(HTML_NUMBER.fullmatch(text)) and abs(float(text)) <= 2**53


def _is_day(text: str) -> bool:
    return bool(HTML_DAY.fullmatch(text)) and _is_moment_of(text)


def _is_moment(text: str) -> bool:
    return bool(HTML_MOMENT.fullmatch(text)) and _is_moment_of(text)


def _is_moment_of(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def option_label(value: Any) -> str:
    """A value that is none of the choices, as one of them."""
    return choices_of([value])[0].label if isinstance(value, str) else shortened(in_words(value), 200)


# -- a value with an inside


@dataclass(frozen=True)
class RowView:
    """One row of a list or of a dictionary, or one property of a model."""

    view: "FieldView | NodeView"
    number: int
    key: str = ""  # of a dictionary, as it was typed
    key_name: str = ""
    is_added: bool = False
    is_first: bool = False
    is_last: bool = False

    @property
    def is_node(self) -> bool:
        return isinstance(self.view, NodeView)

    @property
    def path(self) -> str:
        """What a button of the row posts."""
        return self.view.path if self.is_node else self.view.field.path

    @property
    def label(self) -> str:
        """Of the input, where none stands beside it: "regions 2", or the key of a dictionary."""
        return self.view.field.name or f"Value {self.number}"


@dataclass(frozen=True)
class NodeView:
    """A box of the form: a model, a list, a dictionary, or a value that may have one of several shapes."""

    id: str
    node: FormNode
    rows: list[RowView]
    error: str = ""
    kept: str = ""  # values of shapes that are not shown, carried by the page
    before: Any = GONE

    @property
    def path(self) -> str:
        return self.node.path

    @property
    def name(self) -> str:
        return self.node.entry.name

    @property
    def description(self) -> str:
        return self.node.entry.description

    @property
    def about(self) -> str:
        return described(self.node)

    @property
    def layout(self) -> str:
        """Of what is shown inside; "leaf" for one input, "" for nothing."""
        if self.node.is_choice and not self.node.children:
            return ""
        return self.node.children[0].layout if self.node.is_choice else self.node.layout

    @property
    def is_list(self) -> bool:
        return self.layout in (NodeLayout.ROWS, NodeLayout.PAIRS)

    @property
    def holder(self) -> FormNode:
        """The node the rows belong to."""
        return self.node.children[0] if self.node.is_choice and self.node.children else self.node

    @property
    def has_json(self) -> bool:
        """May the whole of it be shown as JSON? Not when there is a secret inside."""
        return self.has_value and not any(one.is_secret for one in self.node.walk())

    @property
    def can_change_rows(self) -> bool:
        return self.holder.row is not None

    @property
    def shapes(self) -> list[tuple[int, str, bool]]:
        """(place, label, whether it is chosen) of every shape."""
        return [(at, one.label, at == self.node.chosen) for at, one in enumerate(self.node.options)]

    @property
    def has_value(self) -> bool:
        return not self.node.is_choice or self.node.chosen is not None

    @property
    def can_be_none(self) -> bool:
        return self.node.entry.nullable or not self.has_value

    @cached_property
    def leaves(self) -> list["FieldView"]:
        """Every input inside, as deep as it may be."""
        return [one for row in self.rows for one in ([row.view] if not row.is_node else row.view.leaves)]

    @cached_property
    def boxes(self) -> list["NodeView"]:
        """This box and those inside."""
        return [self, *(box for row in self.rows if row.is_node for box in row.view.boxes)]

    @property
    def ids(self) -> list[tuple[tuple, str]]:
        """(place, id) of every box and every input inside; of several at one place the innermost comes last."""
        own = [(self.node.parts, self.id)] if self.error or self.layout != NodeLayout.LEAF else []
        rows = [row.view.ids if row.is_node else [(row.view.place, row.view.id)] for row in self.rows]
        return [*own, *(one for found in rows for one in found)]

    @cached_property
    def to_fix(self) -> int:
        return len([one for one in [*self.boxes, *self.leaves] if one.error])

    @property
    def changed(self) -> str:
        """What differs from the template, in two or three words; "" when nothing does."""
        return difference(self.before, self.node.value)


def difference(before: Any, after: Any) -> str:
    """How two values differ, in a few words: "2 changed", "1 added, 1 removed", "moved"; "" when they are the same."""
    if before is GONE or same(before, after):
        return "added" if before is GONE else ""
    one, other = _by_part(before), _by_part(after)
    if one is None or other is None:
        return "changed"
    added, removed = len(other.keys() - one.keys()), len(one.keys() - other.keys())
    changed = sum(not same(one[part], other[part]) for part in one.keys() & other.keys())
    counts = {"changed": changed, "added": added, "removed": removed}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "moved"


def _by_part(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


class NodeViews:
    """Makes the views of one parameter with an inside, from what was sent and what is wrong."""

    def __init__(
        self,
        top: FormNode,
        raw: Mapping[str, Any],
        errors: Mapping[tuple, str],
        default: Any,
        rules: FieldRules,
    ):
        self.top, self.raw, self.errors, self.default, self.rules = top, raw, errors, default, rules
        self.leaf_at = {one.parts: one for one in top.walk()}

    def view(self, node: FormNode, id: str) -> "FieldView | NodeView":
        if lock := self.rules.lock_of(self.top.path, node.parts):
            return replace(self._leaf(node, id), lock=lock)
        if node.layout == NodeLayout.LEAF and not node.is_choice:
            return self._leaf(node, id)
        if node.path in self.raw or node.path + AS_JSON in self.raw:
            return replace(self._leaf(node, id), has_form=True)
        is_outer = not node.is_choice or self.leaf_at[node.parts].layout != NodeLayout.LEAF
        return NodeView(
            id=id,
            node=node,
            rows=self._rows(node, id),
            error=self.errors.get(node.parts, "") if is_outer else "",
            kept=self.raw.get(node.path + KEPT_SHAPES, ""),
            before=self._before(node),
        )

    def _rows(self, node: FormNode, id: str) -> list[RowView]:
        if node.is_choice and node.children and node.children[0].layout != NodeLayout.LEAF:
            node = node.children[0]
        if node.is_choice and node.children[:1] and node.children[0].is_choice:
            return [RowView(self.view(node.children[0], f"{id}-0"), 1)]
        shown = [child for child in node.children if not is_constant(child)]
        return [
            RowView(
                view=self.view(child, f"{id}-{at}"),
                number=at + 1,
                key=self.raw.get(child.path + KEY, str(child.parts[-1])) if child.parts else "",
                key_name=child.path + KEY,
                is_added=self._before(child) is GONE,
                is_first=at == 0,
                is_last=at == len(shown) - 1,
            )
            for at, child in enumerate(shown)
        ]

    def _before(self, node: FormNode) -> Any:
        return value_at(self.default, node.parts, GONE)

    def _leaf(self, node: FormNode, id: str) -> "FieldView":
        before = self._before(node)
        is_same = before is not GONE and same(before, node.value)
        changed = not (is_same or node.missing or before is GONE)
        change = Change(node.path, "", node.entry.name, before, node.value) if changed else None
        error = self.errors.get(node.parts, "")
        return replace(field_view(node.entry, id, node.value, self.raw, change, error), place=node.parts)


def is_node(view: FieldView | NodeView) -> bool:
    """Is it a box, and not one input?"""
    return isinstance(view, NodeView)


def nearest(top: FormNode, problem: DocumentFault) -> tuple[tuple, str]:
    """(place of the input or the box where a fault is shown, what is said there)."""
    places, within = {one.parts for one in top.walk()}, problem.within
    while within not in places:
        within = within[:-1]
    return within, problem.short if within == problem.within and problem.short else problem.message


def is_constant(node: FormNode) -> bool:
    """The mark of a shape, which has one value: choosing the shape chooses it."""
    choices = node.entry.choices
    is_only = len(choices) == 1 and node.entry.kind == Kind.ENUM and not node.entry.nullable
    return is_only and (node.missing or same(node.value, choices[0].value))


def field_view(entry: Field, id: str, value: Any, sent: Mapping[str, Any], change, error: str) -> FieldView:
    """An input with what was sent for it, or else with its value."""
    if entry.secret and (value is None or isinstance(value, str)):
        none = sent.get(entry.path + NONE, "on" if value is None else "") if entry.nullable else ""
        return FieldView(id=id, field=entry, raw="", value=value, none=bool(none), change=change, error=error)
    raw = inputs(entry, value)
    # What was chosen is in the document, also when it was none of the choices.
    if entry.path + AS_JSON in sent or (entry.path in sent and not entry.choices):
        names = [entry.path + end for end in ("", AS_JSON, NONE)]
        raw = {name: sent[name] for name in names if name in sent}
    as_json = entry.path + AS_JSON in raw
    return FieldView(
        id=id,
        field=entry,
        raw=raw[entry.path + AS_JSON] if as_json else raw.get(entry.path, ""),
        value=value,
        none=bool(raw.get(entry.path + NONE)),
        as_json=as_json,
        change=change,
        error=error,
    )


# -- what can be set beside the parameters


def setting_view(
    place: tuple[str, Setting], id: str, holder: Any, default: Any, text: str | None, error: str
) -> FieldView:
    """The input of a setting with what was sent for it, or else with its value. `place`: (step or "", setting)."""
    step, setting = place
    entry, before, now = setting.entry(step), setting.value(default), setting.value(holder)
    change = None if same(before, now) else Change(entry.path, step, setting.label, before, now)
    unread = text is not None and bool(error)
    shown = text if unread else setting.text(holder)
    return FieldView(id=id, field=entry, raw=shown, value=now, change=change, error=error)
