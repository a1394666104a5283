"""The ways to change an object by a part of it: apply and strategic merge, merge patch, JSON patch."""

from copy import deepcopy
from typing import Any

from .refusals import bad_request

# Lists whose items are known by keys (with what a key is when it is left out), and lists that are sets.
LIST_KEYS = {
    "containers": {"name": None},
    "initContainers": {"name": None},
    "volumes": {"name": None},
    "env": {"name": None},
    "volumeMounts": {"mountPath": None},
    "imagePullSecrets": {"name": None},
    "ownerReferences": {"uid": None},
    "conditions": {"type": None},
}
PORTS = ({"containerPort": None, "protocol": "TCP"}, {"port": None, "protocol": "TCP"})
SETS = {"finalizers"}


def keys_of(name: str, items: Any) -> dict[str, Any]:
    """The keys of the items of the list of this name; empty when it is no such list."""
    if not (isinstance(items, list) and items and all(isinstance(one, dict) for one in items)):
        return {}
    choices = PORTS if name == "ports" else (LIST_KEYS.get(name, {}),)
    known = [keys for keys in choices if keys and all(next(iter(keys)) in one for one in items)]
    return known[0] if known else {}


def merged(old: Any, new: Any, name: str = "") -> Any:
    """Strategic: maps by key, lists by the keys of their items; null removes, and so does `$patch: delete`."""
    if isinstance(old, dict) and isinstance(new, dict):
        return _merged_map(old, new)
    if keys := keys_of(name, new):
        return _merged_items(old if isinstance(old, list) else [], new, keys)
    if new == [] and isinstance(old, list) and (name in LIST_KEYS or name == "ports"):
        return old  # no item of it changes
    if name in SETS and isinstance(old, list) and isinstance(new, list):
        return old + [one for one in new if one not in old]
    return _cleaned(new)


def _merged_map(old: dict, new: dict) -> dict:
    if new.get("$patch") == "replace":
        return {key: value for key, value in new.items() if key != "$patch"}
    out = dict(old)
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        elif key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            out[field] = [one for one in out.get(field, []) if one not in value]
        elif not key.startswith(("$setElementOrder", "$retainKeys")):
            out[key] = merged(out.get(key), value, key)
    return out


def _cleaned(new: Any) -> Any:
    """What is new, without what only says how to merge."""
    if isinstance(new, dict):
        return _merged_map({}, new)
    return deepcopy(new)


def _merged_items(old: list, new: list, keys: dict[str, Any]) -> list:
    def known_by(item):
        return tuple(item.get(key, default) for key, default in keys.items())

    out = {known_by(one): one for one in old}
    for item in new:
        if item.get("$patch") == "delete":
            out.pop(known_by(item), None)
        else:
            out[known_by(item)] = merged(out.get(known_by(item), {}), item)
    return list(out.values())


def merge_patch(old: Any, new: Any) -> Any:
    """RFC 7386: lists are replaced."""
    if not isinstance(new, dict):
        return new
    out = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


def json_patch(old: dict, steps: list[dict]) -> dict:
    """RFC 6902: add, remove, replace and test."""
    out = deepcopy(old)
    for step in steps:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        at: Any = out
        try:
            for part in way:
                at = at[int(part)] if isinstance(at, list) else at[part]
            _json_step(at, last, step)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise bad_request(
                f"{step['op']} operation does not apply: doc is missing path: {step['path']}"
            ) from error
    return out


def _json_step(at: Any, last: str, step: dict) -> None:
    operation, place = step["op"], last
    if isinstance(at, list):
        place = len(at) if last == "-" else int(last)
    if operation == "add" and isinstance(at, list):
        at.insert(place, step["value"])
    elif operation in ("add", "replace"):
        if operation == "replace":
            at[place]
        at[place] = step["value"]
    elif operation == "remove":
        del at[place]
    elif operation == "test" and at[place] != step["value"]:
        raise bad_request(f"testing value {step['path']} failed: test failed")
