"""Pods that pretend: starts and ends, nodes, rooms and quotas."""

import pytest

from .images import OUT_OF_MEMORY, Missing, Pretends
from .made import conditions, deployment, plain, pod
from .owning import condition


def state(cluster, name="one"):
    return cluster.get("Pod", name)["status"]["containerStatuses"][0]


def settled(cluster, **spec):
    cluster.create(pod(**spec))
    cluster.settle()
    return cluster.get("Pod", "one")["status"]


def test_one_that_runs_is_ready(cluster):
    status = settled(cluster)
    assert (status["phase"], conditions({"status": status})["Ready"][0]) == ("Running", "True")
    assert status["containerStatuses"][0]["state"]["running"]


def test_one_that_fails_its_probes_is_not(cluster):
    cluster.images["web:1"] = Pretends(ready=False)
    status = settled(cluster)
    assert (status["phase"], conditions({"status": status})["Ready"]) == (
        "Running",
        ("False", "ContainersNotReady"),
    )


def test_its_end_is_its_phase_when_it_is_not_started_again(cluster):
    for code, phase in ((0, "Succeeded"), (3, "Failed")):
        cluster.images["web:1"] = Pretends(ends=code)
        assert settled(cluster, restartPolicy="Never")["phase"] == phase
        assert state(cluster)["state"]["terminated"]["exitCode"] == code
        cluster.delete("Pod", "one")


def test_it_is_started_again_with_growing_pauses(cluster):
    cluster.images["web:1"] = Pretends(ends=1, says="no database\n")
    settled(cluster)
    assert state(cluster)["restartCount"] == 2
    assert state(cluster)["lastState"]["terminated"]["exitCode"] == 1
    cluster.pass_time(9)
    assert state(cluster)["restartCount"] == 2
    cluster.pass_time(2)
    assert state(cluster)["restartCount"] == 3


def test_the_log_of_an_end_can_be_read_while_it_waits(cluster, kube):
    cluster.images["web:1"] = Pretends(ends=1, says="no database\n")
    settled(cluster)
    assert list(kube.log("one", newlines=False)) == ["no database"]


def test_one_that_ran_out_of_memory_says_so(cluster):
    cluster.images["web:1"] = OUT_OF_MEMORY
    settled(cluster)
    end = state(cluster)["lastState"]["terminated"]
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)


def test_a_test_can_end_one(cluster):
    settled(cluster, restartPolicy="Never")
    cluster.end_container("one", 9, "Error")
    cluster.settle()
    assert cluster.get("Pod", "one")["status"]["phase"] == "Failed"


