"""What a comparison says of runs, whatever their server said of them."""

from copy import deepcopy
from dataclasses import replace
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.runs.client import run_of, step_of
from tenants.runs.comparison import compare, usual_direction
from tenants.runs.run_values import RunReading, RunValue, leaves, value_of, words_of
from tests.tenants.runs.fakes import churn


def reading(change=None, logged=None, **body) -> RunReading:
    """The recorded run; `change(run, steps, snapshot)` alters what its server says."""
    run, steps, snapshot = churn("run"), churn("steps")["items"], churn("snapshot")
    run["id"] = str(uuid4())
    run["body"] |= body
    if change:
        change(run, steps, snapshot)
    return RunReading(run_of(run), tuple(map(step_of, steps)), snapshot, logged or {})


def step_named(steps, name):
    return next(step for step in steps if step["name"] == name)


def parameters(step, **values):
    def change(run, steps, snapshot):
        step_named(steps, step)["metadata"]["config"]["parameters"] |= values

    return change


def logged(step, **values):
    def change(run, steps, snapshot):
        step_named(steps, step)["metadata"]["run_metadata"] |= values

    return change


def without_metric(run, steps, snapshot):
    del step_named(steps, "evaluate")["metadata"]["run_metadata"]["auc"]


def rows(comparison, key):
    group = next((one for one in comparison.groups if one.key == key), None)
    return {(row.step, row.name): row for row in (group.rows if group else ())}


def differing(comparison):
    return {(g.key, row.step, row.name) for g in comparison.groups for row in g.rows if row.differs}


def texts(row):
    return [cell.text for cell in row.cells]


def test_a_run_differs_in_nothing_from_itself():
    one = reading()
    made = compare([one, one])
    assert made.differing == 0
    assert made.warnings == ()
    assert made.total > 40
    assert [group.key for group in made.groups] == [
        "parameters",
        "metrics",
        "steps",
        "artifacts",
        "settings",
        "metadata",
    ]


def test_another_parameter_is_the_only_difference():
    made = compare([reading(), reading(parameters("train", rounds=300))])
    assert differing(made) == {("parameters", "train", "rounds")}
    row = rows(made, "parameters")["train", "rounds"]
    assert texts(row) == ["120", "300"]
    assert [cell.differs for cell in row.cells] == [False, True]


def test_nested_values_are_compared_by_path():
    nested = {"layers": [{"size": 3}, {"size": 4}], "rate": {"start": 0.1}}
    other = {"layers": [{"size": 3}, {"size": 5}], "rate": {"start": 0.1}}
    made = compare([reading(parameters("train", net=nested)), reading(parameters("train", net=other))])
    assert differing(made) == {("parameters", "train", "net.layers[1].size")}
    assert ("train", "net.rate.start") in rows(made, "parameters")


def test_what_is_missing_is_said_and_differs_also_from_none():
    made = compare([reading(parameters("train", new=None)), reading(), reading(without_metric)])
    assert texts(rows(made, "parameters")["train", "new"]) == ["none", "not set", "not set"]
    assert rows(made, "parameters")["train", "new"].differs
    assert texts(rows(made, "metrics")["evaluate", "auc"])[2] == "not logged"
    assert differing(made) == {("parameters", "train", "new"), ("metrics", "evaluate", "auc")}


def taken_over(status="skipped", auc=None):
    """The step that logs metrics is one of an earlier run; its server says what it logged, or as a rule does not."""

    def change(run, steps, snapshot):
        without_metric(run, steps, snapshot)
        step = step_named(steps, "evaluate")
        step["id"], step["body"]["status"] = str(uuid4()), status
        step["metadata"] |= {"original_step_run_id": step_named(churn("steps")["items"], "evaluate")["id"]}
        if auc is not None:
            step["metadata"]["run_metadata"]["auc"] = auc

    return change


def origins(*readings):
    """Every step of these runs by its id."""
    return {step.id: step for one in readings for step in one.steps}


