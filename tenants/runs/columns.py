"""Metrics and parameters as columns of the list of runs: which ones there are, and their values in each run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import QueryDict

from tenants.hosting.answers import identifier, is_number, line, mapping
from tenants.hosting.base import TenantError
from tenants.runs.client import MAX_PAGE, Run, Step, TenantClient, meta
from tenants.runs.earlier_steps import with_earlier_results
from tenants.runs.reading import Hide, numbers
from tenants.runs.step_pages import paged_in_time

METRIC, PARAMETER = "metric", "parameter"
MOST = 5  # columns; with 20 runs a page that is what one call for steps can answer
LOOKED_AT = 3  # of the newest runs whose metrics and parameters are offered
MOST_LOOKED_AT = 10  # with one that completed of each pipeline beside them
OFFERED_PAGES = 5  # of their steps, MAX_PAGE on each
OFFERED = 200
KEY_LENGTH = 300
LARGEST = 1e300
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
    number: float | None = None


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
    number = float(value) if is_number(value) and abs(value) < LARGEST else None
    return ColumnValue(column, text or "“”", is_number(value), number)


# -- sorting


@dataclass(frozen=True)
class ColumnHead:
    """The head of a column that sorts the runs of one page by it, as SortHead does."""

    column: RunColumn
    url: str
    order: str


def heads(query: QueryDict, chosen: list[RunColumn]) -> list[ColumnHead]:
    """Of each column; the first click puts the largest on top."""
    sort = query.get("by", "")
    return [_head_of(query, column, sort) for column in chosen]


def _head_of(query: QueryDict, column: RunColumn, sort: str) -> ColumnHead:
    order = {column.key: "ascending", f"-{column.key}": "descending"}.get(sort, "")
    turned = column.key if order == "descending" else f"-{column.key}"
    changed = query.copy()
    changed["by"] = turned
    return ColumnHead(column, f"?{changed.urlencode()}", order)


def ordered(
    rows: Iterable[Any], values: Mapping[UUID, list[ColumnValue]], sort: str
) -> list[tuple[Any, list]]:
    """[(row, its values)], sorted by the column that an address names, those without a value last; else as they were."""
    return in_order([(row, values.get(row.run.id, ())) for row in rows], sort)


def in_order(pairs: list[tuple[Any, list]], sort: str) -> list[tuple[Any, list]]:
    """The same of rows with their values."""
    falls, key = sort.startswith("-"), sort.removeprefix("-")
    at = next((at for at, one in enumerate(pairs[0][1] if pairs else ()) if one.column.key == key), None)
    if at is None:
        return pairs
    known = [pair for pair in pairs if pair[1][at].text]
    missing = [pair for pair in pairs if not pair[1][at].text]
    return [*sorted(known, key=lambda pair: _rank(pair[1][at]), reverse=falls), *missing]


def _rank(value: ColumnValue) -> tuple[bool, float, str]:
    return value.number is None, value.number or 0.0, value.text


def offered(client: TenantClient, runs: list[Run]) -> list[RunColumn]:
    """Metrics and parameters of some of these runs, in the order of kinds, steps and names.

    One call where they have up to 99 steps together, and one more for every 100 after that, at most OFFERED_PAGES; and
    one or more where steps were taken over.
    """
    runs = _looked_at(runs)
    if not runs:
        return []
    ids, project = [run.id for run in runs], runs[0].project_id
    steps, _ = paged_in_time(lambda page: client.steps_of_runs(ids, project, page=page), OFFERED_PAGES)
    found = {column for run in runs for column in _columns("", run.metadata, {})}
    ran = with_earlier_results(client, project, steps)
    found |= {column for step in ran for column in _columns(step.name, step.metadata, step.parameters)}
    return sorted(column for column in found if _column(column.key) == column)[:OFFERED]


def _looked_at(runs: list[Run]) -> list[Run]:
    """The first of them, and of each pipeline the first that completed: others may have nothing to offer yet."""
    found = {run.id: run for run in runs[:LOOKED_AT]}
    seen: set[str] = set()
    for run in runs:
        if run.status == "completed" and run.pipeline not in seen:
            seen.add(run.pipeline)
            found.setdefault(run.id, run)
    return list(found.values())[:MOST_LOOKED_AT]


def _columns(step: str, metadata: dict, parameters: dict) -> Iterator[RunColumn]:
    yield from (RunColumn(METRIC, step, name) for name, _ in numbers(metadata))
    yield from (RunColumn(PARAMETER, step, line(name)) for name in list(parameters)[:MAX_PAGE])
