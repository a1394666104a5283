"""Asking a tenant's server for the runs of a comparison, with the rights of the person who compares.

Four calls a run, one after the other, and one or two more for more than 100 and 200 steps; one for the runs that can be
added; and one for every 100 steps that were taken over from runs that are not compared: 9 for two runs, 37 for six of
300 steps that all ran.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID

from tenants.hosting.answers import line, mapping
from tenants.hosting.base import TenantNotFound, TenantRefused, TenantUnreachable, TenantUnreadable
from tenants.runs.client import MAX_PAGE, TOO_LATE, Json, Run, Step, TenantClient, meta
from tenants.runs.earlier_steps import origins_of
from tenants.runs.run_values import RunReading
from tenants.runs.step_pages import steps_in_time

READ_PAGES = 3  # of MAX_PAGE steps each
PATIENCE = 40.0  # seconds for all calls together
NEWEST = 20  # runs of a pipeline that are offered
NONE_BEFORE = "There is no earlier run of this pipeline that you can see. Add a run to compare it with."
NOT_THERE = "There is no such run in this tenant, or you can't see it."
HIDDEN = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


@dataclass(frozen=True)
class RunGap:
    """A run that cannot be compared, and why."""

    run_id: UUID
    reason: str


@dataclass(frozen=True)
class RunReadings:
    """Runs in the order they were asked for, without those of `gaps`; `others` are newer runs of the first's pipeline."""

    found: list[RunReading] = field(default_factory=list)
    gaps: list[RunGap] = field(default_factory=list)
    others: list[Run] = field(default_factory=list)


def read_runs(
    client: TenantClient, ids: Sequence[UUID], clock: Callable[[], float] = time.monotonic
) -> RunReadings:
    """Ask for each of these runs. Raises TenantUnreachable, TenantBusy and TenantRefused 401: then none can be read.

    A run that is not there or not to be seen becomes a gap; so do those for which no time was left.
    """
    ends, snapshots = clock() + PATIENCE, {}
    read = RunReadings()
    for run_id in ids:
        if clock() > ends:
            read.gaps.append(RunGap(run_id, TOO_LATE))
            continue
        try:
            read.found.append(_read(client, run_id, snapshots))
        except TenantNotFound:
            read.gaps.append(RunGap(run_id, NOT_THERE))
        except TenantRefused as refused:
            if refused.status == HTTPStatus.UNAUTHORIZED:
                raise
            reason = NOT_THERE if refused.status in HIDDEN else refused.reason
            read.gaps.append(RunGap(run_id, reason))
    origins = _origins(client, read.found, lambda: clock() < ends)
    read.found[:] = [replace(one, origins=origins) for one in read.found]
    if read.found and clock() < ends:
        read.others.extend(siblings(client, read.found[0].run))
    return read


def _read(client: TenantClient, run_id: UUID, snapshots: dict[UUID, Json]) -> RunReading:
    run = replace(client.run(run_id, packages=True), id=run_id)  # links lead to what was asked for
    steps, is_whole = steps_in_time(client, run.id, run.project_id, READ_PAGES)
    if run.snapshot_id and run.snapshot_id not in snapshots:
        snapshots[run.snapshot_id] = _snapshot(client, run.snapshot_id)
    unseen = not is_whole or len(steps) == READ_PAGES * MAX_PAGE
    return RunReading(run, tuple(steps), snapshots.get(run.snapshot_id, {}), _logged(client, run), unseen)


def _snapshot(client: TenantClient, snapshot_id: UUID) -> Json:
    """{} when it is gone or not to be seen: the steps say what they were set to."""
    try:
        return client.snapshot(snapshot_id)
    except TenantRefused as refused:
        if refused.status in HIDDEN:
            return {}
        raise


def _logged(client: TenantClient, run: Run) -> dict[str, Json]:
    """What was logged for the artifacts of a run, by their ids: steps name their outputs without it. Servers that
    know no such filter send others, which are looked for by no one."""
    try:
        found = client.pages("/artifact_versions", 1, MAX_PAGE, **_of(run), hydrate=True)
    except TenantRefused:
        return {}
    return {line(one.get("id")): mapping(meta(one).get("run_metadata")) for one in found.items}


def _origins(
    client: TenantClient, readings: Sequence[RunReading], has_time: Callable[[], bool]
) -> dict[UUID, Step]:
    """What the steps of these runs took over. No call for those that another of these runs has."""
    known, found = [step for one in readings for step in one.steps], {}
    for project in dict.fromkeys(one.run.project_id for one in readings):
        steps = [step for one in readings if one.run.project_id == project for step in one.steps]
        found |= origins_of(client, project, steps, known, has_time)
    return found


def _of(run: Run) -> Json:
    return {"project": run.project_id, "pipeline_run": run.id}


def siblings(client: TenantClient, run: Run) -> list[Run]:
    """The newest runs of the pipeline, without this one; [] when the server does not say."""
    if run.project_id is None or run.pipeline_id is None:
        return []
    try:
        page = client.runs(run.project_id, size=NEWEST, pipeline_id=run.pipeline_id)
    except (TenantRefused, TenantUnreachable, TenantUnreadable):
        return []
    return [one for one in page.items if one.id != run.id]


def offered(client: TenantClient, run_id: UUID) -> list[Run]:
    """Runs that can be compared with this one; [] when it is not there."""
    try:
        return siblings(client, client.run(run_id))
    except TenantNotFound:
        return []


def previous(client: TenantClient, run_id: UUID) -> UUID | None:
    """The run it repeats, else the last run of its pipeline before it; None when the person sees none. Two calls.

    Raises TenantNotFound and what TenantClient.runs raises.
    """
    run = client.run(run_id)
    if run.original_run_id:
        return run.original_run_id
    if run.created is None or run.project_id is None or run.pipeline_id is None:
        return None
    filters = {"pipeline_id": run.pipeline_id, "created": _until(run.created)}
    found = client.runs(run.project_id, size=NEWEST, **filters).items
    earlier = [one for one in found if one.id != run.id and one.created and _place(one) < _place(run)]
    return max(earlier, key=_place).id if earlier else None


def _until(moment: datetime) -> str:
    """The filter for what was created in this second or before. Servers compare with UTC, and take no fraction of a
    second (FILTERING_DATETIME_FORMAT in zenml/constants.py, 0.98): runs of one second are told apart by _place."""
    return f"lt:{moment.astimezone(UTC) + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"


def _place(run: Run) -> tuple[datetime, int]:
    """Where it is among the runs of its pipeline, by time."""
    return run.created, run.index
