"""What the pages of templates show, made of a template, its re-runs and a draft of the next one."""

import difflib
import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import takewhile
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.urls import reverse
from django.utils import timezone

from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.run_templates.access import may_change_preset
from tenants.run_templates.document.component_settings import settings_of
from tenants.run_templates.document.configuration import (
    Change,
    DocumentFault,
    dump_yaml,
    summary,
    values_of,
)
from tenants.run_templates.document.drafts import Draft, line_of, link_of, secret_changes, tree_of
from tenants.run_templates.document.field_rules import (
    MORE,
    FieldRule,
    FieldRules,
    RuleKind,
    allowed_by,
    rule_words,
)
from tenants.run_templates.document.nodes import inputs_inside
from tenants.run_templates.document.nodes import inputs_of as inputs_needed
from tenants.run_templates.document.parsed import Document, seen_changes
from tenants.run_templates.document.run_settings import OF_RUN, OF_STEP, Setting
from tenants.run_templates.document.schema import (
    HALF,
    MASK,
    Description,
    Field,
    PipelineStep,
    describe,
    is_hidden,
    mapping,
)
from tenants.run_templates.models import Preset, RunTemplate, TemplateRun
from tenants.run_templates.pages.field_presentation import (
    FieldView,
    NodeView,
    NodeViews,
    field_view,
    in_words,
    is_node,
    nearest,
    setting_view,
    shortened,
)
from tenants.run_templates.pages.preset_conflicts import conflicts_of
from tenants.run_templates.presets import presets_for
from tenants.runs.client import Run, TenantClient
from zenpro_site.common.ui import duration

BARS = 20
ROWS = 8
CHIPS = 3
CHIP = 20  # characters of a value in one
SAID_LINE = re.compile(r"\(line ([0-9]{1,9}), column")
MAX_INPUTS = 900  # Django takes 1,000 of a form
MOST_SETTINGS = 420  # of all steps together, what is beside their parameters
SHORT = 40  # inputs of a form whose steps all lie open
MAX_ROWS, MAX_CELL = 200, 2000  # changed values in a table, characters of one
MAX_LINES = 1000  # that are compared one by one
LONGEST_LINK = 3500  # web servers take addresses of 4,000 characters


@dataclass(frozen=True)
class StepView:
    """A step, or with an empty name the parameters of the pipeline itself."""

    id: str
    name: str
    fields: list[FieldView | NodeView]
    more: list[FieldView] = field(default_factory=list)  # what can be set besides

    @property
    def title(self) -> str:
        return self.name or ("pipeline" if self.fields else "More")

    @cached_property
    def leaves(self) -> list[FieldView]:
        """Every input of its parameters."""
        return [leaf for view in self.fields for leaf in (view.leaves if is_node(view) else [view])]

    @property
    def inputs(self) -> list[FieldView]:
        return [*self.leaves, *self.more]

    @cached_property
    def boxes(self) -> list[NodeView]:
        """Every box of the step."""
        return [box for view in self.fields if is_node(view) for box in view.boxes]

    @cached_property
    def changed(self) -> int:
        own = [view for view in self.fields if (view.changed if is_node(view) else view.change)]
        return len(own) + self.more_changed

    @cached_property
    def more_changed(self) -> int:
        """How many settings differ; those of one group are one, as everywhere."""
        changed = [view.change.path.removeprefix(f"steps.{self.name}.") for view in self.more if view.change]
        return len({path.partition(".")[0] for path in changed})

    @cached_property
    def more_to_fix(self) -> int:
        return len([view for view in self.more if view.error])

    @cached_property
    def to_fix(self) -> int:
        return len([view for view in [*self.inputs, *self.boxes] if view.error])

    @property
    def parts(self) -> list[tuple[FieldView | NodeView, bool]]:
        """(what is shown, whether it is a box) in the order of the parameters."""
        return [(view, is_node(view)) for view in self.fields]


