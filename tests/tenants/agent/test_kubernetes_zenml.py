"""Re-runs that ZenML's own Kubernetes orchestrator carries out, in a cluster whose pods are processes of this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from orgs.users.models import Actor
from tenants.hosting.local.environments import Environments
from tenants.run_templates.actions import create_template, queue_run
from tenants.run_templates.code_actions import add_folder
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.runs import connection
from tenants.runs.client import TenantClients
from tenants.runs.connection import connect
from tests.cluster import running_cluster
from tests.cluster.images import Runs
from tests.tenants.hosting.stub_control_plane import free_port

from .test_run_loop_zenml import Site, agent, ended, eventually, in_state

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
VERSION = "0.98.0"
CODE = Path(__file__).parent / "on_a_cluster"
# As ZenML 0.98.0 names them for its integrations kubernetes and s3; and an S3, which can't live beside our own packages.
PACKAGES = "kubernetes>=21.7,<26\nJinja2\ns3fs>2022.3.0,<=2025.3.0\nboto3\nmoto[server,s3]>=5.1"
GRACE = {"steps": {"greet": {"parameters": {"name": "Grace"}}}}


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "cluster"
    folder.mkdir()
    with running_cluster(folder) as running:
        running.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "runs"}})
        yield running


@pytest.fixture
def site(tmp_path, live_server, settings, zen_data, monkeypatch):
    monkeypatch.setattr(connection, "_clients", TenantClients(timeout=60))  # machines that run tests are busy
    Environments(zen_data, sys.executable).install(VERSION)
    settings.ZENPRO_DATA, settings.ZENPRO_CODE_ROOTS = zen_data, [CODE]
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    made = Site(zen_data, live_server.url, VERSION)
    yield made
    made.stop()


@pytest.fixture
def python(site):
    """With ZenML and what the stack needs: of whoever records the run, of the re-run, and of the pods."""
    return RunEnvironments(site.data).prepare(VERSION, PACKAGES)


@pytest.fixture
def s3(python, tmp_path):
    """Address of an S3 with one bucket."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p", url.rpartition(":")[2]]
    with open(tmp_path / "s3.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: has_bucket(url) or server.poll() is not None)
        assert server.poll() is None, (tmp_path / "s3.log").read_text()
        yield url
    finally:
        server.kill()
        server.wait()


def has_bucket(url: str) -> bool:
    try:
        return httpx.put(f"{url}/zen", trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def there(site):
    """(tenant, people) with the server running."""
    tenant, people = site.rows()
    site.start(tenant)
    tenant.project_id = connect(people["ada"], tenant).create_project("default")["id"]
    tenant.save()
    return tenant, people


@pytest.fixture
def recorded(there, python, cluster, s3, tmp_path):
    """Id of a run that was handed over to the cluster, whose pods only pretended."""
    tenant, people = there
    env = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "ZENML_CONFIG_PATH": str(tmp_path / "zen"),
        "ZENML_STORE_TYPE": "rest",
        "ZENML_STORE_URL": tenant.server_url,
        "ZENML_STORE_API_TOKEN": connect(people["ada"], tenant).session(),
        "ZENML_ACTIVE_PROJECT_ID": str(tenant.project_id),
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    command = [python, "record.py", cluster.url, s3, cluster.token]
    done = subprocess.run(
        command, cwd=CODE, env=env, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return re.search(r"run=(\S+)", done.stdout)[1]


@pytest.fixture
def template(there, recorded):
    tenant, people = there
    by = Actor(people["dev"])
    run = connect(by.person, tenant).run(recorded)
    facts = {"pipeline": run.pipeline, "snapshot": connect(by.person, tenant).snapshot(run.snapshot_id)}
    code = add_folder(tenant=tenant, location=str(CODE), by=by, **facts)
    texts = {"name": "greeting", "description": "", "requirements": PACKAGES}
    return create_template(tenant=tenant, run_id=recorded, code=code, by=by, **texts)


@pytest.fixture
def real_pods(cluster, python, tmp_path):
    """From now on pods are processes with the environment of the re-run."""
    config = cluster.kubeconfig(tmp_path / "kubeconfig", "runs")
    env = {"PATH": f"{python.parent}:{os.defpath}", "KUBECONFIG": str(config)}
    for job in cluster.list("Job"):
        cluster.delete("Job", job["metadata"]["name"], "runs", propagationPolicy="Background")
    cluster.settle()
    cluster.images["registry.example.org/*"] = Runs(("true",), env)


def outputs(cluster):
    return "\n".join(
        f"{log.name}\n{log.read_text()[-2000:]}" for log in cluster.processes.folder.glob("*.log")
    )


def test_re_runs_are_carried_out_by_the_cluster_or_refused_by_it(there, template, cluster, real_pods):
    """In one test: the server, the environments and the recording are most of its time."""
    tenant, people = there
    by = Actor(people["dev"])
    with agent():
        check_refusal(template, cluster, by)
        run = queue_run(template=template, configuration=GRACE, by=by)
        in_state(run, "submitted")
        done = ended(run)
    assert done.state == "completed", (done.state_reason, runner.chosen().output(run.pk), outputs(cluster))
    client = connect(people["dev"], tenant)
    assert [(step.name, step.status) for step in client.steps(done.zenml_run_id)] == [("greet", "completed")]
    assert "Hello, Grace" in outputs(cluster)


def check_refusal(template, cluster, by):
    """What the cluster does not allow is the reason of the run's end, and nothing is left in the cluster."""
    cluster.faults.forbid("create", "jobs")
    done = ended(queue_run(template=template, configuration=GRACE, by=by))
    cluster.faults.clear()
    assert (done.state, "Forbidden" in done.state_reason) == ("failed", True), done.state_reason
    assert cluster.list("Job") == []
