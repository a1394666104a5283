"""The kinds of objects this cluster knows, and what it says of them to who asks which there are."""

from dataclasses import dataclass
from typing import NamedTuple

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Kind:
    """`api_version` as objects carry it; `plural` as addresses do. `below` are its subresources."""

    api_version: str
    name: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """As messages name it: `deployments.apps`, `secrets`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def full_name(self) -> str:
        """As messages about what is wrong in an object name it: `Deployment.apps`, `Secret`."""
        return f"{self.name}.{self.group}" if self.group else self.name


class Key(NamedTuple):
    """Where an object is. `namespace` is empty for what has none."""

    kind: Kind
    namespace: str
    name: str


NAMESPACE = Kind("v1", "Namespace", "namespaces", False, ("ns",), ("status", "finalize"))
POD = Kind("v1", "Pod", "pods", True, ("po",), ("status", "log"))
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps", True, ("cm",))
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", True, ("pvc",), ("status",))
EVENT = Kind("v1", "Event", "events", True, ("ev",))
QUOTA = Kind("v1", "ResourceQuota", "resourcequotas", True, ("quota",), ("status",))
NODE = Kind("v1", "Node", "nodes", False, ("no",), ("status",))
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments", True, ("deploy",), ("status", "scale"))
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets", True, ("rs",), ("status",))
JOB = Kind("batch/v1", "Job", "jobs", True, (), ("status",))
STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", False, ("sc",))
ACCESS_REVIEW = Kind("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", False)
RBAC = "rbac.authorization.k8s.io/v1"
KINDS = [
    NAMESPACE,
    POD,
    SECRET,
    CONFIG_MAP,
    Kind("v1", "Service", "services", True, ("svc",), ("status",)),
    Kind("v1", "ServiceAccount", "serviceaccounts", True, ("sa",)),
    CLAIM,
    EVENT,
    QUOTA,
    NODE,
    DEPLOYMENT,
    REPLICA_SET,
    Kind("apps/v1", "StatefulSet", "statefulsets", True, ("sts",), ("status",)),
    JOB,
    Kind("batch/v1", "CronJob", "cronjobs", True, ("cj",), ("status",)),
    Kind("networking.k8s.io/v1", "Ingress", "ingresses", True, ("ing",), ("status",)),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True, ("netpol",)),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", True, ("pdb",), ("status",)),
    Kind("coordination.k8s.io/v1", "Lease", "leases"),
    Kind(RBAC, "Role", "roles"),
    Kind(RBAC, "RoleBinding", "rolebindings"),
    Kind(RBAC, "ClusterRole", "clusterroles", False),
    Kind(RBAC, "ClusterRoleBinding", "clusterrolebindings", False),
    STORAGE_CLASS,
    ACCESS_REVIEW,
]
BY_PATH = {(kind.api_version, kind.plural): kind for kind in KINDS}
BY_NAME = {(kind.api_version, kind.name): kind for kind in KINDS}
GROUPS = list(dict.fromkeys(kind.api_version for kind in KINDS if kind.group))
VERSION = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2025-08-27T10:09:04Z",
    "goVersion": "go1.24.5",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def key_of(obj: dict) -> Key:
    kind, meta = BY_NAME[obj["apiVersion"], obj["kind"]], obj["metadata"]
    return Key(kind, meta.get("namespace", "") if kind.namespaced else "", meta["name"])


def groups() -> dict:
    """The answer to /apis."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(one) for one in GROUPS]}


def _group(api_version: str) -> dict:
    name, _, version = api_version.partition("/")
    this = {"groupVersion": api_version, "version": version}
    return {"name": name, "versions": [this], "preferredVersion": this}


def resources(api_version: str) -> dict:
    """The answer to /api/v1 and /apis/<group>/<version>."""
    kinds = [kind for kind in KINDS if kind.api_version == api_version]
    found = [line for kind in kinds for line in [_resource(kind), *_subresources(kind)]]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": found,
    }


def _resource(kind: Kind) -> dict:
    return {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": ["create"] if kind == ACCESS_REVIEW else VERBS,
        "shortNames": list(kind.short),
    }


def _subresources(kind: Kind) -> list[dict]:
    verbs = {"log": ["get"]}
    return [
        {
            "name": f"{kind.plural}/{sub}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": verbs.get(sub, ["get", "patch", "update"]),
        }
        for sub in kind.below
    ]


def schema(api_version: str) -> dict:
    """As much of the OpenAPI document as kubectl reads: that the server itself finds misspelt fields."""
    kinds = [kind for kind in KINDS if kind.api_version == api_version]
    base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": {f"{base}/{kind.plural}/{{name}}": {"patch": _patch(kind)} for kind in kinds},
    }


def _patch(kind: Kind) -> dict:
    version = kind.api_version.rpartition("/")[2]
    return {
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": version, "kind": kind.name},
    }
