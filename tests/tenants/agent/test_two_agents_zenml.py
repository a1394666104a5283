"""Two agents take turns while the one that works is killed again and again: every re-run comes to its own end, once.

Here some kills at random moments; ZENPRO_TEST_KILLS=50 makes it fifty.
"""

import os
import random
import signal

import pytest
from django.conf import settings

from orgs.users.models import Actor
from tenants.agent.one_agent import BEGINS
from tenants.run_templates.actions import queue_run
from tenants.run_templates.engine import runner
from tenants.run_templates.models import TemplateRun
from tenants.runs.connection import connect

from .test_one_agent import TAKES_OVER_WITHIN, Agent, on_postgresql
from .test_run_loop_zenml import VERSION, eventually, here, site, template

__all__ = ["VERSION", "here", "site", "template"]
pytestmark = [pytest.mark.zenml, pytest.mark.postgres, on_postgresql]
KILLS = int(os.environ.get("ZENPRO_TEST_KILLS", "4"))
UNDER_WAY = 3  # re-runs that are never fewer
DISTINCT = {"enable_cache": True}


@pytest.fixture
def pair(here, site, monkeypatch):
    """The agent that works and the one that waits, as a list that changes hands."""
    monkeypatch.setenv("ZENPRO_URL", settings.ZENPRO_URL)
    made = [Agent(site.data)]
    assert made[0].says(BEGINS), made[0].output
    made.append(Agent(site.data))
    yield made
    for one in made:
        one.process.kill()
        one.process.wait(60)
        one.process.stdout.close()


def test_no_re_run_is_lost_doubled_or_ended_by_mistake(here, site, template, pair):
    tenant, people = here
    by, seed = Actor(people["dev"]), random.randrange(10**6)
    chance, queued = random.Random(seed), []

    def fill():
        unfinished = TemplateRun.objects.unfinished().count()
        queued.extend(
            queue_run(template=template, configuration=DISTINCT, by=by) for _ in range(UNDER_WAY - unfinished)
        )

    for _ in range(KILLS):
        fill()
        pair[0].says("\0", within=chance.uniform(0.1, 1.5))  # reads what it says meanwhile
        hand_over(pair, site)
    eventually(lambda: not TemplateRun.objects.unfinished().exists(), 300)
    rows = TemplateRun.objects.filter(pk__in=[run.pk for run in queued])
    for run in rows:
        assert run.state == "completed", (seed, run.state, run.state_reason, runner.chosen().output(run.pk))
    assert len({run.zenml_run_id for run in rows}) == len(queued) >= UNDER_WAY
    total = connect(by.person, tenant).runs(site.project).total
    assert total == len(queued) + 1, seed


def hand_over(pair, site):
    """The one that works is killed; the other goes on in time, and a new one waits."""
    first, second = pair
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(60)
    first.process.stdout.close()
    assert second.says(BEGINS, TAKES_OVER_WITHIN), second.output
    pair[:] = [second, Agent(site.data)]
