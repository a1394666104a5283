from datetime import datetime

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.run_templates.document.configuration import (
    YamlError,
    changes,
    default_configuration,
    dump_yaml,
    expand_run_name,
    load_yaml,
    summary,
)
from tenants.run_templates.document.schema import describe, same
from tenants.run_templates.document.submissions import parse_form

from .samples import churn_snapshot, complete, dynamic_snapshot, inputs_of, problems, snapshot_of
from .test_schema import json_values, odd_schemas

CHURN = churn_snapshot()
DEFAULT = default_configuration(CHURN)
storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
clean_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(storable),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(storable), inner, max_size=4),
    max_leaves=25,
)


def with_value(path, value):
    step, name = path.split(".")
    return {"steps": {step: {"parameters": {name: value}}}}


def problem_of(document, snapshot=CHURN):
    [problem] = problems(document, snapshot)
    return problem.path, problem.message


# Refusals


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("train.rounds", "many", "Enter a whole number from 1 to 1000."),
        ("train.rounds", 0, "Enter a whole number from 1 to 1000."),
        ("train.rounds", True, "Enter a whole number from 1 to 1000."),
        ("train.rounds", None, "Enter a whole number from 1 to 1000."),
        ("train.rounds", 1.5, "Enter a whole number from 1 to 1000."),
        ("train.kind", "svm", "Choose one of logistic, stumps, neighbours."),
        ("train.learning_rate", 0, "Enter a number that is above 0 and at most 2."),
        ("train.l2", 2, "Enter a number from 0 to 1."),
        ("train.l2", "x", "Enter a number from 0 to 1."),
        ("load_customers.max_customers", 99, "Enter a whole number from 100 to 5000."),
        ("load_customers.signed_up_from", "2023-02-30", "Enter a date like 2026-11-23."),
        ("load_customers.signed_up_from", "20230201", "Enter a date like 2026-11-23."),
        ("load_customers.regions", [], "Enter at least 1 value."),
        ("load_customers.regions", ["north", 3], "Item 2: Enter text."),
        ("load_customers.regions", "north", "Enter a list."),
        ("load_customers.include_free_plan", "yes", "Enter true or false."),
        ("evaluate.threshold", 1, "Enter a number between 0 and 1."),
        ("evaluate.title", "", "Enter at least 1 character."),
        ("evaluate.title", "x" * 81, "Enter at most 80 characters."),
        ("evaluate.costs", {"call": -1}, "“call”: Enter a number that is at least 0."),
        ("evaluate.costs", {"calls": 1}, "“calls” is not known here."),
        ("train.class_weights", {"stayed": 0}, "“stayed”: Enter a number that is above 0 and at most 100."),
        ("train.bogus", 1, "There is no parameter “bogus” in step “train”."),
        ("train.rounds", float("nan"), "Enter a finite number."),
        ("train.l2", float("inf"), "Enter a finite number."),
        ("build_features.seed", 2**63, "The number is too large."),
        ("evaluate.title", "a\0b", "The text contains a character that cannot be stored."),
        ("evaluate.title", "\ud800", "The text contains a character that cannot be stored."),
    ],
)
def test_a_value_is_refused_at_its_field(path, value, message):
    step, name = path.split(".")
    assert problem_of(with_value(path, value)) == (f"steps.{step}.parameters.{name}", message)


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ([], "", "Enter keys and values, such as “steps:”."),
        ({"steps": []}, "steps", "Enter the steps as keys and values."),
        ({"steps": {"train": 1}}, "steps.train", "Enter keys and values, such as “parameters:”."),
        (
            {"steps": {"train": {"parameters": [1]}}},
            "steps.train.parameters",
            "Enter the parameters as keys and values.",
        ),
        (
            {"steps": {"nope": {}}},
            "steps.nope",
            "There is no step “nope”. Steps: load_customers, build_features, profile, train, evaluate.",
        ),
        ({"build": "x"}, "build", "“build” cannot be changed in a re-run."),
        ({"schedule": {}}, "schedule", "“schedule” cannot be changed in a re-run."),
        (
            {"failure_hook_source": "x.y"},
            "failure_hook_source",
            "“failure_hook_source” cannot be changed in a re-run.",
        ),
        ({"init_hook_kwargs": {}}, "init_hook_kwargs", "“init_hook_kwargs” cannot be changed in a re-run."),
        ({"environment": {"A": "b"}}, "environment", "“environment” cannot be changed in a re-run."),
        ({"color": 1}, "color", "“color” is not a setting of a run."),
        (
            {"settings": {"docker": {}}},
            "settings.docker",
            "“docker” cannot be set here; only “resources” can.",
        ),
        (
            {"steps": {"train": {"settings": {"docker": {"parent_image": "x"}}}}},
            "steps.train.settings.docker",
            "“docker” cannot be set here; only “resources” can.",
        ),
        (
            {"settings": {"resources": {"memory": "lots"}}},
            "settings",
            "“resources”, “memory”: Enter a size such as 16GB or 500MiB.",
        ),
        (
            {"steps": {"train": {"cache_policy": {}}}},
            "steps.train.cache_policy",
            "“cache_policy” cannot be changed in a re-run.",
        ),
        ({"steps": {"train": {"color": 1}}}, "steps.train.color", "“color” is not a setting of a step."),
        (
            {"steps": {"train": {"retry": {"max_retries": 0}}}},
            "steps.train.retry",
            "“max_retries”: Enter a whole number from 1 to 100.",
        ),
        ({"enable_cache": "maybe"}, "enable_cache", "Enter true or false or null."),
        ({"tags": ["a", "a"]}, "tags", "Enter each value only once."),
        ({"tags": "a"}, "tags", "Enter a list or null."),
        ({"extra": 3}, "extra", "Enter an object with keys and values or null."),
        ({"extra": {"a": ["a\0b"]}}, "extra.a.0", "The text contains a character that cannot be stored."),
        ({"model": {"version": "1"}}, "model", "“name” is missing."),
        (
            {"parameters": {"a": 1}},
            "parameters",
            "This pipeline takes its values per step: set them under “steps”.",
        ),
        ({"steps_to_skip": ["nope"]}, "steps_to_skip", "There is no step “nope”."),
        ({"run_name": ""}, "run_name", "Enter a name for the run."),
        ({"run_name": 3}, "run_name", "Enter a name for the run."),
        ({"run_name": "x {nope}"}, "run_name", "{nope} is not a placeholder; {date} and {time} are."),
        ({"run_name": "x {}"}, "run_name", "{} is not a placeholder; {date} and {time} are."),
        (
            {"run_name": "{date.__class__}"},
            "run_name",
            "{date.__class__} is not a placeholder; {date} and {time} are.",
        ),
        ({"run_name": "{time!r}"}, "run_name", "{time} is not a placeholder; {date} and {time} are."),
        ({"run_name": "{time:>9999}"}, "run_name", "{time} is not a placeholder; {date} and {time} are."),
        ({"run_name": "x {"}, "run_name", "Braces are only for the placeholders {date} and {time}."),
        ({"run_name": "a\nb"}, "run_name", "A name is one line without spaces around it."),
        ({"run_name": "x" * 251}, "run_name", "A name can have at most 250 characters."),
        ({"run_name": "x" * 240 + "{date}{time}"}, "run_name", "A name can have at most 250 characters."),
        ({"extra": {"a": {1: 2}}}, "", "The configuration contains something that is not JSON."),
        (
            {"extra": {"a": datetime(2026, 1, 1)}},
            "",
            "The configuration contains something that is not JSON.",
        ),
        ({"tags": ["x"] * 30_000}, "", "The configuration contains too many values."),
    ],
)
def test_a_document_is_refused_where_it_is_wrong(document, path, message):
    assert problem_of(document) == (path, message)


