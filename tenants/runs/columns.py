"""Metrics and parameters as columns of the list of runs: which ones there are, and their values in each run."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tenants.hosting.answers import identifier, is_number, line, mapping
from tenants.hosting.base import TenantError
from tenants.runs.client import MAX_PAGE, Run, Step, TenantClient, meta
from tenants.runs.earlier_steps import with_earlier_results
from tenants.runs.reading import Hide, numbers
from tenants.runs.step_pages import paged_in_time

METRIC, PARAMETER = "metric", "parameter"
MOST = 5  # columns; with 20 runs a page that is what one call for steps can answer
LOOKED_AT = 3  # runs whose metrics and parameters are offered
OFFERED_PAGES = 5  # of their steps, MAX_PAGE on each
OFFERED = 200
KEY_LENGTH = 300
SHOWN_LENGTH = 40  # characters of a value


@dataclass(frozen=True, order=True)
class RunColumn:
    """A value of a step, or of the whole run when `step` is empty. Its key in the address: "metric:train.auc"."""

    kind: str
    step: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.step}.{self.name}"


@dataclass(frozen=True)
class ColumnValue:
    """What a cell shows; `text` is empty where the run has no such value."""

    column: RunColumn
    text: str = ""
    is_number: bool = False


def parsed(keys: Iterable[str]) -> tuple[list[RunColumn], bool]:
    """The columns of an address, and whether all of it was understood."""
    keys = list(dict.fromkeys(keys))
    found = [column for key in keys[: 2 * MOST] if (column := _column(key))]
    return found[:MOST], len(keys) == len(found) <= MOST


def _column(key: str) -> RunColumn | None:
    kind, _, path = key.partition(":")
    step, dot, name = path.partition(".")
    known = kind in (METRIC, PARAMETER) and dot and name and len(key) <= KEY_LENGTH and key.isprintable()
    return RunColumn(kind, step, name) if known else None


def values(
    client: TenantClient, runs: list[Run], columns: list[RunColumn], hide: Hide
) -> tuple[dict[UUID, list], str]:
    """{run: [ColumnValue]} in the order of the columns, and why there are none. One call for all runs of a page,
    and one or more where steps were taken over from others.

    `hide` takes the secrets out of the parameters of a step.
    """
    note, steps = "", {}
    try:
        steps = _steps(client, runs, sorted({column.step for column in columns} - {""}))
    except TenantError as error:
        note = error.reason
    return {run.id: [_value(run, steps, column, hide) for column in columns] for run in runs}, note


def numbers_of(
    client: TenantClient, runs: list[Run], metrics: list[RunColumn]
) -> dict[UUID, dict[RunColumn, int | float]]:
    """What each run logged of these metrics, at most MOST of them. One call for up to 20 runs, and one or more where
    steps were taken over."""
    steps = _steps(client, runs, sorted({column.step for column in metrics} - {""}))
    return {run.id: dict(_numbers_of(run, steps, metrics)) for run in runs}


def _numbers_of(run: Run, steps: dict, metrics: list[RunColumn]) -> Iterator[tuple[RunColumn, int | float]]:
    for column in metrics:
        logged = dict(numbers(_logged(run, steps, column)))
        if column.name in logged:
            yield column, logged[column.name]


def _logged(run: Run, steps: dict, column: RunColumn) -> dict:
    step = steps.get((run.id, column.step))
    return step.metadata if step else {} if column.step else run.metadata


def _steps(client: TenantClient, runs: list[Run], names: list[str]) -> dict[tuple[UUID, str], Step]:
    if not runs or not names:
        return {}
    found = client.steps_of_runs([run.id for run in runs], runs[0].project_id, names)
    ran = with_earlier_results(client, runs[0].project_id, found)
    return {(run, step.name): step for step in ran if (run := _run_of(step))}


def _run_of(step: Step) -> UUID | None:
    return identifier(mapping(step.raw.get("metadata")).get("pipeline_run_id"))


def _value(run: Run, steps: dict, column: RunColumn, hide: Hide) -> ColumnValue:
    step = steps.get((run.id, column.step))
    if column.kind == PARAMETER:
        known = (
            hide(step.parameters, mapping(meta(step.raw).get("spec")).get("parameter_spec")) if step else {}
        )
        return shown(column, known[column.name]) if column.name in known else ColumnValue(column)
    logged = dict(numbers(_logged(run, steps, column)))
    return shown(column, logged[column.name]) if column.name in logged else ColumnValue(column)


def shown(column: RunColumn, value: Any) -> ColumnValue:
    """A value as people write it, short enough for a cell."""
    if isinstance(value, float) and is_number(value):
        text = f"{value:.6g}"
    else:
        text = line(value, SHOWN_LENGTH + 1) if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…"
    return ColumnValue(column, text or "“”", is_number(value))


def offered(client: TenantClient, runs: list[Run]) -> list[RunColumn]:
    """Metrics and parameters of the first of these runs, in the order of kinds, steps and names.

    One call where they have up to 99 steps together, and one more for every 100 after that, at most OFFERED_PAGES; and
    one or more where steps were taken over.
    """
    runs = runs[:LOOKED_AT]
    if not runs:
        return []
    ids, project = [run.id for run in runs], runs[0].project_id
    steps, _ = paged_in_time(lambda page: client.steps_of_runs(ids, project, page=page), OFFERED_PAGES)
    found = {column for run in runs for column in _columns("", run.metadata, {})}
    ran = with_earlier_results(client, project, steps)
    found |= {column for step in ran for column in _columns(step.name, step.metadata, step.parameters)}
    return sorted(column for column in found if _column(column.key) == column)[:OFFERED]


def _columns(step: str, metadata: dict, parameters: dict) -> Iterator[RunColumn]:
    yield from (RunColumn(METRIC, step, name) for name, _ in numbers(metadata))
    yield from (RunColumn(PARAMETER, step, line(name)) for name in list(parameters)[:MAX_PAGE])
