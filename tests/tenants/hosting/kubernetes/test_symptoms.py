"""Every row of the failure table: what the cluster shows, and the state and sentence that follow."""

from datetime import timedelta
from uuid import uuid4

import pytest

from tenants.hosting.base import ServerState, ServerStatus
from tenants.hosting.kubernetes.naming import CHANGING_TO, VERSION
from tenants.hosting.kubernetes.symptoms import (
    SENTENCE,
    Sight,
    changes_to,
    crashed,
    last_of,
    log_lines,
    migration_state,
    newest_events,
    state_of,
)

from .made import (
    AVAILABLE,
    NAME,
    NOW,
    ROLLED_OUT,
    TENANT_ID,
    TOO_LATE,
    ago,
    claim,
    condition,
    deployment,
    ended,
    event,
    pod,
    running,
    stranger,
    waiting,
)

ABSENT, STARTING, RUNNING, BACKOFF, FATAL, STOPPED = (
    ServerStatus(word) for word in ("absent", "starting", "running", "backoff", "fatal", "stopped")
)
QUOTA = 'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=9, limited: pods=9'
PENDING = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
NO_DISK = event(
    "ProvisioningFailed", 'storageclass "fast" not found', kind="PersistentVolumeClaim", name=NAME
)


def seen(shown=None, *pods, **more) -> ServerState:
    shown = deployment() if shown is None else shown
    return state_of(Sight(tenant_id=TENANT_ID, deployment=shown, pods=list(pods), **more), NOW)


CRASH = {"state": waiting("CrashLoopBackOff"), "lastState": ended(1), "restartCount": 4}
ROWS = {
    "the image cannot be pulled": (
        [pod(state=waiting("ImagePullBackOff"), image="missing/zenml:9")],
        BACKOFF,
        "The image missing/zenml:9 cannot be pulled.",
    ),
    "the image was refused just now": (
        [pod(state=waiting("ErrImagePull"), image="missing/zenml:9")],
        BACKOFF,
        "The image missing/zenml:9 cannot be pulled.",
    ),
    "the image has no name": (
        [pod(state=waiting("InvalidImageName"), image="a b")],
        BACKOFF,
        "The image a b cannot be pulled.",
    ),
    "the server crashes": ([pod(**CRASH)], BACKOFF, "The server ends again and again (exit 1): no database"),
    "the server crashed just now": (
        [pod(state=ended(3))],
        BACKOFF,
        "The server ended (exit 3): no database",
    ),
    "no memory": (
        [pod(state=waiting("CrashLoopBackOff"), lastState=ended(137, "OOMKilled"))],
        BACKOFF,
        "It ran out of memory.",
    ),
    "no container": (
        [pod(state=waiting("CreateContainerConfigError", f'secret "{NAME}" not found'))],
        BACKOFF,
        f'The container cannot be made: secret "{NAME}" not found',
    ),
    "no room": (
        [pod(PENDING)],
        BACKOFF,
        "No node has room: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    "the node does not answer": (
        [pod(condition("Ready", "Unknown", "NodeStatusUnknown"), state=running())],
        STARTING,
        "A node is gone; the pod moves to another one.",
    ),
    "the node is emptied": (
        [pod(condition("DisruptionTarget", "True", "DeletionByTaintManager"), state=running())],
        STARTING,
        "A node is gone; the pod moves to another one.",
    ),
    "the container is being made": ([pod(state=waiting("ContainerCreating"))], STARTING, ""),
    "the server does not answer yet": ([pod(state=running(5))], STARTING, ""),
    "no pod yet": ([], STARTING, ""),
}


@pytest.mark.parametrize("row", ROWS)
def test_what_a_pod_shows(row):
    pods, status, sentence = ROWS[row]
    state = seen(None, *pods, last_line="no database")
    assert (state.status, state.hint) == (status, sentence)


def test_a_pod_that_no_one_may_make():
    state = seen(deployment(condition("ReplicaFailure", "True", "FailedCreate", QUOTA)))
    assert (state.status, state.hint) == (BACKOFF, QUOTA)


@pytest.mark.parametrize(
    ("age", "events", "status", "sentence"),
    [
        (10, [], STARTING, ""),
        (10, [NO_DISK], STARTING, 'The volume is not there: storageclass "fast" not found'),
        (61, [NO_DISK], BACKOFF, 'The volume is not there: storageclass "fast" not found'),
        (61, [], BACKOFF, "The volume is not there: nothing provides it."),
    ],
)
def test_a_volume_that_is_not_there(age, events, status, sentence):
    waits = pod(condition("PodScheduled", "False", "Unschedulable", "unbound claims")) if sentence else pod()
    state = seen(None, waits, claim=claim(age=age), events=events)
    assert (state.status, state.hint) == (status, sentence)
    assert seen(None, claim=claim("Bound", age), events=events).hint == ""


def test_a_rollout_that_hangs_is_over_with_the_reason_found_last():
    late = deployment(TOO_LATE)
    assert seen(late) == ServerState(FATAL, hint="The server did not become ready in time.")
    assert seen(late, pod(PENDING)).status == FATAL
    assert seen(late, pod(PENDING)).hint.startswith("No node has room: 0/3 nodes")


