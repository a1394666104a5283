"""An installation without a machine for tenants, as in a container: no one is offered it, and who has one is told."""

import pytest
from factories import make_member, make_tenant

from orgs.users.models import Actor
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting import backends
from tenants.hosting.actions import create_tenant
from tenants.hosting.base import ServerStatus, StartFailed
from tenants.hosting.local.absent import NO_MACHINE, AbsentMachine
from tenants.models import Tenant
from tests.tenants.hosting.kubernetes.test_views import ask_api, choices, no_cluster, offered, post
from zenpro_site.checkup import kubernetes, machine, network, tenants
from zenpro_site.checkup.findings import Level
from zenpro_site.common.refusals import Refused

__all__ = ["no_cluster", "offered"]


NEW = "/o/{}/t/new/"


@pytest.fixture(autouse=True)
def no_machine(settings):
    settings.ZENPRO_LOCAL_TENANTS = False
    backends._backend.cache_clear()
    yield
    backends._backend.cache_clear()


def test_the_cluster_is_what_is_meant_when_no_one_says_where(as_user, org, owner, offered):
    client = as_user(owner)
    assert choices(client, org) == ["kubernetes", "elsewhere"]
    page = client.get(NEW.format(org.slug)).content.decode()
    assert 'value="kubernetes" checked' in page
    assert post(client, org, where="here").status_code == 422
    assert post(client, org, where="").status_code == 302
    assert org.tenants.get().kind == "kubernetes"


def test_the_api_refuses_the_machine_and_takes_the_cluster(as_user, org, owner, offered):
    client = as_user(owner)
    answer = ask_api(client, org, home="machine")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "home"])
    answer = ask_api(client, org)
    assert (answer.status_code, answer.json()["home"]) == (201, "kubernetes")


def test_without_a_cluster_only_servers_of_others_are_left(as_user, org, owner, no_cluster):
    client = as_user(owner)
    assert choices(client, org) == ["elsewhere"]
    assert ask_api(client, org).json()["detail"][0]["loc"] == ["body", "server_url"]
    assert (
        "An Admin of the organization can connect one"
        not in client.get(NEW.format(org.slug)).content.decode()
    )
    maker = make_member(org, "editor", name="Bo Lind")
    page = as_user(maker).get(NEW.format(org.slug)).content.decode()
    assert "An Admin of the organization can connect one." in page
    assert not org.tenants.exists()


def test_no_one_makes_one_past_the_form(org, owner):
    with pytest.raises(Refused, match="No tenants can run on ZenPro's own machine here"):
        create_tenant(org=org, name="Ours", slug="ours", version="0.98.0", by=Actor(owner))
    assert not org.tenants.exists()


def test_one_that_was_there_fails_with_a_sentence_and_keeps_what_it_has(org):
    tenant = make_tenant(org, kind="local", status="available", port=9100)
    hosting = backends.backend_for(tenant)
    assert isinstance(hosting, AbsentMachine) and hosting.state(tenant).status == ServerStatus.ABSENT
    for _ in range(2):  # the first sees that its server is gone, the second can't start it
        TenantLoop().run_pass(tenant.pk)
    tenant.refresh_from_db()
    assert (tenant.status, tenant.state_reason) == (Tenant.Status.FAILED, NO_MACHINE)
    with pytest.raises(StartFailed, match="runs no servers"):
        hosting.retire(tenant)
    assert tenant.port == 9100 and hosting.tail_log(tenant) == [] and not hosting.healthy(tenant)


def test_no_supervisor_is_asked(db):
    assert backends.backends()["local"].end_orphans([]) == []


def test_the_doctor_says_when_there_is_no_place_at_all(monkeypatch):
    monkeypatch.setattr(kubernetes, "servers", lambda: None)
    (found,) = kubernetes.check_cluster()
    assert (found.level, found.text) == (Level.WARNING, kubernetes.NOWHERE)


def test_the_doctor_looks_for_no_ports_of_tenants(db, monkeypatch):
    monkeypatch.setattr(network, "port_free", lambda host, port: True)
    (web,) = network.check_ports()
    assert "web process" in web.text
    (programs,) = machine.check_programs()
    assert programs.text == machine.OTHERS
    assert "ZENPRO_LOCAL_TENANTS" in tenants.check_tenants()[0].text
