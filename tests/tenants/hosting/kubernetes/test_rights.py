"""What the account may not do is named: by the doctor, and in the agent's log."""

import re
import threading
from dataclasses import replace

import pytest
import yaml
from structlog.testing import capture_logs

from tenants.agent import cluster_rights
from tenants.hosting.base import SupervisorGone
from tenants.hosting.kubernetes import cluster_page
from tenants.hosting.kubernetes.kinds import api_of
from tenants.hosting.kubernetes.rights import missing, needed, needed_for_runs, words_of
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.models import Tenant
from tests.guards.walk import ROOT
from tests.site.deploy.charts import FOR_PAGES
from zenpro_site.checkup import kubernetes
from zenpro_site.checkup.findings import Level

from .clusters import ClusterStandIn
from .made import NAME, PLACE, SPEC

LACKING = "secrets (create, patch), pods/log (get)"


@pytest.fixture
def cluster(monkeypatch, settings):
    settings.ZENPRO_API_URL = "https://zenpro.example.org/api"
    found = ClusterStandIn()
    for module in (kubernetes, cluster_rights):
        monkeypatch.setattr(module, "servers", lambda: ClusterServers(found, PLACE))
    return found


def deny(cluster):
    cluster.denied |= {("secrets", "create"), ("secrets", "patch"), ("pods", "get")}


def test_each_right_is_asked_for_once(cluster):
    assert missing(cluster, needed()) == [] and len(cluster.asked) == len(needed()) == len(set(needed()))
    deny(cluster)
    assert words_of(missing(cluster, needed())) == LACKING


@pytest.mark.parametrize(("number", "wanted"), [(0, needed), (1, needed_for_runs)])
def test_the_roles_in_the_documentation_give_them_all_and_no_more(number, wanted):
    blocks = re.findall(r"```yaml\n(kind: Role\n.*?)```", (ROOT / "docs/operating.md").read_text(), re.DOTALL)
    block = blocks[number]
    assert len(blocks) == 2
    given = {
        (group, resource, verb)
        for rule in yaml.safe_load(block)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {(right.group, right.name, right.verb) for right in wanted()}


class Noting(ClusterStandIn):
    """Notes (verb, resource) of everything that is asked for; everything is there, and nothing is well."""

    def __init__(self):
        super().__init__()
        self.used: set[tuple[str, str]] = set()

    def get(self, kind, name):
        self.used.add(("get", api_of(kind)[1]))
        return super().get(kind, name)

    def list(self, kind, labels, fields=None):
        self.used.add(("list", api_of(kind)[1]))
        return super().list(kind, labels, fields)

    def log(self, pod, lines, **how):
        self.used.add(("get", "pods/log"))
        return super().log(pod, lines, **how)


def test_pages_ask_for_what_they_are_given(monkeypatch):
    """On the way from nothing over a start, a change of version and an end."""
    found = Noting()
    servers = ClusterServers(found, PLACE)
    monkeypatch.setattr(cluster_page, "servers", lambda: servers)
    seen = set()
    for spec in (SPEC, SPEC, replace(SPEC, version="0.99.0"), replace(SPEC, version="0.99.0")):
        servers.start(spec)
        found.used.clear()
        cluster_page.cluster_page(Tenant(pk=SPEC.tenant_id))
        servers.log(SPEC.tenant_id, 10)
        seen |= found.used
        if spec is SPEC:
            found.run(NAME)
    assert seen == {(verb, resource) for _, resource, verb in FOR_PAGES}


def levels(found):
    return [one.level for one in found]


def test_the_doctor_names_what_is_missing(cluster):
    assert levels(kubernetes.check_cluster()) == [Level.OK]
    deny(cluster)
    (found,) = kubernetes.check_cluster()
    assert found.level == Level.PROBLEM and LACKING in found.text and "zenpro-tenants" in found.text
    cluster.fails["create"] = SupervisorGone("The cluster does not answer: late")
    (found,) = kubernetes.check_cluster()
    assert (found.level, found.text) == (Level.PROBLEM, "The cluster does not answer: late")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "zenpro.localhost"])
def test_the_doctor_says_that_pods_can_not_reach_this_very_machine(cluster, settings, monkeypatch, host):
    settings.ZENPRO_API_URL = f"http://{host}/api"
    monkeypatch.setattr(kubernetes.running, "address", lambda: f"http://{host}")
    rights, way_back = kubernetes.check_cluster()
    assert (rights.level, way_back.level) == (Level.OK, Level.PROBLEM)
    assert f"http://{host}/api" in way_back.text
    monkeypatch.setattr(kubernetes.running, "address", lambda: "https://zenpro.example.org")
    assert levels(kubernetes.check_cluster()) == [Level.OK]


def test_rights_for_runs_are_asked_for_where_runs_go_to_the_cluster(cluster, monkeypatch, settings):
    settings.ZENPRO_RUNS_IN_CLUSTER = True
    for module in (kubernetes, cluster_rights):
        monkeypatch.setattr(module, "cluster_of_runs", lambda: cluster)
    assert levels(kubernetes.check_cluster()) == [Level.OK, Level.OK]
    cluster.denied.add(("pods", "delete"))
    tenants, runs = kubernetes.check_cluster()
    assert (tenants.level, runs.level, "pods (delete)" in runs.text) == (Level.OK, Level.PROBLEM, True)
    assert [line["rights"] for line in told()] == ["pods (delete)"]


def told(level: str = "warning") -> list[dict]:
    with capture_logs() as lines:
        cluster_rights.tell_once(threading.Event())
    return [line for line in lines if line["log_level"] == level]


def test_the_agent_names_it_at_its_start(cluster):
    assert told() == [] and [line["namespace"] for line in told("info")] == ["zenpro-tenants"]
    deny(cluster)
    assert told("info") == []
    (line,) = told()
    assert line["rights"] == LACKING
    cluster.fails["create"] = SupervisorGone("late")
    assert [line["reason"] for line in told()] == ["late"]


def test_without_a_cluster_nothing_is_wrong(monkeypatch):
    for module in (kubernetes, cluster_rights):
        monkeypatch.setattr(module, "servers", lambda: None)
    assert levels(kubernetes.check_cluster()) == [Level.OK] and told() == []
