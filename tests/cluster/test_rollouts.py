"""Deployments: pods come, change and go, and the conditions say how far it is."""

from lightkube import codecs
from lightkube.resources.apps_v1 import Deployment

from .images import Missing, Pretends
from .made import conditions, deployment


def progress(cluster, name="web"):
    return conditions(cluster.get("Deployment", name)).get("Progressing")


def rolled_out(cluster, name="web"):
    one = cluster.get("Deployment", name)
    seen = (one.get("status") or {}).get("observedGeneration") == one["metadata"]["generation"]
    return seen and progress(cluster, name) == ("True", "NewReplicaSetAvailable")


def images_of(cluster):
    return sorted(pod["spec"]["containers"][0]["image"] for pod in cluster.list("Pod"))


def test_it_becomes_available_and_applying_it_again_changes_nothing(cluster, kube):
    kube.apply(codecs.from_dict(deployment(replicas=2)))
    kube.wait(Deployment, "web", for_conditions=["Available"])
    cluster.until(lambda: rolled_out(cluster))
    before = cluster.get("Deployment", "web")
    kube.apply(codecs.from_dict(deployment(replicas=2)))
    assert cluster.get("Deployment", "web") == before
    assert (before["status"]["readyReplicas"], before["metadata"]["generation"]) == (2, 1)


def test_an_old_pod_serves_until_the_new_one_is_ready(cluster, kube):
    cluster.images["web:2"] = Pretends(ready=False)
    kube.apply(codecs.from_dict(deployment()))
    cluster.until(lambda: rolled_out(cluster))
    kube.apply(codecs.from_dict(deployment(image="web:2")))
    cluster.until(lambda: images_of(cluster) == ["web:1", "web:2"])
    assert conditions(cluster.get("Deployment", "web"))["Available"][0] == "True"
    cluster.images["web:2"] = Pretends()
    cluster.delete("Pod", next(one["metadata"]["name"] for one in cluster.list("Pod") if "web:2" in str(one)))
    cluster.until(lambda: rolled_out(cluster) and images_of(cluster) == ["web:2"])


def test_recreate_ends_the_old_pod_first(cluster, kube):
    strategy = {"type": "Recreate"}
    cluster.images["web:1"] = Pretends(stubborn=True)
    kube.apply(codecs.from_dict(deployment(strategy=strategy)))
    cluster.until(lambda: rolled_out(cluster))
    kube.apply(codecs.from_dict(deployment(image="web:2", strategy=strategy)))
    cluster.until(lambda: cluster.list("Pod")[0]["metadata"].get("deletionTimestamp"))
    assert images_of(cluster) == ["web:1"]
    cluster.pass_time(31)
    cluster.until(lambda: rolled_out(cluster) and images_of(cluster) == ["web:2"])


def test_a_rollout_that_stands_still_fails_at_its_deadline(cluster, kube):
    cluster.images["missing/*"] = Missing()
    kube.apply(codecs.from_dict(deployment(image="missing/web:1", progressDeadlineSeconds=300)))
    cluster.until(lambda: cluster.list("Pod") and progress(cluster) == ("True", "ReplicaSetUpdated"))
    cluster.pass_time(301)
    cluster.until(lambda: progress(cluster) == ("False", "ProgressDeadlineExceeded"))


def test_what_fails_after_its_rollout_is_unavailable_and_no_failed_rollout(cluster, kube):
    kube.apply(codecs.from_dict(deployment()))
    cluster.until(lambda: rolled_out(cluster))
    cluster.images["web:1"] = Pretends(ready=False)
    cluster.delete("Pod", cluster.list("Pod")[0]["metadata"]["name"])
    cluster.until(lambda: conditions(cluster.get("Deployment", "web"))["Available"][0] == "False")
    cluster.pass_time(1000)
    cluster.until(lambda: cluster.list("Pod"))
    assert progress(cluster) == ("True", "NewReplicaSetAvailable")


def test_none_are_left_when_none_are_asked_for_and_when_it_is_gone(cluster, kube):
    kube.apply(codecs.from_dict(deployment()))
    cluster.until(lambda: rolled_out(cluster))
    kube.patch(Deployment, "web", {"spec": {"replicas": 0}})
    cluster.until(lambda: not cluster.list("Pod") and rolled_out(cluster))
    kube.patch(Deployment, "web", {"spec": {"replicas": 1}})
    cluster.until(lambda: cluster.list("Pod"))
    kube.delete(Deployment, "web")
    cluster.until(lambda: not cluster.list("Pod") and not cluster.list("ReplicaSet"))
