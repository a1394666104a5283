"""Which tests share a process when all cores work on them."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]


class ByFile(LoadScopeScheduling):
    """A file at a time. The journey shares one installation, and what else starts servers shares their environments."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        if path.startswith("tests/journey/"):
            return "journey"
        return "servers" if starts_servers(path) else path


@cache
def starts_servers(path: str) -> bool:
    """Tests are not imported where they are given out: the marker is read in their file."""
    return "mark.zenml" in (ROOT / path).read_text()