@dataclass(frozen=True)
class ListedFault:
    """A problem in the summary: with the id of its field, or the line of its text."""

    message: str
    where: str = ""
    field_id: str = ""
    line: int | None = None

    @property
    def at_line(self) -> int | None:
        """Where it stands in the text, also where only the sentence says so."""
        said = SAID_LINE.search(self.message)
        return self.line or (int(said[1]) if said else None)


@dataclass(frozen=True)
class ChangeView:
    """A changed value with the re-runs that had it before."""

    change: Change
    earlier: list[TemplateRun] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.change.name

    @cached_property
    def before(self) -> str:
        return shortened(self._words(veiled(self.change.before, set(), is_known=True)), MAX_CELL)

    @cached_property
    def after(self) -> str:
        return shortened(self._words(self.change.after), MAX_CELL)

    def _words(self, value: Any) -> str:
        """Of a setting the parts that it has: "max_retries 2, delay 30"."""
        inside = value if isinstance(value, dict) and not self.change.is_parameter else {}
        if self.change.name == "settings":
            groups = [one if isinstance(one, dict) else {key: one} for key, one in inside.items()]
            inside = {key: one for group in groups for key, one in group.items()}
        return ", ".join(f"{key} {in_words(one)}" for key, one in inside.items()) or in_words(value)

    @property
    def before_short(self) -> str:
        return self._short[0]

    @property
    def after_short(self) -> str:
        return self._short[1]

    @cached_property
    def _short(self) -> tuple[str, str]:
        """Both, cut at the front where they are equal there, so that what differs is seen."""
        return apart(self.before, self.after)


def apart(before: str, after: str, length: int = CHIP) -> tuple[str, str]:
    """Two texts in few letters each, with the place where they differ."""
    equal = _equal_rows(before, after)
    if max(len(before), len(after)) <= length or equal < length // 2:
        return shortened(before, length), shortened(after, length)
    start = equal - length // 4
    return shortened(f"…{before[start:]}", length), shortened(f"…{after[start:]}", length)


