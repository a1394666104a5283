"""Parameters that people's pipelines have and forms get wrong, each with what is right."""

import json

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.drafts import examined
from tenants.run_templates.document.form_data import AS_JSON, NONE
from tenants.run_templates.document.schema import describe
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.pages.field_presentation import Hints, hints_of
from tenants.run_templates.pages.presentation import DraftEditor

from .samples import problems, snapshot_of
from .test_form_properties import drafted, parameters_of, shown, template_of
from .test_schema import field
from .test_views_widgets import FORM, open_form, sent_back  # noqa: F401 - a fixture

pytestmark = pytest.mark.any_database

# As ZenML 0.98 records them.
SEPARATOR = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": ",", "title": "Separator"}
JOINED = {"type": "string", "default": "a\rb", "title": "Joined"}
NAME = {"type": "string", "default": "Ada", "pattern": r"^\p{L}+$", "title": "Name"}
VERSION = {"enum": ["a", 1, "1"], "default": 1, "title": "Version"}
SEED = {"type": "integer", "default": 12345678901234567890, "title": "Seed"}
RATE = {"type": "number", "default": 0.1, "title": "Rate"}
ODD = {
    "separator": SEPARATOR,
    "joined": JOINED,
    "name": NAME,
    "other": {"type": "string", "default": "a", "title": "Other"},
    "version": VERSION,
    "seed": SEED,
    "rate": RATE,
}
P = "steps.work.parameters."


def run_with(open_form, **changed):  # noqa: F811
    """The values that a run gets when these inputs of the form are changed."""
    client, address = open_form(snapshot_of(ODD))
    page = client.get(address).content.decode()
    data = {P + name: text for name, text in changed.items()}
    answer = client.post(address, sent_back(page, **data, do="run"), content_type=FORM)
    assert answer.status_code == 302, [trouble.message for trouble in answer.context["editor"].troubles]
    return TemplateRun.objects.get().configuration["steps"]["work"]["parameters"]


RECORDED = {name: schema["default"] for name, schema in ODD.items()}


def test_a_template_whose_own_defaults_would_be_refused_can_be_run_as_it_is(open_form):  # noqa: F811
    assert run_with(open_form) == RECORDED


@pytest.mark.parametrize("text", ["", " ", "\t", ";"])
def test_a_separator_is_the_text_that_was_entered(open_form, text):  # noqa: F811
    assert run_with(open_form, separator=text) == {**RECORDED, "separator": text}


def test_none_comes_from_no_value_alone(open_form):  # noqa: F811
    assert run_with(open_form, **{f"separator{NONE}": "on"}) == {**RECORDED, "separator": None}


def test_a_carriage_return_stays_when_another_value_changes(open_form):  # noqa: F811
    assert run_with(open_form, other="b") == {**RECORDED, "other": "b"}


def test_a_carriage_return_is_edited_as_json(open_form):  # noqa: F811
    assert run_with(open_form, **{f"joined{AS_JSON}": '"a\\rc"'}) == {**RECORDED, "joined": "a\rc"}


def test_a_name_of_letters_is_taken_and_another_refused(open_form):  # noqa: F811
    assert run_with(open_form, name="Zoë") == {**RECORDED, "name": "Zoë"}
    snapshot = snapshot_of(ODD)
    [problem] = problems({"steps": {"work": {"parameters": {"name": "R2D2"}}}}, snapshot)
    assert problem.message.startswith("Enter text that matches")


@pytest.mark.parametrize(("place", "value"), [("0", "a"), ("1", 1), ("2", "1")])
def test_each_of_the_look_alikes_can_be_chosen(open_form, place, value):  # noqa: F811
    chosen = run_with(open_form, version=place)["version"]
    assert json.dumps(chosen) == json.dumps(value)


def test_look_alikes_have_different_labels():
    assert [choice.label for choice in field(VERSION).choices] == ["a", "1 (number)", "1 (text)"]


def test_a_seed_that_is_too_large_for_others_stays_and_another_one_is_refused(open_form):  # noqa: F811
    assert run_with(open_form, rate="0.2") == {**RECORDED, "rate": 0.2}
    snapshot = snapshot_of(ODD)
    [problem] = problems({"steps": {"work": {"parameters": {"seed": 2**64}}}}, snapshot)
    assert problem.message == "The number is too large."


# -- the arrows of a number


