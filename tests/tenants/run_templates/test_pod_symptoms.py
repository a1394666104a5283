"""What a cluster shows of a run, as a state and a sentence; also what no sound cluster would show."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tenants.run_templates.engine.pod_symptoms import (
    MOVED,
    TOO_LONG,
    RunSight,
    current_container,
    exit_code_of,
    has_begun,
    has_finished,
    is_ours,
    is_over,
    limit_words,
    prepare_failed,
    run_in,
    uid_of,
    waiting_words,
)

from .pod_samples import ORDER, PLACE, RUN_ID

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LABELS = {"zenpro.io/run": str(RUN_ID), "zenpro.io/installation": PLACE.installation}


def condition(kind, status="True", reason="", message=""):
    return {"type": kind, "status": status, "reason": reason, "message": message}


def job(*conditions, **spec):
    return {"metadata": {"labels": LABELS, "uid": "u"}, "spec": spec, "status": {"conditions": [*conditions]}}


def pod(*conditions, run=None, prepare=None, **status):
    """`run`, `prepare`: states of its containers."""
    first = [{"name": "prepare", "state": prepare or {"terminated": {"exitCode": 0}}}]
    own = [{"name": "run", "state": run or {"waiting": {"reason": "PodInitializing"}}}]
    told = {"conditions": [*conditions], "initContainerStatuses": first, "containerStatuses": own}
    return {"metadata": {"name": "p", "labels": LABELS}, "status": told | status}


def sight(found=None, *pods, events=()):
    return RunSight(run_id=RUN_ID, job=found or job(), pods=[*pods], events=[*events])


def ended(code, reason="Error"):
    return {"terminated": {"exitCode": code, "reason": reason}}


@pytest.mark.parametrize(
    ("found", "is_so"),
    [
        (RunSight(run_id=RUN_ID, job=None), True),
        (sight(), False),
        (sight(job(condition("FailureTarget")), pod()), False),
        (sight(job(condition("Failed")), pod()), True),
        (sight(job(condition("Complete"))), True),
        (sight(job(condition("Complete", "False"))), False),
        (sight(job(suspend=True), pod(phase="Running")), False),
        (sight(job(suspend=True), pod(phase="Failed")), True),
        (sight(job(suspend=True)), True),
    ],
)
def test_when_nothing_of_it_runs(found, is_so):
    assert is_over(found) is is_so


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (sight(None, pod(run=ended(1))), ""),
        (
            sight(None, pod(run=ended(137, "OOMKilled"))),
            "The cluster ended this run: its node had no memory left.",
        ),
        (
            sight(None, pod(prepare=ended(137, "OOMKilled"))),
            "The cluster ended this run: its node had no memory left.",
        ),
        (
            sight(
                None,
                pod(reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "10Gi".'),
            ),
            'The cluster ended this run: Usage of EmptyDir volume "work" exceeds the limit "10Gi".',
        ),
        (sight(None, pod(reason="Evicted")), "The cluster ended this run: it does not say why."),
        (sight(None, pod(condition("DisruptionTarget"))), MOVED),
        (sight(None, pod(reason="NodeLost")), MOVED),
        (sight(job(condition("Failed", reason="DeadlineExceeded"))), TOO_LONG),
        (sight(job(condition("Failed", reason="BackoffLimitExceeded")), pod(run=ended(1))), ""),
    ],
)
def test_which_limit_ended_it(found, words):
    assert limit_words(found, PLACE) == words


def test_our_own_limit_is_named():
    found = sight(None, pod(run=ended(137, "OOMKilled")))
    words = limit_words(found, replace(PLACE, memory=2 * 1024**3))
    assert words == "ZenPro ended this run: it used more than 2,048 MB of memory."


def failed_create(message, **more):
    about = {"kind": "Job", "name": "run"}
    return {"involvedObject": about, "reason": "FailedCreate", "message": message} | more


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (sight(), ""),
        (
            sight(events=[failed_create("Error creating: pods is forbidden")]),
            "The cluster makes no pod: pods is forbidden",
        ),
        (sight(events=[failed_create("x", reason="SuccessfulCreate")]), ""),
        (
            sight(None, pod(condition("PodScheduled", "False", message="0/3 nodes are available."))),
            "The pod waits: No node has room: 0/3 nodes are available.",
        ),
        (
            sight(
                None,
                pod(prepare={"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}),
            ),
            "The pod waits: The container cannot be made: no secret",
        ),
        (
            sight(None, pod(prepare={"running": {}})),
            "The pod fetches the code and installs the packages.",
        ),
        (sight(None, pod(prepare={"waiting": {"reason": "ContainerCreating"}})), ""),
    ],
)
def test_why_it_does_not_begin(found, words):
    assert waiting_words(found, NOW) == words
    assert not has_begun(found)


def test_how_it_ended():
    assert exit_code_of(sight(None, pod(run=ended(3)))) == 3
    assert exit_code_of(sight(None, pod())) is None and exit_code_of(sight()) is None
    assert prepare_failed(sight(None, pod(prepare=ended(1)))) and not prepare_failed(sight(None, pod()))
    assert current_container(sight(None, pod(run=ended(0)))) == "run"
    assert current_container(sight(None, pod(prepare=ended(1)))) == "prepare"


def test_whose_it_is():
    assert is_ours(job(), ORDER.run_id, PLACE.installation)
    assert not is_ours(job(), ORDER.run_id, "another")
    assert not is_ours({"metadata": {"name": "run"}}, ORDER.run_id, PLACE.installation)
    assert (run_in(job()), uid_of(job()), uid_of(None)) == (str(RUN_ID), "u", "")


ODD = [
    None,
    [],
    "x",
    7,
    {"metadata": 1, "status": 2, "spec": 3},
    {"status": {"conditions": [None, 1, {"type": 1}]}},
]
ODD += [{"status": {"containerStatuses": [{"name": "run", "state": {"terminated": {"exitCode": "x"}}}, 5]}}]
ODD += [{"status": {"containerStatuses": [{"name": "run", "state": {"terminated": {"exitCode": True}}}]}}]
ODD += [{"status": {"reason": "Evicted", "message": "y" * 10**6}}, {"metadata": {"uid": "u" * 10**6}}]


@pytest.mark.parametrize("odd", ODD)
def test_whatever_a_cluster_shows_is_read(odd):
    shown = odd if isinstance(odd, dict) else {}
    found = RunSight(run_id=RUN_ID, job=shown, pods=[shown], events=[shown])
    assert isinstance(is_over(found), bool) and isinstance(has_finished(shown), bool)
    assert type(exit_code_of(found)) in (int, type(None))
    for words in (limit_words(found, PLACE), waiting_words(found, NOW), uid_of(shown)):
        assert len(words) < 500
