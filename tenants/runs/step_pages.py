"""All steps of runs: a server gives at most MAX_PAGE of them at a time."""

from collections.abc import Callable
from uuid import UUID

from tenants.runs.client import MAX_PAGE, Step, TenantClient

STEP_PAGES = 10  # of one run, as many as its page looks at; a server may have any number


def all_steps(
    client: TenantClient, run_id: UUID, project: UUID | None, pages: int = STEP_PAGES
) -> list[Step]:
    """Steps of a run in the order they started, at most `pages` times MAX_PAGE. One call for up to 99 of them, and one
    more for every 100 after that. Raises what TenantClient.steps raises."""
    return paged(lambda page: client.steps(run_id, project, page), pages)


def paged(ask: Callable[[int], list[Step]], pages: int) -> list[Step]:
    """What `ask` says page after page, until one is not full."""
    found: list[Step] = []
    for page in range(1, pages + 1):
        steps = ask(page)
        found += steps
        if len(steps) < MAX_PAGE:
            break
    return found
