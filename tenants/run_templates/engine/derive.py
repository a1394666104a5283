"""From a queued re-run to a snapshot and a placeholder run inside the tenant (rerun §2, steps 3 to 5).

Every call is made as the person who asked for the re-run. Each id is written to the row before the next call, so
that whoever is killed in between can be followed by another who does nothing twice.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from tenants.hosting.answers import identifier
from tenants.hosting.base import TenantConflict, TenantNotFound, TenantRefused
from tenants.run_templates.document.components import StackComponent, components_of, merged_settings
from tenants.run_templates.document.configuration import Change, changes, default_configuration
from tenants.run_templates.document.hidden import revealed
from tenants.run_templates.document.schema import Description, describe, in_order, mapping
from tenants.run_templates.document.sealed_secrets import opener
from tenants.run_templates.engine.docker_containers import labelled, settings_in_docker
from tenants.run_templates.engine.other_stacks import moved, other_stack
from tenants.run_templates.engine.remote_stacks import build_of, not_waited_for, why_no_images
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.runs.client import TenantClient
from tenants.usage.models import Feature
from tenants.usage.quotas import refusal
from zenpro_site.common.sealing import SecretsUnreadable

Json = dict[str, Any]
MARK = (
    "zenpro_template_run"  # in the snapshot's client_environment: how we find a snapshot we were killed after
)
VERSION_ID = "model_version_id"
RECENT = 20
PASSING = frozenset({401, 408, 425, 429})


class DeriveFailed(Exception):
    """The tenant said no; `reason` is a sentence for people. Nothing of the re-run is left in the tenant."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def is_passing(refused: TenantRefused) -> bool:
    """Is it worth asking again? A tenant answers 500, and 401 to a login, while it cannot reach us."""
    return refused.status in PASSING or refused.status >= 500


def derive(run: TemplateRun, client: TenantClient, *, again: bool = False) -> None:
    """Make the snapshot and the placeholder run of a re-run, and write their ids to its row.

    `again`: an earlier attempt may have come some way, so look first. Raises DeriveFailed; TenantUnreachable
    or TenantRefused when it should be tried again.
    """
    if run.zenml_run_id:
        return
    if not run.zenml_snapshot_id:
        found = _find_snapshot(run, client) if again else None
        _save(run, zenml_snapshot_id=found or _create_snapshot(run, client))
    found = _find_run(run, client) if again else None
    _save(run, zenml_run_id=found or _create_run(run, client))


def _save(run: TemplateRun, **values) -> None:
    vars(run).update(values)
    TemplateRun.objects.filter(pk=run.pk).update(**values)


def _find_snapshot(run: TemplateRun, client: TenantClient) -> UUID | None:
    """The snapshot of an attempt that was killed before it could write down the id."""
    template = run.template
    pipeline = _pipeline_id(template.snapshot)
    for snapshot in client.newest_snapshots(template.project_id, pipeline, RECENT):
        marked = mapping(mapping(snapshot.get("metadata")).get("client_environment")).get(MARK)
        if marked == str(run.pk):
            return identifier(snapshot.get("id"))
    return None


def _find_run(run: TemplateRun, client: TenantClient) -> UUID | None:
    """The placeholder run, which has its snapshot for itself."""
    found = client.runs(run.template.project_id, size=1, snapshot_id=run.zenml_snapshot_id)
    return found.items[0].id if found.items else None


def _create_snapshot(run: TemplateRun, client: TenantClient) -> UUID:
    if reason := why_no_images(run.template, lambda: client):
        raise DeriveFailed(reason)
    body = _body(run, client)
    body["client_environment"] = {MARK: str(run.pk)}
    if run.continues_id:
        skipped = {"steps_to_skip": run.taken_over, "skip_successful_steps": False}
        body["pipeline_configuration"] = {**body["pipeline_configuration"], **skipped}
    try:
        try:
            return UUID(client.create_snapshot(body)["id"])
        except TenantNotFound:
            # The recorded snapshot may have been deleted since: then there is nothing to link to.
            return UUID(client.create_snapshot({**body, "source_snapshot": None})["id"])
    except TenantRefused as refused:
        if is_passing(refused):
            raise
        raise DeriveFailed(f"The tenant did not accept the configuration: {refused.reason}") from refused