def test_a_document_nested_too_deeply_is_refused():
    deep = []
    for _ in range(50_000):
        deep = [deep]
    assert problem_of({"extra": {"a": deep}}) == ("", "The configuration is nested too deeply.")


def test_every_wrong_field_is_named_at_once():
    document = {"steps": {"train": {"parameters": {"rounds": 0, "kind": "svm"}}, "nope": {}}}
    assert [problem.path for problem in problems(document, CHURN)] == [
        "steps.train.parameters.rounds",
        "steps.train.parameters.kind",
        "steps.nope",
    ]


def test_a_reference_to_another_host_is_never_followed():
    schema = {"$ref": "http://127.0.0.1:9/schema.json", "default": 1, "maximum": 5}
    snapshot = snapshot_of({"x": schema})
    assert problems(with_value("work.x", 2), snapshot) == []
    assert problem_of(with_value("work.x", 6), snapshot)[1] == "Enter a number that is at most 5."


def test_a_pattern_that_nobody_can_read_is_left_to_the_step():
    snapshot = snapshot_of({"x": {"type": "string", "pattern": r"\p{L}(", "maxLength": 2, "default": "a"}})
    assert problems(with_value("work.x", "b"), snapshot) == []
    assert problem_of(with_value("work.x", "abc"), snapshot)[1] == "Enter at most 2 characters."


