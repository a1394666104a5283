"""Snapshots, links and texts that would freeze or break the page of a re-run: each ends in a page within its bounds.

Nothing is timed: what is counted is the work, and the limits of pytest end what hangs.
"""

import json

import pytest
from django.conf import settings
from django.urls import reverse
from factories import make_grant, make_member, make_template

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tests.tenants.runs.fakes import churn

from .samples import snapshot_of
from .test_views_widgets import FORM, Inputs, open_form, sent_back  # noqa: F401 - a fixture

PARAMETERS = "steps.work.parameters."
INTEGER = {"type": "integer", "default": 1}


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def schema_chain(levels):
    inner = {"type": "object", "properties": {"leaf": INTEGER}}
    for _ in range(levels):
        inner = {"type": "object", "properties": {"a": inner}}
    return inner


SNAPSHOTS = {
    "pattern": snapshot_of({"x": {"type": "string", "pattern": "^(a+)+$", "default": "a"}}),
    "deep schema": snapshot_of({"x": {**schema_chain(200), "default": {}}, "y": INTEGER}),
    "deep value": snapshot_of({"x": {"type": "object"}, "y": INTEGER}, {"x": deep(200)}),
    "fields": snapshot_of({f"x{at}": INTEGER for at in range(15_000)}),
    "keys": snapshot_of({"x": {"type": "object"}}, {"x": {f"key{at}": at for at in range(9_000)}}),
    "choices": snapshot_of({"x": {"enum": [*range(100_000)], "default": 1}}),
    "items": snapshot_of({"x": {"type": "array", "items": {"enum": ["a", "b"]}}}, {"x": ["a"] * 15_000}),
    "half": snapshot_of({"x": {"type": "string"}, "y": INTEGER, "\ud800": INTEGER}, {"x": "\ud800"}),
    "cycle": snapshot_of(
        {"x": {"$ref": "#/$defs/a", "default": 1}}, **{"$defs": {"a": {"$ref": "#/$defs/a"}}}
    ),
    "steps": {
        "metadata": {
            "step_configurations": {f"s{at}": {"spec": {"upstream_steps": []}} for at in range(15_000)}
        }
    },
}
if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
    del SNAPSHOTS["half"]  # cannot be stored, and is refused before


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_page_of_a_hostile_snapshot_can_be_sent_back_and_run(name, open_form):  # noqa: F811
    client, address = open_form(SNAPSHOTS[name])
    for tab in ("form", "yaml", "diff"):
        page = client.get(address, {"tab": tab})
        assert page.status_code == 200
        pairs = Inputs(page.content.decode()).pairs
        assert len(pairs) < settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        answer = client.post(address, sent_back(page.content.decode(), tab="diff"), content_type=FORM)
        assert answer.status_code == 200
        assert answer.context["editor"].changes == []
        assert answer.context["editor"].troubles == []
    answer = client.post(address, sent_back(page.content.decode(), do="run"), content_type=FORM)
    assert answer.status_code == 302
    assert TemplateRun.objects.get().changes == []


@pytest.mark.any_database
@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_page_of_a_template_of_a_hostile_snapshot_and_of_its_run_is_shown(name, open_form):  # noqa: F811
    client, address = open_form(SNAPSHOTS[name])
    page = client.get(address).content.decode()
    client.post(address, sent_back(page, do="run", run_name="mine-{time}"), content_type=FORM)
    template = address.removesuffix("run/")
    for path in (template, f"{template}runs/1/", f"{address}?from=1"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < 3_000_000


@pytest.mark.any_database
def test_fields_beyond_what_a_form_can_send_are_edited_as_yaml(open_form):  # noqa: F811
    client, address = open_form(SNAPSHOTS["fields"])
    page = client.get(address).content.decode()
    assert "1100 more parameters are only in the YAML" in page
    assert "13000 recorded values can't be edited here" in page
    text = client.get(address, {"tab": "yaml"}).context["editor"].yaml
    assert "x1999: 1\n" in text
    changed = {
        "shown": "yaml",
        "document": "",
        "yaml": text.replace("x1999: 1\n", "x1999: 2\n"),
        "tab": "form",
    }
    shown = client.post(address, changed)
    again = client.post(address, sent_back(shown.content.decode(), do="run"), content_type=FORM)
    assert again.status_code == 302
    [change] = TemplateRun.objects.get().changes
    assert (change["name"], change["before"], change["after"]) == ("x1999", 1, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pattern", "a" * 50_000 + "!"),
        ("keys", "[" * 100_000),
        ("keys", json.dumps({f"other{at}": at for at in range(15_000)})),
        ("keys", json.dumps({f"other{at}": at for at in range(60_000)})),
        ("keys", json.dumps(deep(300))),
        ("keys", '{"a": "\\ud800"}'),
        ("keys", '{"a": "\\u0000"}'),
        ("keys", "9" * 100_000),
        ("choices", "100000"),
        ("items", "x\n" * 20_000),
    ],
)
@pytest.mark.any_database
def test_a_hostile_text_is_answered_and_stays_as_it_was_typed(name, text, open_form):  # noqa: F811
    client, address = open_form(SNAPSHOTS[name])
    page = client.get(address).content.decode()
    [path] = [pair[0] for pair in Inputs(page).pairs if pair[0].startswith(f"{PARAMETERS}x")]
    for tab in ("form", "diff", "yaml"):
        answer = client.post(address, sent_back(page, **{path: text, "tab": tab}), content_type=FORM)
        assert answer.status_code == 200
        if tab == "form":
            [view] = answer.context["editor"].views
            assert text in (view.text, json.dumps(view.value))
    bar = client.post(
        address,
        sent_back(page, **{path: text}),
        content_type=FORM,
        headers={"HX-Request": "true", "HX-Target": "bar"},
    )
    assert bar.status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "- " * 100_000,
        "? " * 100_000,
        "a: " + "[" * 60 + "1" + "]" * 60,
        "{" + "a," * 100_000,
        "\n".join(" " * at + "a:" for at in range(600)),
        "a: &a [1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        "extra: {" + ",".join(f"k{at}: {at}" for at in range(15_000)) + "}",
        "steps: {work: {parameters: {" + ",".join(f"k{at}: {at}" for at in range(15_000)) + "}}}",
        "steps: {" + ",".join(f"k{at}: {{}}" for at in range(15_000)) + "}",
        "steps: {" + ",".join(f"'{'k' * 90}{at}': {{}}" for at in range(2_000)) + "}",
        "\n".join(f"k{at}: {at}" for at in range(15_000)),
        "run_name: '" + "{" * 100_000 + "'",
        "run_name: '" + "{date}" * 20_000 + "'",
        "x" * 300_000,
    ],
)
@pytest.mark.parametrize("tab", ["form", "yaml", "diff"])
@pytest.mark.any_database
def test_a_hostile_yaml_is_answered_and_stays_as_it_was_typed(text, tab, open_form):  # noqa: F811
    client, address = open_form(snapshot_of({"x": INTEGER}))
    sent = {"shown": "yaml", "document": "{}", "yaml": text, "tab": tab}
    answer = client.post(address, sent)
    assert answer.status_code == 200
    editor = answer.context["editor"]
    assert editor.draft.text == text
    assert len(editor.troubles) <= 50
    if answer.context["tab"] == "yaml":
        assert editor.yaml == text


