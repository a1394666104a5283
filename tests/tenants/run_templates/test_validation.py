"""Schemas of a hostile tenant end in an answer, and what is not evaluated here is left to the step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.run_templates.document import validation
from tenants.run_templates.document.validation import Budget, Spent, UncheckedPattern, faults, matches

from .test_schema import json_values, odd_schemas

LOOK_AHEAD = "^(?=a)a$"


def nested(depth, inner):
    for _ in range(depth):
        inner = {"allOf": [inner]}
    return inner


def doubling(depth):
    """Every definition names the next one twice: 2 ** depth checks for one value."""
    definitions = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{depth}": {"type": "integer"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^(a+)+$"},
        {"propertyNames": {"pattern": "^(a+)+$"}},
        {"patternProperties": {"^(a|aa)+$": {"type": "integer"}}, "additionalProperties": False},
    ],
)
def test_a_pattern_that_doubles_with_every_letter_is_matched_in_one_walk(schema):
    text = "a" * 5000 + "!"
    budget = Budget()
    assert faults(schema, text if "type" in schema else {text: "x"}, budget)
    assert budget.left > validation.UNITS * 0.99


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling(40), "text"),
        ({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, 1),
        (nested(1500, {"type": "string"}), 1),
        ({"not": nested(1500, {"not": {}})}, 1),
        ({"items": {"enum": [*range(100_000)]}}, [-1] * 20_000),
        ({"items": {"enum": [[at] for at in range(1000)]}}, [[-1]] * 20_000),
        ({"allOf": [{"minItems": 30_000}] * 10_000}, [1] * 20_000),
        ({"oneOf": [{"enum": [*range(9000)]}] * 500}, 1),
        ({"items": {"properties": {str(at): {} for at in range(10_000)}}}, [{}] * 10_000),
        ({"items": {str(at): {} for at in range(10_000)}}, [1] * 10_000),
        ({"pattern": "(a|b)*a(a|b){900}c"}, "ab" * 100_000),
        ({"items": {"contains": {"type": "string"}}}, [[1] * 100] * 200),
        ({"unevaluatedProperties": {"$ref": "#"}}, {"a": {"b": 1}}),
        ({"$dynamicRef": "#x"}, 1),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [{"pattern": "(a+)+$"}]}, "a" * 99),
    ],
)
def test_a_schema_that_explodes_is_given_up_within_its_budget(schema, value):
    budget = Budget()
    assert len(faults(schema, value, budget)) <= validation.MOST
    assert budget.left >= 0


def test_another_dialect_inside_does_not_bring_back_the_library_s_own_expressions(monkeypatch):
    """A schema may name another draft anywhere, and the library would evaluate that with its own keywords."""
    seen = []
    monkeypatch.setattr(validation, "matches", lambda pattern, text, budget: seen.append(pattern) or True)
    inner = {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}
    for schema in (inner, {"allOf": [inner]}, {"$ref": "#/$defs/x", "$defs": {"x": inner}}):
        assert faults(schema, "a") == []
    assert seen == ["^(a+)+$"] * 3


def test_one_budget_holds_for_all_values_of_a_document():
    budget = Budget(200)
    assert faults({"type": "string"}, 1, budget)
    assert faults({"allOf": [{"type": "string"}] * 50}, 1, budget) == []
    assert budget.left == 0
    with pytest.raises(Spent):
        budget.spend(1)


# -- left to the step


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": LOOK_AHEAD}, "b"),
        ({"pattern": r"(a)\1"}, "b"),
        ({"pattern": "("}, "b"),
        ({"pattern": "x{2000}"}, "b"),
        ({"pattern": 7}, "b"),
        ({"pattern": r"^\w+$"}, "Zoë"),
        ({"pattern": r"^[a-z&&[^b]]$"}, "b"),
        ({"not": {"pattern": LOOK_AHEAD}}, "b"),
        ({"anyOf": [{"type": "integer"}, {"pattern": LOOK_AHEAD}]}, "b"),
        ({"oneOf": [{"type": "string"}, {"pattern": LOOK_AHEAD}]}, "b"),
        ({"if": {"pattern": LOOK_AHEAD}, "then": False, "else": False}, "b"),
        ({"contains": {"not": {"pattern": LOOK_AHEAD}}}, ["b"]),
        ({"patternProperties": {LOOK_AHEAD: False}, "additionalProperties": False}, {"b": 1}),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, 1),
        ({"$ref": "#/$defs/missing"}, 1),
        ({"$ref": "#anchor"}, 1),
        ({"minLength": "x"}, "b"),
        ({"multipleOf": 0}, 7),
        ({"multipleOf": 0.5}, 10**400),
        ({"type": "nonsense"}, 1),
        ({"properties": [1]}, {"a": 1}),
        ({"enum": 3}, 1),
        ({"format": "duration"}, "1 day"),
        ({"format": "hostname"}, "-"),
        ({"unevaluatedProperties": False}, {"a": 1}),
    ],
)
def test_what_cannot_be_evaluated_is_left_to_the_step(schema, value):
    assert faults(schema, value) == []


@pytest.mark.parametrize(
    "unreadable",
    [
        {"pattern": LOOK_AHEAD},
        {"$ref": "#/nowhere"},
        {"uniqueItems": [], "minLength": "x"},
        {"$schema": "odd"},
    ],
)
def test_the_rest_of_the_schema_still_counts(unreadable):
    assert faults({**unreadable, "maxLength": 3}, "abcd") == ["Enter at most 3 characters."]
    assert faults({"allOf": [unreadable, {"maxLength": 3}]}, "abcd") == ["Enter at most 3 characters."]
    nested_schema = {"properties": {"a": {**unreadable, "maxLength": 3}, "b": {"type": "integer"}}}
    assert faults(nested_schema, {"a": "abcd", "b": "x"}) == [
        "“a”: Enter at most 3 characters.",
        "“b”: Enter a whole number.",
    ]


# -- as ZenML reads them


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\p{L}+$", "Ada", True),
        (r"^\p{L}+$", "Zoë", True),
        (r"^\p{L}+$", "Ada1", False),
        (r"^\w+$", "a b", False),
        ("b", "abc", True),
        ("^a$", "a\n", False),
        ("(?i)^ADA$", "ada", True),
        (r"^[^\s@]+@[^\s@]+$", "a@b", True),
    ],
)
def test_expressions_are_read_like_the_engine_of_pydantic(pattern, text, found):
    assert matches(pattern, text, Budget()) is found


@pytest.mark.parametrize("pattern", [r"\bx\b", r"^\d+$", "[[:alpha:]]"])
def test_classes_of_ascii_are_left_to_the_step_for_other_scripts(pattern):
    assert matches(pattern, "x1", Budget()) in (True, False)
    with pytest.raises(UncheckedPattern):
        matches(pattern, "٣", Budget())


@pytest.mark.parametrize(
    ("factor", "value", "right"),
    [
        (0.1, 0.3, True),
        (0.1, 0.35, False),
        (0.01, 1.15, True),
        (10, 20, True),
        (10, 20.0, True),
        (10, 25, False),
        (3, 10**18 + 1, False),
        (0.1, -0.3, True),
        (1e-300, 1e300, True),
    ],
)
def test_multiples_of_floats_are_those_that_pydantic_takes(factor, value, right):
    assert (faults({"type": "number", "multipleOf": factor}, value) == []) is right


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("uuid", "{12345678-1234-5678-1234-567812345678}", True),
        ("uuid", "12345678123456781234567812345678", True),
        ("uuid", "1234", False),
        ("ipv6", "fe80::1%eth0", True),
        ("ipv6", "1.2.3.4", False),
        ("ipv4", "1.2.3.4", True),
        ("ipv4", "1.2.3", False),
        ("time", "14:30", True),
        ("email", "ada", False),
        ("date-time", "2026-11-23 14:30:00Z", True),
    ],
)
def test_formats_are_those_that_pydantic_takes(name, text, right):
    assert (faults({"format": name}, text) == []) is right


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 2], True),
        ([1, 1.0], False),
        ([1, True], True),
        ([0, False], True),
        ([{"a": 1}, {"a": 1.0}], False),
        ([[1], [True]], True),
        (["1", 1], True),
        ([None, None], False),
        ([*range(15_000)], True),
        ([{"a": at} for at in range(5000)], True),
    ],
)
def test_items_are_compared_as_json_and_each_looked_at_once(items, unique):
    budget = Budget()
    assert (faults({"uniqueItems": True}, items, budget) == []) is unique
    assert validation.UNITS - budget.left < 100 * (len(items) + 10)


@given(odd_schemas, json_values)
def test_no_schema_and_no_value_breaks_the_check(schema, value):
    for sentence in faults(schema, value):
        assert 0 < len(sentence) <= 400


@given(st.text(), st.text())
def test_no_expression_breaks_the_check(pattern, text):
    assert isinstance(faults({"pattern": pattern}, text), list)


LARGE = "(?i)(" + r"\pL{1,9}" * 100 + ")"


@pytest.mark.parametrize("count", [1, 1000])
def test_a_regular_expression_that_is_too_large_is_compiled_once(count, monkeypatch):
    """Each try takes 11 ms, in which no other thread runs."""
    tried = []
    compile_ = validation._compile
    monkeypatch.setattr(validation, "_compile", lambda pattern: tried.append(pattern) or compile_(pattern))
    assert faults({"patternProperties": {LARGE: {}}}, {f"key{number}": 1 for number in range(count)}) == []
    assert tried == [LARGE]


def test_many_large_regular_expressions_are_given_up_within_the_budget(monkeypatch):
    tried = []
    compile_ = validation._compile
    monkeypatch.setattr(validation, "_compile", lambda pattern: tried.append(pattern) or compile_(pattern))
    patterns = {f"{LARGE}{number}": {} for number in range(300)}
    assert faults({"patternProperties": patterns}, {"key": 1}) == []
    assert len(tried) <= validation.UNITS // validation.UNCOMPILED + 1


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"enum": [True, None, 1.5, "a"]}, "b", "Choose one of true, null, 1.5, a."),
        ({"const": False}, 1, "Choose one of false."),
        ({"minProperties": 2}, {"a": None}, "Enter at least 2 entries."),
        ({"maxProperties": 1}, {"a": True, "b": None}, "Enter at most 1 entry."),
        ({"contains": {"const": True}}, [None], "None of these values is one that has to be there."),
        ({"dependentRequired": {"a": ["b"]}}, {"a": None}, "This value is not allowed here."),
        ({"properties": {"a": False}}, {"a": None}, "This value is not allowed here."),
        ({"items": False}, [None, True], "This value is not allowed here."),
    ],
)
def test_a_sentence_writes_values_as_people_do(schema, value, said):
    assert faults(schema, value) == [said]
