import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_tenant

from tenants.hosting.local.hosting import LocalHosting
from tenants.runs import reading as runs
from tenants.runs import shared_looks
from tests.tenants.hosting.conftest import VERSION, backend
from tests.tenants.runs.fakes import PROJECT, FakeTenantClient, connect_to


@pytest.fixture
def server(monkeypatch):
    """Every tenant answers the pages with this client."""
    client = FakeTenantClient()
    monkeypatch.setattr(runs, "connect", connect_to(client))
    monkeypatch.setattr(shared_looks, "KEPT", 0)  # tests change what it says from one look to the next
    lines = ["INFO: first line", "INFO: last line"]
    monkeypatch.setattr(LocalHosting, "tail_log", lambda hosting, tenant, count=200: lines)
    return client


@pytest.fixture
def tenant(org):
    return make_tenant(org, "production", name="production", project_id=PROJECT["id"])


@pytest.fixture
def count_queries():
    """count_queries(function): how many queries it makes the second time, when nothing has to be warmed up."""

    def count(function) -> int:
        function()
        with CaptureQueriesContext(connection) as captured:
            function()
        return len(captured)

    return count


@pytest.fixture(scope="session")
def zen_data(tmp_path_factory):
    """Data folder with ZenML installed, shared by all slow tests. Not to be imported: each import installs it anew."""
    data = tmp_path_factory.mktemp("zenpro")
    backend(data).install(VERSION)
    return data


@pytest.fixture
def supervised(zen_data):
    """A LocalBackend whose supervisor runs; everything is stopped afterwards."""
    made = backend(zen_data)
    child = made.supervisor.spawn()
    yield made
    if made.supervisor.running():
        made.supervisor.shutdown()
    child.wait(120)
