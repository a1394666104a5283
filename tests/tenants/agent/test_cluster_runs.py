"""The loop with runs in a cluster whose pods pretend: agents that are killed, a cluster that is away, and ends."""

import pytest

from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.run_templates.actions import cancel_run
from tenants.run_templates.engine.cluster_runner import ClusterRunner
from tenants.run_templates.engine.pod_objects import PYTHON, name_of
from tenants.run_templates.models import TemplateRun
from tests.cluster.fixtures import cluster
from tests.cluster.images import OUT_OF_MEMORY, Missing, Pretends

from ..run_templates.pod_samples import IMAGE, PLACE
from .test_run_loop import (
    FakeEnvironments,
    fresh,
    here,
    new_loop,
    run,
    server,
    state,
    template,
    ticks,
)

__all__ = ["cluster", "here", "run", "server", "template"]
NAMESPACE = PLACE.namespace


class Killed(BaseException):
    """The agent is no more."""


class InPods(FakeEnvironments):
    def prepare(self, version, requirements, builds=""):
        return PYTHON


@pytest.fixture
def new_agent(here, server, cluster, tmp_path):
    """A loop that has just been started; each of its looks at the cluster is a new one."""
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.images["prepare=*"] = Pretends(ends=0)
    config = cluster.kubeconfig(tmp_path / "kubeconfig")
    ticks = iter(range(0, 10**6, 10))

    def new_agent():
        reached = Cluster(str(config), NAMESPACE)
        runner = ClusterRunner(reached, PLACE, clock=lambda: next(ticks))
        return new_loop(server, runner=runner, environments=InPods())

    return new_agent


def end_pod(cluster, code):
    (pod,) = cluster.list("Pod", NAMESPACE)
    cluster.end_container(pod["metadata"]["name"], code, namespace=NAMESPACE)


def left(cluster) -> list:
    return [one for kind in ("Job", "Pod", "Secret") for one in cluster.list(kind, NAMESPACE)]


MOMENTS = {
    "before the secret": (Cluster, "apply", False),
    "before the Job": (Cluster, "make", False),
    "after the Job": (Cluster, "make", True),
    "before the row": (run_rows, "write", False),
    "after the row": (run_rows, "write", True),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_agent_killed_at_any_moment_starts_it_once(new_agent, run, server, cluster, monkeypatch, moment):
    place, name, after = MOMENTS[moment]
    real, made, deaths = getattr(place, name), set(), []

    def deadly(*words, **more):
        if name == "write" and "pid" not in more:
            return real(*words, **more)
        monkeypatch.setattr(place, name, real)
        if after:
            real(*words, **more)
        deaths.append(moment)
        raise Killed

    monkeypatch.setattr(place, name, deadly)
    loop = new_agent()
    while fresh(run).pid is None:
        try:
            loop.tick()
        except Killed:
            loop = new_agent()
        made = {one["metadata"]["uid"] for one in cluster.list("Job", NAMESPACE)}
    assert (deaths, len(made)) == ([moment], 1)
    assert {fresh(run).pid_started} == made
    ticks(loop, lambda: cluster.list("Pod", NAMESPACE))
    server.set("running")
    ticks(loop, lambda: fresh(run).state == "running")
    server.set("completed")
    end_pod(cluster, 0)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("completed", "")
    cluster.until(lambda: not left(cluster))
    asked = [address for method, address in cluster.requests if method == "POST" and "/jobs" in address]
    assert len(asked) == 1


def test_a_cluster_that_goes_away_ends_nothing_and_its_return_is_noticed(new_agent, run, server, cluster):
    loop = new_agent()
    ticks(loop, lambda: cluster.list("Pod", NAMESPACE))
    server.set("running")
    ticks(loop, lambda: fresh(run).state == "running")
    cluster.refuse()
    ticks(loop, lambda: "The cluster does not answer" in fresh(run).state_reason)
    loop = new_agent()  # nor does a new agent know more
    for _ in range(5):
        loop.tick()
    assert fresh(run).state == "running"
    cluster.listen()
    ticks(loop, lambda: state(run) == ("running", ""))
    end_pod(cluster, 1)
    ticks(loop, lambda: fresh(run).has_ended)
    assert fresh(run).state == "failed"


def test_out_of_memory_is_the_reason_of_its_end_here_and_in_the_tenant(new_agent, run, server, cluster):
    cluster.images["run=*"] = OUT_OF_MEMORY
    ticks(new_agent(), lambda: fresh(run).has_ended)
    words = "The cluster ended this run: its node had no memory left."
    assert state(run) == ("failed", words)
    assert (server.only_run.status, server.only_run.reason) == ("failed", words)
    cluster.until(lambda: not left(cluster))


def test_one_that_can_not_begin_says_why_and_can_be_stopped(new_agent, run, server, cluster, member):
    cluster.images[IMAGE] = Missing()
    TemplateRun.objects.filter(pk=run.pk).update(requirements="")
    loop = new_agent()
    ticks(loop, lambda: fresh(run).state_reason == f"The pod waits: The image {IMAGE} cannot be pulled.")
    cancel_run(run=fresh(run), by=Actor(member))
    ticks(loop, lambda: fresh(run).has_ended)
    assert fresh(run).state == "stopped"
    assert cluster.get("Job", name_of(run.pk), NAMESPACE) is None
