"""Objects for tests of the cluster."""


def deployment(name: str = "web", image: str = "web:1", namespace: str = "default", **spec) -> dict:
    """`spec` goes over that of the deployment; `container` and `pod` over those."""
    container, pod = spec.pop("container", {}), spec.pop("pod", {})
    labels = {"app": name}
    inner = {"containers": [{"name": "main", "image": image, **container}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": inner},
            **spec,
        },
    }


def job(name: str = "task", image: str = "task:1", **spec) -> dict:
    container = spec.pop("container", {})
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image, **container}]}
    meta = {"name": name, "namespace": "default"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {"template": {"spec": pod}, **spec},
    }


def pod(name: str = "one", image: str = "web:1", container: dict | None = None, **spec) -> dict:
    containers = [{"name": "main", "image": image, **(container or {})}]
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers, **spec}}


def plain(kind: str, name: str, namespace: str = "default", version: str = "v1", **more) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def conditions(obj: dict) -> dict[str, tuple[str, str]]:
    """Type -> (status, reason)."""
    found = (obj.get("status") or {}).get("conditions") or []
    return {one["type"]: (one["status"], one.get("reason", "")) for one in found}