def test_it_runs_when_the_rollout_of_what_was_asked_for_is_over():
    one = pod(state=running(90), name="zenml-a") | {"spec": {"nodeName": "node-2"}}
    state = seen(deployment(AVAILABLE, ROLLED_OUT), one)
    assert state == ServerState(RUNNING, uptime=90, place="Pod zenml-a on node-2")


@pytest.mark.parametrize(
    "shown",
    [
        deployment(AVAILABLE, ROLLED_OUT, generation=3),
        deployment(AVAILABLE, condition("Progressing", "True", "ReplicaSetUpdated")),
        deployment(ROLLED_OUT),
    ],
    ids=["not seen by the cluster", "another pod is made", "not available"],
)
def test_an_old_pod_does_not_pass_for_the_new_one(shown):
    assert seen(shown, pod(state=running())).status == STARTING


def test_nothing_there_stopped_and_someone_elses():
    assert state_of(Sight(tenant_id=TENANT_ID, deployment=None), NOW) == ServerState(ABSENT)
    assert seen(deployment(AVAILABLE, ROLLED_OUT, replicas=0)).status == STOPPED
    for shown in (stranger(), deployment(AVAILABLE, ROLLED_OUT)):
        state = state_of(Sight(tenant_id=uuid4(), deployment=shown), NOW)
        assert state.status == FATAL and "that is not this tenant's" in state.hint


def test_only_the_newest_pod_counts():
    old, new = pod(age=300, **CRASH), pod(age=5, state=running(4))
    assert seen(None, old, new).hint == "" and crashed([old, new]) == ""
    assert crashed([old]) == old["metadata"]["name"]


def test_a_pod_that_is_ending_counts_only_when_there_is_no_other():
    ending, other = pod(age=5, **CRASH), pod(age=5, state=running(4), name="other")
    ending["metadata"]["deletionTimestamp"] = ago(1)
    assert seen(None, ending, other).place == "Pod other" and crashed([ending, other]) == ""
    assert crashed([ending]) == ending["metadata"]["name"]


@pytest.mark.parametrize(
    ("conditions", "status", "sentence"),
    [
        ([], STARTING, "The database is being brought to 0.99.0."),
        (
            [condition("Failed", "True", "BackoffLimitExceeded", "Job has reached it")],
            FATAL,
            "The database could not be brought to 0.99.0: no such revision",
        ),
    ],
)
def test_a_migration_that_is_not_done(conditions, status, sentence):
    state = migration_state({"status": {"conditions": conditions}}, "0.99.0", " no such  revision ")
    assert (state.status, state.hint) == (status, sentence)


def test_a_migration_that_is_done():
    assert migration_state({"status": {"conditions": [condition("Complete", "True")]}}, "0.99.0") is None


def test_a_change_of_version_is_over_when_the_server_runs_it():
    shown = deployment()
    assert changes_to(shown) == ""
    shown["metadata"]["annotations"] = {VERSION: "0.98.0", CHANGING_TO: "0.99.0"}
    assert changes_to(shown) == "0.99.0"
    shown["metadata"]["annotations"] = {VERSION: "0.99.0", CHANGING_TO: "0.99.0"}
    assert changes_to(shown) == ""


def test_events_are_told_newest_first():
    found = newest_events([event("Pulling", "a", age=9), event("Failed", "b", age=2), {}])
    assert [(one.reason, one.message) for one in found] == [("Failed", "b"), ("Pulling", "a"), ("", "")]
    assert found[0].at == NOW - timedelta(seconds=2)


HOSTILE = [None, 7, "word", [], {}, [[]], {"a": {}}, "\x00\x1b[31m" * 9, "9" * 100_000, float("nan")]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: f"{type(value).__name__} {str(value)[:9]!r}")
def test_a_cluster_may_show_anything(value):
    shown = deployment(condition("ReplicaFailure", "True", value, value))
    for place in ("spec", "status", "metadata"):
        seen({**shown, place: value}, pod(state=value), {**pod(), place: value})
    container = {"state": {"waiting": value, "terminated": value}, "lastState": value, "image": value}
    one = pod(condition("Ready", value), **container, restartCount=value)
    broken = {"status": {"containerStatuses": value, "conditions": value}, "metadata": {"name": value}}
    state = seen(None, broken, one, claim={"status": value}, events=[{"involvedObject": value}])
    assert state.hint.isprintable() and len(state.hint) <= SENTENCE + 100
    assert seen(shown).hint.isprintable() and len(seen(shown).hint) <= SENTENCE + 100


def test_long_words_become_short_and_many_lines_one():
    long = pod(state=waiting("CreateContainerConfigError", "so\n\tit is " * 1000))
    assert seen(None, long).hint.startswith("The container cannot be made: so it is so it is")
    assert len(seen(None, long).hint) == len("The container cannot be made: ") + SENTENCE


def test_of_a_log_the_last_lines_are_read():
    assert log_lines("one\ntwo\nthree\n", 2) == ["two", "three"] and log_lines("one", 0) == []
    assert last_of(["one", "two", " "]) == "two" and last_of([]) == ""
    assert ago(0) == "2026-05-04T12:00:00Z"
