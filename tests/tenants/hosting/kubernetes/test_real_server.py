"""An unmodified ZenML server as the pod of a cluster, brought up by the agent, and moved from there and back. Slow.

The cluster is that of the tests, so what only a real one has is not here: images, walls of containers, network policies.
"""

import os
from dataclasses import replace

import pytest
from factories import make_grant, make_member, make_org, make_tenant

from orgs.users.models import Actor
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting import backends
from tenants.hosting.kubernetes import objects
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.database_names import database_of
from tenants.hosting.kubernetes.hosting import KubernetesHosting
from tenants.hosting.kubernetes.kinds import OWNED
from tenants.hosting.kubernetes.naming import name_of
from tenants.hosting.kubernetes.place import ClusterPlace
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant
from tenants.moves.actions import move_tenant
from tenants.runs import connection
from tenants.runs.client import TenantClients
from tenants.runs.connection import connect
from tests.cluster.fixtures import cluster
from tests.cluster.images import Runs
from tests.mariadb import mariadb
from tests.tenants.hosting.conftest import VERSION, backend, eventually
from tests.tenants.hosting.stub_control_plane import free_port
from zenpro_site.kubernetes_settings import KubernetesSettings

from .made import checked_databases_on

__all__ = ["cluster", "mariadb"]
pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
NAMESPACE = "zenpro-tenants"


@pytest.fixture(autouse=True)
def clients(monkeypatch):
    made = TenantClients()
    monkeypatch.setattr(connection, "_clients", made)
    yield
    made.http.close()


@pytest.fixture
def hosting(cluster, zen_data, supervised, tmp_path, monkeypatch):
    """The pod has this machine's network, and its environment lies below /tmp."""
    port = free_port()
    monkeypatch.setattr(objects, "PORT", port)
    monkeypatch.setattr(objects, "SCRATCH", "/zenml/tmp")
    python = backend(zen_data).environments.python(VERSION)
    app = ("-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", "127.0.0.1")
    program = (str(python), *app, "--port", str(port))
    cluster.images["*"] = Runs(program, {"PATH": f"{python.parent}:/usr/bin:/bin"})
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    place = ClusterPlace(namespace=NAMESPACE, url=f"http://127.0.0.1:{port}", installation="tests")
    config = cluster.kubeconfig(tmp_path / "kubeconfig")
    made = KubernetesHosting(ClusterServers(Cluster(str(config), NAMESPACE), place))
    both = {"kubernetes": made, "local": LocalHosting(supervised)}
    monkeypatch.setattr(backends, "_backend", lambda kind: both.get(kind, made))
    yield made
    both["local"].end_orphans(set())  # else what was here would hold on to whoever forked it


@pytest.fixture
def on_server(hosting, mariadb, cluster, zen_data):
    """The same with a database server; `python` and `zenml` of Jobs are those of the server's environment."""
    there = hosting._servers
    hosting._servers = ClusterServers(there.cluster, there.place, databases=checked_databases_on(mariadb))
    programs = backend(zen_data).environments.python(VERSION).parent
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    cluster.images["*"] = replace(cluster.images["*"], env=path)
    return hosting


@pytest.fixture
def tenant(live_server, settings, zen_data):
    settings.ZENPRO_DATA = zen_data
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    org = make_org("Acme AI")
    made = make_tenant(org, kind="kubernetes", status="not_initialized", server_url="")
    make_grant(made, make_member(org, "admin", name="Ada Okafor"), "admin")
    return made


def test_it_comes_up_knows_its_people_and_keeps_its_rows_wherever_it_moves(tenant, hosting, cluster):
    loop = TenantLoop({kind: backends._backend(kind) for kind in ("kubernetes", "local")})
    ada = tenant.grants.get().membership.user

    def passed() -> Tenant:
        loop.run_pass(tenant.pk)
        tenant.refresh_from_db()
        return tenant

    assert passed().status == Tenant.Status.AVAILABLE, (tenant.state_reason, hosting.tail_log(tenant, 30))
    assert tenant.reported_version == VERSION and tenant.project_id
    assert connect(ada, tenant).call("GET", "/current-user")["name"] == ada.username
    assert any("Uvicorn running" in line for line in hosting.tail_log(tenant))

    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Tenant.DesiredState.DEACTIVATED)
    eventually(lambda: passed().status == Tenant.Status.DEACTIVATED, 60)
    assert not hosting.healthy(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Tenant.DesiredState.AVAILABLE)

    def projects() -> list[str]:
        return [one["id"] for one in connect(ada, tenant).call("GET", "/projects")["items"]]

    def moved(to: str) -> bool:
        move_tenant(tenant=tenant, to=to, by=Actor(ada))
        eventually(lambda: passed().status != Tenant.Status.PENDING, 120)
        found = tenant.moves.first()
        assert (tenant.kind, tenant.is_available, found.failure) == (to, True, "")
        return loop.hostings[to].healthy(tenant)

    Tenant.objects.filter(pk=tenant.pk).update(
        status=Tenant.Status.AVAILABLE
    )  # its move begins with its stop
    assert moved("local") and projects() == [str(tenant.project_id)]
    assert not cluster.list("Job", NAMESPACE) and len(cluster.list("Secret", NAMESPACE)) == 1
    another = connect(ada, tenant).create_project("made-here")["id"]
    assert moved("kubernetes") and {*projects()} == {str(tenant.project_id), another}
    loop.hostings["local"].stop(tenant)
    assert cluster.get("Deployment", name_of(tenant.pk), NAMESPACE)["status"]["readyReplicas"] == 1


def test_its_rows_are_in_a_database_of_its_own_until_it_is_deleted(
    tenant, on_server: KubernetesHosting, mariadb, settings
):
    settings.ZENPRO_KEEP_DELETED_DAYS = 0
    loop, name = TenantLoop({"kubernetes": on_server}), database_of(tenant.pk)
    ada = tenant.grants.get().membership.user

    def passed() -> Tenant:
        loop.run_pass(tenant.pk)
        tenant.refresh_from_db()
        return tenant

    assert passed().status == Tenant.Status.AVAILABLE, (tenant.state_reason, on_server.tail_log(tenant, 30))
    collations = "SELECT DISTINCT table_collation FROM information_schema.tables WHERE table_schema = %s"
    assert mariadb.run(collations, name) == [("utf8mb4_unicode_520_ci",)]
    mariadb.run(f"ALTER USER '{name}'@'%' REQUIRE SSL")
    made = connect(ada, tenant).call("POST", "/projects", json={"name": "sushi", "display_name": "🍣"})

    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Tenant.DesiredState.DEACTIVATED)
    eventually(lambda: passed().status == Tenant.Status.DEACTIVATED, 60)
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Tenant.DesiredState.AVAILABLE)
    assert passed().status == Tenant.Status.AVAILABLE, tenant.state_reason
    projects = connect(ada, tenant).call("GET", "/projects")["items"]
    assert {one["id"] for one in projects} == {str(tenant.project_id), made["id"]}
    assert mariadb.run(f"SELECT display_name FROM `{name}`.project WHERE name = 'sushi'") == [("🍣",)]

    tenant.desired_state, tenant.deleted_at = Tenant.DesiredState.DELETED, tenant.updated_at
    tenant.save()
    eventually(lambda: passed().retired_at, 60)
    there = on_server._servers.cluster
    assert mariadb.names("zenml%") == set() and not any(there.get(kind, name_of(tenant.pk)) for kind in OWNED)
