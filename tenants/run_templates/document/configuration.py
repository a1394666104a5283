"""The configuration document of a re-run: from a snapshot, a form or YAML, checked, and compared.

The document has the shape of ZenML's own configuration file: run_name, enable_cache, tags, extra, ... and
steps.<step>.{parameters, enable_cache, ...}. What it leaves out is as in the template. Only what is listed here may be
set (rerun §4). Pure functions: no database, no network.
"""

import math
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any

from tenants.run_templates.document import run_names
from tenants.run_templates.document.components import StackComponent, allowed_settings, components_of
from tenants.run_templates.document.hidden import hidden_places
from tenants.run_templates.document.messages import place_of
from tenants.run_templates.document.schema import (
    HALF,
    Description,
    Field,
    Kind,
    Room,
    describe,
    mapping,
    measure,
    same,
    walk,
)
from tenants.run_templates.document.validation import Budget, located
from tenants.run_templates.document.yaml_text import YamlError, dump_yaml, load_yaml

__all__ = ["YamlError", "dump_yaml", "load_yaml"]

RUN_NAME_LENGTH = run_names.LENGTH
DEEPEST_DOCUMENT, MAX_VALUES = 46, 30_000  # a value may be MAX_DEPTH deep, and lies in five others
SETTINGS_VALUES, SETTINGS_CHARACTERS = 4000, 50_000  # of all recorded settings that people edit
MAX_PROBLEMS = 50
LONGEST_TEXT = 80  # of what someone wrote, in a sentence about it
MAX_INTEGER = 2**63 - 1
PLACEHOLDERS = ("date", "time")
FILLED_IN = "“${” is not allowed here: ZenML could fill in an environment variable."

_TEXT = {"type": ["string", "null"], "maxLength": 250}
_SWITCH = {"type": ["boolean", "null"]}
_OBJECT = {"type": ["object", "null"]}
_RESOURCES = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "cpu_count": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "gpu_count": {"type": ["integer", "null"], "minimum": 0},
        "gpu_class": _TEXT,
        "memory": {"type": ["string", "null"], "format": "zenml-memory"},
    },
}
_SETTINGS = {**_OBJECT, "additionalProperties": False, "properties": {"resources": _RESOURCES}}
_MODEL = {
    **_OBJECT,
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 250},
        "version": {"type": ["string", "integer", "null"]},
        "description": _TEXT,
        "license": _TEXT,
        **dict.fromkeys(("audience", "use_cases", "limitations", "trade_offs", "ethics"), _TEXT),
        "tags": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}},
        "save_models_to_registry": {"type": "boolean"},
    },
}
_TAGS = {
    "type": ["array", "null"],
    "items": {"type": "string", "minLength": 1, "maxLength": 250},
    "uniqueItems": True,
    "maxItems": 50,
}
_RETRY = {
    **_OBJECT,
    "additionalProperties": False,
    "properties": {
        "max_retries": {"type": "integer", "minimum": 1, "maximum": 100},
        "delay": {"type": "integer", "minimum": 0},
        "backoff": {"type": "integer", "minimum": 0},
    },
}
RUN_SETTINGS: dict[str, dict[str, Any]] = {
    "enable_cache": _SWITCH,
    "tags": _TAGS,
    "extra": _OBJECT,
    "model": _MODEL,
    "settings": _SETTINGS,
    "retry": _RETRY,
    "skip_successful_steps": _SWITCH,
    "steps_to_skip": {"type": ["array", "null"], "items": {"type": "string"}, "uniqueItems": True},
}
STEP_SETTINGS: dict[str, dict[str, Any]] = {
    "enable_cache": _SWITCH,
    "settings": _SETTINGS,
    "extra": _OBJECT,
    "retry": _RETRY,
}
# Known to ZenML, but not for a re-run: what the code, the environment or an administrator decides.
LOCKED = {
    *("build", "schedule", "environment", "secrets", "cache_policy", "step_operator", "experiment_tracker"),
    *(
        "outputs",
        "materializers",
        "docker",
        "stack",
        "execution_mode",
        "substitutions",
        "template",
        "runtime",
    ),
    *("on_failure", "on_success", "enable_step_logs", "enable_pipeline_logs", "code"),
}


