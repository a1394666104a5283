import pytest
from factories import make_template, make_tenant

from tenants.run_templates.engine.derive import KEPT, run_body, snapshot_body
from tenants.run_templates.models import TemplateRun

from .samples import churn_snapshot, complete, dynamic_snapshot


@pytest.fixture
def template(org):
    return make_template(make_tenant(org), snapshot=churn_snapshot())


def body_of(template, document):
    return snapshot_body(template, complete(document, template.snapshot))


def step(body, name):
    configuration = body["step_configurations"][name]
    return configuration["step_config_overrides"], configuration["config"]


def test_nothing_changed_is_the_recorded_snapshot(template):
    body = body_of(template, {})
    metadata = churn_snapshot()["metadata"]
    assert {key: body[key] for key in KEPT} == {key: metadata.get(key) for key in KEPT}
    assert body["stack"] == str(template.stack_id)
    assert body["pipeline"] == churn_snapshot()["body"]["pipeline_id"]
    assert body["source_snapshot"] == str(template.source_snapshot_id)
    assert body["is_dynamic"] is False
    assert body["code_reference"] is None


def test_the_stored_snapshot_is_never_touched(template):
    body_of(template, {"extra": {"a": 1}, "steps": {"train": {"parameters": {"rounds": 3}}}})
    assert template.snapshot == churn_snapshot()


def test_a_parameter_goes_into_both_configurations_and_nowhere_else(template):
    body = body_of(template, {"steps": {"train": {"parameters": {"rounds": 3, "l2": 0.5}}}})
    recorded = churn_snapshot()["metadata"]["step_configurations"]["train"]["config"]["parameters"]
    for configuration in step(body, "train"):
        assert configuration["parameters"] == {**recorded, "rounds": 3, "l2": 0.5}
    body["step_configurations"]["train"] = churn_snapshot()["metadata"]["step_configurations"]["train"]
    assert body["step_configurations"] == churn_snapshot()["metadata"]["step_configurations"]


def test_settings_of_the_run(template):
    body = body_of(
        template,
        {
            "run_name": "x-{time}",
            "tags": ["a"],
            "extra": {"k": 1},
            "model": {"name": "m"},
            "settings": {"resources": {"cpu_count": 2}},
        },
    )
    configuration = body["pipeline_configuration"]
    assert body["run_name_template"] == "x-{time}"
    assert configuration["tags"] == ["a"]
    assert configuration["extra"] == {"k": 1}
    assert configuration["model"] == {"name": "m"}
    assert configuration["settings"] == {"resources": {"cpu_count": 2}}


@pytest.mark.parametrize(
    ("changed", "version"), [({"name": "m"}, None), ({"version": "4"}, None), ({"license": "MIT"}, "7f")]
)
def test_another_model_is_not_found_by_the_id_of_the_recorded_one(template, changed, version):
    recorded = {"name": "churn", "version": "3", "model_version_id": "7f"}
    template.snapshot["metadata"]["pipeline_configuration"]["model"] = recorded
    body = body_of(template, {"model": {**recorded, **changed}})
    assert body["pipeline_configuration"]["model"] == {**recorded, **changed, "model_version_id": version}


def test_settings_of_a_step_keep_what_cannot_be_set(template):
    recorded = template.snapshot["metadata"]["step_configurations"]["train"]
    for configuration in (recorded["config"], recorded["step_config_overrides"]):
        configuration["settings"] = {"docker": {"parent_image": "x"}, "resources": {"memory": "1GB"}}
    body = body_of(template, {"steps": {"train": {"settings": {"resources": {"memory": "2GB"}}}}})
    for configuration in step(body, "train"):
        assert configuration["settings"] == {"docker": {"parent_image": "x"}, "resources": {"memory": "2GB"}}
    body = body_of(template, {"steps": {"train": {"settings": None}}})
    assert step(body, "train")[0]["settings"] == {"docker": {"parent_image": "x"}}


def test_a_cache_switched_off_is_off_for_all_steps_but_those_that_have_their_own(template):
    body = body_of(template, {"enable_cache": False, "steps": {"train": {"enable_cache": True}}})
    assert body["pipeline_configuration"]["enable_cache"] is False
    assert [step(body, name)[0]["enable_cache"] for name in ("profile", "train")] == [False, True]


def test_parameters_of_a_dynamic_pipeline(org):
    template = make_template(make_tenant(org), snapshot=dynamic_snapshot())
    body = body_of(template, {"parameters": {"days": 9}})
    assert body["is_dynamic"] is True
    assert body["pipeline_configuration"]["parameters"] == {"days": 9}


def test_a_code_reference_is_sent_as_the_server_wants_it(template):
    template.snapshot["resources"]["code_reference"] = {
        "id": "1",
        "body": {"commit": "abc", "subdirectory": "src", "code_repository": {"id": "2"}},
    }
    assert body_of(template, {})["code_reference"] == {
        "commit": "abc",
        "subdirectory": "src",
        "code_repository": "2",
    }


def test_a_replay_names_the_run_it_repeats(template):
    run = TemplateRun(template=template, run_name="x", configuration={"tags": None})
    assert "original_run_id" not in run_body(run)
    assert run_body(run)["tags"] == []
    run.configuration = {"skip_successful_steps": True, "tags": ["a"]}
    assert run_body(run)["original_run_id"] == str(template.source_run_id)
    body = body_of(template, {"skip_successful_steps": True, "steps_to_skip": ["train"]})
    assert body["pipeline_configuration"]["skip_successful_steps"] is True
    assert body["pipeline_configuration"]["steps_to_skip"] == ["train"]


def test_steps_are_sent_in_an_order_in_which_they_can_run(template):
    """The local orchestrator takes them as they come; a database may have sorted them."""
    recorded = template.snapshot["metadata"]["step_configurations"]
    names = [*recorded]
    assert [*body_of(template, {})["step_configurations"]] == names
    template.snapshot["metadata"]["step_configurations"] = {name: recorded[name] for name in reversed(names)}
    sent = [*body_of(template, {})["step_configurations"]]
    for at, name in enumerate(sent):
        assert {*recorded[name]["spec"]["upstream_steps"]} <= {*sent[:at]}
    assert {*sent} == {*names}


def test_the_stored_snapshot_keeps_its_order(template):
    template.refresh_from_db()
    stored = template.snapshot["metadata"]["step_configurations"]
    assert [*stored] == [*churn_snapshot()["metadata"]["step_configurations"]]
