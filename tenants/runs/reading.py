"""Turns what a tenant's server says about its runs into what the pages show."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import accumulate, islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from tenants.hosting.answers import identifier, is_number, line, listing, mapping, moment
from tenants.hosting.answers import seconds as seconds_of
from tenants.hosting.base import (
    TenantBusy,
    TenantError,
    TenantNotFound,
    TenantRefused,
    TenantUnreachable,
)
from tenants.models import Tenant
from tenants.runs.client import STATE_LENGTH, UNDER_WAY, ListPage, LogLine, Run, Step, TenantClient
from tenants.runs.connection import connect
from tenants.runs.graphs import NODE_HEIGHT, NODE_WIDTH, Layout, Node, layout
from tenants.runs.step_failures import Reason, reason_of
from zenpro_site.common.names import without_odd
from zenpro_site.common.ui import duration

PAGE_SIZE = 20
COLORS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
LINE_LENGTH = 10_000  # characters of one line of a log
LOG_LINES, LOG_LENGTH = 500, 300_000  # lines and characters; more are in the download
GRAPH_LIMIT = 150  # steps; above it the list comes first
STEPS, LINKS = 1000, 20_000  # of one run that are looked at; servers may send any number
METRICS, PARAMETERS = 1000, 2000  # values shown on one page
VALUE_LENGTH = 2000  # characters of one value
LABEL_LENGTH = 19  # letters that fit into a node
BAR_MINIMUM = 0.8  # per cent, so that a short step is still seen
EARLIER = {"cached": "Cached", "skipped": "Skipped"}  # steps that hand on what an earlier run saved
UPSTREAM_FAILED = "not_run"


# -- asking


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer from the server; `kind` chooses what the page offers."""

    kind: str  # state, old, unreachable, no_role, refused
    title: str
    text: str


def ask(user, tenant: Tenant, question: Callable[[TenantClient], Any]) -> tuple[Any, Trouble | None]:
    """What `question` finds out, as this person, or why not. Raises TenantNotFound."""
    return told(tenant, lambda: question(connect(user, tenant)))


def told(tenant: Tenant, question: Callable[[], Any]) -> tuple[Any, Trouble | None]:
    """The same for a question that has its client already. Asks nothing of our database."""
    if not tenant.is_available:
        return None, _not_running(tenant)
    if not tenant.has_projects:
        return None, _too_old(tenant)
    try:
        return question(), None
    except TenantNotFound:
        raise
    except TenantBusy:
        return None, Trouble("unreachable", f"{tenant.name} is answering slowly", "Try again in a moment.")
    except TenantUnreachable as error:
        known = tenant.state_reason if tenant.silent_since else ""
        return None, Trouble("unreachable", f"{tenant.name} does not answer", known or error.reason)
    except TenantRefused as error:
        return None, _refusal(tenant, error)
    except TenantError as error:
        return None, Trouble("refused", "The server could not answer", error.reason)


def _too_old(tenant: Tenant) -> Trouble:
    text = "Use the client to see its runs: zenml pipeline runs list. Pages and templates need ZenML 0.80 or later."
    return Trouble("old", f"ZenML {tenant.zenml_version} has no projects", text)


def _not_running(tenant: Tenant) -> Trouble:
    texts = {
        Tenant.Status.DEACTIVATED: "Its data is kept. You can see runs once it is activated.",
        Tenant.Status.FAILED: tenant.state_reason,
    }
    text = texts.get(tenant.status, "You can see runs once the server has started.")
    return Trouble("state", f"{tenant.name} is not running", text)


def _refusal(tenant: Tenant, error: TenantRefused) -> Trouble:
    if error.status in (401, 403):
        return Trouble("no_role", f"You have no role inside {tenant.name}", error.reason)
    return Trouble("refused", "The server could not answer", error.reason)


# -- list


@dataclass(frozen=True)
class RunList:
    """One page of runs and what it was chosen by."""

    page: ListPage
    project: dict | None
    projects: list[dict] = field(default_factory=list)


