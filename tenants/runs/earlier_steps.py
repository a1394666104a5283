"""Steps that took their result from an earlier run, and the steps that did the work.

Servers hand on only what was logged for an artifact (seen on 0.98.0): what a step logged itself is with the step that ran.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from tenants.hosting.base import TenantRefused, TenantUnreachable, TenantUnreadable
from tenants.runs.client import MAX_PAGE, Json, Step, TenantClient

HANDED_ON = {
    "skipped": "taken over",
    "cached": "cached",
}  # states of a step that took its result from an earlier run
LINKS = 5  # from a step that was taken over to the one that did the work
ORIGINS = 300  # steps of earlier runs that are asked for at a time

Origins = Mapping[UUID, Step]


def is_handed_on(step: Step) -> bool:
    """Did it take its result from an earlier run instead of running?"""
    return step.status in HANDED_ON


def origins_of(
    client: TenantClient,
    project: UUID | None,
    steps: Sequence[Step],
    known: Iterable[Step] = (),
    has_time: Callable[[], bool] = lambda: True,
) -> dict[UUID, Step]:
    """The steps that these took over, by their ids, and what those had taken over in their turn; `known` are not asked for.

    No call where nothing was taken over, else one for every MAX_PAGE of them; what the server does not say is left out.
    """
    found = {step.id: step for step in (*steps, *known)}
    for _ in range(LINKS if project else 0):
        wanted = _missing(steps, found)
        if not (wanted and has_time()):
            break
        steps = _asked_for(client, project, wanted)
        found |= {step.id: step for step in steps}
    return found


def _missing(steps: Iterable[Step], found: Mapping[UUID, Step]) -> list[UUID]:
    wanted = dict.fromkeys(step.original_id for step in steps if is_handed_on(step))
    return [one for one in wanted if one and one not in found][:ORIGINS]


def _asked_for(client: TenantClient, project: UUID, ids: list[UUID]) -> list[Step]:
    """Those of these steps that the server shows."""
    found: list[Step] = []
    for start in range(0, len(ids), MAX_PAGE):
        try:
            found += client.steps_by_ids(tuple(ids[start : start + MAX_PAGE]), project)
        except (TenantRefused, TenantUnreachable, TenantUnreadable):
            break
    return found


def line_of(step: Step, origins: Origins) -> list[Step]:
    """The step, the one it took over, and so on: to the one that did the work, or as far as is known."""
    found = [step]
    while is_handed_on(found[-1]) and len(found) <= LINKS:
        origin = origins.get(found[-1].original_id)
        if origin is None:
            break
        found.append(origin)
    return found


def logged_by(line: Sequence[Step]) -> Json:
    """What a step logged and those before it in its line; the later ones say it last."""
    found: Json = {}
    for step in reversed(line):
        found |= step.metadata
    return found


def with_earlier_results(client: TenantClient, project: UUID | None, steps: Sequence[Step]) -> list[Step]:
    """The steps, each with what was logged for its result, be it in an earlier run. No call where all of them ran."""
    origins = origins_of(client, project, steps)
    return [replace(step, metadata=logged_by(line_of(step, origins))) for step in steps]
