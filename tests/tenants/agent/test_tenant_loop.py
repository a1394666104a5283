"""The loop against a stand-in for the machine; with real servers: tests/journey and tests/tenants/servers."""

import inspect
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_tenant

from tenants.agent import tenant_loop
from tenants.agent.tenant_loop import TenantLoop
from tenants.models import Tenant
from tenants.servers.base import EnvironmentFailed, ServerState, ServerStatus, TenantConflict
from tenants.servers.local import LocalBackend

Status, Desired = Tenant.Status, Tenant.DesiredState


class FakeHosting:
    """Servers that run when they are told to, and the calls they got."""

    def __init__(self):
        self.calls, self.running, self.error, self.dead = [], set(), None, ""
        self.data = True
        self.supervisor = self

    def names(self):
        return [f"tenant-{pk}" for pk in self.running] + ["web"]

    def installed(self, version):
        return True

    def install(self, version):
        self.calls.append("install")
        if self.error:
            raise self.error

    def free_port(self, taken):
        return next(port for port in range(9500, 9600) if port not in taken)

    def start(self, spec):
        self.calls.append("start")
        self.running.add(spec.tenant_id)

    def stop(self, spec):
        self.calls.append("stop")
        self.running.discard(spec.tenant_id)

    def restart(self, spec):
        self.calls.append("restart")

    def remove(self, spec):
        self.calls.append("remove")
        if isinstance(spec, str):
            self.running = {pk for pk in self.running if f"tenant-{pk}" != spec}

    def state(self, spec):
        if self.dead:
            return ServerState(ServerStatus.FATAL)
        return ServerState(
            ServerStatus.RUNNING if spec.tenant_id in self.running else ServerStatus.STOPPED, 7
        )

    def healthy(self, spec):
        return spec.tenant_id in self.running and not self.dead

    def has_data(self, spec):
        return self.data

    def explain_failure(self, spec):
        return self.dead


class FakeClient:
    def create_project(self, name):
        raise TenantConflict("exists")

    def projects(self):
        return [{"id": "11111111-1111-4111-8111-111111111111", "name": "default"}]


@pytest.fixture
def hosting(monkeypatch):
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: FakeClient())
    return FakeHosting()


@pytest.fixture
def loop(hosting):
    return TenantLoop(hosting)


def a_new_tenant(org, member, **fields):
    tenant = make_tenant(org, status=Status.NOT_INITIALIZED, server_url="", **fields)
    make_grant(tenant, member, "admin")
    return tenant


def passed(loop, tenant):
    loop.run_pass(tenant.pk)
    tenant.refresh_from_db()
    return tenant


def test_the_stand_in_has_the_signatures_of_the_real_backend():
    for name in (
        "has_data",
        "installed",
        "install",
        "free_port",
        "start",
        "stop",
        "restart",
        "state",
        "healthy",
    ):
        real, fake = getattr(LocalBackend, name), getattr(FakeHosting, name)
        assert list(inspect.signature(real).parameters) == list(inspect.signature(fake).parameters), name


def test_a_version_that_cannot_be_installed_fails_with_the_resolvers_message(org, member, loop, hosting):
    hosting.error = EnvironmentFailed("there is no version of zenml==9.9.9")
    tenant = passed(loop, a_new_tenant(org, member))
    assert tenant.status == Status.FAILED
    assert tenant.state_reason == "there is no version of zenml==9.9.9"
    assert [step["state"] for step in tenant.progress][:3] == ["done", "failed", "waiting"]
    assert "start" not in hosting.calls


def test_a_server_that_ends_at_once_fails_with_its_reason_and_nothing_runs(org, member, loop, hosting):
    hosting.dead = "Port 9500 is taken by another program."
    tenant = passed(loop, a_new_tenant(org, member))
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, hosting.dead)
    assert hosting.calls[-1] == "stop"
    assert not hosting.running


def test_a_failed_new_tenant_waits_for_retry(org, member, loop, hosting):
    tenant = a_new_tenant(org, member)
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.FAILED)
    assert passed(loop, tenant).status == Status.FAILED
    assert hosting.calls == []


def test_a_server_that_once_worked_is_tried_again(org, member, loop, hosting):
    long_ago = timezone.now() - timedelta(minutes=5)
    tenant = a_new_tenant(org, member)
    Tenant.objects.filter(pk=tenant.pk).update(
        status=Status.FAILED, available_since=long_ago, updated_at=long_ago
    )
    assert passed(loop, tenant).status == Status.AVAILABLE


def test_from_nothing_to_available(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    assert tenant.status == Status.AVAILABLE
    assert tenant.server_url == f"http://127.0.0.1:{tenant.port}"
    assert str(tenant.project_id) == "11111111-1111-4111-8111-111111111111"
    assert {step["state"] for step in tenant.progress} == {"done"}
    assert hosting.calls == ["install", "start"]


def test_two_tenants_never_get_the_same_port(org, member, loop, hosting):
    ports = {passed(loop, a_new_tenant(org, member)).port for _ in range(3)}
    assert len(ports) == 3


def test_a_server_that_vanished_is_started_again(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.running.clear()
    assert passed(loop, tenant).status == Status.PENDING
    assert passed(loop, tenant).status == Status.AVAILABLE
    assert hosting.calls.count("start") == 2


def test_a_server_whose_database_vanished_is_not_begun_anew(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.running.clear()
    hosting.data = False
    passed(loop, tenant)
    tenant = passed(loop, tenant)
    assert tenant.status == Status.FAILED
    assert "database is missing" in tenant.state_reason
    assert hosting.calls.count("start") == 1


def test_a_restart_happens_once(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    Tenant.objects.filter(pk=tenant.pk).update(restart_requested_at=timezone.now())
    for _ in range(3):
        tenant = passed(loop, tenant)
    assert hosting.calls.count("restart") == 1
    assert tenant.status == Status.AVAILABLE


def test_deactivate_stops_and_keeps(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DEACTIVATED)
    assert passed(loop, tenant).status == Status.DEACTIVATED
    assert hosting.calls[-1] == "stop"
    assert "remove" not in hosting.calls
    assert tenant.port


def test_delete_stops_at_once_and_removes_after_the_grace_period(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    now = timezone.now()
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DELETED, deleted_at=now)
    assert passed(loop, tenant).status == Status.DELETED
    assert "remove" not in hosting.calls
    Tenant.objects.filter(pk=tenant.pk).update(deleted_at=now - timedelta(days=8))
    assert passed(loop, tenant).port is None
    assert hosting.calls[-1] == "remove"


def test_a_wish_that_changes_while_the_server_starts_ends_the_pass(org, member, loop, hosting, monkeypatch):
    tenant = a_new_tenant(org, member)

    def changes_her_mind(spec):
        Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DEACTIVATED)
        return False

    monkeypatch.setattr(hosting, "healthy", changes_her_mind)
    assert passed(loop, tenant).status == Status.PENDING
    assert passed(loop, tenant).status == Status.DEACTIVATED


def test_servers_of_deleted_organizations_are_stopped(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    stranger = uuid4()
    hosting.running.add(stranger)
    loop.sweep()
    assert hosting.running == {tenant.pk}


@pytest.mark.django_db(transaction=True)
def test_a_tick_runs_one_pass_a_tenant(org, member, loop, hosting):
    tenant = a_new_tenant(org, member)
    for _ in range(3):
        loop.tick()
    loop.pool.shutdown(wait=True)
    tenant.refresh_from_db()
    assert tenant.status == Status.AVAILABLE
    assert hosting.calls.count("start") == 1
