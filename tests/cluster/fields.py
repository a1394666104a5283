"""Who has which field of an object: what server-side apply goes by, kept in `managedFields` as a real server does.

A path is a tuple of steps as `fieldsV1` spells them: `f:name` of a map, `k:{"name":"x"}` of a list whose items have keys,
`v:"x"` of a set; `.` stands for an item itself.
"""

import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

from .merging import SETS, keys_of, merged
from .refusals import not_fully_owned

Path = tuple[str, ...]
Owners = dict[tuple[str, str], set[Path]]  # (manager, operation) -> its fields

# Maps that change hands as a whole.
ATOMIC = {"selector", "podSelector", "namespaceSelector", "nodeSelector", "secretKeyRef", "configMapKeyRef"}
# Of metadata, only these belong to somebody.
OF_METADATA = {"f:labels", "f:annotations", "f:finalizers", "f:ownerReferences"}


def leaves(obj: dict) -> dict[Path, Any]:
    """Every field that somebody can have, with its value."""
    found = {}
    for path, value in _walk(obj, ()):
        if path[0] == "f:metadata" and (len(path) < 2 or path[1] not in OF_METADATA):
            continue
        if path[0] not in ("f:apiVersion", "f:kind", "f:status"):
            found[path] = value
    return found


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    name = path[-1][2:] if path else ""
    keys = keys_of(name, value)
    if isinstance(value, dict) and value and name not in ATOMIC:
        for key, inner in value.items():
            yield from _walk(inner, (*path, f"f:{key}"))
    elif keys:
        for item in value:
            step = (*path, _item_step(item, keys))
            yield (*step, "."), True
            yield from _walk(item, step)
    elif name in SETS and isinstance(value, list):
        yield from (((*path, f"v:{json.dumps(one)}"), one) for one in value)
    else:
        yield path, value


def _item_step(item: dict, keys: dict[str, Any]) -> str:
    known = {key: item.get(key, default) for key, default in keys.items()}
    return "k:" + json.dumps(known, separators=(",", ":"), sort_keys=True)


def owners(obj: dict) -> Owners:
    entries = obj["metadata"].get("managedFields") or []
    return {(one["manager"], one["operation"]): set(_unpacked(one["fieldsV1"], ())) for one in entries}


def _unpacked(tree: dict, path: Path) -> Iterator[Path]:
    for step, inner in tree.items():
        if inner:
            yield from _unpacked(inner, (*path, step))
        else:
            yield (*path, step)


def _packed(paths: Iterable[Path]) -> dict:
    tree: dict = {}
    for path in sorted(paths):
        at = tree
        for step in path:
            at = at.setdefault(step, {})
    return tree


def _write(obj: dict, had: Owners, stamp: str) -> dict:
    """The object with these owners; an entry keeps its time while it has the same fields."""
    before = {(one["manager"], one["operation"]): one for one in obj["metadata"].get("managedFields") or []}
    entries = []
    for (manager, operation), paths in had.items():
        new = {"manager": manager, "operation": operation, "apiVersion": obj["apiVersion"], "time": stamp}
        new |= {"fieldsType": "FieldsV1", "fieldsV1": _packed(paths)}
        old = before.get((manager, operation))
        entries.append(old if old and old["fieldsV1"] == new["fieldsV1"] else new)
    meta = {**obj["metadata"], "managedFields": [one for one in entries if one["fieldsV1"]]}
    return {**obj, "metadata": meta}


def updated(old: dict | None, new: dict, manager: str, stamp: str) -> dict:
    """`new`, whose changed fields belong to who wrote them without apply."""
    before, after = leaves(old) if old else {}, leaves(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    had = {who: (paths & after.keys()) - changed for who, paths in owners(old).items()} if old else {}
    had[manager, "Update"] = had.get((manager, "Update"), set()) | changed
    carried = {**new["metadata"], "managedFields": old["metadata"].get("managedFields", []) if old else []}
    return _write({**new, "metadata": carried}, had, stamp)


def applied(live: dict | None, wanted: dict, manager: str, force: bool, stamp: str) -> dict:
    """The object after an apply. Raises a Refusal when somebody else has a field of another value, unless forced."""
    live = live or {"apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": {}}
    wanted = {key: part for key, part in wanted.items() if key != "status"}
    mine, had, after = leaves(wanted), owners(live), leaves(merged(live, wanted))
    others = {who: paths for who, paths in had.items() if who != (manager, "Apply")}
    taken = _conflicts(leaves(live), after, others)
    if taken and not force:
        raise not_fully_owned([(_named(who, live["apiVersion"]), readable(path)) for who, path in taken])
    held = {who: paths - {path for by, path in taken if by == who} for who, paths in others.items()}
    lost = had.get((manager, "Apply"), set()) - mine.keys() - set().union(*held.values())
    rest = _without(live, lost, set().union(mine, *held.values()))
    held[manager, "Apply"] = set(mine)
    return _write(merged(rest, wanted), held, stamp)


def _conflicts(before: dict, after: dict, others: Owners) -> list[tuple[tuple[str, str], Path]]:
    """Fields of others that are not what they were."""
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    return [(who, path) for who, paths in others.items() for path in sorted(paths & changed)]


def _named(who: tuple[str, str], api_version: str) -> str:
    manager, operation = who
    return f'"{manager}" using {api_version}' if operation == "Update" else f'"{manager}"'


def readable(path: Path) -> str:
    """As messages spell it: `.spec.template.spec.containers[name="x"].image`."""
    said = ""
    for step in path:
        if step.startswith("k:"):
            parts = json.loads(step[2:]).items()
            said += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in parts) + "]"
        elif step.startswith("v:"):
            said += f"[={step[2:]}]"
        elif step != ".":
            said += f".{step[2:]}"
    return said


def _without(obj: dict, lost: set[Path], kept: set[Path]) -> dict:
    """The object without these fields; an item of a list goes when nobody has anything in it."""
    rest = deepcopy(obj)
    for path in sorted(lost, key=lambda one: (one[-1] != ".", len(one))):
        inside = path[:-1] if path[-1] == "." else path
        if path[-1] != "." or not any(one[: len(inside)] == inside for one in kept):
            _remove(rest, inside)
    return rest


def _remove(at: Any, path: Path) -> None:
    """Remove a field, and the maps that are empty without it."""
    step, *more = path
    if step.startswith("f:"):
        inner = at.get(step[2:]) if isinstance(at, dict) else None
        if more and inner is not None:
            _remove(inner, tuple(more))
        if isinstance(at, dict) and (not more or inner in ({}, [])):
            at.pop(step[2:], None)
    elif isinstance(at, list):
        _remove_item(at, step, tuple(more))


def _remove_item(at: list, step: str, more: Path) -> None:
    wanted = json.loads(step[2:])
    for item in [one for one in at if _is_item(one, step, wanted)]:
        if more:
            _remove(item, more)
        else:
            at.remove(item)


def _is_item(item: Any, step: str, wanted: Any) -> bool:
    if step.startswith("v:"):
        return item == wanted
    default = {"protocol": "TCP"}
    return all(item.get(key, default.get(key)) == value for key, value in wanted.items())
