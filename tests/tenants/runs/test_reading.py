import inspect
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from factories import make_member, make_template, make_template_run, make_tenant

from tenants.hosting.base import TenantNotFound, TenantRefused, TenantUnreachable
from tenants.run_templates import origin
from tenants.runs import reading as runs
from tenants.runs import step_logs
from tenants.runs.client import LogLine, TenantClient, run_of, step_of
from tenants.runs.shared_looks import SharedClient, SharedLooks
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, churn, connect_to


@pytest.fixture
def client():
    return FakeTenantClient()


@pytest.fixture
def connected(client, monkeypatch):
    monkeypatch.setattr(runs, "connect", connect_to(client))
    return client


def public_signatures(cls):
    functions = inspect.getmembers(cls, inspect.isfunction)
    return {
        name: [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        for name, function in functions
        if not name.startswith("_")
    }


def test_fake_has_the_signatures_of_the_real_client():
    fake, real = public_signatures(FakeTenantClient), public_signatures(TenantClient)
    assert {name: fake.get(name) for name in real} == real


# -- asking


@pytest.mark.parametrize("status", ["pending", "failed", "deactivated", "not_initialized"])
def test_server_that_does_not_run_is_not_asked(org, owner, connected, status):
    tenant = make_tenant(org, status=status, state_reason="Port 9103 is taken.")
    answer, trouble = runs.ask(owner, tenant, lambda client: client.projects())
    assert (answer, trouble.kind) == (None, "state")
    assert connected.calls == []


def test_failed_tenant_tells_its_reason(org, owner, connected):
    tenant = make_tenant(org, status="failed", state_reason="Port 9103 is taken.")
    assert runs.ask(owner, tenant, len)[1].text == "Port 9103 is taken."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TenantUnreachable("The server does not answer in time."), "unreachable"),
        (TenantRefused(401, "Not authorized to access this server."), "no_role"),
        (TenantRefused(403, "Insufficient permissions."), "no_role"),
        (TenantRefused(500, "Boom."), "refused"),
    ],
)
def test_errors_become_trouble_with_the_servers_words(org, owner, connected, error, kind):
    connected.error = error
    answer, trouble = runs.ask(owner, make_tenant(org), lambda client: client.projects())
    assert (answer, trouble.kind, trouble.text) == (None, kind, error.reason)


def test_unknown_object_is_not_trouble_but_not_found(org, owner, connected):
    with pytest.raises(TenantNotFound):
        runs.ask(owner, make_tenant(org), lambda client: runs.open_run(client, uuid4()))


def test_error_while_connecting_becomes_trouble(org, owner, monkeypatch):
    def refuse(user, tenant):
        raise TenantRefused(401, "Not authorized to access this server.")

    monkeypatch.setattr(runs, "connect", refuse)
    assert runs.ask(owner, make_tenant(org), len)[1].kind == "no_role"


# -- lists


def test_runs_of_the_tenants_own_project_come_first(org, client):
    other = {"id": str(uuid4()), "name": "archive"}
    client.project_answers = [other, *client.project_answers]
    tenant = make_tenant(org, project_id=client.project_answers[1]["id"])
    assert runs.list_runs(client, tenant).project["name"] == "default"
    assert runs.list_runs(client, tenant, project="archive").project is other


def test_server_without_projects_has_no_runs(org, client):
    client.project_answers = []
    found = runs.list_runs(client, make_tenant(org))
    assert (found.page.items, found.project) == ([], None)
    assert "runs" not in client.calls


def test_list_is_filtered_and_paged_by_the_server(org, client):
    for _ in range(4):
        client.add_run(status="failed")
    found = runs.list_runs(client, make_tenant(org), page=2, status="equals:failed", size=3).page
    assert (len(found.items), found.total, found.pages) == (1, 4, 2)


def test_accounts_are_matched_by_username_within_the_organization(org, client):
    person = make_member(org, username="admin")
    row = runs.rows_of(make_tenant(org), [client.run(RUN_ID)])[0]
    assert row.person == person


# -- one run


def test_step_graph_skips_the_artifacts():
    assert set(runs.step_edges(churn("dag"))) == {
        ("load_customers", "build_features"),
        ("load_customers", "profile"),
        ("build_features", "train"),
        ("build_features", "evaluate"),
        ("train", "evaluate"),
        ("profile", "evaluate"),
    }


def test_steps_ordered_by_after_are_edges_too():
    step = step_of({**churn("steps")["items"][0], "name": "train"})
    object.__setattr__(step, "upstream", ("profile", "no_such_step"))
    assert ("profile", "train") in runs.step_edges(churn("dag"), [step])
    assert ("no_such_step", "train") not in runs.step_edges(churn("dag"), [step])


def test_bars_lie_inside_the_time_of_the_run():
    rows = runs.step_rows(churn("dag"), run_of(churn("run")))
    assert [row.name for row in rows] == ["load_customers", "build_features", "profile", "train", "evaluate"]
    assert rows[0].x < rows[1].x < rows[4].x
    assert all(0 <= row.x and row.x + row.width <= 100.01 for row in rows)
    assert max(rows, key=lambda row: row.width).name == "train"


def test_half_way_steps_are_done_running_and_waiting(client):
    client.half_way("train")
    page = runs.open_run(client, RUN_ID)
    assert [row.status for row in page.steps] == ["completed"] * 3 + ["running", "waiting"]
    assert page.live
    assert page.chosen.name == "train"
    assert page.chosen.seconds > 1
    assert page.summary == "3 done, 1 running, 1 waiting"
    assert "steps" not in client.calls


