"""Twenty re-runs at once while the agent is killed twice: each comes to its own end, and nothing is there twice.

test_kills.py kills each process once, around one run.
"""

from pathlib import Path

import pytest

from .projects import Project
from .test_kills import processes_with

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]
COUNTING = Project("counting", "steps.count.parameters.number", "", {})
MANY, BAD = 20, 13
# One process does all of it, so that the agent is killed while a run is between its row and its process.
SCRIPT = """
import os, signal, time
from django.conf import settings
from orgs.users.models import Actor, User
from tenants.hosting.local.supervisor import Supervisor
from tenants.run_templates.actions import queue_run
from tenants.run_templates.models import RunTemplate, TemplateRun
supervisor, deadline = Supervisor(settings.ZENPRO_DATA), time.monotonic() + 900
template = RunTemplate.objects.get(tenant__slug='demo', name='counting')
by = Actor(User.objects.get(pk='{person}'))
pks = [
    queue_run(template=template, configuration={{'steps': {{'count': {{'parameters': {{'number': n}}}}}}}}, by=by).pk
    for n in range({many})
]
runs, killed = TemplateRun.objects.filter(pk__in=pks), []

def until(reached):
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.05)

def ended():
    return runs.filter(state__in=TemplateRun.ENDED).count()

for least in (2, 9):
    until(lambda: ended() >= least and runs.filter(state='starting').exists())
    killed.append([supervisor.status('agent').pid, ended()])
    os.kill(killed[-1][0], signal.SIGKILL)
    until(lambda: supervisor.status('agent').pid not in (None, killed[-1][0]))
until(lambda: ended() == {many})
facts = ('pk', 'state', 'state_reason', 'run_name', 'zenml_run_id', 'zenml_snapshot_id', 'configuration')
answer = {{'killed': killed, 'rows': [*runs.order_by('number').values(*facts)]}}
"""


@pytest.fixture(scope="module")
def story(workshop):
    """What happened: `killed` [pid, ends until then], `rows`, and the totals of the tenant before and after."""
    workshop.template(COUNTING, workshop.record(COUNTING))
    before, person = workshop.totals(), workshop.lab.people["operator"].id
    told = workshop.lab.installed.ask(SCRIPT.format(person=person, many=MANY))
    return {**told, "totals": [before, workshop.totals()]}


def test_the_agent_was_killed_twice_in_the_middle(story):
    (first, ends), (second, later) = story["killed"]
    assert first != second
    assert 2 <= ends < later < MANY


def test_each_comes_to_its_own_end(story, workshop):
    """As it is here and as it is in the tenant; the number that raises fails, and says why."""
    assert len(story["rows"]) == MANY
    for number, row in enumerate(story["rows"]):
        wanted = "failed" if number == BAD else "completed"
        assert row["state"] == workshop.run(row["zenml_run_id"])["body"]["status"] == wanted, row
        assert bool(row["state_reason"]) == (number == BAD)
        [step] = workshop.steps(row["zenml_run_id"])
        assert step["body"]["status"] == wanted
        assert step["metadata"]["config"]["parameters"] == {"number": number}
    assert "13 is not counted." in story["rows"][BAD]["state_reason"]


def test_nothing_is_there_twice(story, workshop):
    """Rows, runs, snapshots, what the steps have printed; and no process is left."""
    for fact in ("run_name", "zenml_run_id", "zenml_snapshot_id"):
        assert len({row[fact] for row in story["rows"]}) == MANY, fact
    (runs, snapshots), after = story["totals"]
    assert after == (runs + MANY, snapshots + MANY)
    for number, row in enumerate(story["rows"]):
        output = Path(workshop.lab.installed.data / "runs" / row["pk"] / "output.log").read_text()
        assert output.count(f"counted {number}.") == 1, output
        assert processes_with(row["zenml_run_id"]) == []
