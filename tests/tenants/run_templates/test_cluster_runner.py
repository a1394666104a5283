"""The runner against a cluster with an API, controllers and pods that pretend."""

import threading
import time
from dataclasses import replace

import pytest

from tenants.agent.job_sweeper import sweep_jobs
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.rights import missing, needed_for_runs
from tenants.run_templates.engine.base import AlreadyRunning, RunnerFailed, RunnerOutOfReach
from tenants.run_templates.engine.cluster_runner import ClusterRunner
from tenants.run_templates.engine.pod_objects import run_job
from tenants.run_templates.engine.run_files import output_file
from tests.cluster.fixtures import cluster
from tests.cluster.images import OUT_OF_MEMORY, Missing, Pretends

from .pod_samples import IMAGE, NAME, ORDER, PLACE, RUN_ID, TICKET, TOKEN

__all__ = ["cluster"]
NAMESPACE = PLACE.namespace


def eventually(look, seconds=20.0):
    """What it answers as soon as it is something. The cluster has no say: it is asked from outside."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)
    return found


@pytest.fixture
def new_runner(cluster, tmp_path, settings):
    """Each is one of an agent that has just been started; each of its looks is a new one."""
    settings.ZENPRO_DATA = tmp_path
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.images["prepare=*"] = Pretends(ends=0, says="ready\n")
    config = cluster.kubeconfig(tmp_path / "kubeconfig")
    ticks = iter(range(0, 10**6, 10))

    def new_runner(place=PLACE):
        reached = Cluster(str(config), NAMESPACE)
        return ClusterRunner(reached, place, lambda run_id: TICKET, lambda: next(ticks))

    return new_runner


@pytest.fixture
def runner(new_runner):
    return new_runner()


@pytest.fixture
def started(runner, cluster):
    """A run whose own container runs."""
    cluster.images["run=*"] = Pretends(says="one\ntwo\n")
    found = runner.start(ORDER)
    eventually(lambda: runner.alive(found) and runner.output(RUN_ID) == ["one", "two"])
    return found


def job(cluster):
    return cluster.get("Job", NAME, NAMESPACE)


def pods(cluster):
    return cluster.list("Pod", NAMESPACE)


def over(runner, found):
    eventually(lambda: not runner.alive(found))


def test_from_a_start_to_its_end(runner, started, cluster):
    assert (started.pid, started.mark) == (0, job(cluster)["metadata"]["uid"])
    assert (runner.waits(started), runner.exit_code(started), runner.limit(RUN_ID)) == ("", None, "")
    cluster.end_container(pods(cluster)[0]["metadata"]["name"], 0, namespace=NAMESPACE)
    over(runner, started)
    assert (runner.exit_code(started), runner.limit(RUN_ID)) == (0, "")
    runner.end(started)  # what the agent does before it reads how it ended
    assert runner.exit_code(started) == 0
    runner.tidy(RUN_ID)
    cluster.until(lambda: not (job(cluster) or pods(cluster) or cluster.get("Secret", NAME, NAMESPACE)))
    assert runner.output(RUN_ID) == ["one", "two"], "pages read it ever after"
    runner.tidy(RUN_ID)
    assert runner.keep(RUN_ID, ORDER.code) == 0


def test_nothing_that_is_secret_stands_in_the_job_or_its_pod(started, cluster):
    assert TOKEN not in str([job(cluster), pods(cluster)])
    assert TICKET not in str([job(cluster), pods(cluster)])


# -- once


def test_a_job_is_the_lock(runner, new_runner, started, cluster):
    with pytest.raises(AlreadyRunning):
        runner.start(ORDER)
    with pytest.raises(AlreadyRunning):
        new_runner().start(ORDER)
    assert len(pods(cluster)) == 1


def test_two_agents_at_the_same_moment_make_one(new_runner, cluster):
    """Both have looked before either has made it."""
    gate, made = threading.Barrier(2), []

    def begin():
        found = new_runner()
        apply = found.cluster.apply
        found.cluster.apply = lambda manifest: (
            apply(manifest),
            manifest["kind"] == "Secret" and gate.wait(20),
        )
        try:
            made.append(found.start(ORDER))
        except AlreadyRunning:
            made.append(found.find(RUN_ID))

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert len(made) == 2 and made[0] == made[1]
    assert len(cluster.list("Job", NAMESPACE)) == 1


def test_an_agent_that_was_killed_before_it_wrote_its_row_finds_it(new_runner, started):
    later = new_runner()
    assert later.find(RUN_ID) == started
    assert later.alive(started)


def test_one_that_ended_is_not_found_and_makes_way_for_another_attempt(runner, started, cluster):
    cluster.end_container(pods(cluster)[0]["metadata"]["name"], 1, namespace=NAMESPACE)
    over(runner, started)
    assert runner.find(RUN_ID) is None
    again = runner.start(ORDER)
    assert again.mark != started.mark
    assert not runner.alive(started) and runner.alive(again)
    assert runner.exit_code(started) is None


@pytest.mark.parametrize("kind", ["Job", "Secret"])
def test_what_is_someone_elses_is_never_touched(runner, cluster, kind):
    made = run_job(ORDER, replace(PLACE, installation="another"))
    if kind == "Secret":
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": NAMESPACE}}
    cluster.create(made)
    with pytest.raises(RunnerFailed, match=f"already has a {kind} {NAME} that is not this run's"):
        runner.start(ORDER)
    assert runner.find(RUN_ID) is None
    runner.tidy(RUN_ID)
    cluster.settle()
    assert cluster.get(kind, NAME, NAMESPACE)


def test_no_pod_begins_beside_a_policy_of_someone_else(runner, cluster):
    meta = {"name": "zenpro-runs", "namespace": NAMESPACE}
    cluster.create(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": {}}
    )
    with pytest.raises(RunnerFailed, match="NetworkPolicy zenpro-runs"):
        runner.start(ORDER)
    assert job(cluster) is None


# -- how it ends


def ends(cluster, runner, image, name="run"):
    cluster.images[f"{name}=*"] = image
    found = runner.start(ORDER)
    over(runner, found)
    return found


def test_out_of_memory(new_runner, cluster):
    runner = new_runner(replace(PLACE, memory=1024**3))
    ends(cluster, runner, OUT_OF_MEMORY)
    assert runner.limit(RUN_ID) == "ZenPro ended this run: it used more than 1,024 MB of memory."
    assert new_runner().limit(RUN_ID) == "The cluster ended this run: its node had no memory left."


def test_a_preparation_that_fails_says_why(runner, cluster):
    words = "The packages could not be installed: No matching distribution found for pandas==99"
    found = ends(cluster, runner, Pretends(ends=1, says=f"Collecting\nERROR: x\n{words}\n"), "prepare")
    assert runner.limit(RUN_ID) == words
    assert runner.output(RUN_ID)[0] == "Collecting"
    assert runner.exit_code(found) is None


def test_an_exit_code_with_its_last_words(runner, cluster):
    found = ends(cluster, runner, Pretends(ends=3, says="ValueError: no rows\n"))
    assert (runner.exit_code(found), runner.limit(RUN_ID)) == (3, "")
    assert runner.output(RUN_ID) == ["ValueError: no rows"]


def test_it_is_asked_to_end_and_its_job_stays_until_it_has(runner, started, cluster):
    runner.stop(started)
    runner.stop(started)
    over(runner, started)
    assert job(cluster) and not pods(cluster)
    assert not [address for method, address in cluster.requests if method == "DELETE"]
    assert runner.limit(RUN_ID) == ""


def test_one_that_does_not_listen_is_ended(runner, cluster):
    cluster.images["run=*"] = Pretends(stubborn=True)
    found = runner.start(ORDER)
    eventually(lambda: runner.alive(found) and not runner.waits(found) and pods(cluster))
    runner.stop(found)
    cluster.settle()
    assert runner.alive(found), "its pod has its time to end"
    runner.end(found)
    over(runner, found)
    cluster.pass_time(2)
    cluster.until(lambda: not pods(cluster) and not job(cluster))
    assert runner.limit(RUN_ID) == ""


def test_a_job_that_someone_deleted_is_over_and_said_to_be(runner, started, cluster):
    cluster.delete("Job", NAME, NAMESPACE, propagationPolicy="Background")
    over(runner, started)
    assert runner.limit(RUN_ID) == "The Job of this run was deleted in the cluster."
    assert runner.exit_code(started) is None
    assert runner.output(RUN_ID) == ["one", "two"]


# -- why it does not begin


def waits(runner, words, found=None):
    found = found or runner.start(ORDER)
    eventually(lambda: words in runner.waits(found))
    assert runner.alive(found)


def test_no_image(runner, cluster):
    cluster.images[IMAGE] = Missing("not found")
    waits(runner, f"The pod waits: The image {IMAGE} cannot be pulled.")


def test_no_room(new_runner, cluster):
    cluster.lose_node("node-1")
    waits(new_runner(), "The pod waits: No node has room")


def test_a_quota(runner, cluster):
    spec = {"hard": {"pods": "0"}}
    meta = {"name": "team", "namespace": NAMESPACE}
    cluster.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec})
    waits(runner, "The cluster makes no pod: ")
    assert "exceeded quota: team" in runner.waits(runner.find(RUN_ID))


def test_a_webhook(runner, cluster):
    cluster.faults.deny("pods", "no strangers")
    waits(runner, "no strangers")


def test_a_preparation_that_takes_its_time(runner, cluster):
    cluster.images["prepare=*"] = Pretends(says="Collecting pandas\n")
    waits(runner, "The pod fetches the code and installs the packages.")
    assert runner.output(RUN_ID) == ["Collecting pandas"]


# -- when the cluster refuses, or is away


def test_what_it_refuses_is_a_sentence(runner, cluster):
    cluster.faults.forbid("create", "jobs")
    with pytest.raises(RunnerFailed, match="ZenPro may not do this in the cluster: jobs"):
        runner.start(ORDER)


def test_a_cluster_that_is_away_says_nothing_about_a_run(runner, started, cluster):
    cluster.refuse()
    asks = (runner.alive, runner.stop, runner.end, runner.exit_code, runner.waits)
    for ask in (*asks, lambda found: runner.find(RUN_ID), lambda found: runner.limit(RUN_ID)):
        with pytest.raises(RunnerOutOfReach, match="The cluster does not answer"):
            ask(started)
    with pytest.raises(RunnerOutOfReach):
        runner.start(ORDER)
    runner.tidy(RUN_ID)
    assert runner.output(RUN_ID) == ["one", "two"]
    cluster.listen()
    assert runner.alive(started)


def test_credentials_that_were_withdrawn_say_nothing_either(runner, started, cluster):
    cluster.faults.no_credentials = True
    with pytest.raises(RunnerOutOfReach, match="does not accept"):
        runner.alive(started)


def test_its_last_words_are_not_missed_for_a_cluster_that_stumbles(runner, started, cluster, monkeypatch):
    cluster.end_container(pods(cluster)[0]["metadata"]["name"], 1, namespace=NAMESPACE)
    cluster.settle()
    output_file(RUN_ID).write_text("what was copied before\n")
    log = runner.cluster.log
    monkeypatch.setattr(runner.cluster, "log", lambda *words, **more: cluster.refuse() or log(*words, **more))
    with pytest.raises(RunnerOutOfReach):
        runner.alive(started)
    monkeypatch.undo()
    cluster.listen()
    assert not runner.alive(started)
    assert runner.output(RUN_ID) == ["one", "two"]


def test_of_a_long_log_the_end_is_kept(runner, cluster):
    said = "".join(f"{number} {'x' * 300}\n" for number in range(3000))
    cluster.images["run=*"] = Pretends(says=said)
    found = runner.start(ORDER)
    eventually(lambda: runner.alive(found) and "".join(runner.output(RUN_ID, 1)).startswith("2999 "))
    assert output_file(RUN_ID).stat().st_size <= 256 * 1024


def test_the_rights_are_those_it_asks_for(runner, cluster):
    assert missing(runner.cluster, needed_for_runs()) == []
    cluster.faults.forbid("delete", "pods")
    (lacking,) = missing(runner.cluster, needed_for_runs())
    assert (lacking.name, lacking.verb) == ("pods", "delete")


# -- what is left over


@pytest.mark.django_db
def test_what_is_left_of_runs_that_are_over_is_removed_later(runner, started, cluster, settings):
    settings.ZENPRO_RUNS_IN_CLUSTER = False
    assert sweep_jobs(runner) == 0
    settings.ZENPRO_RUNS_IN_CLUSTER = True
    assert sweep_jobs(runner) == 1, "no row is left of it"
    cluster.until(lambda: not (job(cluster) or cluster.get("Secret", NAME, NAMESPACE)))
    cluster.refuse()
    assert sweep_jobs(runner) == 0
