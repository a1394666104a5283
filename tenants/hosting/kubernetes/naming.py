"""Names and labels of what a tenant has in a cluster, and whether an object that is there is the tenant's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tenants.hosting.answers import line, mapping

TENANT = "zenpro.io/tenant"
RUN = "zenpro.io/run"  # label of what one re-run has, in a namespace of their own
INSTALLATION = "zenpro.io/installation"  # which ZenPro made it: others may use the same namespace
VERSION = "zenpro.io/version"  # annotation of the Deployment: what it runs
CHANGING_TO = "zenpro.io/changing-to"  # annotation of the Deployment: what its database is being brought to
CONFIG = "zenpro.io/config"  # annotation of the pods: another configuration means other pods
RESTARTED = "zenpro.io/restarted"
CARRIER = "zenpro.io/carrier"  # label of what carries a database to another home, and of nothing else

INSTANCE = "app.kubernetes.io/instance"
PROGRAM = {"app.kubernetes.io/name": "zenml-server", "app.kubernetes.io/managed-by": "zenpro"}


def name_of(tenant_id: UUID) -> str:
    """Name of every object of a tenant: 18 characters. Never its slug, which another organization may have too."""
    return f"zenml-{tenant_id.hex[:12]}"


def migration_of(tenant_id: UUID, version: str) -> str:
    """Name of the Job that brings the tenant's database to a version."""
    return f"{name_of(tenant_id)}-migrate-{version.replace('.', '-')}"


def carrier_of(tenant_id: UUID, way: str, move: str) -> str:
    """Name of the Job, and of its Secret, that carries the database out or in during a move."""
    return f"{name_of(tenant_id)}-carry-{way}-{move}"


def labels_of(tenant_id: UUID, installation: str, instance: str = "") -> dict[str, str]:
    """Of all objects of a tenant. `instance` when it is not the server itself: no Service may lead to it."""
    return {
        **PROGRAM,
        INSTANCE: instance or name_of(tenant_id),
        TENANT: str(tenant_id),
        INSTALLATION: installation,
    }


def pods_of(tenant_id: UUID) -> dict[str, str]:
    """What selects the pods of its server. A Deployment can't get another selector."""
    return {INSTANCE: name_of(tenant_id)}


def owner_of(found: Mapping[str, Any]) -> str:
    """Id of the tenant whose object this is; "" for one that is not ours."""
    return line(mapping(mapping(found.get("metadata")).get("labels")).get(TENANT))


def is_strange(found: Mapping[str, Any], tenant_id: UUID) -> bool:
    """Is it someone else's? Then it is never changed, whatever its name."""
    return owner_of(found) != str(tenant_id)


def in_the_way(kind: str, name: str) -> str:
    """What people are told of someone else's object."""
    return (
        f"The cluster already has a {kind} {name} that is not this tenant's. Delete or rename it, then Retry."
    )
