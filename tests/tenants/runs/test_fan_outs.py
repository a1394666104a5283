"""Which steps are of one kind, and the order of names with numbers."""

import random
from itertools import pairwise

import pytest

from tenants.runs.fan_outs import LEAST, fan_outs, in_natural_order, kind_of, natural

FOLDS = ["fold", *(f"fold_{n}" for n in range(2, 13))]


def fan(names=FOLDS):
    return [("load", name) for name in names] + [(name, "join") for name in names]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("train", "train"),
        ("train_2", "train"),
        ("train_fold_3_2", "train_fold"),
        ("fold_3_of_5", "fold_…_of"),
        ("fold_3_of_5_train", "fold_…_of_…_train"),
        ("step7", "step"),
        ("50", "…"),
        ("_2", "…"),
        ("", ""),
    ],
)
def test_kind_is_the_name_without_what_numbers_it(name, kind):
    assert kind_of(name).strip("_") == kind.strip("_")


def test_order_is_that_of_numbers():
    names = FOLDS.copy()
    random.Random(1).shuffle(names)
    assert sorted(names, key=natural) == FOLDS
    assert sorted(["2", "a", "10", "", "a1b"], key=natural) == ["", "2", "10", "a", "a1b"]


def test_each_kind_keeps_the_places_it_had_together():
    names = ["load", "fold_10", "other", "fold_2", "join"]
    edges = [
        ("load", "fold_10"),
        ("load", "fold_2"),
        ("load", "other"),
        ("fold_10", "join"),
        ("fold_2", "join"),
    ]
    assert in_natural_order(names, edges) == ["load", "fold_2", "other", "fold_10", "join"]


def test_steps_of_a_row_are_not_turned_round():
    names = ["pass_2", "pass_1"]
    assert in_natural_order(names, [("pass_2", "pass_1")]) == names


def test_steps_side_by_side_are_one_fan_out():
    names = ["load", *sorted(FOLDS), "join"]
    (found,) = fan_outs(names, fan())
    assert (found.title, found.names) == ("fold", tuple(FOLDS))
    assert [found.label(name) for name in ("fold", "fold_2", "fold_12")] == ["1", "2", "12"]


def test_few_steps_are_none():
    few = FOLDS[: LEAST - 1]
    assert fan_outs(["load", *few, "join"], fan(few)) == []


def test_steps_of_one_name_one_after_the_other_are_none():
    assert fan_outs(FOLDS, list(pairwise(FOLDS))) == []


def test_parallel_branches_are_a_fan_out_at_each_step():
    branches = range(1, 11)
    names = [f"{step}_{n}" for n in branches for step in ("load", "train", "score")]
    edges = [(f"load_{n}", f"train_{n}") for n in branches] + [(f"train_{n}", f"score_{n}") for n in branches]
    assert [found.key for found in fan_outs(names, edges)] == ["load.0", "train.1", "score.2"]


def test_long_numbers_become_places():
    names = [f"chunk_{n}" for n in range(20260101, 20260112)]
    (found,) = fan_outs(names, [])
    assert [found.label(name) for name in names[:2]] == ["1", "2"]


def test_circle_has_no_kinds_and_its_order():
    names, circle = FOLDS[::-1], [("fold", "fold_2"), ("fold_2", "fold")]
    assert fan_outs(names, circle) == []
    assert in_natural_order(names, circle) == names
