"""What a cluster shows of a run: whether it goes on, how it ended, and why it does not begin. Nothing here asks anyone.

Whatever it shows may be anything: words of a webhook, an image's name, the last line of a log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tenants.hosting.answers import line, listing, mapping, whole
from tenants.hosting.kubernetes.naming import INSTALLATION, RUN
from tenants.hosting.kubernetes.symptoms import (
    NO_CONTAINER,
    NO_IMAGE,
    Shown,
    Sight,
    containers_of,
    hindrance_of,
    newest_events,
    newest_first,
    one_line,
)

from .pod_objects import PREPARE, RUN_CONTAINER
from .pod_place import PodPlace

OVER = ("Succeeded", "Failed")  # phases of a pod that runs no more
TOO_MUCH = "ZenPro ended this run: it used more than {:,} MB of memory."
OUT_OF_MEMORY = "The cluster ended this run: its node had no memory left."
MOVED = "The cluster ended this run: its node is gone, or was needed for something else."
TOO_LONG = "The cluster ended this run: it took longer than the cluster allows."
PREPARING = "The pod fetches the code and installs the packages."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSight:
    """What the cluster showed of one run. `events`: of its Job, looked at where there is no pod."""

    run_id: UUID
    job: Shown | None
    pods: list[Shown] = field(default_factory=list)
    events: list[Shown] = field(default_factory=list)

    @property
    def pod(self) -> Shown:
        """The newest one; {} where there is none."""
        return next(iter(newest_first(self.pods)), {})


def is_ours(found: Shown, run_id: UUID, installation: str) -> bool:
    """Is it this run's, and did we make it? Nothing else of its name is ever changed."""
    labels = mapping(mapping(found.get("metadata")).get("labels"))
    return (labels.get(RUN), labels.get(INSTALLATION)) == (str(run_id), installation)


def run_in(found: Shown) -> str:
    """Id of the run whose object this is."""
    return line(mapping(mapping(found.get("metadata")).get("labels")).get(RUN))


def uid_of(found: Shown | None) -> str:
    """What tells a Job from a later one of the same name; "" for none."""
    return line(mapping(mapping(found).get("metadata")).get("uid"), 40)


def is_over(sight: RunSight) -> bool:
    """Nothing of it runs: its Job is gone, has finished, or was told to have no pods and has none."""
    if sight.job is None or has_finished(sight.job):
        return True
    is_paused = mapping(sight.job.get("spec")).get("suspend") is True
    return is_paused and all(_phase(pod) in OVER for pod in sight.pods)


def has_finished(job: Shown) -> bool:
    return bool(_true(job, "Complete") or _true(job, "Failed"))


def exit_code_of(sight: RunSight) -> int | None:
    """Of ZenML's runner; None when it never ran, or no one knows."""
    code = _end(sight.pod, RUN_CONTAINER).get("exitCode")
    return whole(code) if isinstance(code, int) else None


def prepare_failed(sight: RunSight) -> bool:
    return bool(_end(sight.pod, PREPARE).get("exitCode"))


def current_container(sight: RunSight) -> str:
    """The one whose log is worth reading: its preparation until that is done, and for good if it failed."""
    state = mapping(_container(sight.pod, RUN_CONTAINER).get("state"))
    return RUN_CONTAINER if {"running", "terminated"} & state.keys() else PREPARE


def has_begun(sight: RunSight) -> bool:
    return bool(sight.pods) and current_container(sight) == RUN_CONTAINER


# -- sentences


def limit_words(sight: RunSight, place: PodPlace) -> str:
    """Which limit of the cluster ended it; "" when none did."""
    pod = sight.pod
    if any(_end(pod, name).get("reason") == "OOMKilled" for name in (RUN_CONTAINER, PREPARE)):
        return TOO_MUCH.format(place.memory // 1024**2) if place.memory else OUT_OF_MEMORY
    status = mapping(pod.get("status"))
    if status.get("reason") == "Evicted":
        return f"The cluster ended this run: {one_line(status.get('message')) or 'it does not say why.'}"
    if _true(pod, "DisruptionTarget") or status.get("reason") == "NodeLost":
        return MOVED
    failed = _true(sight.job or {}, "Failed")
    return TOO_LONG if failed.get("reason") == "DeadlineExceeded" else ""


def waiting_words(sight: RunSight, now: datetime) -> str:
    """Why it has not begun; "" when nothing is known to keep it from that."""
    if not sight.pods:
        why = next(iter(_refusals(sight)), "")
        return f"The cluster makes no pod: {why}" if why else ""
    shown = Sight(tenant_id=sight.run_id, deployment=None, pods=[_waiting_part(sight.pod)])
    if words := hindrance_of(shown, now).sentence:
        return f"The pod waits: {words}"
    is_preparing = "running" in mapping(_container(sight.pod, PREPARE).get("state"))
    return PREPARING if is_preparing else ""


def _refusals(sight: RunSight) -> Iterator[str]:
    """A quota or a webhook: the Job is accepted, and only its events tell that no pod is."""
    for event in newest_events(sight.events):
        if event.kind == "Job" and event.reason == "FailedCreate":
            yield event.message.removeprefix("Error creating: ")


def _waiting_part(pod: Shown) -> Shown:
    """The pod with those containers alone that can't be made: others come later, or are done."""
    status, reasons = mapping(pod.get("status")), NO_IMAGE | NO_CONTAINER
    stuck = [one for one in containers_of(pod) if _waits(one) in reasons]
    return {**pod, "status": {**status, "initContainerStatuses": [], "containerStatuses": stuck}}


# -- reading


def _waits(container: Shown) -> str:
    return line(mapping(mapping(container.get("state")).get("waiting")).get("reason"))


def _container(pod: Shown, name: str) -> Shown:
    return next((one for one in containers_of(pod) if one.get("name") == name), {})


def _end(pod: Shown, name: str) -> Shown:
    return mapping(mapping(_container(pod, name).get("state")).get("terminated"))


def _phase(pod: Shown) -> str:
    return line(mapping(pod.get("status")).get("phase"))


def _true(found: Shown, kind: str) -> Shown:
    """The condition of this type, if it holds; else {}."""
    conditions = listing(mapping(found.get("status")).get("conditions"), 50)
    holds = (one for one in map(mapping, conditions) if one.get("status") == "True")
    return next((one for one in holds if one.get("type") == kind), {})
