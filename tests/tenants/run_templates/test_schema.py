import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.run_templates.document.schema import Kind, describe, same, topological

from .samples import churn_snapshot, dynamic_snapshot, snapshot_of

COLOR = {"$defs": {"Color": {"enum": ["red", "green"], "type": "string", "title": "Color"}}}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=25,
)
KEYS = [
    "type",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "enum",
    "const",
    "items",
    "properties",
    "minimum",
    "format",
]
KEYS += ["exclusiveMaximum", "minItems", "default", "description", "required", "prefixItems", "$defs"]
odd_schemas = st.dictionaries(st.sampled_from(KEYS), json_values, max_size=5)


def field(schema, recorded=None, **spec):
    values = {} if recorded is None else {"x": recorded}
    [entry] = describe(snapshot_of({"x": schema}, values, **spec)).steps[0].fields
    return entry


def test_the_example_has_its_steps_in_the_order_of_the_graph():
    description = describe(churn_snapshot())
    names = [step.name for step in description.steps]
    assert names == ["load_customers", "build_features", "profile", "train", "evaluate"]
    assert len(description.fields) == 19
    assert description.by_path["steps.train.parameters.kind"].step == "train"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("load_customers.signed_up_from", Kind.DATE, "date"),
        ("load_customers.regions", Kind.LIST, "list of text, at least 1"),
        ("load_customers.include_free_plan", Kind.BOOLEAN, ""),
        ("load_customers.max_customers", Kind.INTEGER, "100 to 5000 or none"),
        ("build_features.seed", Kind.INTEGER, "whole number, at least 0"),
        ("train.kind", Kind.ENUM, "one of logistic, stumps, neighbours"),
        ("train.rounds", Kind.INTEGER, "1 to 1000"),
        ("train.learning_rate", Kind.NUMBER, "more than 0, up to 2"),
        ("train.l2", Kind.NUMBER, "0 to 1 or none"),
        ("train.class_weights", Kind.JSON, "JSON"),
        ("evaluate.threshold", Kind.NUMBER, "between 0 and 1"),
        ("evaluate.costs", Kind.JSON, "JSON"),
        ("evaluate.title", Kind.STRING, "text, 1 to 80 characters"),
    ],
)
def test_every_kind_of_the_example_is_known(path, kind, words):
    step, name = path.split(".")
    entry = describe(churn_snapshot()).by_path[f"steps.{step}.parameters.{name}"]
    assert (entry.kind, entry.range) == (kind, words)


@pytest.mark.parametrize(
    ("schema", "kind", "nullable", "words"),
    [
        ({"type": "integer"}, Kind.INTEGER, False, "whole number"),
        ({"type": ["integer", "null"]}, Kind.INTEGER, True, "whole number or none"),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, Kind.BOOLEAN, True, "on, off or none"),
        ({"enum": ["a", "b", None]}, Kind.ENUM, True, "one of a, b or none"),
        ({"const": 3, "type": "integer"}, Kind.ENUM, False, "only 3"),
        ({"enum": [*range(99)]}, Kind.ENUM, False, "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 87 more"),
        ({"enum": ["x" * 60, "y"]}, Kind.ENUM, False, "one of 2 choices"),
        ({"$ref": "#/$defs/Color"}, Kind.ENUM, False, "one of red, green"),
        ({"allOf": [{"$ref": "#/$defs/Color"}]}, Kind.ENUM, False, "one of red, green"),
        (
            {"anyOf": [{"$ref": "#/$defs/Color"}, {"type": "null"}]},
            Kind.ENUM,
            True,
            "one of red, green or none",
        ),
        ({"type": "array", "items": {"$ref": "#/$defs/Color"}}, Kind.LIST, False, "list of choices"),
        (
            {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 6},
            Kind.LIST,
            False,
            "list of numbers, 1 to 6",
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, Kind.JSON, False, "JSON"),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
            Kind.JSON,
            True,
            "JSON or none",
        ),
        ({"type": "object"}, Kind.JSON, False, "JSON"),
        ({"type": "array", "prefixItems": [{"type": "integer"}]}, Kind.JSON, False, "JSON"),
        ({"type": "array", "items": {"type": "object"}}, Kind.JSON, False, "JSON"),
        ({"type": "array", "items": {"type": ["integer", "null"]}}, Kind.JSON, False, "JSON"),
        ({"type": "string", "format": "date-time"}, Kind.DATETIME, False, "date and time"),
        ({"title": "Anything"}, Kind.JSON, False, "JSON"),
        ({"$ref": "#/$defs/Missing"}, Kind.JSON, False, "JSON"),
        ({"$ref": "#"}, Kind.JSON, False, "JSON"),
        ({"type": "integer", "maximum": 9}, Kind.INTEGER, False, "whole number, up to 9"),
        ({"type": "string", "maxLength": 9}, Kind.STRING, False, "text, up to 9 characters"),
    ],
)
def test_a_schema_becomes_a_field(schema, kind, nullable, words):
    entry = field({"default": [] if schema.get("type") == "array" else 0, **schema}, **COLOR)
    assert (entry.kind, entry.nullable, entry.range) == (kind, nullable, words)


def test_the_default_is_what_the_run_used_not_what_the_code_says():
    assert field({"type": "integer", "default": 1}, 7).default == 7


