"""What a run and its steps can be set to besides their parameters: from the form into the document and back."""

from copy import deepcopy

import pytest
from factories import make_template, make_tenant
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.run_templates.document.configuration import (
    Change,
    Recorded,
    default_configuration,
    dump_yaml,
    load_yaml,
    problems_of,
)
from tenants.run_templates.document.drafts import fresh, reset
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.run_settings import OF_RUN, OF_STEP, setting_at
from tenants.run_templates.document.schema import describe, same
from tenants.run_templates.document.submissions import parse_form
from tenants.run_templates.engine.derive import snapshot_body
from tenants.run_templates.pages.presentation import MAX_INPUTS, ChangeView, DraftEditor

from .samples import churn_snapshot, complete, snapshot_of

pytestmark = pytest.mark.any_database

CHURN = churn_snapshot()
DEFAULT = default_configuration(CHURN)
KNOWN = describe(CHURN)
BY_HAND = {
    "retry.max_retries": ("3", 3),
    "retry.delay": ("30", 30),
    "retry.backoff": ("2", 2),
    "settings.resources.cpu_count": ("1.5", 1.5),
    "settings.resources.memory": ("16GB", "16GB"),
    "settings.resources.gpu_count": ("1", 1),
    "model.name": ("churn", "churn"),
    "model.version": ("7", 7),
    "tags": ("weekly\nfull, or not\n weekly ", ["weekly", "full, or not"]),
    "enable_cache": ("false", False),
}


def untouched(document):
    """The texts of all settings as a page shows them."""
    sent = {setting.path: setting.text(document) for setting in OF_RUN}
    for name, step in document["steps"].items():
        sent |= {setting.entry(name).path: setting.text(step) for setting in OF_STEP}
    return sent


def submitted(base=DEFAULT, **sent):
    return parse_form(KNOWN, {**untouched(base), **sent}, base)


def faults(document):
    return [(one.place, one.short or one.message) for one in problems_of(document, Recorded(CHURN))]


# -- refusals


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("retry.max_retries", "0", "Enter a whole number from 1 to 100."),
        ("steps.train.retry.max_retries", "101", "Enter a whole number from 1 to 100."),
        ("steps.train.retry.delay", "-1", "Enter a whole number that is at least 0."),
        ("steps.train.settings.resources.memory", "much", "Enter a size such as 16GB or 500MiB."),
        ("settings.resources.cpu_count", "0", "Enter a number that is above 0."),
        ("tags", "x" * 251, "Enter at most 250 characters."),
    ],
)
def test_a_setting_out_of_range_is_a_fault_at_its_input(path, text, said, org):
    document = submitted(**{path: text}).document
    template = make_template(make_tenant(org), snapshot=CHURN, default_configuration=DEFAULT)
    draft = fresh(Document.of(template), document)
    draft.problems += draft.parsed.faults
    editor = DraftEditor(template, draft)
    assert [(view.field.path, view.error) for view in editor.inputs if view.error] == [(path, said)]
    assert [trouble.field_id for trouble in editor.troubles] == [
        view.id for view in editor.inputs if view.error
    ]


def test_a_tag_with_a_comma_stays_whole_when_another_is_edited():
    base = {**DEFAULT, "tags": ["team a, team b", "night"]}
    text = untouched(base)["tags"]
    assert submitted(base, tags=f"{text}\r\nweekly").document["tags"] == ["team a, team b", "night", "weekly"]


@pytest.mark.parametrize("path", ["retry.delay", "steps.train.settings.resources.gpu_count"])
def test_a_text_that_is_no_number_stays_to_be_mended(path):
    submission = submitted(**{path: "soon"})
    assert [fault.path for fault in submission.problems] == [path]
    assert submission.raw[path] == "soon"
    assert faults(submission.document) != []


def test_a_version_without_a_model_is_a_fault_at_the_name():
    document = submitted(**{"model.version": "7"}).document
    assert faults(document) == [("model", "“name” is missing.")]


# -- what is typed


@pytest.mark.parametrize("setting", OF_RUN, ids=lambda one: one.path)
def test_each_setting_of_the_run_reaches_the_document(setting):
    text, value = BY_HAND[setting.path]
    more = {"model.name": "churn"} if setting.path == "model.version" else {}
    document = submitted(**{setting.path: text}, **more).document
    assert setting.value(document) == value
    assert faults(document) == []