@pytest.mark.parametrize("status, word", [("skipped", "taken over"), ("cached", "cached")])
def test_what_a_step_logged_that_was_taken_over_is_what_the_run_before_logged(status, word):
    base = reading()
    made = compare([base, replace(reading(taken_over(status)), origins=origins(base))])
    assert not {key for key, step, name in differing(made)} & {"metrics", "metadata"}
    row = rows(made, "metrics")["evaluate", "auc"]
    assert [(cell.value.number, cell.taken) for cell in row.cells] == [(0.8398, ""), (0.8398, word)]
    assert not any(cell.differs or cell.change or cell.best for cell in row.cells)
    assert [cell.text for cell in rows(made, "steps")["evaluate", "evaluate"].cells][1] == word


def test_a_step_taken_over_of_one_taken_over_hands_on_the_same():
    base = reading()
    second = replace(reading(taken_over()), origins=origins(base))

    def again(run, steps, snapshot):
        taken_over()(run, steps, snapshot)
        mine = next(step for step in second.steps if step.name == "evaluate")
        step_named(steps, "evaluate")["metadata"]["original_step_run_id"] = str(mine.id)

    third = replace(reading(again), origins=origins(base, second))
    row = rows(compare([base, second, third]), "metrics")["evaluate", "auc"]
    assert (texts(row), row.differs) == (["0.8398"] * 3, False)


def test_what_a_step_taken_over_logged_still_differs_from_another_number():
    base, other = reading(), reading(logged("evaluate", auc=0.9))
    row = rows(compare([other, replace(reading(taken_over()), origins=origins(base))]), "metrics")[
        "evaluate", "auc"
    ]
    assert (row.differs, row.cells[1].differs, row.cells[1].change) == (True, True, "−0.0602")
    own = replace(reading(taken_over(auc=0.7)), origins=origins(base))
    assert texts(rows(compare([base, own]), "metrics")["evaluate", "auc"]) == ["0.8398", "0.7"]


def test_what_is_not_known_of_a_step_taken_over_differs_from_nothing():
    unknown = reading(taken_over())
    for pair in ([reading(), unknown], [unknown, reading()]):
        row = rows(compare(pair), "metrics")["evaluate", "auc"]
        assert "step was taken over" in texts(row)
        assert not row.differs and not any(cell.differs for cell in row.cells)
    row = rows(compare([unknown, reading(), reading(logged("evaluate", auc=0.9))]), "metrics")[
        "evaluate", "auc"
    ]
    assert row.differs


def test_steps_that_are_each_the_origin_of_the_other_end():
    one, step = reading(taken_over()), uuid4()
    mine = next(found for found in one.steps if found.name == "evaluate")
    other = replace(mine, id=step, raw={**mine.raw, "metadata": {"original_step_run_id": str(mine.id)}})
    first = UUID(mine.raw["metadata"]["original_step_run_id"])
    made = compare([reading(), replace(one, origins={first: other, mine.id: mine})])
    assert texts(rows(made, "metrics")["evaluate", "auc"])[1] == "step was taken over"


def test_a_step_that_one_run_does_not_have_is_no_missing_value():
    def renamed(run, steps, snapshot):
        snapshot["metadata"]["step_configurations"].pop("profile")
        steps.remove(step_named(steps, "profile"))

    made = compare([reading(), reading(renamed)])
    assert texts(rows(made, "steps")["profile", "profile"])[1] == "no such step"


def test_metrics_have_sign_per_cent_and_best():
    other = reading(logged("evaluate", auc=0.8608, cost_per_customer=14.385, columns=-3))
    made = rows(compare([reading(), other]), "metrics")
    auc, cost = made["evaluate", "auc"], made["evaluate", "cost_per_customer"]
    assert (auc.direction, auc.cells[1].change, auc.cells[1].share) == ("higher", "+0.021", "+2.5 %")
    assert (auc.cells[1].best, auc.cells[1].tone, auc.cells[1].rises) == (True, "ok", True)
    assert (cost.direction, cost.cells[1].change, cost.cells[1].share) == ("lower", "+0.685", "+5.0 %")
    assert (cost.cells[0].best, cost.cells[1].best, cost.cells[1].tone) == (True, False, "bad")
    assert not any(cell.best for cell in made["build_features", "columns"].cells)


