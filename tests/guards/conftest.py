import pytest

from .world import World


@pytest.fixture
def world(db):
    """One object of everything in one organization."""
    return World("Acme AI")


@pytest.fixture
def foreign(db):
    """The same in another organization."""
    return World("Globex")
