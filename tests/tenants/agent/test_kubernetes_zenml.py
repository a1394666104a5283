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
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.runs import connection
from tenants.runs.client import TenantClients
from tenants.runs.connection import connect
from tests.cluster import running_cluster
from tests.cluster.images import Runs
from tests.tenants.hosting.stub_control_plane import free_port

from .cluster_ends import Ends
from .dying_agent import MOMENTS
from .test_run_loop_zenml import Site, agent, ended, eventually

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
VERSION = "0.98.0"
CODE = Path(__file__).parent / "on_a_cluster"
# As ZenML 0.98.0 names them for its integrations kubernetes and s3; and an S3, which can't live beside our own packages.
PACKAGES = "kubernetes>=21.7,<26\nJinja2\ns3fs>2022.3.0,<=2025.3.0\nboto3\nmoto[server,s3]>=5.1"


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


def test_re_runs_are_refused_by_the_cluster_or_carried_out_to_their_true_end(
    there, template, cluster, real_pods, tmp_path
):
    """In one test: the server, the environments and the recording are most of its time."""
    tenant, people = there
    check_refusal(template, cluster, Actor(people["dev"]))
    before, cluster.jobs.delay = jobs_made(cluster), 0
    gates = tmp_path / "gates"
    gates.mkdir()
    ends = Ends(template, cluster, people, gates)
    killed = ends.play(tmp_path / "agents.log")
    client = connect(people["dev"], tenant)
    found = {name: facts(client, ends.fresh(run)) for name, run in ends.runs.items()}
    assert found == expected(people["ada"]), outputs(cluster)[-20000:]
    assert ends.told == {"loses_its_node": "submitted, running", "has_no_image": "submitted, provisioning"}
    assert killed == [*MOMENTS]
    assert (
        jobs_made(cluster) - before == 16
    )  # two a run; a third for its second step, only one where there are no pods
    names = [run.run_name for run in ends.runs.values()]
    assert [client.runs(tenant.project_id, name=name).total for name in names] == [1] * len(names)


def jobs_made(cluster) -> int:
    return sum(
        method == "POST" and path.partition("?")[0].endswith("/jobs") for method, path in cluster.requests
    )


def facts(client, run) -> tuple:
    seen = client.run(run.zenml_run_id)
    steps = {step.name: step.status for step in client.steps(run.zenml_run_id)}
    return run.state, run.state_reason, (seen.status, seen.reason), steps


def expected(ada) -> dict[str, tuple]:
    """Case -> state and reason of the row, those of the run inside the tenant, and its steps there."""
    stopped, failed = f"Stopped by {ada}.", ("failed", "")
    raised = line_of("raise ValueError")
    waited = line_of("time.sleep")
    silent = "The step greet failed without giving a reason. It may have been killed (out of memory, for example), or could not start."
    done = {"greet": "completed", "part": "completed"}
    return {
        "completes": ("completed", "", ("completed", ""), done),
        "raises": ("failed", f"The step greet failed: No one is here. ({raised})", failed, {"greet": "failed"}),
        "stops": ("stopped", stopped, ("stopped", stopped), {"greet": "stopped"}),
        "loses_the_pod_of_its_step": ("failed", silent, failed, {"greet": "failed"}),
        "loses_its_job": (
            "failed", f"The step greet failed: The execution was interrupted. ({waited})", failed, {"greet": "failed"}
        ),
        "is_ended_at_once": ("stopped", stopped, ("stopped", stopped), {"greet": "stopped"}),
        "loses_its_node": ("stopped", stopped, ("stopped", stopped), {"greet": "stopped"}),
        "has_no_image": ("stopped", stopped, ("stopped", stopped), {}),
    }  # fmt: skip


def line_of(words: str) -> str:
    """As reasons name it."""
    lines = (CODE / "greeting.py").read_text().splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if words in line]
    return f"code/greeting.py, line {number}"


def check_refusal(template, cluster, by):
    """What the cluster does not allow is the reason of the run's end, and nothing is left in the cluster."""
    cluster.faults.forbid("create", "jobs")
    with agent():
        done = ended(queue_run(template=template, configuration={}, by=by))
    cluster.faults.clear()
    assert (done.state, "Forbidden" in done.state_reason) == ("failed", True), done.state_reason
    assert cluster.list("Job") == []