def list_runs(
    client: TenantClient, tenant: Tenant, page=1, project="", size=PAGE_SIZE, **filters: Any
) -> RunList:
    """Newest runs of a project, by name; of the first one, `default` if it is there, without a name. Two calls.

    `filters` go to the server as they are, see RunFilterForm.wire.
    """
    projects = client.projects()
    chosen = _project(projects, project, tenant)
    if chosen is None:
        return RunList(ListPage([], 0), None)
    return RunList(client.runs(chosen["id"], page, size, **filters), chosen, projects)


def _project(projects: list[dict], name: str, tenant: Tenant) -> dict | None:
    ours = [one for one in projects if one["name"] == name]
    ours += [one for one in projects if one["id"] == str(tenant.project_id)]
    return next(iter(ours or projects), None)


@dataclass(frozen=True)
class RunRow:
    """A run and, when the tenant's account is one of ours, its person."""

    run: Run
    person: Any = None


def rows_of(tenant: Tenant, runs: Iterable[Run]) -> list[RunRow]:
    """Runs with our users behind their accounts: tenants know them by username. One query."""
    names = {run.user for run in runs} - {""}
    memberships = tenant.organization.memberships.filter(user__username__in=names)
    people = {found.user.username: found.user for found in memberships.select_related("user")}
    return [RunRow(run, people.get(run.user)) for run in runs]


# -- one run


@dataclass(frozen=True)
class StepRow:
    """A step in list and graph. `x` and `width` of its bar are per cent of the run's time."""

    name: str
    status: str  # "waiting" and "not_run" are ours
    id: UUID | None = None
    start: datetime | None = None
    seconds: float | None = None
    x: float = 0
    width: float = 0
    message: str = ""
    taken_from: str = ""  # the run whose results a skipped step hands on, when that is known

    @property
    def started(self) -> bool:
        return self.id is not None

    @property
    def words(self) -> str:
        """Under the name in the graph: its duration, or why it has none."""
        if self.taken_from:
            return f"Taken over from {self.taken_from}"
        if self.status == "failed" and self.seconds is not None:
            return f"Failed after {duration(self.seconds)}"
        if self.status in ("completed", "running") and self.seconds is not None:
            return duration(self.seconds)
        return self.status.replace("_", " ").capitalize()

    @property
    def label(self) -> str:
        return self.name if len(self.name) <= LABEL_LENGTH else f"{self.name[: LABEL_LENGTH - 1]}…"


@dataclass(frozen=True)
class GraphNode:
    """A step with its place in the drawing."""

    step: StepRow
    x: int
    y: int
    width: int = NODE_WIDTH
    height: int = NODE_HEIGHT

    @property
    def icon_x(self) -> int:
        return self.x + 12

    @property
    def icon_y(self) -> int:
        return self.y + (self.height - 16) // 2

    @property
    def text_x(self) -> int:
        return self.x + 38

    @property
    def name_y(self) -> int:
        return self.y + self.height // 2 - 4

    @property
    def words_y(self) -> int:
        return self.y + self.height // 2 + 14


@dataclass(frozen=True)
class GraphEdge:
    path: str
    waiting: bool


@dataclass(frozen=True)
class Graph:
    width: int
    height: int
    nodes: list[GraphNode]
    edges: list[GraphEdge]


@dataclass(frozen=True)
class LogPane:
    """Output of the chosen step; `note` says why there is none or not all."""

    lines: list[LogLine] = field(default_factory=list)
    note: str = ""
    first: int = 1  # number of the first line shown
    step_id: UUID | None = None  # whose output it is: that of the original for a cached step

    @property
    def text(self) -> str:
        return "\n".join(line.message for line in self.lines)