@pytest.mark.parametrize("setting", OF_STEP, ids=lambda one: one.path)
def test_each_setting_of_a_step_reaches_what_the_tenant_gets(setting, org):
    text, value = BY_HAND[setting.path]
    path = setting.entry("train").path
    document = submitted(**{path: text}).document
    assert faults(document) == []
    template = make_template(make_tenant(org), snapshot=CHURN)
    body = snapshot_body(template, complete(document, CHURN))
    sent = body["step_configurations"]["train"]["step_config_overrides"]
    assert setting.value(sent) == value
    others = [name for name in body["step_configurations"] if name != "train"]
    kept = CHURN["metadata"]["step_configurations"]
    assert all(body["step_configurations"][name] == kept[name] for name in others)


def test_an_emptied_setting_is_none_where_the_template_has_one():
    base = deepcopy(DEFAULT) | {"retry": {"max_retries": 3}, "model": {"name": "churn", "version": "x"}}
    document = submitted(base, **{"retry.max_retries": "", "model.version": ""}).document
    assert (document["retry"], document["model"]) == (None, {"name": "churn"})


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
groups = st.fixed_dictionaries(
    {},
    optional={
        "retry": odd | st.fixed_dictionaries({}, optional={"max_retries": odd, "delay": odd, "more": odd}),
        "settings": odd | st.fixed_dictionaries({"resources": odd}, optional={"other": odd}),
        "model": odd | st.fixed_dictionaries({"name": odd, "version": odd}),
        "tags": odd | st.lists(st.text()),
        "enable_cache": odd,
    },
)


@settings(max_examples=100)
@given(groups, groups)
def test_a_form_and_a_yaml_that_no_one_touched_change_nothing(run, step):
    run.pop("enable_cache", None)  # the switch in the bar
    base = {**DEFAULT, **run, "steps": {**DEFAULT["steps"], "train": {**DEFAULT["steps"]["train"], **step}}}
    sent = {name: text.replace("\n", "\r\n") for name, text in untouched(base).items()}
    assert same(parse_form(KNOWN, sent, base).document, base)
    assert same(load_yaml(dump_yaml(base)), base)


def test_form_and_yaml_are_one_document():
    document = submitted(
        **{path: text for path, (text, _) in BY_HAND.items() if path != "enable_cache"}
    ).document
    read = load_yaml(dump_yaml(document))
    assert same(read, document)
    assert same(submitted(read).document, document)


@pytest.mark.parametrize(
    ("name", "after", "said"),
    [
        ("retry", {"max_retries": 2, "delay": 30}, "max_retries 2, delay 30"),
        ("settings", {"resources": {"cpu_count": 1.5, "memory": "16GB"}}, "cpu_count 1.5, memory 16GB"),
        ("settings", None, "none"),
        ("settings", {"resources": ["x"]}, "resources x"),
        ("tags", ["weekly", "full"], "weekly, full"),
        ("extra", {}, "{}"),
    ],
)
def test_a_changed_setting_is_said_in_words(name, after, said):
    assert ChangeView(Change(f"steps.train.{name}", "train", name, None, after)).after == said


# -- back to the template


@pytest.mark.parametrize("path", ["retry.max_retries", "steps.train.retry.delay", "steps.train.enable_cache"])
def test_reset_gives_one_setting_its_value_of_the_template_back(path, org):
    base = deepcopy(DEFAULT) | {"retry": {"max_retries": 2, "delay": 9}}
    template = make_template(make_tenant(org), snapshot=CHURN, default_configuration=base)
    step, setting = setting_at(path, KNOWN.by_step)
    typed = {path: "false" if path.endswith("cache") else "7", "retry.delay": "1"}
    draft = fresh(Document.of(template), submitted(base, **typed).document)
    after = reset(draft, path)
    holder, default = (one["steps"][step] if step else one for one in (after.document, base))
    assert setting.value(holder) == setting.value(default)
    assert after.document["retry"]["delay"] == 1


# -- room


def test_no_form_has_more_inputs_than_can_be_sent(org):
    snapshot = snapshot_of({})
    steps = snapshot["metadata"]["step_configurations"]
    steps |= {f"step_{number}": steps["work"] for number in range(400)}
    template = make_template(make_tenant(org), snapshot=snapshot)
    editor = DraftEditor(template, fresh(Document.of(template)))
    assert len(editor.inputs) <= MAX_INPUTS
    assert editor.without_more == 401 - len(editor.steps) > 0
