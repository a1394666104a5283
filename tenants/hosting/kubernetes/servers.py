"""The servers of tenants in one namespace of a cluster.

Level-triggered: each call compares what should be there with what is, does the next thing, and waits for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from tenants.hosting.answers import line, mapping
from tenants.hosting.base import NotYet, ServerError, ServerState, ServerStatus, SupervisorGone
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec
from tenants.hosting.kubernetes.databases import TenantDatabases
from tenants.hosting.kubernetes.kinds import OWNED, Claim, Deployment, Event, Job, Pod
from tenants.hosting.kubernetes.naming import (
    INSTALLATION,
    INSTANCE,
    TENANT,
    in_the_way,
    is_strange,
    migration_of,
    name_of,
    owner_of,
    pods_of,
)
from tenants.hosting.kubernetes.objects import (
    deployment,
    lasting_objects,
    migration,
    stopped,
    volume_claim,
    waiting_deployment,
)
from tenants.hosting.kubernetes.place import ClusterPlace
from tenants.hosting.kubernetes.symptoms import (
    ClusterEvent,
    Shown,
    Sight,
    changes_to,
    crashed,
    has_failed,
    hindrance_of,
    is_complete,
    is_stopped,
    last_of,
    migration_state,
    newest_events,
    newest_first,
    object_name,
    state_of,
    version_in,
)
from tenants.hosting.last_words import explain_attempt, last_error

Found = TypeVar("Found")

SERVER = "zenml"  # its container
LOOK_EVERY = 1.0  # seconds; the agent asks four times as often while a server starts
LAST_WORDS = 50  # lines of a log that may say why a server ended
OVER = ("Succeeded", "Failed")  # phases of a pod that runs no more
ENDING = "The server is ending."
OTHER_MIGRATION = "A migration to another version is ending."
NO_SERVER = "ZenPro has no database server: ZENPRO_KUBERNETES_DATABASE is not set."


class ClusterServers:
    """All methods raise SupervisorGone while the cluster does not answer, and ServerError for what it refuses."""

    def __init__(
        self,
        cluster: Cluster,
        place: ClusterPlace,
        clock: Callable[[], float] = time.monotonic,
        databases: TenantDatabases | None = None,
    ):
        """`databases`: of tenants that have theirs on a server."""
        self.cluster, self.place, self.clock, self.databases = cluster, place, clock, databases
        self._seen: dict[UUID, tuple[float, ServerState]] = {}

    @property
    def own_databases(self) -> TenantDatabases:
        if self.databases is None:
            raise SupervisorGone(NO_SERVER)
        return self.databases

    def check_free(self, tenant_id: UUID) -> None:
        """Raises ServerError when someone else's object has a name that we need."""
        name = name_of(tenant_id)
        for kind in OWNED:
            found = self.cluster.get(kind, name)
            if found is not None and is_strange(found, tenant_id):
                raise ServerError(in_the_way(kind.__name__, name))

    def start(self, spec: ClusterSpec, restarted: str = "") -> None:
        """Make everything as it should be. Another version first has its database changed: see state()."""
        self._seen.pop(spec.tenant_id, None)
        self.prepare(spec)
        found = self.cluster.get(Deployment, name_of(spec.tenant_id))
        runs = version_in(found) if found else ""
        if found is None and spec.store:
            self.cluster.apply(waiting_deployment(spec, self.place))
        elif runs == spec.version or (not runs and not spec.store):
            self._deploy(spec, restarted)
        else:
            self._begin_change(spec)

    def prepare(self, spec: ClusterSpec) -> None:
        """Everything around its Deployment, the place for its data included."""
        self.check_free(spec.tenant_id)
        for manifest in lasting_objects(spec, self.place):
            self.cluster.apply(manifest)
        self._make_place_for_data(spec)

    def _make_place_for_data(self, spec: ClusterSpec) -> None:
        if spec.store:
            self.own_databases.prepare(spec.tenant_id, spec.store.password)
        elif not self.has_volume(spec.tenant_id):
            self.cluster.apply(volume_claim(spec, self.place))

    def has_volume(self, tenant_id: UUID) -> bool:
        """Is there one of its name, in whatever state?"""
        return self.cluster.get(Claim, name_of(tenant_id)) is not None

    def _deploy(self, spec: ClusterSpec, restarted: str) -> None:
        if spec.store:
            self.own_databases.close_copies(spec.tenant_id)
        self.cluster.apply(deployment(spec, self.place, restarted))

    def _begin_change(self, spec: ClusterSpec) -> None:
        """No pod may use the database meanwhile. A migration that failed is tried again."""
        name = migration_of(spec.tenant_id, spec.version)
        job = self.cluster.get(Job, name)
        if job is not None and is_strange(job, spec.tenant_id):
            raise ServerError(in_the_way("Job", name))
        if job is not None and has_failed(job):
            self.cluster.delete(Job, name)
        self.cluster.patch(Deployment, name_of(spec.tenant_id), stopped(spec.version))

    def state(self, spec: ClusterSpec, restarted: str = "") -> ServerState:
        """How its server is; a change of version that is under way is taken one step further.

        Asked again within a second it answers the same.
        """
        at, known = self._seen.get(spec.tenant_id, (0.0, None))
        if known is not None and self.clock() - at < LOOK_EVERY:
            return known
        found = self._ours(spec.tenant_id)
        under_way = found is not None and changes_to(found) == spec.version
        state = self._change(spec, restarted) if under_way else state_of(self.sight(spec.tenant_id), now())
        self._seen[spec.tenant_id] = self.clock(), state
        return state

    def _change(self, spec: ClusterSpec, restarted: str) -> ServerState:
        """The old server ends, the Job runs, the new server starts: the next of these."""
        if self._running_pods(spec.tenant_id):
            return ServerState(ServerStatus.STARTING, hint="The server of the old version is ending.")
        name = migration_of(spec.tenant_id, spec.version)
        job = self.cluster.get(Job, name)
        if job is None and self._is_migrated_otherwise(spec.tenant_id, name):
            return ServerState(ServerStatus.STARTING, hint=OTHER_MIGRATION)
        if job is None:
            self._migrate(spec)
        elif is_strange(job, spec.tenant_id):
            return ServerState(ServerStatus.FATAL, hint=in_the_way("Job", name))
        words = self._why_it_failed(name) if job is not None and has_failed(job) else ""
        state = migration_state(job or {}, spec.version, words)
        if state is None:
            self._deploy(spec, restarted)
        return state or ServerState(ServerStatus.STARTING)

    def _is_migrated_otherwise(self, tenant_id: UUID, name: str) -> bool:
        """Is another migration than this one under way? One that changes nothing yet is ended; the copy before it may be."""
        pods = self.cluster.list(Pod, {TENANT: str(tenant_id)})
        pods = [pod for pod in pods if _is_other_migration(_instance(pod), tenant_id, name) and _runs(pod)]
        at_work = {_instance(pod) for pod in pods if mapping(pod.get("status")).get("phase") == "Running"}
        jobs = [job for job in self._of(Job, tenant_id) if not is_complete(job) and not has_failed(job)]
        jobs = [job for job in jobs if _is_other_migration(object_name(job), tenant_id, name)]
        for job in jobs:
            if object_name(job) not in at_work:
                self.cluster.delete(Job, object_name(job))
        return bool(jobs or pods)

    def _migrate(self, spec: ClusterSpec) -> None:
        if spec.store:
            self.own_databases.open_copy(spec.tenant_id, spec.version)
        self.cluster.apply(migration(spec, self.place))

    def stop(self, tenant_id: UUID) -> None:
        """Everything but the pod stays. Raises NotYet until it is gone."""
        self._seen.pop(tenant_id, None)
        found = self._ours(tenant_id)
        if found is None:
            return
        if not is_stopped(found):
            self.cluster.patch(Deployment, name_of(tenant_id), stopped())
        if self._running_pods(tenant_id):
            raise NotYet(ENDING)

    def retire(self, tenant_id: UUID) -> None:
        """Remove what carries its label, the volume last. Raises NotYet until nothing is left."""
        self._seen.pop(tenant_id, None)
        for kind in OWNED:
            for found in self._of(kind, tenant_id):
                if not mapping(found.get("metadata")).get("deletionTimestamp"):
                    self.cluster.delete(kind, object_name(found))
        if not self.is_gone(tenant_id):
            raise NotYet("The cluster is still removing it.")

    def is_gone(self, tenant_id: UUID) -> bool:
        """The volume, which goes last, is asked for first."""
        return not any(self._of(kind, tenant_id) for kind in reversed(OWNED))

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        """Stop servers that this installation started for tenants other than these. Returns their names."""
        ours = {str(pk) for pk in known}
        found = self.cluster.list(Deployment, {INSTALLATION: self.place.installation, TENANT: None})
        orphans = [object_name(one) for one in found if owner_of(one) not in ours and not is_stopped(one)]
        for name in orphans:
            self.cluster.patch(Deployment, name, stopped())
        return orphans

    def has_data(self, tenant_id: UUID) -> bool:
        found = self.cluster.get(Claim, name_of(tenant_id))
        if found is None or is_strange(found, tenant_id):
            return False
        return mapping(found.get("status")).get("phase") != "Lost"

    def log(self, tenant_id: UUID, lines: int) -> list[str]:
        """Of the server; of the container before while a new one can't start, of a migration while it runs."""
        pods = self._pods(tenant_id)
        if name := crashed(pods):
            return self._crash_log(name, lines)
        for pod in newest_first(pods)[:1]:
            return self.cluster.log(object_name(pod), lines, container=SERVER)
        found = self._ours(tenant_id)
        version = changes_to(found) if found else ""
        return self._job_log(migration_of(tenant_id, version), lines) if version else []

    def _crash_log(self, pod: str, lines: int = LAST_WORDS) -> list[str]:
        """A container that ended only once has no one before it."""
        return self.log_of(pod, SERVER, lines, previous=True) or self.log_of(pod, SERVER, lines)

    def _job_log(self, job: str, lines: int = LAST_WORDS) -> list[str]:
        """Of what it did last: the migration itself, or the copy before it."""
        for pod in newest_first(self._or([], lambda: self.cluster.list(Pod, {INSTANCE: job})))[:1]:
            name = object_name(pod)
            return self.log_of(name, "migrate", lines) or self.log_of(name, "backup", lines)
        return []

    def _why_it_failed(self, job: str) -> str:
        """The line with the error: what comes after it tells where to read about errors."""
        lines = self._job_log(job)
        return last_error(lines) or last_of(lines)

    def log_of(self, pod: str, container: str, lines: int, *, previous: bool = False) -> list[str]:
        """What can be had of it: a log that is not there hides nothing else."""
        return self._or([], lambda: self.cluster.log(pod, lines, container=container, previous=previous))

    def explain_failure(self, spec: ClusterSpec) -> str:
        """Why it can't start, as long as that will not pass by itself; "" otherwise."""
        sight = self.sight(spec.tenant_id)
        state, found = state_of(sight, now()), hindrance_of(sight, now())
        if state.status == ServerStatus.BACKOFF and found.is_final:
            pod = crashed(sight.pods)
            return (explain_attempt(self._crash_log(pod)) if pod else "") or found.sentence
        return state.hint if state.status == ServerStatus.FATAL else ""

    def events(self, tenant_id: UUID) -> list[ClusterEvent]:
        """What the cluster last said of its Deployment, its newest pod and its volume, newest first."""
        names = [name_of(tenant_id), *(object_name(pod) for pod in newest_first(self._pods(tenant_id))[:1])]
        return newest_events([one for name in names for one in self._events_of(name)])

    def sight(self, tenant_id: UUID) -> Sight:
        """What the cluster shows now. What is asked for beside Deployment and pods explains, and may be missing."""
        found = self.cluster.get(Deployment, name_of(tenant_id))
        pods = self._pods(tenant_id)
        sight = Sight(tenant_id=tenant_id, deployment=found, pods=pods)
        if found is None or state_of(sight, now()).status in (ServerStatus.RUNNING, ServerStatus.STOPPED):
            return sight
        name, crash = name_of(tenant_id), crashed(pods)
        claim = self._or(None, lambda: self.cluster.get(Claim, name))
        is_missing = claim is not None and mapping(claim.get("status")).get("phase") == "Pending"
        return Sight(
            tenant_id=tenant_id,
            deployment=found,
            pods=pods,
            claim=claim,
            events=self._events_of(name) if is_missing else [],
            last_line=last_of(self._crash_log(crash)) if crash else "",
        )

    def _events_of(self, name: str) -> list[Shown]:
        return self._or([], lambda: self.cluster.list(Event, {}, {"involvedObject.name": name}))

    def _ours(self, tenant_id: UUID) -> Shown | None:
        """Its Deployment; None also when one of that name is someone else's."""
        found = self.cluster.get(Deployment, name_of(tenant_id))
        return None if found is None or is_strange(found, tenant_id) else found

    def _pods(self, tenant_id: UUID) -> list[Shown]:
        return self.cluster.list(Pod, {**pods_of(tenant_id), TENANT: str(tenant_id)})

    def _running_pods(self, tenant_id: UUID) -> list[Shown]:
        return [pod for pod in self._pods(tenant_id) if _runs(pod)]

    def _of(self, kind: type, tenant_id: UUID) -> list[Shown]:
        return self.cluster.list(kind, {TENANT: str(tenant_id)})

    def _or(self, default: Found, ask: Callable[[], Any]) -> Found:
        try:
            return ask()
        except ServerError:
            return default


def _runs(pod: Shown) -> bool:
    return mapping(pod.get("status")).get("phase") not in OVER


def _instance(found: Shown) -> str:
    return line(mapping(mapping(found.get("metadata")).get("labels")).get(INSTANCE))


def _is_other_migration(name: str, tenant_id: UUID, than: str) -> bool:
    return name.startswith(migration_of(tenant_id, "")) and name != than


def now() -> datetime:
    return datetime.now(UTC)