@dataclass(frozen=True, slots=True)
class DocumentFault:
    """What is wrong, and where: `path` is a field's path, or "" for the whole document.

    `within`: where inside the field's value; `message` says that too, `short` does not.
    """

    path: str
    message: str
    within: tuple[str | int, ...] = ()
    short: str = ""

    @property
    def place(self) -> str:
        """The whole way to it: "steps.train.parameters.booster.rounds"."""
        return ".".join([self.path, *map(str, self.within)])


def fault_within(path: str, within: Iterable[str | int], text: str) -> DocumentFault:
    """A fault somewhere inside the value of a field."""
    within = tuple(within)
    place = place_of(within)
    return DocumentFault(path, f"{place}: {text}" if place else text, within, text)


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from the template; `step` is "" for what concerns the whole run."""

    path: str
    step: str
    name: str
    before: Any
    after: Any

    @property
    def is_parameter(self) -> bool:
        return self.path.startswith("parameters.") or (bool(self.step) and ".parameters." in self.path)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Recorded:
    """What the snapshot of a run says, each part read once and at its first use."""

    snapshot: Mapping[str, Any]
    narrowed: Description | None = None  # the part of it that people see, when that is less than all

    @cached_property
    def schema(self) -> Description:
        """What can be changed."""
        return self.narrowed or describe(self.snapshot)

    @cached_property
    def default(self) -> dict[str, Any]:
        """The document that repeats the run; to be read, not to be changed."""
        return default_configuration(self.snapshot, self.schema, self.components)

    @cached_property
    def components(self) -> tuple[StackComponent, ...]:
        """Stack components that have something to set."""
        return components_of(self.snapshot)

    @cached_property
    def words(self) -> dict[str, str]:
        """Placeholders of run names that the pipeline defines itself."""
        return substitutions(self.snapshot)


def default_configuration(
    snapshot: Mapping[str, Any],
    description: Description | None = None,
    components: tuple[StackComponent, ...] | None = None,
) -> dict[str, Any]:
    """The document that repeats the recorded run, every parameter written out.

    `components`: those of the template, for a snapshot that is none of a template. What is too large for a page is left out, as what a document leaves out is as in the template.
    """
    metadata = mapping(snapshot.get("metadata"))
    pipeline = mapping(metadata.get("pipeline_configuration"))
    description = description or describe(snapshot)
    components = components_of(snapshot) if components is None else components
    room = Room(SETTINGS_VALUES, SETTINGS_CHARACTERS)
    tags, extra = tag_names(pipeline.get("tags")), mapping(pipeline.get("extra"))
    document: dict[str, Any] = {
        "run_name": _run_name(metadata, pipeline),
        "enable_cache": pipeline.get("enable_cache"),
        "tags": tags if room.takes(tags) else [],
        "extra": extra if room.takes(extra) else {},
        **_given(pipeline, ("model", "settings", "retry"), components, room),
    }
    if description.is_dynamic:
        document["parameters"] = {entry.name: entry.default for entry in description.parameters}
    configurations = mapping(metadata.get("step_configurations"))
    document["steps"] = {
        step.name: {
            "parameters": {entry.name: entry.default for entry in step.fields},
            **_given(_config(configurations, step.name), STEP_SETTINGS, components, room),
        }
        for step in description.steps
    }
    return document


def _config(configurations: Mapping[str, Any], step: str) -> dict[str, Any]:
    return mapping(mapping(configurations.get(step)).get("config"))


def _given(recorded, keys: Iterable[str], components, room: Room) -> dict[str, Any]:
    """Those settings that were set in the recorded run; of `settings` the resources, and what components allow."""
    found = {key: recorded.get(key) for key in keys}
    resources = mapping(found.get("settings")).get("resources")
    own = allowed_settings(found.get("settings"), components)
    found["settings"] = {**({"resources": resources} if resources else {}), **own}
    return {key: value for key, value in found.items() if _nothing(value) is not None and room.takes(value)}


def _run_name(metadata: Mapping[str, Any], pipeline: Mapping[str, Any]) -> str:
    """The recorded template; with a placeholder, or the second re-run would find its name taken."""
    name = run_names.template_of(metadata.get("run_name_template"), pipeline.get("name"), "run")
    return name if "{time}" in name else f"{name}-{{date}}-{{time}}"


def tag_names(tags: Any) -> list[str]:
    """Tags are recorded as text or as objects with a name."""
    names = (
        [tag.get("name") if isinstance(tag, dict) else tag for tag in tags] if isinstance(tags, list) else []
    )
    return [name for name in names if isinstance(name, str)]


def completed(document: Mapping[str, Any], recorded: Recorded) -> dict[str, Any]:
    """A valid document with everything it leaves out, whole numbers written as such: what is kept and sent."""
    default, given = recorded.default, mapping(document.get("steps"))
    values = {"parameters": _whole_values(recorded.schema.parameters, document)}
    steps = {}
    for step in recorded.schema.steps:
        own = mapping(given.get(step.name))
        steps[step.name] = {
            **default["steps"][step.name],
            **own,
            "parameters": _whole_values(step.fields, own),
        }
    return {**default, **document, **(values if "parameters" in default else {}), "steps": steps}


def _whole_values(entries: Iterable[Field], holder: Mapping[str, Any]) -> dict[str, Any]:
    given = mapping(holder.get("parameters"))
    return {entry.name: _whole(entry, given.get(entry.name, entry.default)) for entry in entries}


def _whole(entry: Field, value: Any) -> Any:
    """The value as it is sent: as it was recorded when it is that value."""
    if same(value, entry.default):
        return entry.default
    is_whole = entry.kind == Kind.INTEGER and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def values_of(document: Mapping[str, Any], description: Description) -> dict[str, Any]:
    """The values a document gives the fields, by their paths; the template's own where it gives none."""
    steps, found = mapping(document.get("steps")), {}
    groups = [(document, description.parameters)]
    groups += [(mapping(steps.get(step.name)), step.fields) for step in description.steps if step.fields]
    for holder, entries in groups:
        given = mapping(holder.get("parameters"))
        found |= {entry.path: given.get(entry.name, entry.default) for entry in entries}
    return found