@pytest.mark.parametrize(
    "value",
    [12345678901234567890, 2**70, "a\0b", "\ud800", float("inf"), ["\ud800", {"a": 2**64}]],
)
def test_a_recorded_value_may_be_run_whatever_is_refused_of_others(value):
    snapshot = snapshot_of({"x": {"default": 1}, "y": {"type": "number", "default": 0.1}}, {"x": value})
    default = default_configuration(snapshot)
    assert problems(default, snapshot) == []
    changed = {
        **default,
        "steps": {"work": {"parameters": {**default["steps"]["work"]["parameters"], "y": 2}}},
    }
    assert problems(changed, snapshot) == []
    assert problems(with_value("work.y", 2**70), snapshot) != []


@pytest.mark.parametrize(
    "document", [{"extra": {"a": ["${X}"]}}, {"extra": {"${X}": 1}}, {"model": {"name": "${X}"}}]
)
def test_what_looks_like_a_variable_is_text_where_nothing_fills_it_in(document):
    """Derived runs are not compiled again; but a dynamic pipeline may call another one, which is."""
    assert problems({**default_configuration(churn_snapshot()), **document}, churn_snapshot()) == []
    assert problems(with_value("evaluate.title", "${HOME}"), CHURN) == []
    [fault] = problems({**default_configuration(dynamic_snapshot()), **document}, dynamic_snapshot())
    words = "“${” is not allowed in a dynamic pipeline: ZenML could fill in an environment variable."
    assert fault.message == words


# As ZenML 0.98 records a model of which only the name was given.
MODEL = {"name": "churn", "version": None, "audience": None, "save_models_to_registry": True}
MODEL |= {"model_version_id": None, "suppress_class_validation_warnings": True, "description": "x" * 300}


@pytest.mark.parametrize(
    ("setting", "recorded", "changed", "wrong"),
    [
        ("model", MODEL, {"name": "leaver"}, {"name": ""}),
        ("model", MODEL, {"audience": "all"}, {"model_version_id": "a"}),
        ("model", MODEL, {"description": "short"}, {"description": "y" * 300}),
        (
            "settings",
            {"resources": {"cpu_count": 1, "pools": []}},
            {"resources": {"cpu_count": 2, "pools": []}},
            {"resources": {"cpu_count": 1, "pools": [1]}},
        ),
    ],
)
def test_what_was_recorded_beside_a_change_is_no_fault(setting, recorded, changed, wrong):
    snapshot = snapshot_of({"x": {"type": "integer", "default": 1}})
    snapshot["metadata"]["pipeline_configuration"][setting] = recorded
    default = default_configuration(snapshot)
    assert problems({**default, setting: {**recorded, **changed}}, snapshot) == []
    [fault] = problems({**default, setting: {**recorded, **wrong}}, snapshot)
    assert fault.path == setting


def test_recorded_settings_may_be_run_whatever_they_hold():
    snapshot = snapshot_of({"x": {"type": "integer", "default": 1}})
    snapshot["metadata"]["pipeline_configuration"] |= {"extra": {"a": "a\0b"}, "tags": ["x" * 300]}
    assert problems(default_configuration(snapshot), snapshot) == []
    assert problems({"extra": {"a": "a\0b", "b": "b\0c"}}, snapshot)[0].path.startswith("extra")


def test_a_float_recorded_for_a_whole_number_stays_one():
    snapshot = snapshot_of({"x": {"type": "integer", "default": 1}}, {"x": 7.0})
    whole = complete({"steps": {"work": {"parameters": {"x": 7}}}}, snapshot)
    assert repr(whole["steps"]["work"]["parameters"]["x"]) == "7.0"


def test_only_so_many_problems_are_listed():
    steps = {f"nope{at}" + "x" * 5000: {} for at in range(5000)}
    found = problems({"steps": steps}, CHURN)
    assert len(found) == 50
    assert all(len(problem.message) < 300 for problem in found)


# What is right


def test_the_recorded_run_is_right():
    assert problems(DEFAULT, CHURN) == []
    assert problems({}, CHURN) == []
    assert problems({"steps": None, "extra": None, "tags": None}, CHURN) == []


