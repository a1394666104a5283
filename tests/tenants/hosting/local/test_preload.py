"""Servers that are forked from a parent which has loaded everything: they are their own, and depend on no one."""

import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tenants.hosting.base import ServerStatus
from tenants.hosting.local import backend as local_backend
from tenants.hosting.local.variables import PLACEHOLDER, PLACEHOLDER_ID, environment, preloading_environment
from tests.tenants.hosting.conftest import VERSION, eventually, make_spec

pytestmark = pytest.mark.zenml

# What a server has of its configuration, and where the parent's own is still found in its memory.
LOOK = """
import gc, json, sys, uuid
sys.argv = ["preload"]
sys.path.insert(0, {here!r})
import preload
application = preload.load()
preload.take_variables(json.loads({variables!r}), None)
preload.forget()
preload.renewed(application)
from zenml.zen_server.utils import server_config
from zenml.config.global_config import GlobalConfiguration
nobody, found = [word[::-1] for word in {backwards!r}], set()
gc.unfreeze()
for thing in gc.get_objects():
    for held in gc.get_referents(thing):
        if isinstance(held, (str, uuid.UUID)) and thing is not nobody and any(word in str(held) for word in nobody):
            found.add(type(thing).__name__ + ": " + str(held))
print(json.dumps([str(server_config().external_server_id), server_config().dashboard_url, sorted(found)]))
"""


@pytest.fixture
def parent(supervised):
    return supervised.parent(VERSION)


@pytest.fixture
def pair(supervised, control_plane):
    """The specs of two servers that answer."""
    specs = [make_spec(supervised.data, control_plane.url, workspace_name=f"forecast-{n}") for n in range(2)]
    for one in specs:
        supervised.start(one)
    for one in specs:
        eventually(lambda one=one: supervised.healthy(one))
    return specs


def test_forks_live_and_die_on_their_own(supervised, parent, pair):
    first, second = pair
    servers = [supervised.supervisor.server_pid(one.program) for one in pair]
    assert all(servers) and supervised.supervisor.status(parent.name).state == "RUNNING"
    names = [httpx.get(f"{one.server_url}/api/v1/info", trust_env=False).json() for one in pair]
    assert [one["pro_workspace_name"] for one in names] == ["forecast-0", "forecast-1"]
    assert {one["id"] for one in names} == {str(one.tenant_id) for one in pair}

    os.kill(supervised.supervisor.status(parent.name).pid, signal.SIGKILL)  # takes the parent with it
    eventually(lambda: supervised.supervisor.status(parent.name).state == "RUNNING")
    eventually(lambda: all(map(supervised.healthy, pair)))

    keeper = supervised.state(first).pid
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: supervised.state(first).pid not in (None, keeper))
    eventually(lambda: supervised.healthy(first))
    assert supervised.healthy(second)

    for one in pair:
        supervised.remove(one)
    assert supervised.supervisor.status(parent.name) is None  # no tenant needs it any more


def test_a_server_whose_parent_does_not_answer_starts_by_itself(supervised, control_plane, monkeypatch):
    spec = make_spec(supervised.data, control_plane.url)
    monkeypatch.setattr(supervised, "_preload", lambda spec: None)
    supervised.start(spec)
    eventually(lambda: supervised.healthy(spec))
    assert supervised.supervisor.server_pid(spec.program) is None
    supervised.remove(spec)


def test_the_exit_code_of_a_fork_is_told(supervised, control_plane):
    """A server that ends at its start fails as any other does."""
    spec = make_spec(supervised.data, control_plane.url, oauth_secret="wrong")
    supervised.start(spec)
    eventually(lambda: supervised.state(spec).status == ServerStatus.BACKOFF, every=0.05)
    assert supervised.explain_failure(spec) == "ZenPro did not accept this server: its secret is wrong."
    log = supervised.supervisor.log_file(spec.program).read_text()
    assert "by itself" not in log
    supervised.remove(spec)


def test_nothing_of_the_parents_configuration_is_left(supervised):
    spec = make_spec(supervised.data, "http://127.0.0.1:9")
    variables = json.dumps(environment(spec, {}))
    here = str(Path(local_backend.__file__).parent)
    script = LOOK.format(
        here=here, variables=variables, backwards=[word[::-1] for word in (PLACEHOLDER, str(PLACEHOLDER_ID))]
    )
    done = subprocess.run(
        [supervised.environments.python(VERSION), "-I", "-c", script],
        check=False,
        env=preloading_environment(VERSION, {}) | {"ZENML_LOGGING_VERBOSITY": "ERROR"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    server, dashboard, left = json.loads(done.stdout.splitlines()[-1])
    assert (server, left) == (str(spec.tenant_id), [])
    assert dashboard.startswith(spec.dashboard_url)
