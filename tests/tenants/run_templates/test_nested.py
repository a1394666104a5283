"""What is inside of values: which boxes a schema and a value give, what rows do, and what is refused where."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.run_templates.document.configuration import default_configuration, dump_yaml
from tenants.run_templates.document.drafts import arranged, examined, fresh, reset, rewritten
from tenants.run_templates.document.nodes import ALL_INSIDE, inputs_inside, started, tree, trees
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import describe
from tenants.run_templates.models import RunTemplate

from .parameter_corpus import STEPS, kept, recorded
from .samples import problems, snapshot_of
from .test_form_properties import drafted, fitting, shown, template_of, texts
from .test_schema import field

P = "steps.work.parameters.p0"
TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
STOP = {
    "type": "object",
    "title": "Stop",
    "properties": {"rounds": {**WHOLE, "minimum": 5, "default": 25}, "metric": {**TEXT, "default": "auc"}},
}
POINT = {
    "type": "object",
    "title": "Point",
    "properties": {"name": TEXT, "x": WHOLE},
    "required": ["name", "x"],
}
LASSO = {
    "type": "object",
    "title": "Lasso",
    "properties": {"kind": {"const": "lasso"}, "alpha": {**NUMBER, "default": 1.0}},
}
FOREST = {
    "type": "object",
    "title": "Forest",
    "properties": {"kind": {"const": "forest"}, "trees": {**WHOLE, "default": 9}},
    "required": ["kind"],
}
MODEL = {"oneOf": [LASSO, FOREST], "discriminator": {"propertyName": "kind"}}


def nodes(schema, value):
    """(path behind that of the parameter, layout) of everything inside."""
    entry = field(schema, value)
    return [(node.path.removeprefix(entry.path), str(node.layout)) for node in tree(entry, value).walk()]


def value_of(draft):
    return draft.document["steps"]["work"]["parameters"]["p0"]


def sent(schema, value, **changed):
    """What a browser sends for the form of one parameter, some of its inputs changed; by the ends of their names."""
    template = template_of([(schema, value)])
    data = shown(template)
    for name, text in changed.items():
        assert P + name in data, sorted(data)
        data.setlist(P + name, [text])
    return template, data


def edited(schema, value, changed):
    template, data = sent(schema, value, **changed)
    return drafted(template, data)


def said(draft):
    return [(fault.within, fault.short or fault.message) for fault in examined(draft).problems]


# -- which boxes there are


@pytest.mark.parametrize(
    ("schema", "value", "inside"),
    [
        (STOP, {"rounds": 5, "metric": "x"}, [("", "group"), ("/rounds", "leaf"), ("/metric", "leaf")]),
        (STOP, {"rounds": 5}, [("", "group"), ("/rounds", "leaf"), ("/metric", "leaf")]),
        (STOP, {"rounds": 5, "odd": 1}, [("", "leaf")]),
        (STOP, "text", [("", "leaf")]),
        ({"type": "object"}, {"a": 1}, [("", "leaf")]),
        ({"type": "object", "properties": {"a/b": WHOLE}}, {"a/b": 1}, [("", "leaf")]),
        ({"type": "array", "items": POINT}, [], [("", "rows")]),
        ({"type": "array", "items": POINT}, None, [("", "leaf")]),
        ({"type": "array", "items": WHOLE}, [1, "a"], [("", "rows"), ("/0", "leaf"), ("/1", "leaf")]),
        ({"type": "array", "prefixItems": [WHOLE, TEXT]}, [1], [("", "leaf")]),
        ({"type": "object", "additionalProperties": WHOLE}, {"a": 1}, [("", "pairs"), ("/0", "leaf")]),
        ({"type": "object", "additionalProperties": WHOLE}, {"a\nb": 1}, [("", "leaf")]),
        ({"anyOf": [WHOLE, TEXT]}, "7", [("", "leaf"), ("/1", "leaf")]),
        ({"anyOf": [WHOLE, TEXT]}, [7], [("", "leaf")]),
        (MODEL, {"kind": "forest", "trees": 1}, [("", "leaf"), ("/1", "group"), ("/1/kind", "leaf"), ("/1/trees", "leaf")]),
    ],
)  # fmt: skip
def test_boxes_of_a_value(schema, value, inside):
    assert nodes(schema, value) == inside


def test_a_schema_that_refers_to_itself_ends_with_its_value():
    loop = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Loop"}, {"type": "null"}]}}}
    entry = field({"$ref": "#/$defs/Loop"}, {"next": {"next": None}}, **{"$defs": {"Loop": loop}})
    assert len([*tree(entry, entry.default).walk()]) < 10
    endless = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Endless"}}, "required": ["next"]}
    assert len(json.dumps(started({"$ref": "#/$defs/Endless"}, {"Endless": endless}))) < 100_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {f"x{at}": WHOLE for at in range(100_000)}},
        {"type": "object", "properties": {f"x{at}": STOP for at in range(200)}},
        {"type": "array", "items": {"enum": [*range(400)]}},
    ],
)
def test_more_than_a_form_can_send_is_json(schema):
    many = {f"x{at}": {} for at in range(200)} if schema["type"] == "object" else [[1]] * 300
    entry = field(schema, many)
    assert [*tree(entry, many).walk()] == [tree(entry, many)]


def test_all_boxes_of_a_page_have_one_limit():
    snapshot = snapshot_of({f"p{at}": {"type": "array", "items": POINT} for at in range(400)})
    for at in range(400):
        snapshot["metadata"]["step_configurations"]["work"]["config"]["parameters"][f"p{at}"] = [
            {"name": "a", "x": 1}
        ] * 3
    document = Document.of(template_of([]))
    description = describe(snapshot)
    found = trees(description, {entry.path: entry.default for entry in description.fields})
    assert 0 < sum(map(inputs_inside, found.values())) <= ALL_INSIDE
    assert document.trees == {}


def test_a_parameter_whose_inputs_could_be_taken_for_another_is_json():
    snapshot = snapshot_of({"a": STOP, "a/rounds": WHOLE}, {"a": {"rounds": 6}, "a/rounds": 1})
    description = describe(snapshot)
    assert trees(description, {entry.path: entry.default for entry in description.fields}) == {}


# -- groups


def test_one_value_of_a_group_changes_and_what_was_left_out_stays_left_out():
    assert value_of(edited(STOP, {"rounds": 5}, {"/rounds": "7"})) == {"rounds": 7}
    assert value_of(edited(STOP, {"rounds": 5}, {"/metric": "loss"})) == {"rounds": 5, "metric": "loss"}


def test_what_is_wrong_inside_a_group_is_said_at_its_place():
    draft = edited(STOP, {"rounds": 5}, {"/rounds": "3"})
    assert said(draft) == [(("rounds",), "Enter a whole number that is at least 5.")]
    draft = edited(STOP, {"rounds": 5}, {"/rounds": "many"})
    assert said(draft) == [(("rounds",), "Enter a whole number that is at least 5.")]
    assert value_of(draft) == {"rounds": "many"}


@pytest.mark.parametrize(
    ("schema", "value", "within"),
    [
        (STOP, {"rounds": 5, "bogus": 1}, ()),
        ({"anyOf": [STOP, {"type": "null"}]}, {"rounds": 5, "bogus": 1}, ()),
        ({"type": "array", "items": STOP}, [{"rounds": 5}, {"bogus": 1}], (1,)),
        ({"type": "object", "properties": {"stop": STOP}}, {"stop": {"bogus": 1}}, ("stop",)),
        (MODEL, {"kind": "forest", "bogus": 1}, ()),
    ],
)
def test_unknown_keys_of_models_are_refused_at_their_place(schema, value, within):
    """ZenML would drop them without a word."""
    snapshot = snapshot_of({"p0": schema}, {"p0": None})
    [fault] = problems({"steps": {"work": {"parameters": {"p0": value}}}}, snapshot)
    assert (fault.within, fault.short) == (within, "“bogus” is not known here.")


@pytest.mark.parametrize(
    "schema",
    [
        {**STOP, "additionalProperties": True},
        {**STOP, "additionalProperties": WHOLE},
        {**STOP, "patternProperties": {"^b": {}}},
        {"allOf": [STOP, {"properties": {"bogus": WHOLE}}]},
        {"if": {"type": "object", "properties": {"rounds": {"const": 5}}}, "then": {"required": ["bogus"]}},
        {"type": "object"},
    ],
)
def test_keys_that_a_model_takes_are_not_refused(schema):
    snapshot = snapshot_of({"p0": schema}, {"p0": None})
    assert problems({"steps": {"work": {"parameters": {"p0": {"rounds": 5, "bogus": 1}}}}}, snapshot) == []


def test_a_group_is_set_and_unset_and_has_its_values_again():
    schema = {"anyOf": [STOP, {"type": "null"}]}
    template, data = sent(schema, {"rounds": 7, "metric": "x"})
    data.setlist(f"{P}.shape", [""])
    unset = drafted(template, data)
    assert value_of(unset) is None and unset.reshaped == [P]
    data = shown(template, unset)
    data.appendlist(f"{P}.shape", "0")
    assert value_of(drafted(template, data)) == {"rounds": 7, "metric": "x"}
    template, data = sent(schema, None)
    data.appendlist(f"{P}.shape", "0")
    assert value_of(drafted(template, data)) == {"rounds": 25, "metric": "auc"}


# -- rows


def rows_of(schema, value, *actions):
    template, data = sent(schema, value)
    draft = drafted(template, data)
    for action in actions:
        verb, _, place = action.partition(" ")
        draft = arranged(draft, verb, P + place)
        draft = drafted(template, shown(template, draft))
    return value_of(draft)


@pytest.mark.parametrize(
    ("action", "rows"),
    [
        ("add ", [1, "a", None]),
        ("remove /0", ["a"]),
        ("up /1", ["a", 1]),
        ("down /0", ["a", 1]),
        ("up /0", [1, "a"]),
        ("down /1", [1, "a"]),
        ("copy /0", [1, 1, "a"]),
        ("remove /7", [1, "a"]),
        ("remove ", [1, "a"]),
        ("burn /0", [1, "a"]),
        ("add /0", [1, "a"]),
    ],
)
def test_rows_of_a_list(action, rows):
    assert rows_of({"type": "array", "items": WHOLE}, [1, "a"], action) == rows


def test_a_new_row_of_models_begins_with_what_is_known_and_asks_for_the_rest():
    schema = {"type": "array", "items": POINT}
    assert rows_of(schema, [], "add ", "add ") == [{"name": ""}, {"name": ""}]
    template, data = sent(schema, [])
    draft = drafted(template, shown(template, arranged(drafted(template, data), "add", P)))
    assert said(draft) == [((0,), "“x” is missing.")]


def test_what_was_typed_stays_when_a_row_comes_even_what_cannot_be_read():
    schema = {"type": "array", "items": POINT}
    template, data = sent(schema, [{"name": "a", "x": 1}], **{"/0/x": "many", "/0/name": "b"})
    draft = arranged(drafted(template, data), "add", P)
    assert value_of(draft) == [{"name": "b", "x": "many"}, {"name": ""}]
    again = shown(template, draft)
    assert again[f"{P}/0/x"] == "many"
    assert said(drafted(template, again))[0] == ((0, "x"), "Enter a whole number.")


def test_rows_of_a_tuple_stay_where_they_are():
    schema = {"type": "array", "prefixItems": [WHOLE, TEXT]}
    assert rows_of(schema, [1, "a"], "add ", "remove /0", "up /1") == [1, "a"]
    assert value_of(edited(schema, [1, "a"], {"/1": "b"})) == [1, "b"]


# -- keys

TABLE = {"type": "object", "additionalProperties": NUMBER}


def test_keys_and_values_of_a_dictionary_change_and_keep_their_order():
    draft = edited(TABLE, {"a": 1, "b": 2}, {"/0.key": "c", "/1": "2.5"})
    assert json.dumps(value_of(draft)) == '{"c": 1, "b": 2.5}'
    swapped = edited(TABLE, {"a": 1, "b": 2}, {"/0.key": "b", "/1.key": "a"})
    assert json.dumps(value_of(swapped)) == '{"b": 1, "a": 2}'


def test_a_key_that_is_there_twice_is_said_at_its_row_and_loses_no_value():
    template, data = sent(TABLE, {"a": 1, "b": 2}, **{"/1.key": "a"})
    draft = drafted(template, data)
    assert value_of(draft) == {"a": 1, "b": 2}
    assert said(draft) == [(("b",), "The key “a” is there twice.")]
    assert shown(template, draft)[f"{P}/1.key"] == "a"


def test_an_empty_key_is_refused_unless_it_was_recorded():
    draft = edited(TABLE, {"a": 1}, {"/0.key": ""})
    assert said(draft) == [(("",), "Enter a key.")]
    assert said(edited(TABLE, {"": 1}, {"/0": "2"})) == []


def test_rows_of_a_dictionary():
    assert rows_of(TABLE, {"a": 1}, "add ") == {"a": 1, "": None}
    assert rows_of(TABLE, {"a": 1}, "add ", "add ") == {"a": 1, "": None, "key-2": None}
    assert rows_of(TABLE, {"a": 1, "b": 2}, "remove /0") == {"b": 2}
    assert json.dumps(rows_of(TABLE, {"a": 1, "b": 2}, "up /1")) == '{"b": 2, "a": 1}'


# -- shapes


def test_another_shape_begins_with_its_defaults_and_the_first_comes_back_as_it_was():
    template, data = sent(MODEL, {"kind": "lasso", "alpha": 0.5}, **{"/0/alpha": "0.7", ".shape": "1"})
    other = drafted(template, data)
    assert value_of(other) == {"kind": "forest", "trees": 9}
    data = shown(template, other)
    data[f"{P}/1/trees"], data[f"{P}.shape"] = "4", "0"
    first = drafted(template, data)
    assert value_of(first) == {"kind": "lasso", "alpha": 0.7}
    data = shown(template, first)
    data[f"{P}.shape"] = "1"
    assert value_of(drafted(template, data)) == {"kind": "forest", "trees": 4}


@pytest.mark.parametrize("kept", ["", "[", "[1]", '{"1": {"kind": "forest"}}', "9" * 6000, "[" * 9000])
def test_what_a_page_carries_of_other_shapes_is_not_believed(kept):
    template, data = sent(MODEL, {"kind": "lasso"}, **{".shape": "1", ".kept": kept})
    assert value_of(drafted(template, data))["kind"] == "forest"


@pytest.mark.parametrize("shape", ["7", "-1", "x", "٣", ""])
def test_a_shape_that_is_none_changes_nothing(shape):
    assert value_of(edited(MODEL, {"kind": "lasso"}, {".shape": shape})) == {"kind": "lasso"}


def test_faults_are_those_of_the_shape_that_is_meant():
    draft = edited(MODEL, {"kind": "forest", "trees": 1}, {"/1/trees": "x"})
    assert said(draft) == [(("trees",), "Enter a whole number.")]
    snapshot = snapshot_of({"p0": MODEL}, {"p0": None})
    [fault] = problems({"steps": {"work": {"parameters": {"p0": {"kind": "lasso", "alpha": "a"}}}}}, snapshot)
    assert (fault.within, fault.short) == (("alpha",), "Enter a number.")


# -- one place again as in the template, and as JSON


def test_one_place_is_reset_and_the_rest_stays():
    template, data = sent(STOP, {"rounds": 5}, **{"/rounds": "7", "/metric": "x"})
    draft = reset(drafted(template, data), f"{P}/rounds")
    assert value_of(draft) == {"rounds": 5, "metric": "x"}
    assert value_of(reset(draft, f"{P}/bogus")) == {"rounds": 5, "metric": "x"}
    assert value_of(reset(draft, f"{P}/metric")) == {"rounds": 5}
    assert value_of(reset(drafted(template, data), P)) == {"rounds": 5}


def test_a_box_is_written_as_json_and_as_fields_again():
    template, data = sent(STOP, {"rounds": 5}, **{"/rounds": "7"})
    as_json = rewritten(drafted(template, data), P)
    data = shown(template, as_json)
    assert json.loads(data[f"{P}.json"]) == {"rounds": 7}
    data[f"{P}.json"] = '{"rounds": 8}'
    fields = rewritten(drafted(template, data), P)
    assert shown(template, fields)[f"{P}/rounds"] == "8"


# -- the corpus


def test_the_corpus_is_what_pydantic_says_today():
    assert recorded() == kept()


SOME = [(step, name) for step, parameters in STEPS.items() for name in parameters]


def resolved(schema, definitions, deep=0):
    """The schema without references, so that values can be made for it."""
    if isinstance(schema, list):
        return [resolved(one, definitions, deep) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return resolved(target, definitions, deep + 1) if deep < 3 else {"enum": [None]}
    if "const" in schema:
        return {"enum": [schema["const"]]}
    return {name: resolved(inner, definitions, deep) for name, inner in schema.items()}


def values_for(step, name):
    schema = kept()[step]["schema"]
    return fitting(resolved(schema["properties"][name], schema.get("$defs", {}))) | texts


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(SOME).flatmap(lambda one: st.tuples(st.just(one), values_for(*one))))
def test_form_yaml_and_form_again_are_one_document(one):
    (step, name), value = one
    schema = kept()[step]["schema"]
    snapshot = snapshot_of(
        {name: schema["properties"][name]},
        {name: kept()[step]["values"][name]},
        **{"$defs": schema.get("$defs", {})},
    )
    template = RunTemplate(snapshot=snapshot, default_configuration=default_configuration(snapshot))
    draft = fresh(Document.of(template), {"steps": {"work": {"parameters": {name: value}}}})
    written = json.dumps(draft.document)
    for _ in range(2):
        form = drafted(template, shown(template, draft))
        assert json.dumps(form.document) == written
        draft = drafted(template, {"shown": "yaml", "document": "{}", "yaml": dump_yaml(form.document)})
        assert json.dumps(draft.document) == written