def _body(run: TemplateRun, client: TenantClient) -> Json:
    """For the template's stack, or the other one that was chosen. Raises DeriveFailed where it can't go there."""
    body = snapshot_body(run.template, run.configuration)
    if key := settings_in_docker(run.template.snapshot):
        return labelled(body, key, run.pk)
    if run.stack_id is None:
        return body
    other = other_stack(run.template, run.stack_id, client)
    if other.refusal:
        raise DeriveFailed(f"This run can't go to {run.stack}. {other.refusal}")
    return moved(body, other, client.stack(run.template.stack_id))


def _create_run(run: TemplateRun, client: TenantClient) -> UUID:
    try:
        return client.create_run(run_body(run)).id
    except TenantRefused as refused:
        # A call that arrived may be answered with an error all the same: 409 to its repetition, 500 by mishap.
        if found := _find_run(run, client):
            return found
        if is_passing(refused):
            raise
        _drop_snapshot(run, client)
        raise DeriveFailed(_why_no_run(run, refused)) from refused


def _why_no_run(run: TemplateRun, refused: TenantRefused) -> str:
    if isinstance(refused, TenantConflict):
        return f"A run named “{run.run_name}” already exists. Choose another name, or use {{time}} in it."
    if refused.status == HTTPStatus.PAYMENT_REQUIRED:  # used up since it was queued
        return refusal(run.template.tenant, Feature.RUN) or refused.reason
    return f"The tenant did not accept the run: {refused.reason}"


def _drop_snapshot(run: TemplateRun, client: TenantClient) -> None:
    try:
        client.delete_snapshot(run.zenml_snapshot_id)
    except TenantRefused:
        return  # an unnamed snapshot without a run is seen by no one
    _save(run, zenml_snapshot_id=None)


def run_body(run: TemplateRun) -> Json:
    template = run.template
    tags = run.configuration.get("tags") or []
    body = {
        "name": run.run_name,
        "snapshot": str(run.zenml_snapshot_id),
        "pipeline": _pipeline_id(template.snapshot),
        "project": str(template.project_id),
        "status": "initializing",
        "start_time": datetime.now(UTC).replace(tzinfo=None).isoformat(),
        "tags": tags,
    }
    if run.continues_id:
        body["original_run_id"] = str(run.continues.zenml_run_id)
    elif run.configuration.get("skip_successful_steps") or run.configuration.get("steps_to_skip"):
        body["original_run_id"] = str(template.source_run_id)
    return body


def snapshot_body(template: RunTemplate, document: Mapping[str, Any]) -> Json:
    """The recorded snapshot with the values of a complete document, as POST /pipeline_snapshots wants it.

    Only what differs is touched; the rest stays as ZenML wrote it.
    """
    snapshot = deepcopy(template.snapshot)
    metadata = snapshot["metadata"]
    default, description = default_configuration(snapshot), describe(snapshot)
    components = components_of(snapshot)
    for change in changes(default, document):
        _apply(_in_clear(change, template, description, metadata), metadata, components)
    _apply_cache_switch(default, document, metadata)
    _wait_for_no_end(metadata, not_waited_for(snapshot))
    metadata["step_configurations"] = in_order(mapping(metadata.get("step_configurations")))
    return {
        "project": str(template.project_id),
        "stack": str(template.stack_id),
        "pipeline": _pipeline_id(snapshot),
        "is_dynamic": bool(mapping(snapshot.get("body")).get("is_dynamic")),
        "run_name_template": document.get("run_name") or default["run_name"],
        "source_snapshot": str(template.source_snapshot_id),
        "code_reference": _code_reference(snapshot),
        "build": _text(build_of(template)),
        **{key: metadata.get(key) for key in KEPT},
    }


