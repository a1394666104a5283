"""What the steps of a run saved and read, from the server's own records.

The steps' answers name their artifacts; one call more tells all about the chosen one: its metadata, how it may be shown,
and which run made it (`resources.producer_pipeline_run_id`, seen on 0.98.0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from tenants.hosting.answers import identifier, is_number, line, listing, mapping, moment, own_id, whole
from tenants.hosting.base import TenantError
from tenants.runs.artifact_places import in_words
from tenants.runs.client import MAX_TAGS, Json, Run, Step, TenantClient, meta, name_of, resources
from tenants.runs.reading import RunPage
from tenants.runs.visualizations import Visualization, visualization_of

ARTIFACTS = 1000  # of one step that are looked at; a server may send any number
LISTED = 100  # of one step that are on the page, saved and read each
FOLDED = 6  # neighbours in the lineage
VISUALIZATIONS = 20  # of one artifact
URI_LENGTH = 1000  # characters
TYPES = {
    "DataArtifact": "Data",
    "DataAnalysisArtifact": "Report",
    "ModelArtifact": "Model",
    "ServiceArtifact": "Service",
    "SchemaArtifact": "Schema",
    "StatisticsArtifact": "Statistics",
    "BaseArtifact": "",  # says nothing
}
ICONS = {"Report": "file-text", "Model": "boxes", "Service": "server", "Schema": "list-tree"}


@dataclass(frozen=True)
class Artifact:
    """A version of an artifact as one step knows it."""

    id: UUID
    name: str
    version: str
    type: str  # word for people, "" for none
    data_type: str  # of Python, as "pandas.DataFrame"
    materializer: str
    uri: str
    items: int
    manual: bool  # saved by the code of the step and not returned by it
    maker: str = ""  # step of this run that saved it

    @property
    def icon(self) -> str:
        return ICONS.get(self.type, "database")

    @property
    def words(self) -> str:
        """Its type in one line."""
        parts = [self.type, self.data_type.rpartition(".")[2], f"{self.items} items" if self.items else ""]
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class StepArtifacts:
    step: str
    saved: list[Artifact]
    read: list[Artifact]
    unseen: int = 0

    @property
    def count(self) -> int:
        return len(self.saved) + len(self.read) + self.unseen

    def find(self, artifact_id: UUID | None) -> Artifact | None:
        every = [*self.saved, *self.read]
        return next((one for one in every if one.id == artifact_id), next(iter(every), None))


@dataclass(frozen=True)
class ArtifactDetails:
    """All that the server keeps about one version."""

    size: int | None  # bytes
    created: datetime | None
    tags: tuple[str, ...]
    metadata: Json
    visualizations: tuple[str, ...]  # their types: html, image, csv, markdown, json
    producer_step: UUID | None
    producer_run: UUID | None


@dataclass(frozen=True)
class ArtifactOrigin:
    """The run and the step that made an artifact; `run` is None where the server does not tell."""

    step: str
    run: Run | None = None


@dataclass(frozen=True)
class Lineage:
    """What the chosen artifact was made from, and who read it, each with its step; within the run."""

    sources: list[Artifact]
    readers: list[str]
    more_sources: int = 0
    more_readers: int = 0


@dataclass(frozen=True)
class ArtifactPage:
    """What the tab shows, from one to three answers more than the run's own."""

    groups: list[StepArtifacts]
    group: StepArtifacts | None
    chosen: Artifact | None = None
    details: ArtifactDetails | None = None
    note: str = ""  # why there are no details
    index: int = 0  # of the visualization that is shown
    visualization: Visualization | None = None  # HTML is left to its frame
    origin: ArtifactOrigin | None = None  # when another run made it
    lineage: Lineage = field(default_factory=lambda: Lineage([], []))

    @property
    def address(self) -> str:
        """Query of the chosen artifact on the run's page."""
        return "?" + urlencode({"view": "artifacts", "step": self.group.step, "artifact": self.chosen.id})

    @property
    def total(self) -> int:
        """Saved by the steps of this run."""
        return sum(len(group.saved) for group in self.groups)

    @property
    def is_input(self) -> bool:
        return self.chosen in self.group.read if self.group else False


def open_artifacts(
    client: TenantClient, page: RunPage, step: str = "", artifact: str = "", index: str = ""
) -> ArtifactPage:
    """`step` by its name, `artifact` by its id and the `index` of a visualization of it, all as asked for; without
    them the first there is."""
    known = dict(page.details)
    row = next((row for row in page.steps if row.name == step and row.id), None)
    if row and row.name not in known:  # so many are not read for a page
        known[row.name] = client.step(row.id)
    groups = artifacts_of(known.values())
    wanted = identifier(artifact)
    group = _group(groups, step, wanted)
    chosen = group.find(wanted) if group else None
    if chosen is None:
        return ArtifactPage(groups, group)
    details, note = attempt(lambda: details_of(client.artifact_version(chosen.id)))
    found = ArtifactPage(groups, group, chosen, details, note, lineage=lineage_of(groups, chosen))
    return _with_details(client, page.run, found, index) if details else found


def _group(groups: list[StepArtifacts], step: str, artifact: UUID | None) -> StepArtifacts | None:
    """The step that was asked for, or the one that saved the artifact."""
    for wanted in (
        lambda one: one.step == step,
        lambda one: any(saved.id == artifact for saved in one.saved),
        lambda one: True,
    ):
        if found := next(filter(wanted, groups), None):
            return found
    return None


def _with_details(client: TenantClient, run: Run, found: ArtifactPage, index: str) -> ArtifactPage:
    kinds = found.details.visualizations
    number = int(index) if index in map(str, range(len(kinds))) else 0
    return replace(
        found,
        index=number,
        visualization=_shown(client, found.chosen, kinds[number], number) if kinds else None,
        origin=origin_of(client, run, found.details),
    )


