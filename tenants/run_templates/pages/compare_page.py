"""What the page of a comparison shows: what its address chose, its columns, and as many rows as fit."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from orgs.audit.export import Echo, cell
from tenants.hosting.answers import line, mapping
from tenants.models import Tenant
from tenants.run_templates.access import may_edit, may_run
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.run_templates.origin import codes_of, reruns_of, templates_for
from tenants.run_templates.pages.code_used import CodeUsed, code_used
from tenants.runs.client import Json, Run, Step, meta
from tenants.runs.comparison import DIRECTIONS, CompareCell, CompareRow, Comparison
from tenants.runs.reading import Hide, rows_of
from tenants.runs.run_values import RunReading, RunValue

ROWS, CHARACTERS = 500, 200_000  # on one page
CSV_ROWS, CSV_CELL = 20_000, 32_000  # a spreadsheet's cell holds 32,767
READ = 20  # ids of an address that are looked at
CHOSEN = 50  # metrics whose direction was chosen
NAME = 250
UNKNOWN: Json = {"schema": "unknown"}  # in place of a schema that nobody can read any more
FOLDED = frozenset({"packages"})  # until someone opens it
UUID_IN = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
RUN_IN = re.compile(f"/runs/({UUID_IN.pattern})")
QUERY = re.compile(r"[?#]")


@dataclass(frozen=True)
class CompareChoice:
    """What the address says: runs in their order, the first as baseline, and what is shown of them."""

    ids: tuple[UUID, ...] = ()
    wrong: tuple[str, ...] = ()
    is_all: bool = False
    search: str = ""
    turned: frozenset[str] = frozenset()  # groups that are not folded or open as usual
    directions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data) -> "CompareChoice":
        """From a QueryDict; what makes no sense in it is left out, or named in `wrong`."""
        ids, wrong = ids_of(data.getlist("run"))
        chosen = [(line(name, NAME), way) for way in DIRECTIONS for name in data.getlist(way)[:CHOSEN]]
        return cls(
            ids,
            wrong,
            data.get("rows") == "all",
            line(data.get("q", ""), 100).strip(),
            frozenset(data.getlist("turn")[:READ]),
            dict(chosen[:CHOSEN]),
        )

    def query(self, **changes: Any) -> str:
        """The query of an address with these changes."""
        one = replace(self, **changes)
        pairs = [("run", run_id) for run_id in one.ids]
        pairs += [("rows", "all")] * one.is_all + [("q", one.search)] * bool(one.search)
        pairs += [("turn", key) for key in sorted(one.turned)]
        return urlencode(pairs + [(way, name) for name, way in one.directions.items()])

    def without(self, run_id: UUID) -> str:
        return self.query(ids=tuple(one for one in self.ids if one != run_id))

    def based_on(self, run_id: UUID) -> str:
        return self.query(ids=(run_id, *(one for one in self.ids if one != run_id)))

    def turning(self, key: str) -> str:
        return self.query(turned=self.turned ^ {key})

    def preferring(self, name: str, way: str) -> str:
        return self.query(directions={**self.directions, name: way})

    @property
    def links(self) -> list[dict[str, Any]]:
        """Each run with the address of the comparison without it."""
        return [{"id": one, "query": self.without(one)} for one in self.ids]

    def is_folded(self, key: str) -> bool:
        return (key in FOLDED) != (key in self.turned)


def ids_of(texts: Iterable[str]) -> tuple[tuple[UUID, ...], tuple[str, ...]]:
    """The ids in these texts, each an id or the address of a run, once each; and texts that hold none."""
    found, wrong = [], []
    for text in [*texts][:READ]:
        if run_id := _run_in(text[:2000]):
            found.append(run_id)
        elif text.strip():
            wrong.append(line(text, 60))
    return tuple(dict.fromkeys(found)), tuple(wrong)


def _run_in(text: str) -> UUID | None:
    """An address names its run after /runs/; what follows, and the query, may name an artifact or a step."""
    path = QUERY.split(text, 1)[0]
    ids = RUN_IN.findall(path)[:1] or UUID_IN.findall(path)[-1:]
    return UUID(ids[0]) if ids else None


# -- secrets


def without_secrets(reading: RunReading, hide: Hide) -> RunReading:
    """The run without the parameters that its schemas call secret; `hide` takes them out of the parameters of a step.

    Where the snapshot is gone or not to be seen, no schema of the run is known: then any text may be a secret.
    """
    said = meta(reading.snapshot)
    steps = mapping(said.get("step_configurations"))
    schema = mapping(said.get("pipeline_spec")).get("input_schema") if said else UNKNOWN
    known = {
        "pipeline_configuration": _hidden(mapping(said.get("pipeline_configuration")), schema, hide),
        "step_configurations": {name: _of_step(mapping(one), None, hide) for name, one in steps.items()},
    }
    snapshot = {**reading.snapshot, "metadata": {**said, **known}} if said else reading.snapshot
    raw = reading.run.raw
    run = {**raw, "metadata": {**meta(raw), "config": _hidden(reading.run.config, schema, hide)}}
    ran = [_ran(one, mapping(steps.get(one.name)) if said else UNKNOWN, hide) for one in reading.steps]
    return replace(reading, run=replace(reading.run, raw=run), steps=tuple(ran), snapshot=snapshot)


def _ran(step: Step, compiled: Json, hide: Hide) -> Step:
    """Without a schema of its own, that of the step as it was compiled."""
    schema = UNKNOWN if compiled is UNKNOWN else mapping(compiled.get("spec")).get("parameter_spec")
    return replace(step, raw={**step.raw, "metadata": _of_step(meta(step.raw), schema, hide)})


def _of_step(said: Json, otherwise: Any, hide: Hide) -> Json:
    schema = mapping(said.get("spec")).get("parameter_spec") or otherwise
    return {**said, "config": _hidden(mapping(said.get("config")), schema, hide)}


def _hidden(config: Json, schema: Any, hide: Hide) -> Json:
    parameters = mapping(config.get("parameters"))
    if schema is UNKNOWN:
        schema = {"properties": {name: {"writeOnly": True} for name in parameters}}
    return {**config, "parameters": hide(parameters, schema)} if parameters else config


def with_code(tenant: Tenant, readings: Iterable[RunReading]) -> list[RunReading]:
    """Those of these runs that were started from here with the version of their code. One query."""
    readings = [*readings]
    used = codes_of(tenant, [one.run.id for one in readings])
    codes = {run: RunValue(code.short, ("code", code.pk)) for run, code in used.items()}
    return [replace(one, code=codes.get(one.run.id)) for one in readings]


# -- columns


@dataclass(frozen=True)
class CompareColumn:
    """A run with what can be done with it; `template` is the one that made it, else one of its pipeline."""

    run: Run
    person: Any
    rerun: TemplateRun | None
    template: RunTemplate | None
    can_edit: bool
    can_run: bool
    base_query: str
    other_query: str
    code: CodeUsed | None = None

    @property
    def start_query(self) -> str:
        """What fills the form of the template with the values of this run."""
        return f"from={self.rerun.number}" if self.rerun else f"like={self.run.id}"

    @property
    def name(self) -> str:
        return self.run.name or f"Run {str(self.run.id)[:8]}"


def columns(tenant: Tenant, user, rights, runs: Iterable[Run], choice: CompareChoice) -> list[CompareColumn]:
    """One for each run; three queries for all of them."""
    rows = rows_of(tenant, runs)
    reruns = reruns_of(tenant, [row.run.id for row in rows])
    templates = templates_for(tenant, [row.run.pipeline for row in rows])
    found = []
    for row in rows:
        rerun = reruns.get(row.run.id)
        template = rerun.template if rerun else templates.get(row.run.pipeline)
        may = template is not None and template.is_listed and may_edit(user, template, rights)
        links = choice.based_on(row.run.id), choice.without(row.run.id)
        runs_it = template is not None and may_run(user, template, rights)
        code = code_used(rerun, user, rights) if rerun else None
        found.append(CompareColumn(row.run, row.person, rerun, template, may, runs_it, *links, code))
    return found


# -- rows


@dataclass(frozen=True)
class ShownRow:
    """A row with links to the other ways its metric may be better, as [(way, query)]."""

    row: CompareRow
    ways: list[tuple[str, str]]
    bars: list[float | None]

    @property
    def cells(self) -> list[tuple[CompareCell, float | None]]:
        return [*zip(self.row.cells, self.bars, strict=True)]


@dataclass(frozen=True)
class ShownGroup:
    """A group of the page; `left` rows of it did not fit."""

    title: str
    key: str
    words: str
    query: str
    folded: bool
    rows: list[ShownRow]
    left: int = 0


def shown_groups(comparison: Comparison, choice: CompareChoice) -> list[ShownGroup]:
    """Groups with the rows that were asked for, as many as one page holds; folded ones have none."""
    room, found = [ROWS, CHARACTERS], []
    longest = max((run.seconds or 0 for run in comparison.runs), default=0)
    for group in comparison.groups:
        wanted = [row for row in group.rows if _is_wanted(row, choice)]
        if not wanted:
            continue
        folded = choice.is_folded(group.key)
        rows = [] if folded else [_shown(row, choice, longest) for row in wanted if _fits(row, room)]
        left = 0 if folded else len(wanted) - len(rows)
        words = f"{group.differing} of {len(group.rows)} differ"
        found.append(ShownGroup(group.title, group.key, words, choice.turning(group.key), folded, rows, left))
    return found


def _is_wanted(row: CompareRow, choice: CompareChoice) -> bool:
    words = choice.search.casefold()
    return (row.differs or choice.is_all) and (words in f"{row.step} {row.name}".casefold())


def _fits(row: CompareRow, room: list[int]) -> bool:
    """Takes the room of this row; once it is used up, nothing more fits."""
    room[0] -= 1
    room[1] -= sum(len(one.text) for one in row.cells) + len(row.name)
    return min(room) >= 0


def _shown(row: CompareRow, choice: CompareChoice, longest: float) -> ShownRow:
    ways = []
    if row.group == "metrics":
        others = [way for way in ("higher", "lower") if way != row.direction]
        ways = [(way, choice.preferring(row.name, way)) for way in others]
    bars = [_bar(one, longest) if row.group == "steps" else None for one in row.cells]
    return ShownRow(row, ways, bars)


def _bar(one: CompareCell, longest: float) -> float | None:
    """How long it took, in per cent of the longest run."""
    if one.value is None or one.value.number is None or not longest:
        return None
    return round(min(max(100 * one.value.number / longest, 1), 100), 1)


# -- download


def as_csv(comparison: Comparison) -> Iterator[str]:
    """Header and one line a row, equal ones as well: group, step, name, whether it differs, a column for each run."""
    writer = csv.writer(Echo())
    names = [f"{run.name} ({run.id})" for run in comparison.runs]
    changes = [f"change of {name}" for name in names[1:]]
    header = ["group", "step", "name", "differs", *names, *changes]
    yield writer.writerow([cell(one) for one in header])
    rows = [(group.title, row) for group in comparison.groups for row in group.rows]
    for title, row in rows[:CSV_ROWS]:
        values = [title, row.step, row.name, "yes" if row.differs else "no", *map(_said, row.cells)]
        yield writer.writerow([cell(one) for one in [*values, *(_changed(one) for one in row.cells[1:])]])


def _said(one: CompareCell) -> str:
    """The whole value, of a step with its state; in brackets why there is none."""
    if one.value is None:
        return f"({one.missing})"
    said = " ".join(filter(None, dict.fromkeys((one.value.status, one.value.full))))
    return said[:CSV_CELL].replace("\x00", "")


def _changed(one: CompareCell) -> str:
    return " ".join(filter(None, (one.change.replace("−", "-"), one.share.replace("−", "-"))))
