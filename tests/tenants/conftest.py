import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from factories import make_tenant

from tenants.hosting.local.hosting import LocalHosting
from tenants.runs import reading as runs
from tenants.runs import shared_looks
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
