"""Stacks that need ZenPro's own machine, where runs go to a cluster: refused before anything is queued, and again."""

import pytest
from django.utils import timezone

from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.agent.run_memory import Memory
from tenants.agent.run_pass import RunPass
from tenants.hosting.base import EnvironmentFailed, TenantRefused, TenantUnreachable
from tenants.hosting.local.index import PackageIndex
from tenants.run_templates import actions
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.cluster_runner import ClusterRunner
from tenants.run_templates.engine.pod_environments import PodEnvironments, environments_of_runs
from tenants.run_templates.engine.pod_objects import PYTHON
from tenants.run_templates.models import TemplateRun
from zenpro_site.common.refusals import Refused
from zenpro_site.kubernetes_settings import KubernetesSettings

from ..agent.fake_runner import FakeRunner
from ..agent.test_run_loop import FakeEnvironments
from .test_remote_stacks import STACK_ID, remote_server, remote_template

KINDS = [
    ("artifact_store", "local", "The stack cluster keeps its artifacts on the machine of ZenPro"),
    ("orchestrator", "local_docker", "The stack cluster starts containers on the machine of ZenPro"),
]


@pytest.fixture
def template(org, member, settings):
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    settings.ZENPRO_RUNS_IN_CLUSTER = True
    return remote_template(org, member)


@pytest.fixture
def server(monkeypatch):
    found = remote_server()
    monkeypatch.setattr(actions, "connect", lambda person, tenant: found)
    return found


def lies_here(server, kind, flavor):
    server.stacks[STACK_ID]["metadata"]["components"] = {kind: [{"body": {"flavor_name": flavor}}]}


def queue(template, member):
    return actions.queue_run(template=template, configuration={}, by=Actor(member))


@pytest.mark.parametrize(("kind", "flavor", "words"), KINDS)
def test_it_is_refused_before_it_is_queued(template, server, member, kind, flavor, words):
    lies_here(server, kind, flavor)
    with pytest.raises(Refused, match=words):
        queue(template, member)
    assert not TemplateRun.objects.exists()


def test_on_this_machine_it_is_not(template, server, member, settings):
    settings.ZENPRO_RUNS_IN_CLUSTER = False  # its artifact store is a local one
    assert queue(template, member)


@pytest.mark.parametrize("error", [TenantUnreachable("Away."), TenantRefused(403, "No.")])
def test_where_no_one_can_tell_the_agent_asks_again_and_begins_nothing(template, server, member, error):
    server.down = error
    run = queue(template, member)
    server.down = None
    lies_here(server, "artifact_store", "local")
    TemplateRun.objects.update(state="starting", started_at=timezone.now())
    starter = FakeRunner()
    row = run_rows.load(run.pk)
    RunPass(row, Memory(), starter, FakeEnvironments(), lambda user, tenant: server).go()
    run.refresh_from_db()
    assert (run.state, "keeps its artifacts on the machine" in run.state_reason) == ("failed", True)
    assert "start" not in starter.log and run.zenml_run_id is None


# -- what else is chosen with the runner


def test_the_runner_and_the_environments_are_chosen_together(template, settings):
    assert isinstance(runner.chosen(), ClusterRunner) and isinstance(environments_of_runs(), PodEnvironments)
    settings.ZENPRO_RUNS_IN_CLUSTER = False
    assert not isinstance(runner.chosen(), ClusterRunner)
    assert not isinstance(environments_of_runs(), PodEnvironments)


def test_no_environment_is_made_on_this_machine(template, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    environments = PodEnvironments()
    assert environments.ready("0.98.0", "pandas==2.2")
    assert environments.prepare("0.98.0", "pandas==2.2") == PYTHON
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("version", "requirements", "words"),
    [("0.98.0", "x @ file:///etc", "can't be installed"), ("latest; rm", "", "version")],
)
def test_what_no_pod_could_install_is_told_before_there_is_one(template, version, requirements, words):
    assert not PodEnvironments().ready(version, requirements)
    with pytest.raises(EnvironmentFailed, match=words):
        PodEnvironments().prepare(version, requirements)


def test_packages_of_several_indexes_are_refused(template, settings):
    settings.ZENPRO_PACKAGE_INDEX = PackageIndex(("https://a.example.org", "https://b.example.org"))
    assert PodEnvironments().ready("0.98.0", "")
    with pytest.raises(EnvironmentFailed, match="one index"):
        PodEnvironments().prepare("0.98.0", "pandas")
