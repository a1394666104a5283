import errno
import os
import socket
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tenants.hosting.base import EnvironmentFailed, PortTaken, ServerError, ServerStatus
from tenants.hosting.health import is_ours
from tenants.hosting.local.backend import SERVE, LocalBackend
from tenants.hosting.local.supervisor import ProcessInfo
from tenants.hosting.local.variables import environment
from tests.tenants.hosting.conftest import bury, make_spec


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def local(data):
    return LocalBackend(data, (21000, 21003))


def listen(port):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_environment_is_pro_mode_with_both_names_of_the_tenant(data):
    spec = make_spec(data, "https://pro.example.org")
    env = environment(spec, {})
    assert env["ZENML_SERVER_DEPLOYMENT_TYPE"] == "cloud"
    assert env["ZENML_SERVER_PRO_API_URL"] == "https://pro.example.org/api"
    assert env["ZENML_SERVER_PRO_DASHBOARD_URL"] == "https://pro.example.org"
    assert env["ZENML_SERVER_PRO_WORKSPACE_ID"] == env["ZENML_SERVER_PRO_TENANT_ID"] == str(spec.tenant_id)
    assert env["ZENML_SERVER_PRO_WORKSPACE_NAME"] == env["ZENML_SERVER_PRO_TENANT_NAME"] == "forecast"
    assert env["ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET"] == spec.oauth_secret
    assert env["ZENML_SERVER_PRO_HTTP_TIMEOUT"] == "4"
    assert env["ZENML_SERVER_JWT_SECRET_KEY"] == spec.jwt_secret
    assert env["ZENML_SECRETS_STORE_ENCRYPTION_KEY"] == spec.encryption_key
    assert env["ZENML_STORE_URL"] == f"sqlite:///{spec.folder}/zenml.db"
    assert env["ZENML_CONFIG_PATH"] == str(spec.folder / "config")
    assert env["ZENML_LOCAL_STORES_PATH"] == str(spec.local_stores)
    assert env["ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS"] == "true"
    assert env["ZENML_ANALYTICS_OPT_IN"] == "false"


def test_environment_takes_nothing_from_outside_but_certificates_and_proxies(data):
    outer = {"SECRET_KEY": "x", "ZENML_STORE_URL": "mysql://", "PYTHONPATH": "/", "SSL_CERT_FILE": "/ca.pem"}
    env = environment(make_spec(data), outer)
    assert "SECRET_KEY" not in env
    assert "PYTHONPATH" not in env
    assert env["ZENML_STORE_URL"].startswith("sqlite:")
    assert env["SSL_CERT_FILE"] == "/ca.pem"
    assert "NO_PROXY" not in env


def test_control_plane_is_never_asked_through_a_proxy(data):
    outer = {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "internal"}
    env = environment(make_spec(data, "https://pro.example.org"), outer)
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    assert env["NO_PROXY"] == env["no_proxy"] == "internal,localhost,127.0.0.1,pro.example.org"


def test_secrets_do_not_show_in_the_spec(data):
    spec = make_spec(data)
    for secret in (spec.oauth_secret, spec.jwt_secret, spec.encryption_key):
        assert secret not in repr(spec)


def test_program(local, data):
    program = local.program(make_spec(data, port=21001))
    assert program.command[0] == f"{data}/envs/server-0.98.0/bin/python"
    assert program.command[3:] == [str(SERVE), "127.0.0.1", "21001"]
    assert program.port == 21001
    assert not program.autostart
    assert program.autorestart


def test_a_server_may_read_the_database_that_new_tenants_begin_with(local, data):
    """A program that changed when the file appeared would start every running server again."""
    spec = make_spec(data)
    before = local.program(spec)
    assert before.env["ZENPRO_EMPTY_DATABASE"] == f"{data}/envs/empty/0.98.0.db"
    assert f"{data}/envs/empty" in before.walls["read"]
    local.empty.folder.mkdir(parents=True)
    local.empty.path("0.98.0").touch()
    assert local.program(spec) == before


def test_the_parent_of_servers_is_told_of_none(local):
    parent = local.parent("0.98.0")
    assert "ZENPRO_EMPTY_DATABASE" not in parent.env
    assert str(local.empty.folder) not in parent.walls["read"]


def test_what_new_tenants_begin_with_is_made_after_the_environment(local, monkeypatch):
    made = []
    monkeypatch.setattr(local.environments, "install", lambda version: made.append(("environment", version)))
    monkeypatch.setattr(local.empty, "make", lambda version: made.append(("database", version)))
    local.install("0.98.0")
    assert made == [("environment", "0.98.0"), ("database", "0.98.0")]


def test_a_server_can_read_the_certificates_it_is_told_of(local, data, tmp_path, monkeypatch):
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    program = local.program(make_spec(data, port=21001))
    assert program.env["SSL_CERT_FILE"] in program.walls["read"]
    assert str(tmp_path / "missing.pem") not in program.walls["read"]


def test_start_without_environment(local, data):
    with pytest.raises(EnvironmentFailed, match=r"ZenML 0\.98\.0 is not installed\."):
        local.start(make_spec(data))


@pytest.mark.parametrize("folder", ["/tmp/elsewhere", "{data}", "{data}/../up", "{data}/tenants/../../up"])
def test_folders_outside_are_never_made_or_deleted(local, data, folder):
    spec = replace(make_spec(data), folder=Path(folder.format(data=data)))
    with pytest.raises(ServerError, match="not below the data folder"):
        local.remove(spec)