@pytest.mark.parametrize(
    ("schema", "text", "hints"),
    [
        ({"type": "integer", "minimum": 5, "multipleOf": 10}, "10", Hints("10", "", "10")),
        ({"type": "integer", "minimum": 5, "maximum": 95, "multipleOf": 10}, "10", Hints("10", "90", "10")),
        ({"type": "integer", "exclusiveMinimum": 10, "multipleOf": 10}, "20", Hints("20", "", "10")),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}, "1", Hints("1", "9", "1")),
        ({"type": "integer", "minimum": 0.5, "maximum": 2.5}, "1", Hints("1", "2", "1")),
        ({"type": "integer", "minimum": -15, "multipleOf": 10}, "0", Hints("-10", "", "10")),
        ({"type": "integer", "multipleOf": 10}, "20", Hints("", "", "10")),
        ({"type": "integer", "multipleOf": 10}, "", Hints("", "", "10")),
        ({"type": "integer", "multipleOf": 10}, "25", Hints("", "", "any")),
        ({"type": "integer", "multipleOf": 2.5}, "5", Hints("", "", "5")),
        ({"type": "integer"}, "3", Hints("", "", "1")),
        ({"type": "number", "minimum": 0.05, "multipleOf": 0.1}, "0.3", Hints("0.1", "", "0.1")),
        ({"type": "number", "minimum": 0, "maximum": 1}, "0.3", Hints("0", "1", "any")),
        ({"type": "number", "exclusiveMinimum": 0}, "0.3", Hints("", "", "any")),
        ({"type": "number", "multipleOf": 1e-300}, "0.3", Hints("", "", "any")),
        ({"type": "number", "multipleOf": 0}, "0.3", Hints("", "", "any")),
        ({"type": "number", "minimum": 1e200}, "1e200", Hints("", "", "any")),
    ],
)
def test_what_the_arrows_offer_is_what_the_check_takes(schema, text, hints):
    entry = field({**schema, "default": 0})
    assert hints_of(entry, text) == hints
    for offered in (hints.minimum, hints.maximum):
        if offered:
            assert (
                problems(
                    {"steps": {"work": {"parameters": {"x": json.loads(offered)}}}},
                    snapshot_of({"x": schema}),
                )
                == []
            )


def test_the_page_has_these_hints_and_no_pattern():
    """A browser reads patterns in its own dialect, and may freeze over them."""
    template = template_of(
        [
            ({"type": "integer", "minimum": 5, "multipleOf": 10}, 10),
            ({"type": "string", "pattern": "^(a+)+$"}, "a"),
        ]
    )
    html = render(template)
    assert 'step="10" min="10"' in html
    assert "pattern" not in html


@pytest.mark.parametrize("text", ["1e5", "-0.5", "12345678901234567890", "+1", "1.", "1_000", " 1", "many"])
def test_a_number_that_a_browser_would_empty_is_shown_as_text(text):
    template = template_of([({"type": "number"}, 1)])
    data = shown(template)
    data[f"{P}p0"] = text
    [view] = DraftEditor(template, examined(drafted(template, data))).views
    assert view.text == text
    assert view.type == ("number" if text in ("1e5", "-0.5") else "text")


# -- what is refused stays as it was typed


def test_boxes_can_all_be_emptied_and_a_tick_for_no_value_counts():
    schema = {"anyOf": [{"type": "array", "items": {"enum": ["a", "b"]}}, {"type": "null"}]}
    template = template_of([(schema, ["a"])])
    data = shown(template)
    data.setlist(f"{P}p0", [""])
    assert parameters_of(drafted(template, data)) == {"p0": "[]"}
    data[f"{P}p0{NONE}"] = "on"
    assert parameters_of(drafted(template, data)) == {"p0": "null"}
    none = template_of([(schema, None)])
    data = shown(none)
    data.appendlist(f"{P}p0", "1")
    assert parameters_of(drafted(none, data)) == {"p0": '["b"]'}


@pytest.mark.parametrize("sent", ["7", "=", "a", "-1", "٣"])
def test_a_choice_that_is_none_is_refused_and_shown_as_it_was_sent(sent):
    template = template_of([({"enum": ["a", "b"]}, "a")])
    data = QueryDict(mutable=True)
    data.update({"shown": "form", f"{P}p0": sent})
    draft = examined(drafted(template, data))
    assert [problem.message for problem in draft.problems] == ["Choose one of a, b."]
    [view] = DraftEditor(template, draft).views
    assert [option.value for option, chosen in view.options if chosen] == [sent] or sent == "a"


def test_recorded_values_that_no_choice_allows_are_kept_until_one_is_chosen():
    template = template_of([({"enum": ["a", "b"]}, "c")])
    assert parameters_of(drafted(template, shown(template))) == {"p0": '"c"'}
    [view] = DraftEditor(template, drafted(template, shown(template))).views
    assert [(option.label, chosen) for option, chosen in view.options] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]


def render(template):
    views = DraftEditor(template, drafted(template, shown(template))).views
    return "".join(
        render_to_string("run_templates/_field.html", {"view": view, "run_url": "/"}) for view in views
    )


def test_the_recorded_odd_run_is_right_in_every_reading():
    snapshot = snapshot_of(ODD)
    assert problems(default_configuration(snapshot), snapshot) == []
    assert len(describe(snapshot).fields) == len(ODD)
