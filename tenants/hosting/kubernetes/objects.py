"""The objects of one tenant in a cluster, as dictionaries. Nothing here asks anyone."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from tenants.hosting.kubernetes import mysql_job
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec
from tenants.hosting.kubernetes.database_names import copy_of
from tenants.hosting.kubernetes.naming import (
    CHANGING_TO,
    CONFIG,
    PROGRAM,
    RESTARTED,
    TENANT,
    VERSION,
    labels_of,
    migration_of,
    name_of,
    pods_of,
)
from tenants.hosting.kubernetes.place import ClusterPlace
from tenants.hosting.pro_variables import pro_variables, server_variables

Manifest = dict[str, Any]

PORT = 8080
FOLDER = "/zenml/.zenconfig"
DATABASE = f"{FOLDER}/zenml.db"
SCRATCH = "/tmp"  # noqa: S108 - a volume of the pod's own; all else of it can't be written to
USER = 1000  # of ZenML's own image
READY_WITHIN = 900  # seconds, after which Kubernetes itself says that a rollout hangs
# Where pods may call: everywhere but at what gives a node's own credentials to whoever asks.
EVERYWHERE = (
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}},
    {"ipBlock": {"cidr": "::/0", "except": ["fd00:ec2::254/128"]}},
)
SECRET = (
    "ZENML_SERVER_JWT_SECRET_KEY",
    "ZENML_SECRETS_STORE_ENCRYPTION_KEY",
    "ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET",
)
NOT_THERE = ("ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS",)  # there is no disk that clients and server share
COMMON = {
    "PYTHONUNBUFFERED": "1",
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_LOGGING_COLORS_DISABLED": "true",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_CONFIG_PATH": FOLDER,
    "ZENML_STORE_TYPE": "sql",
}
ON_VOLUME = {"ZENML_STORE_URL": f"sqlite:///{DATABASE}"}
MIGRATED_BY_JOB = {"DISABLE_DATABASE_MIGRATION": "True"}
# A copy that is there already is older, and better: a migration that failed half way may have changed the original.
KEEP_COPY = """
import os, sqlite3, sys
original, copy = sys.argv[1:]
if not os.path.exists(copy):
    target = sqlite3.connect(copy + ".part")
    sqlite3.connect(f"file:{original}?mode=ro", uri=True).backup(target)
    target.close()
    os.replace(copy + ".part", copy)
