"""What one run says of itself, as single values by their places, so that runs can be compared.

Nothing here asks a server, and nothing that a server said is trusted: sizes are bounded and types looked at.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from tenants.hosting.answers import is_number, line, listing, mapping
from tenants.runs.client import Json, Run, Step, meta, name_of, resources
from tenants.runs.earlier_steps import HANDED_ON, Origins, is_handed_on, line_of, logged_by
from zenpro_site.common.ui import duration

DEEPEST = 12  # levels of a nested value that get rows of their own
VALUES = 3000  # of one group of one run
STEPS = 1000  # of one run
SHOWN = 140  # characters of a value on a page
PACKAGES = 2000
VERSIONS = 20  # of one output of a step
MISREAD = 40  # characters; longer text is taken for nothing else
CODE = "code version"
RECORDED = frozenset({CODE, "stack", "commit", "python", "zenml"})  # what every run has, known or not
RUN_KEYS = ("enable_cache", "retry", "model", "settings", "extra")
# What ZenML's materializers write for every artifact of their type (0.98.0).
OF_FILES = {"storage_size", "length", "shape", "dtype", "nnz", "width", "height"}
OF_NUMBERS = {"mean", "std", "min", "max"}
OF_MODELS = {
    "num_params",
    "num_trainable_params",
    "num_layers",
    "num_samples",
    "num_batches",
    "batch_size",
}
DESCRIBED = frozenset(OF_FILES | OF_NUMBERS | OF_MODELS)
STEP_KEYS = ("enable_cache", "retry", "model", "settings", "extra", "step_operator", "experiment_tracker")

Path = tuple[str | int, ...]
Place = tuple[str, Path]  # step ("" for the whole run) and path inside


@dataclass(frozen=True)
class RunReading:
    """The answers of a server about one run: `logged` is the metadata of its artifacts by their ids; `unseen`: there
    are steps that were not asked for; `origins`: steps of earlier runs, by their ids, that this one took over; `code`:
    the version of the code that it was started with from here, None for a run that was started elsewhere."""

    run: Run
    steps: tuple[Step, ...] = ()
    snapshot: Json = field(default_factory=dict)
    logged: dict[str, Json] = field(default_factory=dict)
    unseen: bool = False
    origins: Origins = field(default_factory=dict)
    code: "RunValue | None" = None


@dataclass(frozen=True)
class RunValue:
    """One value: as text, and as what makes two of them equal."""

    full: str
    same: tuple
    number: int | float | None = None
    status: str = ""  # of a step

    @property
    def text(self) -> str:
        """The value in one line, cut with its length when it is long."""
        start = line(self.full[:SHOWN].replace("\n", " ⏎ "), SHOWN)
        return start if len(self.full) <= SHOWN else f"{start}… ({len(self.full):,} characters)"


@dataclass(frozen=True)
class RunFacts:
    """All values of one run by group and place, and where its steps come in its order.

    `handed_on`: how a step came to its result, "taken over" or "cached", for those that did not run; what those of
    `unknown` logged is not known.
    """

    run: Run
    values: dict[str, dict[Place, RunValue]]
    positions: dict[str, int]
    unseen: bool = False
    handed_on: dict[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def facts_of(reading: RunReading) -> RunFacts:
    """Everything of a run that is compared. Never raises, whatever the server said."""
    steps = {step.name: step for step in reading.steps[:STEPS]}  # of one that was retried, the last
    configurations = _configurations(reading.snapshot, steps)
    values = {
        "parameters": _parameters(reading, configurations),
        "metadata": _metadata(reading, steps),
        "steps": _steps(reading.run, steps),
        "artifacts": _artifacts(steps),
        "settings": _settings(reading, configurations),
        "packages": _packages(reading.run),
    }
    known = dict.fromkeys([*configurations, *steps])
    places = {name: place for place, name in enumerate(known)}
    handed_on = {name: HANDED_ON[step.status] for name, step in steps.items() if step.status in HANDED_ON}
    unknown = frozenset(name for name in handed_on if is_handed_on(line_of(steps[name], reading.origins)[-1]))
    return RunFacts(reading.run, values, places, reading.unseen, handed_on, unknown)


# -- single values


def value_of(raw: Any) -> RunValue:
    """A value of JSON. 1 and 1.0 are equal, 1 and "1" or true are not."""
    if is_number(raw):
        return RunValue(_dumped(raw), ("number", raw), raw)
    if isinstance(raw, str):
        return RunValue(json.dumps(raw) if _is_misread(raw) else raw, ("text", raw))
    dumped = _dumped(raw)
    return RunValue("none" if raw is None else dumped, ("json", dumped))


def _dumped(raw: Any) -> str:
    try:
        return json.dumps(raw, ensure_ascii=False, sort_keys=True)
    except (ValueError, TypeError, RecursionError):  # integers of thousands of digits, deep lists
        return "unreadable"


def _is_misread(text: str) -> bool:
    """Would it be taken for something else without its quotes?"""
    if len(text) > MISREAD:
        return False
    if not text or text != text.strip() or text == "none":
        return True
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def leaves(value: Any) -> Iterator[tuple[Path, Any]]:
    """The parts of a nested value by their paths; lists of objects by number, other lists as they are."""
    return islice(_leaves(value, ()), VALUES)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    inner = _inner(value) if len(path) < DEEPEST else None
    if inner is None:
        yield path, value
        return
    for key, one in inner:
        yield from _leaves(one, (*path, key))


def _inner(value: Any):
    if isinstance(value, dict) and value:
        return value.items()
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return enumerate(value)
    return None


def words_of(path: Path) -> str:
    """booster.layers[0].size"""
    parts = [f"[{part}]" if isinstance(part, int) else f".{line(part)}" for part in path]
    return line("".join(parts).removeprefix("."))


def _values(step: str, said: Json) -> Iterator[tuple[Place, RunValue]]:
    for path, value in leaves(said):
        if path:
            yield (step, path), value_of(value)


def _bounded(found: Iterator[tuple[Place, RunValue]]) -> dict[Place, RunValue]:
    return dict(islice(found, VALUES))


# -- configuration


def _configurations(snapshot: Json, steps: dict[str, Step]) -> dict[str, Json]:
    """Step -> its configuration: as it ran, else as it was compiled."""
    compiled = mapping(meta(snapshot).get("step_configurations"))
    found = {line(name): mapping(mapping(one).get("config")) for name, one in islice(compiled.items(), STEPS)}
    ran = {name: mapping(meta(step.raw).get("config")) for name, step in steps.items()}
    return found | {name: config for name, config in ran.items() if config or name not in found}


def _pipeline(reading: RunReading) -> Json:
    return mapping(meta(reading.snapshot).get("pipeline_configuration")) or reading.run.config


def _parameters(reading: RunReading, configurations: dict[str, Json]) -> dict[Place, RunValue]:
    def found():
        yield from _values("", mapping(_pipeline(reading).get("parameters")))
        for name, config in configurations.items():
            yield from _values(name, mapping(config.get("parameters")))

    return _bounded(found())


def _settings(reading: RunReading, configurations: dict[str, Json]) -> dict[Place, RunValue]:
    def found():
        if reading.code:
            yield ("", (CODE,)), reading.code
        yield from _values("", _of_the_run(reading.run) | _set(_pipeline(reading), RUN_KEYS))
        for name, config in configurations.items():
            yield from _values(name, _set(config, STEP_KEYS))

    return _bounded(found())


def _set(config: Json, keys: tuple[str, ...]) -> Json:
    """Those settings that were given a value."""
    return {key: pruned for key in keys if (pruned := _pruned(config.get(key))) is not None}


def _pruned(value: Any, depth: int = 0) -> Any:
    """Without what was left at nothing: ZenML writes out every setting it knows."""
    if not isinstance(value, dict) or depth > DEEPEST:
        return None if value in (None, [], {}) else value
    kept = {key: found for key, one in value.items() if (found := _pruned(one, depth + 1)) is not None}
    return kept or None


def _of_the_run(run: Run) -> Json:
    code = mapping(mapping(run.code_reference).get("body"))
    said = {
        "stack": run.stack,
        "tags": sorted(run.tags),
        "commit": line(code.get("commit")),
        "python": run.python_version,
        "zenml": line(mapping(meta(run.raw).get("client_environment")).get("zenml_version")),
    }
    return {key: value for key, value in said.items() if value}


def _packages(run: Run) -> dict[Place, RunValue]:
    pairs = (one.partition("==") for one in run.python_packages[:PACKAGES])
    return {("", (name,)): RunValue(version, ("text", version)) for name, _, version in pairs if name}


# -- what happened


def _steps(run: Run, steps: dict[str, Step]) -> dict[Place, RunValue]:
    found = {("", ()): _state(run.status, run.seconds)}
    return found | {(name, ()): _step_state(step) for name, step in steps.items()}


def _step_state(step: Step) -> RunValue:
    """One that did not run took no time; in its place stands how it came to its result."""
    if is_handed_on(step):
        return RunValue(HANDED_ON[step.status], ("state", step.status), None, step.status)
    return _state(step.status, step.seconds)


def _state(status: str, seconds: float | None) -> RunValue:
    time = "" if seconds is None else duration(seconds)
    return RunValue(time, ("state", status), seconds, status or "unknown")


def _metadata(reading: RunReading, steps: dict[str, Step]) -> dict[Place, RunValue]:
    def found():
        yield from _values("", reading.run.metadata)
        for name, step in steps.items():
            yield from _values(name, logged_by(line_of(step, reading.origins)))
            for output, version in _versions(step):
                logged = reading.logged.get(line(version.get("id")))
                yield from map(_unmeasured, _values(name, {output: logged} if logged else {}))

    return _bounded(found())


def _unmeasured(found: tuple[Place, RunValue]) -> tuple[Place, RunValue]:
    """Without its number where ZenML wrote it for an artifact: it says what was saved, and not how well that does."""
    (step, path), value = found
    is_own = len(path) > 1 and path[1] in DESCRIBED
    return (step, path), replace(value, number=None) if is_own else value


def _versions(step: Step) -> Iterator[tuple[str, Json]]:
    outputs = mapping(resources(step.raw).get("outputs"))
    for name, versions in islice(outputs.items(), VERSIONS):
        for version in listing(versions if isinstance(versions, list) else [versions], VERSIONS):
            yield line(name), mapping(version)


def _artifacts(steps: dict[str, Step]) -> dict[Place, RunValue]:
    """Each output of a step: the artifact, its version, and what type it has."""
    found: dict[Place, list[Json]] = {}
    for step in steps.values():
        for output, version in _versions(step):
            found.setdefault((step.name, (output,)), []).append(version)
    return _bounded((place, _saved(versions)) for place, versions in found.items())


def _saved(versions: list[Json]) -> RunValue:
    said = [_version(one) for one in versions]
    ids = tuple(line(one.get("id")) or text for one, text in zip(versions, said, strict=True))
    return RunValue("; ".join(said), ("artifacts", ids, tuple(said)))


def _version(said: Json) -> str:
    body = mapping(said.get("body"))
    kind = line(mapping(body.get("data_type")).get("attribute")) or line(body.get("type"))
    version = line(body.get("version"))
    parts = (name_of(body.get("artifact")), version and f"version {version}", kind)
    return ", ".join(filter(None, parts)) or "saved"
