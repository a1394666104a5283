"""What older servers call things, from what servers of 0.85.0 and 0.94.0 answered."""

import json
from types import SimpleNamespace
from uuid import UUID

import httpx
import pytest
from factories import make_template, make_tenant

from tenants.hosting.base import TenantUnreadable
from tenants.run_templates.document.schema import describe
from tenants.run_templates.engine.derive import snapshot_body
from tenants.runs.client import TenantClient, make_http, run_of
from tenants.runs.dialects import needs, run_read, runner_arguments, snapshot_read
from tests.tenants.hosting.streams import Streamed
from tests.tenants.run_templates.samples import complete, problems
from tests.tenants.runs.fakes import DATA, churn

RECORDED = json.loads((DATA / "older_servers.json").read_text())
OLD, MIDDLE = RECORDED["0.85.0"], RECORDED["0.94.0"]
IDS = ["0.85", "0.94"]
ONE, TWO = UUID(int=1), UUID(int=2)


class OlderServer:
    """Knows the paths of its release alone."""

    def __init__(self, recorded, path):
        self.recorded, self.path, self.asked = recorded, path, []

    def __call__(self, request):
        path = request.url.path.removeprefix("/api/v1")
        if path == "/login":
            return httpx.Response(200, json={"access_token": "jwt", "expires_in": 3600})
        body = json.loads(request.content or "null")
        self.asked.append((request.method, path, dict(request.url.params), body))
        page = {"total": 1, "index": 1, "total_pages": 1, "max_size": 20}
        answers = {
            self.path: {"items": [self.recorded["snapshot"]], **page}
            if request.method == "GET"
            else self.recorded["snapshot"],
            f"{self.path}/{self.recorded['snapshot']['id']}": self.recorded["snapshot"],
            "/runs": {"items": [self.recorded["run"]], **page}
            if request.method == "GET"
            else [self.recorded["run"], True],
        }
        return httpx.Response(200, json=answers[path]) if path in answers else httpx.Response(404)


@pytest.fixture(
    params=[((0, 85), OLD, "/pipeline_deployments"), ((0, 94), MIDDLE, "/pipeline_snapshots")], ids=IDS
)
def spoken(request):
    """(server, client of its release)"""
    release, recorded, path = request.param
    server = OlderServer(recorded, path)
    http = make_http(Streamed(server))
    return server, TenantClient("http://tenant.test", lambda: "token", http=http, release=release)


@pytest.mark.parametrize("recorded", [OLD, MIDDLE], ids=IDS)
def test_a_run_has_all_that_belongs_to_it(recorded):
    run = run_of(recorded["run"])
    assert (run.pipeline, run.stack, run.user, run.status) == ("churn", "default", "ada", "completed")
    assert run.snapshot_id == UUID(recorded["snapshot"]["id"])
    assert None not in (run.stack_id, run.pipeline_id, run.project_id, run.start, run.end)


@pytest.mark.parametrize("recorded", [OLD, MIDDLE], ids=IDS)
def test_a_snapshot_names_its_pipeline_and_stack(recorded):
    read = snapshot_read(recorded["snapshot"])
    assert read["resources"]["stack"]["name"] == "default"
    assert read["body"]["pipeline_id"] == read["resources"]["pipeline"]["id"]
    assert read["metadata"] == recorded["snapshot"]["metadata"]


def test_what_todays_servers_say_stays_as_it_is():
    assert run_read(churn("run")) == churn("run")
    assert snapshot_read(churn("snapshot")) == churn("snapshot")


@pytest.mark.parametrize(
    "odd", [{}, {"body": 1}, {"body": {"stack": "x", "deployment_id": []}, "resources": [1]}]
)
def test_nonsense_is_read_as_nothing(odd):
    assert snapshot_read(odd) == odd
    with pytest.raises(TenantUnreadable):
        run_of(odd)
    assert run_of({"id": str(ONE), **odd}).snapshot_id is None