@dataclass(frozen=True)
class RunPage:
    """Everything the page of one run shows, from two to four answers of its server."""

    run: Run
    steps: list[StepRow]
    edges: tuple[tuple[str, str], ...]
    details: dict[str, Step]
    chosen: StepRow | None
    log: LogPane
    status: str
    unseen: int = 0  # steps beyond those that are looked at

    @property
    def live(self) -> bool:
        return self.run.in_progress

    @property
    def alert(self) -> StepRow | None:
        """The first step that failed."""
        return next((step for step in self.steps if step.status == "failed"), None)

    @cached_property
    def reason(self) -> Reason:
        """Of the first step that failed, as far as its server knows it."""
        step = self.details.get(self.alert.name) if self.alert else None
        return reason_of(step.message, step.traceback) if step else Reason()

    @property
    def traceback(self) -> str:
        """Of the chosen step, when it failed."""
        return (
            self.details[self.chosen.name].traceback
            if self.chosen and self.chosen.name in self.details
            else ""
        )

    @property
    def summary(self) -> str:
        """How many steps are in which state."""
        return ", ".join(f"{count} {word}" for word, count in self._counts().items() if count)

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(("done", "cached", "failed", "running", "waiting", "not run"), 0)
        words = {"completed": "done", "not_run": "not run"}
        for step in self.steps:
            word = words.get(step.status, step.status)
            counts[word] = counts.get(word, 0) + 1
        return counts

    @property
    def too_large(self) -> bool:
        return len(self.steps) > GRAPH_LIMIT

    def graph(self) -> Graph | None:
        """None for what cannot be drawn: no steps, a circle, or too many lines to follow."""
        try:
            return draw(self.steps, self.edges) if self.steps else None
        except ValueError:
            return None

    @cached_property
    def metrics(self) -> list[tuple[str, str, Any]]:
        """(step, name, value) of every number that was logged; nested ones by their path."""
        found = ((step, name, value) for step, metadata in self.logged for name, value in numbers(metadata))
        return list(islice(found, METRICS))

    @property
    def logged(self) -> list[tuple[str, dict]]:
        """Metadata of the run, under no name, and of its steps."""
        known = [(row.name, self.details[row.name]) for row in self.steps if row.name in self.details]
        return [("", self.run.metadata), *((name, step.metadata) for name, step in known)]


def open_run(
    client: TenantClient,
    run_id: UUID,
    chosen: str = "",
    *,
    details: bool = False,
    ended: str = "",
    output: bool = True,
) -> RunPage:
    """Ask for a run, its steps and the chosen step's output. Raises TenantNotFound for an unknown run.

    `chosen` names a step; without it the first failed, running or last started one. `details` adds
    parameters and metrics of the steps; they are fetched anyway when a step failed. `ended`: in which state a
    re-run of ours has; nothing of it goes on, whatever the server believes of a run whose process is dead.
    Without `output` the log is not asked for.
    """
    run, dag = client.run(run_id), client.run_dag(run_id)
    unseen, dag = max(len(step_nodes(dag)) - STEPS, 0), readable(dag)
    if run.in_progress and ended:
        run, dag = replace(run, in_progress=False), as_left(dag, ended)
    rows = step_rows(dag, run)
    failed = any(row.status == "failed" for row in rows)
    known = {}
    if details or failed or not run.in_progress:
        known = {step.name: step for step in client.steps(run_id, run.project_id)}
        rows = [replace(row, message=known[row.name].message) if row.name in known else row for row in rows]
    step = _chosen(rows, chosen)
    edges = step_edges(dag, known.values())
    log = _readable_log(client, step, known) if output else LogPane()
    return RunPage(run, rows, edges, known, step, log, dag["status"] or run.status, unseen)


def _chosen(rows: list[StepRow], name: str) -> StepRow | None:
    for wanted in (
        lambda row: row.name == name,
        lambda row: row.status == "failed",
        lambda row: row.status == "running",
    ):
        if found := next(filter(wanted, rows), None):
            return found
    started = [row for row in rows if row.started]
    return started[-1] if started else next(iter(rows), None)


# -- steps


def step_nodes(dag: dict) -> list[dict]:
    nodes = (node for node in listing(dag.get("nodes")) if isinstance(node, dict))
    return [node for node in nodes if node.get("type") == "step"]


def readable(dag: dict) -> dict:
    """The graph with what is of the right kind: so many steps, each with a name of its own, and links between nodes."""
    steps = {line(node.get("name")): node for node in reversed(step_nodes(dag)[:STEPS])}
    others = (node for node in listing(dag.get("nodes"), LINKS) if isinstance(node, dict))
    nodes = [_node(node, name) for name, node in reversed(steps.items()) if name]
    nodes += [_node(node, "") for node in others if node.get("type") != "step"]
    edges = [_link(edge) for edge in listing(dag.get("edges"), LINKS)]
    return {"status": line(dag.get("status"), STATE_LENGTH), "nodes": nodes, "edges": edges}


