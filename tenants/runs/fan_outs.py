"""Steps of one kind that run side by side, and the order in which people read names with numbers.

A pipeline that trains fifty folds has fifty steps `train_fold`, `train_fold_2` … of one kind: their names differ in
numbers alone, and the longest way to each from the beginning has the same length. So no line leads from one of a kind
to another, and a drawing that takes each kind for one node has no circle that the steps have not.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tenants.runs.graphs import depths

LEAST = 9  # so few steps of a kind are one node; fewer are read one by one
CELL_LABEL = 4  # characters that fit into a cell
NUMBER = re.compile("([0-9]+)")
WORD = re.compile("[A-Za-z0-9_-]{1,24}")  # stands in an address as it is
LAST_NUMBER = re.compile(r"[-_. ]?[0-9]+$")

Edges = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class FanOut:
    """Steps of one kind in natural order. `key` names it in addresses, `title` for people."""

    key: str
    title: str
    names: tuple[str, ...]

    def label(self, name: str) -> str:
        """What tells a step from the others: its numbers. ZenML gives the first of a kind none."""
        said = ".".join(NUMBER.findall(name)) or "1"
        return said if len(said) <= CELL_LABEL else str(self.names.index(name) + 1)


def natural(name: str) -> list[str | int]:
    """Sorts fan_2 before fan_10."""
    return [int(part) if place % 2 else part for place, part in enumerate(NUMBER.split(name))]


def kind_of(name: str) -> str:
    """The name without what numbers a step: "fold_3_of_5" and "fold_4_of_5_2" are "fold_…_of"."""
    bare = LAST_NUMBER.sub("", name) or name
    return NUMBER.sub("…", LAST_NUMBER.sub("", bare) or bare)


def fan_outs(names: Sequence[str], edges: Edges) -> list[FanOut]:
    """All kinds of at least LEAST steps, in the order of their first steps. [] for what goes round in a circle."""
    return [_made(key, members) for key, members in _kinds(names, edges).items() if len(members) >= LEAST]


def in_natural_order(names: Sequence[str], edges: Edges) -> list[str]:
    """The same names, those of a kind in natural order on the places they had together."""
    placed = list(names)
    for members in _kinds(names, edges).values():
        places = [place for place, _ in members]
        for place, name in zip(places, sorted((name for _, name in members), key=natural), strict=True):
            placed[place] = name
    return placed


def _kinds(names: Sequence[str], edges: Edges) -> dict[tuple[str, int], list[tuple[int, str]]]:
    """(kind, depth): [(place, name)]; {} for a circle."""
    places = {name: place for place, name in enumerate(names)}
    links = [(places[a], places[b]) for a, b in edges if a in places and b in places]
    found: dict[tuple[str, int], list[tuple[int, str]]] = {}
    try:
        for place, depth in enumerate(depths(len(names), links)):
            found.setdefault((kind_of(names[place]), depth), []).append((place, names[place]))
    except ValueError:
        return {}
    return found


def _made(key: tuple[str, int], members: list[tuple[int, str]]) -> FanOut:
    kind, depth = key
    word = kind if WORD.fullmatch(kind) else hashlib.sha256(kind.encode(errors="replace")).hexdigest()[:8]
    return FanOut(f"{word}.{depth}", kind, tuple(sorted((name for _, name in members), key=natural)))
