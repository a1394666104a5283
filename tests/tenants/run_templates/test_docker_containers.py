"""Runs whose steps are containers of this machine: their label, and their end. The daemon is a stand-in of two calls;
what a real one makes of them is tried where there is one."""

import json
import os
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from factories import make_template, make_template_run, make_tenant

from tenants.agent import run_pass
from tenants.agent.run_endings import End
from tenants.agent.run_memory import Memory
from tenants.run_templates.document.components import KEY
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine import docker_containers
from tenants.run_templates.engine.derive import derive
from tenants.run_templates.engine.docker_containers import LABEL, end_containers, labelled
from tenants.run_templates.engine.remote_stacks import was_elsewhere

from ..agent.fake_runner import FakeRunner
from ..agent.fake_tenant import FakeTenant
from .samples import churn_snapshot

KEPT = {"type": "orchestrator", "name": "docker", "flavor": "local_docker", "settings": {}}
SETTINGS = "orchestrator:docker"


class Handler(BaseHTTPRequestHandler):
    """The two calls, as Docker 20.10 answers them."""

    def address_string(self):
        return "unix"

    def log_message(self, *args):
        pass

    def do_GET(self):
        asked = json.loads(parse_qs(urlsplit(self.path).query)["filters"][0])["label"]
        living = self.server.containers
        found = [{"Id": name} for name, labels in living.items() if set(asked) <= set(labels)]
        self._answer(200, self.server.answer or json.dumps(found).encode())

    def do_POST(self):
        name = self.path.split("/")[2]
        there = self.server.containers.pop(name, None)
        self._answer(204 if there else 404, b"")

    def _answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A daemon at a socket of its own; `containers`: id -> labels."""
    monkeypatch.setattr(docker_containers, "SOCKET", str(tmp_path / "docker.sock"))
    with socketserver.ThreadingUnixStreamServer(docker_containers.SOCKET, Handler) as server:
        server.containers, server.answer = {}, b""
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(org, member):
    snapshot = churn_snapshot() | {KEY: [KEPT]}
    template = make_template(make_tenant(org), snapshot=snapshot)
    facts = {"configuration": default_configuration(snapshot), "state": "stopping", "pid": 7}
    return make_template_run(template, member, **facts)


def pass_over(run):
    return run_pass.RunPass(run, Memory(), FakeRunner(), SimpleNamespace(), lambda *who: FakeTenant())


def sent(run):
    server = FakeTenant()
    derive(run, server)
    (found,) = (one["metadata"] for one in server.snapshots.values())
    return found


def test_containers_of_a_run_get_its_label(run):
    found = sent(run)["pipeline_configuration"]["settings"][SETTINGS]
    assert found == {"run_args": {"labels": {LABEL: str(run.pk)}}}
    assert not was_elsewhere(run.template)


def test_a_run_somewhere_else_gets_none(run):
    run.template.snapshot = churn_snapshot()
    assert SETTINGS not in (sent(run)["pipeline_configuration"].get("settings") or {})


@pytest.mark.parametrize(("recorded", "kept"), [({"a": "b"}, {"a": "b"}), (["a"], {"a": ""}), (5, {})])
def test_what_was_recorded_stays(recorded, kept):
    own = {"settings": {SETTINGS: {"run_args": {"cpus": 2, "labels": recorded}}, "docker": {}}}
    body = {"pipeline_configuration": own, "step_configurations": {"a": {"config": own, "spec": {}}, "b": {}}}
    run_id = uuid4()
    found = labelled(body, SETTINGS, run_id)
    wanted = {"cpus": 2, "labels": {**kept, LABEL: str(run_id)}}
    for holder in (found["pipeline_configuration"], found["step_configurations"]["a"]["config"]):
        assert holder["settings"] == {SETTINGS: {"run_args": wanted}, "docker": {}}
    assert (found["step_configurations"]["a"]["spec"], found["step_configurations"]["b"]) == ({}, {})


def test_the_end_of_a_run_ends_its_containers_and_no_others(run, docker):
    docker.containers |= {"a" * 64: [f"{LABEL}={run.pk}"], "b" * 64: [f"{LABEL}={uuid4()}"], "c" * 64: []}
    pass_over(run)._end(End("stopped"))
    assert [*docker.containers] == ["b" * 64, "c" * 64]
    run.refresh_from_db()
    assert run.state == "stopped"


def test_an_end_that_the_tenant_has_not_heard_of_ends_them_too(run, docker):
    docker.containers["a" * 64] = [f"{LABEL}={run.pk}"]
    pass_over(run)._end_unsettled(End("failed"))
    assert not docker.containers


@pytest.mark.parametrize(
    "answer",
    [b"no json", b'{"message": "odd"}', b'[{"Id": "../../x"}, {"Id": 5}, 7]', b"[" + b" " * 1024**2 + b"]"],
    ids=["text", "no list", "odd ids", "endless"],
)
def test_an_odd_answer_ends_nothing(run, docker, answer):
    docker.answer = answer
    assert end_containers(run.pk) == 0


def test_without_docker_the_run_ends_all_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setattr(docker_containers, "SOCKET", str(tmp_path / "nothing"))
    pass_over(run)._end(End("stopped"))
    run.refresh_from_db()
    assert run.state == "stopped"


def test_docker_is_not_asked_about_other_runs(run, monkeypatch):
    monkeypatch.setattr(run_pass, "end_containers", lambda run_id: pytest.fail("asked"))
    run.template.snapshot = churn_snapshot()
    pass_over(run)._end(End("stopped"))
    assert run_pass.settings_in_docker(run.template.snapshot) == ""


def has_docker():
    return os.access(docker_containers.SOCKET, os.R_OK | os.W_OK)


@pytest.mark.skipif(not has_docker(), reason="There is no Docker daemon here that this account may use.")
def test_a_real_daemon_kills_them():
    """Takes whatever image is there; a machine without one has nothing to try this with."""
    run_id = uuid4()
    transport = httpx.HTTPTransport(uds=docker_containers.SOCKET)
    with httpx.Client(transport=transport, base_url="http://docker", timeout=60) as daemon:
        images = daemon.get("/images/json").json()
        if not images:
            pytest.skip("Docker has no image to run.")
        body = {"Image": images[0]["Id"], "Entrypoint": ["sleep", "60"], "Labels": {LABEL: str(run_id)}}
        made = daemon.post("/containers/create", json=body).json()["Id"]
        try:
            daemon.post(f"/containers/{made}/start").raise_for_status()
            assert end_containers(run_id) == 1
            daemon.post(f"/containers/{made}/wait")
            assert not daemon.get(f"/containers/{made}/json").json()["State"]["Running"]
        finally:
            daemon.delete(f"/containers/{made}", params={"force": "true"})
