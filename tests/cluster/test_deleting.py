"""What goes with an object, what holds it, and namespaces that end."""

import pytest

from . import refusals
from .asking import ask
from .images import Pretends
from .made import deployment, job, plain, pod
from .refusals import Refusal


def held(name, namespace="default"):
    one = plain("ConfigMap", name, namespace)
    one["metadata"]["finalizers"] = ["example.org/held"]
    return one


def let_go(cluster, name, namespace="default"):
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    body = {"metadata": {"finalizers": None}}
    return ask(cluster, "PATCH", path, body, "application/merge-patch+json")


def owned_by(owner, name):
    one, meta = plain("ConfigMap", name), owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
    }
    one["metadata"]["ownerReferences"] = [reference]
    return one


def names(cluster, kind="ConfigMap"):
    return [one["metadata"]["name"] for one in cluster.list(kind, "default")]


def test_a_finalizer_holds_what_is_deleted(cluster):
    cluster.create(held("one"))
    assert cluster.delete("ConfigMap", "one")["metadata"]["deletionTimestamp"]
    assert names(cluster) == ["one"]
    let_go(cluster, "one")
    assert names(cluster) == []


def test_what_nobody_owns_any_more_goes(cluster):
    parent = cluster.create(plain("ConfigMap", "parent"))
    cluster.create(owned_by(parent, "child"))
    cluster.create(plain("ConfigMap", "stranger"))
    cluster.delete("ConfigMap", "parent")
    cluster.settle()
    assert names(cluster) == ["stranger"]


def test_in_the_foreground_what_is_owned_goes_first(cluster):
    parent = cluster.create(plain("ConfigMap", "parent"))
    child = owned_by(parent, "child")
    child["metadata"]["finalizers"] = ["example.org/held"]
    cluster.create(child)
    cluster.delete("ConfigMap", "parent", propagationPolicy="Foreground")
    cluster.settle()
    assert names(cluster) == ["parent", "child"]
    let_go(cluster, "child")
    cluster.until(lambda: names(cluster) == [])


def test_orphans_stay(cluster):
    parent = cluster.create(plain("ConfigMap", "parent"))
    cluster.create(owned_by(parent, "child"))
    cluster.delete("ConfigMap", "parent", propagationPolicy="Orphan")
    cluster.settle()
    assert names(cluster) == ["child"]
    assert cluster.get("ConfigMap", "child")["metadata"]["ownerReferences"] == []


@pytest.mark.parametrize(("policy", "left"), [({}, 1), ({"propagationPolicy": "Background"}, 0)])
def test_a_job_leaves_its_pods_unless_told_otherwise(cluster, policy, left):
    cluster.create(job())
    cluster.until(lambda: cluster.list("Pod"))
    cluster.delete("Job", "task", **policy)
    cluster.settle()
    assert len(cluster.list("Pod")) == left


def test_another_object_of_the_name_is_not_deleted(cluster):
    old = cluster.create(plain("ConfigMap", "one"))
    cluster.delete("ConfigMap", "one")
    cluster.create(plain("ConfigMap", "one"))
    with pytest.raises(Refusal, match="Precondition failed: UID"):
        cluster.delete("ConfigMap", "one", preconditions={"uid": old["metadata"]["uid"]})
    assert names(cluster) == ["one"]


def test_a_namespace_is_emptied_before_it_goes(cluster):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    cluster.create(deployment(namespace="team"))
    cluster.until(lambda: cluster.list("Pod", "team"))
    cluster.delete("Namespace", "team")
    cluster.until(lambda: not cluster.get("Namespace", "team"))
    assert [key for key in cluster.store.all_keys() if key.namespace == "team"] == []


def test_a_namespace_stays_while_something_in_it_is_held(cluster):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    cluster.create(held("one", "team"))
    cluster.delete("Namespace", "team")
    cluster.settle()
    assert cluster.get("Namespace", "team")["status"]["phase"] == "Terminating"
    with pytest.raises(Refusal) as refused:
        cluster.create(plain("Secret", "keys", "team"))
    assert refused.value.message == refusals.terminating(cluster._key("Secret", "keys", "team")).message
    let_go(cluster, "one", "team")
    cluster.until(lambda: not cluster.get("Namespace", "team"))


def test_a_namespace_has_its_service_account(cluster):
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    cluster.settle()
    assert cluster.get("ServiceAccount", "default", "team")


def test_a_pod_that_does_not_listen_is_killed_when_its_time_is_over(cluster):
    cluster.images["web:1"] = Pretends(stubborn=True)
    cluster.create(pod(terminationGracePeriodSeconds=45))
    cluster.settle()
    cluster.delete("Pod", "one")
    cluster.pass_time(40)
    assert names(cluster, "Pod") == ["one"]
    cluster.pass_time(6)
    assert names(cluster, "Pod") == []


def test_a_pod_is_deleted_by_force_at_once(cluster):
    cluster.images["web:1"] = Pretends(stubborn=True)
    cluster.create(pod())
    cluster.settle()
    cluster.delete("Pod", "one", gracePeriodSeconds=0)
    assert names(cluster, "Pod") == []


def test_a_claim_stays_while_a_pod_uses_it(cluster):
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.create(plain("PersistentVolumeClaim", "data", spec=wanted))
    cluster.create(pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]))
    cluster.until(lambda: cluster.get("Pod", "one")["status"]["phase"] == "Running")
    cluster.delete("PersistentVolumeClaim", "data")
    cluster.settle()
    assert names(cluster, "PersistentVolumeClaim") == ["data"]
    cluster.delete("Pod", "one")
    cluster.until(lambda: names(cluster, "PersistentVolumeClaim") == [])
