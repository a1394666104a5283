"""What a cluster shows of a server, as a state and a sentence. Nothing here asks the cluster.

Whatever it shows may be anything: words of a webhook, an image's name, the last line of a server's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tenants.hosting.answers import ending, line, listing, mapping, moment, text, whole
from tenants.hosting.base import ServerState, ServerStatus
from tenants.hosting.kubernetes.naming import CHANGING_TO, VERSION, in_the_way, is_strange, name_of

Shown = dict[str, Any]

SENTENCE = 300  # characters of what a cluster may say in one sentence
PODS, EVENTS = 20, 500  # of one tenant that are looked at
VOLUME_PATIENCE = 60.0  # seconds until a volume that is not there is worth a word
NO_IMAGE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
LOST_NODE = "A node is gone; the pod moves to another one."
TOO_LATE = "The server did not become ready in time."
BEGINNING_OF_TIME = datetime(1971, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a server is not up. `is_bad`: waiting is not enough; `is_final`: it helps to tell people at once."""

    sentence: str
    is_bad: bool = True
    is_final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the cluster showed of one tenant. `last_line`: of the log of the container that ended."""

    tenant_id: UUID
    deployment: Shown | None
    pods: list[Shown] = field(default_factory=list)
    claim: Shown | None = None
    events: list[Shown] = field(default_factory=list)
    last_line: str = ""


def state_of(sight: Sight, now: datetime) -> ServerState:
    """The failure table of the backend, from top to bottom."""
    if sight.deployment is None:
        return ServerState(ServerStatus.ABSENT)
    if is_strange(sight.deployment, sight.tenant_id):
        return ServerState(ServerStatus.FATAL, hint=in_the_way("Deployment", name_of(sight.tenant_id)))
    if is_stopped(sight.deployment):
        return ServerState(ServerStatus.STOPPED, place=place_of(sight))
    if _is_up(sight.deployment):
        return ServerState(ServerStatus.RUNNING, uptime=_uptime(sight, now), place=place_of(sight))
    return _not_up(sight, now)


def _not_up(sight: Sight, now: datetime) -> ServerState:
    """Conditions that the cluster wrote before it saw what was asked for last are of something else."""
    found, place = hindrance_of(sight, now), place_of(sight)
    if (
        _is_fresh(sight.deployment)
        and _condition(sight.deployment, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    ):
        return ServerState(ServerStatus.FATAL, hint=found.sentence or TOO_LATE, place=place)
    status = ServerStatus.BACKOFF if found.is_bad else ServerStatus.STARTING
    return ServerState(status, uptime=_uptime(sight, now), hint=found.sentence, place=place)


def is_stopped(deployment: Shown) -> bool:
    return mapping(deployment.get("spec")).get("replicas") == 0


def version_in(deployment: Shown) -> str:
    """Of the server that the Deployment runs; "" when it does not say."""
    return line(_annotations(deployment).get(VERSION))


def changes_to(deployment: Shown) -> str:
    """The version that its database is being brought to; "" when nothing of that kind is under way."""
    wanted = line(_annotations(deployment).get(CHANGING_TO))
    return "" if wanted == version_in(deployment) else wanted


def _is_up(deployment: Shown) -> bool:
    """Without the last two, an old pod would pass for the new version."""
    return (
        _condition(deployment, "Available").get("status") == "True"
        and _condition(deployment, "Progressing").get("reason") == "NewReplicaSetAvailable"
        and _is_fresh(deployment)
    )


def _is_fresh(found: Shown | None) -> bool:
    status, metadata = mapping(mapping(found).get("status")), mapping(mapping(found).get("metadata"))
    return status.get("observedGeneration") == metadata.get("generation")


def hindrance_of(sight: Sight, now: datetime) -> Hindrance:
    """The first thing that is wrong, causes before what follows from them."""
    found = [*_refused_pods(sight), *_volume(sight, now)]
    for one in newest_first(sight.pods)[:1]:
        found += [*_unscheduled(one), *_lost_node(one), *_containers(one, sight.last_line)]
    return found[0] if found else Hindrance("", is_bad=False)


def _refused_pods(sight: Sight) -> Iterator[Hindrance]:
    """A quota or a webhook: the Deployment is accepted, and only its condition tells that no pod is."""
    refused = _condition(sight.deployment, "ReplicaFailure")
    if refused.get("status") == "True" and _is_fresh(sight.deployment):
        yield Hindrance(_said(refused) or "The cluster makes no pod of it.")


def _volume(sight: Sight, now: datetime) -> Iterator[Hindrance]:
    """One that stays without a node or a disk; a new one needs some seconds."""
    if sight.claim is None or mapping(sight.claim.get("status")).get("phase") != "Pending":
        return
    events = [one for one in newest_events(sight.events) if one.kind == "PersistentVolumeClaim"]
    why = next((one.message for one in events if one.reason == "ProvisioningFailed"), "")
    is_late = (now - _created(sight.claim)).total_seconds() > VOLUME_PATIENCE
    if is_late or why:
        yield Hindrance(f"The volume is not there: {why or 'nothing provides it.'}", is_bad=is_late)


def _unscheduled(pod: Shown) -> Iterator[Hindrance]:
    placed = _condition(pod, "PodScheduled")
    if placed.get("status") == "False":
        yield Hindrance(f"No node has room: {_said(placed) or 'the cluster does not say why.'}")


def _lost_node(pod: Shown) -> Iterator[Hindrance]:
    is_unknown = mapping(pod.get("status")).get("phase") == "Unknown"
    is_unknown = is_unknown or _condition(pod, "Ready").get("status") == "Unknown"
    if is_unknown or _condition(pod, "DisruptionTarget").get("status") == "True":
        yield Hindrance(LOST_NODE, is_bad=False)


def _containers(pod: Shown, last_line: str) -> Iterator[Hindrance]:
    for container in containers_of(pod):
        waiting = mapping(mapping(container.get("state")).get("waiting"))
        reason = line(waiting.get("reason"))
        if reason in NO_IMAGE:
            is_final = reason == "InvalidImageName"
            yield Hindrance(
                f"The image {line(container.get('image')) or 'of the server'} cannot be pulled.",
                is_final=is_final,
            )
        elif reason in NO_CONTAINER:
            yield Hindrance(f"The container cannot be made: {_said(waiting) or reason}", is_final=True)
        elif end := _end_of(container):
            yield _ended(end, last_line, is_final=reason == "CrashLoopBackOff")


def _end_of(container: Shown) -> Shown:
    """How it ended last, when it does not run."""
    state = mapping(container.get("state"))
    if "running" in state:
        return {}
    last = mapping(mapping(container.get("lastState")).get("terminated"))
    return mapping(state.get("terminated")) or last


def _ended(end: Shown, last_line: str, is_final: bool) -> Hindrance:
    if end.get("reason") == "OOMKilled":
        return Hindrance("It ran out of memory.", is_final=is_final)
    words = one_line(last_line)
    verb = "ends again and again" if is_final else "ended"
    sentence = f"The server {verb} (exit {whole(end.get('exitCode'))})"
    return Hindrance(f"{sentence}: {words}" if words else f"{sentence}.", is_final=is_final)


def crashed(pods: list[Shown]) -> str:
    """The newest pod when its container ended; "" otherwise. The log of the container before says why."""
    for one in newest_first(pods)[:1]:
        if any(_end_of(container) for container in containers_of(one)):
            return object_name(one)
    return ""


def containers_of(pod: Shown) -> list[Shown]:
    """What is said of its containers, those that begin first of all."""
    status = mapping(pod.get("status"))
    found = [*listing(status.get("initContainerStatuses"), 5), *listing(status.get("containerStatuses"), 5)]
    return [mapping(one) for one in found]


def newest_first(pods: list[Shown]) -> list[Shown]:
    """One that is ending comes after all that are not: on a node that is gone it may be there for long."""
    return sorted(pods[:PODS], key=lambda pod: (not is_ending(pod), _created(pod)), reverse=True)


def is_ending(pod: Shown) -> bool:
    return bool(mapping(pod.get("metadata")).get("deletionTimestamp"))


def object_name(pod: Shown) -> str:
    return line(mapping(pod.get("metadata")).get("name"))


def ready_in(pod: Shown) -> bool:
    return _condition(pod, "Ready").get("status") == "True"


def place_of(sight: Sight) -> str:
    """Where it runs, for people."""
    for one in newest_first(sight.pods)[:1]:
        node = line(mapping(one.get("spec")).get("nodeName"))
        return f"Pod {object_name(one)}" + (f" on {node}" if node else "")
    return ""


def _uptime(sight: Sight, now: datetime) -> float:
    for one in newest_first(sight.pods)[:1]:
        for container in containers_of(one):
            since = moment(mapping(mapping(container.get("state")).get("running")).get("startedAt"))
            if since:
                return max(0.0, (now - since).total_seconds())
    return 0.0


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One thing the cluster did or could not do, in its own words."""

    at: datetime
    kind: str  # of the object
    name: str
    reason: str
    message: str
    is_warning: bool


