"""The steps of a move on the progress page: its own, and then those of a start in the new home."""

from tenants.hosting import progress
from tenants.hosting.base import Hosting
from tenants.models import TenantMove

OWN = ("stop", "take", "put")
# What a move's own step is called there.
KEYS = {
    TenantMove.Step.STOPPING: "stop",
    TenantMove.Step.TAKING: "take",
    TenantMove.Step.PUTTING: "put",
}


def begun(destination: Hosting) -> list[dict]:
    """Of a move that has just been asked for."""
    return progress.begin(progress.fresh([*OWN, *destination.steps]), "stop")


def gone_on(steps: list[dict], done: str, then: str = "") -> list[dict]:
    """One of the move's own steps is over, and perhaps the next one begins."""
    found = progress.finish(steps, done)
    return progress.begin(found, then) if then else found


def before_start(steps: list[dict], destination: Hosting) -> list[dict]:
    """All steps, from when the server is to start in its new home, or is to be started there again."""
    own = [step for step in steps if step["key"] in OWN] or progress.fresh(OWN)
    for key in OWN:
        progress.finish(own, key)
    return [*own, *progress.fresh(destination.steps)]
