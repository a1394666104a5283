"""ResourceQuota: what is counted, and whether one more fits."""

import re

from .kinds import POD, QUOTA, Key
from .refusals import over_quota, unspecified
from .store import Store

UNITS = {
    "": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
COMPUTED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def amount(text: str | float) -> float:
    """`250m`, `2Gi`, `3` -> a number."""
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", str(text)).groups()
    return float(number) * UNITS[unit]


def told(what: str, number: float) -> str:
    """A number as quotas print it."""
    if what.endswith(("memory", "storage")):
        for unit in ("Gi", "Mi", "Ki"):
            if number and number % UNITS[unit] == 0:
                return f"{number / UNITS[unit]:g}{unit}"
    return f"{number:g}" if number == int(number) else f"{number * 1000:g}m"


def asked(spec: dict, what: str) -> float:
    """What the containers of a pod ask for together: `requests.memory`, `limits.cpu`."""
    return sum(amount(much) for much in _each(spec, what) if much is not None)


def _each(spec: dict, what: str) -> list[str | None]:
    way, _, name = what.rpartition(".")
    limits = [one.get("resources", {}).get("limits", {}).get(name) for one in spec["containers"]]
    if way == "limits":
        return limits
    requests = [one.get("resources", {}).get("requests", {}).get(name) for one in spec["containers"]]
    return [much if much is not None else limit for much, limit in zip(requests, limits, strict=True)]


def counts(key: Key, obj: dict, what: str) -> float:
    """How much an object takes of what a quota counts."""
    if what in COMPUTED:
        return asked(obj["spec"], what) if key.kind == POD else 0
    if what == "requests.storage":
        storage = obj.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
        return amount(storage) if key.kind.plural == "persistentvolumeclaims" and storage else 0
    return float(what in (key.kind.plural, f"count/{key.kind.resource}"))


def used(store: Store, namespace: str, what: str) -> float:
    keys = [key for key in store.all_keys() if key.namespace == namespace]
    objects = [(key, store.get(key)) for key in keys]
    return sum(counts(key, obj, what) for key, obj in objects if not _is_over(key, obj))


def _is_over(key: Key, obj: dict) -> bool:
    return key.kind == POD and obj["status"].get("phase") in ("Succeeded", "Failed")


def check(store: Store, key: Key, obj: dict) -> None:
    """Raises a Refusal when a new object does not fit into a quota of its namespace."""
    for quota in store.of(QUOTA, key.namespace) if key.namespace else []:
        name, hard = quota["metadata"]["name"], quota["spec"].get("hard", {})
        unsaid = {what: _silent(obj["spec"], what) for what in hard if key.kind == POD and what in COMPUTED}
        if any(unsaid.values()):
            raise unspecified(key, name, {what: silent for what, silent in unsaid.items() if silent})
        _fit(store, key, obj, name, hard)


def _silent(spec: dict, what: str) -> list[str]:
    """Containers that say nothing of what a quota counts."""
    return [
        one["name"] for one, much in zip(spec["containers"], _each(spec, what), strict=True) if much is None
    ]


def _fit(store: Store, key: Key, obj: dict, name: str, hard: dict[str, str]) -> None:
    wants = {what: counts(key, obj, what) for what in hard}
    have = {what: used(store, key.namespace, what) for what in hard if wants[what]}
    over = [what for what in have if have[what] + wants[what] > amount(hard[what])]
    if over:
        amounts = ({what: told(what, one[what]) for what in over} for one in (wants, have))
        raise over_quota(key, name, *amounts, {what: str(hard[what]) for what in over})
