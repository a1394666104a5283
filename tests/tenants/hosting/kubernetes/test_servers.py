"""What is asked of a cluster, step by step: each call does the next thing, and may be made again."""

from dataclasses import replace
from uuid import uuid4

import pytest

from tenants.hosting.base import NotYet, ServerError, ServerStatus, SupervisorGone
from tenants.hosting.kubernetes import servers as module
from tenants.hosting.kubernetes.naming import INSTALLATION, RESTARTED, VERSION, labels_of, name_of
from tenants.hosting.kubernetes.servers import ClusterServers

from .clusters import ClusterStandIn, DatabasesStandIn
from .made import (
    NAME,
    NOW,
    ON_SERVER,
    PLACE,
    SPEC,
    TENANT_ID,
    TOO_LATE,
    claim,
    condition,
    ended,
    event,
    stranger,
    waiting,
)

NEXT = replace(SPEC, version="0.99.0")
JOB = f"{NAME}-migrate-0-99-0"


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    monkeypatch.setattr(module, "now", lambda: NOW)


@pytest.fixture
def cluster():
    return ClusterStandIn()


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def databases():
    return DatabasesStandIn()


@pytest.fixture
def servers(cluster, clock, databases):
    return ClusterServers(cluster, PLACE, lambda: clock[0], databases)


@pytest.fixture
def look(servers, clock):
    """Its state, however short a time ago it was asked for."""

    def look(spec=SPEC):
        clock[0] += 10
        return servers.state(spec)

    return look


def kinds(cluster, did: str) -> list[str]:
    return [kind for done, kind, _ in cluster.changes if done == did]


def test_a_start_makes_everything_and_another_one_the_same(cluster, servers, look):
    assert look().status == ServerStatus.ABSENT
    servers.start(SPEC)
    made = [
        "ServiceAccount",
        "Secret",
        "Service",
        "NetworkPolicy",
        "Ingress",
        "PersistentVolumeClaim",
        "Deployment",
    ]
    assert kinds(cluster, "apply") == made and look().status == ServerStatus.STARTING
    before = {key: dict(value) for key, value in cluster.objects.items()}
    servers.start(SPEC)
    assert cluster.objects == before and kinds(cluster, "apply").count("PersistentVolumeClaim") == 1


def test_it_runs_once_its_pod_does(cluster, servers, look):
    servers.start(SPEC)
    cluster.run(NAME)
    state = look()
    assert (state.status, state.uptime, state.place) == (ServerStatus.RUNNING, 60, f"Pod {NAME}-1")


def test_a_restart_makes_other_pods_once(cluster, servers):
    servers.start(SPEC, "noon")
    servers.start(SPEC, "noon")
    template = cluster.objects["Deployment", NAME]["spec"]["template"]
    assert template["metadata"]["annotations"][RESTARTED] == "noon"


@pytest.mark.parametrize("kind", ["Deployment", "Secret", "PersistentVolumeClaim", "Ingress"])
def test_someone_elses_object_is_never_touched(cluster, servers, kind):
    cluster.put(kind, stranger(kind))
    with pytest.raises(ServerError, match=f"a {kind} {NAME} that is not this tenant's"):
        servers.start(SPEC)
    servers.stop(TENANT_ID)
    servers.retire(TENANT_ID)
    assert cluster.changes == [] and servers.end_orphans([]) == [] and not servers.has_data(TENANT_ID)


def test_someone_elses_deployment_is_no_server_of_ours(cluster, look):
    cluster.put("Deployment", stranger())
    assert look().status == ServerStatus.FATAL


def test_a_stop_is_over_when_the_pod_is_gone(cluster, servers, look):
    servers.stop(TENANT_ID)
    servers.start(SPEC)
    cluster.run(NAME)
    for _ in range(2):
        with pytest.raises(NotYet):
            servers.stop(TENANT_ID)
    cluster.end_pods(NAME)
    servers.stop(TENANT_ID)
    assert kinds(cluster, "patch") == ["Deployment"] and look().status == ServerStatus.STOPPED
    assert servers.has_data(TENANT_ID)


