"""Tenants answer everything that organizations ask about places, as it is asked."""

import inspect

import pytest

from orgs.access.places import Places, places
from tenants.access.tenant_places import TenantPlaces


def questions() -> dict:
    return {
        name: method for name, method in vars(Places).items() if not name.startswith("_") and callable(method)
    }


def arguments(method) -> list[tuple]:
    """(name, kind, default) of each."""
    found = inspect.signature(method).parameters.values()
    return [(one.name, one.kind, one.default) for one in found]


@pytest.mark.parametrize("name", questions())
def test_each_question_is_answered_as_it_is_asked(name):
    assert arguments(getattr(TenantPlaces, name)) == arguments(questions()[name])


def test_nothing_else_is_answered():
    answers = {name for name in vars(TenantPlaces) if not name.startswith("_")}
    assert answers == questions().keys()


def test_the_settings_name_who_answers():
    assert isinstance(places(), TenantPlaces)
    assert places() is places()
