"""Selectors and amounts, as addresses and quotas spell them."""

import pytest

from .quotas import amount, told
from .refusals import Refusal
from .selectors import chosen, matches

POD = {"metadata": {"name": "one", "labels": {"app": "web", "tier": "1"}}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("labels", "fits"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=1", True),
        ("app=db", False),
        ("app!=db", True),
        ("other!=x", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app in (db, web),tier", True),
        ("app notin (db, web)", False),
    ],
)
def test_labels(labels, fits):
    assert matches(POD, labels) is fits


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ("metadata.name=one", True),
        ("status.phase!=Running", False),
        ("status.phase==Running,spec.nodeName=", True),
    ],
)
def test_fields(fields, fits):
    assert matches(POD, fields=fields) is fits


def test_what_is_no_selector_is_refused():
    with pytest.raises(Refusal, match="unable to parse requirement"):
        matches(POD, "app=(web")


def test_selectors_in_objects():
    rules = [{"key": "tier", "operator": "In", "values": ["1"]}, {"key": "old", "operator": "DoesNotExist"}]
    assert chosen(POD["metadata"]["labels"], {"matchLabels": {"app": "web"}, "matchExpressions": rules})
    assert not chosen(POD["metadata"]["labels"], {"matchLabels": {"app": "db"}})


@pytest.mark.parametrize(
    ("text", "number"), [("250m", 0.25), ("2Gi", 2**31), ("1.5", 1.5), (3, 3), ("5k", 5000)]
)
def test_amounts(text, number):
    assert amount(text) == number


def test_amounts_are_told_as_quotas_tell_them():
    assert [told("limits.memory", 2**31), told("pods", 3.0), told("requests.cpu", 0.25)] == [
        "2Gi",
        "3",
        "250m",
    ]
