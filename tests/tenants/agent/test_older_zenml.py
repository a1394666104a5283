"""Runs of a server of 0.85, which called snapshots deployments: read, run again with other values, refused, killed."""

import os
import signal

import pytest

from orgs.users.models import Actor
from tenants.run_templates.actions import InvalidConfiguration, queue_run
from tenants.run_templates.continuing import NotContinued, continued_with
from tenants.run_templates.engine import runner
from tenants.runs.connection import connect
from tenants.runs.reading import list_runs, open_run

from .test_run_loop_zenml import SLOW, agent, ended, here, in_state, site, template  # noqa: F401 - fixtures among them

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
VERSION = "0.85.0"
OTHER = {"kind": "neighbours", "k": 9}
CHANGED = {
    "run_name": "older-{time}",
    "tags": ["nightly"],
    "extra": {"ticket": "$HOME {x}"},
    "steps": {"train": {"parameters": OTHER}},
}
WRONG = [
    ({"steps": {"train": {"parameters": {"rounds": "many"}}}}, "steps.train.parameters.rounds"),
    ({"steps": {"train": {"parameters": {"bogus": 1}}}}, "steps.train.parameters.bogus"),
    ({"skip_successful_steps": True}, "skip_successful_steps"),
]


def test_runs_of_an_older_server_are_read_and_run_again(site, here, template):  # noqa: F811 - fixtures
    """In one test: the server, its environment and the run of the example are most of its time."""
    tenant, people = here
    by, client = Actor(people["dev"]), connect(people["dev"], tenant)
    check_pages(client, tenant)
    check_refusals(client, template, by)
    with agent():
        done = ended(queue_run(template=template, configuration=CHANGED, by=by))
        assert (done.state, done.state_reason) == ("completed", ""), runner.chosen().output(done.pk)
        running = in_state(queue_run(template=template, configuration=SLOW, by=by), "running")
        os.kill(running.pid, signal.SIGKILL)
        killed = ended(running)
    check_values(client, done, site.source_run)
    check_end(client, killed)
    with pytest.raises(NotContinued, match=r"needs ZenML 0\.94 or later; .* has 0\.85\.0"):
        continued_with({}, killed, template, client, by.person)


def check_pages(client, tenant):
    run = list_runs(client, tenant).page.items[0]
    assert (run.pipeline, run.stack, run.user, run.status) == ("churn", "default", "ada", "completed")
    page = open_run(client, run.id, "train")
    steps = {step.name: step.status for step in page.steps}
    assert steps == dict.fromkeys(
        ["load_customers", "build_features", "profile", "train", "evaluate"], "completed"
    )
    assert ("build_features", "train") in page.edges
    assert any("AUC" in line.message for line in page.log.lines), page.log


def check_refusals(client, template, by):  # noqa: F811 - not the fixture
    """Wrong values are refused, and nothing is made of them, here or there."""
    paths, project = ("/runs", "/pipeline_deployments"), template.project_id
    before = [client.pages(path, 1, 1, project=project).total for path in paths]
    for values, place in WRONG:
        with pytest.raises(InvalidConfiguration) as refused:
            queue_run(template=template, configuration=values, by=by)
        assert [one.path for one in refused.value.problems] == [place]
    assert template.runs.count() == 0
    assert [client.pages(path, 1, 1, project=project).total for path in paths] == before == [1, 1]


def check_values(client, done, source_run):
    """Exactly the values that were asked for, and all others as recorded."""
    seen = client.run(done.zenml_run_id)
    assert (seen.user, seen.name, seen.status, seen.tags) == ("dev", done.run_name, "completed", ("nightly",))
    assert seen.config["extra"] == CHANGED["extra"]
    recorded = {step.name: step.parameters for step in client.steps(source_run)}
    found = {step.name: step.parameters for step in client.steps(done.zenml_run_id)}
    assert found == {**recorded, "train": {**recorded["train"], **OTHER}}


def check_end(client, killed):
    assert (killed.state, killed.state_reason) == ("failed", "The process of the run was killed (signal 9).")
    page = open_run(client, killed.zenml_run_id, ended=killed.state)
    assert (page.status, page.live) == ("failed", False)
    steps = [*page.steps, *client.steps(killed.zenml_run_id)]
    assert "running" not in {step.status for step in steps}