def test_a_recorded_value_needs_no_check_because_it_has_run():
    snapshot = snapshot_of({"x": {"type": "integer", "default": 1}}, {"x": "7"})
    assert problems(default_configuration(snapshot), snapshot) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("train.rounds", 1000),
        ("train.rounds", 9.0),
        ("train.l2", None),
        ("train.l2", 0.5),
        ("load_customers.signed_up_from", "2024-02-29"),
        ("evaluate.costs", {"call": 1}),
        ("train.class_weights", {"left": 2}),
    ],
)
def test_a_value_in_range_is_right(path, value):
    assert problems(with_value(path, value), CHURN) == []


def test_settings_of_the_allowlist_are_right():
    document = {
        "run_name": "nightly {date} {time}",
        "enable_cache": False,
        "tags": ["a", "b"],
        "extra": {"ticket": {"number": 7}},
        "model": {"name": "churn", "version": "1"},
        "settings": {"resources": {"cpu_count": 2, "memory": "2GB"}},
        "skip_successful_steps": True,
        "steps_to_skip": ["train"],
        "steps": {"train": {"enable_cache": False, "retry": {"max_retries": 2}, "extra": {"a": 1}}},
    }
    assert problems(document, CHURN) == []


def test_a_datetime_needs_no_time_zone():
    snapshot = snapshot_of({"x": {"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00"}})
    assert problems(with_value("work.x", "2026-02-01T00:00:00"), snapshot) == []
    assert problem_of(with_value("work.x", "soon"), snapshot)[1].startswith("Enter a date and time")


def test_parameters_of_a_dynamic_pipeline_are_checked():
    snapshot = dynamic_snapshot()
    assert problems({"parameters": {"days": 4}}, snapshot) == []
    assert problem_of({"parameters": {"days": 0}}, snapshot) == (
        "parameters.days",
        "Enter a whole number that is at least 1.",
    )
    assert complete({"parameters": {"days": 4}}, snapshot)["parameters"] == {"days": 4}


# Names, changes, the complete document


def test_a_run_name_is_filled_in_like_zenml_does():
    now = datetime(2026, 11, 23, 14, 5, 6, 7)
    assert expand_run_name("churn-{date}-{time}", CHURN, now) == "churn-2026_11_23-14_05_06_000007"


@pytest.mark.parametrize(
    "name", ["{date:>80000000}", "{foo}", "a\nb\0", "x" * 100_000, "\ud800", "{date.x}" * 60]
)
def test_a_template_whose_recorded_name_is_odd_can_be_run(name):
    snapshot = snapshot_of({})
    snapshot["metadata"]["run_name_template"] = name
    default = default_configuration(snapshot)
    assert problems(default, snapshot) == []
    filled = expand_run_name(default["run_name"], snapshot, datetime(2026, 11, 23, 14))
    assert filled.isprintable()
    assert filled.endswith("14_00_00_000000")
    assert len(filled) <= 250


def test_a_recorded_name_without_a_placeholder_gets_one_or_the_next_run_would_find_it_taken():
    snapshot = snapshot_of({})
    snapshot["metadata"]["run_name_template"] = "fixed"
    assert default_configuration(snapshot)["run_name"] == "fixed-{date}-{time}"


def test_changes_name_what_differs_in_the_order_of_the_template():
    document = {
        "run_name": "other",
        "enable_cache": False,
        "steps": {"train": {"parameters": {"rounds": 3, "kind": "logistic", "learning_rate": 0.80}}},
    }
    found = changes(DEFAULT, document)
    assert [(change.path, change.before, change.after) for change in found] == [
        ("enable_cache", None, False),
        ("steps.train.parameters.rounds", 120, 3),
    ]
    assert [change.is_parameter for change in found] == [False, True]
    assert summary(describe(CHURN), found) == "2 of 20 values changed"
    assert summary(describe(CHURN), found[1:]) == "1 of 19 values changed"
    assert summary(describe(CHURN), []) == "0 of 19 values changed"


def test_what_says_the_same_in_other_words_is_no_change():
    document = {"enable_cache": True, "tags": None, "extra": None, "steps": {"train": {"retry": None}}}
    assert changes(DEFAULT, document) == []


