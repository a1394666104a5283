"""Signs of life of a re-run that its stack carries out.

Its steps write one into the tenant, every 15 seconds at first and later every five minutes. A stack that is gone, with its
nodes or its namespace, writes nothing and tells nobody.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from tenants.runs.client import UNDER_WAY, Run, Step

from .run_memory import Life

LOOK_EVERY = 60.0  # seconds
SILENT_AFTER = timedelta(minutes=10)  # twice the longest time between two signs
WAITS_AFTER = timedelta(hours=1)  # without a running step: for images, for room, for the orchestrator
NO_SIGN = "No sign of life since {}."


def life_of(run: Run, steps: Sequence[Step], before: Life | None, now: datetime) -> Life:
    """What this look shows, after one before it."""
    running, moment = [step for step in steps if step.status in UNDER_WAY], time.monotonic()
    signs = [step.heartbeat for step in running] if running else [_last_change(run, steps)]
    if None in signs:  # one that gives no signs may be alive; with older servers none does
        return Life(None, None, moment, "", moment)
    sign = max(signs)
    since = before.since if before and before.sign == sign else moment
    patience = max((step.patience for step in running), default=None)
    return Life(sign, patience, since, _words(sign, SILENT_AFTER if running else WAITS_AFTER, now), moment)


def is_lost(life: Life, now: datetime) -> bool:
    """Has it been silent for longer than ZenML itself waits?

    Seen from here as well: a tenant that was away has old signs of what lives, until it is heard of again.
    """
    if life.sign is None or life.patience is None:
        return False
    watched = time.monotonic() - life.since >= SILENT_AFTER.total_seconds()
    return watched and now - life.sign > max(life.patience, SILENT_AFTER)


def _last_change(run: Run, steps: Sequence[Step]) -> datetime | None:
    """When something began or ended, for a run of which no step is under way."""
    known = [run.start or run.created, *(step.start for step in steps), *(step.end for step in steps)]
    return max((one for one in known if one), default=None)


def _words(sign: datetime, allowed: timedelta, now: datetime) -> str:
    if now - sign <= allowed:
        return ""
    then, today = timezone.localtime(sign), timezone.localtime(now)
    return NO_SIGN.format(then.strftime("%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M"))
