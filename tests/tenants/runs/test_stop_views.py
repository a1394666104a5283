"""Stopping a run that was started elsewhere."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member

from orgs.audit.models import AuditEvent
from tenants.hosting.base import TenantNotFound, TenantRefused
from tenants.models import Tenant
from tests.tenants.runs.fakes import RUN_ID


@pytest.fixture
def person(org, tenant):
    made = make_member(org)
    make_grant(tenant, made, "operator")
    return made


@pytest.fixture
def address(tenant):
    return reverse("tenants:run_stop", args=[tenant.organization.slug, tenant.slug, RUN_ID])


def refuse(server, monkeypatch, error):
    def stop_run(run_id):
        raise error

    monkeypatch.setattr(server, "stop_run", stop_run)


def test_viewers_stop_nothing(org, tenant, address, as_user, server):
    viewer = make_member(org)
    make_grant(tenant, viewer, "viewer")
    server.half_way()
    assert as_user(viewer).post(address).status_code == 403
    page = as_user(viewer).get(address.removesuffix("stop/")).content.decode()
    assert address not in page
    assert "stop_run" not in server.calls


def test_outsiders_find_nothing(outsider, address, as_user, server):
    assert as_user(outsider).post(address).status_code == 404
    assert server.calls == []


def test_a_version_that_stops_no_runs_says_so_before_it_is_tried(person, tenant, address, as_user, server):
    server.half_way()
    Tenant.objects.filter(pk=tenant.pk).update(zenml_version="0.83.1")
    for answer in (as_user(person).get(address), as_user(person).post(address)):
        assert "This server can&#x27;t stop runs" in answer.content.decode()
        assert "Stop run" not in answer.content.decode()
    assert "stop_run" not in server.calls


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TenantRefused(403, "Insufficient permissions to update this run."), "Insufficient permissions"),
        (TenantRefused(400, "It has no orchestrator run id yet."), "no orchestrator run id"),
        (TenantNotFound("Not Found"), "This server can&#x27;t stop runs"),
    ],
)
def test_the_server_says_what_it_cannot(person, address, as_user, server, monkeypatch, error, text):
    server.half_way()
    refuse(server, monkeypatch, error)
    answer = as_user(person).post(address)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert not AuditEvent.objects.filter(action="run.stop_asked").exists()


def test_what_has_ended_is_not_stopped(person, address, as_user, server):
    assert "already ended" in as_user(person).get(address).content.decode()
    assert as_user(person).post(address).status_code == 422
    assert "stop_run" not in server.calls


def test_a_run_from_anywhere_is_stopped_and_recorded(person, tenant, address, as_user, server):
    server.half_way()
    browser = as_user(person)
    page = browser.get(address).content.decode()
    assert "No further steps will start." in page
    answer = browser.post(address)
    assert (answer.status_code, answer.url) == (302, address.removesuffix("stop/"))
    row = AuditEvent.objects.get(action="run.stop_asked")
    assert (row.actor, row.target_label) == (person, str(tenant)) and row.after["run"].startswith("churn-")
    assert server.calls == ["run", "run", "stop_run"]
    server.run_answers[str(RUN_ID)]["body"]["status"] = "stopping"
    assert "It ends once the steps under way have ended." in browser.get(address).content.decode()
