"""What the page of a template's history shows: its re-runs by their filters, and metrics of the ended ones over time.

Metrics come from servers that anyone may run: their names, their number and their sizes are bounded here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.timezone import localtime

from orgs.users.models import User
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.pages.field_presentation import shortened
from tenants.run_templates.pages.presentation import url_of
from tenants.run_templates.presets import presets_for
from tenants.runs import columns
from tenants.runs.client import TenantClient
from tenants.runs.columns import METRIC, RunColumn
from tenants.runs.comparison import usual_direction

RUNS = 20  # in a chart
MOST_CHARTS = 4  # with RUNS runs what one call for steps can answer
OFFERED = 60  # metrics in the menu
TITLE_LENGTH = 60  # characters
WHOLE = 1e9  # whole numbers below it are written with all their digits
LARGEST = 1e300  # the difference of two such numbers is still one
ME, UNDER_WAY, NO_SWEEP = "me", "unfinished", "none"
NAMED = (TemplateRun.State.SUBMITTED, *TemplateRun.ENDED)  # states with a filter of their own
FILTERS = ("state", "person", "sweep", "preset")
SWEEPS = 50  # that are offered


class HistoryFilterForm(forms.Form):
    """Filters of the address. A value that makes no sense is left out, see `ignored`."""

    state = forms.ChoiceField(required=False)
    person = forms.ChoiceField(required=False)
    sweep = forms.ChoiceField(required=False)
    preset = forms.ChoiceField(required=False)

    def __init__(self, data: QueryDict, template: RunTemplate, user: User):
        super().__init__(data, auto_id="filter-%s")
        named = [(state.value, state.label) for state in map(TemplateRun.State, NAMED)]
        self.fields["state"].choices = [("", "Any state"), (UNDER_WAY, "Under way"), *named]
        self.fields["person"].choices = [("", "Anyone"), (ME, "Me"), *_people(template)]
        self.fields["sweep"].choices = [("", "All runs"), (NO_SWEEP, "Not in a sweep"), *_sweeps(template)]
        self.fields["preset"].choices = [("", "Any preset"), *_presets(template, user)]
        self.is_valid()
        self.chosen = {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def ignored(self) -> list[str]:
        return [*self.errors]

    def apply(self, runs: QuerySet[TemplateRun], user) -> QuerySet[TemplateRun]:
        """The re-runs of these that the address asks for; `user` is whose runs "me" are."""
        state, person, sweep, preset = (self.chosen.get(name) for name in FILTERS)
        if state:
            runs = runs.unfinished() if state == UNDER_WAY else runs.filter(state=state)
        if person:
            runs = runs.filter(created_by=user) if person == ME else runs.filter(created_by__username=person)
        if sweep:
            runs = runs.filter(sweep=None if sweep == NO_SWEEP else sweep)
        if preset:
            runs = runs.filter(preset=preset)
        return runs


def _people(template: RunTemplate) -> list[tuple[str, str]]:
    """Those who have run it."""
    found = User.objects.filter(template_runs__template=template).distinct().order_by("name", "email")
    return [(person.username, str(person)) for person in found]


def _sweeps(template: RunTemplate) -> list[tuple[str, str]]:
    newest = template.sweeps.all()[:SWEEPS]
    return [(str(one.pk), f"Sweep of {localtime(one.created_at):%d %b %Y, %H:%M}") for one in newest]


def _presets(template: RunTemplate, user: User) -> list[tuple[str, str]]:
    """Those this person may use; whose the others are, and which runs were made with them, is not for them."""
    words = {True: "", False: " (only you)"}
    return [(str(one.pk), f"{one.name}{words[one.is_shared]}") for one in presets_for(template, user)]


# -- metrics, from the tenant


@dataclass(frozen=True)
class MetricHistory:
    """What a tenant's server says of ended runs: the metrics there are, those that are drawn, and their values by run."""

    offered: tuple[RunColumn, ...] = ()
    chosen: tuple[RunColumn, ...] = ()
    by_run: Mapping[UUID, Mapping[RunColumn, int | float]] = field(default_factory=dict)


def chosen_metrics(keys: Sequence[str]) -> tuple[RunColumn, ...]:
    """The metrics of an address, at most MOST_CHARTS."""
    known, _ = columns.parsed(keys)
    return tuple(column for column in known if column.kind == METRIC)[:MOST_CHARTS]


def read_history(
    client: TenantClient, project: UUID, ids: Sequence[UUID], wanted: Sequence[RunColumn]
) -> MetricHistory:
    """Three calls for up to RUNS runs, newest first, and a few more for large ones; none when there are none.

    Without `wanted` the likeliest metrics.
    """
    if not ids:
        return MetricHistory()
    among = f"oneof:{json.dumps([str(one) for one in ids])}"
    places = {run_id: place for place, run_id in enumerate(ids)}
    found = [run for run in client.runs(project, size=len(ids), id=among).items if run.id in places]
    runs = sorted(found, key=lambda run: places[run.id])
    known = [column for column in columns.offered(client, runs) if column.kind == METRIC][:OFFERED]
    chosen = [*wanted] or _likely(known)
    offered = tuple(sorted({*known, *chosen}))
    return MetricHistory(offered, tuple(chosen), columns.numbers_of(client, runs, chosen) if chosen else {})


