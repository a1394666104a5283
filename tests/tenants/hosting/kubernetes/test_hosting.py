"""From tenants' rows to what is asked of the cluster, and the agent's passes over it."""

import math
from dataclasses import replace
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_tenant

from tenants.agent import tenant_loop
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.base import ServerError, ServerStatus, SupervisorGone
from tenants.hosting.kubernetes import hosting as module
from tenants.hosting.kubernetes.hosting import AGAIN, LOOK_EVERY, NO_CLUSTER, REST, KubernetesHosting
from tenants.hosting.kubernetes.naming import RESTARTED, migration_of, name_of
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.models import Tenant

from .clusters import ClusterStandIn, DatabasesStandIn
from .made import PLACE, condition, stranger

Status, Desired = Tenant.Status, Tenant.DesiredState


class Clock:
    """Time passes only when someone sleeps, and whoever sleeps lets the cluster go on."""

    def __init__(self):
        self.now, self.meanwhile = 1000.0, lambda: None

    def monotonic(self):
        self.now += 1
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cluster():
    return ClusterStandIn()


@pytest.fixture
def hosting(cluster, clock, monkeypatch):
    """`healthy`: as if a server with a running pod answered."""
    on = ClusterServers(cluster, PLACE, clock.monotonic)
    monkeypatch.setattr(
        module,
        "is_well",
        lambda address, spec, **kw: ("Pod", f"{name_of(spec.tenant_id)}-1") in cluster.objects,
    )
    return KubernetesHosting(on, clock.monotonic)


@pytest.fixture
def tenant(org, member):
    found = make_tenant(org, kind="kubernetes", status=Status.NOT_INITIALIZED, server_url="")
    make_grant(found, member, "admin")
    return found


class Projects:
    def create_project(self, name):
        return {"id": str(uuid4())}


@pytest.fixture
def loop(hosting, clock, monkeypatch):
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: Projects())
    return TenantLoop({"kubernetes": hosting}, clock)


def passed(loop, tenant):
    loop.run_pass(tenant.pk)
    tenant.refresh_from_db()
    return tenant


def test_a_new_tenant_is_brought_up(loop, tenant, cluster, clock):
    clock.meanwhile = lambda: cluster.run(name_of(tenant.pk))
    passed(loop, tenant)
    assert (tenant.status, tenant.state_reason) == (Status.AVAILABLE, "")
    assert tenant.server_url == f"https://{name_of(tenant.pk)}.zenml.example.org"
    assert [step["state"] for step in tenant.progress] == ["done"] * len(KubernetesHosting.steps)
    variables = cluster.objects["Deployment", name_of(tenant.pk)]["spec"]["template"]["spec"]["containers"][0]
    told = {one["name"]: one["value"] for one in variables["env"]}
    assert told["ZENML_SERVER_SERVER_URL"] == tenant.server_url


def test_what_it_waits_for_is_told_and_is_the_reason_when_it_never_comes(loop, tenant, cluster, clock):
    told = set()

    def meanwhile():
        clock.now += 30
        pod = cluster.run(name_of(tenant.pk))
        del cluster.objects["Pod", pod["metadata"]["name"]]
        cluster.objects["Deployment", name_of(tenant.pk)]["status"] = {}
        full = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes")
        cluster.put(
            "Pod", pod | {"metadata": pod["metadata"] | {"name": "p"}, "status": {"conditions": [full]}}
        )
        told.update(step["note"] for step in Tenant.objects.get(pk=tenant.pk).progress)

    clock.meanwhile = meanwhile
    passed(loop, tenant)
    assert "No node has room: 0/3 nodes" in told
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, "No node has room: 0/3 nodes")
    assert cluster.objects["Deployment", name_of(tenant.pk)]["spec"]["replicas"] == 0


def test_someone_elses_object_fails_the_start_and_stays(loop, tenant, cluster):
    cluster.put("Deployment", stranger() | {"metadata": {"name": name_of(tenant.pk)}})
    passed(loop, tenant)
    assert tenant.status == Status.FAILED and "not this tenant's" in tenant.state_reason
    assert cluster.changes == []


def test_a_cluster_that_does_not_answer_says_nothing_of_a_tenant(loop, tenant, cluster):
    cluster.fails["get"] = SupervisorGone("The cluster does not answer: late")
    passed(loop, tenant)
    assert (tenant.status, tenant.state_reason) == (Status.PENDING, "The cluster does not answer: late")
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.AVAILABLE, state_reason="")
    passed(loop, tenant)
    assert (tenant.status, tenant.state_reason) == (Status.AVAILABLE, "")