def test_it_starts_as_soon_as_what_it_lacks_is_there(cluster):
    cluster.images["web:1"] = Missing()
    settled(cluster, container={"envFrom": [{"secretRef": {"name": "keys"}}]})
    cluster.images["web:1"] = Pretends()
    cluster.settle()
    assert state(cluster)["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    cluster.create(plain("Secret", "keys"))
    cluster.settle()
    assert "running" in state(cluster)["state"]


def test_what_may_be_missing_holds_nothing_up(cluster):
    optional = [{"secretRef": {"name": "keys", "optional": True}}]
    assert settled(cluster, container={"envFrom": optional})["phase"] == "Running"


def test_it_goes_to_a_node_that_has_room_and_the_label(cluster):
    cluster.add_node("gpu-1", gpu="yes")
    cluster.create(pod(nodeSelector={"gpu": "yes"}))
    cluster.settle()
    assert cluster.get("Pod", "one")["spec"]["nodeName"] == "gpu-1"


def test_one_without_a_room_gets_one_with_a_new_node(cluster):
    big = {"resources": {"requests": {"memory": "64Gi"}}}
    assert condition({"status": settled(cluster, container=big)}, "PodScheduled")["reason"] == "Unschedulable"
    cluster.add_node("big", memory="128Gi")
    cluster.settle()
    assert cluster.get("Pod", "one")["spec"]["nodeName"] == "big"


def test_pods_of_a_node_that_is_gone_are_not_ready_and_move_on(cluster):
    cluster.create(deployment())
    cluster.settle()
    cluster.add_node("node-2")
    cluster.lose_node("node-1")
    cluster.settle()
    assert conditions(cluster.get("Deployment", "web"))["Available"][0] == "False"
    cluster.lose_node("node-1", evict=True)
    cluster.settle()
    old, new = cluster.list("Pod")
    assert condition(old, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
    assert (new["spec"]["nodeName"], conditions(new)["Ready"][0]) == ("node-2", "True")
    assert old["metadata"]["deletionTimestamp"]


def test_images_of_one_pod_alone_can_be_out_of_reach(cluster):
    cluster.faults.unpullable = "app=web"
    cluster.create(deployment())
    assert settled(cluster)["phase"] == "Running"
    [waiting] = cluster.list("Pod", labels="app=web")
    assert waiting["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    cluster.faults.clear()
    cluster.settle()
    assert cluster.get("Pod", waiting["metadata"]["name"])["status"]["phase"] == "Running"


def test_a_quota_counts_what_is_there(cluster):
    cluster.create(plain("ResourceQuota", "team", spec={"hard": {"pods": "2", "requests.memory": "1Gi"}}))
    settled(cluster, container={"resources": {"requests": {"memory": "512Mi"}}})
    assert cluster.get("ResourceQuota", "team")["status"]["used"] == {"pods": "1", "requests.memory": "512Mi"}


def test_a_rollout_goes_on_when_the_quota_is_raised(cluster):
    cluster.create(plain("ResourceQuota", "team", spec={"hard": {"pods": "0"}}))
    cluster.create(deployment())
    cluster.settle()
    assert conditions(cluster.get("Deployment", "web"))["ReplicaFailure"] == ("True", "FailedCreate")
    cluster.change("ResourceQuota", "team", lambda obj: {**obj, "spec": {"hard": {"pods": "1"}}})
    cluster.settle()
    assert "ReplicaFailure" not in conditions(cluster.get("Deployment", "web"))
    assert conditions(cluster.get("Deployment", "web"))["Available"][0] == "True"


def test_a_webhook_for_pods_lets_the_deployment_be_applied(cluster):
    cluster.faults.deny("pods", "images need a digest")
    cluster.create(deployment())
    cluster.settle()
    failure = condition(cluster.get("Deployment", "web"), "ReplicaFailure")
    assert (
        failure["message"]
        == 'admission webhook "policy.example.org" denied the request: images need a digest'
    )


def test_a_volume_waits_for_who_uses_it_if_its_class_says_so(cluster):
    late = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "late"}}
    cluster.create({**late, "provisioner": "test", "volumeBindingMode": "WaitForFirstConsumer"})
    spec = {
        "storageClassName": "late",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    cluster.create(plain("PersistentVolumeClaim", "data", spec=spec))
    cluster.settle()
    assert cluster.get("PersistentVolumeClaim", "data")["status"]["phase"] == "Pending"
    status = settled(cluster, volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}])
    assert (status["phase"], cluster.get("PersistentVolumeClaim", "data")["status"]["phase"]) == (
        "Running",
        "Bound",
    )


@pytest.mark.parametrize(("code", "phase"), [(0, "Running"), (3, "Failed")])
def test_what_begins_first_decides_whether_the_others_do(cluster, code, phase):
    cluster.images["first=*"] = Pretends(ends=code, says="words\n")
    first = {"name": "first", "image": "first:1"}
    cluster.create(pod(initContainers=[first], restartPolicy="Never"))
    cluster.until(lambda: cluster.get("Pod", "one")["status"].get("phase") == phase)
    status = cluster.get("Pod", "one")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert [*status["containerStatuses"][0]["state"]] == ["running" if phase == "Running" else "waiting"]