def _likely(known: list[RunColumn]) -> list[RunColumn]:
    """First those of which it is clear which way they are better."""
    return sorted(known, key=lambda one: usual_direction(one.name) == "neither")[:MOST_CHARTS]


# -- drawing


@dataclass(frozen=True)
class MetricPoint:
    """A run's value in a chart; whole numbers of its view box."""

    run: TemplateRun
    text: str
    x: int
    y: int

    @property
    def url(self) -> str:
        return url_of(self.run)

    @property
    def words(self) -> str:
        return f"Re-run {self.run.number}: {self.text}, {self.run.get_state_display().lower()}"

    @property
    def mark(self) -> str:
        """A ring, a cross or a square: colour is not the only sign of how the run ended."""
        x, y = self.x, self.y
        marks = {
            "failed": f"M{x - 4} {y - 4}l8 8M{x + 4} {y - 4}l-8 8",
            "stopped": f"M{x - 4} {y - 4}h8v8h-8z",
        }
        return marks.get(self.run.state, f"M{x - 4} {y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z")

    @property
    def anchor(self) -> str:
        """Which way its words go, so that they stay in the drawing."""
        return "start" if self.x < LEFT + 70 else "end" if self.x > RIGHT - 70 else "middle"

    @property
    def words_y(self) -> int:
        return self.y - 10 if self.y > TOP + 16 else self.y + 20


@dataclass(frozen=True)
class MetricChart:
    """One metric over the runs, oldest first."""

    column: RunColumn
    points: list[MetricPoint]
    ticks: list[tuple[int, str]]  # y, words
    labels: list[tuple[int, str, str]]  # x, words, text-anchor
    left_out: int  # values too large to be drawn

    width, height, base = 380, 170, 132

    @property
    def name(self) -> str:
        return shortened(self.column.name, TITLE_LENGTH)

    @property
    def place(self) -> str:
        return shortened(self.column.step or "the run", TITLE_LENGTH)

    @property
    def line(self) -> str:
        """Through the runs that completed."""
        return " ".join(f"{one.x},{one.y}" for one in self.points if one.run.state == "completed")

    @property
    def words(self) -> str:
        values = f"{len(self.points)} value{'' if len(self.points) == 1 else 's'}"
        return f"{self.name} of {self.place} over the last runs, {values}"


LEFT, RIGHT, TOP, BASE = 76, 368, 22, 132


def charts_of(history: MetricHistory, runs: Sequence[TemplateRun]) -> list[MetricChart]:
    """A chart for each chosen metric. `runs`: those that were asked for, newest first."""
    return [_chart(column, history, [*reversed(runs)]) for column in history.chosen]


def _chart(column: RunColumn, history: MetricHistory, runs: list[TemplateRun]) -> MetricChart:
    logged = [history.by_run.get(run.zenml_run_id, {}).get(column) for run in runs]
    values = {at: float(one) for at, one in enumerate(logged) if one is not None and abs(one) <= LARGEST}
    left_out = sum(one is not None for one in logged) - len(values)
    low, high = (min(values.values()), max(values.values())) if values else (0.0, 0.0)
    points = [
        MetricPoint(runs[at], number_words(value), _x(at, len(runs)), _y(value, low, high))
        for at, value in values.items()
    ]
    return MetricChart(column, points, _ticks(low, high) if values else [], _labels(points), left_out)


def _x(at: int, count: int) -> int:
    return LEFT + 12 + round((RIGHT - LEFT - 24) * (at + 0.5) / count)


def _y(value: float, low: float, high: float) -> int:
    share = (value - low) / (high - low) if high > low else 0.5
    return BASE - 10 - round((BASE - TOP - 20) * share)


def _ticks(low: float, high: float) -> list[tuple[int, str]]:
    """Of the lowest, the highest and the middle, where their words differ."""
    levels = [low, low / 2 + high / 2, high] if high > low else [low]
    said = {number_words(level, 4): _y(level, low, high) for level in levels}
    return [(y, words) for words, y in said.items()]


def _labels(points: list[MetricPoint]) -> list[tuple[int, str, str]]:
    """Numbers of the first and the last run below the line."""
    ends = points[:1] + points[1:][-1:]
    return [(one.x, str(one.run.number), "middle") for one in ends]


def number_words(value: float, digits: int = 6) -> str:
    """A number of any size in few letters."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "too large"
    if abs(value) < WHOLE and value == int(value):
        return str(int(value))
    return f"{value:.{digits}g}"


@dataclass(frozen=True)
class MetricRow:
    """A run in the table that says what the charts show; a value is "" where none was logged."""

    run: TemplateRun
    values: list[tuple[str, str]]  # (metric, value)

    @property
    def url(self) -> str:
        return url_of(self.run)


def table_of(history: MetricHistory, runs: Sequence[TemplateRun]) -> list[MetricRow]:
    """Newest first."""
    return [MetricRow(run, _row(history, history.by_run.get(run.zenml_run_id, {}))) for run in runs]


def _row(history: MetricHistory, logged: Mapping[RunColumn, int | float]) -> list[tuple[str, str]]:
    return [
        (shortened(column.name, TITLE_LENGTH), number_words(logged[column]) if column in logged else "")
        for column in history.chosen
    ]