@pytest.fixture
def up(loop, tenant, cluster, clock):
    clock.meanwhile = lambda: cluster.run(name_of(tenant.pk))
    return passed(loop, tenant)


def test_deactivated_once_its_pod_is_gone(loop, up, cluster):
    Tenant.objects.filter(pk=up.pk).update(desired_state=Desired.DEACTIVATED)
    assert passed(loop, up).status == Status.AVAILABLE
    cluster.end_pods(name_of(up.pk))
    assert passed(loop, up).status == Status.DEACTIVATED
    assert ("PersistentVolumeClaim", name_of(up.pk)) in cluster.objects


def test_a_deleted_one_keeps_its_volume_for_a_while(loop, up, cluster, settings):
    Tenant.objects.filter(pk=up.pk).update(desired_state=Desired.DELETED, deleted_at=timezone.now())
    cluster.end_pods(name_of(up.pk))
    passed(loop, up)
    assert (up.status, up.retired_at) == (Status.DELETED, None) and cluster.objects
    settings.ZENPRO_KEEP_DELETED_DAYS = 0
    assert passed(loop, up).retired_at and not cluster.objects


def test_a_restart_is_part_of_what_its_pods_are_made_of(loop, up, cluster):
    Tenant.objects.filter(pk=up.pk).update(restart_requested_at=timezone.now())
    passed(loop, up)
    template = cluster.objects["Deployment", name_of(up.pk)]["spec"]["template"]
    assert template["metadata"]["annotations"][RESTARTED] == up.restarted_at.isoformat()
    assert up.status == Status.AVAILABLE


def test_another_version_has_its_database_changed_first(loop, up, cluster, clock):
    name, job = name_of(up.pk), migration_of(up.pk, "0.99.0")
    Tenant.objects.filter(pk=up.pk).update(zenml_version="0.99.0", status=Status.PENDING)
    steps = []

    def meanwhile():
        if ("Job", job) not in cluster.objects:
            cluster.end_pods(name)
        elif "status" not in cluster.objects["Job", job]:
            cluster.objects["Job", job]["status"] = {"conditions": [condition("Complete", "True")]}
        elif cluster.objects["Deployment", name]["spec"]["replicas"]:
            cluster.run(name)
        steps.extend(step["note"] for step in Tenant.objects.get(pk=up.pk).progress)

    cluster.end_pods(name)
    clock.meanwhile = meanwhile
    assert passed(loop, up).status == Status.AVAILABLE
    assert "The database is being brought to 0.99.0." in steps


def test_a_volume_that_is_gone_begins_no_empty_database(loop, up, cluster):
    del cluster.objects["PersistentVolumeClaim", name_of(up.pk)]
    Tenant.objects.filter(pk=up.pk).update(status=Status.PENDING)
    passed(loop, up)
    assert up.status == Status.FAILED and "database is missing: volume claim zenml-" in up.state_reason


# -- a database on a server


@pytest.fixture
def databases(hosting):
    """From now on the installation has a database server."""
    hosting._servers.databases = DatabasesStandIn()
    return hosting._servers.databases


@pytest.fixture
def migrating(cluster, clock, tenant):
    """Jobs complete at once, and pods of a Deployment run."""

    def meanwhile():
        for (kind, name), one in list(cluster.objects.items()):
            if kind == "Job":
                one["status"] = {"conditions": [condition("Complete", "True")]}
            elif kind == "Deployment" and one["spec"]["replicas"]:
                cluster.run(name)

    clock.meanwhile = meanwhile


@pytest.fixture
def on_server(loop, tenant, databases, migrating):
    return passed(loop, tenant)


def test_a_new_tenant_gets_a_database_with_a_password_that_is_sealed(on_server, databases, cluster):
    assert (on_server.status, on_server.on_database_server) == (Status.AVAILABLE, True)
    password = on_server.opened_secrets()["database_password"]
    assert ("prepare", password) in databases.asked and password not in on_server.sealed_secrets
    assert ("PersistentVolumeClaim", name_of(on_server.pk)) not in cluster.objects


def test_it_keeps_its_password_and_its_other_secrets(loop, on_server, tenant):
    before = on_server.opened_secrets()
    Tenant.objects.filter(pk=tenant.pk).update(restart_requested_at=timezone.now())
    assert passed(loop, tenant).opened_secrets() == before and len(before) == 4


def test_a_tenant_with_a_volume_stays_there_when_a_server_is_set_later(loop, up, databases, cluster):
    Tenant.objects.filter(pk=up.pk).update(status=Status.PENDING)
    assert passed(loop, up).status == Status.AVAILABLE
    assert not up.on_database_server and databases.asked == []


