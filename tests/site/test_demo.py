"""The demo of a first start: what failed is tried again by the next start, and nothing waits in vain."""

import io
import json
import subprocess

import pytest
from factories import make_org, make_tenant

from orgs.audit.models import AuditEvent
from tenants.agent import tenant_loop
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.base import EnvironmentFailed
from tenants.models import Tenant
from zenpro_site import demo
from zenpro_site.management.commands import up

from ..tenants.agent.test_tenant_loop import FakeClient
from ..tenants.hosting.fakes import FakeHosting, in_place


@pytest.fixture
def hosting():
    return FakeHosting()


@pytest.fixture
def agent(hosting, monkeypatch):
    """The agent makes a pass over every tenant while the start waits."""
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: FakeClient())
    loop = TenantLoop(in_place(hosting))

    def work(seconds):
        for pk in Tenant.objects.values_list("pk", flat=True):
            loop.run_pass(pk)

    monkeypatch.setattr(demo.time, "sleep", work)


@pytest.fixture
def command(db, tmp_path, settings, monkeypatch):
    settings.ZENPRO_DATA = tmp_path
    monkeypatch.setattr(demo, "first_run", lambda tenant, person: "run")
    monkeypatch.setattr(demo, "template", lambda tenant, run_id, person: None)
    made = up.Command(stdout=io.StringIO(), stderr=io.StringIO(), no_color=True)
    made._first_account(no_demo=False)
    return made


def errors(command) -> str:
    return command.stderr._out.getvalue()


def is_wanted() -> bool:
    return json.loads(up.demo_file().read_text())["wanted"]


def test_the_next_start_starts_a_failed_tenant_again(command, agent, hosting):
    hosting.error = EnvironmentFailed("The index does\x1b[2J not answer.")
    command._demo()
    tenant = Tenant.objects.get()
    assert tenant.status == Tenant.Status.FAILED
    assert "The index does [2J not answer." in errors(command)
    assert "The next start will try again." in errors(command)
    assert is_wanted()

    hosting.error = None
    command._demo()
    tenant.refresh_from_db()
    assert tenant.status == Tenant.Status.AVAILABLE
    assert not is_wanted()
    assert AuditEvent.objects.filter(action="tenant.retried").count() == 1


def test_steps_of_the_failed_start_are_not_told_again(command, agent, hosting):
    hosting.error = EnvironmentFailed("The index does not answer.")
    command._demo()
    demo.tenant(demo.organization(None), None)
    assert Tenant.objects.get().progress == []


def test_a_tenant_that_somebody_deactivated_is_not_waited_for(db):
    tenant = make_tenant(make_org(), "demo", status="deactivated", desired_state="deactivated")
    with pytest.raises(demo.DemoFailed, match="The tenant demo is deactivated"):
        demo.wait_until_available(tenant, lambda note, seconds: None)


def test_an_example_that_does_not_end_is_told(org, monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o700)
    environments = type("Environments", (), {"python": lambda self, version: python})()
    hosting = type("Hosting", (), {"environments": environments})()
    monkeypatch.setattr(demo, "machine", lambda: hosting)
    monkeypatch.setattr(demo, "RUN_LIMIT", 0.2)
    with pytest.raises(demo.DemoFailed, match="did not finish") as told:
        demo._run_example(make_tenant(org), "token")
    assert isinstance(told.value.__cause__, subprocess.TimeoutExpired)
