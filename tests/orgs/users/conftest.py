import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def fresh_limits():
    """Sign-in limits count per address, and all tests come from one, those of other modules too."""
    cache.clear()
    yield
    cache.clear()
