"""Re-runs as Jobs, in a cluster whose pods are processes of this machine. ZenML's runner and steps work inside the pod."""

import os
import re
import subprocess

import pytest

from orgs.users.models import Actor
from tenants.hosting.local.index import PackageIndex
from tenants.run_templates.actions import create_template, queue_run
from tenants.run_templates.code_actions import add_folder
from tenants.run_templates.engine import pod_objects, runner
from tenants.run_templates.engine.pod_objects import name_of
from tenants.run_templates.engine.pod_place import cluster_of_runs
from tenants.runs.connection import connect
from tests.cluster.images import Runs
from zenpro_site.kubernetes_settings import KubernetesSettings

from .test_kubernetes_zenml import CODE, cluster, python, s3, site, there
from .test_run_loop_zenml import agent, ended, eventually, fresh

__all__ = ["cluster", "python", "s3", "site", "there"]
pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
PACKAGES = "s3fs>2022.3.0,<=2025.3.0\nboto3"  # the image has them, so no index is asked for them
NAMESPACE = "zenpro-runs"
GRACE = {"steps": {"greet": {"parameters": {"name": "Grace"}}}}


@pytest.fixture
def recorded(there, python, s3, tmp_path):
    """Id of a run whose artifacts are in S3."""
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
    command = [python, "record_here.py", s3]
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
def in_cluster(cluster, python, tmp_path, settings, monkeypatch):
    """From now on re-runs are Jobs. The environment of their image lies below /tmp, which no volume may hide."""
    monkeypatch.setattr(pod_objects, "SCRATCH", "/zenpro/tmp")
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.images["zenmldocker/zenml:*"] = Runs(("true",), {"PATH": f"{python.parent}:{os.defpath}"})
    config = cluster.kubeconfig(tmp_path / "kubeconfig", NAMESPACE)
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config=str(config), url="https://*.example.org")
    settings.ZENPRO_RUNS_IN_CLUSTER = True
    settings.ZENPRO_PACKAGE_INDEX = PackageIndex(("http://127.0.0.1:9/simple",))
    cluster_of_runs.cache_clear()
    yield
    cluster_of_runs.cache_clear()


def outputs(cluster) -> str:
    return "\n".join(
        f"{log.name}\n{log.read_text()[-3000:]}" for log in cluster.processes.folder.glob("*.log")
    )


def test_a_re_run_is_carried_out_by_a_job_and_leaves_nothing_in_the_cluster(
    there, template, cluster, in_cluster, site
):
    tenant, people = there
    before = {path.name for path in (site.data / "envs").iterdir()}
    with agent():
        run = queue_run(template=template, configuration=GRACE, by=Actor(people["dev"]))
        eventually(lambda: fresh(run).pid is not None or fresh(run).has_ended)
        job = cluster.get("Job", name_of(run.pk), NAMESPACE)
        assert job and fresh(run).pid_started == job["metadata"]["uid"], fresh(run).state_reason
        done = ended(run)
    printed = "\n".join(runner.chosen().output(run.pk))
    assert (done.state, done.state_reason) == ("completed", ""), (printed, outputs(cluster))
    client = connect(people["dev"], tenant)
    steps = {step.name: step.status for step in client.steps(done.zenml_run_id)}
    assert (steps["greet"], {*steps}) == ("completed", {"greet", "part"})
    assert "Hello, Grace" in printed
    cluster.until(lambda: not cluster.list("Job", NAMESPACE) and not cluster.list("Pod", NAMESPACE))
    assert cluster.list("Secret", NAMESPACE) == []
    assert {path.name for path in (site.data / "envs").iterdir()} == before, "nothing is installed here"
    assert fresh(run).ticket_hash == ""
