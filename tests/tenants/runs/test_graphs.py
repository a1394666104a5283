"""The drawing of a graph: nothing overlaps, edges go down and round the nodes."""

import json
import random
import re
import sys
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.runs.graphs import MARGIN, NODE_HEIGHT, NODE_WIDTH, Layout, Node, layout

CHURN = Path(__file__).parents[2] / "data" / "churn_snapshot.json"


def draw(*arrows: str, extra: str = "") -> Layout:
    """draw("a>b", "a>c", extra="lonely")"""
    edges = [tuple(arrow.split(">")) for arrow in arrows]
    keys = dict.fromkeys([key for edge in edges for key in edge] + extra.split())
    return layout([Node(key) for key in keys], edges)


def box(drawing: Layout, key: str):
    return next(node for node in drawing.nodes if node.key == key)


def path(drawing: Layout, source: str, target: str) -> str:
    return next(line.path for line in drawing.edges if (line.source, line.target) == (source, target))


def points(path: str) -> list[tuple[float, float]]:
    """The path as a fine polygon."""
    found: list[tuple[float, float]] = []
    for command, text in re.findall(r"([MVC])([^MVC]+)", path):
        numbers = [float(number) for number in text.split()]
        if command == "M":
            found.append((numbers[0], numbers[1]))
        elif command == "V":
            found += along(found[-1], found[-1], *[(found[-1][0], numbers[0])] * 2)
        else:
            found += along(found[-1], *zip(numbers[::2], numbers[1::2], strict=True))
    return found


def along(a, b, c, d) -> list[tuple[float, float]]:
    """Bézier curve."""
    steps = [step / 24 for step in range(1, 25)]
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in steps]
    return [
        tuple(sum(w * p[axis] for w, p in zip(weight, (a, b, c, d), strict=True)) for axis in (0, 1))
        for weight in weights
    ]


def overlap(one, other) -> bool:
    sideways = one.x < other.x + other.width and other.x < one.x + one.width
    return sideways and one.y < other.bottom and other.y < one.bottom


def inside(point: tuple[float, float], node) -> bool:
    x, y = point
    return node.x < x < node.x + node.width and node.y + 0.01 < y < node.bottom - 0.01


def assert_sound(drawing: Layout) -> None:
    boxes = {node.key: node for node in drawing.nodes}
    assert not [pair for pair in combinations(drawing.nodes, 2) if overlap(*pair)]
    for node in drawing.nodes:
        assert MARGIN <= node.x <= drawing.width - MARGIN - node.width
        assert MARGIN <= node.y <= drawing.height - MARGIN - node.height
    for line in drawing.edges:
        source, target, drawn = boxes[line.source], boxes[line.target], points(line.path)
        assert source.bottom < target.y
        assert drawn[0] == (source.middle, source.bottom)
        assert drawn[-1] == (target.middle, target.y)
        assert all(high[1] <= low[1] for high, low in pairwise(drawn))
        assert not [(point, node.key) for point in drawn for node in drawing.nodes if inside(point, node)]


@st.composite
def graphs(draw_from):
    """A DAG with nodes of any size; edges go from an earlier to a later key, then all is shuffled."""
    count = draw_from(st.integers(0, 14))
    sizes = st.tuples(st.integers(20, 300), st.integers(10, 120))
    nodes = [Node(f"n{number}", *draw_from(sizes)) for number in range(count)]
    every = list(combinations([node.key for node in nodes], 2))
    edges = draw_from(st.lists(st.sampled_from(every), max_size=24)) if every else []
    return draw_from(st.permutations(nodes)), edges


class TestRefusals:
    def test_refuses_a_cycle(self):
        with pytest.raises(ValueError, match="cycle"):
            draw("a>b", "b>c", "c>a")

    def test_refuses_an_edge_from_a_node_to_itself(self):
        with pytest.raises(ValueError, match="cycle"):
            draw("a>a")

    def test_refuses_an_edge_to_an_unknown_node(self):
        with pytest.raises(ValueError, match="unknown node 'z'"):
            layout([Node("a")], [("a", "z")])

    def test_refuses_two_nodes_of_one_key(self):
        with pytest.raises(ValueError, match="same key"):
            layout([Node("a"), Node("a")], [])