def test_what_is_over_is_no_pod_to_wait_for(cluster, servers):
    servers.start(SPEC)
    cluster.run(NAME)["status"]["phase"] = "Failed"
    servers.stop(TENANT_ID)
    assert cluster.objects["Deployment", NAME]["spec"]["replicas"] == 0


def test_its_volume_is_removed_last_and_only_what_is_its_own(cluster, servers):
    other = replace(SPEC, tenant_id=uuid4())
    for spec in (SPEC, other):
        servers.start(spec)
    servers.retire(TENANT_ID)
    assert kinds(cluster, "delete")[0] == "Deployment"
    assert kinds(cluster, "delete")[-1] == "PersistentVolumeClaim"
    assert servers.is_gone(TENANT_ID) and {name for _, name in cluster.objects} == {name_of(other.tenant_id)}


def test_what_is_being_removed_is_waited_for(cluster, servers, monkeypatch):
    servers.start(SPEC)
    cluster.objects["PersistentVolumeClaim", NAME]["metadata"]["deletionTimestamp"] = "2026-05-04T11:59:00Z"
    with pytest.raises(NotYet):
        servers.retire(TENANT_ID)
    assert "PersistentVolumeClaim" not in kinds(cluster, "delete") and not servers.is_gone(TENANT_ID)


def test_servers_of_no_tenant_are_stopped_but_not_those_of_another_zenpro(cluster, servers):
    servers.start(SPEC)
    theirs = labels_of(uuid4(), "another")
    cluster.put("Deployment", {"metadata": {"name": "theirs", "labels": theirs}, "spec": {"replicas": 1}})
    assert servers.end_orphans([TENANT_ID]) == []
    assert servers.end_orphans([]) == [NAME] and servers.end_orphans([]) == []
    assert cluster.objects["Deployment", "theirs"]["spec"]["replicas"] == 1
    assert theirs[INSTALLATION] != PLACE.installation


# -- another version


def test_another_version_begins_once_the_old_server_is_gone_and_its_database_is_changed(
    cluster, servers, look
):
    servers.start(SPEC)
    cluster.run(NAME)
    servers.start(NEXT)
    assert (
        look(NEXT).hint == "The server of the old version is ending." and ("Job", JOB) not in cluster.objects
    )
    cluster.end_pods(NAME)
    for _ in range(2):
        assert look(NEXT).hint == "The database is being brought to 0.99.0."
    assert kinds(cluster, "apply").count("Job") == 1
    cluster.objects["Job", JOB]["status"] = {"conditions": [condition("Complete", "True")]}
    assert look(NEXT).status == ServerStatus.STARTING
    found = cluster.objects["Deployment", NAME]
    assert found["metadata"]["annotations"][VERSION] == "0.99.0" and found["spec"]["replicas"] == 1
    cluster.run(NAME)
    assert look(NEXT).status == ServerStatus.RUNNING


@pytest.fixture
def failed(cluster, servers, look):
    """A migration that failed."""
    servers.start(SPEC)
    servers.start(NEXT)
    look(NEXT)
    cluster.objects["Job", JOB]["status"] = {"conditions": [condition("Failed", "True")]}
    labels = cluster.objects["Job", JOB]["metadata"]["labels"]
    cluster.put("Pod", {"metadata": {"name": "m", "labels": labels}, "status": {"phase": "Failed"}})
    cluster.logs["m", "migrate", False] = ["Running", "Can't locate revision 7"]
    return cluster


def test_a_migration_that_failed_keeps_the_server_down_until_someone_tries_again(failed, servers, look):
    for _ in range(2):
        state = look(NEXT)
        assert state.status == ServerStatus.FATAL
        assert state.hint == "The database could not be brought to 0.99.0: Can't locate revision 7"
    assert servers.log(TENANT_ID, 1) == ["Can't locate revision 7"]
    servers.start(NEXT)
    assert ("Job", JOB) not in failed.objects
    assert look(NEXT).status == ServerStatus.STARTING and ("Job", JOB) in failed.objects


def test_the_error_is_told_and_not_what_is_written_below_it(failed, look):
    said = [
        "RuntimeError: (1050, 'Table exists')",
        "[SQL: CREATE TABLE t]",
        "(Background on this error at: …)",
    ]
    failed.logs["m", "migrate", False] = said
    assert look(NEXT).hint.endswith("brought to 0.99.0: RuntimeError: (1050, 'Table exists')")