def test_a_complete_document_says_everything_and_whole_numbers_as_such():
    whole = complete({**with_value("train.rounds", 9.0), "tags": ["a"]}, CHURN)
    assert whole["steps"]["train"]["parameters"] == {**DEFAULT["steps"]["train"]["parameters"], "rounds": 9}
    assert isinstance(whole["steps"]["train"]["parameters"]["rounds"], int)
    assert whole["tags"] == ["a"]
    assert same(complete({}, CHURN), DEFAULT)


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("a: 2023-01-01", {"a": "2023-01-01"}),
        ("a: no", {"a": "no"}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: 012", {"a": 12}),
        ("a: 1:30", {"a": "1:30"}),
        ("1: true", {"1": True}),
        ("a: ~", {"a": None}),
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
    ],
)
def test_yaml_is_read_without_surprises(text, value):
    assert load_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "The key “a” appears twice (line 2, column 1)."),
        ("a: [1", "line 1"),
        ("a: &x 1\nb: *x", "Anchors and aliases are not supported (line 1, column 4)."),
        ("a: !!python/object:os.system x", "is not supported (line 1, column 4)."),
        ("a: !!binary aGk=", "is not supported"),
        ("a: !!float abc", "is not supported"),
        ("a: !!int [1]", "is not supported"),
        ("a: ! 1", "is not supported"),
        ("? [1]\n: 2", "Only text can be a key"),
        ("a: " + "9" * 5000, "The number is too large"),
        ("a\0b", "The text is not YAML"),
        ("[" * 5000, "The text is nested too deeply."),
        ("a: b\n---\nc: d", "line 2"),
        ("x" * 300_000, "The text is longer than 256 KB."),
    ],
)
def test_yaml_that_could_hurt_is_refused_with_a_sentence(text, message):
    with pytest.raises(YamlError) as refusal:
        load_yaml(text)
    assert message in str(refusal.value)


def test_the_default_configuration_survives_yaml():
    assert load_yaml(dump_yaml(DEFAULT)) == DEFAULT


@given(clean_json)
def test_yaml_gives_back_what_was_put_in(value):
    assert same(load_yaml(dump_yaml({"value": value})), {"value": value})


@given(st.text())
def test_no_text_breaks_the_yaml_reader(text):
    try:
        load_yaml(text)
    except YamlError as error:
        assert str(error)


@given(json_values)
def test_no_document_breaks_the_check(value):
    for document in (value, {"steps": value}, {"steps": {"train": {"parameters": value}}}, {"extra": value}):
        assert isinstance(problems(document, CHURN), list)


@given(odd_schemas, json_values, json_values)
def test_no_schema_breaks_the_check(schema, recorded, value):
    snapshot = snapshot_of({"x": schema}, {"x": recorded})
    assert isinstance(problems(with_value("work.x", value), snapshot), list)


# Forms


def submit(data, snapshot=CHURN, base=None):
    base = default_configuration(snapshot) if base is None else base
    return parse_form(describe(snapshot), data, base)


def posted(**changed):
    """What a browser sends for the untouched form, with some fields changed."""
    data = QueryDict(mutable=True)
    for path, raw in inputs_of(describe(CHURN), DEFAULT).items():
        data.setlist(path, raw if isinstance(raw, list) else [raw])
    for path, raw in changed.items():
        data.setlist(path, raw if isinstance(raw, list) else [raw])
    return data


def parameter(submission, path):
    step, name = path.split(".")
    return submission.document["steps"][step]["parameters"][name]


def test_an_untouched_form_is_the_template():
    submission = submit(posted())
    assert submission.problems == []
    assert same(submission.document, DEFAULT)
    assert changes(DEFAULT, submission.document) == []


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("train.rounds", " 500 ", 500),
        ("train.rounds", "7.0", 7),
        ("train.l2", "1e-3", 0.001),
        ("train.learning_rate", "2", 2),
        ("train.kind", "1", "stumps"),
        ("load_customers.include_free_plan", "false", False),
        ("load_customers.include_free_plan", ["false", "on"], True),
        ("load_customers.signed_up_from", "2024-05-06", "2024-05-06"),
        ("load_customers.regions", "north\r\n south \r\n\r\n", ["north", "south"]),
        ("load_customers.regions", ["east", "west"], ["east", "west"]),
        ("train.class_weights", '{"left": 2}', {"left": 2}),
        ("evaluate.title", "two\r\nlines", "two\nlines"),
    ],
)
def test_text_becomes_a_value(path, raw, value):
    step, name = path.split(".")
    key = f"steps.{step}.parameters.{name}"
    submission = submit(posted(**{key: raw, f"{key}.none": ""}))
    assert submission.problems == []
    assert same(parameter(submission, path), value)


