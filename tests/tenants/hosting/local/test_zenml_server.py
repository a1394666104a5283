"""LocalBackend and TenantClient with unmodified ZenML servers. Slow: each start takes 4-12 s."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tenants.hosting.base import (
    EnvironmentFailed,
    PortTaken,
    ServerStatus,
    SupervisorGone,
    TenantConflict,
    TenantNotFound,
    TenantRefused,
    TenantUnreachable,
)
from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.keep import family
from tenants.runs.client import TenantClient
from tests.tenants.hosting.attacks import downloaded, read_through
from tests.tenants.hosting.conftest import backend, eventually, make_spec
from tests.tenants.hosting.stub_control_plane import free_port, user_id

pytestmark = pytest.mark.zenml


@pytest.fixture(scope="module")
def house(zen_data):
    """A LocalBackend for all tests of this file."""
    made = backend(zen_data)
    made.supervisor.spawn()
    yield made
    if made.supervisor.running():
        made.supervisor.shutdown()


@pytest.fixture
def supervised(house):
    """The same, with a supervisor that runs, also after a test that ended it."""
    if not house.supervisor.running():
        house.supervisor.spawn()
    return house


@pytest.fixture
def spec(supervised, control_plane):
    """Of a server that has never been started."""
    made = make_spec(supervised.data, control_plane.url)
    yield made
    if supervised.supervisor.running():
        supervised.remove(made)


@pytest.fixture(scope="module")
def shared_spec(house, control_plane):
    return make_spec(house.data, control_plane.url)


@pytest.fixture
def up(supervised, shared_spec):
    """The spec of a server that answers: the same one for all tests, whatever the one before did to it."""
    supervised.start(shared_spec)
    eventually(lambda: supervised.healthy(shared_spec))
    return shared_spec


@pytest.fixture(scope="module", params=["bubblewrap", "landlock"])
def walled(request, house, control_plane):
    """(a server that answers, an HTTP client of a person on it) behind these walls."""
    hosting = LocalBackend(house.data, house.port_range, isolation=request.param)
    spec = make_spec(hosting.data, control_plane.url)
    hosting.start(spec)
    eventually(lambda: hosting.healthy(spec))
    with signed_in(spec) as client:
        yield spec, client
    hosting.remove(spec)


def signed_in(spec) -> httpx.Client:
    """Of Ada, at the server's API."""
    login = httpx.post(
        f"{spec.server_url}/api/v1/login",
        data={"grant_type": "zenml-external"},
        headers={"Authorization": "Bearer user-ada"},
        trust_env=False,
    )
    bearer = {"Authorization": f"Bearer {login.json()['access_token']}"}
    return httpx.Client(base_url=f"{spec.server_url}/api/v1", headers=bearer, trust_env=False, timeout=30)


def a_project(spec) -> dict:
    """A project of one test."""
    return as_user(spec).create_project(f"project-{uuid4().hex[:8]}")


@contextmanager
def kept(supervised, spec):
    """The server is stopped; whatever happens to its folder inside is undone afterwards."""
    supervised.stop(spec)
    copy = spec.folder.with_name(f"{spec.folder.name}-copy")
    shutil.copytree(spec.folder, copy, symlinks=True)
    yield
    supervised.stop(spec)
    shutil.rmtree(spec.folder, ignore_errors=True)
    copy.rename(spec.folder)


def test_files_of_the_machine_are_out_of_reach_of_the_servers_api(walled):
    spec, client = walled
    project = a_project(spec)["id"]
    data = spec.folder.parents[1]
    (data / "keys.json").write_text("the keys of the installation")
    neighbour = data / "tenants" / "neighbour"
    neighbour.mkdir(exist_ok=True)
    (neighbour / "zenml.db").write_text("somebody else's")
    mine = spec.local_stores / "mine.html"
    mine.write_text("this is mine")
    assert read_through(client, project, str(mine)) == "this is mine"
    launch = data / "supervisor" / "conf.d" / f"{spec.program}.json"
    foreign = (
        data / "keys.json",
        neighbour / "zenml.db",
        launch,
        data / "supervisor" / "password",
        Path("/etc/shadow"),
    )
    for path in foreign:
        assert path.exists()
        assert read_through(client, project, str(path)) == "", path
    names = "\n".join(downloaded(client, project, str(data / "tenants")))
    assert "neighbour/" not in names
    for name in ("environ", "cmdline", "maps"):
        shown = read_through(client, project, f"/proc/self/{name}")
        assert not any(
            secret in shown for secret in (spec.oauth_secret, spec.jwt_secret, spec.encryption_key)
        )