def _shown(client: TenantClient, chosen: Artifact, kind: str, index: int) -> Visualization:
    if kind == "html":
        return Visualization("html")
    answer, sentence = attempt(lambda: client.visualization(chosen.id, index))
    return Visualization(kind, fault=sentence) if sentence else visualization_of(answer)


def attempt(question: Callable[[], Any]) -> tuple[Any, str]:
    """An answer, or why there is none in a sentence: what one artifact lacks must not take the page with it."""
    try:
        return question(), ""
    except TenantError as error:
        return None, in_words(error.reason) or "The server could not answer."


# -- the artifacts of the steps


def artifacts_of(steps: Iterable[Step]) -> list[StepArtifacts]:
    """Of each step that saved or read any; what was read names the step of this run that saved it."""
    found = [(step, _versions(step, "outputs"), _versions(step, "inputs")) for step in steps]
    makers = {one.id: step.name for step, saved, _ in found for one in saved}
    return [
        StepArtifacts(
            step.name,
            saved[:LISTED],
            [_made_by(one, makers) for one in read[:LISTED]],
            sum(_beyond(step, side, known) for side, known in (("outputs", saved), ("inputs", read))),
        )
        for step, saved, read in found
        if saved or read
    ]


def _beyond(step: Step, side: str, known: list[Artifact]) -> int:
    """How many have no place on the page."""
    if len(known) <= LISTED:
        return 0
    return max(sum(1 for _ in _flat(mapping(resources(step.raw).get(side)))), len(known)) - LISTED


def _made_by(one: Artifact, makers: dict[UUID, str]) -> Artifact:
    return replace(one, maker=makers.get(one.id, ""))


def _versions(step: Step, side: str) -> list[Artifact]:
    """Outputs and inputs are {name: [version, ...]} (seen on 0.98.0); a version alone is taken as well."""
    found: dict[UUID, Artifact] = {}
    for raw in islice(_flat(mapping(resources(step.raw).get(side))), ARTIFACTS):
        made = artifact_of(raw)
        if made:
            found.setdefault(made.id, made)
    return sorted(found.values(), key=lambda one: one.name)


def _flat(named: Json):
    for one in named.values():
        yield from one if isinstance(one, list) else [one]


def artifact_of(raw: Any) -> Artifact | None:
    """None for what has no id; all else may be missing or nonsense."""
    found, raw = identifier(mapping(raw).get("id")), mapping(raw)
    if found is None:
        return None
    body = mapping(raw.get("body"))
    kind = line(body.get("type"))
    return Artifact(
        id=found,
        name=name_of(body.get("artifact")) or str(found)[:8],
        version=line(body.get("version")),
        type=TYPES.get(kind, kind),
        data_type=source_of(body.get("data_type")),
        materializer=source_of(body.get("materializer")),
        uri=line(body.get("uri"), URI_LENGTH),
        items=whole(body.get("item_count")),
        manual=body.get("save_type") == "manual",
    )


def source_of(raw: Any) -> str:
    """{"module", "attribute"} as "pandas.DataFrame"; what Python brings along without its module."""
    if isinstance(raw, str):
        return line(raw)
    module, name = line(mapping(raw).get("module")), line(mapping(raw).get("attribute"))
    return name if module in ("", "builtins") else f"{module}.{name}"


def model_of(run: Run) -> str:
    """The model version that the run made or used, as "churn 3"; "" for none. Its name is its number there."""
    linked = mapping(resources(run.raw).get("model_version"))
    return f"{name_of(mapping(linked.get('body')).get('model'))} {name_of(linked)}".strip()


# -- one of them


def details_of(raw: Any) -> ArtifactDetails:
    """Raises TenantUnreadable for what has no id."""
    own_id(raw)
    more, linked = meta(raw), resources(raw)
    metadata = mapping(more.get("run_metadata"))
    size = metadata.get("storage_size")
    return ArtifactDetails(
        size=int(size) if is_number(size) and 0 <= size < 2**63 else None,
        created=moment(mapping(raw.get("body")).get("created")),
        tags=tuple(filter(None, (name_of(tag) for tag in listing(linked.get("tags"), MAX_TAGS)))),
        metadata={name: value for name, value in metadata.items() if name != "storage_size"},
        visualizations=_types(more.get("visualizations")),
        producer_step=identifier(linked.get("producer_step_run_id")),
        producer_run=identifier(linked.get("producer_pipeline_run_id")),
    )


def _types(raw: Any) -> tuple[str, ...]:
    return tuple(line(mapping(mapping(one).get("body")).get("type")) for one in listing(raw, VISUALIZATIONS))


def origin_of(client: TenantClient, run: Run, details: ArtifactDetails) -> ArtifactOrigin | None:
    """Who made it, when it was not this run: two calls. What may not be read is left out."""
    if details.producer_run in (None, run.id):
        return None
    made, _ = attempt(lambda: client.run(details.producer_run))
    step, _ = attempt(lambda: client.step(details.producer_step)) if details.producer_step else (None, "")
    return ArtifactOrigin(step.name if step else "", made)


def lineage_of(groups: list[StepArtifacts], chosen: Artifact) -> Lineage:
    """One step back and one forth, so that a circle in a server's answer is none here."""
    sources = [one for group in groups if chosen in group.saved for one in group.read]
    sources = list({one.id: one for one in sources}.values())
    readers = [group.step for group in groups if any(one.id == chosen.id for one in group.read)]
    return Lineage(
        sources[:FOLDED],
        readers[:FOLDED],
        max(len(sources) - FOLDED, 0),
        max(len(readers) - FOLDED, 0),
    )