class TestShapes:
    def test_empty_graph(self):
        assert layout([], []) == Layout(2 * MARGIN, 2 * MARGIN, (), ())

    def test_one_node_has_the_margin_around_it(self):
        drawing = draw(extra="a")
        assert (drawing.width, drawing.height) == (NODE_WIDTH + 2 * MARGIN, NODE_HEIGHT + 2 * MARGIN)
        assert (box(drawing, "a").x, box(drawing, "a").y) == (MARGIN, MARGIN)

    def test_chain_is_one_straight_line(self):
        drawing = draw("a>b", "b>c")
        assert len({node.x for node in drawing.nodes}) == 1
        assert path(drawing, "a", "b") == f"M{MARGIN + 88} 70V{box(drawing, 'b').y}"

    def test_diamond_is_symmetrical(self):
        drawing = draw("a>b", "a>c", "b>d", "c>d")
        top, left, right, bottom = (box(drawing, key) for key in "abcd")
        assert top.middle == bottom.middle == (left.middle + right.middle) // 2
        assert left.y == right.y
        assert_sound(drawing)

    def test_middle_branch_goes_straight_on(self):
        drawing = draw("a>b", "a>c", "a>d", "b>e", "c>e", "d>e")
        assert box(drawing, "a").x == box(drawing, "c").x == box(drawing, "e").x

    def test_long_edge_goes_round_the_nodes_between(self):
        drawing = draw("a>b", "b>c", "c>d", "a>d")
        assert_sound(drawing)
        assert {x for x, _ in points(path(drawing, "a", "d"))} != {box(drawing, "a").middle}

    def test_long_edge_is_straight_beside_the_nodes(self):
        drawing = draw("a>b", "b>c", "c>d", "d>e", "a>e")
        assert path(drawing, "a", "e").count("C") == 2

    def test_runs_of_single_followers_stay_straight_in_company(self):
        arrows = "raw>check raw>profile check>build build>split split>xgb split>mlp split>base"
        more = "xgb>judge mlp>judge base>judge judge>register judge>report profile>report"
        drawing = draw(*arrows.split(), *more.split())
        assert len({box(drawing, key).x for key in ["check", "build", "split", "mlp", "judge"]}) == 1
        assert path(drawing, "profile", "report").count("C") == 1
        assert_sound(drawing)

    def test_late_source_stands_above_its_only_target(self):
        drawing = draw("a>b", "b>c", "c>d", "settings>d")
        assert box(drawing, "settings").y == box(drawing, "c").y

    def test_parts_do_not_mix(self):
        drawing = draw("a>b", "c>d", "a>e")
        assert max(box(drawing, key).x + NODE_WIDTH for key in "abe") < min(
            box(drawing, key).x for key in "cd"
        )

    def test_many_lone_nodes_take_several_rows(self):
        drawing = draw(extra=" ".join(f"n{number}" for number in range(12)))
        assert len({node.y for node in drawing.nodes}) == 3
        assert drawing.width < 1100
        assert_sound(drawing)

    def test_wide_fan_gets_more_height_for_its_curves(self):
        narrow, wide = draw("a>b", "a>c"), draw(*[f"a>b{number}" for number in range(9)])
        assert wide.height > narrow.height

    def test_edge_given_twice_counts_once(self):
        assert len(draw("a>b", "a>b").edges) == 1

    def test_nodes_and_edges_keep_the_order_they_were_given(self):
        drawing = layout([Node("z"), Node("a"), Node("m")], [("a", "z"), ("m", "z"), ("a", "m")])
        assert [node.key for node in drawing.nodes] == ["z", "a", "m"]
        assert [(line.source, line.target) for line in drawing.edges] == [("a", "z"), ("m", "z"), ("a", "m")]

    def test_planar_graph_has_no_crossing(self):
        drawing = draw("a>b", "a>c", "b>x", "c>y", "b>w", "c>z")
        row = sorted((box(drawing, key).x, key) for key in "wxyz")
        assert {key for _, key in row[:2]} in ({"w", "x"}, {"y", "z"})

    def test_real_pipeline(self):
        steps = json.loads(CHURN.read_text())["metadata"]["step_configurations"]
        edges = [(above, step) for step, both in steps.items() for above in both["spec"]["upstream_steps"]]
        drawing = layout([Node(step) for step in steps], edges)
        assert_sound(drawing)
        rows = {node.y: [] for node in sorted(drawing.nodes, key=lambda node: node.y)}
        for node in drawing.nodes:
            rows[node.y].append(node.key)
        assert list(rows.values()) == [
            ["load_customers"],
            ["build_features", "profile"],
            ["train"],
            ["evaluate"],
        ]


class TestAnyGraph:
    @settings(max_examples=150, deadline=None)
    @given(graphs())
    def test_nothing_overlaps_and_edges_go_down_round_the_nodes(self, graph):
        nodes, edges = graph
        drawing = layout(nodes, edges)
        assert [node.key for node in drawing.nodes] == [node.key for node in nodes]
        assert {(line.source, line.target) for line in drawing.edges} == set(edges)
        assert_sound(drawing)

    @settings(max_examples=30, deadline=None)
    @given(graphs())
    def test_same_graph_same_drawing(self, graph):
        assert layout(*graph) == layout(*graph)

    @settings(max_examples=50, deadline=None)
    @given(graphs())
    def test_any_edge_turned_round_makes_a_cycle(self, graph):
        nodes, edges = graph
        if edges:
            with pytest.raises(ValueError, match="cycle"):
                layout(nodes, [*edges, edges[0][::-1]])


@pytest.mark.parametrize(("count", "edges", "limit"), [(20, 25, 50_000), (60, 99, 300_000)])
def test_is_fast_enough_for_every_page_view(count, edges, limit):
    """Counted in calls of functions, which no other load of the machine changes."""
    nodes, links = pipeline_like(count, edges)
    assert calls_of(nodes, links) <= limit


def pipeline_like(count: int, edges: int) -> tuple[list[Node], list[tuple[str, str]]]:
    chance = random.Random(count)
    links = {(chance.randrange(max(0, number - 8), number), number) for number in range(1, count)}
    while len(links) < edges:
        source = chance.randrange(count - 1)
        links.add((source, chance.randrange(source + 1, min(count, source + 12))))
    return [Node(f"s{number}") for number in range(count)], [(f"s{a}", f"s{b}") for a, b in sorted(links)]


def calls_of(nodes, links) -> int:
    counted, before = Counter(), sys.getprofile()
    sys.setprofile(lambda frame, event, argument: counted.update([event]))
    try:
        layout(nodes, links)
    finally:
        sys.setprofile(before)
    return counted["call"] + counted["c_call"]
