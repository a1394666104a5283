"""Values against the JSON schema of a recorded run. The schema is data from outside: a tenant's server sent it.

jsonschema does the work. What stands around it keeps three promises: a check has a budget, so that no schema holds
anyone up; regular expressions are matched in linear time; and what cannot be evaluated here is left to the step,
which checks everything again, while the rest of the schema still counts.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from ipaddress import ip_address
from itertools import islice
from typing import Any
from uuid import UUID

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from tenants.run_templates.document.messages import place_of, sentences

UNITS = 500_000  # less than half a second of work
CALL, CHARACTERS = 10, 128  # what a keyword costs at least; steps of a regular expression to the unit
INSTRUCTION, UNCOMPILED = (
    2,
    15_000,
)  # what compiling costs: for each instruction, and for what becomes too large
DEEPEST = 60  # schemas inside schemas
MOST = 5  # sentences
LONGEST_PATTERN, PATTERN_MEMORY = 2000, 1 << 18
MEMORY = re.compile("[0-9]{1,20}([KMGTP]i?B|B)")
NOT_ALLOWED = "This value is not allowed here"


class Spent(Exception):
    """The budget of a check is used up."""


class Budget:
    """Work that one request may cause by its values and their schemas together, in units."""

    def __init__(self, units: int = UNITS):
        self.left = units
        self.patterns: dict[str, Any] = {}  # compiled, or None for one that is left to the step

    def spend(self, units: int) -> None:
        """Raises Spent, also for everything after."""
        if units > self.left:
            self.left = 0
            raise Spent
        self.left -= units


def faults(schema: Mapping[str, Any], value: Any, budget: Budget | None = None) -> list[str]:
    """What is wrong with `value`, at most MOST sentences that say where; nothing is fetched and nothing raised."""
    found = located(schema, value, budget or Budget())
    return [f"{place}: {text}" if (place := place_of(within)) else text for within, text in found]


def located(schema: Mapping[str, Any], value: Any, budget: Budget) -> list[tuple[tuple, str]]:
    """(where inside `value`, what is wrong there), at most MOST; what the budget does not reach is left to the step."""
    found: list[tuple[tuple, str]] = []
    try:
        for error in islice(_Check(schema, value, budget).errors(value), MOST):
            found += _sentences(error)
    except Spent:
        pass
    return [*dict.fromkeys(found)][:MOST]


def _sentences(error: ValidationError) -> list[tuple[tuple, str]]:
    try:
        return sentences(error)
    except Exception:  # noqa: BLE001 - keywords with odd values, which only the sentence looks at
        return [(tuple(error.absolute_path), f"{NOT_ALLOWED}.")]


class _Check:
    """The state of one check. jsonschema hands its `format_checker` from a schema to those inside: we ride there."""

    def __init__(self, root: Mapping[str, Any], value: Any, budget: Budget):
        self.root, self.budget = root, budget
        self.unknown = self.depth = 0
        self.known: dict[tuple[int, bool], Any] = {}
        self.sizes = _sizes(value)

    def errors(self, value: Any) -> Iterator[ValidationError]:
        schema = self.prepared(self.root, closes=True)
        # An empty registry, and no reference goes through it: nothing must make us call another host.
        return Validator(schema, format_checker=self, registry=Registry()).iter_errors(value)

    def size(self, instance: Any) -> int:
        """How much a message about it would have to write."""
        return len(instance) // 16 if isinstance(instance, str) else self.sizes.get(id(instance), 0)

    def prepared(self, schema: Any, depth: int = 0, closes: bool = False) -> Any:
        """The schema with nothing but keywords in it: no other dialects, no identifiers, no ballast.

        `closes`: models in it take no keys but their own, which ZenML would drop without a word.
        """
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or depth > DEEPEST:
            return LEFT
        self.budget.spend(CALL + len(schema))
        inner = closes and not _is_put_together(schema)
        found = {
            key: self._inside(key, value, depth + 1, inner and key in CLOSING)
            for key, value in schema.items()
            if key in KEYWORDS
        }
        return {**found, "additionalProperties": False} if inner and _is_model(schema) else found

    def _inside(self, key: str, value: Any, depth: int, closes: bool) -> Any:
        if key == "$ref":
            return SchemaReference(value, closes)
        if key in SCHEMAS:
            return self.prepared(value, depth, closes)
        if key in LISTS and isinstance(value, list):
            return [self.prepared(inner, depth, closes) for inner in value]
        if key in MAPS and isinstance(value, dict):
            return {name: self.prepared(inner, depth, closes) for name, inner in value.items()}
        return value

    def target(self, reference: "SchemaReference") -> Any:
        """What a reference within this schema means; only those are followed. Raises LookupError."""
        name = reference.name
        if not isinstance(name, str) or not (name == "#" or name.startswith("#/")):
            raise LookupError(name)
        target: Any = self.root
        for part in name[2:].split("/") if name != "#" else ():
            target = target[part.replace("~1", "/").replace("~0", "~")]
        known = (id(target), reference.closes)
        if known not in self.known:
            self.known[known] = self.prepared(target, closes=reference.closes)
        return self.known[known]


@dataclass(frozen=True)
class SchemaReference:
    """A reference, and whether the models it leads to take no keys but their own."""

    name: Any
    closes: bool


def _is_model(schema: Mapping[str, Any]) -> bool:
    """An object with known keys that says nothing of others: as pydantic describes a model that ignores them."""
    says = {"additionalProperties", "patternProperties", "unevaluatedProperties"} & schema.keys()
    is_object = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    return is_object and not says


def _is_put_together(schema: Mapping[str, Any]) -> bool:
    """Do several schemas say together what keys an object may have?"""
    parts = schema.get("allOf")
    is_several = isinstance(parts, list) and (len(parts) > 1 or "properties" in schema)
    return is_several or bool({"if", "not", "dependentSchemas", "$dynamicRef"} & schema.keys())


def _sizes(value: Any) -> dict[int, int]:
    """The number of values in every list and object of a value, by identity."""
    order, waiting = [], [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict | list):
            inner = [*(current.values() if isinstance(current, dict) else current)]
            order.append((current, inner))
            waiting += inner
    sizes: dict[int, int] = {}
    for current, inner in reversed(order):
        sizes[id(current)] = 1 + sum(_size(one, sizes) for one in inner)
    return sizes


def _size(value: Any, sizes: Mapping[int, int]) -> int:
    return 1 + len(value) // 16 if isinstance(value, str) else sizes.get(id(value), 1)


# -- regular expressions

# Written alike, read differently by re2 and by the engine of pydantic: set operations, nested sets, word edges.
OTHER_DIALECT = re.compile(r"&&|--|~~|\\[<>]|\\b\{|\[[^\]]*\[(?!:)")
ASCII_ONLY = re.compile(r"\\[wWdDsSbB]|\[:")  # for re2; pydantic means letters and digits of all scripts


class UncheckedPattern(ValueError):
    """A regular expression that is left to the step."""


def _compiled(pattern: str, budget: Budget):
    """Compiled once for a request, and paid for: what does not fit costs as much as the largest that does."""
    if pattern not in budget.patterns:
        budget.patterns[pattern] = found = _compile(pattern)
        budget.spend(found.programsize * INSTRUCTION if found else UNCOMPILED)
    if budget.patterns[pattern] is None:
        raise UncheckedPattern(pattern)
    return budget.patterns[pattern]


def _compile(pattern: str):
    options = re2.Options()
    options.max_mem, options.log_errors = PATTERN_MEMORY, False
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeError):
        return None


def matches(pattern: str, text: str, budget: Budget) -> bool:
    """Is there a match anywhere in the text? In linear time; raises Unreadable where only the step can tell."""
    if len(pattern) > LONGEST_PATTERN or OTHER_DIALECT.search(pattern):
        raise UncheckedPattern(pattern)
    if not text.isascii() and ASCII_ONLY.search(pattern):
        raise UncheckedPattern(pattern)
    compiled = _compiled(pattern, budget)
    budget.spend(len(text) * compiled.programsize // CHARACTERS)
    try:
        return compiled.search(text) is not None
    except UnicodeError as error:
        raise UncheckedPattern(pattern) from error


# -- keywords that jsonschema evaluates in another way than ZenML, too slowly or with too long a message


def _pattern(validator, pattern, instance, schema):
    if isinstance(instance, str) and not matches(pattern, instance, validator.format_checker.budget):
        yield ValidationError(NOT_ALLOWED)


def _pattern_properties(validator, patterns, instance, schema):
    for key, value in instance.items() if isinstance(instance, dict) else ():
        for pattern, inner in patterns.items():
            if _may_match(validator.format_checker, pattern, key):
                yield from validator.descend(value, inner, path=key)


def _additional_properties(validator, inner, instance, schema):
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    check = validator.format_checker
    extras = [key for key in instance if key not in known and not _is_meant(check, patterns, key)]
    if isinstance(inner, dict):
        for key in extras:
            yield from validator.descend(instance[key], inner, path=key)
    elif inner is False and extras:
        yield ValidationError(NOT_ALLOWED)


def _is_meant(check: _Check, patterns: Mapping[str, Any], key: str) -> bool:
    """By a pattern, or perhaps by one that only the step can read."""
    before = check.unknown
    return any(_may_match(check, pattern, key) for pattern in patterns) or check.unknown > before


def _may_match(check: _Check, pattern: str, key: str) -> bool:
    try:
        return matches(pattern, key, check.budget)
    except UncheckedPattern:
        check.unknown += 1
        return False


def _multiple_of(validator, factor, instance, schema):
    """Between floats as pydantic does it: 0.3 is a multiple of 0.1."""
    if isinstance(instance, bool) or not isinstance(instance, int | float):
        return
    rest = abs(instance % factor)
    slack = 0 if isinstance(instance, int) and isinstance(factor, int) else abs(instance) / 1e9
    if rest > slack and abs(rest - factor) > slack:
        yield ValidationError(NOT_ALLOWED)


def _unique_items(validator, wanted, instance, schema):
    if wanted and isinstance(instance, list):
        budget = validator.format_checker.budget
        if len({_frozen(item, budget) for item in instance}) < len(instance):
            yield ValidationError(NOT_ALLOWED)


def _frozen(value: Any, budget: Budget) -> Any:
    """Something hashable that is equal for values that are equal as JSON."""
    budget.spend(1)
    if isinstance(value, dict):
        return "object", frozenset((key, _frozen(inner, budget)) for key, inner in value.items())
    if isinstance(value, list):
        return "list", tuple(_frozen(inner, budget) for inner in value)
    return (bool, value) if isinstance(value, bool) else value


def _enum(validator, values, instance, schema):
    if not isinstance(values, list):
        raise TypeError(values)
    budget = validator.format_checker.budget
    frozen = _frozen(instance, budget)
    if not any(_frozen(value, budget) == frozen for value in values):
        yield ValidationError(NOT_ALLOWED)


def _const(validator, value, instance, schema):
    yield from _enum(validator, [value], instance, schema)


def _not(validator, inner, instance, schema):
    if validator.evolve(schema=inner).is_valid(instance):
        yield ValidationError(NOT_ALLOWED)


def _one_of(validator, options, instance, schema):
    errors = [[*validator.descend(instance, option, schema_path=at)] for at, option in enumerate(options)]
    fitting = sum(not found for found in errors)
    if fitting != 1:
        context = [] if fitting else [error for found in errors for error in found]
        yield ValidationError(NOT_ALLOWED, context=context)


def _format(validator, name, instance, schema):
    """Those formats whose values ZenML's own parser reads in the same way; others are left to the step."""
    if name in FORMATS and isinstance(instance, str) and not _is_format(name, instance):
        yield ValidationError(NOT_ALLOWED)