def substitutions(snapshot: Mapping[str, Any]) -> dict[str, str]:
    """Placeholders of run names that the recorded pipeline defines itself."""
    pipeline = mapping(mapping(snapshot.get("metadata")).get("pipeline_configuration"))
    return {
        name: value
        for name, value in mapping(pipeline.get("substitutions")).items()
        if isinstance(value, str) and len(value) <= RUN_NAME_LENGTH and name not in PLACEHOLDERS
    }


def expand_run_name(name: str, snapshot: Mapping[str, Any], now: datetime) -> str:
    """The name with its placeholders filled in; `now` in UTC. Never raises, see run_names."""
    return run_names.expand(name, substitutions(snapshot), now)


# What may be set


def problems_of(document: Any, recorded: Recorded) -> list[DocumentFault]:
    """What is wrong with a document, at most one problem per place and MAX_PROBLEMS in all; [] when it may be run.

    Values equal to the recorded ones are right by definition: they have run. A schema may leave a value to the step
    (see checks).
    """
    unfit = _unfit(document)
    if unfit:
        return [unfit]
    if not isinstance(document, dict):
        return [DocumentFault("", "Enter keys and values, such as “steps:”.")]
    found: dict[tuple, DocumentFault] = {}
    for problem in _problems(document, recorded):
        found.setdefault((problem.path, problem.within), problem)
        if len(found) == MAX_PROBLEMS:
            break
    return [*found.values()]


def _problems(document, recorded: Recorded) -> Iterator[DocumentFault]:
    budget, description, default = Budget(), recorded.schema, recorded.default
    components = {one.key: one for one in recorded.components}
    yield from _unsafe(document, description, default)
    yield from _check_run_name(document, recorded)
    yield from _check_settings(document, default, RUN_SETTINGS, "", components, budget)
    yield from _check_pipeline_parameters(document, description, budget)
    yield from _check_steps(document, description, default, components, budget)
    yield from _check_skipped(document, description)


def _unfit(document: Any) -> DocumentFault | None:
    """What later checks could not even look at."""
    size = measure(document, MAX_VALUES)
    if size.depth > DEEPEST_DOCUMENT:
        return DocumentFault("", "The configuration is nested too deeply.")
    if size.values > MAX_VALUES:
        return DocumentFault("", "The configuration contains too many values.")
    if not size.is_json:
        return DocumentFault("", "The configuration contains something that is not JSON.")
    return None


