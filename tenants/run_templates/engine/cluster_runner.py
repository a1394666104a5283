"""ZenML's own runner as a Job of a cluster, in a namespace of runs (docs/adr/0040).

The name of the Job is made of the run's id, so the cluster itself says whether there is one: two agents cannot start the
same re-run twice. What its pod printed is copied to this machine while the pod is there; pages read the copy.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import structlog

from tenants.hosting.answers import identifier, mapping
from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster import Cluster, ClusterRefused
from tenants.hosting.kubernetes.kinds import Event, Job, NetworkPolicy, Pod, Secret
from tenants.hosting.kubernetes.naming import INSTALLATION, RUN
from tenants.hosting.kubernetes.servers import now
from tenants.hosting.kubernetes.symptoms import Shown, last_of, object_name, one_line

from .base import AlreadyRunning, Order, RunnerFailed, RunnerOutOfReach, Started
from .pod_objects import (
    NAME,
    POLICY,
    PROGRAM,
    name_of,
    network_policy,
    paused,
    pods_of,
    run_job,
    run_secret,
)
from .pod_place import PodPlace, cluster_of_runs, place_of_runs
from .pod_symptoms import (
    RunSight,
    current_container,
    exit_code_of,
    has_begun,
    has_finished,
    is_ours,
    is_over,
    limit_words,
    prepare_failed,
    run_in,
    uid_of,
    waiting_words,
)
from .pod_tickets import make_ticket
from .run_files import last_lines, output_file

log = structlog.get_logger("zenpro.agent")

NO_PROCESS = 0  # in place of a process id: the Job's own id tells it from a later one
LOOK_EVERY = 2.0  # seconds between looks at one run
COPY_EVERY = 4.0  # seconds between copies of what it printed, while it goes on
WHILE_IT_RUNS = (2000, 256 * 1024)  # last lines, and bytes, of those copies
IN_THE_END = (20_000, 5 * 1024**2)
LAST_GRACE = (
    1  # seconds for a pod that is ended without asking; with none the cluster would not wait for its end
)
AGAIN = 60.0  # seconds for which nothing is tidied up after a cluster failed to answer
GONE = "The Job of this run was deleted in the cluster."
IN_THE_WAY = "The cluster already has a {} {} that is not this run's."
REMOVING = "The cluster is still removing an earlier attempt of this run."


class ClusterRunner:
    """Runner in a cluster. Any number of these may look after the same re-runs. To make one asks no one."""

    def __init__(
        self,
        cluster: Cluster | None = None,
        place: PodPlace | None = None,
        ticket: Callable[[UUID], str] = make_ticket,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._cluster, self._place, self._ticket, self._clock = cluster, place, ticket, clock
        self._sights: dict[UUID, tuple[float, RunSight]] = {}
        self._copied: dict[UUID, float] = {}  # when what it printed was copied last
        self._complete: set[UUID] = set()  # runs whose last words are copied
        self._alive: set[UUID] = set()  # runs seen alive, and not ended by us
        self._has_policy = False
        self._tidy_after = 0.0

    @property
    def cluster(self) -> Cluster:
        return self._cluster or cluster_of_runs()

    @property
    def place(self) -> PodPlace:
        return self._place or place_of_runs()

    # -- to a Job

    def start(self, order: Order) -> Started:
        """Make its Secret and its Job. Raises AlreadyRunning, RunnerFailed, RunnerOutOfReach: then it may have begun."""
        try:
            with _reached():
                self._make_policy()
                self._make_way(order.run_id)
                self.cluster.apply(run_secret(order, self.place, self._ticket(order.run_id)))
                return self._make_job(order)
        except ClusterRefused as error:
            raise RunnerFailed(error.reason) from error

    def _make_policy(self) -> None:
        """Once: no pod begins without it."""
        if self._has_policy:
            return
        found = self.cluster.get(NetworkPolicy, POLICY)
        labels = mapping(mapping(mapping(found).get("metadata")).get("labels"))
        if found is not None and labels.get(NAME) != PROGRAM[NAME]:
            raise RunnerFailed(IN_THE_WAY.format("NetworkPolicy", POLICY))
        self.cluster.apply(network_policy(self.place))
        self._has_policy = True

    def _make_way(self, run_id: UUID) -> None:
        """An earlier attempt that has ended makes room; nothing of others is touched."""
        self._sights.pop(run_id, None)
        self._complete.discard(run_id)
        self._own(Secret, run_id)
        job = self._own(Job, run_id)
        if job is not None and not has_finished(job):
            raise AlreadyRunning
        if job is not None:
            self.cluster.delete(Job, name_of(run_id))

    def _make_job(self, order: Order) -> Started:
        try:
            job = self.cluster.make(run_job(order, self.place))
        except ClusterRefused as error:
            if error.status != 409:
                raise
            job = self._own(Job, order.run_id)
            raise (
                RunnerOutOfReach(REMOVING) if job is None or has_finished(job) else AlreadyRunning
            ) from error
        return _started(order.run_id, job)

    def _own(self, kind: type, run_id: UUID) -> Shown | None:
        """Its object of this kind. Raises RunnerFailed when one of its name is someone else's."""
        found = self.cluster.get(kind, name_of(run_id))
        if found is not None and not is_ours(found, run_id, self.place.installation):
            raise RunnerFailed(IN_THE_WAY.format(kind.__name__, name_of(run_id)))
        return found

    def find(self, run_id: UUID) -> Started | None:
        """A Job that was made before its row could be written."""
        with _known():
            found = self.cluster.get(Job, name_of(run_id))
        if found is None or has_finished(found) or not is_ours(found, run_id, self.place.installation):
            return None
        return _started(run_id, found)

    # -- while it goes on

    def alive(self, started: Started) -> bool:
        """Is this very Job there, and does it go on? What it printed is copied meanwhile, at its end all of it."""
        if started.pid is None:
            return False
        sight = self._look(started.run_id)
        is_this = uid_of(sight.job) == started.mark
        if is_this and not is_over(sight):
            self._alive.add(started.run_id)
            self._copy_now_and_then(sight)
            return True
        if is_this:
            self._copy_to_the_end(sight)
        return False

    def waits(self, started: Started) -> str:
        sight = self._look(started.run_id)
        return "" if has_begun(sight) else waiting_words(sight, now())

    def stop(self, started: Started) -> None:
        """The pod gets SIGTERM, which ZenML's own handler ends the step with; the Job stays until tidy()."""
        with _known():
            sight = self._fresh(started)
            if sight is None:
                return
            self._copy(sight, *IN_THE_END)
            self.cluster.patch(Job, name_of(started.run_id), paused())
            self._forget(started.run_id)

    def end(self, started: Started) -> None:
        with _known():
            sight = self._fresh(started)
            if sight is None:
                return
            self._copy(sight, *IN_THE_END)
            self.cluster.delete(Job, name_of(started.run_id))  # first: it would make another pod
            for pod in sight.pods:
                self.cluster.delete(Pod, object_name(pod), LAST_GRACE)
            self._forget(started.run_id)

    def _fresh(self, started: Started) -> RunSight | None:
        """As it is now; None when there is nothing of it to end."""
        if started.pid is None:
            return None
        self._sights.pop(started.run_id, None)
        sight = self._look(started.run_id)
        return sight if uid_of(sight.job) == started.mark and not is_over(sight) else None

    def _forget(self, run_id: UUID) -> None:
        """It is about to end, and by us."""
        self._sights.pop(run_id, None)
        self._alive.discard(run_id)

    def _look(self, run_id: UUID) -> RunSight:
        """Asked again within two seconds it answers the same."""
        at, known = self._sights.get(run_id, (0.0, None))
        if known is None or self._clock() - at >= LOOK_EVERY:
            with _known():
                known = self._sight(run_id)
            self._sights[run_id] = self._clock(), known
        return known

    def _sight(self, run_id: UUID) -> RunSight:
        name, installation = name_of(run_id), self.place.installation
        job = self.cluster.get(Job, name)
        if job is None or not is_ours(job, run_id, installation):
            return RunSight(run_id=run_id, job=None)
        pods = self.cluster.list(Pod, pods_of(run_id, installation))
        events = [] if pods else self._events(name)
        return RunSight(run_id=run_id, job=job, pods=pods, events=events)

    def _events(self, name: str) -> list[Shown]:
        """They explain, and may be missing."""
        try:
            return self.cluster.list(Event, {}, {"involvedObject.name": name})
        except ClusterRefused:
            return []

    # -- what it printed

    def _copy_now_and_then(self, sight: RunSight) -> None:
        if self._clock() - self._copied.get(sight.run_id, -COPY_EVERY) < COPY_EVERY:
            return
        self._copied[sight.run_id] = self._clock()
        try:
            self._copy(sight, *WHILE_IT_RUNS)
        except ServerError:
            return  # there is a next time

    def _copy_to_the_end(self, sight: RunSight) -> None:
        """Once. Raises RunnerOutOfReach: it must not be missed for a cluster that is away for a moment."""
        if sight.run_id not in self._complete:
            with _known():
                self._copy(sight, *IN_THE_END)
            self._complete.add(sight.run_id)

    def _copy(self, sight: RunSight, lines: int, limit: int) -> None:
        """A log that the cluster does not have any more leaves what was copied before."""
        if not sight.pods:
            return
        try:
            found = self._log(object_name(sight.pod), current_container(sight), lines, limit)
        except ClusterRefused:
            return
        if found:
            write(output_file(sight.run_id), "\n".join(found) + "\n")

    def _log(self, pod: str, container: str, lines: int, limit: int) -> list[str]:
        """Its last lines. A cluster counts bytes from the first of them, so fewer are asked for when they are long."""
        found: list[str] = []
        for count in (lines, lines // 10, lines // 100):
            found = self.cluster.log(pod, count, container=container, limit=limit)
            if sum(len(one.encode()) + 1 for one in found) < limit:
                break
        return found

    def output(self, run_id: UUID, lines: int = 200) -> list[str]:
        return last_lines(run_id, lines)

    # -- its end

    def exit_code(self, started: Started) -> int | None:
        if started.pid is None:
            return None
        sight = self._look(started.run_id)
        return exit_code_of(sight) if uid_of(sight.job) == started.mark else None

    def limit(self, run_id: UUID) -> str:
        """Also why it could not be made ready, and that someone else ended it."""
        sight = self._look(run_id)
        if sight.job is None:
            return GONE if run_id in self._alive else ""
        if words := limit_words(sight, self.place):
            return words
        return one_line(last_of(last_lines(run_id, 20))) if prepare_failed(sight) else ""

    def keep(self, run_id: UUID, code: Path) -> int:
        """Nothing can be had of a pod that has ended."""
        return 0

    def tidy(self, run_id: UUID) -> None:
        """What is left for now, the agent removes later: see left_over(). A cluster that is away is not waited for."""
        for known in (self._sights, self._copied):
            known.pop(run_id, None)
        for seen in (self._alive, self._complete):
            seen.discard(run_id)
        if self._clock() < self._tidy_after:
            return
        try:
            for kind in (Job, Secret):
                if self._own(kind, run_id) is not None:
                    self.cluster.delete(kind, name_of(run_id))
        except (ServerError, RunnerFailed) as error:
            self._tidy_after = self._clock() + AGAIN
            log.info("a run could not be tidied up in the cluster", run=str(run_id), reason=error.reason)

    def left_over(self) -> set[UUID]:
        """Ids of runs of which this installation has something in the cluster. Raises RunnerOutOfReach."""
        with _known():
            wanted = {INSTALLATION: self.place.installation, RUN: None}
            found = [one for kind in (Job, Secret) for one in self.cluster.list(kind, wanted)]
        return {run_id for one in found if (run_id := identifier(run_in(one)))}


def _started(run_id: UUID, job: Shown) -> Started:
    return Started(run_id, NO_PROCESS, uid_of(job))


@contextmanager
def _reached() -> Iterator[None]:
    """What the cluster refuses stays what it is."""
    try:
        yield
    except ClusterRefused:
        raise
    except ServerError as error:
        raise RunnerOutOfReach(error.reason) from error


@contextmanager
def _known() -> Iterator[None]:
    """A cluster that refuses to show a run says nothing about it."""
    try:
        yield
    except ServerError as error:
        raise RunnerOutOfReach(error.reason) from error


def write(file: Path, text: str) -> None:
    """Whoever reads it meanwhile sees all of the old or all of the new."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".output-", delete=False) as part:
        part.write(text)
    os.replace(part.name, file)