def _is_format(name: str, text: str) -> bool:
    try:
        return bool(FORMATS[name](text))
    except ValueError:
        return False


# A recorded datetime need not have a time zone, which RFC 3339 wants.
FORMATS: dict[str, Callable[[str], Any]] = {
    "date": lambda text: len(text) == 10 and date.fromisoformat(text),
    "date-time": lambda text: len(text) > 10 and datetime.fromisoformat(text),
    "time": lambda text: time.fromisoformat(text) is not None,
    "email": lambda text: "@" in text,
    "uuid": UUID,
    "ipv4": lambda text: ip_address(text).version == 4,
    "zenml-memory": lambda text: MEMORY.fullmatch(text) is not None,
    "ipv6": lambda text: ip_address(text).version == 6,
}


def _reference(validator, reference, instance, schema):
    yield from validator.descend(instance, validator.format_checker.target(reference))


def _left(validator, value, instance, schema):
    raise NotImplementedError


SCHEMAS = {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
MAPS = {"dependentSchemas", "patternProperties", "properties"}
# Where inner schemas describe the same value, or values inside of it, each by itself.
CLOSING = {
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "items",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "properties",
}
KEYWORDS = {*Draft202012Validator.VALIDATORS, "then", "else", "minContains", "maxContains"}
LEFT = {"$ref": SchemaReference(None, False)}
OURS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "multipleOf": _multiple_of,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "const": _const,
    "not": _not,
    "oneOf": _one_of,
    "format": _format,
    "$ref": _reference,
    **dict.fromkeys(("$dynamicRef", "unevaluatedItems", "unevaluatedProperties"), _left),
}
# Where an inner schema that does not hold can be right, one that is left to the step says nothing at all.
TURNING = {"not", "anyOf", "oneOf", "if", "contains"}


