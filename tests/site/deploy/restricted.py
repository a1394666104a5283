"""The Pod Security Standard "restricted", and what of it a pod does not satisfy.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that can't be written to.
"""

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROFILES = ("RuntimeDefault", "Localhost")


def faults_of(pod: dict) -> list[str]:
    """Of the spec of a pod; [] when it is restricted."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    own = pod.get("securityContext", {})
    found += ["runAsUser"] if own.get("runAsUser") == 0 else []
    found += ["sysctls"] if own.get("sysctls") else []
    found += [f"volume {one['name']}" for one in pod.get("volumes", []) if not one.keys() & VOLUMES]
    for one in [*pod.get("initContainers", []), *pod["containers"]]:
        found += [f"{one['name']}: {fault}" for fault in _of_container(one, own)]
    return found


def _of_container(container: dict, pod: dict) -> list[str]:
    own = container.get("securityContext", {})
    both = {**pod, **own}
    capabilities = own.get("capabilities", {})
    wrong = {
        "privileged": own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
        "runAsNonRoot": both.get("runAsNonRoot") is not True,
        "runAsUser": both.get("runAsUser") == 0,
        "seccompProfile": both.get("seccompProfile", {}).get("type") not in PROFILES,
        "capabilities": capabilities.get("drop") != ["ALL"] or capabilities.get("add"),
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is not True,
        "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]
