"""Who may change what: the rules of a template for single values, kept with it and enforced wherever a document is read.

A rule is about one parameter, about one place inside of it, or about everything that can be set besides (MORE). What is hidden is no part of the documents that people
see: it is taken out of the schema, of the defaults and of what is remembered, and put back when a run is asked for.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from tenants.run_templates.document.configuration import DocumentFault, fault_within
from tenants.run_templates.document.form_data import Unreadable, parse
from tenants.run_templates.document.nodes import NodeLayout, tree, value_at
from tenants.run_templates.document.schema import (
    MAX_CHOICES,
    Description,
    Field,
    Kind,
    PipelineStep,
    Room,
    as_json,
    choices_of,
    field_of,
    flatten,
    mapping,
    plain,
    same,
    visible,
)
from tenants.run_templates.document.validation import faults

GONE = object()
MORE = "more"  # in place of a path: all that can be set for the run and its steps beside their parameters
MOST_NAMED = 12  # choices in a sentence
NUMBERS = {Kind.INTEGER, Kind.NUMBER}
CHOSEN_OF = {*NUMBERS, Kind.STRING, Kind.ENUM, Kind.DATE, Kind.DATETIME}


class RuleKind(StrEnum):
    """What people who run a template may do with one of its values."""

    EDITABLE = "editable"
    LOCKED = "locked"
    HIDDEN = "hidden"
    CHOICES = "choices"
    RANGE = "range"


KIND_WORDS = {
    RuleKind.EDITABLE: "Editable",
    RuleKind.LOCKED: "Locked",
    RuleKind.HIDDEN: "Hidden",
    RuleKind.CHOICES: "Choices",
    RuleKind.RANGE: "Range",
}


@dataclass(frozen=True)
class FieldRule:
    """A rule for the value at `within` of the parameter at `path`; an empty `within` is the whole of it."""

    path: str
    kind: RuleKind
    within: tuple[str, ...] = ()
    values: tuple = ()
    minimum: int | float | None = None
    maximum: int | float | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is kept: what says nothing is left out."""
        kept = {"path": self.path, "kind": str(self.kind), "within": [*self.within]}
        more = {name: getattr(self, name) for name in ("minimum", "maximum", "reason")}
        more["values"] = [*self.values]
        return kept | {name: value for name, value in more.items() if value not in (None, "", [])}

    @property
    def sentence(self) -> str:
        """What is said about a value that breaks the rule."""
        if self.kind == RuleKind.LOCKED:
            return f"This value is locked: {self.reason}" if self.reason else "This value is locked."
        text = f"Choose one of {self.allowed}." if self.kind == RuleKind.CHOICES else f"Enter {self.allowed}."
        return f"{text} {self.reason}".strip()

    @property
    def allowed(self) -> str:
        """The values it leaves, in a few words."""
        if self.kind == RuleKind.CHOICES:
            words = [one.label for one in choices_of(self.values)[:MOST_NAMED]]
            more = len(self.values) - MOST_NAMED
            return ", ".join(words) + (f" and {more} more" if more > 0 else "")
        return f"a number {bounds_in_words(self.minimum, self.maximum)}"

    def clashes(self, value: Any, before: Any) -> bool:
        """Does a value break it that is not the template's own? Either may be GONE."""
        is_same = value is before or (value is not GONE and before is not GONE and same(value, before))
        return not is_same and not (value is not GONE and self.takes(value))

    def takes(self, value: Any) -> bool:
        """Is this one of the values it leaves?"""
        if self.kind == RuleKind.CHOICES:
            return any(same(value, one) for one in self.values)
        if self.kind != RuleKind.RANGE:
            return False
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and not (_is_below(value, self.minimum) or _is_below(self.maximum, value))


def bounds_in_words(low: float | None, high: float | None) -> str:
    """Two limits of which at least one is there: "from 1 to 9", "that is at most 9"."""
    if low is not None and high is not None:
        return f"from {plain(low)} to {plain(high)}"
    return f"that is at least {plain(low)}" if low is not None else f"that is at most {plain(high)}"


def _is_below(one: float | None, other: float | None) -> bool:
    """NaN is below everything: no range takes it."""
    return one is not None and other is not None and not one >= other