def test_snapshots_are_read_found_and_deleted_by_their_own_path(spoken):
    server, client = spoken
    pk, path = server.recorded["snapshot"]["id"], server.path
    assert client.snapshot(pk)["body"]["pipeline_id"]
    assert [one["body"]["pipeline_id"] is None for one in client.newest_snapshots(ONE, TWO, 5)] == [False]
    client.create_snapshot({"stack": "x"})
    client.delete_snapshot(pk)
    asked = [(method, where) for method, where, _, _ in server.asked]
    assert asked == [("GET", f"{path}/{pk}"), ("GET", path), ("POST", path), ("DELETE", f"{path}/{pk}")]


def test_runs_are_made_and_found_by_their_snapshot(spoken):
    server, client = spoken
    client.create_run({"name": "x", "snapshot": str(ONE), "pipeline": str(TWO)})
    client.runs(ONE, snapshot_id=TWO)
    (_, _, _, body), (_, _, params, _) = server.asked
    link = {(0, 85): "deployment", (0, 94): "snapshot"}[client.release]
    pipeline = {"pipeline": str(TWO)} if client.release < (0, 93) else {}
    assert body == {"name": "x", link: str(ONE), **pipeline}
    assert {name for name in params if name.endswith("_id")} == {f"{link}_id"}


@pytest.mark.parametrize(
    ("release", "package", "option"),
    [((0, 85), "template_execution", "--deployment_id"), ((0, 90), "pipeline_execution", "--snapshot_id")],
    ids=["0.85", "0.90"],
)
def test_the_runner_has_the_name_and_the_options_of_its_version(release, package, option):
    told = runner_arguments(release, ONE, TWO)
    assert told[1].startswith(f"zenml.zen_server.{package}.")
    options = dict(zip(told[2::2], told[3::2], strict=True))
    assert options == {option: str(ONE), "--run_id": str(TWO), "--placeholder_run_id": str(TWO)}


@pytest.mark.parametrize("recorded", [OLD, MIDDLE], ids=IDS)
def test_a_re_run_sends_back_what_was_recorded_with_the_values(db, org, recorded):
    snapshot = snapshot_read(recorded["snapshot"])
    template = make_template(make_tenant(org), snapshot=snapshot)
    values = {"steps": {"train": {"parameters": {"kind": "neighbours", "k": 9}}}}
    body = snapshot_body(template, complete(values, snapshot))
    assert body["pipeline"] == snapshot["resources"]["pipeline"]["id"]
    before = snapshot["metadata"]["step_configurations"]["train"]
    wanted = {**before["config"]["parameters"], "kind": "neighbours", "k": 9}
    sent = body["step_configurations"]["train"]
    assert sent["spec"] == before["spec"]
    assert [sent[place]["parameters"] for place in ("config", "step_config_overrides")] == [wanted, wanted]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"rounds": "many"}, "steps.train.parameters.rounds"),
        ({"rounds": 3}, None),
        ({"kind": 3}, "steps.train.parameters.kind"),
        ({"bogus": 1}, "steps.train.parameters.bogus"),
    ],
    ids=["text for a number", "a number", "number for a text", "unknown"],
)
def test_without_types_the_kind_of_the_recorded_value_counts(values, fault):
    snapshot = snapshot_read(OLD["snapshot"])
    found = problems({"steps": {"train": {"parameters": values}}}, snapshot)
    assert [one.path for one in found] == ([fault] if fault else [])


def test_types_are_guessed_where_none_were_recorded():
    guessed = [describe(snapshot_read(one["snapshot"])).is_guessed for one in (OLD, MIDDLE)]
    assert (guessed, describe(churn("snapshot")).is_guessed) == ([True, True], False)


def test_what_a_version_cannot_do_is_one_sentence():
    tenant = SimpleNamespace(release=(0, 85), name="Lab", zenml_version="0.85.0")
    assert needs("Skipping steps", (0, 85), tenant) == ""
    wanted = "Skipping steps needs ZenML 0.94 or later; Lab has 0.85.0."
    assert needs("Skipping steps", (0, 94), tenant) == wanted