def _unsafe(document: dict[str, Any], description: Description, default) -> Iterator[DocumentFault]:
    """Values that must not be sent to a server whatever the schema says, unless they were recorded like this."""
    for path, part in _touched(document, description, default):
        for where, value in walk(part, path):
            message = _danger(value, description.is_dynamic)
            if message:
                yield DocumentFault(where, message)


def _touched(document: dict[str, Any], description: Description, default) -> Iterator[tuple[str, Any]]:
    """The parts of a document that are not as they were recorded, with their paths."""
    for key, value in document.items():
        if key in ("steps", "parameters") and isinstance(value, dict):
            continue
        yield from _if_touched(key, value, default.get(key))
    yield from _touched_parameters("parameters", document.get("parameters"), description)
    for name, step in mapping(document.get("steps")).items():
        recorded = mapping(default["steps"].get(name))
        if not isinstance(step, dict):
            yield f"steps.{name}", step
            continue
        for key, value in step.items():
            if key != "parameters" or not isinstance(value, dict):
                yield from _if_touched(f"steps.{name}.{key}", value, recorded.get(key))
        yield from _touched_parameters(f"steps.{name}.parameters", step.get("parameters"), description)


def _touched_parameters(path: str, parameters: Any, description: Description) -> Iterator[tuple[str, Any]]:
    for name, value in mapping(parameters).items():
        entry = description.by_path.get(f"{path}.{name}")
        if entry is None or not (same(value, entry.default) or _is_chosen(entry, value)):
            yield f"{path}.{name}", value


def _is_chosen(entry: Field, value: Any) -> bool:
    """Is it one of the choices, or a list of them? They come from ZenML as well, whatever they hold."""
    values = value if entry.kind == Kind.LIST and isinstance(value, list) else [value]
    return bool(entry.choices) and all(
        not isinstance(one, dict | list) and (type(one), repr(one)) in entry.choice_of for one in values
    )


def _if_touched(path: str, value: Any, recorded: Any) -> Iterator[tuple[str, Any]]:
    if not same(value, recorded):
        yield path, value


def _danger(value: Any, is_dynamic: bool) -> str:
    """A dynamic pipeline may call another one, into whose values ZenML fills environment variables of the run (0.98)."""
    if isinstance(value, str):
        if is_dynamic and "${" in value:
            return "“${” is not allowed in a dynamic pipeline: ZenML could fill in an environment variable."
        return "The text contains a character that cannot be stored." if cannot_be_stored(value) else ""
    if isinstance(value, float) and not math.isfinite(value):
        return "Enter a finite number."
    is_large = isinstance(value, int) and abs(value) > MAX_INTEGER
    return "The number is too large." if is_large else ""


def cannot_be_stored(text: str) -> bool:
    """PostgreSQL keeps neither NUL nor half characters."""
    return "\0" in text or bool(HALF.search(text))


def _check_run_name(document, recorded: Recorded) -> Iterator[DocumentFault]:
    usual = recorded.default["run_name"]
    name = document.get("run_name", usual)
    if name == usual:
        return
    if not isinstance(name, str) or not name.strip():
        yield DocumentFault("run_name", "Enter a name for the run.")
    elif not name.isprintable() or name != name.strip():
        yield DocumentFault("run_name", "A name is one line without spaces around it.")
    elif message := _misused_placeholder(name, [*PLACEHOLDERS, *recorded.words]):
        yield DocumentFault("run_name", message)
    elif run_names.length(name, recorded.words) > RUN_NAME_LENGTH:
        yield DocumentFault("run_name", f"A name can have at most {RUN_NAME_LENGTH} characters.")


def _misused_placeholder(name: str, known: list[str]) -> str:
    allowed = " and ".join(f"{{{cut(word)}}}" for word in known[:10])
    try:
        parts = list(string.Formatter().parse(name))
    except ValueError:
        return f"Braces are only for the placeholders {allowed}."
    for _, placeholder, specification, conversion in parts:
        if placeholder is not None and (placeholder not in known or specification or conversion):
            return f"{{{cut(placeholder)}}} is not a placeholder; {allowed} are."
    return ""


def _check_settings(
    document, default, schemas, prefix, components, budget: Budget
) -> Iterator[DocumentFault]:
    """The allowlisted keys of the run or of one step; all others are refused by name."""
    structure = ("parameters",) if prefix else ("run_name", "parameters", "steps")
    for key, value in document.items():
        path = f"{prefix}{key}"
        if key in structure:
            continue
        if key not in schemas:
            yield DocumentFault(path, _why_not(key, prefix))
        elif not same(value, default.get(key)):
            recorded = default.get(key)
            if key == "settings" and isinstance(value, dict):
                yield from _check_components(path, value, mapping(recorded), components, budget)
                value = {name: one for name, one in value.items() if name not in components}
            yield from _check_setting(path, schemas[key], value, recorded, components, budget)


