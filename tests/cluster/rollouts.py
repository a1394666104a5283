"""Deployments and their replica sets."""

import json
import math

from . import owning
from .kinds import DEPLOYMENT, POD, REPLICA_SET, key_of
from .owning import condition, is_ready, owned, stated
from .refusals import Refusal
from .writing import Writing, short, suffix

HASH = "pod-template-hash"


class ReplicaSets:
    """As many pods as each asks for."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for one in self.writing.store.of(REPLICA_SET):
            if not one["metadata"].get("deletionTimestamp"):
                self._settle(one)

    def _settle(self, one: dict) -> None:
        pods = [pod for pod in owned(self.writing.store, POD, one) if _counts(pod)]
        missing = one["spec"]["replicas"] - len(pods)
        refused = self._add(one, missing) if missing > 0 else ""
        for pod in sorted(pods, key=is_ready)[: max(0, -missing)]:
            owning.remove(self.writing, pod)
        self._tell(one, refused)

    def _add(self, one: dict, count: int) -> str:
        """Why the cluster does not let it make them; empty when they are there."""
        template, name = one["spec"]["template"], one["metadata"]["name"]
        for _ in range(count):
            try:
                owning.make(self.writing, POD, one, f"{name}-{suffix()}", template)
            except Refusal as refusal:
                return self._refused(one, refusal.message)
        return ""

    def _refused(self, one: dict, message: str) -> str:
        """Each try has another name in its message: one that says the same otherwise is no news."""
        said = condition(one, "ReplicaFailure").get("message", "")
        if said and said.partition(" is forbidden")[2] == message.partition(" is forbidden")[2]:
            return said
        self.writing.event(key_of(one), "Warning", "FailedCreate", f"Error creating: {message}")
        return message

    def _tell(self, one: dict, refused: str) -> None:
        pods = [pod for pod in owned(self.writing.store, POD, one) if _counts(pod)]
        ready, now = sum(map(is_ready, pods)), self.writing.clock.stamp()
        counted = {"replicas": len(pods), "fullyLabeledReplicas": len(pods), "readyReplicas": ready}
        failure = [stated(one, "ReplicaFailure", (True, "FailedCreate", refused), now)] if refused else []
        seen = one["metadata"]["generation"]
        status = {**counted, "availableReplicas": ready, "observedGeneration": seen, "conditions": failure}
        self.writing.set_status(key_of(one), status)


def _counts(pod: dict) -> bool:
    over = pod["status"].get("phase") in ("Succeeded", "Failed")
    return not over and not pod["metadata"].get("deletionTimestamp")


class Deployments:
    """Moves pods from old replica sets to the newest, as the strategy says, and tells how far it is."""

    def __init__(self, writing: Writing):
        self.writing = writing

    def step(self) -> None:
        for one in self.writing.store.of(DEPLOYMENT):
            if not one["metadata"].get("deletionTimestamp") and not one["spec"].get("paused"):
                self._settle(one)

    def _settle(self, one: dict) -> None:
        sets, name = owned(self.writing.store, REPLICA_SET, one), self._name(one)
        new = next((each for each in sets if each["metadata"]["name"] == name), None)
        old = [each for each in sets if each["metadata"]["name"] != name]
        made = new is None
        new = new or self._make(one, name, old)
        if one["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(one, new, old)
        else:
            self._roll(one, new, old)
        self._forget(one, old)
        self._tell(one, name, made)

    def _name(self, one: dict) -> str:
        template = json.dumps(one["spec"]["template"], sort_keys=True)
        return f"{one['metadata']['name']}-{short(template)[:10]}"

    def _make(self, one: dict, name: str, old: list[dict]) -> dict:
        spec, hashed = one["spec"], name.rpartition("-")[2]
        template = json.loads(json.dumps(spec["template"]))
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = hashed
        labels = {**spec["selector"].get("matchLabels", {}), HASH: hashed}
        body = {"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}}
        revision = str(1 + max((_revision(each) for each in old), default=0))
        body["metadata"] = {
            "labels": template["metadata"]["labels"],
            "annotations": {"deployment.kubernetes.io/revision": revision},
        }
        return owning.make(self.writing, REPLICA_SET, one, name, body)

    def _scale(self, one: dict, count: int) -> None:
        if one["spec"]["replicas"] != count:
            self.writing.change(
                key_of(one), lambda obj: _with_replicas(obj, count), "kube-controller-manager"
            )

    def _recreate(self, one: dict, new: dict, old: list[dict]) -> None:
        """No pod of the new one before the last of the old ones is gone, also those that are ending."""
        for each in old:
            self._scale(each, 0)
        left = [pod for each in old for pod in owned(self.writing.store, POD, each)]
        if not left or new["spec"]["replicas"]:
            self._scale(new, one["spec"]["replicas"])

    def _roll(self, one: dict, new: dict, old: list[dict]) -> None:
        want, rolling = one["spec"]["replicas"], one["spec"]["strategy"]["rollingUpdate"]
        surge = _share(rolling["maxSurge"], want, math.ceil)
        others = sum(each["spec"]["replicas"] for each in old)
        self._scale(new, min(want, max(new["spec"]["replicas"], want + surge - others)))
        spare = _available([new, *old]) - (want - _unavailable(one))
        for each in old:
            idle = each["spec"]["replicas"] - _available([each])
            less = idle + max(0, min(spare, _available([each])))
            spare -= less - idle
            self._scale(each, each["spec"]["replicas"] - less)

    def _forget(self, one: dict, old: list[dict]) -> None:
        """Old replica sets without pods are kept for a way back, so many of them."""
        empty = [each for each in old if not each["spec"]["replicas"] and not each["status"].get("replicas")]
        kept = one["spec"]["revisionHistoryLimit"]
        for each in sorted(empty, key=_revision)[: max(0, len(empty) - kept)]:
            owning.remove(self.writing, each)

    def _tell(self, one: dict, name: str, made: bool) -> None:
        sets = owned(self.writing.store, REPLICA_SET, one)
        new = next(each for each in sets if each["metadata"]["name"] == name)
        counted = _counted(one, new, sets)
        conditions = [self._available(one, counted), self._progressing(one, new, counted, made)]
        failure = [condition(each, "ReplicaFailure") for each in sets if condition(each, "ReplicaFailure")]
        seen = one["metadata"]["generation"]
        status = {**counted, "observedGeneration": seen, "conditions": conditions + failure[:1]}
        self.writing.set_status(key_of(one), status)

    def _available(self, one: dict, counted: dict) -> dict:
        enough = counted["availableReplicas"] >= one["spec"]["replicas"] - _unavailable(one)
        word, does = ("Available", "has") if enough else ("Unavailable", "does not have")
        said = (enough, f"MinimumReplicas{word}", f"Deployment {does} minimum availability.")
        return stated(one, "Available", said, self.writing.clock.stamp())

    def _progressing(self, one: dict, new: dict, counted: dict, made: bool) -> dict:
        """Once a rollout has come to its end it has not failed, whatever becomes of its pods."""
        old, want, name = condition(one, "Progressing"), one["spec"]["replicas"], new["metadata"]["name"]
        whole = {counted[what] for what in ("replicas", "updatedReplicas", "availableReplicas")} == {want}
        now, subject = self.writing.clock.stamp(), f'ReplicaSet "{name}"'
        if made:
            new_set = (True, "NewReplicaSetCreated", f'Created new replica set "{name}"')
            return {**stated(one, "Progressing", new_set, now), "lastUpdateTime": now}
        if whole:
            return stated(
                one,
                "Progressing",
                (True, "NewReplicaSetAvailable", f"{subject} has successfully progressed."),
                now,
            )
        if old["reason"] == "NewReplicaSetAvailable":
            return old
        if _moved(one.get("status", {}), counted):
            moving = stated(
                one, "Progressing", (True, "ReplicaSetUpdated", f"{subject} is progressing."), now
            )
            return {**moving, "lastUpdateTime": now}
        if self.writing.clock.since(old["lastUpdateTime"]) > one["spec"]["progressDeadlineSeconds"]:
            late = (False, "ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
            return stated(one, "Progressing", late, now)
        return old


def _revision(one: dict) -> int:
    return int(one["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", 0))


def _with_replicas(obj: dict, count: int) -> dict:
    return {**obj, "spec": {**obj["spec"], "replicas": count}}


def _share(text: int | str, whole: int, rounded) -> int:
    """`25%` of the whole, or a number."""
    return (
        rounded(int(text[:-1]) * whole / 100) if isinstance(text, str) and text.endswith("%") else int(text)
    )


def _unavailable(one: dict) -> int:
    """How many may be missing while it rolls; one must move if no more may be added."""
    rolling = one["spec"]["strategy"].get("rollingUpdate")
    if not rolling:
        return 0
    surge = _share(rolling["maxSurge"], one["spec"]["replicas"], math.ceil)
    return _share(rolling["maxUnavailable"], one["spec"]["replicas"], math.floor) or int(not surge)


def _available(sets: list[dict]) -> int:
    return sum(each.get("status", {}).get("availableReplicas", 0) for each in sets)


def _counted(one: dict, new: dict, sets: list[dict]) -> dict:
    total = sum(each.get("status", {}).get("replicas", 0) for each in sets)
    available = _available(sets)
    return {
        "replicas": total,
        "updatedReplicas": new.get("status", {}).get("replicas", 0),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(0, one["spec"]["replicas"] - available),
    }


def _moved(before: dict, now: dict) -> bool:
    """Is there more of the new, or less of the old?"""

    def old_ones(counts):
        return counts.get("replicas", 0) - counts.get("updatedReplicas", 0)

    more = any(now[what] > before.get(what, 0) for what in ("updatedReplicas", "readyReplicas"))
    return more or old_ones(now) < old_ones(before)