def _wait_for_no_end(metadata: Json, wanted: Mapping[str, Json]) -> None:
    configuration = metadata["pipeline_configuration"]
    for key, settings in wanted.items():
        known = mapping(configuration.get("settings"))
        configuration["settings"] = {**known, key: {**mapping(known.get(key)), **settings}}


def _text(build: UUID | None) -> str | None:
    return str(build) if build else None


def _in_clear(change: Change, template: RunTemplate, description: Description, metadata: Json) -> Change:
    """The change with its secrets, as the tenant has to get them. Raises DeriveFailed when they cannot be read."""
    entry = description.by_path.get(change.path)
    if entry is None or not entry.hides:
        return change
    recorded = mapping(_holders(change.step, metadata)[-1].get("parameters")).get(change.name)
    try:
        return replace(change, after=revealed(entry, change.after, recorded, opener(template)))
    except SecretsUnreadable as error:
        raise DeriveFailed(f"A secret of this run can't be read: {error}") from error


KEPT = (
    "pipeline_configuration",
    "step_configurations",
    "pipeline_spec",
    "pipeline_version_hash",
    "source_code",
    "code_path",
    "client_version",
    "server_version",
)


def _pipeline_id(snapshot: Mapping[str, Any]) -> str | None:
    return mapping(snapshot.get("body")).get("pipeline_id")


def _code_reference(snapshot: Mapping[str, Any]) -> Json | None:
    reference = mapping(mapping(snapshot.get("resources")).get("code_reference"))
    if not reference:
        return None
    said = {**mapping(reference.get("metadata")), **mapping(reference.get("body"))}
    repository = said.get("code_repository")
    known = {"commit": said.get("commit"), "subdirectory": said.get("subdirectory") or ""}
    return {**known, "code_repository": mapping(repository).get("id", repository)}


def _apply(change: Change, metadata: Json, components: tuple[StackComponent, ...]) -> None:
    for holder in _holders(change.step, metadata):
        if change.is_parameter:
            holder["parameters"] = {**mapping(holder.get("parameters")), change.name: change.after}
        elif change.name == "settings":
            wanted = (change.before, change.after, components)
            holder["settings"] = merged_settings(holder.get("settings"), *wanted)
        elif change.name == "extra":
            holder["extra"] = change.after or {}
        elif change.name == "model":
            holder["model"] = _model(change)
        else:
            holder[change.name] = change.after


def _model(change: Change) -> Any:
    """ZenML goes by a recorded version's id before it looks at name and version (0.98)."""
    before, after = mapping(change.before), mapping(change.after)
    is_another = any(before.get(key) != after.get(key) for key in ("name", "version"))
    is_stale = bool(before.get(VERSION_ID)) and after.get(VERSION_ID) == before[VERSION_ID]
    return {**after, VERSION_ID: None} if is_another and is_stale else change.after


def _holders(step: str, metadata: Json) -> list[Json]:
    """What the server keeps for the run, or for a step: what the step sets itself, and that with the run's."""
    if not step:
        return [metadata["pipeline_configuration"]]
    configuration = metadata["step_configurations"][step]
    return [configuration[key] for key in ("step_config_overrides", "config") if key in configuration]


def _apply_cache_switch(default: Mapping[str, Any], document: Mapping[str, Any], metadata: Json) -> None:
    """A changed switch of the run counts for every step that does not get its own (rerun §8)."""
    switch = document.get("enable_cache")
    if switch is None or switch == default.get("enable_cache"):
        return
    for name, step in default["steps"].items():
        given = mapping(mapping(document.get("steps")).get(name)).get("enable_cache")
        if given == step.get("enable_cache"):
            for holder in _holders(name, metadata):
                holder["enable_cache"] = switch
