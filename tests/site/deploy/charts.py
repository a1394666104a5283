"""The chart as Helm renders it, for tests."""

from functools import cache
from typing import Any

import helm_python
import yaml

from tests.guards.walk import ROOT

CHART = ROOT / "deploy" / "helm" / "zenpro"
TENANTS, RUNS = "zenpro-tenants", "zenpro-runs"
LEAST = {
    "url": "https://zenpro.example.org",
    "keys": {"existingSecret": "zenpro-keys"},
    "database": {"existingSecret": "zenpro-database"},
    "tenants": {"url": "https://*.zenml.example.org"},
}
# Everything that can be said.
FULL = {
    "url": "https://zenpro.example.org:8443",
    "apiUrl": "https://api.example.org",
    "adminEmail": "ada@example.org",
    "proxies": 2,
    "settings": {
        "ZENPRO_TIME_ZONE": "Europe/Berlin",
        "ZENPRO_PARALLEL_RUNS": 3,
        "HTTPS_PROXY": "http://p:3128",
    },
    "image": {"repository": "registry.example.org:5000/zenpro", "tag": "1.2.3", "pullSecrets": ["registry"]},
    "keys": {"existingSecret": "zenpro-keys"},
    "database": {"existingSecret": "pg-app", "key": "uri"},
    "email": {"existingSecret": "mail", "from": "ZenPro <zenpro@example.org>"},
    "oidc": {
        "issuer": "https://id.example.org",
        "clientId": "zenpro",
        "existingSecret": "oidc",
        "name": "Acme",
    },
    "storage": {"bucket": "s3://acme/zenpro", "endpoint": "https://s3.example.org", "region": "eu-central-1"}
    | {"existingSecret": "bucket"},
    "data": {"existingClaim": "shared"},
    "files": {"existingSecret": "certificates"},
    "web": {"replicas": 3, "spread": False},
    "agent": {"replicas": 1, "isolation": "none"},
    "tenants": {
        "url": "https://*.zenml.example.org",
        "image": "registry.example.org/zenml",
        "pullSecret": "registry",
    }
    | {"ingressClass": "nginx", "tlsSecret": "wildcard", "storageClass": "fast", "storage": "10Gi"}
    | {"callers": ["ingress-nginx"], "database": {"existingSecret": "mysql", "podHost": "mysql.data.svc"}},
    "runs": {"asJobs": True, "namespace": RUNS, "image": "registry.example.org/zenml-runs"},
    "ingress": {"className": "nginx", "tlsSecret": "cert", "annotations": {"a.example.org/b": "c"}},
    "networkPolicies": {
        "ingressNamespaces": ["ingress-nginx"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    },
    "serviceAccountAnnotations": {"iam.example.org/role": "zenpro"},
    "nodeSelector": {"pool": "zenpro"},
    "tolerations": [{"key": "zenpro", "operator": "Exists"}],
}
KUBECONFIG = {"existingSecret": "there", "webSecret": "reads", "context": "other"}
ANOTHER_CLUSTER = LEAST | {
    "tenants": LEAST["tenants"] | {"kubeconfig": KUBECONFIG},
    "ingress": {"enabled": False},
    "networkPolicies": {"enabled": False},
}
SETS = {"least": LEAST, "full": FULL, "another cluster": ANOTHER_CLUSTER}

# What pages ask of the cluster: nothing that changes it, and no Secret. (group, resource, verb)
FOR_PAGES = {
    ("apps", "deployments", "get"),
    ("", "persistentvolumeclaims", "get"),
    ("", "pods", "list"),
    ("", "events", "list"),
    ("", "pods/log", "get"),
}

Objects = dict[tuple[str, str], dict[str, Any]]


@cache
def chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def rendered(values: dict, name: str = "zenpro", namespace: str = "zenpro") -> Objects:
    """(kind, name) -> object. Raises HelmValuesError for values that the schema refuses."""
    files = chart().render(values=values, name=name, namespace=namespace)
    texts = [text for path, text in files.items() if not path.endswith("NOTES.txt")]
    found = [one for text in texts for one in yaml.safe_load_all(text) if one]
    made = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(made) == len(found), "two objects of one kind and name"
    return made


def notes(values: dict) -> str:
    files = chart().render(values=values, name="zenpro", namespace="zenpro")
    return next(text for path, text in files.items() if path.endswith("NOTES.txt"))


def pods(objects: Objects) -> dict[str, dict]:
    """Component -> the spec of its pods."""
    found = [one["spec"]["template"] for one in objects.values() if "template" in one.get("spec", {})]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"] for one in found}


def containers(pod: dict) -> list[dict]:
    return [*pod.get("initContainers", []), *pod["containers"]]