def test_after_a_migration_that_failed_the_old_version_can_be_had_back(failed, servers, look):
    servers.start(SPEC)
    assert failed.objects["Deployment", NAME]["spec"]["replicas"] == 1
    assert look(SPEC).status == ServerStatus.STARTING and look(SPEC).hint == ""


def test_someone_elses_migration_is_not_waited_for(cluster, servers, look):
    servers.start(SPEC)
    cluster.put("Job", stranger("Job") | {"metadata": {"name": JOB}})
    with pytest.raises(ServerError, match="a Job"):
        servers.start(NEXT)


LATER = replace(SPEC, version="0.99.1")


@pytest.fixture
def migrating(cluster, servers, look):
    """migrating(phase): a migration whose pod is in this phase, while another version is asked for."""

    def begin(phase: str) -> None:
        servers.start(SPEC)
        servers.start(NEXT)
        look(NEXT)
        labels = cluster.objects["Job", JOB]["metadata"]["labels"]
        cluster.put("Pod", {"metadata": {"name": "m", "labels": labels}, "status": {"phase": phase}})
        servers.start(LATER)

    return begin


def test_two_migrations_never_work_on_one_database(cluster, look, migrating):
    migrating("Running")
    for _ in range(2):
        state = look(LATER)
        assert (state.status, state.hint) == (
            ServerStatus.STARTING,
            "A migration to another version is ending.",
        )
    assert [name for kind, name in cluster.objects if kind == "Job"] == [JOB]
    cluster.objects["Pod", "m"]["status"] = {"phase": "Succeeded"}
    complete(cluster, "0-99-0")
    assert look(LATER).hint == "The database is being brought to 0.99.1."


def test_a_migration_that_never_began_makes_way_for_another(cluster, look, migrating):
    """As when there is no image of its version."""
    migrating("Pending")
    assert look(LATER).hint == "A migration to another version is ending."
    assert ("Job", JOB) not in cluster.objects
    assert look(LATER).hint == "A migration to another version is ending."
    del cluster.objects["Pod", "m"]
    assert look(LATER).hint == "The database is being brought to 0.99.1."


# -- a database on a server


def complete(cluster, version="0-98-0") -> None:
    job = cluster.objects["Job", f"{NAME}-migrate-{version}"]
    job["status"] = {"conditions": [condition("Complete", "True")]}


def test_a_database_on_a_server_is_made_and_migrated_before_its_server_begins(
    cluster, servers, look, databases
):
    servers.start(ON_SERVER)
    assert cluster.objects["Deployment", NAME]["spec"]["replicas"] == 0
    assert ("PersistentVolumeClaim", NAME) not in cluster.objects
    for _ in range(2):
        assert look(ON_SERVER).hint == "The database is being brought to 0.98.0."
    complete(cluster)
    assert look(ON_SERVER).status == ServerStatus.STARTING
    assert cluster.objects["Deployment", NAME]["spec"]["replicas"] == 1
    assert databases.asked == [("prepare", "a-password"), ("open_copy", "0.98.0"), ("close_copies",)]
    cluster.run(NAME)
    servers.start(ON_SERVER)
    assert look(ON_SERVER).status == ServerStatus.RUNNING and kinds(cluster, "apply").count("Job") == 1


def test_a_first_migration_that_failed_is_tried_again(cluster, servers, look):
    servers.start(ON_SERVER)
    look(ON_SERVER)
    job = cluster.objects["Job", f"{NAME}-migrate-0-98-0"]
    job["status"] = {"conditions": [condition("Failed", "True")]}
    assert look(ON_SERVER).status == ServerStatus.FATAL
    servers.start(ON_SERVER)
    assert look(ON_SERVER).status == ServerStatus.STARTING and kinds(cluster, "apply").count("Job") == 2
    assert cluster.objects["Deployment", NAME]["spec"]["replicas"] == 0


