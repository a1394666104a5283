"""The settings of a cluster: none, or what can work."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.kubernetes.cluster_settings import cluster_place
from tenants.hosting.kubernetes.place import ClusterPlace
from zenpro_site.env import Env
from zenpro_site.kubernetes_settings import KubernetesSettings, load_kubernetes

LEAST = {"": "in-cluster", "_URL": "https://*.zenml.example.org"}


def loaded(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"ZENPRO_KUBERNETES{name}", value)
    return load_kubernetes(Env())


def test_there_is_none_unless_it_is_set(monkeypatch):
    assert loaded(monkeypatch, _NAMESPACE="x") is None


def test_the_least_that_is_needed(monkeypatch):
    found = loaded(monkeypatch, **LEAST)
    assert found == KubernetesSettings(config="in-cluster", url="https://*.zenml.example.org")
    least = ClusterPlace(namespace="zenpro-tenants", url=found.url, installation="", inside=True)
    place = cluster_place(found)
    assert place == ClusterPlace(
        **{
            **{name: getattr(least, name) for name in ClusterPlace.__slots__},
            "installation": place.installation,
        }
    )
    assert len(place.installation) == 12


def test_everything(monkeypatch):
    found = loaded(
        monkeypatch,
        **LEAST
        | {
            "": "/etc/zenpro/kubeconfig",
            "_URL": "http://*.Zenml.localhost:8080/",
            "_CONTEXT": "prod",
            "_NAMESPACE": "ml",
            "_IMAGE": "registry.example.org:5000/ml/zenml-server",
            "_STORAGE": "20Gi",
            "_STORAGE_CLASS": "fast",
            "_CALLERS": "ingress-nginx,zenpro",
        },
    )
    assert (found.config, found.context, found.namespace) == ("/etc/zenpro/kubeconfig", "prod", "ml")
    assert found.url == "http://*.zenml.localhost:8080"
    assert (found.image, found.storage) == ("registry.example.org:5000/ml/zenml-server", "20Gi")
    assert (found.storage_class, found.callers) == ("fast", ("ingress-nginx", "zenpro"))
    assert not cluster_place(found).inside


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "kubeconfig"),
        ("_URL", ""),
        ("_URL", "https://zenml.example.org"),
        ("_URL", "https://zenml.*.example.org"),
        ("_URL", "https://*.*.example.org"),
        ("_URL", "https://*.example.org/path"),
        ("_NAMESPACE", "Not_One"),
        ("_IMAGE", "zenmldocker/zenml-server:0.98.0"),
        ("_IMAGE", "a b"),
        ("_STORAGE", "5"),
        ("_PULL_SECRET", "a/b"),
        ("_CALLERS", "a,B"),
    ],
)
def test_what_cannot_work_is_named(monkeypatch, name, value):
    with pytest.raises(ImproperlyConfigured, match=f"ZENPRO_KUBERNETES{name}"):
        loaded(monkeypatch, **LEAST | {name: value})