def test_one_whose_volume_was_lost_begins_no_empty_database_on_a_server(loop, up, databases, cluster):
    del cluster.objects["PersistentVolumeClaim", name_of(up.pk)]
    Tenant.objects.filter(pk=up.pk).update(status=Status.PENDING)
    assert passed(loop, up).status == Status.FAILED and "volume claim" in up.state_reason
    assert not up.on_database_server


def test_one_on_a_server_waits_when_none_is_set_any_more(loop, on_server, hosting, cluster):
    hosting._servers.databases = None
    Tenant.objects.filter(pk=on_server.pk).update(status=Status.PENDING)
    assert "ZENPRO_KUBERNETES_DATABASE is not set" in passed(loop, on_server).state_reason
    assert ("PersistentVolumeClaim", name_of(on_server.pk)) not in cluster.objects


def test_a_database_that_is_gone_is_not_made_anew(loop, on_server, databases):
    databases.made.clear()
    Tenant.objects.filter(pk=on_server.pk).update(status=Status.PENDING)
    passed(loop, on_server)
    assert on_server.status == Status.FAILED and databases.made == set()
    assert "database is missing: database zenml_" in on_server.state_reason
    assert "on db.example.org" in on_server.state_reason


def test_a_name_that_is_taken_there_fails_the_start_and_leaves_the_choice_open(loop, tenant, databases):
    databases.fails = ServerError("The database server already has a database")
    assert passed(loop, tenant).status == Status.FAILED
    assert not tenant.on_database_server and len(tenant.opened_secrets()) == 3


def test_deleted_it_loses_its_database_last(loop, on_server, databases, cluster, settings):
    settings.ZENPRO_KEEP_DELETED_DAYS = 0
    Tenant.objects.filter(pk=on_server.pk).update(desired_state=Desired.DELETED, deleted_at=timezone.now())
    cluster.end_pods(name_of(on_server.pk))
    databases.fails = SupervisorGone("The database server does not answer: late")
    assert passed(loop, on_server).retired_at is None and not cluster.objects
    databases.fails = None
    assert passed(loop, on_server).retired_at and databases.made == set()


def test_secrets_that_change_meanwhile_are_not_overwritten(tenant):
    Tenant.objects.filter(pk=tenant.pk).update(sealed_secrets="others")
    assert not tenant.take_database_server()
    tenant.refresh_from_db()
    assert (tenant.sealed_secrets, tenant.on_database_server) == ("others", False)


def test_an_orphan_is_stopped_and_a_dead_cluster_is_not_asked_at_every_sweep(
    loop, up, cluster, hosting, clock
):
    tenant_id = up.pk
    up.delete()
    loop.sweep()
    assert cluster.objects["Deployment", name_of(tenant_id)]["spec"]["replicas"] == 0
    cluster.fails["list"] = SupervisorGone("late")
    loop.sweep()
    cluster.asked.clear()
    loop.sweep()
    assert cluster.asked == []
    clock.now += AGAIN
    loop.sweep()
    assert cluster.asked == ["list"]


def test_what_is_out_of_reach_or_unknown(hosting, up):
    assert (
        not hosting.shut_out(up, up.pk, lambda: True) and hosting.end_run(up, up.pk, "stopped", "x") is None
    )
    assert (hosting.places(up), hosting.stores(up), hosting.cpu_seconds(up)) == ([], None, 0.0)
    assert hosting.address(up) == up.server_url and hosting.address(Tenant(kind="kubernetes")) == ""


def test_one_that_is_not_to_run_is_looked_at_less_often(hosting, tenant):
    assert hosting.look_every(tenant) == LOOK_EVERY < REST < math.inf
    tenant.desired_state = Desired.DELETED
    assert hosting.look_every(tenant) == REST


def test_without_a_cluster_its_tenants_wait_and_nothing_else_does(tenant, loop, monkeypatch):
    monkeypatch.setattr(module, "servers", lambda: None)
    nowhere = KubernetesHosting()
    assert nowhere.end_orphans([]) == [] and not nowhere.healthy(tenant) and nowhere.address(tenant) == ""
    for ask in (nowhere.start, nowhere.stop, nowhere.state, nowhere.tail_log, nowhere.is_gone):
        with pytest.raises(ServerError, match=NO_CLUSTER):
            ask(tenant)
    loop.hostings = {"kubernetes": nowhere}
    assert passed(loop, tenant).state_reason == NO_CLUSTER


def test_inside_the_cluster_it_is_reached_at_its_service(cluster, up):
    inside = KubernetesHosting(ClusterServers(cluster, replace(PLACE, inside=True)))
    assert inside.address(up) == f"http://{name_of(up.pk)}.zenpro-tenants.svc"
    assert inside.state(up).status == ServerStatus.RUNNING
