"""Where the boxes and lines of a graph go: a layered drawing from top to bottom, in pixels.

The steps are those of Sugiyama: every node gets a layer below its predecessors; an edge that
skips layers gets a bend in each of them; the layers are ordered for few crossings; then every
layer is placed left to right, as near to its neighbours as the distances between nodes allow,
and runs of single followers are made straight.
The same input always gives the same drawing.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

NODE_WIDTH, NODE_HEIGHT = 176, 50
MARGIN = 20
GAP_BETWEEN_NODES, GAP_BETWEEN_PARTS = 20, 36
BEND_WIDTH = 8
LAYER_GAP, LAYER_GAP_MAX = 34, 84
# Long flat curves are hard to follow: the wider the edges of a gap run, the higher it gets.
SLOPE = 0.11
SHELF_WIDTH = 1000
ORDER_SWEEPS, PLACE_SWEEPS = 24, 6
BALANCE_TURNS, STRAIGHTEN_TURNS = 6, 60
OVERSHOOT = 0.8
HOLD = 10_000
# A second of processor time for the worst of shapes; beyond it no one could follow the lines anyway.
SIZE_LIMIT = 4000
# Bends pull each other harder than nodes do, so that a long edge runs straight in its middle.
PULL_NODES, PULL_MIXED, PULL_BENDS = 1, 2, 8


@dataclass(frozen=True, slots=True)
class Node:
    key: str
    width: int = NODE_WIDTH
    height: int = NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class NodeBox:
    """A node with its place; x and y are its upper left corner."""

    key: str
    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class EdgePath:
    """An edge; `path` is the `d` of an SVG path from the source's lower to the target's upper border."""

    source: str
    target: str
    path: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The whole drawing; nodes and edges come in the order they were given."""

    width: int
    height: int
    nodes: tuple[NodeBox, ...]
    edges: tuple[EdgePath, ...]


@dataclass(frozen=True, slots=True)
class _Stop:
    """An edge crosses a layer straight down, from top to bottom at x."""

    x: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class _Drawing:
    """One connected part, drawn at the origin."""

    width: int
    height: int
    boxes: tuple[NodeBox, ...]
    routes: dict[tuple[str, str], list[_Stop]]


class _Graph:
    """Nodes and bends as numbers, nodes first; up and down are their neighbours one layer away."""

    def __init__(self, nodes: Sequence[Node], links: Iterable[tuple[int, int]]) -> None:
        self.nodes = nodes
        self.widths = [node.width for node in nodes]
        self.up: list[list[int]] = [[] for _ in nodes]
        self.down: list[list[int]] = [[] for _ in nodes]
        self.layer = _layers(len(nodes), links)
        self.chains = {link: self._chain(*link) for link in links}
        self.order(self._first_order())

    def _chain(self, source: int, target: int) -> list[int]:
        """Source, a new bend in every layer between, target."""
        chain = [source]
        for layer in range(self.layer[source] + 1, self.layer[target]):
            chain.append(len(self.layer))
            self.layer.append(layer)
            self.widths.append(BEND_WIDTH)
            self.up.append([])
            self.down.append([])
        chain.append(target)
        for upper, lower in pairwise(chain):
            self.down[upper].append(lower)
            self.up[lower].append(upper)
        return chain

    def _first_order(self) -> list[list[int]]:
        """By depth first search: what belongs together starts out together."""
        rows: list[list[int]] = [[] for _ in range(max(self.layer) + 1)]
        seen = [False] * len(self.layer)
        waiting = [item for item in range(len(self.layer)) if not self.up[item]][::-1]
        while waiting:
            item = waiting.pop()
            if not seen[item]:
                seen[item] = True
                rows[self.layer[item]].append(item)
                waiting.extend(reversed(self.down[item]))
        return rows

    def order(self, rows: list[list[int]]) -> None:
        self.rows = rows
        self.place = [0] * len(self.layer)
        for row in rows:
            for place, item in enumerate(row):
                self.place[item] = place

    def is_bend(self, item: int) -> bool:
        return item >= len(self.nodes)

    def pull(self, item: int, other: int) -> int:
        bends = self.is_bend(item) + self.is_bend(other)
        return (PULL_NODES, PULL_MIXED, PULL_BENDS)[bends]

    def distance(self, left: int, right: int) -> float:
        """Smallest distance of two middles next to each other in a layer."""
        return (self.widths[left] + self.widths[right]) / 2 + GAP_BETWEEN_NODES


