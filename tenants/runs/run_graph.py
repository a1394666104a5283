"""The graph of a run and the list beside it: which steps are one node, where each stands, what each looks like.

Nothing is asked here. The places are worked out once for each shape of a pipeline; afterwards only colours change.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from urllib.parse import urlencode

from tenants.runs.client import UNDER_WAY
from tenants.runs.fan_outs import FanOut, fan_outs
from tenants.runs.graphs import NODE_HEIGHT, NODE_WIDTH, Layout, Node, NodeBox, layout
from tenants.runs.reading import StepRow
from zenpro_site.common.ui import state_word

GRAPH_LIMIT = 150  # nodes; above it the list comes first
CELL_WIDTH, CELL_HEIGHT, CELL_GAP = 32, 24, 6
FAN_HEAD, FAN_EDGE = 54, 16  # what stands above the cells of an open group, and the room around them
FAN_HEIGHT = 60  # of a closed one
MOST_OPENED = 5  # groups that are opened by hand; every link of the page names them
COLUMNS = ((63, 7), (300, 14), (1000, 25))  # up to so many cells: in so many columns; seven fit onto a phone
TITLE_LENGTH = 26  # characters that fit into a group of seven columns
LETTER = 6  # pixels of width, of the small ones
WORST = ("failed", *UNDER_WAY, "waiting", "not_run", "stopped", "completed", "cached")


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
class StepGroup:
    """Steps of one kind: their states together, and whether each of them is shown."""

    fan: FanOut
    steps: tuple[StepRow, ...]
    is_open: bool
    toggled: tuple[str, ...] = ()  # keys of the groups that are opened in the address once this one is turned
    is_fixed: bool = False  # open for what is inside, whatever the address says

    @property
    def query(self) -> str:
        """Of the address in which it is turned: "&open=…"."""
        return f"&{urlencode([('open', key) for key in self.toggled])}" if self.toggled else ""

    @property
    def title(self) -> str:
        return f"{len(self.steps)} × {_cut(self.fan.title, TITLE_LENGTH)}"

    @cached_property
    def counts(self) -> Counter:
        return Counter(step.status for step in self.steps)

    @property
    def words(self) -> str:
        """ "1 failed, 44 completed", the most telling first."""
        return ", ".join(f"{self.counts[state]} {state_word(state).lower()}" for state in self._states())

    @property
    def gist(self) -> str:
        """ "1 failed", or "Completed" where all are."""
        return self.words.partition(",")[0] if len(self.counts) > 1 else state_word(self.status)

    def _states(self) -> list[str]:
        return sorted(self.counts, key=lambda state: WORST.index(state) if state in WORST else len(WORST))

    @property
    def status(self) -> str:
        """The state that most needs to be seen."""
        return self._states()[0]

    @property
    def started(self) -> bool:
        return any(step.started for step in self.steps)

    @property
    def x(self) -> float:
        return min((step.x for step in self.steps if step.width), default=0)

    @property
    def width(self) -> float:
        """Of its bar: from the first beginning to the last end."""
        return round(max((step.x + step.width for step in self.steps if step.width), default=0) - self.x, 2)

    @property
    def columns(self) -> int:
        return next(columns for most, columns in COLUMNS if len(self.steps) <= most)

    def node(self, key: str) -> Node:
        """Its size in the drawing."""
        across = self.columns * (CELL_WIDTH + CELL_GAP) - CELL_GAP + 2 * FAN_EDGE
        if not self.is_open:
            return Node(key, across, FAN_HEIGHT)
        rows = -(-len(self.steps) // self.columns)
        return Node(key, across, FAN_HEAD + rows * (CELL_HEIGHT + CELL_GAP) - CELL_GAP + FAN_EDGE)


@dataclass(frozen=True)
class GroupCell:
    step: StepRow
    label: str
    x: int
    y: int
    width: int = CELL_WIDTH
    height: int = CELL_HEIGHT

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def baseline(self) -> int:
        return self.y + 16


@dataclass(frozen=True)
class GroupNode:
    """A group with its place in the drawing, and the cells when it is open."""

    group: StepGroup
    box: NodeBox

    @property
    def title_x(self) -> int:
        return self.box.x + FAN_EDGE + 24

    @property
    def icon_x(self) -> int:
        return self.box.x + FAN_EDGE

    @property
    def words(self) -> str:
        return _cut(self.group.words, self.box.width // LETTER)

    @property
    def words_y(self) -> int:
        return self.box.y + 44

    @property
    def title_y(self) -> int:
        return self.box.y + 25

    @property
    def icon_y(self) -> int:
        return self.box.y + 13

    @cached_property
    def cells(self) -> list[GroupCell]:
        return list(self._cells()) if self.group.is_open else []

    def _cells(self) -> Iterator[GroupCell]:
        for place, step in enumerate(self.group.steps):
            row, column = divmod(place, self.group.columns)
            x = self.box.x + FAN_EDGE + column * (CELL_WIDTH + CELL_GAP)
            y = self.box.y + FAN_HEAD + row * (CELL_HEIGHT + CELL_GAP)
            yield GroupCell(step, self.group.fan.label(step.name), x, y)


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
    groups: list[GroupNode] = field(default_factory=list)


@dataclass(frozen=True)
class StepsShown:
    """The steps of a run as its list and its graph show them: alone, or as a group."""

    steps: Sequence[StepRow]
    edges: tuple[tuple[str, str], ...]
    groups: tuple[StepGroup, ...] = ()
    opened: tuple[str, ...] = ()  # keys of groups in the address that are there

    @cached_property
    def rows(self) -> list[StepGroup | StepRow]:
        """In the order of the list: a group where its first step stands, its steps below it when it is open."""
        return list(self._rows())

    def _rows(self) -> Iterator[StepGroup | StepRow]:
        home, told = self._homes(), set()
        for step in self.steps:
            group = home.get(step.name)
            if group is None:
                yield step
            elif group.fan.key not in told:
                told.add(group.fan.key)
                yield group
                yield from group.steps if group.is_open else ()

    def _homes(self) -> dict[str, StepGroup]:
        return {step.name: group for group in self.groups for step in group.steps}

    @property
    def nodes(self) -> int:
        """How many the drawing has."""
        return len(self.steps) - sum(len(group.steps) - 1 for group in self.groups)

    @property
    def too_large(self) -> bool:
        return self.nodes > GRAPH_LIMIT

    @property
    def failed(self) -> list[StepRow]:
        return [step for step in self.steps if step.status == "failed"]

    def failed_after(self, name: str) -> StepRow | None:
        """The failed step to go to next, the first one after the last; None when there is no other."""
        failed = self.failed
        names = [step.name for step in failed]
        found = failed[(names.index(name) + 1) % len(names)] if name in names else next(iter(failed), None)
        return found if found and found.name != name else None

    def graph(self) -> Graph | None:
        """None for what cannot be drawn: no steps, a circle, or too many lines to follow."""
        try:
            return self._drawn() if self.steps else None
        except ValueError:
            return None

    def _drawn(self) -> Graph:
        home = self._homes()
        alone = {step.name: step for step in self.steps if step.name not in home}
        # Names are the server's: a step may be called as a group is.
        keys = {name: f"step {name}" for name in alone}
        keys |= {name: f"group {group.fan.key}" for name, group in home.items()}
        nodes = [Node(keys[name]) for name in alone] + [
            one.node(f"group {one.fan.key}") for one in self.groups
        ]
        started = {keys[step.name] for step in self.steps if step.started}
        drawing = places(tuple(nodes), tuple(dict.fromkeys((keys[a], keys[b]) for a, b in self.edges)))
        boxes = {box.key: box for box in drawing.nodes}
        return Graph(
            drawing.width,
            drawing.height,
            [_node(step, boxes[keys[name]]) for name, step in alone.items()],
            [GraphEdge(line.path, line.target not in started) for line in drawing.edges],
            [GroupNode(group, boxes[f"group {group.fan.key}"]) for group in self.groups],
        )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _node(step: StepRow, box: NodeBox) -> GraphNode:
    return GraphNode(step, box.x, box.y, box.width, box.height)


@lru_cache(maxsize=64)
def places(nodes: tuple[Node, ...], edges: tuple[tuple[str, str], ...]) -> Layout:
    """The drawing of a pipeline never changes, only the colours do. Raises ValueError, see graphs.layout."""
    return layout(nodes, edges)


def shown(
    steps: Sequence[StepRow],
    edges: tuple[tuple[str, str], ...],
    chosen: str = "",
    *,
    grouped: bool = True,
    opened: Collection[str] = (),
) -> StepsShown:
    """The steps with their groups. A group is open when its key is in `opened`, and for what people look for: a step
    of it that is chosen, or failed. Without `grouped` each step stands alone."""
    by_name = {step.name: step for step in steps}
    found = fan_outs(tuple(by_name), edges) if grouped else []
    known = [fan.key for fan in found if fan.key in opened][:MOST_OPENED]
    groups = [_group(fan, [by_name[name] for name in fan.names], chosen, known) for fan in found]
    return StepsShown(steps, edges, tuple(groups), tuple(known))


def _group(fan: FanOut, steps: list[StepRow], chosen: str, opened: list[str]) -> StepGroup:
    fixed = any(step.name == chosen or step.status == "failed" for step in steps)
    others = [key for key in opened if key != fan.key]
    toggled = others if fan.key in opened else [*others, fan.key]
    return StepGroup(fan, tuple(steps), fixed or fan.key in opened, tuple(toggled), fixed)