def _node(node: dict, name: str) -> dict:
    kind = "step" if name else "artifact"
    return {
        "node_id": line(node.get("node_id")),
        "type": kind,
        "id": identifier(node.get("id")),
        "name": name,
        "metadata": mapping(node.get("metadata")),
    }


def _link(edge: Any) -> dict:
    return {end: line(mapping(edge).get(end)) for end in ("source", "target")}


def as_left(dag: dict, state: str) -> dict:
    """The graph of a run whose process is dead: its steps that were under way are so no more."""
    nodes = [_stopped(node) if node["metadata"].get("status") in UNDER_WAY else node for node in dag["nodes"]]
    return dag | {"status": state, "nodes": nodes}


def _stopped(node: dict) -> dict:
    return node | {"metadata": node["metadata"] | {"status": "stopped"}}


def step_rows(dag: dict, run: Run) -> list[StepRow]:
    """Steps in the server's topological order, with bars over the time of the run."""
    nodes = [node for node in dag["nodes"] if node["type"] == "step"]
    rows = [_step_row(node, run) for node in nodes]
    starts = [row.start for row in rows if row.start]
    begin = min([*starts, *filter(None, [run.start])], default=None)
    ends = [row.start.timestamp() + (row.seconds or 0) for row in rows if row.start]
    if not starts or begin is None:
        return rows
    span = max(max(ends) - begin.timestamp(), 0.001)
    return [_with_bar(row, begin, span) for row in rows]


def _step_row(node: dict, run: Run) -> StepRow:
    more = node.get("metadata") or {}
    status = line(more.get("status"), STATE_LENGTH) or ("waiting" if run.in_progress else UPSTREAM_FAILED)
    start, seconds = moment(more.get("start_time")), seconds_of(more.get("duration"))
    if seconds is None and start and status in ("running", "retrying"):
        seconds = max(0.0, (timezone.now() - start).total_seconds())
    return StepRow(node["name"], status, node["id"], start, seconds)


def _with_bar(row: StepRow, begin: datetime, span: float) -> StepRow:
    if row.start is None:
        return row
    x = (row.start - begin).total_seconds() / span * 100
    width = max((row.seconds or 0) / span * 100, BAR_MINIMUM)
    return replace(row, x=round(min(x, 100 - BAR_MINIMUM), 2), width=round(min(width, 100 - min(x, 99.2)), 2))


def step_edges(dag: dict, steps: Iterable[Step] = ()) -> tuple[tuple[str, str], ...]:
    """Which step waits for which: artifacts in the middle are left out, `after=` is added where known."""
    nodes = {node["node_id"]: node for node in dag["nodes"]}
    maker = {edge["target"]: edge["source"] for edge in dag["edges"] if _is_step(nodes, edge["source"])}
    pairs = [
        (maker.get(edge["source"], edge["source"]), edge["target"])
        for edge in dag["edges"]
        if _is_step(nodes, edge["target"])
    ]
    found = [(nodes[a]["name"], nodes[b]["name"]) for a, b in pairs if _is_step(nodes, a)]
    names = {node["name"] for node in nodes.values() if node["type"] == "step"}
    after = [(before, step.name) for step in steps for before in step.upstream]
    return tuple(dict.fromkeys([*found, *(pair for pair in after if names.issuperset(pair))]))


def _is_step(nodes: dict, node_id: str) -> bool:
    return node_id in nodes and nodes[node_id]["type"] == "step"


# -- graph


@lru_cache(maxsize=64)
def places(names: tuple[str, ...], edges: tuple[tuple[str, str], ...]) -> Layout:
    """The drawing of a pipeline never changes, only the colours do."""
    return layout([Node(name) for name in names], edges)


def draw(steps: list[StepRow], edges: tuple[tuple[str, str], ...]) -> Graph:
    by_name = {step.name: step for step in steps}
    drawing = places(tuple(by_name), edges)
    nodes = [GraphNode(by_name[box.key], box.x, box.y, box.width, box.height) for box in drawing.nodes]
    lines = [GraphEdge(line.path, not by_name[line.target].started) for line in drawing.edges]
    return Graph(drawing.width, drawing.height, nodes, lines)