def test_a_link_that_a_run_put_into_the_stores_leads_nowhere(walled):
    spec, client = walled
    project = a_project(spec)["id"]
    secret = spec.folder.parents[1] / "keys.json"
    secret.write_text("the keys of the installation")
    (spec.local_stores / "link.html").symlink_to(secret)
    assert read_through(client, project, str(spec.local_stores / "link.html")) == ""


def as_user(spec, name="ada"):
    return TenantClient(spec.server_url, lambda: f"user-{name}")


def servers_of(spec):
    """Pids of all processes that hold this tenant's port, however they were started."""
    lines = Path("/proc/net/tcp").read_text().splitlines()
    listening = {line.split()[9] for line in lines if f":{spec.port:04X} 00000000:0000" in line}
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if listening & sockets_of(pid)]


def sockets_of(pid) -> set[str]:
    found = set()
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{number}").removeprefix("socket:[").rstrip("]"))
    return found


def runs_for(supervised, spec) -> list[int]:
    """The process that the supervisor keeps, with all below it, and the server itself where it was forked elsewhere."""
    server = supervised.supervisor.server_pid(spec.program)
    return [*family(supervised.state(spec).pid), *([server] if server else [])]


# -- what a server begins with


OWN = ("CHAR(32)", "DATETIME")  # types of columns with ids and times