def test_failed_run_names_step_and_message_and_what_was_not_run(client):
    client.fail("train", "Input y contains NaN.")
    page = runs.open_run(client, RUN_ID)
    assert (page.alert.name, page.alert.message) == ("train", "Input y contains NaN.")
    assert page.alert.words == "Failed after 0.4 s"
    assert page.steps[-1].status == "not_run"
    assert page.log.lines == []
    assert page.chosen.name == "train"


def test_log_of_a_waiting_step_is_not_asked_for(client):
    client.half_way("train")
    page = runs.open_run(client, RUN_ID, "evaluate")
    assert page.log.note == "This step has not started yet."
    assert "step_logs" not in client.calls


def test_cached_step_shows_the_output_of_its_original(client):
    original, step = uuid4(), client.step_answers[str(RUN_ID)]["items"][0]
    step["metadata"]["original_step_run_id"] = str(original)
    node = next(n for n in client.dags[str(RUN_ID)]["nodes"] if n["name"] == step["name"])
    node["metadata"] |= {"status": "cached", "duration": 0.0}
    client.logs[str(original)] = [LogLine("Read 5000 rows", 20, None)]
    page = runs.open_run(client, RUN_ID, step["name"])
    assert page.log.text == "Read 5000 rows"
    assert page.log.note.startswith("Cached")


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("File `/a` is outside of artifact store bounds `/b`", "The log stayed on the computer"),
        ("Disk on fire.", "The log cannot be read: Disk on fire."),
        (
            "Artifact store 's3' could not be instantiated. This is likely because the dependencies are missing.",
            "The log cannot be read: The tenant’s server lacks the packages that read this artifact store.",
        ),
    ],
)
def test_a_log_that_cannot_be_read_leaves_the_page(client, monkeypatch, reason, note):
    def refuse(*args, **kwargs):
        raise TenantRefused(500, reason)

    monkeypatch.setattr(client, "step_logs", refuse)
    page = runs.open_run(client, RUN_ID, "load_customers")
    assert page.log.note.startswith(note)
    assert len(page.steps) == 5


def test_a_log_that_does_not_come_leaves_the_page(client, monkeypatch, settings):
    def fail(*args, **kwargs):
        raise TenantUnreachable(f"{settings.ZENPRO_DATA}/tenants/x/log did not answer in time.")

    monkeypatch.setattr(client, "step_logs", fail)
    page = runs.open_run(client, RUN_ID, "load_customers")
    assert page.log.note == "The log cannot be read: …/tenants/x/log did not answer in time."
    assert len(page.steps) == 5


def test_a_log_steers_no_page_and_a_line_is_as_long_as_anybody_reads(client):
    step = client.dags[str(RUN_ID)]["nodes"][0]["id"]
    said = ["\x1b[31mred\x1b[0m \u202etxt.exe\x07", "x" * 3_000_000, "a\tb — ü"]
    client.logs[step] = [LogLine(message, 20, datetime.now(UTC)) for message in said]
    shown = [line.message for line in runs.open_run(client, RUN_ID, "load_customers").log.lines]
    assert shown == ["red txt.exe", "x" * step_logs.LINE_LENGTH + "…", "a\tb — ü"]


def test_long_log_is_cut_at_its_beginning(client):
    step = client.dags[str(RUN_ID)]["nodes"][0]["id"]
    client.logs[step] = [LogLine(f"line {n}", 20, datetime.now(UTC)) for n in range(1, 701)]
    log = runs.open_run(client, RUN_ID, "load_customers").log
    assert (log.lines[0].message, log.first, len(log.lines)) == ("line 201", 201, 500)


def test_metrics_are_the_numbers_nested_ones_by_path():
    logged = {"auc": 0.84, "ok": True, "name": "x", "by": {"north": 1, "south": {"a": 2.5}}}
    assert runs.numbers(logged) == [("auc", 0.84), ("by.north", 1), ("by.south.a", 2.5)]


def test_configuration_lists_every_step_with_its_parameters(client):
    client.half_way("train")
    page = runs.open_run(client, RUN_ID)
    found = dict(runs.configuration_of(client, page, lambda values, schema: values))
    assert list(found) == [row.name for row in page.steps]
    assert ("kind", '"logistic"') in found["train"]


def test_metrics_of_a_real_run(client):
    found = {(step, name) for step, name, _ in runs.open_run(client, RUN_ID, details=True).metrics}
    assert ("evaluate", "auc") in found


@pytest.mark.parametrize("count, calls", [(99, 1), (101, 2)])
def test_all_steps_of_a_long_run_say_what_they_logged(client, count, calls):
    last = client.many_steps(count)
    shared = SharedClient(client, "circle", looks=SharedLooks())
    page = runs.open_run(shared, RUN_ID, output=False)
    assert page.metrics[-1] == (last, "auc", count)
    assert client.calls.count("steps") == calls


def test_rerun_is_found_in_its_own_tenant_only(org, owner):
    tenant, other = make_tenant(org), make_tenant(org)
    rerun = make_template_run(make_template(tenant), person=owner, zenml_run_id=RUN_ID)
    assert origin.rerun_of(tenant, RUN_ID) == rerun
    assert origin.rerun_of(other, RUN_ID) is None


def test_times_of_a_running_step_begin_at_its_start():
    start = (datetime.now(UTC) - timedelta(seconds=5)).replace(tzinfo=None).isoformat()
    dag = {"nodes": [{"node_id": "step/a", "type": "step", "id": str(uuid4()), "name": "a",
                      "metadata": {"status": "running", "start_time": start}}], "edges": []}  # fmt: skip
    run = run_of({**churn("run"), "metadata": None})
    assert 5 <= runs.step_rows(dag, run)[0].seconds < 8
