"""Looks at servers that attack: the agent has few threads for them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tenants.hosting import health
from tenants.hosting.elsewhere.server import look
from tenants.hosting.health import is_well
from tests.tenants.hosting.conftest import backend, make_spec
from tests.tenants.hosting.hostile import LARGE, SLOW, HostileServer, redirect, says

LIMIT = 60  # seconds until a look that hangs fails the test


@pytest.fixture
def hostile():
    server = HostileServer()
    server.paths = {}
    yield server
    server.close()


@pytest.fixture
def spec(tmp_path, hostile):
    return make_spec(tmp_path, server_url=hostile.url, port=int(hostile.url.rpartition(":")[2]))


@pytest.fixture
def looks(spec, tmp_path, monkeypatch):
    """What the agent does; all must come to an end."""

    def run(seconds=20.0):
        monkeypatch.setattr(health.ask, "__kwdefaults__", {"trust_env": False, "timeout": seconds})
        work = [lambda: look(spec).trouble, lambda: is_well(spec.server_url, spec, trust_env=True)]
        work += [lambda: backend(tmp_path).healthy(spec)]
        pool = ThreadPoolExecutor(4)
        futures = [pool.submit(one) for one in work]
        try:
            return [future.result(LIMIT) for future in futures]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    return run


@pytest.mark.parametrize("attack", SLOW)
@pytest.mark.parametrize("path", ["/health", "/info"])
def test_a_look_ends_however_slow_the_server(hostile, looks, attack, path):
    hostile.attack = says({})
    hostile.paths = {path: SLOW[attack]}
    trouble, *healthy = looks(0.3)
    assert trouble.endswith("does not answer in time.") or "cannot be reached" in trouble
    assert healthy == [False, False]


@pytest.mark.parametrize("attack", LARGE)
@pytest.mark.parametrize("path", ["/health", "/info"])
def test_a_look_ends_whatever_the_server_sends(hostile, looks, attack, path):
    hostile.attack = says({})
    hostile.paths = {path: LARGE[attack]}
    trouble, *healthy = looks()
    assert hostile.url in trouble
    assert healthy == [False, False]


@pytest.mark.parametrize("body", [[], "x", None, 7, {"pro_workspace_id": ["x"]}, {"deployment_type": 3}])
def test_an_answer_of_the_wrong_kind_is_not_ours(hostile, looks, body):
    hostile.attack = says(body)
    trouble, *healthy = looks()
    assert hostile.url in trouble
    assert healthy == [False, False]


def test_a_redirect_is_not_followed(hostile, looks, spec):
    other = HostileServer(says({"pro_workspace_id": str(spec.tenant_id)}))
    hostile.attack = redirect(f"{other.url}/health")
    trouble, *healthy = looks()
    other.close()
    assert "answers with status 307" in trouble
    assert other.asked == []
    assert healthy == [False, False]


def test_an_honest_server_is_well(hostile, looks, spec):
    hostile.attack = says({"pro_workspace_id": str(spec.tenant_id), "pro_api_url": spec.api_url})
    assert looks() == ["", True, True]