def newest_events(events: list[Shown]) -> list[ClusterEvent]:
    found = [_event(mapping(one)) for one in events[:EVENTS]]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _event(found: Shown) -> ClusterEvent:
    about = mapping(found.get("involvedObject"))
    times = (found.get("lastTimestamp"), found.get("eventTime"), found.get("firstTimestamp"))
    return ClusterEvent(
        at=next(filter(None, map(moment, times)), BEGINNING_OF_TIME),
        kind=line(about.get("kind")),
        name=line(about.get("name")),
        reason=line(found.get("reason")),
        message=_said(found),
        is_warning=found.get("type") == "Warning",
    )


# -- migrations


def migration_state(job: Shown, version: str, last_line: str = "") -> ServerState | None:
    """How the Job goes that brings the database to a version; None when it is done."""
    if _condition(job, "Complete").get("status") == "True":
        return None
    if _condition(job, "Failed").get("status") == "True":
        words = one_line(last_line) or _said(_condition(job, "Failed"))
        return ServerState(
            ServerStatus.FATAL, hint=f"The database could not be brought to {version}: {words}"
        )
    return ServerState(ServerStatus.STARTING, hint=f"The database is being brought to {version}.")


def is_complete(job: Shown) -> bool:
    return _condition(job, "Complete").get("status") == "True"


def has_failed(job: Shown) -> bool:
    return _condition(job, "Failed").get("status") == "True"


# -- reading


def one_line(value: Any) -> str:
    """Words of a cluster or of a log, as part of a sentence of ours."""
    return line(re.sub(r"\s+", " ", text(value, 4 * SENTENCE)).strip(), SENTENCE)


def last_of(lines: list[str]) -> str:
    """The last line that says something."""
    return next((one for one in reversed(lines) if one.strip()), "")


def log_lines(value: str, lines: int, limit: int = 256 * 1024) -> list[str]:
    return ending(value, limit).splitlines()[-lines:] if lines > 0 else []


def _said(found: Shown) -> str:
    return one_line(found.get("message"))


def _condition(found: Shown | None, kind: str) -> Shown:
    conditions = listing(mapping(mapping(found).get("status")).get("conditions"), 50)
    return next((one for one in map(mapping, conditions) if one.get("type") == kind), {})


def _annotations(found: Shown) -> Shown:
    return mapping(mapping(found.get("metadata")).get("annotations"))


def _created(found: Shown) -> datetime:
    return moment(mapping(found.get("metadata")).get("creationTimestamp")) or BEGINNING_OF_TIME
