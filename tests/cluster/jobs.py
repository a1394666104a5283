"""Jobs: pods until enough of them succeeded, or too many failed."""

from . import owning
from .kinds import JOB, POD, key_of
from .owning import condition, is_ready, owned, stated
from .refusals import Refusal
from .writing import Writing, suffix


class Jobs:
    """`delay`: seconds before the first pod after a failed one; doubled with each. A real cluster takes 10."""

    def __init__(self, writing: Writing):
        self.writing, self.delay = writing, 10.0

    def step(self) -> None:
        for one in self.writing.store.of(JOB):
            if one["metadata"].get("deletionTimestamp"):
                continue
            if finished(one):
                self._retire(one)
            elif one["spec"]["suspend"]:
                self._pause(one)
            else:
                self._settle(one)

    def _pause(self, one: dict) -> None:
        """Its pods are asked to end; it stays."""
        for pod in owned(self.writing.store, POD, one):
            if pod["status"].get("phase") not in ("Succeeded", "Failed"):
                owning.remove(self.writing, pod)

    def _retire(self, one: dict) -> None:
        kept, status = one["spec"].get("ttlSecondsAfterFinished"), one["status"]
        since = condition(one, "Complete") or condition(one, "Failed")
        ended = status.get("completionTime") or since["lastTransitionTime"]
        if kept is not None and self.writing.clock.since(ended) >= kept:
            owning.remove(self.writing, one)

    def _settle(self, one: dict) -> None:
        spec, pods = one["spec"], owned(self.writing.store, POD, one)
        phases = [pod["status"].get("phase") for pod in pods]
        done, failures = phases.count("Succeeded"), self._failures(one, pods)
        active = [pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        end = self._end(one, done, len(failures), pods)
        if end:
            for pod in active:
                owning.remove(self.writing, pod)
            active = []
        elif self._may_add(failures):
            self._add(one, min(spec["parallelism"], spec["completions"] - done) - len(active))
            active = [
                pod
                for pod in owned(self.writing.store, POD, one)
                if pod["status"]["phase"] not in ("Succeeded", "Failed")
            ]
        self._tell(one, active, (done, len(failures)), end)

    def _failures(self, one: dict, pods: list[dict]) -> list[dict]:
        """Failed pods, without those whose failure the policy of the job ignores."""
        failed = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
        return [pod for pod in failed if self._policy(one, pod) != "Ignore"]

    def _policy(self, one: dict, pod: dict) -> str:
        """What is to be done about a failed pod: Ignore, FailJob, or empty."""
        for rule in one["spec"].get("podFailurePolicy", {}).get("rules", []):
            wanted = rule.get("onPodConditions", [])
            if any(condition(pod, each["type"]).get("status") == each["status"] for each in wanted):
                return rule["action"]
            if "onExitCodes" in rule and _exit_codes(pod) & {*rule["onExitCodes"]["values"]}:
                return rule["action"]
        return ""

    def _end(self, one: dict, done: int, failures: int, pods: list[dict]) -> tuple[str, str, str] | None:
        """(condition, reason, message) when it has ended."""
        spec, started = one["spec"], (one.get("status") or {}).get("startTime")
        if done >= spec["completions"]:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        if any(self._policy(one, pod) == "FailJob" for pod in pods if pod["status"].get("phase") == "Failed"):
            return "Failed", "PodFailurePolicy", "Container failed with an exit code matching FailJob rule"
        if failures + sum(map(_restarts, pods)) > spec["backoffLimit"]:
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        limit = spec.get("activeDeadlineSeconds")
        if limit is not None and started and self.writing.clock.since(started) >= limit:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        return None

    def _may_add(self, failures: list[dict]) -> bool:
        ends = [when for pod in failures for when in _ended_at(pod)]
        wait = self.delay * 2 ** (len(failures) - 1) if failures else 0
        return not ends or self.writing.clock.since(max(ends)) >= wait

    def _add(self, one: dict, count: int) -> None:
        name, uid = one["metadata"]["name"], one["metadata"]["uid"]
        labels = {"job-name": name, "controller-uid": uid}
        labels |= {f"batch.kubernetes.io/{what}": value for what, value in labels.items()}
        for _ in range(count):
            try:
                owning.make(self.writing, POD, one, f"{name}-{suffix()}", one["spec"]["template"], **labels)
            except Refusal as refusal:
                why = refusal.message.partition(" is forbidden")[2] or refusal.message
                self.writing.event(key_of(one), "Warning", "FailedCreate", f"Error creating: pods{why}")
                return

    def _tell(self, one: dict, active: list[dict], counts: tuple[int, int], end) -> None:
        now, status = self.writing.clock.stamp(), dict(one.get("status") or {})
        status |= {"startTime": status.get("startTime", now), "active": len(active)}
        status |= {"ready": sum(map(is_ready, active)), "succeeded": counts[0], "failed": counts[1]}
        if end:
            kind, reason, message = end
            before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
            status["conditions"] = [
                stated(one, what, (True, reason, message), now) for what in (before, kind)
            ]
            status |= {"completionTime": now} if kind == "Complete" else {}
        self.writing.set_status(key_of(one), {name: value for name, value in status.items() if value != 0})


def finished(one: dict) -> bool:
    return bool(condition(one, "Complete") or condition(one, "Failed"))


def _statuses(pod: dict) -> list[dict]:
    return pod["status"].get("containerStatuses") or []


def _restarts(pod: dict) -> int:
    return sum(one["restartCount"] for one in _statuses(pod))


def _ends(pod: dict) -> list[dict]:
    return [one["state"]["terminated"] for one in _statuses(pod) if "terminated" in one["state"]]


def _exit_codes(pod: dict) -> set[int]:
    return {one["exitCode"] for one in _ends(pod)}


def _ended_at(pod: dict) -> list[str]:
    return [one["finishedAt"] for one in _ends(pod)]
