"""What the page says of artifacts: recorded answers of a real server, changed where a test needs it."""

from copy import deepcopy
from uuid import uuid4

import pytest

from tenants.hosting.base import TenantNotFound, TenantRefused
from tenants.runs.artifacts import artifacts_of, lineage_of, open_artifacts, source_of
from tenants.runs.client import step_of
from tenants.runs.reading import open_run
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, churn


@pytest.fixture
def client():
    return FakeTenantClient()


def opened(client, step="", artifact=""):
    page = open_run(client, RUN_ID, step, details=True, output=False)
    return open_artifacts(client, page, step, artifact)


def steps():
    return churn("steps")["items"]


def output(step: str, name: str) -> str:
    """The id of a recorded version."""
    found = next(one for one in steps() if one["name"] == step)
    return found["resources"]["outputs"][name][0]["id"]


def test_a_step_has_what_it_saved_and_what_it_read(client):
    found = opened(client, "build_features")
    assert [one.name for one in found.group.saved] == ["test_set", "training_set"]
    assert [(one.name, one.maker) for one in found.group.read] == [("customers", "load_customers")]
    assert found.total == sum(len(one["resources"]["outputs"]) for one in steps())


def test_an_artifact_says_what_it_is(client):
    found = opened(client, "load_customers").chosen
    assert (found.name, found.version, found.data_type, found.items) == ("customers", "1", "list", 1200)
    assert found.materializer.endswith("BuiltInContainerMaterializer")
    assert found.words == "list, 1200 items"


def test_the_first_step_with_artifacts_is_open_when_no_one_asked_for_another(client):
    found = opened(client)
    assert found.group.step == "load_customers"
    assert found.chosen.name == "customers"
    assert not found.is_input


def test_an_input_is_told_from_an_output(client):
    found = opened(client, "build_features", output("load_customers", "customers"))
    assert found.is_input
    assert found.origin is None  # this run made it


@pytest.mark.parametrize("asked", ["nonsense", "75a9ac61-dafc-4615-a777-24209fc3cf37", "../../etc/passwd"])
def test_what_is_not_there_is_the_first_there_is(client, asked):
    assert opened(client, asked, asked).chosen.name == "customers"


def test_an_input_of_another_run_leads_there(client):
    other = client.add_run(name="nightly 7")
    version = output("load_customers", "customers")
    client.artifact_answers[version]["resources"]["producer_pipeline_run_id"] = str(other)
    found = opened(client, "build_features", version)
    assert (found.origin.step, found.origin.run.name) == ("load_customers", "nightly 7")


def test_a_run_that_may_not_be_read_is_left_out(client):
    version = output("load_customers", "customers")
    client.artifact_answers[version]["resources"] = {
        "producer_pipeline_run_id": str(uuid4()),
        "producer_step_run_id": str(uuid4()),
    }
    found = opened(client, "build_features", version)
    assert (found.origin.step, found.origin.run) == ("", None)


def test_calls_for_the_tab(client):
    opened(client, "build_features")
    assert client.calls == ["run", "run_dag", "steps", "artifact_version"]


def test_an_artifact_that_is_gone_leaves_the_list(client):
    client.artifact_answers.clear()
    found = opened(client)
    assert found.details is None
    assert found.note == "There is no such object."
    assert found.group.saved


def test_a_step_beyond_those_that_were_read_is_asked_for(client, monkeypatch):
    monkeypatch.setattr(client, "steps", lambda run, project=None, page=1: [])
    found = opened(client, "build_features")
    assert found.group.step == "build_features"
    assert "step" in client.calls


@pytest.mark.parametrize("error", [TenantNotFound("Gone."), TenantRefused(403, "No.")])
def test_the_run_itself_decides(client, error):
    client.error = error
    with pytest.raises(type(error)):
        opened(client)


# -- hostile answers


def with_outputs(outputs, inputs=None) -> list:
    raw = deepcopy(steps()[0])
    raw["resources"] = {"outputs": outputs, "inputs": inputs or {}}
    return [step_of(raw)]


def version(**changes) -> dict:
    return {**deepcopy(steps()[0]["resources"]["outputs"]["customers"][0]), **changes}


def test_ten_thousand_artifacts_are_a_hundred_and_a_number():
    many = {f"a{n}": [version(id=str(uuid4()))] for n in range(10_000)}
    group = artifacts_of(with_outputs(many))[0]
    assert (len(group.saved), group.unseen) == (100, 9900)


@pytest.mark.parametrize(
    "outputs", [None, [], "x", 7, {"a": None}, {"a": 7}, {"a": [None, [], "x", {}]}, {"a": {"id": "x"}}]
)
def test_what_is_no_artifact_is_none(outputs):
    assert artifacts_of(with_outputs(outputs)) == []


def test_wrong_types_inside_leave_the_rest():
    found = artifacts_of(with_outputs({"a": [version(body={"artifact": [], "version": 7, "type": {}})]}))[
        0
    ].saved
    assert (found[0].name, found[0].version, found[0].words) == (str(found[0].id)[:8], "", "")


def test_a_name_of_five_megabytes_is_short():
    body = {"artifact": {"name": "n" * 5_000_000}, "data_type": {"module": "m" * 5_000_000, "attribute": "A"}}
    found = artifacts_of(with_outputs({"a": [version(body=body)]}))[0].saved[0]
    assert len(found.name) == 250
    assert len(found.data_type) < 300


def test_an_artifact_that_was_made_from_itself_ends():
    one = version()
    groups = artifacts_of(with_outputs({"a": [one]}, {"a": [one]}))
    found = lineage_of(groups, groups[0].saved[0])
    assert [len(found.sources), found.readers] == [1, [groups[0].step]]


def test_sources_of_types():
    assert source_of({"module": "builtins", "attribute": "dict"}) == "dict"
    assert source_of({"module": "pandas", "attribute": "DataFrame"}) == "pandas.DataFrame"
    assert source_of("builtins.list") == "builtins.list"
