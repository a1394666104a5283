"""What the tests of this folder begin with: a specification, a place, and what a cluster might show of them."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tenants.hosting.kubernetes.bounded_mysql import MysqlAccount
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec, PodsWay, StoreOnServer
from tenants.hosting.kubernetes.database_server import DatabaseServer
from tenants.hosting.kubernetes.databases import TenantDatabases
from tenants.hosting.kubernetes.naming import TENANT, labels_of
from tenants.hosting.kubernetes.place import ClusterPlace
from tests.mariadb import ADMIN, PASSWORD

TENANT_ID = UUID("467386c2-20f3-4649-a0de-a4f04ba99318")
NAME = "zenml-467386c220f3"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

SPEC = ClusterSpec(
    tenant_id=TENANT_ID,
    workspace_name="vision",
    version="0.98.0",
    server_url=f"https://{NAME}.zenml.example.org",
    api_url="https://zenpro.example.org/api",
    dashboard_url="https://zenpro.example.org",
    organization_id=UUID("00000000-0000-0000-0000-00000000000a"),
    organization_name="Acme",
    oauth_secret="an-oauth-secret",
    jwt_secret="a-jwt-secret",
    encryption_key="an-encryption-key",
)
STORE = StoreOnServer(
    name=NAME.replace("-", "_"), password="a-password", at=PodsWay(host="db.example.org", port=3306)
)
ON_SERVER = replace(SPEC, store=STORE)
PLACE = ClusterPlace(
    namespace="zenpro-tenants", url="https://*.zenml.example.org", installation="0123456789ab"
)


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict:
    return {"type": kind, "status": status, "reason": reason, "message": message}


AVAILABLE = condition("Available", "True", "MinimumReplicasAvailable")
ROLLED_OUT = condition("Progressing", "True", "NewReplicaSetAvailable")
TOO_LATE = condition("Progressing", "False", "ProgressDeadlineExceeded")


def deployment(*conditions: dict, replicas: int = 1, generation: int = 2, observed: int = 2) -> dict:
    metadata = {"name": NAME, "labels": labels_of(TENANT_ID, PLACE.installation), "generation": generation}
    status = {"conditions": list(conditions), "observedGeneration": observed}
    return {"metadata": metadata, "spec": {"replicas": replicas}, "status": status}


def stranger(kind: str = "Deployment") -> dict:
    return {"kind": kind, "metadata": {"name": NAME, "labels": {"app": "someone-elses"}}}


def pod(*conditions: dict, age: float = 30, name: str = "", **container) -> dict:
    """With one container, when anything is said of it: `state`, `lastState`, `image`, `restartCount`."""
    statuses = [{"name": "zenml", **container}] if container else []
    metadata = {
        "name": name or f"{NAME}-{age:.0f}",
        "creationTimestamp": ago(age),
        "labels": {TENANT: str(TENANT_ID)},
    }
    return {
        "metadata": metadata,
        "status": {"conditions": list(conditions), "containerStatuses": statuses},
    }


def waiting(reason: str, message: str = "") -> dict:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int = 1, reason: str = "Error") -> dict:
    return {"terminated": {"exitCode": code, "reason": reason}}


def running(seconds: float = 60) -> dict:
    return {"running": {"startedAt": ago(seconds)}}


def claim(phase: str = "Pending", age: float = 10) -> dict:
    return {"metadata": {"name": NAME, "creationTimestamp": ago(age)}, "status": {"phase": phase}}


def event(reason: str, message: str, age: float = 5, kind: str = "Pod", name: str = NAME) -> dict:
    involved = {"kind": kind, "name": name}
    return {"involvedObject": involved, "reason": reason, "message": message, "lastTimestamp": ago(age)}


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def databases_on(mariadb, **account) -> TenantDatabases:
    """As an installation has them whose account has the rights of docs/operating.md."""
    known = {"host": "127.0.0.1", "port": mariadb.port, "user": ADMIN, "password": PASSWORD}
    server = DatabaseServer(MysqlAccount(**(known | account)))
    return TenantDatabases(server, "tests", PodsWay(host="127.0.0.1", port=mariadb.port))


def checked_databases_on(mariadb) -> TenantDatabases:
    """The same encrypted, and with the server's certificate checked on both ways."""
    found = databases_on(mariadb, tls=ssl.create_default_context(cafile=mariadb.ca))
    found.pods = replace(found.pods, encrypted=True, ca=mariadb.ca.read_text())
    return found
