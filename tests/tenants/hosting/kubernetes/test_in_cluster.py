"""The backend against a cluster with an API, controllers and pods: the failure table as a cluster makes it."""

import time
from dataclasses import replace

import pytest

from tenants.hosting.base import NotYet, ServerError, ServerStatus, SupervisorGone
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.naming import TENANT, VERSION
from tenants.hosting.kubernetes.rights import missing, needed, words_of
from tenants.hosting.kubernetes.servers import ClusterServers
from tests.cluster.fixtures import cluster
from tests.cluster.images import OUT_OF_MEMORY, Missing, Pretends

from .made import NAME, PLACE, SPEC, TENANT_ID

__all__ = ["cluster"]

NAMESPACE = PLACE.namespace
NEXT = replace(SPEC, version="0.99.0")
IMAGE = "zenmldocker/zenml-server:0.98.0"
ABSENT, STARTING, RUNNING, BACKOFF, FATAL, STOPPED = (
    ServerStatus(word) for word in ("absent", "starting", "running", "backoff", "fatal", "stopped")
)


def eventually(look, seconds=20.0):
    """What it answers as soon as it is something. The cluster has no say: it is asked from outside."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def servers(cluster, tmp_path):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    config = cluster.kubeconfig(tmp_path / "kubeconfig")
    ticks = iter(range(0, 10**6, 10))  # each look is a new one
    return ClusterServers(Cluster(str(config), NAMESPACE), PLACE, lambda: next(ticks))


@pytest.fixture
def becomes(servers):
    """Waits for a status. Returns the hint."""

    def becomes(status, spec=SPEC, hint=""):
        def look():
            state = servers.state(spec)
            return state.status == status and hint in state.hint and [state.hint]

        return eventually(look)[0]

    return becomes


def test_a_life(cluster, servers, becomes):
    assert becomes(ABSENT) == "" and not servers.has_data(TENANT_ID)
    servers.start(SPEC)
    becomes(RUNNING)
    assert servers.state(SPEC).place.startswith(f"Pod {NAME}-")
    before = cluster.get("Deployment", NAME, NAMESPACE)
    servers.start(SPEC)
    assert cluster.get("Deployment", NAME, NAMESPACE) == before and servers.has_data(TENANT_ID)
    stop(servers)
    becomes(STOPPED)
    servers.start(SPEC)
    becomes(RUNNING)
    remove(servers)
    assert becomes(ABSENT) == "" and cluster.list("Pod", NAMESPACE) == []


def stop(servers):
    eventually(lambda: asked(servers.stop))


def remove(servers):
    eventually(lambda: asked(servers.retire))


def asked(action) -> bool:
    try:
        action(TENANT_ID)
    except NotYet:
        return False
    return True


def test_another_secret_and_a_restart_make_another_pod(cluster, servers, becomes):
    seen = set()
    for spec, restarted in ((SPEC, ""), (replace(SPEC, jwt_secret="another"), ""), (SPEC, "noon")):
        servers.start(spec, restarted)
        becomes(RUNNING, spec)
        pods = [one["metadata"]["uid"] for one in cluster.list("Pod", NAMESPACE)]
        assert len(pods) == 1
        seen.update(pods)
    assert len(seen) == 3


def test_another_version(cluster, servers, becomes):
    servers.start(SPEC)
    becomes(RUNNING)
    servers.start(NEXT)
    becomes(STARTING, NEXT, hint="The database is being brought to 0.99.0.")
    end_migration(cluster, 0)
    becomes(RUNNING, NEXT)
    assert cluster.get("Deployment", NAME, NAMESPACE)["metadata"]["annotations"][VERSION] == "0.99.0"
    (job,) = cluster.list("Job", NAMESPACE)
    assert job["status"]["succeeded"] == 1
    remove(servers)
    assert cluster.list("Job", NAMESPACE) == []


def end_migration(cluster, code):
    def running():
        pods = cluster.list("Pod", NAMESPACE, labels=f"app.kubernetes.io/instance={NAME}-migrate-0-99-0")
        return [one for one in pods if one["status"].get("phase") == "Running"]

    (pod,) = eventually(running)
    cluster.end_container(pod["metadata"]["name"], code, namespace=NAMESPACE)


def test_a_migration_that_fails(cluster, servers, becomes):
    servers.start(SPEC)
    becomes(RUNNING)
    cluster.images["*:0.99.0"] = Pretends(says="migrating\nCan't locate revision\n")
    servers.start(NEXT)
    becomes(STARTING, NEXT, hint="The database is being brought")
    end_migration(cluster, 1)
    assert becomes(FATAL, NEXT).endswith("to 0.99.0: Can't locate revision")
    assert cluster.list("Pod", NAMESPACE, labels=f"app.kubernetes.io/instance={NAME}") == []
    servers.start(NEXT)
    becomes(STARTING, NEXT, hint="The database is being brought")
    end_migration(cluster, 0)
    becomes(RUNNING, NEXT)


FAILS = {
    "no image": (Missing(), BACKOFF, f"The image {IMAGE} cannot be pulled."),
    "no memory": (OUT_OF_MEMORY, BACKOFF, "It ran out of memory."),
    "a crash": (
        Pretends(ends=1, says="starting\nno database\n"),
        BACKOFF,
        "The server ends again and again (exit 1): no database",
    ),
    "not ready": (Pretends(ready=False), STARTING, ""),
}


@pytest.mark.parametrize("row", FAILS)
def test_a_pod_that_does_not_come_up(cluster, servers, becomes, row):
    cluster.images[IMAGE], status, sentence = FAILS[row]
    servers.start(SPEC)
    assert becomes(status, hint=sentence) == sentence
    assert row != "a crash" or servers.log(TENANT_ID, 1) == ["no database"]
    cluster.pass_time(1000)
    assert becomes(FATAL) in (sentence, "The server did not become ready in time.")


def test_no_room(cluster, servers, becomes):
    cluster.lose_node("node-1")
    cluster.delete("Node", "node-1")
    servers.start(SPEC)
    becomes(BACKOFF, hint="No node has room: ")
    cluster.add_node("node-2")
    becomes(RUNNING)
    assert servers.state(SPEC).place.endswith(" on node-2")


def test_a_quota_of_pods(cluster, servers, becomes):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": NAMESPACE},
    }
    cluster.create(quota | {"spec": {"hard": {"pods": "0"}}})
    cluster.settle()
    servers.start(SPEC)
    becomes(BACKOFF, hint="exceeded quota: team, requested: pods=1")


def test_a_quota_of_secrets(cluster, servers):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": NAMESPACE},
    }
    cluster.create(quota | {"spec": {"hard": {"secrets": "0"}}})
    cluster.settle()
    with pytest.raises(
        ServerError, match="The quota of the namespace is used up: team, requested: secrets=1"
    ):
        servers.start(SPEC)


def test_a_volume_that_no_one_makes(cluster, servers, becomes):
    cluster.faults.storage = "out of space"
    servers.start(SPEC)
    becomes(STARTING, hint="The volume is not there: ")
    assert "out of space" in servers.state(SPEC).hint
    cluster.faults.clear()
    becomes(RUNNING)


def test_a_node_that_is_lost(cluster, servers, becomes):
    servers.start(SPEC)
    becomes(RUNNING)
    cluster.lose_node("node-1")
    becomes(STARTING)
    cluster.add_node("node-2")
    cluster.lose_node("node-1", evict=True)
    eventually(lambda: servers.state(SPEC).place.endswith(" on node-2"))
    becomes(RUNNING)


def test_refusals(cluster, servers):
    cluster.faults.deny("deployments", "only our own images")
    with pytest.raises(
        ServerError, match="A rule of the cluster refused it: policy.example.org: only our own"
    ):
        servers.start(SPEC)
    cluster.faults.clear()
    cluster.faults.forbid("create", "secrets")
    cluster.faults.forbid("patch", "secrets")
    with pytest.raises(ServerError, match="ZenPro may not do this in the cluster: .*secrets"):
        servers.start(SPEC)
    assert words_of(missing(servers.cluster, needed())) == "secrets (create, patch)"
    cluster.faults.clear()
    cluster.faults.no_credentials = True
    with pytest.raises(ServerError, match="does not accept ZenPro's credentials"):
        servers.start(SPEC)


def test_a_namespace_that_is_not_there(cluster, servers):
    elsewhere = ClusterServers(
        Cluster(servers.cluster.kubeconfig, "nowhere"), replace(PLACE, namespace="nowhere")
    )
    with pytest.raises(ServerError, match='namespaces "nowhere" not found'):
        elsewhere.start(SPEC)


def test_a_cluster_that_is_gone_and_comes_back(cluster, servers, becomes):
    servers.start(SPEC)
    becomes(RUNNING)
    cluster.refuse()
    for ask in (lambda: servers.state(SPEC), lambda: servers.end_orphans([]), lambda: servers.start(SPEC)):
        with pytest.raises(SupervisorGone, match="The cluster does not answer"):
            ask()
    cluster.listen()
    becomes(RUNNING)


def test_someone_elses_secret_stays_as_it_is(cluster, servers):
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": NAMESPACE}}
    before = cluster.create(theirs | {"data": {"a": "Yg=="}})
    with pytest.raises(ServerError, match="a Secret"):
        servers.start(SPEC)
    servers.retire(TENANT_ID)
    assert cluster.get("Secret", NAME, NAMESPACE) == before
    assert cluster.list("Deployment", NAMESPACE, labels=TENANT) == []


def test_what_the_cluster_did_is_told(cluster, servers, becomes):
    cluster.faults.storage = "out of space"
    servers.start(SPEC)
    becomes(STARTING, hint="out of space")
    assert "ProvisioningFailed" in {one.reason for one in servers.events(TENANT_ID)}
