"""The cluster says what real ones said: recorded.json."""

import json
import re
from pathlib import Path

import pytest

from .asking import APPLY, MERGE, ask, watching
from .images import Missing, Pretends
from .made import deployment, job, plain, pod
from .owning import condition

RECORDED = {
    name: said
    for name, said in json.loads(Path(__file__).with_name("recorded.json").read_text()).items()
    if name
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SECRETS = "/api/v1/namespaces/default/secrets"
PODS = "/api/v1/namespaces/default/pods"


def patched(cluster, kind, way="two") -> tuple[int, dict]:
    """An apply over what another manager changed."""
    cluster.images["*"] = Pretends()
    ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", deployment(replicas=1), APPLY, fieldManager="zenpro")
    spec: dict = {"replicas": 3}
    if way == "two":
        spec["template"] = {"spec": {"containers": [{"name": "main", "image": "web:3"}]}}
    ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", {"spec": spec}, kind, fieldManager="kubectl-patch")
    return ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", deployment(replicas=1), APPLY, fieldManager="zenpro")


def over_an_applier(cluster):
    ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", deployment(replicas=2), APPLY, fieldManager="helm")
    return ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", deployment(replicas=1), APPLY, fieldManager="zenpro")


def with_old_version(cluster):
    old = cluster.create(deployment())
    cluster.change("Deployment", "web", lambda obj: {**obj, "metadata": {**obj["metadata"], "labels": {}}})
    return ask(cluster, "PUT", f"{DEPLOYMENTS}/web", old)


def with_another_selector(cluster):
    old = cluster.create(deployment())
    spec = {**old["spec"], "selector": {"matchLabels": {"app": "other"}}}
    return ask(cluster, "PATCH", f"{DEPLOYMENTS}/web", {"spec": spec}, MERGE)


def forbidden(cluster, verb, resource, method, path, body=None):
    cluster.faults.forbid(verb, resource)
    return ask(cluster, method, path, body)


def denied(cluster, *said):
    cluster.faults.deny("deployments", *said)
    return ask(cluster, "POST", DEPLOYMENTS, deployment())


def without_credentials(cluster):
    cluster.faults.no_credentials = True
    return ask(cluster, "GET", PODS)


def of_secrets(cluster):
    cluster.create(plain("ResourceQuota", "team", spec={"hard": {"secrets": "1"}}))
    cluster.create(plain("Secret", "first"))
    return ask(cluster, "POST", SECRETS, plain("Secret", "keys"))


def of_memory(cluster, resources):
    hard = {"requests.memory": "256Mi"} | ({"limits.memory": "1Gi"} if resources else {})
    cluster.create(plain("ResourceQuota", "team", spec={"hard": hard}))
    cluster.create(deployment(container={"resources": resources}))
    cluster.until(lambda: condition(cluster.get("Deployment", "web"), "ReplicaFailure"))
    return condition(cluster.get("Deployment", "web"), "ReplicaFailure")


def in_an_ending_namespace(cluster):
    held = plain("ConfigMap", "held", "going")
    held["metadata"]["finalizers"] = ["example.org/held"]
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}})
    cluster.create(held)
    cluster.delete("Namespace", "going")
    return ask(cluster, "POST", "/api/v1/namespaces/going/secrets", plain("Secret", "keys", "going"))


def waiting(cluster, one, reason):
    """What the kubelet says of the container."""
    cluster.create(one)

    def found():
        statuses = cluster.get("Pod", "one")["status"].get("containerStatuses") or [{"state": {}}]
        said = statuses[0]["state"].get("waiting", {})
        return said if said.get("reason") == reason else None

    return cluster.until(found)


def missing(cluster):
    cluster.images["missing/*"] = Missing()
    return waiting(cluster, pod(image="missing/web:9"), "ImagePullBackOff")


def with_variables(cluster, *sources):
    return waiting(cluster, pod(container={"env": list(sources)}), "CreateContainerConfigError")


def crashing(cluster, times):
    cluster.images["web:1"] = Pretends(ends=1)
    said = waiting(cluster, pod(), "CrashLoopBackOff")
    for _ in range(times):
        cluster.pass_time(301)
        seen = said["message"]
        said = cluster.until(lambda seen=seen: next_one(cluster, seen))
    return said


def next_one(cluster, seen):
    state = cluster.get("Pod", "one")["status"]["containerStatuses"][0]["state"]
    return state["waiting"] if state.get("waiting", {}).get("message", seen) != seen else None


def log_of(cluster, one, ready, **query):
    cluster.create(one)
    cluster.until(lambda: ready(cluster.get("Pod", "one")["status"]))
    return ask(cluster, "GET", f"{PODS}/one/log", **query)


def log_of_mount(cluster):
    volumes = [{"name": "keys", "secret": {"secretName": "none"}}]
    return log_of(cluster, pod(volumes=volumes), lambda status: status.get("containerStatuses"))


def log_of_missing(cluster):
    missing(cluster)
    return ask(cluster, "GET", f"{PODS}/one/log")


def log_of_two(cluster):
    both = [{"name": name, "image": "web:1"} for name in ("main", "side")]
    return log_of(
        cluster, {**pod(), "spec": {"containers": both}}, lambda status: status["phase"] == "Running"
    )


def unschedulable(cluster, **spec):
    cluster.create(pod(**spec))
    return cluster.until(lambda: condition(cluster.get("Pod", "one"), "PodScheduled"))


def claim(**spec):
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return plain("PersistentVolumeClaim", "data", spec=wanted)