def layout(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> Layout:
    """Places nodes and edges. Edges name the keys of source and target; doubles count once.

    Raises ValueError for a key given twice, an edge to an unknown node, a cycle, and what is larger than SIZE_LIMIT:
    nodes, and layers that edges go through, together.
    """
    numbers = {node.key: number for number, node in enumerate(nodes)}
    if len(numbers) != len(nodes):
        raise ValueError("Two nodes have the same key.")
    known = list(dict.fromkeys(edges))
    for name in (name for edge in known for name in edge):
        if name not in numbers:
            raise ValueError(f"An edge names the unknown node {name!r}.")
    links = [(numbers[source], numbers[target]) for source, target in known]
    if _size(len(nodes), links) > SIZE_LIMIT:
        raise ValueError("The graph is too large to be drawn.")
    drawings = [_draw(*part) for part in _parts(nodes, links)]
    return _assemble(_shelves(drawings), [node.key for node in nodes], known)


def _size(count: int, links: list) -> int:
    """A short answer where the drawing would take minutes: 150 nodes in a row, each linked to all, have 500,000 bends."""
    if count + len(links) > SIZE_LIMIT:
        return count + len(links)
    layer = _layers(count, links)
    return count + sum(layer[target] - layer[source] for source, target in links)


def _parts(nodes: Sequence[Node], links: list) -> Iterator[tuple[list[Node], list]]:
    """Connected parts, each with its own numbering."""
    leader = list(range(len(nodes)))
    for source, target in links:
        one, other = _root(leader, source), _root(leader, target)
        leader[max(one, other)] = min(one, other)
    members: dict[int, list[int]] = {}
    for number in range(len(nodes)):
        members.setdefault(_root(leader, number), []).append(number)
    inside: dict[int, list] = {root: [] for root in members}
    for link in links:
        inside[_root(leader, link[0])].append(link)
    for root, part in members.items():
        place = {number: index for index, number in enumerate(part)}
        yield [nodes[number] for number in part], [(place[a], place[b]) for a, b in inside[root]]


def _root(leader: list[int], number: int) -> int:
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number


def _layers(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Kahn's order; each node one below its lowest predecessor, then down to where its edges are short."""
    parents, children = _neighbours(count, links)
    order = _topological(parents, children)
    layer = _deepest(order, parents)
    for node in reversed(order):
        if len(children[node]) > len(parents[node]):
            layer[node] = min(layer[child] for child in children[node]) - 1
    return layer


def depths(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of so many nodes, how many edges the longest way to it has. Raises ValueError for a cycle."""
    parents, children = _neighbours(count, links)
    return _deepest(_topological(parents, children), parents)


def _deepest(order: list[int], parents: list[list[int]]) -> list[int]:
    layer = [0] * len(order)
    for node in order:
        layer[node] = max((layer[parent] + 1 for parent in parents[node]), default=0)
    return layer


def _neighbours(count: int, links: Iterable[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Parents and children of each node."""
    parents: list[list[int]] = [[] for _ in range(count)]
    children: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        children[source].append(target)
        parents[target].append(source)
    return parents, children


def _topological(parents: list[list[int]], children: list[list[int]]) -> list[int]:
    missing = [len(above) for above in parents]
    order = [node for node, count in enumerate(missing) if not count]
    for node in order:
        for child in children[node]:
            missing[child] -= 1
            if not missing[child]:
                order.append(child)
    if len(order) < len(parents):
        raise ValueError("The graph has a cycle.")
    return order


def _draw(nodes: list[Node], links: list[tuple[int, int]]) -> _Drawing:
    graph = _Graph(nodes, links)
    graph.order(_with_few_crossings(graph))
    middles = _middles(graph)
    tops, heights = _heights(graph, middles)
    boxes = tuple(_box(graph, item, middles, tops, heights) for item in range(len(nodes)))
    routes = {
        (nodes[a].key, nodes[b].key): _route(graph, chain, boxes, middles, tops, heights)
        for (a, b), chain in graph.chains.items()
    }
    width = max(middle - width // 2 + width for middle, width in zip(middles, graph.widths, strict=True))
    return _Drawing(width, tops[-1] + heights[-1], boxes, routes)


# Order within the layers


def _with_few_crossings(graph: _Graph) -> list[list[int]]:
    """Sweeps down and up by medians and keeps the best order seen."""
    rows = best = graph.rows
    fewest = _crossings(graph, best)
    for sweep in range(ORDER_SWEEPS):
        if not fewest:
            break
        rows = _swept(graph, rows, downwards=sweep % 2 == 0, turn_ties=sweep % 4 > 1)
        count = _crossings(graph, rows)
        if count < fewest:
            best, fewest = rows, count
    return best


def _swept(graph: _Graph, rows: list[list[int]], downwards: bool, turn_ties: bool) -> list[list[int]]:
    neighbours = graph.up if downwards else graph.down
    numbers = range(len(rows)) if downwards else range(len(rows) - 1, -1, -1)
    swept, places = list(rows), [0] * len(graph.layer)
    for number in numbers:
        swept[number] = _by_median(rows[number], neighbours, places, turn_ties)
        for place, item in enumerate(swept[number]):
            places[item] = place
    return swept


def _by_median(row: list[int], neighbours: list[list[int]], places: list[int], turn_ties: bool) -> list[int]:
    """Items without neighbours on that side keep their slot."""
    medians = {item: _median(sorted(places[other] for other in neighbours[item])) for item in row}
    free = [item for item in row if neighbours[item]]
    moving = iter(sorted(reversed(free) if turn_ties else free, key=medians.__getitem__))
    return [next(moving) if neighbours[item] else item for item in row]


def _median(values: list[int]) -> float:
    """Of an even number, the middle two weighted towards the denser side."""
    half = len(values) // 2
    if len(values) % 2:
        return values[half]
    if len(values) <= 2:
        return sum(values) / 2
    left, right = values[half - 1] - values[0], values[-1] - values[half]
    if not left + right:
        return values[half]
    return (values[half - 1] * right + values[half] * left) / (left + right)


def _crossings(graph: _Graph, rows: list[list[int]]) -> int:
    total = 0
    for row, below in pairwise(rows):
        places = {item: place for place, item in enumerate(below)}
        passed: list[int] = []
        for item in row:
            ends = sorted(places[child] for child in graph.down[item])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


# Places from left to right


def _middles(graph: _Graph) -> list[int]:
    """x of every item's middle; the leftmost border is at 0."""
    middles = [0.0] * len(graph.layer)
    for row in graph.rows:
        for left, right in pairwise(row):
            middles[right] = middles[left] + graph.distance(left, right)
    for rows, neighbours in _sweeps(graph):
        for row in rows:
            _put(graph, row, [_wish(graph, item, neighbours[item], middles) for item in row], middles)
    _straighten(graph, middles)
    whole = [round(middle) for middle in middles]
    left = min(middle - width // 2 for middle, width in zip(whole, graph.widths, strict=True))
    return [middle - left for middle in whole]


def _sweeps(graph: _Graph) -> Iterator[tuple[Iterable[list[int]], list[list[int]]]]:
    """First towards one side, which brings chains together at once; then towards both, which balances."""
    both = [above + below for above, below in zip(graph.up, graph.down, strict=True)]
    upwards = graph.rows[::-1]
    yield from [(graph.rows, graph.up), (upwards, graph.down)] * 2
    yield from [(graph.rows, both), (upwards, both)] * (PLACE_SWEEPS // 2)


def _put(graph: _Graph, row: list[int], wishes: list[tuple[float, float]], middles: list[float]) -> None:
    gaps = [graph.distance(left, right) for left, right in pairwise(row)]
    for item, middle in zip(row, _nearest(wishes, gaps), strict=True):
        middles[item] = middle


def _straighten(graph: _Graph, middles: list[float]) -> None:
    """Brings every chain to one x, by turns between that and the distances within the layers.

    Both demands are convex and chains do not cross, so the turns come to an end that meets both.
    """
    chains = _chains(graph)
    for turn in range(STRAIGHTEN_TURNS):
        wishes = [(0.0, 0.0)] * len(middles)
        for chain in chains:
            for item, wish in zip(chain, _chain_wishes(graph, chain, middles, turn), strict=True):
                wishes[item] = (wish, len(chain))
        for row in graph.rows:
            _put(graph, row, [wishes[item] for item in row], middles)
        if turn >= BALANCE_TURNS and all(_is_straight(chain, middles) for chain in chains):
            break
    _balance_the_lone(graph, chains, middles)
    for chain in chains:
        _snap(chain, middles)


def _balance_the_lone(graph: _Graph, chains: list[list[int]], middles: list[float]) -> None:
    """Chains are where they stay; what is left goes to the middle of its neighbours."""
    held = {item for chain in chains if len(chain) > 1 for item in chain}
    for row in graph.rows + graph.rows[::-1]:
        wishes = [
            (middles[item], HOLD)
            if item in held
            else _wish(graph, item, graph.up[item] + graph.down[item], middles)
            for item in row
        ]
        _put(graph, row, wishes, middles)


def _chain_wishes(graph: _Graph, chain: list[int], middles: list[float], turn: int) -> list[float]:
    """The chain's mean, in the first turns half the way to its neighbours, later beyond it: that ends sooner."""
    mean = sum(middles[item] for item in chain) / len(chain)
    if turn < BALANCE_TURNS:
        return [(mean + _mean_outside(graph, chain, middles, mean)) / 2] * len(chain)
    return [mean + OVERSHOOT * (mean - middles[item]) for item in chain]


def _mean_outside(graph: _Graph, chain: list[int], middles: list[float], otherwise: float) -> float:
    inside = set(chain)
    pulls = [
        (graph.pull(item, other), middles[other])
        for item in chain
        for other in graph.up[item] + graph.down[item]
        if other not in inside
    ]
    total = sum(pull for pull, _ in pulls)
    return sum(pull * middle for pull, middle in pulls) / total if total else otherwise


def _is_straight(chain: list[int], middles: list[float]) -> bool:
    return max(middles[item] for item in chain) - min(middles[item] for item in chain) < 1


def _snap(chain: list[int], middles: list[float]) -> None:
    """Rounding must not put a kink of one pixel into a straight line."""
    mean = sum(middles[item] for item in chain) / len(chain)
    for item in chain:
        if abs(middles[item] - mean) < 1.5:
            middles[item] = mean


def _chains(graph: _Graph) -> list[list[int]]:
    """Runs of items, each the middle neighbour of the next, that no other run crosses; lone items too."""
    after: dict[int, int] = {}
    for row in graph.rows[:-1]:
        after.update(_matches(graph, row))
    chains, followers = [], set(after.values())
    for item in range(len(graph.layer)):
        if item not in followers:
            chain = [item]
            while chain[-1] in after:
                chain.append(after[chain[-1]])
            chains.append(chain)
    return chains


def _matches(graph: _Graph, row: list[int]) -> list[tuple[int, int]]:
    """Pairs of this layer and the next, bends first; none crosses another."""
    pairs = [(item, _middle_one(graph, graph.down[item])) for item in row]
    pairs = [(item, child) for item, child in pairs if child is not None]
    pairs = [pair for pair in pairs if _middle_one(graph, graph.up[pair[1]]) == pair[0]]
    pairs.sort(key=lambda pair: -graph.pull(*pair))
    chosen: list[tuple[int, int]] = []
    for one in pairs:
        if not any(_cross(graph, one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _middle_one(graph: _Graph, items: list[int]) -> int | None:
    if len(items) % 2 == 0:
        return None
    return sorted(items, key=graph.place.__getitem__)[len(items) // 2]


def _cross(graph: _Graph, one: tuple[int, int], other: tuple[int, int]) -> bool:
    above = graph.place[one[0]] < graph.place[other[0]]
    return above != (graph.place[one[1]] < graph.place[other[1]])


def _wish(graph: _Graph, item: int, others: list[int], middles: list[float]) -> tuple[float, float]:
    """Where the item would like to be, and how much."""
    if not others:
        return middles[item], 0.05
    pulls = [graph.pull(item, other) for other in others]
    total = sum(pulls)
    return sum(pull * middles[other] for pull, other in zip(pulls, others, strict=True)) / total, total


def _nearest(wishes: list[tuple[float, float]], gaps: list[float]) -> list[float]:
    """Places with at least these gaps and the least weighted square distance from the wishes.

    Pool adjacent violators: less the gaps before them, the places must not decrease; whatever
    would decrease is pooled into a block at its common mean.
    """
    blocks: list[list[float]] = []  # weighted sum of wishes, weight, size
    offset = 0.0
    for (wish, weight), gap in zip(wishes, [0.0, *gaps], strict=True):
        offset += gap
        blocks.append([(wish - offset) * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] > blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    bases = [moment / weight for moment, weight, size in blocks for _ in range(int(size))]
    places, offset = [], 0.0
    for base, gap in zip(bases, [0.0, *gaps], strict=True):
        offset += gap
        places.append(base + offset)
    return places


# Places from top to bottom, lines


def _heights(graph: _Graph, middles: list[int]) -> tuple[list[int], list[int]]:
    """Top and height of every layer."""
    heights = [max([graph.nodes[i].height for i in row if not graph.is_bend(i)] or [0]) for row in graph.rows]
    tops = [0]
    for row, height in zip(graph.rows[:-1], heights, strict=False):
        widest = max((abs(middles[i] - middles[j]) for i in row for j in graph.down[i]), default=0)
        tops.append(tops[-1] + height + round(min(max(LAYER_GAP, widest * SLOPE), LAYER_GAP_MAX)))
    return tops, heights


def _box(graph: _Graph, item: int, middles: list[int], tops: list[int], heights: list[int]) -> NodeBox:
    node, layer = graph.nodes[item], graph.layer[item]
    x = middles[item] - node.width // 2
    return NodeBox(node.key, x, tops[layer] + (heights[layer] - node.height) // 2, node.width, node.height)


def _route(graph: _Graph, chain: list[int], boxes, middles, tops, heights) -> list[_Stop]:
    source, target = boxes[chain[0]], boxes[chain[-1]]
    layers = [graph.layer[item] for item in chain]
    bends = [
        _Stop(middles[item], tops[layer], tops[layer] + heights[layer])
        for item, layer in zip(chain[1:-1], layers[1:-1], strict=True)
    ]
    start = _Stop(source.middle, source.bottom, tops[layers[0]] + heights[layers[0]])
    return [start, *bends, _Stop(target.middle, tops[layers[-1]], target.y)]


def _path(stops: list[_Stop]) -> str:
    """Straight down inside a layer, an S with vertical ends between two layers."""
    path, pen = f"M{stops[0].x} {stops[0].top}", stops[0]
    if pen.bottom != pen.top:
        path += f"V{pen.bottom}"
    for stop in stops[1:]:
        path += _curve(pen, stop)
        if stop.bottom != stop.top:
            path += f"V{stop.bottom}"
        pen = stop
    return path


def _curve(pen: _Stop, stop: _Stop) -> str:
    if pen.x == stop.x:
        return f"V{stop.top}"
    half = (pen.bottom + stop.top) // 2
    return f"C{pen.x} {half} {stop.x} {half} {stop.x} {stop.top}"


# The parts together


def _shelves(drawings: list[_Drawing]) -> list[_Drawing]:
    """Moves the parts side by side, and below each other where a row gets too wide."""
    limit = max([SHELF_WIDTH, *(drawing.width for drawing in drawings)])
    moved, x, y, height = [], 0, 0, 0
    for drawing in drawings:
        if x and x + drawing.width > limit:
            x, y, height = 0, y + height + GAP_BETWEEN_PARTS, 0
        moved.append(_moved(drawing, x + MARGIN, y + MARGIN))
        x += drawing.width + GAP_BETWEEN_PARTS
        height = max(height, drawing.height)
    return moved


def _moved(drawing: _Drawing, x: int, y: int) -> _Drawing:
    """Width and height become the right and lower border, margin included."""
    routes = {
        edge: [_Stop(stop.x + x, stop.top + y, stop.bottom + y) for stop in stops]
        for edge, stops in drawing.routes.items()
    }
    boxes = tuple(replace(box, x=box.x + x, y=box.y + y) for box in drawing.boxes)
    return _Drawing(drawing.width + x + MARGIN, drawing.height + y + MARGIN, boxes, routes)


def _assemble(drawings: list[_Drawing], keys: list[str], edges: list[tuple[str, str]]) -> Layout:
    boxes = {box.key: box for drawing in drawings for box in drawing.boxes}
    routes = {edge: stops for drawing in drawings for edge, stops in drawing.routes.items()}
    return Layout(
        width=max((drawing.width for drawing in drawings), default=2 * MARGIN),
        height=max((drawing.height for drawing in drawings), default=2 * MARGIN),
        nodes=tuple(boxes[key] for key in keys),
        edges=tuple(EdgePath(*edge, _path(routes[edge])) for edge in edges),
    )
