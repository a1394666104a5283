"""What the graph of a run and the list beside it show; the drawing itself is that of test_graphs.py."""

from itertools import combinations
from uuid import uuid4

import pytest

from tenants.runs import reading, run_graph
from tenants.runs.reading import StepRow
from tenants.runs.run_graph import StepGroup, shown
from tests.tenants.runs.fakes import RUN_ID, FakeTenantClient, churn

STATES = ["completed"] * 44 + ["failed", "stopped", "stopped", "", "", ""]


@pytest.fixture
def client():
    return FakeTenantClient()


def look(client, chosen="", **choice):
    page = reading.open_run(client, RUN_ID, chosen)
    return shown(page.steps, page.edges, page.chosen.name, **choice)


def steps(count, kind="fold", status="completed"):
    return [StepRow(f"{kind}_{n}", status, uuid4()) for n in range(count)]


def bipartite(one, other):
    return tuple((a.name, b.name) for a in one for b in other)


def test_every_step_is_a_node_and_lines_to_waiting_ones_are_dashed(client):
    client.half_way("train")
    graph = look(client).graph()
    assert {node.step.name for node in graph.nodes} == {row["name"] for row in churn("steps")["items"]}
    assert sum(edge.waiting for edge in graph.edges) == 3
    assert all(node.x + node.width <= graph.width for node in graph.nodes)


def test_drawing_is_made_once(client):
    run_graph.places.cache_clear()
    look(client).graph()
    client.half_way("train")
    look(client).graph()
    assert run_graph.places.cache_info().misses <= 2


def test_a_fan_out_is_one_node_with_its_states(client):
    client.wide(["completed"] * 50)
    seen = look(client, "make_folds")
    (node,) = seen.graph().groups
    assert (node.group.title, node.group.words, node.cells) == ("50 × train_fold", "50 completed", [])
    assert [getattr(row, "name", "group") for row in seen.rows] == [
        "load_customers", "make_folds", "group", "select_best", "report",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("states", "chosen", "opened"),
    [
        (STATES, "make_folds", ()),
        (["completed"] * 50, "train_fold_7", ()),
        (["completed"] * 50, "make_folds", ("train_fold.2",)),
    ],
)
def test_it_is_open_for_what_people_look_for(client, states, chosen, opened):
    client.wide(states)
    seen = look(client, chosen, opened=opened)
    (node,) = seen.graph().groups
    assert [cell.label for cell in node.cells] == [str(n) for n in range(1, 51)]
    assert [row.name for row in seen.rows if isinstance(row, StepRow)][2:5] == [
        "train_fold", "train_fold_2", "train_fold_3",
    ]  # fmt: skip
    assert node.group.is_fixed == (not opened)


def test_states_are_told_worst_first(client):
    client.wide(STATES)
    (group,) = look(client).groups
    assert group.words == "1 failed, 3 not run, 2 stopped, 44 completed"
    assert (group.status, group.started) == ("failed", True)
    assert 0 < group.x + group.width <= 100


def test_cells_lie_in_their_box_and_apart(client):
    client.wide(STATES)
    (node,) = look(client).graph().groups
    box = node.box
    for cell in node.cells:
        assert box.x < cell.x and cell.x + cell.width < box.x + box.width
        assert box.y + 50 < cell.y and cell.y + cell.height < box.bottom
    assert len({(cell.x, cell.y) for cell in node.cells}) == 50
    assert not [1 for a, b in combinations(node.cells, 2) if abs(a.x - b.x) < 32 and abs(a.y - b.y) < 24]


def test_ungrouped_each_stands_alone_in_natural_order(client):
    client.wide(["completed"] * 12)
    graph = look(client, grouped=False).graph()
    folds = [node for node in graph.nodes if node.step.name.startswith("train_fold")]
    assert [node.step.name for node in sorted(folds, key=lambda node: node.x)] == [
        "train_fold", *(f"train_fold_{n}" for n in range(2, 13)),
    ]  # fmt: skip


def test_turning_a_group_keeps_the_others():
    rows = [*steps(10, "load"), *steps(10, "save")]
    seen = shown(rows, (), opened=["load.0", "nonsense"])
    load, save = seen.groups
    assert (load.query, save.query) == ("", "&open=load.0&open=save.0")
    assert (load.is_open, save.is_open) == (True, False)


def test_next_failed_goes_round():
    rows = [StepRow(name, state) for name, state in [("a", "failed"), ("b", "completed"), ("c", "failed")]]
    seen = shown(rows, ())
    assert [seen.failed_after(name).name for name in ("a", "c", "b", "")] == ["c", "a", "a", "a"]
    assert shown(rows[:2], ()).failed_after("a") is None
    assert shown(rows[1:2], ()).failed_after("b") is None


def test_a_step_called_as_a_group_is_drawn_too():
    rows = [*steps(10), *(StepRow(name, "completed", uuid4()) for name in ("group fold.0", "step fold_0"))]
    graph = shown(rows, ()).graph()
    assert (len(graph.nodes), len(graph.groups)) == (2, 1)


@pytest.mark.parametrize("opened", [(), ("fold.0", "late.1")])
def test_500_by_500_lines_are_one(opened):
    one, other = steps(500), steps(500, "late")
    graph = shown([*one, *other], bipartite(one[:40], other), opened=opened).graph()
    assert (len(graph.groups), len(graph.edges)) == (2, 1)


def test_300_steps_side_by_side_are_drawn_one_by_one_when_asked():
    rows = [StepRow("load", "completed", uuid4()), *steps(298), StepRow("join", "waiting")]
    edges = tuple([("load", row.name) for row in rows[1:-1]] + [(row.name, "join") for row in rows[1:-1]])
    assert not shown(rows, edges).too_large
    seen = shown(rows, edges, grouped=False)
    assert seen.too_large
    assert len(seen.graph().nodes) == 300


def test_groups_of_any_size_have_columns():
    for count in (9, 63, 64, 300, 301, 1000):
        (group,) = shown(steps(count), ()).groups
        assert isinstance(group, StepGroup) and group.columns in (7, 14, 25)
