"""Everything that changes an object: checked and kept as an API server does, for requests and controllers alike."""

import hashlib
import json
import secrets
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from uuid import uuid4

from . import fields, quotas, refusals
from .clock import Clock
from .defaults import with_defaults
from .faults import Faults
from .kinds import BY_NAME, CLAIM, DEPLOYMENT, JOB, NAMESPACE, POD, REPLICA_SET, Key, Kind
from .store import Store

# What of an object never changes, by its kind.
FIXED = {DEPLOYMENT: "selector", REPLICA_SET: "selector", JOB: "template"}
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class Writing:
    """Whatever is refused raises a Refusal, and nothing has changed."""

    def __init__(self, store: Store, clock: Clock, faults: Faults):
        self.store, self.clock, self.faults = store, clock, faults

    def create(self, kind: Kind, namespace: str, obj: dict, manager: str, dry: bool = False) -> dict:
        with self.store.lock:
            meta = obj.setdefault("metadata", {})
            if not meta.get("name"):
                meta["name"] = meta["generateName"] + suffix()
            key = Key(kind, namespace if kind.namespaced else "", meta["name"])
            if self.store.get(key):
                raise refusals.exists(key)
            return self._create(key, obj, manager, dry)

    def _create(self, key: Key, obj: dict, manager: str, dry: bool) -> dict:
        new = with_defaults(key.kind, self._shaped(key, obj))
        if key.kind not in (POD, NAMESPACE, CLAIM):
            new.pop("status", None)
        new["metadata"] |= {"uid": str(uuid4()), "creationTimestamp": self.clock.stamp(), "generation": 1}
        if not new["metadata"].get("managedFields"):
            new = fields.updated(None, new, manager, self.clock.stamp())
        self._admit(key, new, None)
        return new if dry else self.store.put(key, new)

    def _shaped(self, key: Key, obj: dict) -> dict:
        meta = {**(obj.get("metadata") or {}), "name": key.name}
        if key.namespace:
            meta["namespace"] = key.namespace
        for name in ("resourceVersion", "deletionTimestamp", "uid"):
            meta.pop(name, None)
        return deepcopy({**obj, "apiVersion": key.kind.api_version, "kind": key.kind.name, "metadata": meta})

    def _admit(self, key: Key, new: dict, old: dict | None) -> None:
        space = self.store.get(Key(NAMESPACE, "", key.namespace)) if key.namespace else None
        if key.namespace and not space:
            raise refusals.not_found(Key(NAMESPACE, "", key.namespace))
        if space and not old and space["metadata"].get("deletionTimestamp"):
            raise refusals.terminating(key)
        if old:
            self._check_fixed(key, new, old)
        self.faults.admit(key)
        if not old:
            quotas.check(self.store, key, new)

    def _check_fixed(self, key: Key, new: dict, old: dict) -> None:
        field = FIXED.get(key.kind)
        if field and new["spec"].get(field) != old["spec"].get(field):
            raise refusals.immutable(key, f"spec.{field}", json.dumps(new["spec"].get(field)))
        if old.get("immutable") and new.get("data") != old.get("data"):
            raise refusals.invalid(key, "data", "Forbidden: field is immutable when `immutable` is set")

    def apply(self, key: Key, wanted: dict, manager: str, force: bool, dry: bool = False) -> dict:
        """Server-side apply: creates what is not there, and keeps the fields of others."""
        with self.store.lock:
            old = self.store.get(key)
            wanted = with_defaults(key.kind, wanted) if key.kind.name == "Secret" else wanted
            new = fields.applied(old, wanted, manager, force, self.clock.stamp())
            return self._save(key, new, old, dry) if old else self._create(key, new, manager, dry)

    def change(
        self, key: Key, by: Callable[[dict], dict], manager: str, sub: str = "", dry: bool = False
    ) -> dict:
        """An update or a patch: `by` makes the new object of the old one. With `sub` only that part changes."""
        with self.store.lock:
            old = self.store.get(key)
            if not old:
                raise refusals.not_found(key)
            new = by(deepcopy(old))
            self._check_revision(key, new, old)
            new = self._carried(new, old, sub)
            if not sub:
                new = fields.updated(old, new, manager, self.clock.stamp())
            return self._save(key, new, old, dry)

    def _check_revision(self, key: Key, new: dict, old: dict) -> None:
        said = new["metadata"]
        if said.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            raise refusals.modified(key)
        if said.get("uid") not in (None, "", old["metadata"]["uid"]):
            raise refusals.other_uid(key, said["uid"], old["metadata"]["uid"])

    def _carried(self, new: dict, old: dict, sub: str) -> dict:
        """A subresource changes itself alone, and whoever changes the object does not change its status."""
        if sub in ("status", "finalize"):
            part = {"status": "status", "finalize": "spec"}[sub]
            return {**old, part: new.get(part, {})}
        return {**new, **({"status": old["status"]} if "status" in old else {})}

    def _save(self, key: Key, new: dict, old: dict, dry: bool) -> dict:
        kept = ("uid", "creationTimestamp", "generation", "resourceVersion", "name", "namespace")
        kept += ("deletionTimestamp", "deletionGracePeriodSeconds")
        meta = {
            **new["metadata"],
            **{name: old["metadata"][name] for name in kept if name in old["metadata"]},
        }
        new = with_defaults(
            key.kind, {**new, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": meta}
        )
        if new == old:
            return old
        if self._asked(new) != self._asked(old):
            meta["generation"] += 1
            self._admit(key, new, old)
        return new if dry else self._kept(key, new)

    def _asked(self, obj: dict) -> dict:
        """What counts as another generation."""
        return {name: part for name, part in obj.items() if name not in ("metadata", "status")}

    def _kept(self, key: Key, new: dict) -> dict:
        saved = self.store.put(key, new)
        if new["metadata"].get("deletionTimestamp") and self._may_go(key, new):
            return self.store.drop(key)
        return saved

    def _may_go(self, key: Key, obj: dict) -> bool:
        if key.kind == NAMESPACE:
            return not obj["spec"].get("finalizers")
        return not obj["metadata"].get("finalizers") and not obj["metadata"].get("deletionGracePeriodSeconds")

    def set_status(self, key: Key, status: dict) -> None:
        """For controllers; nothing happens when it is the same or the object is gone."""
        with self.store.lock:
            old = self.store.get(key)
            if old and old.get("status") != status:
                self.store.put(key, {**old, "status": status})

    def delete(self, key: Key, options: dict | None = None) -> dict:
        """`options` as in DeleteOptions. Returns the object as it was last: with a deletionTimestamp while it stays."""
        options = options or {}
        with self.store.lock:
            old = self.store.get(key)
            if not old:
                raise refusals.not_found(key)
            wanted = (options.get("preconditions") or {}).get("uid")
            if wanted and wanted != old["metadata"]["uid"]:
                raise refusals.other_uid(key, wanted, old["metadata"]["uid"])
            if "All" in (options.get("dryRun") or []):
                return old
            return self._delete(
                key, self._with_dependents(key, old, options), options.get("gracePeriodSeconds")
            )

    def _with_dependents(self, key: Key, obj: dict, options: dict) -> dict:
        """What is to become of what the object owns. Jobs orphan their pods unless told otherwise."""
        usual = "Orphan" if key.kind == JOB else "Background"
        policy = options.get("propagationPolicy") or usual
        meta = obj["metadata"]
        if policy == "Orphan":
            self._orphan(meta["uid"])
        elif policy == "Foreground" and "foregroundDeletion" not in meta.get("finalizers", []):
            meta["finalizers"] = [*meta.get("finalizers", []), "foregroundDeletion"]
        return obj

    def _orphan(self, uid: str) -> None:
        for key in self.store.all_keys():
            obj = self.store.get(key)
            owners = obj["metadata"].get("ownerReferences", [])
            left = [one for one in owners if one["uid"] != uid]
            if left != owners:
                obj["metadata"]["ownerReferences"] = left
                self.store.put(key, obj)

    def _delete(self, key: Key, obj: dict, grace: int | None) -> dict:
        meta = obj["metadata"]
        seconds = self._grace(key, obj, grace)
        if not meta.get("deletionTimestamp") or seconds < meta.get("deletionGracePeriodSeconds", 0):
            meta["deletionTimestamp"] = self._stamp_in(seconds)
            meta["deletionGracePeriodSeconds"] = seconds
        if key.kind == NAMESPACE:
            obj["status"]["phase"] = "Terminating"
        if self._may_go(key, obj):
            return self.store.drop(key)
        return obj if obj == self.store.get(key) else self.store.put(key, obj)

    def _stamp_in(self, seconds: int) -> str:
        return datetime.fromtimestamp(self.clock.now() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _grace(self, key: Key, obj: dict, wanted: int | None) -> int:
        """Seconds a pod has to end. One that is on no node, or has ended, has nothing to do."""
        ended = key.kind != POD or obj["status"].get("phase") in ("Succeeded", "Failed")
        if ended or not obj["spec"].get("nodeName"):
            return 0
        return obj["spec"]["terminationGracePeriodSeconds"] if wanted is None else wanted

    def event(self, about: Key, kind: str, reason: str, message: str) -> None:
        """`kind`: Normal or Warning. The same again is counted, but not written: nobody here goes by the count."""
        with self.store.lock:
            obj = self.store.get(about)
            uid = obj["metadata"]["uid"] if obj else ""
            name = f"{about.name}.{short(uid + reason + message)}"
            key = Key(BY_NAME["v1", "Event"], about.namespace or "default", name)
            space = self.store.get(Key(NAMESPACE, "", key.namespace))
            if not self.store.get(key) and space and not space["metadata"].get("deletionTimestamp"):
                self.store.put(key, self._event(key, about, uid, (kind, reason, message)))

    def _event(self, key: Key, about: Key, uid: str, said: tuple[str, str, str]) -> dict:
        kind, reason, message = said
        now = self.clock.stamp()
        meta = {"name": key.name, "namespace": key.namespace, "uid": str(uuid4()), "creationTimestamp": now}
        involved = {"apiVersion": about.kind.api_version, "kind": about.kind.name, "name": about.name}
        involved |= {"namespace": about.namespace, "uid": uid}
        times = {"firstTimestamp": now, "lastTimestamp": now, "count": 1}
        said_so = {
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "test-cluster"},
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": meta,
            "involvedObject": involved,
            **times,
            **said_so,
        }


def suffix(length: int = 5) -> str:
    return "".join(secrets.choice(SUFFIX) for _ in range(length))


def short(text: str) -> str:
    """A short name that is the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