def test_choices_are_sent_by_their_place_and_told_apart():
    entry = field({"enum": [1, "1", None, True], "default": 1})
    found = [(option.value, option.raw, option.label) for option in entry.choices]
    assert found == [(1, "0", "1 (number)"), ("1", "1", "1 (text)"), (True, "2", "true")]


def test_choices_that_pages_swallow_have_a_label():
    texts = ["", " ", "  ", "\t", "\n", "a", " a", "a  b", "a\tb", "\0", "\u202e", "(empty)", "x" * 999]
    labels = [option.label for option in field({"enum": texts, "default": "a"}).choices]
    assert labels[:6] == ["(empty) (text) (choice 1)", "(space)", "(2 spaces)", "(tab)", "(line break)", "a"]
    assert labels[6:12] == ["␣a", "a␣␣b", "a⇥b", "␀", "\\u202e", "(empty) (text) (choice 12)"]
    assert len({*labels}) == len(texts)
    assert len(labels[-1]) == 201


@pytest.mark.parametrize(
    "many", [{"enum": [*range(501)]}, {"type": "array", "items": {"enum": [*range(501)]}}]
)
def test_very_many_choices_become_json(many):
    entry = field(many, [] if "type" in many else 1)
    assert (entry.kind, entry.choices) == (Kind.JSON, ())


def test_a_page_has_only_so_many_choices():
    schemas = {f"x{at}": {"enum": [*range(400)], "default": 0} for at in range(20)}
    fields = describe(snapshot_of(schemas)).fields
    assert sum(len(entry.choices) for entry in fields) == 4000
    assert [entry.kind for entry in fields] == [Kind.ENUM] * 10 + [Kind.JSON] * 10


# -- what is too much for a page


def deep(levels, inner=None):
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    [
        deep(1500),
        [0] * 20_001,
        "x" * 100_001,
        "\ud800",
        {"\ud800": 1},
        {str(at): at for at in range(100_000)},
    ],
)
def test_a_recorded_value_that_is_too_much_is_left_out_and_counted(value):
    description = describe(snapshot_of({"x": {}, "y": {"type": "integer", "default": 1}}, {"x": value}))
    assert [entry.name for entry in description.fields] == ["y"]
    assert description.left_out == 1


@pytest.mark.parametrize(
    "name",
    ["", " a", "a\nb", "\ud800", "x" * 201, "a.none", "a.json", "parameters.x", "a.parameters.b", "\u202e"],
)
def test_a_parameter_that_no_form_could_send_is_left_out_and_counted(name):
    description = describe(snapshot_of({name: {"default": 1}, "y": {"default": 1}}))
    assert [entry.name for entry in description.fields] == ["y"]
    assert description.left_out == 1


def test_only_so_many_fields_are_described():
    description = describe(
        snapshot_of({f"x{at}": {"type": "integer", "default": at} for at in range(15_000)})
    )
    assert len(description.fields) == 2000
    assert description.left_out == 13_000


def test_the_steps_of_a_long_chain_are_sorted_in_one_walk():
    chain = {f"s{at}": [f"s{at - 1}"] for at in reversed(range(20_000))}
    assert topological(chain) == [f"s{at}" for at in range(20_000)]
    assert topological({"c": ["a", "c"], "b": ["a"], "a": [], "d": []}) == ["a", "d", "b", "c"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/" + "/" * 1_000_000},
        {"anyOf": [{"type": "integer"}] * 100_000},
        {"allOf": [{"allOf": [{"allOf": []}]}]},
        {str(at): 1 for at in range(100_000)},
        {"description": "x" * 1_000_000},
        {"multipleOf": 10**400, "minimum": -(10**400), "minLength": 1e300},
    ],
)
def test_a_schema_that_is_too_much_still_makes_a_field(schema):
    entry = field({**schema, "default": 1})
    assert len(entry.description) <= 500
    assert isinstance(entry.range, str)


def test_values_recorded_without_a_schema_are_guessed():
    snapshot = snapshot_of({}, {"rounds": 5, "rate": 0.5, "on": True, "name": "x", "rest": [1]})
    kinds = {entry.name: entry.kind for entry in describe(snapshot).fields}
    assert kinds == {
        "rounds": Kind.INTEGER,
        "rate": Kind.NUMBER,
        "on": Kind.BOOLEAN,
        "name": Kind.STRING,
        "rest": Kind.JSON,
    }


def test_only_dynamic_pipelines_have_parameters_of_their_own():
    assert [entry.path for entry in describe(dynamic_snapshot()).parameters] == ["parameters.days"]
    static = dynamic_snapshot() | {"body": {"is_dynamic": False}}
    assert describe(static).parameters == ()


def test_steps_that_wait_for_each_other_still_come_out_once():
    assert sorted(topological({"a": ["b"], "b": ["a"], "c": ["nobody"]})) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        ([1], [True], False),
        ({"a": 0}, {"a": False}, False),
        (None, 0, False),
    ],
)
def test_values_are_compared_as_json(one, other, equal):
    assert same(one, other) is equal


@given(odd_schemas, json_values)
def test_no_schema_breaks_the_description(schema, recorded):
    for entry in describe(snapshot_of({"x": schema}, {"x": recorded})).fields:
        assert isinstance(entry.range, str)


@given(json_values)
def test_no_snapshot_breaks_the_description(value):
    for snapshot in ({"metadata": value}, {"metadata": {"step_configurations": {"a": value}}}):
        assert describe(snapshot).is_dynamic is False