def test_link_in_place_of_the_folder_is_not_followed(local, data, tmp_path):
    spec = make_spec(data)
    (tmp_path / "precious").mkdir()
    spec.folder.parent.mkdir(parents=True)
    spec.folder.symlink_to(tmp_path / "precious")
    with pytest.raises(ServerError, match="not below the data folder"):
        local.remove(spec)
    assert (tmp_path / "precious").exists()


@pytest.fixture
def deaf(local, monkeypatch):
    """The backend without a supervisor that would have to run."""
    monkeypatch.setattr(local.supervisor, "remove", lambda name: None)
    return local


def test_a_folder_of_any_depth_is_removed_with_its_log(deaf, data):
    spec = make_spec(data)
    os.close(bury(spec.folder / "stores"))
    (spec.folder / "closed" / "inner").mkdir(parents=True)
    (spec.folder / "closed").chmod(0)
    deaf.supervisor.logs.mkdir(parents=True)
    (deaf.supervisor.logs / f"{spec.program}.log.1").touch()
    deaf.remove(spec)
    assert not spec.folder.exists()
    assert list(deaf.supervisor.logs.iterdir()) == []


def test_a_folder_that_stays_is_not_taken_for_removed(deaf, data, monkeypatch):
    spec = make_spec(data)
    spec.folder.mkdir(parents=True)
    rmdir = os.rmdir
    monkeypatch.setattr(os, "rmdir", failing)
    with pytest.raises(ServerError, match="could not be removed completely"):
        deaf.remove(spec)
    monkeypatch.setattr(os, "rmdir", rmdir)
    deaf.remove(spec)
    deaf.remove(spec)  # nothing is left to remove
    assert not spec.folder.exists()


def failing(*_, **__):
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def test_free_port_leaves_out_what_is_taken(local):
    with listen(21000):
        assert local.free_port({21001}) == 21002


def test_no_free_port(local):
    with pytest.raises(PortTaken, match="No port between 21000 and 21003 is free"):
        local.free_port({21000, 21001, 21002, 21003})


@pytest.mark.parametrize(
    ("word", "status", "alive"),
    [("STARTING", ServerStatus.STARTING, True), ("RUNNING", ServerStatus.RUNNING, True),
     ("BACKOFF", ServerStatus.BACKOFF, False), ("FATAL", ServerStatus.FATAL, False),
     ("STOPPED", ServerStatus.STOPPED, False), ("EXITED", ServerStatus.STOPPED, False)],
)  # fmt: skip
def test_state(local, data, monkeypatch, word, status, alive):
    monkeypatch.setattr(local.supervisor, "status", lambda name: ProcessInfo(name, word, 7, 3.0, "why"))
    state = local.state(make_spec(data))
    assert (state.status, state.alive, state.pid, state.uptime, state.hint) == (status, alive, 7, 3.0, "why")


def test_state_of_an_unknown_tenant(local, data, monkeypatch):
    monkeypatch.setattr(local.supervisor, "status", lambda name: None)
    assert local.state(make_spec(data)).status == ServerStatus.ABSENT


def test_health_wants_our_own_workspace(data):
    spec = make_spec(data)
    assert is_ours(httpx.Response(200, json={"pro_workspace_id": str(spec.tenant_id)}), spec)
    assert is_ours(httpx.Response(200, json={"pro_tenant_id": str(spec.tenant_id)}), spec)
    assert not is_ours(httpx.Response(200, json={"pro_workspace_id": str(uuid4())}), spec)
    assert not is_ours(httpx.Response(200, json={}), spec)
    assert not is_ours(httpx.Response(500, text="no"), spec)


def test_nobody_on_the_port_is_not_healthy(local, data):
    assert not local.healthy(make_spec(data))


def test_known_versions_are_sorted_and_include_installed_ones(local, data):
    python = data / "envs" / "server-0.99.1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    versions = local.known_versions()
    assert versions[:2] == ["0.99.1", "0.98.0"]
    assert versions[-1] == "0.74.0"


def test_a_server_that_was_never_installed_shows_what_installing_said(local, data):
    spec = make_spec(data)
    local.environments.folder.mkdir(parents=True)
    local.environments.log(spec.version).write_text("Resolved 1 package\nerror: Failed to fetch\n")
    heading = f"Output of installing ZenML {spec.version}:"
    assert local.tail_log(spec) == [heading, "Resolved 1 package", "error: Failed to fetch"]
    assert local.tail_log(spec, 2) == [heading, "error: Failed to fetch"]
    assert local.tail_log(spec, 0) == []
    assert local.explain_failure(spec) == ""

    log = local.supervisor.log_file(spec.program)
    log.parent.mkdir(parents=True)
    log.write_text("")
    assert local.tail_log(spec)[0] == heading
    log.write_text("INFO: of an earlier version\n")
    assert local.tail_log(spec)[0] == heading  # of this one nothing is installed

    local.environments.python(spec.version).parent.mkdir(parents=True)
    local.environments.python(spec.version).touch()
    assert local.tail_log(spec) == ["INFO: of an earlier version"]


def test_no_log_no_explanation(local, data):
    assert local.tail_log(make_spec(data)) == []
    assert local.explain_failure(make_spec(data)) == ""
