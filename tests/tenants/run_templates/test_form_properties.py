"""Whatever a schema says and a run recorded: untouched stays as it is, byte for byte, and every choice can be chosen."""

import json

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.run_templates.document.configuration import (
    default_configuration,
    dump_yaml,
    load_yaml,
)
from tenants.run_templates.document.drafts import examined, fresh, from_post
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import describe
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.pages.presentation import DraftEditor

from .samples import problems, snapshot_of
from .test_views_widgets import Inputs

EXAMPLES = 60
ODD = [
    "",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\0",
    "a\rb",
    " a ",
    "\n a",
    "a\n",
    "\ufeff",
    "\u2028",
    "1",
    "=",
    "null",
]
ODD += [
    "true",
    "on",
    "1.0",
    "-",
    "~",
    "a,b",
    "\x85",
    "\x0b",
    "2026-11-23",
    "2026-W47-1",
    "2026-11-23T14:30:00",
    "😀",
]
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# NaN, which equals nothing, is no JSON: a server's answer is read without it.
numbers = (
    st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([2**60, 12345678901234567890, -0.0, 7.0, 0.1, 1e300, 1e-7])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "minimum": numbers,
        "exclusiveMaximum": numbers,
        "multipleOf": numbers,
        "pattern": st.sampled_from(["^(a+)+$", r"^\p{L}+$", "(?=a)", "("]),
        "maxLength": st.integers(0, 9),
        "format": st.sampled_from(["date", "date-time", "time", "uuid", "odd"]),
    },
)
typed = st.builds(
    lambda name, rest: {"type": name, **rest},
    st.sampled_from(["string", "string", "integer", "number", "boolean", "object"]),
    limits,
)
choices = st.lists(scalars, min_size=1, max_size=6).map(lambda enum: {"enum": enum})
single = typed | choices | st.just({})
lists = single.map(lambda items: {"type": "array", "items": items})
NAMES = st.sampled_from(["a", "b", "kind", "none", "json", "key", "0", "a b", "ä", "x.y", "x/y", ""])