@pytest.mark.parametrize(
    "value",
    ["[" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 300 + "]" * 300, '"\\ud800"', "1" * 3000, "NaN"],
)
@pytest.mark.parametrize("tab", ["form", "yaml", "diff"])
@pytest.mark.any_database
def test_a_hostile_link_is_answered(value, tab, open_form):  # noqa: F811
    client, address = open_form(snapshot_of({"x": {}, "y": INTEGER}))
    for name in ("x", "y"):
        answer = client.get(
            address, {f"{PARAMETERS}{name}": value, "extra": value, "run_name": value, "tab": tab}
        )
        editor = answer.context["editor"]
        assert {f"{PARAMETERS}x", f"{PARAMETERS}y"} < {view.field.path for view in editor.inputs}
        assert (answer.context["tab"], 0 < len(editor.troubles) <= 3) == (tab, True)


@pytest.mark.parametrize(
    "document", ["[" * 5000, json.dumps(deep(200)), json.dumps([0] * 50_000), "null", "x"]
)
@pytest.mark.any_database
def test_a_document_that_no_page_sent_is_as_if_there_were_none(document, open_form):  # noqa: F811
    client, address = open_form(snapshot_of({"x": INTEGER}))
    answer = client.post(
        address, {"shown": "form", "document": document, f"{PARAMETERS}x": "2", "tab": "diff"}
    )
    assert [change.after for change in answer.context["editor"].changes] == [2]


@pytest.mark.any_database
def test_a_very_long_difference_is_counted_instead_of_compared(open_form):  # noqa: F811
    client, address = open_form(SNAPSHOTS["keys"])
    page = client.get(address).content.decode()
    text = json.dumps({f"other{at}": at for at in range(15_000)})
    answer = client.post(
        address, sent_back(page, **{f"{PARAMETERS}x": text, "tab": "diff"}), content_type=FORM
    )
    assert "15000 lines differ, too many to compare one by one" in answer.content.decode()


def test_a_link_that_no_address_can_hold_is_not_offered(open_form):  # noqa: F811
    client, address = open_form(snapshot_of({"x": {"type": "string", "default": "a"}}))
    page = client.get(address).content.decode()
    assert "Copy link" in page
    answer = client.post(address, sent_back(page, **{f"{PARAMETERS}x": "b" * 9000}), content_type=FORM)
    assert "Copy link" not in answer.content.decode()
    assert "Copy link" in client.post(address, sent_back(page), content_type=FORM).content.decode()


# -- a form that is too large for one request


@pytest.fixture
def run_page(org, tenant, as_user):
    person = make_member(org, "member")
    make_grant(tenant, person, "operator")
    snapshot = churn("snapshot")
    template = make_template(tenant, snapshot=snapshot, default_configuration=default_configuration(snapshot))
    return as_user(person), reverse("run_templates:run", args=[org.slug, tenant.slug, template.pk])


@pytest.mark.parametrize("content_type", ["urlencoded", "multipart"])
@pytest.mark.parametrize("kind", ["fields", "bytes"])
def test_a_form_that_is_too_large_gets_a_page_that_says_so(kind, content_type, run_page):
    client, address = run_page
    many = {f"x{at}": "1" for at in range(15_000)} if kind == "fields" else {"yaml": "x" * 3_000_000}
    if content_type == "urlencoded":
        body = "&".join(f"{name}={value}" for name, value in many.items())
        answer = client.post(address, body, content_type=FORM)
    else:
        answer = client.post(address, many)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "This request is too large" in page
    assert "Nothing was changed" in page
    assert not TemplateRun.objects.exists()
