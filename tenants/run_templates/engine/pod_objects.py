"""The objects of one run in a cluster, as dictionaries. Nothing here asks anyone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from tenants.hosting.kubernetes.naming import INSTALLATION, RUN, TENANT
from tenants.hosting.kubernetes.objects import EVERYWHERE, RESTRICTED, USER
from tenants.run_templates.document.requirements import parsed

from .base import Order
from .pod_place import PodPlace
from .runner_program import CODE, command, environment

Manifest = dict[str, Any]

NAME = "app.kubernetes.io/name"
PROGRAM = {NAME: "zenml-run", "app.kubernetes.io/managed-by": "zenpro"}
POLICY = "zenpro-runs"
ROOT = Path("/zenpro")
PYTHON = ROOT / "environment" / "bin" / "python"
SCRATCH = "/tmp"  # noqa: S108 - a volume of the pod's own; all else of it can't be written to
TICKET = "ZENPRO_TICKET"
RUN_CONTAINER, PREPARE = "run", "prepare"
GRACE = 30  # seconds from SIGTERM to SIGKILL; the agent is less patient
SMALL = "1Gi"  # of /tmp
LEAST_MEMORY = 512 * 1024**2  # bytes that a node must have free
LEAST_CPUS = 0.1
PROGRAM_FILE = Path(__file__).with_name("pod_programs") / "prepare.py"


def name_of(run_id: UUID) -> str:
    """Of its Job and its Secret. A Job of that name is the lock: a second one can't be made."""
    return f"run-{run_id}"


def labels_of(run_id: UUID, tenant_id: UUID | None, installation: str) -> dict[str, str]:
    return {**PROGRAM, RUN: str(run_id), TENANT: str(tenant_id), INSTALLATION: installation}


def pods_of(run_id: UUID, installation: str) -> dict[str, str]:
    """What selects the pods of its Job."""
    return {RUN: str(run_id), INSTALLATION: installation}


def network_policy(place: PodPlace) -> Manifest:
    """Of all runs: no one calls them, and they call neither each other nor what gives out a node's credentials."""
    pods = {"matchLabels": {NAME: PROGRAM[NAME]}}
    no_run = {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": [PROGRAM[NAME]]}]}
    others = {"namespaceSelector": {}, "podSelector": no_run}
    found = _object("networking.k8s.io/v1", "NetworkPolicy", POLICY, PROGRAM, place)
    return found | {
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [{"to": [others, *EVERYWHERE]}],
        }
    }


def run_secret(order: Order, place: PodPlace, ticket: str) -> Manifest:
    """Its variables, with its token, and what only its preparation may know."""
    values = _variables(order) | _preparation(place, ticket)
    data = {name: b64encode(value.encode()).decode() for name, value in values.items()}
    return _named("v1", "Secret", order, place) | {"type": "Opaque", "data": data}


def run_job(order: Order, place: PodPlace) -> Manifest:
    """Once: a run that was begun is not begun again."""
    labels = _labels(order, place)
    template = {"metadata": {"labels": labels}, "spec": _pod(order, place)}
    return _named("batch/v1", "Job", order, place) | {"spec": {"backoffLimit": 0, "template": template}}


def paused() -> Manifest:
    """A patch of a Job: its pod is asked to end, and none follows it. The Job stays."""
    return {"spec": {"suspend": True}}


def _variables(order: Order) -> dict[str, str]:
    """Nothing of this machine is in the pod."""
    return environment(replace(order, python=PYTHON, local_stores=ROOT / "stores"), ROOT)


def _preparation(place: PodPlace, ticket: str) -> dict[str, str]:
    return place.index_variables | {TICKET: ticket}


def _object(api: str, kind: str, name: str, labels: Mapping[str, str], place: PodPlace) -> Manifest:
    metadata = {"name": name, "namespace": place.namespace, "labels": dict(labels)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def _named(api: str, kind: str, order: Order, place: PodPlace) -> Manifest:
    return _object(api, kind, name_of(order.run_id), _labels(order, place), place)


def _labels(order: Order, place: PodPlace) -> dict[str, str]:
    return labels_of(order.run_id, order.tenant_id, place.installation)


def _pod(order: Order, place: PodPlace) -> Manifest:
    """Satisfies the Pod Security Standard "restricted"."""
    pull = {"imagePullSecrets": [{"name": place.pull_secret}]} if place.pull_secret else {}
    sizes = {"environment": place.storage, "work": place.storage, "tmp": SMALL}
    return pull | {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service named zenml-… adds ZENML_… variables, which ZenML reads
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [_preparing(order, place)],
        "containers": [_running(order, place)],
        "volumes": [{"name": name, "emptyDir": {"sizeLimit": size}} for name, size in sizes.items()],
    }


def _preparing(order: Order, place: PodPlace) -> Manifest:
    version, requirements, builds = order.needs
    address = place.code_of(order.run_id) if order.code else ""
    words = [str(ROOT), address, "builds" if builds else "", version, *parsed(requirements)]
    return _container(order, place, PREPARE, [*_preparation(place, ""), "LANG"]) | {
        "command": ["python", "-c", PROGRAM_FILE.read_text(encoding="utf-8"), *words],
        "workingDir": str(ROOT),
        "volumeMounts": _mounts(),
    }


def _running(order: Order, place: PodPlace) -> Manifest:
    return _container(order, place, RUN_CONTAINER, [*_variables(order)]) | {
        "command": command(replace(order, python=PYTHON)),
        "workingDir": str(ROOT / CODE / order.starts_in),
        "volumeMounts": _mounts(environment_changes=False),
    }


def _mounts(*, environment_changes: bool = True) -> list[Manifest]:
    frozen = {} if environment_changes else {"readOnly": True}
    return [
        {"name": "work", "mountPath": str(ROOT)},
        {"name": "environment", "mountPath": str(ROOT / "environment"), **frozen},
        {"name": "tmp", "mountPath": SCRATCH},
    ]


def _container(order: Order, place: PodPlace, name: str, variables: list[str]) -> Manifest:
    return {
        "name": name,
        "image": place.image_of(order.needs[0]),
        "securityContext": RESTRICTED,
        "env": [_secret_variable(order, key) for key in sorted(variables)],
        "resources": _resources(place),
    }


def _secret_variable(order: Order, key: str) -> Manifest:
    source = {"name": name_of(order.run_id), "key": key}
    return {"name": key, "valueFrom": {"secretKeyRef": source}}


def _resources(place: PodPlace) -> Manifest:
    """What ZENPRO_RUN_MEMORY_MB and ZENPRO_RUN_CPUS allow, and a little of both for sure."""
    memory, cpus = place.memory or LEAST_MEMORY, place.cpus or LEAST_CPUS
    limits = {"memory": str(place.memory)} if place.memory else {}
    limits |= {"cpu": _milli(place.cpus)} if place.cpus else {}
    asked = {"cpu": _milli(min(cpus, LEAST_CPUS)), "memory": str(min(memory, LEAST_MEMORY))}
    return {"requests": asked} | ({"limits": limits} if limits else {})


def _milli(cpus: float) -> str:
    return f"{max(1, round(cpus * 1000))}m"