def test_its_copy_is_open_only_while_another_version_is_made(cluster, servers, look, databases):
    following = replace(ON_SERVER, version="0.99.0")
    servers.start(ON_SERVER)
    look(ON_SERVER)
    complete(cluster)
    look(ON_SERVER)
    databases.asked.clear()
    servers.start(following)
    look(following)
    assert databases.asked == [("prepare", "a-password"), ("open_copy", "0.99.0")]
    complete(cluster, "0-99-0")
    look(following)
    assert databases.asked[2:] == [("close_copies",)]
    assert cluster.objects["Deployment", NAME]["metadata"]["annotations"][VERSION] == "0.99.0"


def test_a_database_server_that_does_not_answer_stops_what_needs_it_and_no_tenant_with_a_volume(
    cluster, servers, look, databases
):
    databases.fails = SupervisorGone("The database server does not answer: late")
    servers.start(SPEC)
    assert look().status == ServerStatus.STARTING and databases.asked == []
    with pytest.raises(SupervisorGone, match="database server"):
        servers.start(replace(ON_SERVER))


def test_without_its_database_server_it_waits(cluster):
    with pytest.raises(SupervisorGone, match="ZENPRO_KUBERNETES_DATABASE is not set"):
        ClusterServers(cluster, PLACE).start(ON_SERVER)


# -- what is seen of it


def crash(cluster, **more) -> None:
    found = cluster.run(NAME)
    cluster.objects["Deployment", NAME]["status"] = {}
    container = {"name": "zenml", "state": waiting("CrashLoopBackOff"), "lastState": ended(1)}
    found["status"]["containerStatuses"] = [container | more]


def test_a_crash_is_told_with_the_last_line_of_the_container_before(cluster, servers, look):
    servers.start(SPEC)
    crash(cluster)
    cluster.logs[f"{NAME}-1", "zenml", True] = ["Starting", "ValueError: no database", ""]
    assert look().hint == "The server ends again and again (exit 1): ValueError: no database"
    assert servers.log(TENANT_ID, 2) == ["ValueError: no database", ""]
    assert servers.explain_failure(SPEC) == "ValueError: no database"
    cluster.fails["log"] = SupervisorGone("late")
    assert look().hint == "The server ends again and again (exit 1)."


def test_what_may_pass_is_no_failure_yet(cluster, servers, look):
    servers.start(SPEC)
    crash(cluster, state=waiting("ErrImagePull"), image="zenmldocker/zenml-server:0.98.0", lastState={})
    state = look()
    assert state.status == ServerStatus.BACKOFF and "cannot be pulled" in state.hint
    assert servers.explain_failure(SPEC) == ""
    cluster.objects["Deployment", NAME]["status"] = {"conditions": [TOO_LATE]}
    assert servers.explain_failure(SPEC) == state.hint and look().status == ServerStatus.FATAL


def test_a_volume_is_asked_for_only_while_it_may_be_missing(cluster, servers, look):
    servers.start(SPEC)
    late = claim(age=90) | {"metadata": cluster.objects["PersistentVolumeClaim", NAME]["metadata"]}
    late["metadata"]["creationTimestamp"] = claim(age=90)["metadata"]["creationTimestamp"]
    cluster.put("PersistentVolumeClaim", late)
    words = event("ProvisioningFailed", "no class", kind="PersistentVolumeClaim")
    cluster.put("Event", words | {"metadata": {"name": "e"}})
    assert look().hint == "The volume is not there: no class"
    cluster.run(NAME)
    cluster.asked.clear()
    assert look().hint == "" and cluster.asked.count("get") == 2


def test_within_a_second_the_cluster_is_asked_once(cluster, servers, clock):
    servers.start(SPEC)
    first = servers.state(SPEC)
    cluster.fails["get"] = SupervisorGone("gone")
    assert servers.state(SPEC) is first
    clock[0] += 1
    with pytest.raises(SupervisorGone):
        servers.state(SPEC)


def test_events_of_its_objects_are_told_and_no_others(cluster, servers):
    servers.start(SPEC)
    cluster.run(NAME)
    for name, about in (("a", NAME), ("b", f"{NAME}-1"), ("c", "another")):
        cluster.put("Event", event("Pulled", name, name=about) | {"metadata": {"name": name}})
    assert {one.message for one in servers.events(TENANT_ID)} == {"a", "b"}
