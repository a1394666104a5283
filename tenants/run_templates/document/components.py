"""Settings of a run's stack components that a re-run may change: plain values, each allowed here by its name.

Types and limits come from the flavor's schema as the tenant's server told it when the template was made. That schema is
of settings and configuration together (ZenML 0.98), so that names have to be listed; what decides about images,
accounts, secrets, environment, volumes or privileges is not among them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tenants.run_templates.document.schema import (
    LONGEST_DESCRIPTION,
    Field,
    Kind,
    Room,
    field_of,
    flatten,
    is_name,
    mapping,
    measure,
    same,
)

KEY = "stack_components"  # beside what ZenML wrote into the stored snapshot
BY_NAME = (0, 94, 3)  # ZenML's settings are of a component's name since then, before of its flavor
MOST_COMPONENTS, MOST_VALUES = 10, 1000  # of a stack; and in the schema of one setting
WIDGETS = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.STRING, Kind.BOOLEAN, Kind.ENUM})
_KUBERNETES = (
    *("job_name_prefix", "ttl_seconds_after_finished", "active_deadline_seconds"),
    *("api_request_timeout", "max_api_retries"),
)
_DATABRICKS = (
    *("spark_version", "num_workers", "node_type_id", "driver_node_type_id", "autotermination_minutes"),
    *("availability_type", "timeout_seconds", "task_timeout_seconds"),
)
_AZUREML = (
    *("mode", "size", "tier", "shm_size", "min_instances", "max_instances"),
    *("idle_time_before_shutdown_minutes", "idle_time_before_scaledown_down"),
)
_MODAL = ("gpu", "region", "cloud", "timeout")
_SKYPILOT = (
    *("instance_type", "use_spot", "region", "zone", "disk_size", "disk_tier", "num_nodes"),
    *("retry_until_up", "idle_minutes_to_autostop", "down"),
)
ALLOWED: dict[str, tuple[str, ...]] = {
    "orchestrator.kubernetes": (
        *("max_parallelism", *_KUBERNETES, "backoff_limit_margin", "orchestrator_job_backoff_limit"),
        *("job_monitoring_interval", "job_monitoring_delay", "interrupt_check_interval"),
        *("pod_stop_grace_period", "prevent_orchestrator_pod_caching"),
    ),
    "orchestrator.sagemaker": (
        *("instance_type", "volume_size_in_gb", "max_runtime_in_seconds"),
        *("keep_alive_period_in_seconds", "use_training_step"),
    ),
    "orchestrator.databricks": (
        *_DATABRICKS,
        *("max_concurrent_runs", "max_retries", "min_retry_interval_millis", "retry_on_timeout"),
    ),
    "orchestrator.azureml": _AZUREML,
    "orchestrator.modal": _MODAL,
    # Kept all the same: what takes runs over, or leaves containers behind, has to be known.
    "orchestrator.vertex": (),
    "orchestrator.local_docker": (),
    "orchestrator.lightning": ("machine_type",),
    "orchestrator.kubeflow": ("timeout",),
    "orchestrator.tekton": ("timeout",),
    **{f"orchestrator.vm_{cloud}": _SKYPILOT for cloud in ("aws", "azure", "gcp", "lambda", "kubernetes")},
    "step_operator.kubernetes": ("pod_count", *_KUBERNETES),
    "step_operator.sagemaker": ("instance_type",),
    "step_operator.vertex": (
        *("accelerator_type", "accelerator_count", "machine_type", "boot_disk_size_gb", "boot_disk_type"),
    ),
    "step_operator.databricks": _DATABRICKS,
    "step_operator.azureml": _AZUREML,
    "step_operator.modal": _MODAL,
}
TYPES = frozenset(key.partition(".")[0] for key in ALLOWED)


@dataclass(frozen=True)
class StackComponent:
    """A component with what may be set. `key`: of its settings, as ZenML writes it."""

    key: str
    label: str  # "orchestrator k8s (kubernetes)"
    fields: tuple[Field, ...]

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {entry.name: entry for entry in self.fields}

    def allowed(self, values: Any) -> dict[str, Any]:
        """Of its settings, those that may be changed and are set."""
        return {
            name: value
            for name, value in mapping(values).items()
            if name in self.by_name and value is not None
        }

    def merged(self, recorded: Any, before: Any, after: Any) -> dict[str, Any]:
        """Its settings for the server: what differs from before is set or taken out, all else is as recorded."""
        old, new = self.allowed(before), self.allowed(after)
        changed = {name for name in self.by_name if not same(old.get(name), new.get(name))}
        others = {name: one for name, one in mapping(recorded).items() if name not in changed}
        return {**others, **{name: value for name, value in new.items() if name in changed}}


# -- what is kept with the snapshot


def schema_kept(kind: str, flavor: str, schema: Any) -> dict[str, Any]:
    """Of the schema of a flavor, what is allowed here and fits an input: {setting: its schema without references}."""
    root = {"$defs": {}, **mapping(schema)}
    known = mapping(root.get("properties"))
    names = [name for name in ALLOWED.get(f"{kind}.{flavor}", ()) if isinstance(known.get(name), dict)]
    found = {name: _plain(known[name], root) for name in names if not known[name].get("deprecated")}
    return {name: one for name, one in found.items() if one}


def _plain(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """{} for what no input can show."""
    flat, _ = flatten(schema, root)
    flat.pop("default", None)
    if isinstance(flat.get("description"), str):
        flat["description"] = flat["description"][:LONGEST_DESCRIPTION]
    size = measure(flat, MOST_VALUES)
    return {} if size.values > MOST_VALUES or size.is_odd or not size.is_json else flat


# -- what was recorded


def components_of(snapshot: Mapping[str, Any]) -> tuple[StackComponent, ...]:
    """The components of a stored snapshot that have something to set; () for one that was stored without them."""
    kept, room = snapshot.get(KEY), Room(MOST_VALUES, MOST_VALUES)
    given = [mapping(one) for one in kept[:MOST_COMPONENTS]] if isinstance(kept, list) else []
    found = [_component(one, snapshot, room) for one in given]
    return tuple({one.key: one for one in found if one and one.fields}.values())


def _component(kept: Mapping[str, Any], snapshot: Mapping[str, Any], room: Room) -> StackComponent | None:
    kind, name, flavor = (kept.get(part) for part in ("type", "name", "flavor"))
    if not (is_name(kind) and kind in TYPES and is_name(name) and is_name(flavor)):
        return None
    key, label = settings_key(kind, name, flavor, snapshot), f"{kind.replace('_', ' ')} {name} ({flavor})"
    schemas = schema_kept(kind, flavor, {"properties": kept.get("settings")})
    root: dict[str, Any] = {"$defs": {}}
    found = [field_of(one, "", one, schema, root, None, False, room) for one, schema in schemas.items()]
    return StackComponent(key, label, tuple(one for one in found if one.kind in WIDGETS and not one.secret))


def settings_key(kind: str, name: str, flavor: str, snapshot: Mapping[str, Any]) -> str:
    """As it was recorded; where nothing was, as this version of ZenML reads it. It reads one of both, never two."""
    by_name, by_flavor = f"{kind}:{name}", f"{kind}.{flavor}"
    recorded = {*_recorded_keys(mapping(snapshot.get("metadata")))}
    if by_name in recorded or by_flavor in recorded:
        return by_name if by_name in recorded else by_flavor
    said = re.match(
        r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", str(mapping(snapshot.get("metadata")).get("server_version"))
    )
    return by_flavor if said and tuple(map(int, said.groups())) < BY_NAME else by_name


def _recorded_keys(metadata: Mapping[str, Any]) -> Iterator[str]:
    yield from mapping(mapping(metadata.get("pipeline_configuration")).get("settings"))
    for step in mapping(metadata.get("step_configurations")).values():
        yield from mapping(mapping(mapping(step).get("config")).get("settings"))


def allowed_settings(settings: Any, components: tuple[StackComponent, ...]) -> dict[str, Any]:
    """Of recorded settings, those of components that may be changed, by the keys of the components."""
    found = {one.key: one.allowed(mapping(settings).get(one.key)) for one in components}
    return {key: values for key, values in found.items() if values}


def merged_settings(
    recorded: Any, before: Any, after: Any, components: tuple[StackComponent, ...]
) -> dict[str, Any]:
    """Settings for the server: resources and what a component may be set to as in `after`, all else as recorded."""
    kept, old, new = mapping(recorded), mapping(before), mapping(after)
    own = {one.key: one.merged(kept.get(one.key), old.get(one.key), new.get(one.key)) for one in components}
    own["resources"] = new.get("resources")
    others = {key: value for key, value in kept.items() if key not in own}
    return {**others, **{key: value for key, value in own.items() if value}}