def objects(inner):
    """Models, dictionaries, lists, tuples and unions of what is inside."""
    return st.one_of(
        st.dictionaries(NAMES, inner, max_size=3).map(lambda given: {"type": "object", "properties": given}),
        inner.map(lambda values: {"type": "object", "additionalProperties": values}),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, max_size=3).map(lambda items: {"type": "array", "prefixItems": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": [*options, {"type": "null"}]}),
        st.lists(inner, min_size=2, max_size=3).map(lambda options: {"oneOf": options}),
    )


nested = st.recursive(single, objects, max_leaves=6)
schemas = (single | lists | nested).flatmap(
    lambda schema: st.sampled_from([schema, schema, {"anyOf": [schema, {"type": "null"}]}])
)


def fitting(schema):
    """Values of about the shape of a schema: some things are left out, and some are odd."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return st.one_of([fitting(option) for option in options])
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return st.sampled_from(schema["enum"])
    if "properties" in schema:
        return st.fixed_dictionaries(
            {}, optional={name: fitting(inner) for name, inner in schema["properties"].items()}
        )
    if isinstance(schema.get("additionalProperties"), dict):
        return st.dictionaries(texts, fitting(schema["additionalProperties"]), max_size=3)
    if "prefixItems" in schema:
        return st.tuples(*map(fitting, schema["prefixItems"])).map(list)
    if isinstance(schema.get("items"), dict):
        return st.lists(fitting(schema["items"]), max_size=3)
    by_type = {"string": texts, "integer": st.integers(), "number": numbers, "boolean": st.booleans()}
    return by_type.get(schema.get("type"), scalars)


def recorded_for(schema):
    """A value that a run may have recorded: one that fits, or anything else."""
    inner = schema.get("anyOf", [schema])[0]
    options = [
        fitting(schema),
        fitting(schema),
        values,
        texts,
        st.lists(texts, max_size=4),
        st.lists(scalars, max_size=4),
    ]
    for enum in (inner.get("enum"), inner.get("items", {}).get("enum")):
        if enum:
            options += [st.sampled_from(enum), st.lists(st.sampled_from(enum), max_size=3)]
    return st.one_of(options)


fields = st.lists(
    schemas.flatmap(lambda schema: st.tuples(st.just(schema), recorded_for(schema))), max_size=4
)


def template_of(parameters) -> RunTemplate:
    """`parameters`: (schema, recorded value) for each."""
    names = [f"p{at}" for at in range(len(parameters))]
    schemas = {name: schema for name, (schema, _) in zip(names, parameters, strict=True)}
    recorded = {name: value for name, (_, value) in zip(names, parameters, strict=True)}
    snapshot = snapshot_of(schemas, recorded)
    return RunTemplate(snapshot=snapshot, default_configuration=default_configuration(snapshot))


def begun(template):
    return fresh(Document.of(template))


def shown(template, draft=None):
    """What a browser without scripts sends for the form of a draft, when nobody has touched it."""
    editor = DraftEditor(template, draft or begun(template))
    pieces = [(view, "_node" if is_box else "_field") for step in editor.steps for view, is_box in step.parts]
    html = "".join(
        render_to_string(f"run_templates/{name}.html", {"view": view, "run_url": "/"})
        for view, name in pieces
    )
    data = QueryDict(mutable=True)
    data.update({"shown": "form", "document": editor.document_json})
    for name, value in Inputs(f'<form id="editor">{html}</form>').pairs:
        data.appendlist(name, value)
    return data


def drafted(template, data):
    return from_post(Document.of(template), data, {})


def parameters_of(draft):
    return {name: json.dumps(value) for name, value in draft.document["steps"]["work"]["parameters"].items()}


@settings(max_examples=EXAMPLES)
@given(fields)
def test_a_form_that_nobody_touched_is_as_recorded(parameters):
    template = template_of(parameters)
    draft = drafted(template, shown(template))
    assert parameters_of(draft) == parameters_of(begun(template))
    assert examined(draft).problems == []


@settings(max_examples=EXAMPLES)
@given(fields)
def test_beside_a_value_that_changes_the_others_stay_as_recorded(parameters):
    template = template_of([*parameters, ({"type": "integer"}, 1)])
    data, edited = shown(template), f"p{len(parameters)}"
    data[f"steps.work.parameters.{edited}"] = "2"
    once = drafted(template, data)
    assert parameters_of(once) == {**parameters_of(begun(template)), edited: "2"}
    again = drafted(template, shown(template, once))
    assert parameters_of(again) == parameters_of(once)


@settings(max_examples=EXAMPLES)
@given(fields)
def test_yaml_that_nobody_touched_is_as_recorded(parameters):
    template = template_of(parameters)
    document = begun(template).document
    text = dump_yaml(document)
    sent = Inputs(
        render_to_string("run_templates/_yaml.html", {"editor": DraftEditor(template, begun(template))})
    )
    assert sent.pairs == []  # outside of a form nothing is sent
    posted = text.replace("\n", "\r\n")
    draft = drafted(template, {"shown": "yaml", "document": json.dumps(document), "yaml": posted})
    assert parameters_of(draft) == parameters_of(begun(template))
    changed = drafted(template, {"shown": "yaml", "yaml": f"{posted}skip_successful_steps: true\r\n"})
    assert changed.problems == []
    assert parameters_of(changed) == parameters_of(begun(template))


@settings(max_examples=EXAMPLES)
@given(st.lists(scalars, min_size=1, max_size=6), st.booleans(), st.data())
def test_every_choice_can_be_chosen(enum, nullable, data):
    """Also those that look alike; and what is shown for it is chosen again."""
    schema = {"anyOf": [{"enum": enum}, {"type": "null"}]} if nullable else {"enum": enum}
    template = template_of([(schema, data.draw(st.sampled_from(enum)))])
    [entry] = describe(template.snapshot).fields
    labels = [choice.label for choice in entry.choices]
    assert len({*labels}) == len(labels)
    for choice in entry.choices:
        posted = shown(template)
        posted["steps.work.parameters.p0"] = choice.raw
        draft = drafted(template, posted)
        assert parameters_of(draft) == {"p0": json.dumps(choice.value)}
        assert problems(draft.document, template.snapshot) == []
        assert parameters_of(drafted(template, shown(template, draft))) == {"p0": json.dumps(choice.value)}


@settings(max_examples=EXAMPLES)
@given(st.lists(scalars.filter(lambda value: value is not None), min_size=1, max_size=5))
def test_every_choice_of_a_list_can_be_ticked(enum):
    template = template_of([({"type": "array", "items": {"enum": enum}}, [])])
    [entry] = describe(template.snapshot).fields
    for choice in entry.choices:
        posted = shown(template)
        posted.appendlist("steps.work.parameters.p0", choice.raw)
        assert parameters_of(drafted(template, posted)) == {"p0": json.dumps([choice.value])}


@pytest.mark.parametrize("text", ["", " ", "\t", " a ", "null", "None", "\u2028"])
def test_a_text_is_that_text_and_none_comes_only_from_no_value(text):
    schema = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    template = template_of([(schema, ",")])
    data = shown(template)
    data["steps.work.parameters.p0"] = text
    assert parameters_of(drafted(template, data)) == {"p0": json.dumps(text)}
    data["steps.work.parameters.p0.none"] = "on"
    assert parameters_of(drafted(template, data)) == {"p0": "null"}


@pytest.mark.parametrize(("text", "value"), [("", None), (" ", " "), ("x", "x")])
def test_writing_beside_a_tick_that_was_there_means_what_was_written(text, value):
    template = template_of([({"anyOf": [{"type": "string"}, {"type": "null"}]}, None)])
    data = shown(template)
    data["steps.work.parameters.p0"] = text
    assert parameters_of(drafted(template, data)) == {"p0": json.dumps(value)}


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=200))
def test_no_text_of_the_yaml_breaks_the_page(text):
    template = template_of([({"type": "integer"}, 1)])
    draft = examined(drafted(template, {"shown": "yaml", "yaml": text}))
    assert draft.text == text.replace("\r\n", "\n")
    editor = DraftEditor(template, draft)
    assert isinstance(editor.troubles, list)
    if not draft.unread:
        assert load_yaml(editor.yaml) == draft.document or load_yaml(editor.yaml) == {}
