"""The settings of a cluster: none, or what can work."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.kubernetes.cluster_settings import cluster_place
from tenants.hosting.kubernetes.place import ClusterPlace
from zenpro_site.env import Env
from zenpro_site.kubernetes_settings import KubernetesSettings, load_kubernetes, load_runs

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
            "_RUNS_NAMESPACE": "ml-runs",
            "_RUN_IMAGE": "registry.example.org:5000/ml/zenml",
            "_RUN_STORAGE": "50Gi",
        },
    )
    assert (found.runs_namespace, found.run_storage) == ("ml-runs", "50Gi")
    assert found.run_image == "registry.example.org:5000/ml/zenml"
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


def test_runs_have_a_namespace_of_their_own(monkeypatch):
    with pytest.raises(ImproperlyConfigured, match="a namespace of their own"):
        loaded(monkeypatch, **LEAST, _NAMESPACE="ml", _RUNS_NAMESPACE="ml")


def test_runs_go_to_the_cluster_where_that_is_set(monkeypatch):
    found = loaded(monkeypatch, **LEAST)
    assert load_runs(Env(), found) is load_runs(Env(), None) is False
    monkeypatch.setenv("ZENPRO_RUNS", "kubernetes")
    assert load_runs(Env(), found) is True
    with pytest.raises(ImproperlyConfigured, match="names no cluster"):
        load_runs(Env(), None)
    monkeypatch.setenv("ZENPRO_RUNS", "docker")
    with pytest.raises(ImproperlyConfigured, match="machine or kubernetes"):
        load_runs(Env(), found)
