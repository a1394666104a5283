"""Turns what a tenant's server says about its runs into what the pages show."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from django.http import Http404
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
from tenants.runs.client import FINISHED, STATE_LENGTH, UNDER_WAY, ListPage, Run, Step, TenantClient
from tenants.runs.connection import connect
from tenants.runs.dialects import GRAPHS_SINCE
from tenants.runs.earlier_steps import is_handed_on, with_earlier_results
from tenants.runs.fan_outs import in_natural_order
from tenants.runs.step_failures import Reason, reason_of
from tenants.runs.step_logs import LogChoice, LogPane, read_log
from tenants.runs.step_pages import NOT_ALL, steps_in_time
from zenpro_site.common.ui import duration

PAGE_SIZE = 20
STEPS, LINKS = 1000, 20_000  # of one run that are looked at; servers may send any number
METRICS, PARAMETERS = 1000, 2000  # values shown on one page
VALUE_LENGTH = 2000  # characters of one value
LABEL_LENGTH = 19  # letters that fit into a node
BAR_MINIMUM = 0.8  # per cent, so that a short step is still seen
UPSTREAM_FAILED = "not_run"

Hide = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]  # (parameters, their schema) -> parameters


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


def ask_or_404(request, question: Callable[[TenantClient], Any]) -> tuple[Any, Trouble | None]:
    """The same for the person and the tenant of a request. Raises Http404 for what the server does not have."""
    try:
        return ask(request.user, request.tenant, question)
    except TenantNotFound as error:
        raise Http404(error.reason) from error


def told(tenant: Tenant, question: Callable[[], Any]) -> tuple[Any, Trouble | None]:
    """The same for a question that has its client already. Asks nothing of our database."""
    if not tenant.is_available:
        return None, _not_running(tenant)
    if tenant.release < GRAPHS_SINCE:
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
    since = ".".join(map(str, GRAPHS_SINCE))
    text = (
        f"Use the client to see its runs: zenml pipeline runs list. These pages need ZenML {since} or later."
    )
    return Trouble("old", f"ZenML {tenant.zenml_version} is too old for these pages", text)


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
class RunPage:
    """Everything the page of one run shows, from two to four answers of its server, and one more for every 100 steps."""

    run: Run
    steps: list[StepRow]
    edges: tuple[tuple[str, str], ...]
    details: dict[str, Step]
    chosen: StepRow | None
    log: LogPane
    status: str
    unseen: int = 0  # steps beyond those that are looked at
    gap: str = ""  # why of some steps no more is known than the graph says

    @property
    def live(self) -> bool:
        return self.run.in_progress

    @property
    def is_over(self) -> bool:
        """Is nothing left to stop? It ended in ZenML, and no other branch of it goes on."""
        has_ended = self.run.finished or self.status in FINISHED
        return has_ended and not any(step.status in UNDER_WAY for step in self.steps)

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

    @cached_property
    def metrics(self) -> list[tuple[str, str, Any]]:
        """(step, name, value) of every number that was logged; nested ones by their path."""
        found = ((step, name, value) for step, metadata in self.logged for name, value in numbers(metadata))
        return list(islice(found, METRICS))

    @property
    def earlier(self) -> set[str]:
        """Steps whose result is an earlier run's, with all that was logged for it."""
        return {name for name, step in self.details.items() if is_handed_on(step)}

    @property
    def logged(self) -> list[tuple[str, dict]]:
        """Metadata of the run, under no name, and of its steps."""
        known = [(row.name, self.details[row.name]) for row in self.steps if row.name in self.details]
        return [("", self.run.metadata), *((name, step.metadata) for name, step in known)]


def page_with_earlier_results(client: TenantClient, page: RunPage) -> RunPage:
    """The page with what was logged for steps that took their result from an earlier run; no call where all ran."""
    steps = with_earlier_results(client, page.run.project_id, list(page.details.values()))
    return replace(page, details={step.name: step for step in steps})


def open_run(
    client: TenantClient,
    run_id: UUID,
    chosen: str = "",
    *,
    details: bool = False,
    ended: str = "",
    output: bool = True,
    log: LogChoice | None = None,
) -> RunPage:
    """Ask for a run, its steps and the chosen step's output. Raises TenantNotFound for an unknown run.

    `chosen` names a step; without it the first failed, running or last started one. `details` adds
    parameters and metrics of the steps; they are fetched anyway when a step failed. `ended`: in which state a
    re-run of ours has; nothing of it goes on, whatever the server believes of a run whose process is dead.
    Without `output` the log is not asked for; `log` is which part of it is shown.
    """
    run, dag = client.run(run_id), client.run_dag(run_id)
    unseen, dag = max(len(step_nodes(dag)) - STEPS, 0), readable(dag)
    if run.in_progress and ended:
        run, dag = replace(run, in_progress=False), as_left(dag, ended)
    rows = step_rows(dag, run)
    failed = any(row.status == "failed" for row in rows)
    known, is_whole = {}, True
    if details or failed or not run.in_progress:
        steps, is_whole = steps_in_time(client, run_id, run.project_id)
        known = {step.name: step for step in steps}
        rows = [replace(row, message=known[row.name].message) if row.name in known else row for row in rows]
    edges = step_edges(dag, known.values())
    rows = _in_order(rows, edges)
    step = _chosen(rows, chosen)
    pane = read_log(client.step_logs, step, _original(known, step), log) if output else LogPane()
    status, gap = dag["status"] or run.status, "" if is_whole else NOT_ALL
    return RunPage(run, rows, edges, known, step, pane, status, unseen, gap)


def _in_order(rows: list[StepRow], edges: tuple[tuple[str, str], ...]) -> list[StepRow]:
    by_name = {row.name: row for row in rows}
    return [by_name[name] for name in in_natural_order(tuple(by_name), edges)]


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


def _original(known: dict[str, Step], row: StepRow | None) -> UUID | None:
    """The step of an earlier run whose result a cached or skipped one hands on."""
    step = known.get(row.name) if row else None
    return step.original_id if step else None


# -- configuration


def configuration_of(
    client: TenantClient, page: RunPage, hide: Hide
) -> list[tuple[str, list[tuple[str, str]]]]:
    """[(step, [(parameter, value as JSON)])] in the order of the steps, also of those that have not started.

    `hide` takes the secrets out of the parameters of a step.
    """
    snapshot = client.snapshot(page.run.snapshot_id) if page.run.snapshot_id else {}
    steps = mapping(mapping(snapshot.get("metadata")).get("step_configurations"))
    found, left = [], PARAMETERS
    for row in page.steps:
        step = mapping(steps.get(row.name))
        recorded = mapping(mapping(step.get("config")).get("parameters"))
        parameters = hide(recorded, mapping(step.get("spec")).get("parameter_spec"))
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
