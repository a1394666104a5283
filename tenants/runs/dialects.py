"""What servers of older ZenML versions call things: the one place that knows. All else speaks as 0.98 does.

Until 0.85 a snapshot was called deployment, and what belongs to a run or a deployment was in its `body` or `metadata`
instead of `resources`; the runner's module and options had other names. Until 0.92 a new run had to name its pipeline.
A snapshot names its pipeline in `body` since 0.96 only. Tried on 0.85.0, 0.94.0 and 0.98.0; the versions between were
read.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from tenants.hosting.answers import mapping

Json = dict[str, Any]
Release = tuple[int, int]

NEWEST: Release = (0, 98)
GRAPHS_SINCE: Release = (0, 83)  # GET /runs/{id}/dag
STOPPED_SINCE: Release = (0, 84)  # POST /runs/{id}/stop
RUN_AGAIN_SINCE: Release = (0, 85)  # the oldest whose runs were seen to run again
SNAPSHOTS_SINCE: Release = (0, 90)
PIPELINE_OF_SNAPSHOT_SINCE: Release = (0, 93)  # a new run gets its pipeline from its snapshot
SKIPS_SINCE: Release = (0, 94)  # steps_to_skip and original_run_id

LINKS = ("stack", "pipeline", "build", "schedule", "code_reference", "model_version")
RUNNER = "zenml.zen_server.{}.runner_entrypoint_configuration.RunnerEntrypointConfiguration"
NEEDS = "{what} needs ZenML {since} or later; {tenant} has {version}."


def needs(what: str, since: Release, tenant) -> str:
    """Why a tenant of this version can't do something; "" when it can."""
    if tenant.release >= since:
        return ""
    wanted = ".".join(map(str, since))
    return NEEDS.format(what=what, since=wanted, tenant=tenant.name, version=tenant.zenml_version)


def refusal_to_run_again(tenant) -> str:
    """Why no run of this tenant can be run again, "" when its ZenML is new enough."""
    return needs("Running a run again", RUN_AGAIN_SINCE, tenant)


# -- what is asked


def snapshots_path(release: Release) -> str:
    return "/pipeline_snapshots" if release >= SNAPSHOTS_SINCE else "/pipeline_deployments"


def run_filters(filters: Mapping[str, Any], release: Release) -> Json:
    """Filters of a list of runs; the one by snapshot has another name in older versions."""
    old = {"snapshot_id": "deployment_id"} if release < SNAPSHOTS_SINCE else {}
    return {old.get(name, name): value for name, value in filters.items()}


def new_run(body: Json, release: Release) -> Json:
    """The body of POST /runs, from one with `snapshot` and `pipeline`."""
    if release >= PIPELINE_OF_SNAPSHOT_SINCE:
        return {name: value for name, value in body.items() if name != "pipeline"}
    if release >= SNAPSHOTS_SINCE:
        return body
    return {("deployment" if name == "snapshot" else name): value for name, value in body.items()}


def runner_arguments(release: Release, snapshot_id: UUID, run_id: UUID) -> list[str]:
    """What `python -m zenml.entrypoints.entrypoint` is told, to carry out a placeholder run.

    The option for the run changed its name in 0.94.1. Each version leaves alone what it does not know.
    """
    is_new = release >= SNAPSHOTS_SINCE
    source = RUNNER.format("pipeline_execution" if is_new else "template_execution")
    snapshot = "--snapshot_id" if is_new else "--deployment_id"
    ids = [snapshot, str(snapshot_id), "--run_id", str(run_id), "--placeholder_run_id", str(run_id)]
    return ["--entrypoint_config_source", source, *ids]


# -- what is answered


def run_read(raw: Json) -> Json:
    """A run with all that belongs to it in `resources`, whichever version said it."""
    body = mapping(raw.get("body"))
    found = _links(body)
    if deployment := body.get("deployment_id"):
        found["snapshot"] = {"id": deployment}
    return _with_links(raw, found)


def snapshot_read(raw: Json) -> Json:
    """A snapshot or deployment with all that belongs to it in `resources`, and the id of its pipeline in `body`."""
    raw = _with_links(raw, _links(mapping(raw.get("metadata"))))
    body, linked = mapping(raw.get("body")), mapping(raw.get("resources"))
    pipeline = mapping(linked.get("pipeline")).get("id")
    if body.get("pipeline_id") or not pipeline:
        return raw
    return raw | {"body": body | {"pipeline_id": pipeline}}


def _links(place: Json) -> Json:
    return {name: place[name] for name in LINKS if isinstance(place.get(name), dict)}


def _with_links(raw: Json, found: Json) -> Json:
    """What `resources` says itself counts."""
    known = mapping(raw.get("resources"))
    missing = {name: link for name, link in found.items() if known.get(name) is None}
    return raw | {"resources": known | missing} if missing else raw