def content(path) -> tuple[list, dict[str, list]]:
    """(the schema, the rows of each table without ids and times) of a database that is whole."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schema = database.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2"
        ).fetchall()
        tables = [name for kind, name, *_ in schema if kind == "table"]
        return schema, {table: rows(database, table) for table in tables}


def rows(database, table) -> list:
    columns = database.execute(f'PRAGMA table_info("{table}")').fetchall()
    names = [f'"{name}"' for _, name, kind, *_ in columns if kind not in OWN] or ["count(*)"]
    return sorted(database.execute(f'SELECT {", ".join(names)} FROM "{table}"').fetchall(), key=repr)


def ids(path) -> set[str]:
    """Of all that a new server has, but for its own."""
    with closing(sqlite3.connect(path)) as database:
        tables = ("stack", "stack_component", "flavor")
        return {one for table in tables for (one,) in database.execute(f"SELECT id FROM {table}")}


def test_a_new_tenant_begins_with_what_its_server_would_have_made(supervised, control_plane, monkeypatch):
    copied, other, own = (make_spec(supervised.data, control_plane.url) for _ in range(3))
    for one in (copied, other):
        supervised.start(one)
    missing = supervised.empty.folder / "missing.db"
    monkeypatch.setattr(supervised.empty, "path", lambda version: missing)
    supervised.start(own)
    for one in (copied, other, own):
        eventually(lambda one=one: supervised.healthy(one))
        info = as_user(one).call("GET", "/info")
        assert info["id"] == str(one.tenant_id)
        assert [stack["name"] for stack in as_user(one).call("GET", "/stacks")["items"]] == ["default"]
        supervised.stop(one)
        with closing(sqlite3.connect(one.database)) as database:
            assert database.execute("SELECT id FROM server_settings").fetchall() == [(one.tenant_id.hex,)]

    said = {one: "\n".join(supervised.tail_log(one)) for one in (copied, other, own)}
    makes = "Creating database tables"
    assert [makes in text for text in said.values()] == [False, False, True]
    assert "This server makes its tables itself: unable to open database file" in said[own]
    assert content(copied.database) == content(other.database) == content(own.database)
    assert len(ids(copied.database) | ids(other.database)) == 2 * len(ids(own.database))
    for one in (copied, other, own):
        supervised.remove(one)


def test_behind_all_walls_it_begins_with_the_copy(walled, house):
    spec, _ = walled
    said = house.supervisor.log_file(spec.program).read_text()
    assert "Application startup complete" in said
    assert "Creating database tables" not in said
    assert "makes its tables itself" not in said


# -- life of a server


def test_life(supervised, control_plane, spec):
    control_plane.calls.clear()
    assert supervised.state(spec).status == ServerStatus.ABSENT

    supervised.start(spec)
    eventually(lambda: supervised.healthy(spec))

    assert control_plane.calls == ["POST /api/auth/login", "PATCH /api/workspace_status"]
    pid = supervised.state(spec).pid
    (server,) = servers_of(spec)
    assert server in runs_for(supervised, spec)
    assert spec.folder.stat().st_mode & 0o777 == 0o700
    assert spec.database.stat().st_mode & 0o077 == 0
    assert any("Application startup complete" in line for line in supervised.tail_log(spec))

    supervised.start(spec)
    assert supervised.state(spec).pid == pid

    changed = replace(spec, workspace_name="renamed")
    supervised.start(changed)
    assert supervised.state(spec).pid != pid
    eventually(lambda: supervised.healthy(spec))
    assert as_user(spec).call("GET", "/info")["pro_workspace_name"] == "renamed"
    assert len(servers_of(spec)) == 1

    supervised.stop(spec)
    assert supervised.state(spec).status == ServerStatus.STOPPED
    assert not supervised.healthy(spec)
    assert servers_of(spec) == []
    assert spec.database.exists()

    supervised.remove(spec)
    supervised.remove(spec)
    assert supervised.state(spec).status == ServerStatus.ABSENT
    assert not spec.folder.exists()
    assert not any("Application startup" in line for line in supervised.tail_log(spec))


def test_killed_server_comes_back_with_its_data(supervised, up):
    project = a_project(up)
    before, old = supervised.state(up).pid, set(servers_of(up))
    cut_short = {"Idempotency-Key": begun_and_never_answered(up)}
    assert tag_of_ada(up, cut_short).status_code == 429

    os.kill(before, signal.SIGKILL)

    eventually(lambda: not old & set(servers_of(up)), every=0.01)  # until then it still answers
    eventually(lambda: supervised.healthy(up) and supervised.state(up).pid != before)
    assert project["id"] in [one["id"] for one in as_user(up).projects()]
    assert len(servers_of(up)) == 1
    assert tag_of_ada(up, cut_short).status_code == 200


def begun_and_never_answered(spec) -> str:
    """The key of a request in which a server was killed, as it leaves it in its database."""
    key = uuid4()
    with closing(sqlite3.connect(spec.database, timeout=30)) as database, database:
        (user,) = database.execute("SELECT id FROM user WHERE name = 'ada'").fetchone()
        values = (key.hex, "POST", f"{spec.server_url}/api/v1/tags", user)
        database.execute(
            "INSERT INTO api_transaction (id, created, updated, method, url, completed, user_id)"
            " VALUES (?, datetime(), datetime(), ?, ?, 0, ?)",
            values,
        )
    return str(key)


def tag_of_ada(spec, headers) -> httpx.Response:
    """Ada asks for it to be made."""
    with signed_in(spec) as client:
        return client.post("/tags", headers=headers, json={"name": "late", "color": "blue"})


def test_killed_supervisor_leaves_no_server_and_the_next_has_one(supervised, up):
    project = a_project(up)
    supervisord = int(supervised.supervisor.pidfile.read_text())

    os.kill(supervisord, signal.SIGKILL)
    eventually(lambda: servers_of(up) == [], every=0.01)
    with pytest.raises(SupervisorGone):
        supervised.start(up)

    supervised.supervisor.spawn()
    supervised.start(up)
    eventually(lambda: supervised.healthy(up))
    (server,) = servers_of(up)
    assert server in runs_for(supervised, up)
    assert project["id"] in [one["id"] for one in as_user(up).projects()]


def test_two_tenants_at_once(supervised, control_plane):
    specs = [make_spec(supervised.data, control_plane.url) for _ in range(2)]
    for one in specs:
        supervised.start(one)
    for one in specs:
        eventually(lambda one=one: supervised.healthy(one))
    crossed = replace(specs[0], port=specs[1].port)
    assert not supervised.healthy(crossed)
    for one in specs:
        supervised.remove(one)


# -- what goes wrong


def test_version_that_does_not_exist(supervised):
    with pytest.raises(EnvironmentFailed, match=r"no version of zenml.*9\.9\.9"):
        supervised.install("9.9.9")
    assert not supervised.installed("9.9.9")


def test_port_of_a_stranger(supervised, spec):
    with socket.create_server(("127.0.0.1", spec.port)):
        assert not supervised.healthy(spec)
        with pytest.raises(PortTaken, match=f"Port {spec.port}"):
            supervised.start(spec)
    assert supervised.state(spec).status == ServerStatus.ABSENT


def test_secret_that_the_control_plane_refuses(supervised, spec):
    supervised.start(replace(spec, oauth_secret="wrong"))
    eventually(lambda: supervised.state(spec).status == ServerStatus.BACKOFF, every=0.05)
    assert supervised.explain_failure(spec) == "ZenPro did not accept this server: its secret is wrong."


def test_control_plane_that_is_down(supervised, spec):
    supervised.start(replace(spec, api_url=f"http://127.0.0.1:{free_port()}/api"))
    eventually(lambda: supervised.state(spec).status == ServerStatus.BACKOFF, every=0.05)
    assert supervised.explain_failure(spec) == "The server cannot reach ZenPro."


def test_database_of_a_newer_version(supervised, up):
    with kept(supervised, up):
        with sqlite3.connect(up.database) as database:
            database.execute("UPDATE alembic_version SET version_num = '99.0.0'")
        database.close()
        supervised.start(up)
        eventually(lambda: supervised.state(up).status == ServerStatus.BACKOFF, every=0.05)
        told = supervised.explain_failure(up)
    assert told == "The database could not be brought to this ZenML version."


def test_damaged_database(supervised, up):
    with kept(supervised, up):
        up.database.write_bytes(b"not a database, " * 1000)
        supervised.start(up)
        eventually(lambda: supervised.state(up).status == ServerStatus.BACKOFF, every=0.05)
        told = supervised.explain_failure(up)
    assert told == "The server's database file is damaged."


def test_folder_that_somebody_removed(supervised, up):
    with kept(supervised, up):
        shutil.rmtree(up.folder)
        supervised.supervisor.start(up.program)
        eventually(lambda: supervised.state(up).status == ServerStatus.BACKOFF)
        told = supervised.explain_failure(up)
    assert told.startswith(f"The folder {up.folder} cannot be used: No such file")


# -- as a person


def test_people_are_who_they_are(up):
    ada = as_user(up).call("GET", "/current-user")
    assert ada["name"] == "ada"
    assert ada["metadata"]["external_user_id"] == user_id("ada")
    with pytest.raises(TenantRefused, match="Not authorized to access this server") as refused:
        as_user(up, "stranger-1").call("GET", "/current-user")
    assert refused.value.status == 401


def test_sessions_of_two_people_do_not_mix(up):
    ada = as_user(up)
    bo = TenantClient(up.server_url, lambda: "user-bo", http=ada.http)
    assert [one.call("GET", "/current-user")["name"] for one in (ada, bo, ada)] == ["ada", "bo", "ada"]


def test_lost_session_is_renewed(supervised, up):
    ada = as_user(up)
    ada.call("GET", "/current-user")
    changed = replace(up, jwt_secret="k" * 40)
    supervised.start(changed)
    eventually(lambda: supervised.healthy(changed))
    assert ada.call("GET", "/current-user")["name"] == "ada"


def test_refusals_carry_the_servers_sentence(control_plane, up):
    ada = as_user(up)
    project = a_project(up)
    with pytest.raises(TenantConflict, match="another existing project with the same name"):
        ada.create_project(project["name"])
    with pytest.raises(TenantNotFound, match="No pipeline run with this ID found"):
        ada.run(project["id"])
    with pytest.raises(TenantRefused, match=r"name: Field required") as invalid:
        ada.call("POST", "/projects", json={})
    assert invalid.value.status == 422
    control_plane.features_used_up.add("project")
    control_plane.denied.add(("read", "project"))
    try:
        with pytest.raises(TenantRefused, match="Your subscription reached its `project` limit") as quota:
            ada.create_project("second")
        assert quota.value.status == 402
        with pytest.raises(TenantRefused, match="Insufficient permissions to READ") as denied:
            ada.call("GET", f"/projects/{project['id']}")
        assert denied.value.status == 403
        assert ada.projects() == []
    finally:
        control_plane.features_used_up.clear()
        control_plane.denied.clear()


def test_server_that_is_stopped(supervised, up):
    ada = as_user(up)
    ada.call("GET", "/current-user")
    supervised.stop(up)
    with pytest.raises(TenantUnreachable, match="cannot be reached"):
        ada.call("GET", "/current-user")


# -- runs

PIPELINE = """
from zenml import log_metadata, pipeline, step

