import pytest

from tenants.hosting import backends
from tenants.hosting.kubernetes import cluster_settings
from zenpro_site.kubernetes_settings import KubernetesSettings

from .world import World


@pytest.fixture
def a_cluster(settings):
    """One that no one can reach; it is enough that tenants could live there."""
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    yield
    backends._backend.cache_clear()
    cluster_settings.servers.cache_clear()


@pytest.fixture
def world(db, a_cluster):
    """One object of everything in one organization."""
    return World("Acme AI")


@pytest.fixture
def foreign(db):
    """The same in another organization."""
    return World("Globex")
