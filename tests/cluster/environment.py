"""Variables and files of a container, from its pod and the secrets and config maps this names."""

import base64

from .kinds import CONFIG_MAP, SECRET, Key, Kind
from .store import Store


class Unset(Exception):
    """The container cannot be made, in the kubelet's words."""


def variables(store: Store, pod: dict, container: dict) -> dict[str, str]:
    """Raises Unset when a secret, a config map or a key is not there."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        values = _source(store, pod, source)
        env |= {source.get("prefix", "") + name: value for name, value in values.items()}
    for one in container.get("env") or []:
        value = _value(store, pod, one)
        if value is not None:
            env[one["name"]] = _expanded(value, env)
    return env


def _source(store: Store, pod: dict, source: dict) -> dict[str, str]:
    kind, ref = (
        (SECRET, source["secretRef"]) if "secretRef" in source else (CONFIG_MAP, source["configMapRef"])
    )
    return contents(store, pod, kind, ref) or {}


def _value(store: Store, pod: dict, one: dict) -> str | None:
    origin = one.get("valueFrom")
    if not origin:
        return one.get("value") or ""
    if "fieldRef" in origin:
        return _field(pod, origin["fieldRef"]["fieldPath"])
    kind, ref = (
        (SECRET, origin["secretKeyRef"])
        if "secretKeyRef" in origin
        else (CONFIG_MAP, origin["configMapKeyRef"])
    )
    found = contents(store, pod, kind, ref)
    if found is None or ref["key"] not in found:
        if ref.get("optional"):
            return None
        raise Unset(
            f"couldn't find key {ref['key']} in {kind.name} {pod['metadata']['namespace']}/{ref['name']}"
        )
    return found[ref["key"]]


def contents(store: Store, pod: dict, kind: Kind, ref: dict) -> dict[str, str] | None:
    """What a secret or a config map holds; None when it is not there and need not be. Raises Unset."""
    found = store.get(Key(kind, pod["metadata"]["namespace"], ref["name"]))
    if not found and not ref.get("optional"):
        raise Unset(f'{kind.name.lower()} "{ref["name"]}" not found')
    if not found:
        return None
    data = found.get("data") or {}
    return {name: base64.b64decode(text).decode() if kind == SECRET else text for name, text in data.items()}


def _field(pod: dict, path: str) -> str:
    known = {
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "status.podIP": "127.0.0.1",
        "status.hostIP": "127.0.0.1",
    }
    meta = pod["metadata"]
    return known.get(path) or str(meta.get(path.removeprefix("metadata."), ""))


def _expanded(text: str, env: dict[str, str]) -> str:
    """$(NAME) of variables before it."""
    for name, value in env.items():
        text = text.replace(f"$({name})", value)
    return text
