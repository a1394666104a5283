"""Every kind of parameter: what the form shows, sent back untouched, changes nothing."""

import json
import re
from html.parser import HTMLParser

import pytest
from django.http import QueryDict
from django.urls import reverse
from factories import make_grant, make_member, make_template

from tenants.run_templates.document.configuration import default_configuration

from .samples import churn_snapshot, dynamic_snapshot, snapshot_of

pytestmark = pytest.mark.any_database

TEXT = {"type": "string"}
NULL = {"type": "null"}
KINDS = {
    "integer": {"type": "integer", "default": 3},
    "big": {"type": "integer", "default": 2**60},
    "number": {"type": "number", "default": 1e-05, "exclusiveMinimum": 0},
    "whole": {"type": "number", "default": 1.0},
    "step": {"type": "integer", "default": 10, "multipleOf": 5},
    "nothing": {"anyOf": [{"type": "number"}, NULL], "default": None},
    "text": {**TEXT, "default": 'quotes " < & and   blanks '},
    "empty": {**TEXT, "default": ""},
    "text_or_none": {"anyOf": [TEXT, NULL], "default": "x"},
    "empty_or_none": {"anyOf": [TEXT, NULL], "default": ""},
    "long": {**TEXT, "default": "\nfirst\n  second\n"},
    "on": {"type": "boolean", "default": True},
    "off": {"type": "boolean", "default": False},
    "on_or_none": {"anyOf": [{"type": "boolean"}, NULL], "default": None},
    "off_or_none": {"anyOf": [{"type": "boolean"}, NULL], "default": False},
    "choice": {"enum": ["a", "b"], "default": "b"},
    "number_choice": {"enum": [1, 2, "2"], "default": 2},
    "choice_or_none": {"anyOf": [{"enum": ["a"]}, NULL], "default": None},
    "day": {**TEXT, "format": "date", "default": "2026-11-23"},
    "day_or_none": {"anyOf": [{**TEXT, "format": "date"}, NULL], "default": None},
    "moment": {**TEXT, "format": "date-time", "default": "2026-11-23T14:30:00"},
    "moment_with_zone": {**TEXT, "format": "date-time", "default": "2026-11-23T14:30:00.5+02:00"},
    "texts": {"type": "array", "items": TEXT, "default": ["a", "b, c"]},
    "no_texts": {"type": "array", "items": TEXT, "default": []},
    "texts_or_none": {"anyOf": [{"type": "array", "items": TEXT}, NULL], "default": None},
    "numbers": {"type": "array", "items": {"type": "number"}, "default": [1, 2.5]},
    "choices": {"type": "array", "items": {"enum": ["a", "b"]}, "default": ["b"]},
    "no_choices": {"type": "array", "items": {"enum": ["a", "b"]}, "default": []},
    "choices_or_none": {"anyOf": [{"type": "array", "items": {"enum": ["a"]}}, NULL], "default": None},
    "object": {"type": "object", "default": {"a": [1, {"b": None}]}},
    "object_or_none": {"anyOf": [{"type": "object"}, NULL], "default": None},
    "union": {"anyOf": [{"type": "integer"}, TEXT], "default": "7"},
    "anything": {"default": {"x": 1}},
    "line": {**TEXT, "default": "</textarea><script>alert(1)</script>"},
    "odd name <b>": {**TEXT, "default": "x"},
    "carriage_return": {**TEXT, "default": "a\rb"},
    "line_end": {**TEXT, "default": "a\r\nb"},
    "blank": {**TEXT, "default": " "},
    "blank_or_none": {"anyOf": [TEXT, NULL], "default": " "},
    "lines_or_none": {"anyOf": [TEXT, NULL], "default": "\n\n"},
    "wide_texts": {"type": "array", "items": TEXT, "default": [" a", "b\t", "", "a\nb", "\ufeffc"]},
    "mixed_texts": {"type": "array", "items": TEXT, "default": ["1", 1, None]},
    "floats": {"type": "array", "items": {"type": "integer"}, "default": [1.0, 2]},
    "big_number": {"type": "number", "default": 12345678901234567890},
    "list_of_big": {"type": "array", "items": {"type": "number"}, "default": [12345678901234567890]},
    "whole_float": {"type": "integer", "default": 7.0},
    "text_for_number": {"type": "integer", "default": "7"},
    "word_for_number": {"type": "integer", "default": "many"},
    "nothing_for_text": {**TEXT, "default": None},
    "nothing_for_list": {"type": "array", "items": TEXT, "default": None},
    "nothing_for_switch": {"type": "boolean", "default": None},
    "nothing_for_choice": {"enum": ["a"], "default": None},
    "text_for_switch": {"type": "boolean", "default": "true"},
    "no_choice": {"enum": ["a", "b"], "default": "c"},
    "equals_sign": {"enum": ["a", "="], "default": "="},
    "look_alikes": {"enum": ["a", 1, "1", 1.0, True, "", " ", "\t"], "default": "1"},
    "turned_choices": {"type": "array", "items": {"enum": ["a", "b"]}, "default": ["b", "a"]},
    "doubled_choices": {"type": "array", "items": {"enum": ["a", "b"]}, "default": ["a", "a"]},
    "week": {**TEXT, "format": "date", "default": "2026-W47-1"},
    "week_moment": {**TEXT, "format": "date-time", "default": "2026-W47-1T14:30"},
    "short_moment": {**TEXT, "format": "date-time", "default": "2026-11-23T14:30"},
}