def _guarded(keyword: str, evaluate: Callable) -> Callable:
    """The keyword within the budget, and left to the step where it cannot be evaluated."""

    def guarded(validator, value, instance, schema) -> list[ValidationError]:
        check: _Check = validator.format_checker
        parts = len(value) if isinstance(value, dict | list) else 0
        check.budget.spend(CALL + check.size(instance) + parts)
        before = check.unknown
        found = _within_depth(check, lambda: [*(evaluate(validator, value, instance, schema) or ())])
        return [] if keyword in TURNING and check.unknown > before else found

    return guarded


def _within_depth(check: _Check, evaluate: Callable[[], list[ValidationError]]) -> list[ValidationError]:
    """What is found; [] and counted as unknown where it cannot be evaluated. Raises Spent."""
    check.depth += 1
    try:
        if check.depth > DEEPEST:
            raise NotImplementedError
        return evaluate()
    except Spent:
        raise
    except Exception:  # noqa: BLE001 - the schema is data from outside, and the library trusts it
        check.unknown += 1
        return []
    finally:
        check.depth -= 1


Validator = extend(
    Draft202012Validator,
    {
        keyword: _guarded(keyword, evaluate)
        for keyword, evaluate in {**Draft202012Validator.VALIDATORS, **OURS}.items()
    },
)