@pytest.mark.parametrize(
    ("path", "raw", "message"),
    [
        ("train.rounds", "many", "Enter a whole number from 1 to 1000."),
        ("train.rounds", "", "Enter a whole number from 1 to 1000."),
        ("train.l2", "", "Enter a number from 0 to 1."),
        ("train.kind", "stumps", "Choose one of logistic, stumps, neighbours."),
        ("train.kind", "3", "Choose one of logistic, stumps, neighbours."),
        ("train.rounds", "1.5", "Enter a whole number from 1 to 1000."),
        ("train.learning_rate", "0,5", "Enter a number that is more than 0, up to 2."),
        ("train.learning_rate", "nan", "Enter a number that is more than 0, up to 2."),
        ("train.kind", "svm", "Choose one of logistic, stumps, neighbours."),
        ("load_customers.signed_up_from", "", "Enter a date like 2026-11-23."),
        ("load_customers.signed_up_from", "2023-02-30", "Enter a date like 2026-11-23."),
        ("load_customers.include_free_plan", "maybe", "Choose on or off."),
        (
            "evaluate.costs",
            "{",
            "This is not JSON: Expecting property name enclosed in double quotes (line 1, column 2).",
        ),
        ("evaluate.costs", '{"a": 1, "a": 2}', "The JSON contains the same key twice."),
        ("evaluate.costs", "NaN", "NaN is not a valid JSON number."),
        ("evaluate.costs", "9" * 5000, "The JSON contains a number that is too large."),
        ("evaluate.costs", "[" * 100_000, "The JSON is nested too deeply."),
    ],
)
def test_text_that_cannot_be_read_stays_in_the_form_with_its_problem(path, raw, message):
    step, name = path.split(".")
    key = f"steps.{step}.parameters.{name}"
    submission = submit(posted(**{key: raw, f"{key}.none": ""}))
    assert [(problem.path, problem.message) for problem in submission.problems] == [(key, message)]
    assert submission.raw[key] == raw
    assert parameter(submission, path) == raw


def test_no_value_beats_what_stands_in_the_field():
    key = "steps.load_customers.parameters.max_customers"
    base = {"steps": {"load_customers": {"parameters": {"max_customers": 400}}}}
    submission = submit(posted(**{key: "500", f"{key}.none": "on"}), base=base)
    assert parameter(submission, "load_customers.max_customers") is None
    assert parameter(submit(posted(**{key: "500", f"{key}.none": ""})), "load_customers.max_customers") == 500


def test_a_box_that_is_not_ticked_is_off():
    """The hidden input before it says that it was there."""
    data = posted(**{"steps.build_features.parameters.scale": ["false"]})
    assert parameter(submit(data), "build_features.scale") is False


def test_a_box_that_the_form_did_not_show_stays_as_it_was():
    data = posted()
    del data["steps.build_features.parameters.scale"]
    assert parameter(submit(data), "build_features.scale") is True


def test_what_the_form_does_not_show_stays_as_it_was():
    base = {**DEFAULT, "settings": {"resources": {"cpu_count": 2}}, "tags": ["kept"]}
    data = posted()
    del data["tags"]
    submission = submit(data, base=base)
    assert submission.document["settings"] == {"resources": {"cpu_count": 2}}
    assert submission.document["tags"] == ["kept"]


def test_the_settings_of_the_run_are_read():
    data = posted(run_name=" x-{time} ", enable_cache="false", tags="a\nb\na", extra='{"k": 1}')
    data["steps.train.enable_cache"] = "false"
    document = submit(data).document
    assert document["run_name"] == "x-{time}"
    assert document["enable_cache"] is False
    assert document["tags"] == ["a", "b"]
    assert document["extra"] == {"k": 1}
    assert document["steps"]["train"]["enable_cache"] is False
    assert problems(document, CHURN) == []


def test_a_cache_that_stays_on_is_no_change():
    assert submit(posted(enable_cache="on")).document["enable_cache"] is None


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from([*describe(CHURN).by_path, "run_name", "tags", "extra", "enable_cache"]), st.text()
    )
)
def test_no_text_breaks_the_form(data):
    submission = submit(data)
    assert isinstance(problems(submission.document, CHURN), list)


@given(odd_schemas, clean_json, st.text())
def test_no_field_breaks_the_form(schema, recorded, text):
    snapshot = snapshot_of({"x": schema}, {"x": recorded})
    base, description = default_configuration(snapshot), describe(snapshot)
    untouched = parse_form(description, inputs_of(description, base), base)
    assert same(untouched.document, base)
    parse_form(description, {"steps.work.parameters.x": text}, base)
