"""A cluster in memory, for what a backend asks of one. Its objects stay as they were put there."""

from copy import deepcopy
from uuid import UUID

from tenants.hosting.kubernetes.cluster_spec import PodsWay, StoreOnServer
from tenants.hosting.kubernetes.database_names import database_of
from tenants.hosting.kubernetes.kinds import BY_KIND, Deployment
from tenants.hosting.kubernetes.naming import INSTANCE

from .made import AVAILABLE, ROLLED_OUT, ago


class ClusterStandIn:
    """The methods of Cluster. `fails`: raised by calls of these names; `changes`: what was changed, in order."""

    namespace = "zenpro-tenants"

    def __init__(self):
        self.objects: dict[tuple[str, str], dict] = {}
        self.logs: dict[tuple[str, str, bool], list[str]] = {}
        self.fails: dict[str, Exception] = {}
        self.changes: list[tuple[str, str, str]] = []
        self.asked: list[str] = []
        self.denied: set[tuple[str, str]] = set()

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        if name in self.fails:
            raise self.fails[name]

    def get(self, kind, name):
        self._ask("get")
        return deepcopy(self.objects.get((kind.__name__, name)))

    def list(self, kind, labels, fields=None):
        self._ask("list")
        found = [one for (own, _), one in self.objects.items() if own == kind.__name__]
        return [deepcopy(one) for one in found if _has(one, labels) and _is_about(one, fields)]

    def apply(self, manifest):
        self._ask("apply")
        kind, name = BY_KIND[manifest["kind"]].__name__, manifest["metadata"]["name"]
        old = self.objects.get((kind, name), {})
        self.objects[kind, name] = deepcopy(manifest) | ({"status": old["status"]} if "status" in old else {})
        self.changes.append(("apply", kind, name))

    def patch(self, kind, name, changes):
        self._ask("patch")
        _merge(self.objects[kind.__name__, name], changes)
        self.changes.append(("patch", kind.__name__, name))

    def delete(self, kind, name):
        self._ask("delete")
        self.objects.pop((kind.__name__, name), None)
        self.changes.append(("delete", kind.__name__, name))

    def create(self, made):
        """Only reviews of what one may do: `denied` holds (resource, verb)."""
        self._ask("create")
        asked = made["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["resource"], asked["verb"]) not in self.denied}}

    def log(self, pod, lines, *, container="", previous=False):
        self._ask("log")
        return self.logs.get((pod, container, previous), [])[-lines:]

    # -- what happens in it

    def put(self, kind: str, made: dict) -> dict:
        """An object, as the cluster has it."""
        self.objects[kind, made["metadata"]["name"]] = made
        return made

    def run(self, name: str) -> dict:
        """The pod of a Deployment, up and ready."""
        found = self.objects[Deployment.__name__, name]
        found["status"] = {"conditions": [AVAILABLE, ROLLED_OUT]}
        labels = found["spec"]["template"]["metadata"]["labels"]
        running = {"name": "zenml", "state": {"running": {"startedAt": ago(60)}}}
        metadata = {"name": f"{name}-1", "labels": labels, "creationTimestamp": ago(70)}
        return self.put(
            "Pod", {"metadata": metadata, "status": {"phase": "Running", "containerStatuses": [running]}}
        )

    def end_pods(self, instance: str) -> None:
        for key, one in list(self.objects.items()):
            if key[0] == "Pod" and one["metadata"]["labels"].get(INSTANCE) == instance:
                del self.objects[key]


class DatabasesStandIn:
    """The methods of TenantDatabases that servers call. `asked`: what was asked for, in order."""

    host = "db.example.org"

    def __init__(self):
        self.asked: list[tuple] = []
        self.fails: Exception | None = None
        self.made: set[UUID] = set()

    def _ask(self, *asked) -> None:
        self.asked.append(asked)
        if self.fails:
            raise self.fails

    def store(self, tenant_id, password):
        return StoreOnServer(
            name=database_of(tenant_id), password=password, at=PodsWay(host=self.host, port=3306)
        )

    def check_free(self, tenant_id):
        self._ask("check_free")

    def prepare(self, tenant_id, password):
        self._ask("prepare", password)
        self.made.add(tenant_id)

    def open_copy(self, tenant_id, version):
        self._ask("open_copy", version)

    def close_copies(self, tenant_id):
        self._ask("close_copies")

    def exists(self, tenant_id):
        self._ask("exists")
        return tenant_id in self.made

    def retire(self, tenant_id):
        self._ask("retire")
        self.made.discard(tenant_id)

    def is_gone(self, tenant_id):
        self._ask("is_gone")
        return tenant_id not in self.made


def _has(found: dict, labels: dict) -> bool:
    own = found["metadata"].get("labels", {})
    return all(name in own and value in (None, own[name]) for name, value in labels.items())


def _is_about(found: dict, fields: dict | None) -> bool:
    wanted = (fields or {}).get("involvedObject.name")
    return wanted is None or found.get("involvedObject", {}).get("name") == wanted


def _merge(found: dict, changes: dict) -> None:
    for name, value in changes.items():
        if isinstance(value, dict):
            _merge(found.setdefault(name, {}), value)
        else:
            found[name] = value
