"""What a real server adds to objects that do not say it, as far as somebody here goes by it."""

import base64

from .kinds import Kind


def with_defaults(kind: Kind, obj: dict) -> dict:
    """Changes and returns the object."""
    DEFAULTS.get(kind.name, lambda obj: None)(obj)
    return obj


def _pod_spec(spec: dict) -> None:
    _missing(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst")
    _missing(spec, schedulerName="default-scheduler", securityContext={})
    for container in spec.get("containers", []):
        _missing(container, imagePullPolicy="IfNotPresent", resources={})
        for port in container.get("ports", []):
            _missing(port, protocol="TCP")


def _pod(obj: dict) -> None:
    _pod_spec(obj["spec"])
    _missing(obj["spec"], serviceAccountName="default")
    _missing(obj, status={"phase": "Pending", "qosClass": "Burstable"})


def _deployment(obj: dict) -> None:
    spec = obj["spec"]
    _missing(spec, replicas=1, progressDeadlineSeconds=600, revisionHistoryLimit=10)
    strategy = spec.setdefault("strategy", {})
    _missing(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _missing(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")
    _pod_spec(spec["template"]["spec"])


def _job(obj: dict) -> None:
    spec = obj["spec"]
    _missing(spec, backoffLimit=6, completions=1, parallelism=1, suspend=False)
    for rule in spec.get("podFailurePolicy", {}).get("rules", []):
        for condition in rule.get("onPodConditions", []):
            _missing(condition, status="True")
    _pod_spec(spec["template"]["spec"])


def _secret(obj: dict) -> None:
    _missing(obj, type="Opaque")
    plain = obj.pop("stringData", None) or {}
    sealed = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
    if sealed:
        obj["data"] = {**(obj.get("data") or {}), **sealed}


def _service(obj: dict) -> None:
    _missing(obj["spec"], type="ClusterIP", clusterIP="10.96.0.10", sessionAffinity="None")
    for port in obj["spec"].get("ports", []):
        _missing(port, protocol="TCP", targetPort=port["port"])


def _namespace(obj: dict) -> None:
    _missing(obj, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _claim(obj: dict) -> None:
    _missing(obj["spec"], storageClassName="standard", volumeMode="Filesystem")
    _missing(obj, status={"phase": "Pending"})


def _missing(at: dict, **values) -> None:
    for name, value in values.items():
        at.setdefault(name, value)


DEFAULTS = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": lambda obj: _pod_spec(obj["spec"]["template"]["spec"]),
    "Job": _job,
    "Secret": _secret,
    "Service": _service,
    "Namespace": _namespace,
    "PersistentVolumeClaim": _claim,
}
