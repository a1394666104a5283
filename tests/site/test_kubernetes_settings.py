"""The settings of a cluster: none, or what can work."""

import ssl
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.kubernetes.cluster_settings import cluster_place, databases_on
from tenants.hosting.kubernetes.place import ClusterPlace
from tests.certificates import company_in
from zenpro_site.env import Env
from zenpro_site.kubernetes_settings import KubernetesSettings, load_kubernetes, load_runs
from zenpro_site.mysql_settings import MysqlSettings

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


DATABASE = LEAST | {"_DATABASE": "mysql://zen%40pro:s%2Fecret@db.example.org/"}


def test_tenants_have_sqlite_unless_a_database_server_is_set(monkeypatch):
    assert loaded(monkeypatch, **LEAST).database is None
    found = loaded(monkeypatch, **DATABASE).database
    assert found == MysqlSettings(
        host="db.example.org", user="zen@pro", password="s/ecret", pod_host="db.example.org"
    )
    assert "ecret" not in repr(found)


def test_pods_can_reach_it_elsewhere(monkeypatch):
    found = loaded(monkeypatch, **DATABASE | {"_DATABASE_POD_HOST": "mysql.data.svc:3307"}).database
    assert (found.host, found.port, found.pod_host, found.pod_port) == (
        "db.example.org",
        3306,
        "mysql.data.svc",
        3307,
    )


def test_its_certificate_is_checked_with_those_that_are_given(monkeypatch, tmp_path):
    _, ca = company_in(tmp_path)
    found = loaded(monkeypatch, **DATABASE | {"_DATABASE_CA": str(ca)}).database
    assert (found.tls, found.ca) == ("verify", ca.read_text())
    databases = databases_on(found, "0123456789ab")
    assert databases.server.account.tls.verify_mode == ssl.CERT_REQUIRED
    assert databases.pods.encrypted and databases.pods.ca == found.ca
    found = databases_on(replace(found, tls="encrypt", ca=""), "")
    assert found.server.account.tls.verify_mode == ssl.CERT_NONE and found.pods.encrypted
    assert databases_on(loaded(monkeypatch, **DATABASE | {"_DATABASE_CA": ""}).database, "").pods.ca == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("", "postgres://u:secret@db/", "does not name a MySQL or MariaDB server"),
        ("", "mysql://u:secret@db:x/", "does not name a MySQL or MariaDB server"),
        ("", "mysql://u:secret@/", "names no host"),
        ("", "mysql://db/", "needs the name and password"),
        ("", "mysql://u@db/", "needs the name and password"),
        ("", "mysql://u:secret@db/zenml", "each tenant gets its own"),
        ("", "mysql://u:secret@db/?ssl=true", "has something after the host"),
        ("_POD_HOST", "mysql://db", "Set it to a host"),
        ("_POD_HOST", "u@db", "Set it to a host"),
        ("_CA", "/no/such/file", "Set it to a file with certificates"),
        ("_TLS", "maybe", "one of off, encrypt, verify"),
        ("_TLS", "verify", "set ZENPRO_KUBERNETES_DATABASE_CA"),
    ],
)
def test_what_cannot_work_for_a_database_is_said_without_its_password(monkeypatch, name, value, words):
    with pytest.raises(ImproperlyConfigured, match=words) as told:
        loaded(monkeypatch, **DATABASE | {f"_DATABASE{name}": value})
    assert "secret" not in str(told.value)


def test_certificates_that_are_not_used_are_a_fault(monkeypatch, tmp_path):
    _, ca = company_in(tmp_path)
    with pytest.raises(ImproperlyConfigured, match="must be verify"):
        loaded(monkeypatch, **DATABASE | {"_DATABASE_CA": str(ca), "_DATABASE_TLS": "off"})
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(ImproperlyConfigured, match="Set it to a file with certificates"):
        loaded(monkeypatch, **DATABASE | {"_DATABASE_CA": str(tmp_path / "none.pem")})


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
