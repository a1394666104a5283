"""Jobs: how often they try, what ends them, and what is left."""

from .images import Missing, Pretends
from .made import conditions, job


def ended(cluster):
    return cluster.until(lambda: {"Complete", "Failed"} & conditions(cluster.get("Job", "task")).keys())


def test_it_is_complete_when_its_pod_has_succeeded(cluster):
    cluster.images["task:1"] = Pretends(ends=0)
    cluster.create(job())
    assert ended(cluster) == {"Complete"}
    status = cluster.get("Job", "task")["status"]
    assert (status["succeeded"], "completionTime" in status) == (1, True)
    assert cluster.list("Pod")[0]["metadata"]["labels"]["job-name"] == "task"


def test_it_tries_again_after_a_while_as_often_as_it_may(cluster):
    cluster.images["task:1"] = Pretends(ends=3)
    cluster.create(job(backoffLimit=2))
    for count, wait in ((1, 10), (2, 20), (3, 0)):
        cluster.settle()
        assert len(cluster.list("Pod")) == count
        cluster.pass_time(wait)
    assert conditions(cluster.get("Job", "task"))["Failed"] == ("True", "BackoffLimitExceeded")
    assert cluster.get("Job", "task")["status"]["failed"] == 3


def test_no_time_need_pass_between_its_tries(cluster):
    cluster.jobs.delay, cluster.images["task:1"] = 0, Pretends(ends=1)
    cluster.create(job(backoffLimit=1))
    assert ended(cluster) == {"Failed"}


def test_an_exit_code_can_end_it_at_once(cluster):
    cluster.images["task:1"] = Pretends(ends=42)
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    cluster.create(job(podFailurePolicy={"rules": rules}))
    ended(cluster)
    assert conditions(cluster.get("Job", "task"))["Failed"] == ("True", "PodFailurePolicy")


def test_a_pod_that_was_deleted_is_replaced(cluster):
    cluster.create(job())
    cluster.until(lambda: cluster.list("Pod"))
    first = cluster.list("Pod")[0]["metadata"]["name"]
    cluster.delete("Pod", first)
    cluster.until(lambda: [one for one in cluster.list("Pod") if one["metadata"]["name"] != first])


def test_it_goes_with_its_pods_when_its_time_to_live_is_over(cluster):
    cluster.images["task:1"] = Pretends(ends=0)
    cluster.create(job(ttlSecondsAfterFinished=60))
    ended(cluster)
    cluster.pass_time(30)
    assert cluster.get("Job", "task")
    cluster.pass_time(31)
    cluster.until(lambda: not cluster.get("Job", "task") and not cluster.list("Pod"))


def test_it_waits_for_an_image_that_is_missing(cluster):
    cluster.images["task:1"] = Missing()
    cluster.create(job())
    cluster.pass_time(1000)
    status = cluster.get("Job", "task")["status"]
    assert (status["active"], conditions(cluster.get("Job", "task"))) == (1, {})


def test_one_that_is_suspended_starts_when_it_may(cluster):
    cluster.create(job(suspend=True))
    cluster.settle()
    assert cluster.list("Pod") == []
    cluster.change("Job", "task", lambda obj: {**obj, "spec": {**obj["spec"], "suspend": False}})
    cluster.until(lambda: cluster.list("Pod"))


def test_one_that_is_suspended_has_no_pods_and_stays(cluster):
    cluster.create(job())
    cluster.until(lambda: cluster.list("Pod"))
    cluster.change("Job", "task", lambda one: {**one, "spec": {**one["spec"], "suspend": True}})
    cluster.until(lambda: not cluster.list("Pod"))
    cluster.settle()
    assert (conditions(cluster.get("Job", "task")), cluster.list("Pod")) == ({}, [])