def test_who_looks_chooses_which_way_is_better():
    pair = [reading(), reading(logged("evaluate", auc=0.9))]
    row = rows(compare(pair, {"auc": "lower"}), "metrics")["evaluate", "auc"]
    assert [cell.best for cell in row.cells] == [True, False]
    neither = rows(compare(pair, {"auc": "neither"}), "metrics")["evaluate", "auc"]
    assert not any(cell.best or cell.tone for cell in neither.cells)


@pytest.mark.parametrize(
    "name, way",
    [
        *(
            (name, "lower")
            for name in ("loss", "val_loss", "auc_loss", "logLoss", "RMSE", "test.mae", "error")
        ),
        *((name, "higher") for name in ("auc", "f1", "r2_score", "auc_by_region.east", "validationAccuracy")),
        *((name, "neither") for name in ("rows", "columns", "", "7", "class", "glossary")),
    ],
)
def test_names_say_which_way_is_better(name, way):
    assert usual_direction(name) == way


@pytest.mark.parametrize(
    "base, number, change, share",
    [
        (0, 5, "+5", ""),
        (-2.0, -1.0, "+1", "+50.0 %"),
        (1_182_044, 5000, "−1,177,044", "−99.6 %"),
        (1e-320, 1e308, "+1e+308", ""),
        (10**400, 1.5, "", ""),
        (1.0, 10**400, "", ""),
        (1, 10**400, "", ""),
        (-1.7e308, 1.7e308, "", ""),
    ],
)
def test_changes_of_any_numbers_have_words(base, number, change, share):
    made = compare([reading(logged("train", x=base)), reading(logged("train", x=number))])
    cell = rows(made, "metrics")["train", "x"].cells[1]
    assert (cell.change, cell.share, cell.differs) == (change, share, True)


def test_durations_differ_when_one_would_notice():
    def slower(seconds):
        def change(run, steps, snapshot):
            for step, end in zip(steps, ("55.554467", f"{seconds:09.6f}"), strict=False):
                step["body"] |= {"start_time": "2026-11-23T14:16:10", "end_time": f"2026-11-23T14:16:{end}"}

        return reading(change)

    name = churn("steps")["items"][1]["name"]
    little = compare([slower(55.6), slower(56)])
    much = compare([slower(30), slower(45)])
    assert differing(little) == set()
    cell = rows(much, "steps")[name, name].cells[1]
    assert (cell.text, cell.share, cell.change, cell.tone) == (
        "35 s",
        "+75 %",
        "",
        "bad",
    ) or cell.share == "+75.0 %"


def test_a_failed_run_has_no_share_of_time():
    def failed(run, steps, snapshot):
        run["body"]["status"] = "failed"
        run["metadata"]["end_time"] = "2026-11-23T14:26:56"

    cell = rows(compare([reading(), reading(failed)]), "steps")["", "whole run"].cells[1]
    assert (cell.differs, cell.share, cell.value.status) == (True, "", "failed")


def test_artifacts_lie_side_by_side():
    def newer(run, steps, snapshot):
        version = step_named(steps, "build_features")["resources"]["outputs"]["test_set"][0]
        version["id"], version["body"]["version"] = str(uuid4()), "2"

    made = compare([reading(), reading(newer)])
    assert differing(made) == {("artifacts", "build_features", "test_set")}
    row = rows(made, "artifacts")["build_features", "test_set"]
    assert texts(row) == ["test_set, version 1, dict", "test_set, version 2, dict"]


def test_what_was_logged_for_an_artifact_is_a_metric_of_its_step():
    test_set = step_named(churn("steps")["items"], "build_features")["resources"]["outputs"]["test_set"][0][
        "id"
    ]
    pair = [reading(logged={test_set: {"rows": 2, "kind": "a"}}), reading(logged={test_set: {"rows": 3}})]
    made = compare(pair)
    assert texts(rows(made, "metrics")["build_features", "test_set.rows"]) == ["2", "3"]
    assert texts(rows(made, "metadata")["build_features", "test_set.kind"]) == ["a", "not logged"]
    assert made.total == compare([reading(logged={"x": {}})] * 2).total + 2