def unbound(cluster):
    cluster.faults.storage = "out of space"
    cluster.create(claim())
    return unschedulable(cluster, volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])


def provisioning(cluster, fault, **spec):
    cluster.faults.storage = fault
    cluster.create(claim(**spec))
    events = cluster.until(
        lambda: [one for one in cluster.list("Event") if one["involvedObject"]["name"] == "data"]
    )
    assert cluster.get("PersistentVolumeClaim", "data")["status"]["phase"] == "Pending"
    return events[0]


def rollout(cluster, reason, seconds):
    cluster.images["web:1"] = Pretends(ready=not seconds)
    cluster.create(deployment())
    cluster.until(lambda: cluster.list("Pod"))
    cluster.pass_time(seconds)

    def found():
        said = condition(cluster.get("Deployment", "web"), "Progressing")
        return said if said.get("reason") == reason else None

    return cluster.until(found)


def failed_job(cluster, image=None, seconds=0, **spec):
    cluster.images["task:1"] = image or Pretends(ends=1)
    cluster.create(job(**spec))
    cluster.until(lambda: cluster.list("Pod"))
    cluster.pass_time(seconds)
    return cluster.until(lambda: condition(cluster.get("Job", "task"), "Failed"))


def too_old(cluster):
    cluster.create(plain("Secret", "keys"))
    cluster.store.forget()
    with watching(cluster, SECRETS, resourceVersion=1) as news:
        kind, status = next(news)
    assert kind == "ERROR"
    return 200, status


TOO_MUCH = {"requests": {"cpu": "9"}}
BIG = {"requests": {"memory": "512Mi"}, "limits": {"memory": "2Gi"}}
SITUATIONS = {
    "not found": lambda c: ask(c, "GET", f"{DEPLOYMENTS}/web"),
    "namespace not found": lambda c: ask(c, "POST", "/api/v1/namespaces/nowhere/secrets", plain("Secret", "keys")),
    "no such kind": lambda c: ask(c, "GET", "/apis/example.org/v1/things"),
    "exists": lambda c: [ask(c, "POST", SECRETS, plain("Secret", "keys")) for _ in range(2)][1],
    "modified": with_old_version,
    "one conflict": lambda c: patched(c, MERGE, "one"),
    "two conflicts": lambda c: patched(c, "application/strategic-merge-patch+json"),
    "conflict with an applier": over_an_applier,
    "selector changed": with_another_selector,
    "role forbids": lambda c: forbidden(c, "create", "deployments", "POST", DEPLOYMENTS, deployment()),
    "role forbids a name": lambda c: forbidden(c, "get", "secrets", "GET", f"{SECRETS}/keys"),
    "role forbids logs": lambda c: forbidden(c, "get", "pods/log", "GET", f"{PODS}/one/log"),
    "role forbids in the cluster": lambda c: forbidden(c, "list", "namespaces", "GET", "/api/v1/namespaces"),
    "unauthorized": without_credentials,
    "webhook": lambda c: denied(c, "images need a digest"),
    "gatekeeper": lambda c: denied(c, "[no-latest] images need a digest", "validation.gatekeeper.sh", 403),
    "quota": of_secrets,
    "quota of pods": lambda c: of_memory(c, BIG),
    "quota needs requests": lambda c: of_memory(c, {}),
    "terminating": in_an_ending_namespace,
    "log of a container that is made": log_of_mount,
    "log of an image that is missing": log_of_missing,
    "log of an end before": lambda c: log_of(c, pod(), lambda status: status["phase"] == "Running", previous="true"),
    "log of which container": log_of_two,
    "image is missing": missing,
    "image is misspelt": lambda c: waiting(c, pod(image=":1"), "InvalidImageName"),
    "secret is missing": lambda c: with_variables(c, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "A"}}}),
    "config map is missing": lambda c: with_variables(c, {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "A"}}}),
    "key is missing": lambda c: [
        c.create(plain("Secret", "keys")),
        with_variables(c, {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}}),
    ][1],
    "it ends again and again": lambda c: crashing(c, 0),
    "it ends for a long time": lambda c: crashing(c, 5),
    "no processor left": lambda c: unschedulable(c, containers=[{"name": "main", "image": "web:1", "resources": TOO_MUCH}]),
    "no node of that label": lambda c: unschedulable(c, nodeSelector={"gpu": "yes"}),
    "claim is not bound": unbound,
    "storage class is missing": lambda c: provisioning(c, "", storageClassName="fast"),
    "storage fails": lambda c: provisioning(c, "out of space"),
    "rollout is late": lambda c: rollout(c, "ProgressDeadlineExceeded", 601),
    "rollout has ended": lambda c: rollout(c, "NewReplicaSetAvailable", 0),
    "job has failed": lambda c: failed_job(c, backoffLimit=0),
    "job has taken too long": lambda c: failed_job(c, Pretends(), 61, activeDeadlineSeconds=60),
    "too old": too_old,
}  # fmt: skip


def test_every_record_has_its_situation():
    assert RECORDED.keys() == SITUATIONS.keys()


@pytest.mark.parametrize("name", SITUATIONS)
def test_it_says_what_was_recorded(cluster, name):
    said, wanted = SITUATIONS[name](cluster), RECORDED[name]
    status = said[1] if isinstance(said, tuple) else said
    pattern = re.sub(r"<[a-z ]+>", ".+", re.escape(wanted["message"]))
    assert re.fullmatch(pattern, status["message"], re.DOTALL), status["message"]
    assert {part: status[part] for part in ("code", "reason") if part in wanted} == {
        part: wanted[part] for part in ("code", "reason") if part in wanted
    }