# -- output


def _readable_log(client: TenantClient, step: StepRow | None, known: dict[str, Step]) -> LogPane:
    """The log, or why there is none: one that the server cannot reach must not take the page with it (rerun §9)."""
    try:
        return _log(client, step, known)
    except TenantRefused as refused:
        if "outside of artifact store" in refused.reason:
            return LogPane(note="The log stayed on the computer where the pipeline was run.")
        return _unreadable(refused)
    except (TenantUnreachable, TenantBusy) as silent:
        return _unreadable(silent)


def _unreadable(error: TenantError) -> LogPane:
    """The server names its own files by their whole path."""
    return LogPane(note=f"The log cannot be read: {error.reason.replace(str(settings.ZENPRO_DATA), '…')}")


def _log(client: TenantClient, step: StepRow | None, known: dict[str, Step]) -> LogPane:
    if step is None:
        return LogPane(note="This run has no steps.")
    if step.id is None:
        note = "This step has not started yet." if step.status == "waiting" else "This step was not run."
        return LogPane(note=note)
    if step.status in EARLIER:
        return _earlier_log(client, _original(known.get(step.name)) or step.id, EARLIER[step.status])
    return _pane(
        client.step_logs(step.id), step.id, "No output yet." if step.status == "running" else "No output."
    )


def _earlier_log(client: TenantClient, original: UUID, word: str) -> LogPane:
    lines = client.step_logs(original)
    if not lines:
        return LogPane(note=f"{word}: the result comes from an earlier run, so there is no output.")
    return replace(
        _pane(lines, original), note=f"{word}: this is the output of the step that produced the result."
    )


def _original(step: Step | None) -> UUID | None:
    return identifier(mapping(step.raw.get("metadata")).get("original_step_run_id")) if step else None


def _pane(lines: list[LogLine], step_id: UUID, empty: str = "") -> LogPane:
    tail = [replace(one, message=_shown(one.message)) for one in lines[-LOG_LINES:]]
    shown = _last_that_fit(tail)
    skipped = len(lines) - shown
    note = f"Download the log to see the first {skipped} lines." if skipped else ""
    return LogPane(tail[len(tail) - shown :], note if lines else empty, skipped + 1, step_id)


def _shown(message: str) -> str:
    """Without colors, and without what would make the page say something else; the download has all of it."""
    text = message[:LINE_LENGTH]
    text = text if text.isprintable() else without_odd(COLORS.sub("", text))
    return f"{text}…" if len(message) > LINE_LENGTH else text


def _last_that_fit(lines: list[LogLine]) -> int:
    """How many lines at the end go onto a page."""
    lengths = accumulate(len(one.message) + 1 for one in reversed(lines))
    return sum(length <= LOG_LENGTH for length in lengths)


# -- configuration


def configuration_of(client: TenantClient, page: RunPage) -> list[tuple[str, list[tuple[str, str]]]]:
    """[(step, [(parameter, value as JSON)])] in the order of the steps, also of those that have not started."""
    snapshot = client.snapshot(page.run.snapshot_id) if page.run.snapshot_id else {}
    steps = mapping(mapping(snapshot.get("metadata")).get("step_configurations"))
    found, left = [], PARAMETERS
    for row in page.steps:
        parameters = mapping(mapping(mapping(steps.get(row.name)).get("config")).get("parameters"))
        shown = [(line(name), _as_json(value)) for name, value in islice(parameters.items(), left)]
        left -= len(shown)
        found.append((row.name, shown))
    return found


def _as_json(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]}…"


# -- small things


def numbers(metadata: dict) -> list[tuple[str, Any]]:
    """Numbers of a metadata object, nested ones as "auc_by_region.north"."""
    return list(islice(_numbers(metadata, ""), METRICS))


def _numbers(metadata: dict, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in metadata.items():
        path = line(f"{prefix}{name}")
        if isinstance(value, dict):
            yield from _numbers(value, f"{path}.")
        elif is_number(value):
            yield path, value


def file_name(*parts: str) -> str:
    """A safe name for a download."""
    return re.sub(r"[^\w.-]+", "_", "-".join(parts))[:120]