def test_what_zenml_writes_for_an_artifact_is_no_metric():
    outputs = step_named(churn("steps")["items"], "build_features")["resources"]["outputs"]
    test_set = outputs["test_set"][0]["id"]
    sizes = [{test_set: {"storage_size": size, "length": size, "mean": {"age": size}}} for size in (2, 3)]
    made = compare([reading(logged=one) for one in sizes])
    own = {("build_features", f"test_set.{name}") for name in ("storage_size", "length", "mean.age")}
    assert not own & rows(made, "metrics").keys()
    assert own <= {place for place, row in rows(made, "metadata").items() if row.differs}
    assert not any(rows(made, "metadata")[place].cells[1].change for place in own)
    step = compare([reading(logged("train", length=2)), reading(logged("train", length=3))])
    assert rows(step, "metrics")["train", "length"].cells[1].change == "+1"


def test_values_that_are_equal_but_for_the_last_digits_are_neither_better_nor_worse():
    same = compare([reading(logged("evaluate", auc=0.1 + 0.2)), reading(logged("evaluate", auc=0.3))])
    row = rows(same, "metrics")["evaluate", "auc"]
    assert not row.differs and {(one.change, one.share, one.tone, one.best) for one in row.cells} == {
        ("", "", "", False)
    }
    near = compare([reading(logged("evaluate", auc=0.9)), reading(logged("evaluate", auc=0.90001))])
    cell = rows(near, "metrics")["evaluate", "auc"].cells[1]
    assert (cell.change, cell.share, cell.tone) == ("+1e−05", "", "ok")


def test_what_nobody_recorded_is_not_called_unset():
    def bare(run, steps, snapshot):
        run["metadata"]["client_environment"] = {}

    made = compare([reading(), reading(bare)])
    assert texts(rows(made, "settings")["", "python"])[1] == "not recorded"


def test_the_version_of_the_code_is_compared():
    used = [RunValue(f"v{number}", ("code", number)) for number in (1, 2)]
    made = compare([replace(reading(), code=code) for code in (*used, None)])
    row = rows(made, "settings")["", "code version"]
    assert row.differs and texts(row) == ["v1", "v2", "not recorded"]


def test_settings_that_were_set_are_compared():
    def other(run, steps, snapshot):
        snapshot["metadata"]["pipeline_configuration"] |= {
            "enable_cache": False,
            "settings": {"resources": {"cpu_count": 4, "gpu_count": None}},
            "model": {"name": "churn", "version": None},
        }
        step_named(steps, "train")["metadata"]["config"]["retry"] = {"max_retries": 2, "delay": 0}
        run["resources"]["tags"] = [{"name": "b"}, {"name": "a"}]
        run["metadata"]["client_environment"]["python_packages"] = "numpy==2.1\nzenml==0.98.0"

    made = compare([reading(), reading(other)])
    assert {(step, name) for key, step, name in differing(made) if key == "settings"} == {
        ("", "enable_cache"),
        ("", "settings.resources.cpu_count"),
        ("", "model.name"),
        ("", "tags"),
        ("train", "retry.max_retries"),
        ("train", "retry.delay"),
    }
    assert texts(rows(made, "settings")["", "tags"]) == ["not set", '["a", "b"]']
    assert texts(rows(made, "packages")["", "numpy"]) == ["not recorded", "2.1"]


def test_what_to_know_first_is_said():
    def elsewhere(run, steps, snapshot):
        run["resources"]["pipeline"]["name"] = "orders"
        run["resources"]["stack"]["name"] = "gpu"

    live = reading(status="running", in_progress=True)
    made = compare([reading(), reading(elsewhere), live])
    assert made.warnings == (
        "These runs are of different pipelines: churn, orders.",
        "They ran on different stacks: default, gpu. Durations may differ for that reason alone.",
        f"Not finished yet, so its values may change: {live.run.name}.",
    )


# -- values


@pytest.mark.parametrize(
    "one, other, equal",
    [
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (None, "none", False),
        ([], {}, False),
        ([1, 2], [2, 1], False),
        ("a" * 5_000_000 + "b", "a" * 5_000_000 + "c", False),
        ("a" * 5_000_000, "a" * 5_000_000, True),
    ],
)
def test_values_are_equal_as_json(one, other, equal):
    assert (value_of(one).same == value_of(other).same) is equal


