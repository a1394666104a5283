"""All steps of runs: a server gives at most MAX_PAGE of them at a time."""

import time
from collections.abc import Callable
from uuid import UUID

from tenants.hosting.base import TenantUnreachable
from tenants.runs.client import MAX_PAGE, Step, TenantClient

STEP_PAGES = 10  # of one run, as many as its page looks at; a server may have any number
PATIENCE = 10.0  # seconds for all pages together: each alone may take eight, and somebody waits for them
NOT_ALL = "The server answers too slowly: not all steps could be read."

Ask = Callable[[int], list[Step]]


def all_steps(
    client: TenantClient, run_id: UUID, project: UUID | None, pages: int = STEP_PAGES
) -> list[Step]:
    """Steps of a run in the order they started, at most `pages` times MAX_PAGE, however long that takes. One call for up
    to 99 of them, and one more for every 100 after that. Raises what TenantClient.steps raises."""
    return paged(lambda page: client.steps(run_id, project, page), pages)


def steps_in_time(
    client: TenantClient, run_id: UUID, project: UUID | None, pages: int = STEP_PAGES
) -> tuple[list[Step], bool]:
    """(as many of them as PATIENCE allows, whether those are all). Raises what TenantClient.steps raises."""
    return paged_in_time(lambda page: client.steps(run_id, project, page), pages)


def paged(ask: Ask, pages: int) -> list[Step]:
    """What `ask` says page after page, until one is not full."""
    found: list[Step] = []
    for page in range(1, pages + 1):
        steps = ask(page)
        found += steps
        if len(steps) < MAX_PAGE:
            break
    return found


def paged_in_time(
    ask: Ask, pages: int, clock: Callable[[], float] = time.monotonic
) -> tuple[list[Step], bool]:
    """The same as far as it comes in PATIENCE seconds, and whether that is all. No page is asked for that would come too
    late if it took as long as the slowest; a server that falls silent after the first has said what it has said."""
    found: list[Step] = []
    ends, slowest = clock() + PATIENCE, 0.0
    for page in range(1, pages + 1):
        asked = clock()
        if found and asked + slowest > ends:
            return found, False
        steps = _said(ask, page, found)
        slowest = max(slowest, clock() - asked)
        found += steps or []
        if steps is None or len(steps) < MAX_PAGE:
            return found, steps is not None
    return found, True


def _said(ask: Ask, page: int, before: list[Step]) -> list[Step] | None:
    """None for a server that fell silent."""
    try:
        return ask(page)
    except TenantUnreachable:
        if before:
            return None
        raise