@step
def load(rows: int = 10) -> int:
    print("loading")
    return rows

@step
def train(rows: int, depth: int = 3) -> float:
    \"\"\"Learns.\"\"\"
    log_metadata({"accuracy": 0.5})
    if depth > 9:
        raise ValueError("too deep")
    return rows / depth

@pipeline
def churn(depth: int = 3):
    train(load(), depth=depth)

if __name__ == "__main__":
    import sys
    churn(depth=int(sys.argv[1]))
"""


def run_pipeline(supervised, spec, project, folder, depth):
    """As a data scientist would, with their own token, in the environment of the server."""
    (folder / "pipe.py").write_text(PIPELINE)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ZENML_CONFIG_PATH": str(folder / "config")}
    env |= {"ZENML_STORE_TYPE": "rest", "ZENML_STORE_URL": spec.server_url, "ZENML_ANALYTICS_OPT_IN": "false"}
    env |= {"ZENML_STORE_API_TOKEN": as_user(spec).session(), "ZENML_ACTIVE_PROJECT_ID": project["id"]}
    env |= {"ZENML_LOCAL_STORES_PATH": str(spec.local_stores)}
    python = supervised.environments.python(spec.version)
    subprocess.run(
        [python, "pipe.py", str(depth)], cwd=folder, env=env, capture_output=True, timeout=120, check=False
    )


def test_runs_and_re_runs(supervised, up, tmp_path):
    ada = as_user(up)
    project = a_project(up)
    run_pipeline(supervised, up, project, tmp_path, 3)
    run_pipeline(supervised, up, project, tmp_path, 10)

    failed, run = ada.runs(project["id"]).items
    assert (run.status, run.user, run.pipeline, run.stack) == ("completed", "ada", "churn", "default")
    assert 0 < run.seconds < 60
    assert ada.run_status(failed.id) == "failed"
    assert ada.runs(project["id"], status="failed").total == 1
    assert ada.pages("/pipelines", 1, 20, project=project["id"]).items[0]["resources"][
        "latest_run_id"
    ] == str(failed.id)

    load, train = ada.steps(run.id)
    assert (load.name, train.name, train.upstream) == ("load", "train", ("load",))
    assert (train.parameters, train.metadata, train.doc) == ({"depth": 3}, {"accuracy": 0.5}, "Learns.")
    assert [line.message for line in ada.step_logs(load.id)] == ["loading"]
    assert ada.step_logs(load.id, source="nothing") == []
    assert ada.steps(failed.id)[1].message == "too deep"
    nodes = {node["name"]: node for node in ada.run_dag(run.id)["nodes"] if node["type"] == "step"}
    assert nodes["train"]["metadata"]["status"] == "completed"
    with pytest.raises(TenantRefused, match="already concluded"):
        ada.workload_token(run.id)

    again(ada, project, run)


def again(ada, project, run):
    """The calls of a re-run, up to where a process would be started."""
    snapshot = ada.snapshot(run.snapshot_id)
    kept = ("run_name_template", "pipeline_configuration", "step_configurations", "pipeline_spec", "source_code",
            "pipeline_version_hash", "client_version", "server_version")  # fmt: skip
    body = {key: snapshot["metadata"][key] for key in kept} | {"client_environment": {}, "is_dynamic": False}
    body |= {"project": project["id"], "stack": str(run.stack_id), "pipeline": str(run.pipeline_id)}

    first = ada.create_snapshot(body)
    new = ada.create_snapshot(body | {"source_snapshot": first["id"]})
    placeholder = {"name": "again", "snapshot": new["id"], "project": project["id"], "status": "initializing"}
    made = ada.create_run(placeholder | {"tags": ["zenpro"]})
    assert (made.status, made.in_progress, made.tags, made.user) == ("initializing", True, ("zenpro",), "ada")
    assert ada.workload_token(made.id).count(".") == 2
    with pytest.raises(TenantConflict, match="already exists"):
        ada.create_run(placeholder)

    ended = ada.update_run(made.id, {"status": "failed", "status_reason": "nobody ran it"})
    assert (ended.status, ended.reason, ended.finished) == ("failed", "nobody ran it", True)
    with pytest.raises(TenantRefused, match="finished run"):
        ada.update_run(made.id, {"status": "completed"})

    unused = ada.create_snapshot(body)
    ada.delete_snapshot(unused["id"])
    with pytest.raises(TenantNotFound):
        ada.snapshot(unused["id"])
