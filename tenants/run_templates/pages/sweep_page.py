"""What the pages of a sweep show: the fields to fill, and one table of its runs with the best on top."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from tenants.run_templates.actions import refusal_of_sweep
from tenants.run_templates.document.field_rules import FieldRules, RulePlace, text_of
from tenants.run_templates.document.form_data import Unreadable
from tenants.run_templates.document.nodes import value_at
from tenants.run_templates.document.parsed import Document, seen_configuration
from tenants.run_templates.document.sweeps import MOST_FIELDS, SweepField, combined, read_values, sweepable
from tenants.run_templates.models import Sweep, TemplateRun
from tenants.run_templates.pages.field_presentation import in_words, shortened
from tenants.run_templates.pages.presentation import seconds_of, url_of
from tenants.runs.client import Run, TenantClient
from tenants.runs.columns import METRIC, RunColumn, numbers_of, offered
from tenants.runs.comparison import usual_direction

HIGHER, LOWER = "higher", "lower"


@dataclass
class SweepSlot:
    """One of the fields that can be chosen, with what was typed for it."""

    number: int
    path: str = ""
    text: str = ""
    error: str = ""
    chosen: SweepField | None = None

    def read(self, places: Mapping[str, RulePlace]) -> None:
        if not self.path:
            return
        place = places.get(self.path)
        if place is None:
            self.error = "Choose one of these parameters."
            return
        try:
            self.chosen = SweepField(place.parameter, read_values(place.field, self.text), place.within)
        except Unreadable as error:
            self.error = str(error)


class SweepForm:
    """Up to two parameters with their values. `documents` is what would be run."""

    def __init__(self, document: Document, data: Mapping[str, str]):
        self.document, self.choices = document, sweepable(document)
        places = {one.field.path: one for one in reversed(self.choices)}
        self.slots = [
            SweepSlot(number, data.get(f"field-{number}", ""), data.get(f"values-{number}", ""))
            for number in range(1, MOST_FIELDS + 1)
        ]
        for slot in self.slots:
            slot.read(places)
        self.is_typed = any(slot.path for slot in self.slots)

    @property
    def fields(self) -> list[SweepField]:
        return [slot.chosen for slot in self.slots if slot.chosen]

    @cached_property
    def refusal(self) -> str:
        """What is wrong with the whole of it."""
        if any(slot.error for slot in self.slots):
            return "Some values can’t be read."
        return refusal_of_sweep(self.fields)

    @cached_property
    def documents(self) -> list[Document]:
        return [] if self.refusal else combined(self.document, self.fields)

    @cached_property
    def faults(self) -> list[str]:
        """What is wrong with its runs, the first of each."""
        found = [fault for one in self.documents for fault in one.faults[:1]]
        return [*dict.fromkeys(f"{fault.path.rpartition('.')[2]}: {fault.message}" for fault in found)]

    @property
    def can_run(self) -> bool:
        return self.is_typed and not self.refusal and not self.faults

    @property
    def combinations(self) -> list[list[str]]:
        """The values of each run, as they are shown before."""
        return [[text_of(each.value_in(one)) for each in self.fields] for one in self.documents]


# -- results


@dataclass(frozen=True)
class SweepRow:
    """A run of a sweep."""

    run: TemplateRun
    values: list[tuple[str, str]]  # (parameter, value)
    metric: int | float | None = None
    is_best: bool = False

    @property
    def url(self) -> str:
        return url_of(self.run)

    @property
    def seconds(self) -> float | None:
        return seconds_of(self.run)

    @property
    def metric_words(self) -> str:
        return f"{self.metric:.6g}" if isinstance(self.metric, float) else str(self.metric)


@dataclass(frozen=True)
class SweepMetrics:
    """What a tenant's server says of the runs of a sweep: the metrics there are, and one of them by run."""

    offered: list[RunColumn] = field(default_factory=list)
    chosen: RunColumn | None = None
    by_run: dict[Any, int | float] = field(default_factory=dict)


def read_metrics(client: TenantClient, project: UUID, ids: list[str], wanted: str) -> SweepMetrics:
    """Three calls for all runs of a sweep, and a few more for large ones or where steps were taken over; none while
    none of them has begun. `wanted`: key of a metric, or ""."""
    if not ids:
        return SweepMetrics()
    found = client.runs(project, size=len(ids), id=f"oneof:{json.dumps(ids)}").items
    runs = [run for run in found if str(run.id) in ids]
    known = [column for column in offered(client, runs) if column.kind == METRIC]
    chosen = next((column for column in known if column.key == wanted), _likely(known))
    return SweepMetrics(known, chosen, _values(client, runs, chosen) if chosen else {})


def _likely(known: list[RunColumn]) -> RunColumn | None:
    """The first metric of which it is clear which way it is better, or the first."""
    clear = [column for column in known if usual_direction(column.name) != "neither"]
    return next(iter(clear or known), None)


def _values(client: TenantClient, runs: list[Run], column: RunColumn) -> dict[UUID, int | float]:
    found = numbers_of(client, runs, [column])
    return {run: logged[column] for run, logged in found.items() if column in logged}


def direction_of(metrics: SweepMetrics, wanted: str) -> str:
    """Which way is better: as chosen, else as the name of the metric says, else higher."""
    if wanted in (HIGHER, LOWER):
        return wanted
    usual = usual_direction(metrics.chosen.name) if metrics.chosen else ""
    return usual if usual in (HIGHER, LOWER) else HIGHER


def rows_of_sweep(
    sweep: Sweep, runs: Iterable[TemplateRun], metrics: SweepMetrics, direction: str
) -> list[SweepRow]:
    """The best on top; runs without the metric last, in the order they were asked for."""
    rows = [SweepRow(run, _shown(sweep, run), metrics.by_run.get(run.zenml_run_id)) for run in runs]
    sign = -1 if direction == HIGHER else 1
    with_value = sorted((row for row in rows if row.metric is not None), key=lambda row: sign * row.metric)
    best = with_value[0].metric if with_value else None
    marked = [replace(row, is_best=row.metric == best) for row in with_value]
    return [*marked, *(row for row in rows if row.metric is None)]


def fields_shown(sweep: Sweep) -> list[dict[str, Any]]:
    """Its parameters, without those that the template hides by now."""
    rules = FieldRules.read(sweep.template.field_rules)
    return [one for one in sweep.fields if not rules.hides(one["path"], tuple(one.get("within", ())))]


def _shown(sweep: Sweep, run: TemplateRun) -> list[tuple[str, str]]:
    configuration = seen_configuration(run)
    return [(one["name"], shortened(in_words(_value(configuration, one)), 60)) for one in fields_shown(sweep)]


def _value(configuration: Mapping[str, Any], place: Mapping[str, Any]) -> Any:
    where = ("steps", place["step"], "parameters") if place["step"] else ("parameters",)
    return value_at(configuration, (*where, place.get("parameter", place["name"]), *place.get("within", ())))