"""
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def parted(spec: ClusterSpec) -> tuple[dict[str, str], dict[str, str]]:
    """(variables that anyone who sees the pod may see, those of its Secret)."""
    store = spec.store.variables() if spec.store else ON_VOLUME
    wanted = COMMON | store | server_variables(spec) | pro_variables(spec)
    hidden = {*SECRET, *(spec.store.secret() if spec.store else {})}
    secrets = {name: value for name, value in wanted.items() if name in hidden}
    hidden |= {*NOT_THERE}
    return {name: value for name, value in wanted.items() if name not in hidden}, secrets


def digest_of(spec: ClusterSpec) -> str:
    """Changes with any variable, secrets included: a Secret alone restarts no pod."""
    return hashlib.sha256(json.dumps(parted(spec), sort_keys=True).encode()).hexdigest()[:32]


def lasting_objects(spec: ClusterSpec, place: ClusterPlace) -> list[Manifest]:
    """What the server needs around it, in the order in which it is made; its volume and Deployment aside."""
    makers = (service_account, secret, service, network_policy, ingress)
    return [make(spec, place) for make in makers]


def service_account(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    """One without rights, and without a token in the pod."""
    return _object("v1", "ServiceAccount", spec, place) | {"automountServiceAccountToken": False}


def secret(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    _, secrets = parted(spec)
    data = {name: b64encode(value.encode()).decode() for name, value in secrets.items()}
    return _object("v1", "Secret", spec, place) | {"type": "Opaque", "data": data}


def service(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return _object("v1", "Service", spec, place) | {
        "spec": {"selector": pods_of(spec.tenant_id), "ports": [port]}
    }


def network_policy(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    """Only its port can be called, and never by another tenant; it can't ask for the node's credentials."""
    others = {"namespaceSelector": {}, "podSelector": _no_tenant()}
    return _object("networking.k8s.io/v1", "NetworkPolicy", spec, place) | {
        "spec": {
            "podSelector": {"matchLabels": {TENANT: str(spec.tenant_id)}},  # migrations too
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [_callers(place)], "ports": [{"port": PORT, "protocol": "TCP"}]}],
            "egress": [{"to": [others, *EVERYWHERE]}],
        }
    }


def _no_tenant() -> Manifest:
    name = "app.kubernetes.io/name"
    return {"matchExpressions": [{"key": name, "operator": "NotIn", "values": [PROGRAM[name]]}]}


def _callers(place: ClusterPlace) -> Manifest:
    if not place.callers:
        return {"namespaceSelector": {}, "podSelector": _no_tenant()}
    named = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(place.callers)}
    return {"namespaceSelector": {"matchExpressions": [named]}, "podSelector": _no_tenant()}


def ingress(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    parts = place.parts(spec.tenant_id)
    backend = {"service": {"name": name_of(spec.tenant_id), "port": {"name": "http"}}}
    paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    details: Manifest = {"rules": [{"host": parts.hostname, "http": paths}]}
    if place.ingress_class:
        details["ingressClassName"] = place.ingress_class
    if parts.scheme == "https":
        certificate = {"secretName": place.tls_secret} if place.tls_secret else {}
        details["tls"] = [{"hosts": [parts.hostname], **certificate}]
    return _object("networking.k8s.io/v1", "Ingress", spec, place) | {"spec": details}


def volume_claim(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    """Where its database lies. It is made once: hardly anything of a claim can be changed."""
    details: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": place.storage}},
    }
    if place.storage_class:
        details["storageClassName"] = place.storage_class
    return _object("v1", "PersistentVolumeClaim", spec, place) | {"spec": details}


def deployment(spec: ClusterSpec, place: ClusterPlace, restarted: str = "") -> Manifest:
    """One pod at a time. `restarted`: when it was last asked to.

    Two would write one file on a volume; and of any database the old one would answer and pass for the new one.
    """
    annotations = {CONFIG: digest_of(spec)} | ({RESTARTED: restarted} if restarted else {})
    pod = {
        "metadata": {"labels": _labels(spec, place), "annotations": annotations},
        "spec": _pod(spec, place, [_server(spec, place)]),
    }
    found = _object("apps/v1", "Deployment", spec, place)
    found["metadata"]["annotations"] = {VERSION: spec.version, CHANGING_TO: spec.version}
    return found | {
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": READY_WITHIN,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": pods_of(spec.tenant_id)},
            "template": pod,
        }
    }


def waiting_deployment(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    """One without pods and without a version: a Job makes what its database needs first."""
    found = deployment(spec, place)
    found["metadata"]["annotations"] = {CHANGING_TO: spec.version}
    found["spec"]["replicas"] = 0
    return found


def stopped(changing_to: str = "") -> Manifest:
    """A patch of a Deployment: no pods, because someone wants none or because its database is to be changed."""
    patch: Manifest = {"spec": {"replicas": 0}}
    return patch | ({"metadata": {"annotations": {CHANGING_TO: changing_to}}} if changing_to else {})


def migration(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    """Copies the database, then brings it to the version. Once: who tries again deletes it first."""
    name = migration_of(spec.tenant_id, spec.version)
    first, then = _commands(spec)
    keep = _container(spec, place, "backup", first)
    change = _container(spec, place, "migrate", then)
    pod = _pod(spec, place, [change]) | {"initContainers": [keep], "restartPolicy": "Never"}
    labels = _labels(spec, place, instance=name)
    found = _object("batch/v1", "Job", spec, place, name)
    found["metadata"]["labels"] = labels
    return found | {"spec": {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}}}


def job_of(spec: ClusterSpec, place: ClusterPlace, name: str, container: Manifest) -> Manifest:
    """One that works on the tenant's volume with one container, and does it once."""
    labels = _labels(spec, place, instance=name)
    pod = _pod(spec, place, [container]) | {"restartPolicy": "Never"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return _object("batch/v1", "Job", spec, place, name) | {"spec": {"backoffLimit": 0, "template": template}}


def _commands(spec: ClusterSpec) -> tuple[list[str], list[str]]:
    """(what copies the database, what migrates it)."""
    if spec.store:
        script, copy = job_script(), copy_of(spec.tenant_id, spec.version)
        return ["python", "-c", script, "keep", copy], ["python", "-c", script, "migrate", copy]
    copy = f"{FOLDER}/before-{spec.version}.db"
    return ["python", "-c", KEEP_COPY, DATABASE, copy], ["zenml", "migrate-database"]


@cache
def job_script() -> str:
    return Path(mysql_job.__file__).read_text()


def _object(api: str, kind: str, spec: ClusterSpec, place: ClusterPlace, name: str = "") -> Manifest:
    metadata = {"name": name or name_of(spec.tenant_id), "namespace": place.namespace}
    return {"apiVersion": api, "kind": kind, "metadata": metadata | {"labels": _labels(spec, place)}}


def _labels(spec: ClusterSpec, place: ClusterPlace, instance: str = "") -> dict[str, str]:
    return labels_of(spec.tenant_id, place.installation, instance)


def _pod(spec: ClusterSpec, place: ClusterPlace, containers: list[Manifest]) -> Manifest:
    """Satisfies the Pod Security Standard "restricted"."""
    claim = {"persistentVolumeClaim": {"claimName": name_of(spec.tenant_id)}}
    data = {"emptyDir": {}} if spec.store else claim
    pull = {"imagePullSecrets": [{"name": place.pull_secret}]} if place.pull_secret else {}
    return pull | {
        "serviceAccountName": name_of(spec.tenant_id),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service named zenml-… adds ZENML_… variables, which ZenML reads
        "terminationGracePeriodSeconds": 45,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "volumes": [{"name": "data", **data}, {"name": "tmp", "emptyDir": {}}],
    }


def _server(spec: ClusterSpec, place: ClusterPlace) -> Manifest:
    made = _container(spec, place, "zenml")
    made["env"] += _pairs(MIGRATED_BY_JOB) if spec.store else []
    return made | {
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": _asks("/health", periodSeconds=5, failureThreshold=120),  # its first start migrates
        "readinessProbe": _asks("/ready", periodSeconds=5),
        "livenessProbe": _asks("/health", periodSeconds=15, failureThreshold=5),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},  # the ingress forgets the pod first
    }


def _asks(path: str, **pace: int) -> Manifest:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 5, **pace}


def _container(
    spec: ClusterSpec, place: ClusterPlace, name: str, command: list[str] | None = None
) -> Manifest:
    variables, _ = parted(spec)
    return ({"command": command} if command else {}) | {
        "name": name,
        "image": place.image_of(spec.version),
        "securityContext": RESTRICTED,
        "envFrom": [{"secretRef": {"name": name_of(spec.tenant_id)}}],
        "env": _pairs(variables),
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": FOLDER}, {"name": "tmp", "mountPath": SCRATCH}],
    }


def _pairs(variables: dict[str, str]) -> list[Manifest]:
    return [{"name": key, "value": value} for key, value in sorted(variables.items())]
