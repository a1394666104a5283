import pytest

from tenants.hosting import backends
from tenants.hosting.kubernetes import cluster_settings
from zenpro_site.kubernetes_settings import KubernetesSettings

from .world import World


@pytest.fixture
def world(db, settings):
    """One object of everything in one organization, and a cluster that no one can reach."""
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    yield World("Acme AI")
    backends._backend.cache_clear()
    cluster_settings.servers.cache_clear()


@pytest.fixture
def foreign(db):
    """The same in another organization."""
    return World("Globex")
