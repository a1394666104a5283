"""What controllers have in common: the objects that one of them made for another, and conditions."""

from .kinds import BY_NAME, Key, Kind, key_of
from .store import Store
from .writing import Writing


def owned(store: Store, kind: Kind, owner: dict) -> list[dict]:
    """Objects of a kind that a controller made for this one."""
    uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
    return [obj for obj in store.of(kind, namespace) if any(one["uid"] == uid for one in owners(obj))]


def owners(obj: dict) -> list[dict]:
    return obj["metadata"].get("ownerReferences") or []


def reference(owner: dict) -> dict:
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def make(writing: Writing, kind: Kind, owner: dict, name: str, template: dict, **labels: str) -> dict:
    """An object from a template, owned. Raises a Refusal."""
    meta = template.get("metadata") or {}
    body = {
        **template,
        "metadata": {
            "name": name,
            "labels": {**(meta.get("labels") or {}), **labels},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [reference(owner)],
        },
    }
    return writing.create(kind, owner["metadata"]["namespace"], body, "kube-controller-manager")


def remove(writing: Writing, obj: dict) -> None:
    """Once: what is being deleted already is left alone."""
    if not obj["metadata"].get("deletionTimestamp"):
        writing.delete(key_of(obj), {"propagationPolicy": "Background"})


def condition(obj: dict, kind: str) -> dict:
    """The condition of this type; empty when there is none."""
    found = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})


def stated(obj: dict, kind: str, said: tuple[bool, str, str], now: str) -> dict:
    """A condition that keeps its times while it says the same. `said`: (status, reason, message)."""
    status, reason, message = said
    old = condition(obj, kind)
    new = {"type": kind, "status": str(status), "reason": reason, "message": message}
    if old and all(old.get(name) == value for name, value in new.items()):
        return old
    turned = old.get("lastTransitionTime", now) if old.get("status") == str(status) else now
    return {**new, "lastTransitionTime": turned, "lastUpdateTime": now}


def is_ready(pod: dict) -> bool:
    return condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get("deletionTimestamp")


def owner_key(obj: dict, one: dict) -> Key | None:
    """None for kinds that are not known here."""
    kind = BY_NAME.get((one["apiVersion"], one["kind"]))
    namespace = obj["metadata"].get("namespace", "") if kind and kind.namespaced else ""
    return Key(kind, namespace, one["name"]) if kind else None
