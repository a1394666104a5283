"""Which tests share a process when all cores work on them."""

from collections import OrderedDict
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
LONG = ("journey", "servers")  # scopes that take longest


class ByFile(LoadScopeScheduling):
    """A file at a time. The journey shares one installation, and what else starts servers shares their environments."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.workqueue = LongestFirst()

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        if path.startswith("tests/journey/"):
            return "journey"
        return "servers" if says(path, "mark.zenml") else path


class LongestFirst(OrderedDict):
    """What waits to be given out. What takes long and begins last would end alone, with nothing left for other cores."""

    def popitem(self, last=True):
        scope = min(self, key=lambda one: (rank(one), -len(self[one])))
        return scope, self.pop(scope)


def rank(scope: str) -> int:
    """Its place among the scopes: smaller ones begin earlier."""
    if scope in LONG:
        return LONG.index(scope)
    return len(LONG) + (0 if says(scope, "mark.thorough") else 1 if scope.endswith("_browser.py") else 2)


@cache
def says(path: str, marker: str) -> bool:
    """Does a file carry this marker? Tests are not imported where they are given out."""
    return marker in (ROOT / path).read_text()