class DraftEditor:
    """One draft, seen as form, as YAML and as difference."""

    def __init__(self, template: RunTemplate, draft: Draft):
        self.template, self.draft = template, draft
        self.description, self.default = draft.parsed.schema, draft.parsed.default

    @property
    def changes(self) -> list[Change]:
        return self.draft.parsed.changes

    @cached_property
    def _by_path(self) -> dict[str, Change]:
        return {change.path: change for change in self.changes}

    @cached_property
    def _errors(self) -> dict[str, str]:
        """The first thing that is wrong with each field, by its path."""
        found: dict[str, str] = {}
        for problem in self.draft.problems:
            entry = self._field_of(problem)
            if entry:
                found.setdefault(entry.path, problem.message)
        return found

    @cached_property
    def _inside(self) -> dict[str, dict[tuple, str]]:
        """What is wrong inside of values, by the path of the parameter and the place of the nearest input."""
        found: dict[str, dict[tuple, str]] = defaultdict(dict)
        for problem in self.draft.problems:
            entry = self._field_of(problem)
            node = self.draft.parsed.trees.get(entry.path) if entry else None
            if node:
                place, message = nearest(node, problem)
                found[entry.path].setdefault(place, message)
        return found

    def _field_of(self, problem: DocumentFault) -> Field | None:
        """The field a problem belongs to; problems inside an object have longer paths than their field."""
        path = problem.path
        while path:
            if path in self.description.by_path:
                return self.description.by_path[path]
            path = path.rpartition(".")[0]
        return None

    @cached_property
    def ids(self) -> dict[str, str]:
        return {entry.path: f"f{number}" for number, entry in enumerate(self.description.fields)}

    @cached_property
    def steps(self) -> list[StepView]:
        """Everything with parameters, in the order of the graph, as far as it is shown."""
        groups = [PipelineStep("", self.description.parameters), *self.description.steps]
        shown = [
            (n, step, [one for one in step.fields if one.path in self.shown]) for n, step in enumerate(groups)
        ]
        views = [
            StepView(f"s{number}", step.name, [*map(self._view, fields)], self._more(f"s{number}", step.name))
            for number, step, fields in shown
        ]
        return [view for view in views if view.fields or view.more]

    @cached_property
    def general(self) -> StepView:
        """What can be set for the whole run."""
        return StepView("more", "", [], self._settings("more", "", self._of_run))

    @cached_property
    def _of_run(self) -> list[Setting]:
        return [*OF_RUN, *settings_of(self.draft.parsed.recorded.components)]

    @property
    def groups(self) -> list[StepView]:
        """Everything that folds: the steps, and what is set for the whole run."""
        return [*self.steps, self.general]

    @property
    def with_values(self) -> int:
        return len([step for step in self.steps if step.fields])

    def _more(self, id: str, step: str) -> list[FieldView]:
        return self._settings(id, step, OF_STEP) if step in self._with_more else []

    def _settings(self, id: str, step: str, settings: Iterable[Setting]) -> list[FieldView]:
        holder, default = self.draft.document, self.default
        if step:
            holder, default = (mapping(mapping(one.get("steps")).get(step)) for one in (holder, default))
        views = []
        for number, setting in enumerate(settings):
            path = setting.entry(step).path
            sent, error = self.draft.raw.get(path), self._setting_errors.get(path, "")
            view = setting_view((step, setting), f"{id}-m{number}", holder, default, sent, error)
            views.append(replace(view, lock=self.lock_of_more))
        return views

    @property
    def lock_of_more(self) -> FieldRule | None:
        """The rule that keeps people from setting anything beside the parameters."""
        return self.draft.parsed.rules.lock_of(MORE)

    @cached_property
    def _with_more(self) -> frozenset[str]:
        """Steps whose settings find room in the form."""
        room = min(MAX_INPUTS - self._needed - len(self._of_run), MOST_SETTINGS) // len(OF_STEP)
        return frozenset(step.name for step in self.description.steps[: max(room, 0)])

    @property
    def without_more(self) -> int:
        """How many steps have their settings only in the YAML."""
        return len(self.description.steps) - len(self._with_more)

    @cached_property
    def _setting_errors(self) -> dict[str, str]:
        """The first thing that is wrong with each setting, by its path; what concerns a group at its first input."""
        found: dict[str, str] = {}
        for problem in self.draft.problems:
            path = self._setting_of(problem)
            if path:
                found.setdefault(path, problem.short or problem.message)
        return found

    def _setting_of(self, problem: DocumentFault) -> str:
        """The path of the setting a problem belongs to, or ""."""
        if not problem.path or self._field_of(problem):
            return ""
        places = [setting.entry("").path for setting in self._of_run]
        step = self._step_of(problem.path)
        if step:
            places = [setting.entry(step).path for setting in OF_STEP]
        around = [path for path in places if f"{problem.place}.".startswith(f"{path}.")]
        inside = [path for path in places if path.startswith(f"{problem.place}.")]
        return next(iter(around or inside), "")

    def _step_of(self, path: str) -> str:
        """The longest name of a step with which a path goes on after "steps."."""
        parts = path.removeprefix("steps.").split(".") if path.startswith("steps.") else []
        names = [".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
        return next((name for name in names if name in self.description.by_step), "")

    @cached_property
    def shown(self) -> frozenset[str]:
        """Paths of the fields in the form; more than a form can send are only in the YAML."""
        return frozenset(self._room[0])

    @property
    def _needed(self) -> int:
        """How many inputs the parameters have."""
        return self._room[1]

    @cached_property
    def _room(self) -> tuple[list[str], int]:
        shown, needed = [], 0
        for entry in self.description.fields:
            node = self.draft.parsed.trees.get(entry.path)
            inputs = inputs_inside(node) if node else inputs_needed(entry)
            if needed + inputs > MAX_INPUTS:
                break
            needed += inputs
            shown.append(entry.path)
        return shown, needed

    @property
    def is_short(self) -> bool:
        """May every step lie open? Otherwise only those that someone has to look at."""
        return len(self.views) <= SHORT

    @property
    def not_shown(self) -> int:
        return len(self.description.fields) - len(self.shown)

    def _view(self, entry: Field) -> FieldView | NodeView:
        parsed, raw, id = self.draft.parsed, self.draft.raw, self.ids[entry.path]
        value, change = parsed.by_path[entry.path], self._by_path.get(entry.path)
        lock, node = parsed.rules.lock_of(entry.path), parsed.trees.get(entry.path)
        if node and not lock:
            errors = self._inside.get(entry.path, {})
            return NodeViews(node, raw, errors, entry.default, parsed.rules).view(node, id)
        view = field_view(entry, id, value, raw, change, self._errors.get(entry.path, ""))
        return replace(view, lock=lock)

    @cached_property
    def views(self) -> list[FieldView]:
        """Every input of a parameter, also those inside of values."""
        return [leaf for step in self.steps for leaf in step.leaves]

    @property
    def inputs(self) -> list[FieldView]:
        """Those, and every input of what can be set besides."""
        return [view for step in self.groups for view in step.inputs]

    # -- what is wrong

    @cached_property
    def troubles(self) -> list[ListedFault]:
        return [self._trouble(problem) for problem in self.draft.problems]

    def _trouble(self, problem: DocumentFault) -> ListedFault:
        entry = self._field_of(problem)
        line = None if self.draft.unread or not problem.path else line_of(self._tree, problem.place)
        if entry is None:
            return ListedFault(problem.message, problem.path, self._id_of_setting(problem), line)
        name = f"{entry.step}, {entry.name}" if entry.step else entry.name
        return ListedFault(problem.message, name, self._id_of(entry, problem), line)

    def _id_of_setting(self, problem: DocumentFault) -> str:
        if problem.path == "run_name":
            return "run-name"
        path = self._setting_of(problem)
        views = (view for step in self.groups for view in step.more if view.field.path == path)
        return next((view.id for view in views), "") if path else ""

    def _id_of(self, entry: Field, problem: DocumentFault) -> str:
        """Of the input or the box where a fault is shown; "" when it is not in the form."""
        if entry.path not in self.shown:
            return ""
        node = self.draft.parsed.trees.get(entry.path)
        place = nearest(node, problem)[0] if node else ()
        return self._id_at.get((entry.path, place), self.ids[entry.path]) if place else self.ids[entry.path]

    @cached_property
    def _id_at(self) -> dict[tuple[str, tuple], str]:
        """Ids of what is inside of values, by the path of the parameter and the place."""
        boxes = [(view.node.entry.path, view) for step in self.steps for view in step.fields if is_node(view)]
        return {(path, tuple(place)): id for path, view in boxes for place, id in view.ids}

    @property
    def run_name_error(self) -> str:
        return next((p.message for p in self.draft.problems if p.path == "run_name"), "")

    @property
    def first_id(self) -> str:
        """The field to go to first; "" when what is wrong is not in the form."""
        return next((trouble.field_id for trouble in self.troubles if trouble.field_id), "")

    # -- the document

    @cached_property
    def yaml(self) -> str:
        """As it was typed, or as the document is written."""
        return dump_yaml(self.draft.document) if self.draft.text is None else self.draft.text

    @cached_property
    def _tree(self):
        return tree_of(self.yaml)

    @property
    def document_json(self) -> str:
        return json.dumps(self.draft.document)

    @property
    def run_name(self) -> str:
        name = self.draft.raw.get("run_name") or self.draft.document.get("run_name") or ""
        return name if isinstance(name, str) else in_words(name)

    @property
    def uses_cache(self) -> bool:
        return self.draft.document.get("enable_cache") is not False

    @cached_property
    def link(self) -> str | None:
        """Query of the link that opens the form filled like this; None when no address can be that long."""
        link = link_of(self.draft.parsed)
        return link if len(link) <= LONGEST_LINK else None

    @property
    def link_note(self) -> str:
        """What the link can't carry."""
        if self.link is None:
            return "Too much for a link: download the YAML."
        return "Secrets are not in the link." if secret_changes(self.draft.parsed) else ""

    # -- what differs

    @property
    def summary(self) -> str:
        return summary(self.description, self.changes)

    @cached_property
    def change_views(self) -> list[ChangeView]:
        earlier = [(run, _values_of(run)) for run in recent_runs(self.template)] if self.changes else []
        return [
            ChangeView(change, [run for run, values in earlier if _had(values, change)])
            for change in self.changes[:MAX_ROWS]
        ]

    @property
    def more_changes(self) -> int:
        return max(len(self.changes) - MAX_ROWS, 0)

    @property
    def chips(self) -> list[ChangeView]:
        return [ChangeView(change) for change in self.changes]

    @cached_property
    def lines(self) -> list["DiffLine"]:
        """Secrets are a mask where they are as in the template, and words where they are not."""
        known: set[str] = set()
        before = veiled(self.default, known, is_known=True)
        return side_by_side(dump_yaml(before), dump_yaml(veiled(self.draft.document, known)))


def _values_of(run: TemplateRun) -> dict[str, Any]:
    return {one["path"]: one["after"] for one in run.changes}


def _had(values: Mapping[str, Any], change: Change) -> bool:
    return change.path in values and values[change.path] == change.after


# -- difference of two texts

CHANGED = "(secret changed)"


def veiled(value: Any, known: set[str], *, is_known: bool = False) -> Any:
    """A value without what stands for a secret in it: a mask for the `known` ones, words for others. `is_known`: all of
    these are, and are remembered."""
    if isinstance(value, dict):
        return {key: veiled(one, known, is_known=is_known) for key, one in value.items()}
    if isinstance(value, list):
        return [veiled(one, known, is_known=is_known) for one in value]
    if not isinstance(value, str) or not is_hidden(value):
        return value
    if is_known:
        known.add(value)
    return MASK if value in known else CHANGED


@dataclass(frozen=True)
class DiffLine:
    """A row of the difference: the text on either side, or how many equal rows are left out.

    `unread` rows are different, but too many to be compared one by one.
    """

    left: str = ""
    right: str = ""
    left_number: int | None = None
    right_number: int | None = None
    equal: bool = True
    skipped: int = 0
    unread: int = 0

    @property
    def cells(self) -> list["DiffSide"]:
        """Both sides for the table; the value is marked where only it differs."""
        one, other = split_line(self.left), split_line(self.right)
        whole = not self.equal and one[0] == other[0] != ""
        return [
            DiffSide(*one, self.left_number, "" if self.equal or not self.left_number else "del", whole),
            DiffSide(*other, self.right_number, "" if self.equal or not self.right_number else "add", whole),
        ]


@dataclass(frozen=True)
class DiffSide:
    """One side of a row; `mark` is "del", "add" or nothing."""

    key: str
    rest: str
    number: int | None
    mark: str
    value_differs: bool


KEY = re.compile(r"( *(?:- )?[\w./-]+:)( .*)?")


def split_line(line: str) -> tuple[str, str]:
    """A line of YAML as key with its colon, and what follows; without a key all of it follows."""
    found = KEY.fullmatch(line)
    return (found[1], found[2] or "") if found else ("", line)


def side_by_side(before: str, after: str, context: int = 2) -> list[DiffLine]:
    """Rows for a table of two columns; equal rows far from a difference are folded.

    The comparison takes the product of the rows that differ, so there are only so many of them.
    """
    left, right = _cut(before), _cut(after)
    start = _equal_rows(left, right)
    end = _equal_rows(left[start:][::-1], right[start:][::-1])
    if max(len(left), len(right)) - start - end > MAX_LINES:
        unread = max(len(left), len(right)) - start - end
        return [
            line
            for line in (DiffLine(skipped=start), DiffLine(unread=unread), DiffLine(skipped=end))
            if line != DiffLine()
        ]
    lines: list[DiffLine] = []
    position = 0
    for group in _groups(left, right, start, end, context):
        if group[0][1] > position:
            lines.append(DiffLine(skipped=group[0][1] - position))
        for tag, i1, i2, j1, j2 in group:
            lines += _rows(left, right, tag == "equal", (i1, i2), (j1, j2))
        position = group[-1][2]
    return [*lines, DiffLine(skipped=len(left) - position)] if len(left) > position else lines


def _cut(text: str) -> list[str]:
    """Lines, none longer than a cell."""
    return [shortened(line, MAX_CELL) for line in text.split("\n")[:-1]]


def _equal_rows(left: Sequence[str], right: Sequence[str]) -> int:
    """How many rows, or letters, both have in common from the first on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _groups(left: list[str], right: list[str], start: int, end: int, context: int):
    """Groups of rows that differ, compared without the equal rows at both ends."""
    first, last = max(start - context, 0), max(end - context, 0)
    inner = (left[first : len(left) - last], right[first : len(right) - last])
    for group in difflib.SequenceMatcher(None, *inner).get_grouped_opcodes(context):
        yield [(tag, *(at + first for at in places)) for tag, *places in group]


def _rows(left, right, equal, here, there) -> list[DiffLine]:
    rows = []
    for offset in range(max(here[1] - here[0], there[1] - there[0])):
        i, j = here[0] + offset, there[0] + offset
        has_left, has_right = i < here[1], j < there[1]
        rows.append(
            DiffLine(
                left=left[i] if has_left else "",
                right=right[j] if has_right else "",
                left_number=i + 1 if has_left else None,
                right_number=j + 1 if has_right else None,
                equal=equal,
            )
        )
    return rows


# -- history


def recent_runs(template: RunTemplate, count: int = BARS) -> list[TemplateRun]:
    """The latest re-runs, newest first, without the large part of their rows."""
    return list(template.runs.select_related("created_by").defer("configuration")[:count])


def url_of(run: TemplateRun) -> str:
    """Its live page inside the tenant as soon as there is one, else ours."""
    if run.zenml_run_id is None:
        return run.get_absolute_url()
    tenant = run.template.tenant
    return reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, run.zenml_run_id])


@dataclass(frozen=True)
class HistoryRow:
    """A re-run in the history."""

    run: TemplateRun

    @property
    def url(self) -> str:
        return url_of(self.run)

    @property
    def seconds(self) -> float | None:
        return seconds_of(self.run)

    @cached_property
    def changes(self) -> list[dict[str, Any]]:
        """Without what the template hides."""
        return seen_changes(self.run)

    @property
    def chips(self) -> list["ChangeView"]:
        return recorded_changes(self.run)[:CHIPS]

    @property
    def more(self) -> int:
        return max(len(self.changes) - CHIPS, 0)


def seconds_of(run: TemplateRun) -> float | None:
    """How long it has been working, not waiting."""
    if run.started_at is None:
        return None
    return max(0.0, ((run.ended_at or timezone.now()) - run.started_at).total_seconds())


@dataclass(frozen=True)
class HistoryBar:
    """A re-run in the drawing; whole numbers of its view box."""

    run: TemplateRun
    x: int
    y: int
    width: int
    height: int
    label: str  # under the bar; not each has one
    words: str

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def is_low(self) -> bool:
        """Too low to be drawn on: the mark stands above it."""
        return self.height < 24

    @property
    def mark(self) -> str:
        """A drawing on the bar, so that colour is not the only sign."""
        x, y = self.middle, self.y - 8 if self.is_low else self.y + 13
        crosses = {
            "failed": f"M{x - 4} {y - 4}l8 8M{x + 4} {y - 4}l-8 8",
            "stopped": f"M{x - 3} {y - 4}v8M{x + 3} {y - 4}v8",
        }
        return crosses.get(self.run.state, "")


@dataclass(frozen=True)
class Chart:
    """Durations of the latest re-runs, oldest first."""

    bars: list[HistoryBar]
    ticks: list[tuple[int, str]]  # y, words
    median: int | None
    width: int = 760
    height: int = 156
    left: int = 86

    @property
    def right(self) -> int:
        return self.width - 4


BASE, TOP, SLOT = 128, 12, 33
SCALES = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def chart(runs: list[TemplateRun]) -> Chart:
    """`runs` newest first, as the database gives them."""
    shown = [run for run in reversed(runs[:BARS])]
    times = [seconds_of(run) or 0.0 for run in shown]
    unit = _unit(max(times, default=1.0))
    count = max(1, -(-int(max(times, default=0) * 1000) // int(unit * 1000)))
    scale = (BASE - TOP) / (unit * count)
    ticks = [(BASE - round(unit * step * scale), _clock(unit * step)) for step in range(count + 1)]
    done = [seconds for run, seconds in zip(shown, times, strict=True) if run.state == run.State.COMPLETED]
    middle = BASE - round(statistics.median(done) * scale) if len(done) > 2 else None
    bars = [
        _bar(n, run, seconds, scale, len(shown))
        for n, (run, seconds) in enumerate(zip(shown, times, strict=True))
    ]
    return Chart(bars, ticks, middle)


def _unit(longest: float) -> float:
    """Distance of the lines, so that there are at most four."""
    return next((unit for unit in SCALES if longest <= unit * 4), SCALES[-1] * max(1, int(longest / 86400)))


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def _bar(position: int, run: TemplateRun, seconds: float, scale: float, count: int) -> HistoryBar:
    height = max(round(seconds * scale), 3)
    x = 95 + position * SLOT
    label = str(run.number) if count <= 7 or (count - 1 - position) % 3 == 0 else ""
    words = f"Run {run.number}, {run.get_state_display()}, {duration(seconds_of(run))}".rstrip(", ")
    return HistoryBar(run, x, BASE - height, 24, height, label, words)


@dataclass(frozen=True)
class Figures:
    """The last 30 days of a template in numbers."""

    runs: int
    success: int | None  # per cent of those that ended by themselves
    median: float | None

    @property
    def success_words(self) -> str:
        return "none finished yet" if self.success is None else f"{self.success}%"


def figures(template: RunTemplate, days: int = 30) -> Figures:
    since = timezone.now() - timedelta(days=days)
    rows = list(
        template.runs.filter(queued_at__gte=since).only("state", "started_at", "ended_at", "template")
    )
    states = Counter(run.state for run in rows)
    ended = states["completed"] + states["failed"]
    times = [seconds_of(run) for run in rows if run.state == "completed" and run.started_at]
    success = round(100 * states["completed"] / ended) if ended else None
    return Figures(len(rows), success, statistics.median(times) if times else None)


def typical_time(runs: Iterable[TemplateRun]) -> tuple[float, float] | None:
    """Shortest and longest of the latest completed re-runs."""
    times = [seconds_of(run) for run in runs if run.state == "completed" and run.started_at]
    return (min(times), max(times)) if times else None


# -- parameters


@dataclass(frozen=True)
class ParameterRow:
    field: Field
    value: Any
    rule: FieldRule | None = None
    inside: int = 0  # rules for values inside of it

    @property
    def default(self) -> str:
        return shortened(in_words(self.value), MAX_CELL)

    @property
    def allowed(self) -> str:
        if words := allowed_by(self.rule):
            return words
        if self.field.choices:
            words = shortened(", ".join(choice.label for choice in self.field.choices), MAX_CELL)
            return f"{words} or none" if self.field.nullable else words
        return self.field.range or "on or off"

    @property
    def on_a_run(self) -> str:
        return rule_words(self.rule)

    @property
    def is_locked(self) -> bool:
        return self.rule is not None and self.rule.kind in (RuleKind.LOCKED, RuleKind.HIDDEN)


def parameters(template: RunTemplate, can_edit: bool = False) -> list[ParameterRow]:
    """Every parameter with its value in the template; what is hidden only for those who may edit it."""
    document = Document.of(template)
    rules, schema = document.rules, document.whole.schema if can_edit else document.schema
    values = values_of(document.whole_default if can_edit else document.default, schema)
    inside = Counter(rule.path for rule in rules.rules if rule.within)
    return [
        ParameterRow(entry, values[entry.path], rules.by_place.get((entry.path, ())), inside[entry.path])
        for entry in schema.fields
    ]


# -- presets


@dataclass(frozen=True)
class PresetRow:
    """A preset with what may be done with it."""

    preset: Preset
    can_change: bool
    names: list[str]  # of what it sets, without what the template hides
    conflicts: list[str] = field(default_factory=list)  # with rules of the template, a sentence each

    @property
    def words(self) -> str:
        """What it sets, in a few words."""
        more = len(self.names) - CHIPS
        return ", ".join(self.names[:CHIPS]) + (f", {more} more" if more > 0 else "")


def preset_rows(template: RunTemplate, user, rights) -> list[PresetRow]:
    """The presets a person may use. One query; the snapshot is read for a template with rules alone."""
    rules = FieldRules.read(template.field_rules)
    unchanged = Document.of(template) if rules else None
    return [
        PresetRow(
            preset,
            may_change_preset(user, preset, rights),
            [path.rpartition(".")[2] for path in preset.values if not rules.hides(path)],
            conflicts_of(preset, unchanged) if unchanged else [],
        )
        for preset in presets_for(template, user)
    ]


# -- lists


def templates_of(tenants: QuerySet[Tenant]) -> QuerySet[RunTemplate]:
    return RunTemplate.objects.listed().filter(tenant__in=tenants)


def listed(templates: QuerySet[RunTemplate]) -> QuerySet[RunTemplate]:
    """Templates with `last_runs`, newest first; without their snapshots, which are large."""
    latest = TemplateRun.objects.select_related("created_by").defer("configuration", "changes")
    return (
        templates.defer("snapshot", "default_configuration", "previous_configuration", "requirements")
        .select_related("created_by", "tenant__organization")
        .prefetch_related(Prefetch("runs", latest.order_by("-number")[:10], to_attr="last_runs"))
        .order_by("name", "tenant__name")
    )


# -- the run a template is made of


@dataclass(frozen=True)
class SourceRun:
    """A run as the page that makes a template of it shows it."""

    run: Run
    snapshot: dict[str, Any]

    @cached_property
    def description(self) -> Description:
        return describe(self.snapshot)

    @property
    def values(self) -> int:
        return len(self.description.fields)

    @property
    def packages(self) -> list[str]:
        """What was installed where the run came from, without ZenML itself."""
        return [line for line in self.run.python_packages if not line.lower().startswith("zenml==")]


def source_of(client: TenantClient, run_id: UUID) -> SourceRun:
    """Ask for a run and its snapshot. Raises TenantNotFound, also for a run that has none."""
    run = client.run(run_id, packages=True)
    if run.snapshot_id is None:
        raise TenantNotFound("This run has no configuration to repeat.")
    return SourceRun(run, client.snapshot(run.snapshot_id))


def presentable(text: str) -> str:
    """What a server said, as a page can send it."""
    return HALF.sub("\ufffd", shortened(text, MAX_CELL))


# -- a re-run before its pipeline has started

STAGES = (
    ("queued", "Queued", "Runs start in turn, as many at once as this machine has room for."),
    (
        "preparing",
        "Preparing",
        "The code is in place; packages it needs for the first time are being installed.",
    ),
    ("starting", "Starting", "The run is recorded in the tenant and its steps are starting."),
)


def stages(run: TemplateRun) -> list[tuple[str, str, str]]:
    """(mark, title, text) of what happens until the run has its live page."""
    names = [name for name, _, _ in STAGES]
    if run.state in names:
        at = names.index(run.state)
    else:
        at = 2 if run.zenml_snapshot_id else 1 if run.state == run.State.FAILED else 0
    now = {"failed": "failed", "stopped": ""}.get(run.state, "now")
    marks = ["done" if number < at else now if number == at else "" for number in range(len(STAGES))]
    return [(mark, title, text) for mark, (_, title, text) in zip(marks, STAGES, strict=True)]


def recorded_changes(run: TemplateRun) -> list[ChangeView]:
    """What differed from the template when it was asked for."""
    return [ChangeView(Change(**{name: one.get(name, "") for name in CHANGE})) for one in seen_changes(run)]


CHANGE = ("path", "step", "name", "before", "after")
