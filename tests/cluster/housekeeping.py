"""The rest of what a cluster does by itself: garbage, namespaces that end, volumes, counts of quotas."""

from . import owning, quotas
from .kinds import BY_NAME, CLAIM, NAMESPACE, POD, QUOTA, STORAGE_CLASS, Key, key_of
from .owning import owner_key, owners
from .writing import Writing

PROTECTED = "kubernetes.io/pvc-protection"
ACCOUNT = BY_NAME["v1", "ServiceAccount"]


class Garbage:
    """What nobody owns any more is deleted."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for key in self.writing.store.all_keys():
            obj = self.writing.store.get(key)
            if obj and owners(obj) and not any(self._is_there(obj, one) for one in owners(obj)):
                owning.remove(self.writing, obj)
            elif obj and "foregroundDeletion" in obj["metadata"].get("finalizers", []):
                self._foreground(key, obj)

    def _is_there(self, obj: dict, one: dict) -> bool:
        key = owner_key(obj, one)
        found = self.writing.store.get(key) if key else None
        return key is None or bool(found and found["metadata"]["uid"] == one["uid"])

    def _foreground(self, key: Key, obj: dict) -> None:
        """First what it owns, then the object itself."""
        uid, store = obj["metadata"]["uid"], self.writing.store
        mine = [
            one for one in map(store.get, store.all_keys()) if any(ref["uid"] == uid for ref in owners(one))
        ]
        for one in mine:
            if not one["metadata"].get("deletionTimestamp"):
                self.writing.delete(key_of(one), {"propagationPolicy": "Foreground"})
        if not mine:
            without_finalizer(self.writing, key, "foregroundDeletion")


class Namespaces:
    """A new one gets its service account; one that ends is emptied first."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for one in self.writing.store.of(NAMESPACE):
            name = one["metadata"]["name"]
            account = Key(ACCOUNT, name, "default")
            if one["metadata"].get("deletionTimestamp"):
                self._empty(name)
            elif not self.writing.store.get(account):
                self.writing.create(
                    ACCOUNT, name, {"metadata": {"name": "default"}}, "kube-controller-manager"
                )

    def _empty(self, name: str) -> None:
        store, key = self.writing.store, Key(NAMESPACE, "", name)
        for one in [one for one in store.all_keys() if one.namespace == name]:
            if found := store.get(one):
                owning.remove(self.writing, found)
        if not any(one.namespace == name for one in store.all_keys()):
            self.writing.change(
                key, lambda obj: {**obj, "spec": {"finalizers": []}}, "namespaces", "finalize"
            )


class Claims:
    """Volumes: bound when their class is there and nothing is wrong with the storage."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for one in self.writing.store.of(CLAIM):
            if one["metadata"].get("deletionTimestamp"):
                self._release(one)
            elif one["status"]["phase"] == "Pending":
                self._provision(one)

    def _release(self, one: dict) -> None:
        if not self._users(one):
            without_finalizer(self.writing, key_of(one), PROTECTED)

    def _users(self, one: dict) -> list[dict]:
        name = one["metadata"]["name"]
        pods = self.writing.store.of(POD, one["metadata"]["namespace"])
        return [pod for pod in pods if name in claims_of(pod)]

    def _provision(self, one: dict) -> None:
        wanted, key = one["spec"]["storageClassName"], key_of(one)
        found = self.writing.store.get(Key(STORAGE_CLASS, "", wanted))
        if not found:
            message = f'storageclass.storage.k8s.io "{wanted}" not found'
            return self.writing.event(key, "Warning", "ProvisioningFailed", message)
        if found.get("volumeBindingMode") == "WaitForFirstConsumer" and not self._users(one):
            message = "waiting for first consumer to be created before binding"
            return self.writing.event(key, "Normal", "WaitForFirstConsumer", message)
        if why := self.writing.faults.storage:
            message = f'failed to provision volume with StorageClass "{wanted}": {why}'
            return self.writing.event(key, "Warning", "ProvisioningFailed", message)
        return self._bind(key)

    def _bind(self, key: Key) -> None:
        self.writing.change(key, _bound, "kube-controller-manager")
        capacity = self.writing.store.get(key)["spec"].get("resources", {}).get("requests", {})
        status = {"phase": "Bound", "capacity": capacity, "accessModes": ["ReadWriteOnce"]}
        self.writing.set_status(key, status)


def _bound(claim: dict) -> dict:
    meta, name = claim["metadata"], f"pvc-{claim['metadata']['uid']}"
    finalizers = [*meta.get("finalizers", []), PROTECTED]
    spec = {**claim["spec"], "volumeName": name}
    return {**claim, "metadata": {**meta, "finalizers": finalizers}, "spec": spec}


def claims_of(pod: dict) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    return [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]


class Quotas:
    """`status.used` of each."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        store = self.writing.store
        for one in store.of(QUOTA):
            hard, namespace = one["spec"].get("hard", {}), one["metadata"]["namespace"]
            used = {what: quotas.told(what, quotas.used(store, namespace, what)) for what in hard}
            self.writing.set_status(key_of(one), {"hard": hard, "used": used})


def without_finalizer(writing: Writing, key: Key, name: str) -> None:
    def change(obj):
        left = [one for one in obj["metadata"].get("finalizers", []) if one != name]
        return {**obj, "metadata": {**obj["metadata"], "finalizers": left}}

    writing.change(key, change, "kube-controller-manager")
