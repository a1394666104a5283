"""Which node a pod goes to, or why to none."""

from collections import Counter

from .housekeeping import claims_of
from .kinds import CLAIM, NODE, POD, Key, key_of
from .owning import condition, stated
from .quotas import amount, asked
from .writing import Writing


class Scheduler:
    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for pod in self.writing.store.of(POD):
            if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
                self._place(pod)

    def _place(self, pod: dict) -> None:
        nodes = self.writing.store.of(NODE)
        problem = self._volumes(pod, len(nodes))
        reasons = {node["metadata"]["name"]: self._against(pod, node) for node in nodes}
        fitting = [name for name, against in reasons.items() if not against]
        if problem or not fitting:
            return self._refuse(pod, problem or _summary(list(reasons.values())))
        return self._bind(pod, fitting[0])

    def _volumes(self, pod: dict, nodes: int) -> str:
        store, namespace = self.writing.store, pod["metadata"]["namespace"]
        for name in claims_of(pod):
            claim = store.get(Key(CLAIM, namespace, name))
            if not claim:
                return _said(nodes, f'persistentvolumeclaim "{name}" not found')
            if claim["status"]["phase"] != "Bound":
                return _said(nodes, "pod has unbound immediate PersistentVolumeClaims")
        return ""

    def _against(self, pod: dict, node: dict) -> list[str]:
        """Why it cannot run on this node."""
        found = [] if is_alive(node) else ["node(s) had untolerated taint {node.kubernetes.io/unreachable: }"]
        if node["spec"].get("unschedulable"):
            found.append("node(s) were unschedulable")
        wanted = (pod["spec"].get("nodeSelector") or {}).items()
        if not wanted <= node["metadata"].get("labels", {}).items():
            found.append("node(s) didn't match Pod's node affinity/selector")
        return found or [
            f"Insufficient {what}" for what in ("cpu", "memory") if not self._fits(pod, node, what)
        ]

    def _fits(self, pod: dict, node: dict, what: str) -> bool:
        here = [
            one
            for one in self.writing.store.of(POD)
            if one["spec"].get("nodeName") == node["metadata"]["name"]
        ]
        living = [one for one in here if one["status"].get("phase") not in ("Succeeded", "Failed")]
        taken = sum(asked(one["spec"], f"requests.{what}") for one in [*living, pod])
        return taken <= amount(node["status"]["allocatable"][what])

    def _refuse(self, pod: dict, message: str) -> None:
        now = self.writing.clock.stamp()
        said = stated(pod, "PodScheduled", (False, "Unschedulable", message), now)
        self.writing.set_status(key_of(pod), {**pod["status"], "phase": "Pending", "conditions": [said]})
        self.writing.event(key_of(pod), "Warning", "FailedScheduling", message)

    def _bind(self, pod: dict, node: str) -> None:
        key, meta = key_of(pod), pod["metadata"]
        placed = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        now = self.writing.clock.stamp()
        said = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
        placed["status"] = {**pod["status"], "conditions": [said]}
        self.writing.store.put(key, placed)
        where = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self.writing.event(key, "Normal", "Scheduled", where)


def is_alive(node: dict) -> bool:
    return condition(node, "Ready").get("status") == "True"


def _said(nodes: int, why: str) -> str:
    preemption = (
        f"preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling."
    )
    return f"0/{nodes} nodes are available: {why}. {preemption}"


def _summary(reasons: list[list[str]]) -> str:
    """As the scheduler counts reasons over nodes."""
    nodes, counts = len(reasons), Counter(why for each in reasons for why in each)
    if not nodes:
        return "no nodes available to schedule pods"
    listed = ", ".join(sorted(f"{count} {why}" for why, count in counts.items()))
    helps = sum(any(why.startswith("Insufficient") for why in each) for each in reasons)
    preemption = [f"{helps} No preemption victims found for incoming pod"] if helps else []
    if nodes - helps:
        preemption.append(f"{nodes - helps} Preemption is not helpful for scheduling")
    return f"0/{nodes} nodes are available: {listed}. preemption: 0/{nodes} nodes are available: {', '.join(preemption)}."
