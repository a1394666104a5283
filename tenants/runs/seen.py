"""What a page about runs has shown, in one word: see zenpro_site.common.polling."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tenants.runs.reading import RunPage, StepRow
from zenpro_site.common.polling import digest, tick

TICK = 5  # seconds after which times that go on are shown anew


def seen_of(page: RunPage, rerun, view: str, rights: Iterable[str]) -> str:
    """Of all that a page about a run shows and that may change while it is open: states, messages, output, buttons.

    `rerun` is the TemplateRun that made it, or None.
    """
    ours = (rerun.state, rerun.cancel_requested_at, rerun.state_reason, rerun.stop_reason) if rerun else ()
    ours = (*ours, rerun.stop_sent_at, rerun.given_up_at) if rerun else ours
    log, moment = page.log, int(time.time() // TICK) if page.live else 0
    output = (log.step_id, log.total, log.passing, log.hits, log.note, log.lines[-1:])
    return digest(
        view, moment, page.status, page.run.reason, page.live, page.chosen and page.chosen.name, page.unseen,
        [_said(step) for step in page.steps], output, page.run.tags, ours, sorted(map(str, rights)),
    )  # fmt: skip


def list_seen(shown: Mapping[str, Any]) -> str:
    """Of a list of runs, as its template gets it: `rows` of (RunRow, values), whether one is `live`, and so on."""
    runs, found = [row.run for row, _ in shown["rows"]], shown["found"]
    lasted = [run.seconds for run in runs if run.finished]
    allowed = shown["can_run"], sorted(map(str, shown["repeatable"]))
    total = found and found.page.total
    return digest(
        tick(shown["live"]), shown["rows"], lasted, total, shown["unread"], shown["trouble"], allowed
    )


def _said(step: StepRow) -> tuple:
    return step.name, step.status, step.id, step.message
