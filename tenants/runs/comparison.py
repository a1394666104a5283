"""Runs side by side: what differs between them, by how much, and which is best.

The first run is the baseline. A row differs when any two of its values do, so that the order of the runs decides what
a cell is measured against and nothing else. What a step logged that took its result from an earlier run is what that
one logged; where nobody can say what that was, it differs from nothing.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tenants.runs.client import Run
from tenants.runs.run_values import RECORDED, Place, RunFacts, RunReading, RunValue, facts_of, words_of

FEWEST, MOST = 2, 6  # runs
NOTICED, NOTICED_SECONDS = 0.05, 0.5  # shorter differences between durations are those of any two runs
LARGEST_SHARE = 100  # times the baseline; beyond it per cent say nothing
LEAST_SHARE = 0.0005  # what would be written as 0.0 %
CLOSE = 1e-9  # of the larger one
DIRECTIONS = ("higher", "lower", "neither")
TITLES = {
    "parameters": "Parameters",
    "metrics": "Metrics",
    "steps": "Steps",
    "artifacts": "Artifacts",
    "settings": "Settings",
    "metadata": "Other metadata",
    "packages": "Packages",
}
MISSING = {
    "parameters": "not set",
    "metrics": "not logged",
    "steps": "not run",
    "artifacts": "not saved",
    "settings": "not set",
    "metadata": "not logged",
    "packages": "not installed",
}
LOGGED = ("metrics", "metadata")  # by steps, or for what they saved
NO_STEP, NOT_RECORDED, TAKEN_OVER = "no such step", "not recorded", "step was taken over"
LOWER_WORDS = (
    "loss error err errors rmse mse mae mape smape rmsle msle logloss perplexity latency cost costs wer cer fpr fnr"
    " eer brier divergence regret misclassified overfit"
)
HIGHER_WORDS = (
    "accuracy acc auc auroc auprc roc f1 fscore precision recall sensitivity specificity r2 score map ndcg mrr iou"
    " dice bleu rouge meteor psnr ssim lift gini kappa mcc tpr tnr"
)
LOWER, HIGHER = frozenset(LOWER_WORDS.split()), frozenset(HIGHER_WORDS.split())
PARTS = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*")


@dataclass(frozen=True)
class CompareCell:
    """A value of one run, or in `missing` why there is none; `tone` says whether its change is good or bad.

    `taken`: how a step that did not run came to it, "taken over" or "cached".
    """

    value: RunValue | None
    missing: str = ""
    differs: bool = False
    change: str = ""
    share: str = ""
    rises: bool = False
    tone: str = ""
    best: bool = False
    taken: str = ""

    @property
    def text(self) -> str:
        return self.value.text if self.value else self.missing


@dataclass(frozen=True)
class CompareRow:
    """One thing in all runs; `direction` is known for metrics alone."""

    group: str
    step: str
    name: str
    cells: tuple[CompareCell, ...]
    differs: bool
    direction: str = ""


@dataclass(frozen=True)
class CompareGroup:
    """Rows of one kind, in the order of the steps."""

    key: str
    rows: tuple[CompareRow, ...]

    @property
    def title(self) -> str:
        return TITLES[self.key]

    @cached_property
    def differing(self) -> int:
        return sum(row.differs for row in self.rows)


@dataclass(frozen=True)
class Comparison:
    """2 to 6 runs; the first is the baseline."""

    runs: tuple[Run, ...]
    groups: tuple[CompareGroup, ...]
    warnings: tuple[str, ...] = field(default=())

    @cached_property
    def differing(self) -> int:
        return sum(group.differing for group in self.groups)

    @cached_property
    def total(self) -> int:
        return sum(len(group.rows) for group in self.groups)


def compare(readings: Sequence[RunReading], directions: Mapping[str, str] | None = None) -> Comparison:
    """The comparison of what a server said about these runs. Never raises.

    `directions`: metric -> "higher", "lower" or "neither" is better, for those that a person chose.
    """
    facts = [facts_of(reading) for reading in readings]
    positions = _positions(facts)
    found = {key: _places(facts, key, positions) for key in TITLES if key != "metrics"}
    metrics = [place for place in found["metadata"] if _is_metric(facts, place)]
    found |= {"metrics": metrics, "metadata": [one for one in found["metadata"] if one not in set(metrics)]}
    groups = [CompareGroup(key, _rows(facts, key, found[key], directions or {})) for key in TITLES]
    runs = tuple(one.run for one in facts)
    return Comparison(runs, tuple(group for group in groups if group.rows), _warnings(facts))


# -- rows


def _positions(facts: list[RunFacts]) -> dict[str, int]:
    """Where a step comes: the earliest place it has in any of the runs."""
    found: dict[str, int] = {}
    for one in facts:
        for name, place in one.positions.items():
            found[name] = min(place, found.get(name, place))
    return found


def _places(facts: list[RunFacts], key: str, positions: dict[str, int]) -> list[Place]:
    """What at least one of the runs has; what concerns the whole run comes first."""
    places = {place for one in facts for place in one.values[key]}
    return sorted(
        places, key=lambda place: (positions.get(place[0], -1), place[0], words_of(place[1]), repr(place))
    )


def _is_metric(facts: list[RunFacts], place: Place) -> bool:
    values = (one.values["metadata"].get(place) for one in facts)
    return any(value is not None and value.number is not None for value in values)


def _rows(facts, key: str, places: list[Place], directions: Mapping[str, str]) -> tuple[CompareRow, ...]:
    source = "metadata" if key == "metrics" else key
    return tuple(_row(facts, key, source, place, directions) for place in places)


def _row(facts, key: str, source: str, place: Place, directions: Mapping[str, str]) -> CompareRow:
    step, path = place
    name = words_of(path) or step or "whole run"
    values = [one.values[source].get(place) for one in facts]
    direction = _direction(key, name, directions)
    best = _best(values, direction) if key == "metrics" else None
    cells = [
        _cell(one, key, place, value, values[0], direction, best)
        for one, value in zip(facts, values, strict=True)
    ]
    known = [cell.value for cell in cells if cell.missing != TAKEN_OVER]
    if cells[0].missing == TAKEN_OVER:
        cells = [replace(cell, differs=False) for cell in cells]
    return CompareRow(key, step, name, tuple(cells), _any_differ(key, known), direction)


def _direction(key: str, name: str, directions: Mapping[str, str]) -> str:
    if key == "steps":
        return "lower"
    if key != "metrics":
        return ""
    return directions.get(name) or usual_direction(name)


def usual_direction(name: str) -> str:
    """Which way a metric of this name is better; the last word that says so decides: "auc_loss" is a loss."""
    for word in reversed([part.lower() for part in PARTS.findall(name)]):
        if word in LOWER:
            return "lower"
        if word in HIGHER:
            return "higher"
    return "neither"


def _cell(
    facts: RunFacts,
    key: str,
    place: Place,
    value: RunValue | None,
    base: RunValue | None,
    direction: str,
    best,
) -> CompareCell:
    step = place[0]
    if value is None:
        missing = _missing(facts, key, place)
        return CompareCell(None, missing, differs=base is not None and missing != TAKEN_OVER)
    differs = _differ(key, value, base)
    change, share, rises = _change(key, value, base) if differs else ("", "", False)
    tone = _tone(direction, rises) if change or share else ""
    is_best = best is not None and value.number == best
    taken = facts.handed_on.get(step, "") if key in LOGGED else ""
    return CompareCell(value, "", differs, change, share, rises, tone, is_best, taken)


def _missing(facts: RunFacts, key: str, place: Place) -> str:
    step, path = place
    if step and step not in facts.positions:
        return NO_STEP
    if key == "packages" and not facts.values["packages"]:
        return NOT_RECORDED
    if key == "settings" and not step and path[0] in RECORDED:
        return NOT_RECORDED
    return TAKEN_OVER if key in LOGGED and step in facts.unknown else MISSING[key]


def _tone(direction: str, rises: bool) -> str:
    if direction not in ("higher", "lower"):
        return ""
    return "ok" if rises == (direction == "higher") else "bad"


# -- differences


def _differ(key: str, value: RunValue | None, other: RunValue | None) -> bool:
    """Missing differs from every value; durations only when one would notice."""
    if value is None or other is None:
        return value is not other
    if key == "metrics" and _are_close(value.number, other.number):
        return False
    return value.same != other.same or (key == "steps" and _notice(value, other))


def _are_close(one: float | None, other: float | None) -> bool:
    """Do they differ by no more than what floats lose when the same is worked out in another order?"""
    try:
        return one is not None and other is not None and math.isclose(one, other, rel_tol=CLOSE)
    except OverflowError:  # whole numbers of hundreds of digits
        return one == other


def _notice(value: RunValue, other: RunValue) -> bool:
    if value.number is None or other.number is None:
        return value.number is not other.number
    gap, longer = abs(value.number - other.number), max(value.number, other.number)
    return gap > NOTICED_SECONDS and gap > NOTICED * longer


def _any_differ(key: str, values: Sequence[RunValue | None]) -> bool:
    return any(_differ(key, one, other) for place, one in enumerate(values) for other in values[:place])


def _change(key: str, value: RunValue, base: RunValue | None) -> tuple[str, str, bool]:
    """("+0.013", "+1.5 %", whether it rose) against the baseline; durations of what ended well by per cent alone."""
    numbers = value.number, base.number if base else None
    if key not in ("metrics", "steps") or None in numbers:
        return "", "", False
    if key == "steps" and value.same != base.same:
        return "", "", False
    difference, share = _measured(*numbers)
    rises = value.number > base.number
    return ("" if key == "steps" else _signed(difference)), share, rises


def _measured(number: float, base: float) -> tuple[Any, str]:
    try:
        difference = number - base
        share = float(difference / abs(base)) if base else math.inf
    except OverflowError:
        return None, ""
    if abs(share) < LEAST_SHARE:
        return difference, ""
    said = f"{share:+.1%}" if abs(share) < 1 else f"{share:+,.0%}"
    return difference, _minus(said).replace("%", " %") if abs(share) < LARGEST_SHARE else ""


def _signed(difference: Any) -> str:
    if difference is None or not math.isfinite(difference if isinstance(difference, float) else 0.0):
        return ""
    is_whole = isinstance(difference, int) and abs(difference) < 10**15
    try:
        return _minus(f"{difference:+,d}" if is_whole else f"{float(difference):+.4g}")
    except OverflowError:
        return ""


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _best(values: Sequence[RunValue | None], direction: str):
    """The best number; None where no direction is known, or all are as good."""
    numbers = [one.number for one in values if one is not None and one.number is not None]
    if direction not in ("higher", "lower") or len(numbers) < 2 or _are_close(min(numbers), max(numbers)):
        return None
    return max(numbers) if direction == "higher" else min(numbers)


# -- warnings


def _warnings(facts: list[RunFacts]) -> tuple[str, ...]:
    """What to know before reading the table."""
    runs = [one.run for one in facts]
    found = []
    if pipelines := _several(run.pipeline for run in runs):
        found.append(f"These runs are of different pipelines: {pipelines}.")
    if stacks := _several(run.stack for run in runs):
        found.append(f"They ran on different stacks: {stacks}. Durations may differ for that reason alone.")
    if live := [run.name for run in runs if not run.finished]:
        found.append(f"Not finished yet, so its values may change: {', '.join(live)}.")
    if large := [one.run.name for one in facts if one.unseen]:
        found.append(f"Only the first {_count(facts)} steps were read of: {', '.join(large)}.")
    return tuple(found)


def _several(names) -> str:
    """Different names in words, "" when there is only one."""
    known = sorted({name or "unknown" for name in names})
    return ", ".join(known) if len(known) > 1 else ""


def _count(facts: list[RunFacts]) -> int:
    return max(len(one.values["steps"]) - 1 for one in facts if one.unseen)