NUMBER = re.compile(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
DAY = re.compile(r"[0-9]{4,}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(r"([0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2}(\.[0-9]{1,3})?)?")


def sanitized(kind: str, value: str) -> str:
    """What HTML makes of the value of an <input> before anybody has touched it."""
    if kind == "hidden":
        return value
    value = re.sub("[\r\n]", "", value)
    if kind == "number":
        return value if NUMBER.fullmatch(value) else ""
    if kind == "date":
        return value if DAY.fullmatch(value) else ""
    if kind == "datetime-local":
        found = MOMENT.fullmatch(value)
        return found[1] + ("" if found[2] in (None, ":00") else found[2]) if found else ""
    return value


class Inputs(HTMLParser):
    """The pairs a browser without scripts sends for the form of the page."""

    def __init__(self, html: str):
        super().__init__()
        self.pairs, self.area, self.select, self.inside = [], None, None, False
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"))

    def send(self, name: str, value: str) -> None:
        line_ends = [re.sub("\r\n|\r|\n", "\r\n", text) for text in (name, value)]
        self.pairs.append(tuple(text.encode(errors="replace").decode() for text in line_ends))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.inside = given.get("id") == "editor"
        if not self.inside:
            return
        if tag == "input" and given.get("type") != "file" and given.get("name"):
            if given.get("type") != "checkbox" or "checked" in given:
                kind = given.get("type", "text")
                self.send(given["name"], sanitized(kind, given.get("value", "on")))
        elif tag == "textarea":
            self.area = (given["name"], [])
        elif tag == "select":
            self.select = [given["name"], None]
        elif tag == "option" and ("selected" in given or self.select[1] is None):
            self.select[1] = given["value"]

    def handle_data(self, data):
        if self.area:
            self.area[1].append(data)

    def handle_endtag(self, tag):
        if tag == "textarea" and self.area:
            text = "".join(self.area[1]).removeprefix("\n")
            self.send(self.area[0], text)
            self.area = None
        elif tag == "select" and self.select:
            self.send(*self.select)
            self.select = None
        elif tag == "form":
            self.inside = False


def sent_back(html: str, **more: str) -> str:
    query = QueryDict(mutable=True)
    for name, value in Inputs(html).pairs:
        query.appendlist(name, value)
    query.update(more)
    return query.urlencode()


@pytest.fixture
def open_form(org, tenant, as_user):
    """open_form(snapshot): (client, address) of a template of it, signed in as somebody who may run."""
    person = make_member(org, "member")
    make_grant(tenant, person, "operator")

    def make(snapshot):
        default = default_configuration(snapshot)
        template = make_template(tenant, snapshot=snapshot, default_configuration=default)
        return as_user(person), reverse("run_templates:run", args=[org.slug, tenant.slug, template.pk])

    return make


FORM = "application/x-www-form-urlencoded"


def assert_unchanged(client, address, tab="form"):
    page = client.get(address).content.decode()
    answer = client.post(address, sent_back(page, tab=tab), content_type=FORM)
    editor = answer.context["editor"]
    assert json.dumps(editor.draft.document) == json.dumps(editor.default)
    assert [(change.name, change.before, change.after) for change in editor.changes] == []
    assert [(trouble.where, trouble.message) for trouble in editor.troubles] == []
    return answer


@pytest.mark.parametrize("name", KINDS)
def test_untouched_parameter_is_no_change(name, open_form):
    assert_unchanged(*open_form(snapshot_of({name: KINDS[name]})))


@pytest.mark.parametrize("make", [churn_snapshot, dynamic_snapshot, lambda: snapshot_of(KINDS)])
def test_untouched_form_is_no_change_on_any_tab(make, open_form):
    client, address = open_form(make())
    for tab in ("form", "yaml", "diff"):
        answer = assert_unchanged(client, address, tab)
        again = client.post(address, sent_back(answer.content.decode(), tab="form"), content_type=FORM)
        assert again.context["editor"].changes == []
        assert again.context["editor"].troubles == []


def test_names_and_texts_of_others_are_escaped(open_form):
    client, address = open_form(snapshot_of(KINDS))
    for tab in ("form", "yaml", "diff"):
        page = client.get(address, {"tab": tab, "steps.work.parameters.text": '"<script>"'}).content.decode()
        assert "<script>alert(1)" not in page
        assert "odd name <b>" not in page


@pytest.mark.parametrize(
    "snapshot", [{}, {"metadata": None}, {"metadata": {"step_configurations": {"x": None}}}]
)
@pytest.mark.parametrize("tab", ["form", "yaml", "diff"])
def test_odd_snapshots_are_shown(snapshot, tab, open_form):
    client, address = open_form(snapshot)
    answer = client.get(address, {"tab": tab})
    assert answer.status_code == 200
    assert (answer.context["tab"], answer.context["editor"].changes) == (tab, [])
