import pytest
from lightkube import Client, KubeConfig

from .fixtures import cluster

__all__ = ["cluster"]


@pytest.fixture
def kube(cluster, tmp_path):
    """lightkube, as whoever may do everything."""
    return Client(KubeConfig.from_file(cluster.kubeconfig(tmp_path / "kubeconfig")), field_manager="zenpro")