def test_short_values_that_differ_read_differently():
    said = [1, "1", True, "true", None, "none", "", [], {}, "[]", " a", "a"]
    assert len({value_of(one).text for one in said}) == len(said)


def test_long_values_are_cut_with_their_length():
    assert value_of("x" * 5_000_000).text.endswith("… (5,000,000 characters)")
    assert len(value_of(["y" * 900_000] * 5).text) < 200
    assert value_of("a\nb\x00\u202ec").text == "a ⏎ bc"


def test_deep_and_endless_values_end():
    deep = []
    for _ in range(3000):
        deep = [deep]
    assert value_of(deep).text
    nested = {"x": 1}
    for _ in range(500):
        nested = {"f": nested}
    assert len([*leaves(nested)]) == 1
    assert len([*leaves({str(n): n for n in range(100_000)})]) == 3000


def test_paths_are_words():
    assert words_of(("a", 0, "b")) == "a[0].b"
    assert words_of((0,)) == "[0]"
    assert words_of(("<b>\x00",)) == "<b>"


# -- whatever is compared

keys = st.sampled_from(["a", "b", "auc", "loss", "", "<script>", "x.y", "0"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=4)


@st.composite
def any_reading(draw):
    """A run of one or two steps with any parameters, settings and metadata."""
    steps, snapshot = (
        [],
        {"metadata": {"step_configurations": {}, "pipeline_configuration": {"parameters": draw(objects)}}},
    )
    for name in draw(st.lists(st.sampled_from(["load", "train", "<i>"]), unique=True, max_size=2)):
        config = {"parameters": draw(objects), "settings": draw(objects), "enable_cache": draw(scalars)}
        snapshot["metadata"]["step_configurations"][name] = {"config": config}
        body = {
            "status": draw(st.sampled_from(["completed", "failed", ""])),
            "start_time": "2026-01-01T00:00:00",
            "end_time": f"2026-01-01T00:0{draw(st.integers(0, 9))}:00",
        }
        steps.append(
            {"id": str(UUID(int=1)), "name": name, "body": body, "metadata": {"run_metadata": draw(objects)}}
        )
    run = {
        "id": str(UUID(int=2)),
        "body": {"status": "completed"},
        "metadata": {"run_metadata": draw(objects)},
    }
    return RunReading(run_of(run), tuple(map(step_of, steps)), snapshot)


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestAnyRuns:
    @QUICK
    @given(any_reading())
    def test_itself_differs_in_nothing(self, one):
        made = compare([one, deepcopy(one)])
        assert made.differing == 0
        assert not any(
            cell.differs or cell.change or cell.best for g in made.groups for r in g.rows for cell in r.cells
        )

    @QUICK
    @given(st.lists(any_reading(), min_size=3, max_size=3))
    def test_every_difference_is_one(self, readings):
        for group in compare(readings).groups:
            for row in group.rows:
                seen = {(cell.value.same if cell.value else None) for cell in row.cells}
                times = [cell.value.number for cell in row.cells if cell.value and group.key == "steps"]
                assert row.differs == (len(seen) > 1 or len(set(times)) > 1)
                assert not row.cells[0].differs
                assert row.differs == any(cell.differs for cell in row.cells)

    @QUICK
    @given(st.lists(any_reading(), min_size=3, max_size=3))
    def test_order_changes_columns_only(self, readings):
        first = compare(readings)
        for order in permutations(range(3)):
            other = compare([readings[place] for place in order])
            assert [g.key for g in other.groups] == [g.key for g in first.groups]
            pairs = zip(
                (row for g in first.groups for row in g.rows),
                (row for g in other.groups for row in g.rows),
                strict=True,
            )
            for row, again in pairs:
                assert (row.step, row.name, row.differs, row.direction) == (
                    again.step, again.name, again.differs, again.direction,
                )  # fmt: skip
                assert [row.cells[place].text for place in order] == [cell.text for cell in again.cells]
                assert [row.cells[place].best for place in order] == [cell.best for cell in again.cells]