def _check_components(path: str, settings, default, components, budget: Budget) -> Iterator[DocumentFault]:
    """What is known of a component by its schema may be set, each to what the schema allows or to nothing."""
    for key, component in components.items():
        given, recorded = settings.get(key), mapping(default.get(key))
        if given is not None and not isinstance(given, dict):
            yield fault_within(path, [key], "Enter keys and values.")
        for name, value in mapping(given).items():
            entry = component.by_name.get(name)
            if entry is None:
                yield fault_within(path, [key, name], f"“{cut(name)}” cannot be set here.")
            elif isinstance(value, str) and "${" in value and value != recorded.get(name):
                yield fault_within(path, [key, name], FILLED_IN)
            elif value is not None and not same(value, recorded.get(name)):
                for within, text in located(entry.schema, value, budget)[:1]:
                    yield fault_within(path, [key, name, *within], text)


def _check_setting(
    path: str, schema: Mapping[str, Any], value: Any, recorded: Any, components, budget: Budget
) -> Iterator[DocumentFault]:
    if path.endswith("settings"):
        locked = [key for key in mapping(value) if key != "resources"]
        if locked:
            known = " and ".join(f"“{cut(key)}”" for key in ("resources", *components))
            message = f"“{cut(locked[0])}” cannot be set here; only {known} can."
            yield DocumentFault(f"{path}.{locked[0]}", message)
            return
    faults = located(schema, _without_recorded(value, recorded, schema), budget)
    new = (fault for fault in faults if not _is_recorded(fault[0], value, recorded))
    for within, text in islice(new, 1):
        yield fault_within(path, within, text)


def _without_recorded(value: Any, recorded: Any, schema: Mapping[str, Any]) -> Any:
    """Without what is unknown here and as ZenML recorded it: a model has a dozen keys beside its name."""
    known = schema.get("properties")
    if not (known and isinstance(value, dict) and isinstance(recorded, dict)):
        return value
    return {
        key: _without_recorded(inner, recorded.get(key), known.get(key, {}))
        for key, inner in value.items()
        if key in known or not (key in recorded and same(inner, recorded[key]))
    }


def _is_recorded(within: tuple[str | int, ...], value: Any, recorded: Any) -> bool:
    """Is what lies there as it was recorded? The whole is not: something in it has changed."""
    for key in within:
        try:
            value, recorded = value[key], recorded[key]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(within) and same(value, recorded)


def _why_not(key: str, prefix: str) -> str:
    what = "a step" if prefix else "a run"
    if key in LOCKED or key.endswith("_source") or "hook" in key:
        return f"“{cut(key)}” cannot be changed in a re-run."
    return f"“{cut(key)}” is not a setting of {what}."