@dataclass(frozen=True)
class FieldRules:
    """All rules of one template."""

    rules: tuple[FieldRule, ...] = ()

    @classmethod
    def read(cls, kept: Any) -> "FieldRules":
        """From what the template keeps."""
        return cls(tuple(_read(one) for one in kept or ()))

    def __bool__(self) -> bool:
        return bool(self.rules)

    def as_json(self) -> list[dict[str, Any]]:
        return [rule.as_json() for rule in self.rules]

    @cached_property
    def by_place(self) -> dict[tuple[str, tuple], FieldRule]:
        return {(rule.path, rule.within): rule for rule in self.rules}

    @cached_property
    def hidden(self) -> list[FieldRule]:
        return [rule for rule in self.rules if rule.kind == RuleKind.HIDDEN]

    def lock_of(self, path: str, within: tuple = ()) -> FieldRule | None:
        """The rule that locks exactly this place."""
        rule = self.by_place.get((path, within))
        return rule if rule and rule.kind == RuleKind.LOCKED else None

    def locks(self, path: str, within: tuple[str, ...]) -> bool:
        """Is this place locked, or what it is in?"""
        return any(self.lock_of(path, within[:end]) for end in range(len(within) + 1))

    def hides(self, path: str, within: tuple[str, ...] = ()) -> bool:
        """Is the whole parameter hidden, or what is at this place inside of it?"""
        return any(rule.path == path and rule.within == within[: len(rule.within)] for rule in self.hidden)

    # -- what is seen

    def narrowed(self, description: Description) -> Description:
        """What people see of the schema."""
        if not self:
            return description
        steps = tuple(replace(step, fields=self._fields(step)) for step in description.steps)
        pipeline = PipelineStep("", description.parameters)
        return replace(description, steps=steps, parameters=self._fields(pipeline))

    def _fields(self, step: PipelineStep) -> tuple[Field, ...]:
        return tuple(self._field(entry) for entry in step.fields if not self.hides(entry.path))

    def _field(self, entry: Field) -> Field:
        for rule in self.rules:
            if rule.path == entry.path and rule.kind != RuleKind.LOCKED:
                entry = _narrowed(entry, rule)
        return entry

    def without_hidden(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document as people see it."""
        found = dict(document)
        for rule in self.hidden:
            found = changed_at(found, rule, None, is_removed=True)
        return found

    def with_hidden(self, document: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
        """A document with all that is hidden as in another one, which has it."""
        found = self.without_hidden(document)
        for rule in self.hidden:
            value = value_at(source, place_of(rule), GONE)
            if value is not GONE:
                found = changed_at(found, rule, deepcopy(value))
        return found

    def seen(self, changes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Recorded changes ({path, before, after, ...}) without what is hidden."""
        found = []
        for change in changes:
            if self.hides(change["path"]):
                continue
            inside = [rule for rule in self.hidden if rule.path == change["path"]]
            shown = {name: _without(change.get(name), inside) for name in ("before", "after")}
            if not inside or not same(shown["before"], shown["after"]):
                found.append({**change, **shown})
        return found

    # -- what is refused

    def broken(
        self, given: Mapping[str, Any], values: Mapping[str, Any], default: Mapping[str, Any]
    ) -> Iterator[DocumentFault]:
        """What breaks a rule. `given`: the document as it came; `values` and `default` by path, for visible parameters.

        The template's own value is always right.
        """
        for rule in self.rules:
            if rule.kind == RuleKind.HIDDEN:
                yield from _hidden_faults(rule, given)
            elif rule.clashes(*self._values(rule, values, default)):
                yield fault_within(rule.path, rule.within, rule.sentence)

    def clashes(
        self, values: Mapping[str, Any], default: Mapping[str, Any]
    ) -> Iterator[tuple[FieldRule, Any, Any]]:
        """(rule, value, the template's own value) where a value that is seen and there breaks its rule."""
        for rule in self.rules:
            value, before = self._values(rule, values, default)
            if rule.kind != RuleKind.HIDDEN and value is not GONE and rule.clashes(value, before):
                yield rule, value, None if before is GONE else before

    @staticmethod
    def _values(rule: FieldRule, values: Mapping[str, Any], default: Mapping[str, Any]) -> tuple[Any, Any]:
        """(value, the template's own value), GONE where there is none."""
        return tuple(value_at(one.get(rule.path), rule.within, GONE) for one in (values, default))


def _hidden_faults(rule: FieldRule, given: Mapping[str, Any]) -> Iterator[DocumentFault]:
    """As for a name that does not exist: that there is something tells already too much."""
    if value_at(given, place_of(rule), GONE) is GONE:
        return
    if rule.within:
        yield fault_within(rule.path, rule.within[:-1], f"“{rule.within[-1]}” is not known here.")
    else:
        where, name = place_of(rule)[:-2], place_of(rule)[-1]
        owner = f"step “{where[-1]}”" if where else "the pipeline"
        yield DocumentFault(rule.path, f"There is no parameter “{name}” in {owner}.")


def _read(kept: Mapping[str, Any]) -> FieldRule:
    facts = {name: kept[name] for name in ("path", "minimum", "maximum", "reason") if name in kept}
    within, values = tuple(kept.get("within", ())), tuple(kept.get("values", ()))
    return FieldRule(kind=RuleKind(kept["kind"]), within=within, values=values, **facts)


def rule_words(rule: FieldRule | None) -> str:
    """What may be done with a value, for a table."""
    return KIND_WORDS[rule.kind if rule else RuleKind.EDITABLE]


def allowed_by(rule: FieldRule | None) -> str:
    """What a rule leaves of a value, for a table; "" for one that says nothing of it."""
    return rule.allowed if rule and rule.kind in (RuleKind.CHOICES, RuleKind.RANGE) else ""


# -- places


def place_of(rule: FieldRule) -> tuple[str, ...]:
    """Where in a document the rule's value is: ("steps", "train", "parameters", "booster", "rounds")."""
    kind, _, rest = rule.path.partition(".")
    if kind == "parameters":
        return ("parameters", rest, *rule.within)
    step, _, name = rest.partition(".parameters.")
    return ("steps", step, "parameters", name, *rule.within)


def changed_at(document: dict[str, Any], rule: FieldRule, value: Any, is_removed=False) -> dict[str, Any]:
    """A copy of the document with another value at the rule's place, or with none; the rest is shared.

    Objects on the way are made where there is nothing; what is there and is none stays, for the check to find.
    """
    return _changed(document, place_of(rule), value, is_removed)


def changed_inside(value: Any, within: tuple[str, ...], new: Any) -> Any:
    """A copy of the value of a parameter with another one at a place inside; the rest is shared."""
    return _changed(value, within, new, False) if within else new


def _changed(holder: Any, place: tuple[str, ...], value: Any, is_removed: bool) -> Any:
    part, *rest = place
    if not isinstance(holder, dict) or (is_removed and part not in holder):
        return holder
    if not rest:
        kept = {name: one for name, one in holder.items() if name != part}
        return kept if is_removed else {**holder, part: value}
    return {**holder, part: _changed(holder.get(part, {}), tuple(rest), value, is_removed)}


def _without(value: Any, rules: Iterable[FieldRule]) -> Any:
    for rule in rules:
        value = _changed(value, rule.within, None, True)
    return value


# -- the schema of what is seen


def _narrowed(entry: Field, rule: FieldRule) -> Field:
    """The field with what the rule leaves of it, as the form needs it; what is refused does not depend on this."""
    root = {"$defs": mapping(entry.schema.get("$defs"))}
    schema = _at_place(entry.schema, root, rule.within, rule)
    default = _without(entry.default, [rule]) if rule.kind == RuleKind.HIDDEN else entry.default
    room = Room(0, 0, choices=MAX_CHOICES)
    made = field_of(entry.path, entry.step, entry.name, schema, root, default, entry.required, room)
    return replace(made, hides=entry.hides, masks=entry.masks)


def _at_place(schema: Mapping[str, Any], root, within: tuple[str, ...], rule: FieldRule) -> dict[str, Any]:
    """The schema with the rule's limits at its place; as it was where it has no such property."""
    if not within:
        return {**schema, **_limits(rule)}
    flat, nullable = flatten(schema, root)
    known = mapping(flat.get("properties"))
    part, *rest = within
    if nullable or part not in known:
        return dict(schema)
    if not rest and rule.kind == RuleKind.HIDDEN:
        properties = {name: inner for name, inner in known.items() if name != part}
    else:
        properties = {**known, part: _at_place(mapping(known[part]), root, tuple(rest), rule)}
    required = flat.get("required")
    needed = [name for name in required if name in properties] if isinstance(required, list) else []
    return {**flat, "properties": properties, "required": needed, **_definitions(schema)}


def _definitions(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"$defs": schema["$defs"]} if "$defs" in schema else {}


def _limits(rule: FieldRule) -> dict[str, Any]:
    if rule.kind == RuleKind.CHOICES:
        return {"enum": [*rule.values]}
    given = {"minimum": rule.minimum, "maximum": rule.maximum}
    return {name: limit for name, limit in given.items() if limit is not None}


# -- where there can be rules


@dataclass(frozen=True)
class RulePlace:
    """A value of a template that a rule may be about."""

    parameter: Field
    field: Field
    within: tuple[str, ...]
    value: Any  # in the template

    @property
    def key(self) -> tuple[str, tuple]:
        return self.parameter.path, self.within

    @property
    def name(self) -> str:
        """Of the parameter and the way inside: "booster.stop.rounds"."""
        return ".".join([self.parameter.name, *self.within])

    @property
    def kinds(self) -> list[RuleKind]:
        """Those that make sense here."""
        found = [RuleKind.EDITABLE, RuleKind.LOCKED, RuleKind.HIDDEN]
        if self.field.secret:
            return found
        choices = [RuleKind.CHOICES] if self.field.kind in CHOSEN_OF else []
        return [*found, *choices, *([RuleKind.RANGE] if self.field.kind in NUMBERS else [])]


class MorePlace(RulePlace):
    """Everything that the form has under "More": it is as in the template, or as people like it."""

    @property
    def name(self) -> str:
        return "More"

    @property
    def kinds(self) -> list[RuleKind]:
        return [RuleKind.EDITABLE, RuleKind.LOCKED]


_MORE = Field(path=MORE, step="", name="More", kind=Kind.JSON, default=None, schema={})
MORE_PLACE = MorePlace(_MORE, _MORE, (), "cache, retries, resources, model, tags, extra")


def places_of(description: Description, values: Mapping[str, Any]) -> Iterator[RulePlace]:
    """Every parameter and every value inside of models, in the order of the form.

    Rows, keys and shapes come and go with the values: what is inside of those follows the rule of the whole.
    """
    for entry in description.fields:
        yield RulePlace(entry, entry, (), values[entry.path])
        if entry.kind == Kind.JSON:
            yield from _inside(entry, tree(entry, values[entry.path]))


def _inside(entry: Field, node) -> Iterator[RulePlace]:
    if node.is_choice or node.layout != NodeLayout.GROUP:
        return
    for child in node.children:
        if not child.missing:
            yield RulePlace(entry, child.entry, child.parts, child.value)
            yield from _inside(entry, child)


def trouble_with(rule: FieldRule, place: RulePlace | None) -> str:
    """Why this can't be a rule here; "" when it can."""
    if place is None or rule.kind not in place.kinds:
        return "This value can't have such a rule."
    if rule.kind == RuleKind.CHOICES and not 0 < len(rule.values) <= MAX_CHOICES:
        return f"Enter 1 to {MAX_CHOICES} values, one per line."
    if rule.kind == RuleKind.RANGE and rule.minimum is None and rule.maximum is None:
        return "Enter a minimum, a maximum or both."
    if rule.kind == RuleKind.RANGE and _is_below(rule.maximum, rule.minimum):
        return "The maximum is smaller than the minimum."
    return _of_the_values(rule, place) if rule.kind in (RuleKind.CHOICES, RuleKind.RANGE) else ""


def _of_the_values(rule: FieldRule, place: RulePlace) -> str:
    """What is wrong with choices or a range, seen from the schema and from the value the template has."""
    for value in rule.values:
        if not same(value, place.value) and (found := faults(place.field.schema, value)):
            return f"{visible(value) if isinstance(value, str) else as_json(value)}: {found[0]}"
    if place.value is not None and not rule.takes(place.value):
        return "The template's own value is not among these. Change the default first."
    return ""


def text_of(value: Any) -> str:
    """A choice as a line of text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def one_value(entry: Field, text: str) -> Any:
    """The value of a field that a line of text says. Raises Unreadable."""
    if entry.kind != Kind.ENUM:
        return parse(entry, text)
    for choice in entry.choices:
        if text in (choice.label, text_of(choice.value)):
            return choice.value
    raise Unreadable(f"Choose from {', '.join(choice.label for choice in entry.choices[:20])}.")