def cut(text: str) -> str:
    """What someone wrote, for a sentence about it."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def _check_pipeline_parameters(document, description: Description, budget: Budget) -> Iterator[DocumentFault]:
    parameters = document.get("parameters")
    if parameters in (None, {}):
        return
    if not description.is_dynamic:
        yield DocumentFault("parameters", "This pipeline takes its values per step: set them under “steps”.")
    else:
        yield from _check_parameters(parameters, "parameters", description, "the pipeline", budget)


def _check_steps(
    document, description: Description, default, components, budget: Budget
) -> Iterator[DocumentFault]:
    steps = document.get("steps")
    if steps is not None and not isinstance(steps, dict):
        yield DocumentFault("steps", "Enter the steps as keys and values.")
        return
    for name, step in (steps or {}).items():
        path = f"steps.{name}"
        if name not in description.by_step:
            known = ", ".join(islice(description.by_step, 20))
            yield DocumentFault(path, f"There is no step “{cut(name)}”. Steps: {known}.")
        elif step is not None and not isinstance(step, dict):
            yield DocumentFault(path, "Enter keys and values, such as “parameters:”.")
        elif step:
            recorded = default["steps"][name]
            yield from _check_settings(step, recorded, STEP_SETTINGS, f"{path}.", components, budget)
            if step.get("parameters") is not None:
                yield from _check_parameters(
                    step["parameters"], f"{path}.parameters", description, f"step “{name}”", budget
                )


def _check_parameters(
    parameters, path: str, description: Description, owner: str, budget: Budget
) -> Iterator[DocumentFault]:
    if not isinstance(parameters, dict):
        yield DocumentFault(path, "Enter the parameters as keys and values.")
        return
    for name, value in parameters.items():
        entry = description.by_path.get(f"{path}.{name}")
        if entry is None:
            yield DocumentFault(f"{path}.{name}", f"There is no parameter “{cut(name)}” in {owner}.")
        else:
            yield from _check_value(entry, value, budget)


def _check_value(entry: Field, value: Any, budget: Budget) -> Iterator[DocumentFault]:
    """What is wrong with a value for one field; of a list of plain values only the first."""
    if same(value, entry.default):
        return
    most, hidden = None if entry.kind == Kind.JSON else 1, {*hidden_places(entry, value)}
    for within, text in located(entry.schema, value, budget)[:most]:
        if within not in hidden:
            yield fault_within(entry.path, within, text)
    if not has_empty_key(entry.default):
        for within in islice(_empty_keys(value), 1):
            yield fault_within(entry.path, within, "Enter a key.")


def has_empty_key(value: Any) -> bool:
    """Is there an object somewhere in it that has a key without a character?"""
    return next(_empty_keys(value), None) is not None


def _empty_keys(value: Any) -> Iterator[tuple[str | int, ...]]:
    waiting: list[tuple[tuple, Any]] = [((), value)]
    while waiting:
        where, current = waiting.pop()
        if isinstance(current, dict):
            if "" in current:
                yield (*where, "")
            waiting += [((*where, key), inner) for key, inner in current.items()]
        elif isinstance(current, list):
            waiting += [((*where, number), inner) for number, inner in enumerate(current)]


def _check_skipped(document, description: Description) -> Iterator[DocumentFault]:
    skipped = document.get("steps_to_skip")
    for name in skipped if isinstance(skipped, list) else []:
        if not isinstance(name, str) or name not in description.by_step:
            yield DocumentFault("steps_to_skip", f"There is no step “{cut(str(name))}”.")
            return


# What differs


def changes(default: Mapping[str, Any], document: Mapping[str, Any]) -> list[Change]:
    """Values of `document` that differ from `default`, in the order of `default`; the run's name is not one."""
    run = _keys(_cached(default), _cached(document), RUN_SETTINGS)
    found = [_change("", key, default, document) for key in run]
    found += _parameter_changes("", default, document)
    before, after = mapping(default.get("steps")), mapping(document.get("steps"))
    for name in before:
        old, new = mapping(before[name]), mapping(after.get(name))
        found += _parameter_changes(name, old, new)
        found += [_change(name, key, old, new) for key in _keys(old, new, STEP_SETTINGS)]
    return found


def _parameter_changes(step: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    before, after = mapping(old.get("parameters")), mapping(new.get("parameters"))
    prefix = f"steps.{step}.parameters" if step else "parameters"
    return [
        Change(f"{prefix}.{name}", step, name, before[name], after[name])
        for name in before
        if name in after and not same(before[name], after[name])
    ]


def _keys(old: Mapping[str, Any], new: Mapping[str, Any], known) -> list[str]:
    """Settings that the document gives another value; an empty one is as good as none."""
    return [key for key in known if key in new and not same(_nothing(old.get(key)), _nothing(new[key]))]


def _cached(document: Mapping[str, Any]) -> dict[str, Any]:
    """A run caches unless it is told not to, so that no word about it is the same as yes."""
    unsaid = document.get("enable_cache", False) is None
    return {**document, "enable_cache": True} if unsaid else dict(document)


def _nothing(value: Any) -> Any:
    return None if value in ({}, []) else value


def _change(step: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    return Change(f"steps.{step}.{key}" if step else key, step, key, old.get(key), new.get(key))


def summary(description: Description, found: list[Change]) -> str:
    """The sentence “2 of 14 values changed”: parameters, and other settings only when they changed."""
    settings = sum(not change.is_parameter for change in found)
    total = len(description.fields) + settings
    return f"{len(found)} of {total} value{'s' * (total != 1)} changed" if total else "Nothing to change"
