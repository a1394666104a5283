"""The named steps of a tenant's start, as the progress page shows them. Stored on the row, so any process can tell."""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone


def fresh(keys: Iterable[str]) -> list[dict]:
    """These steps, in this order, none of them begun."""
    return [{"key": key, "state": "waiting", "started": None, "ended": None, "note": ""} for key in keys]


def is_done(progress: list[dict], key: str) -> bool:
    return _step(progress, key)["state"] == "done"


def is_noted(progress: list[dict], key: str, note: str) -> bool:
    return _step(progress, key)["note"] == note


def begin(progress: list[dict], key: str, note: str = "") -> list[dict]:
    """Mark a step as running; its start time stays when it ran already."""
    step = _step(progress, key)
    step["started"] = step["started"] or timezone.now().isoformat()
    step.update(state="running", note=note or step["note"])
    return progress


def finish(progress: list[dict], key: str, note: str = "", at=None) -> list[dict]:
    """Mark a step as done; done steps keep their times."""
    step = _step(progress, key)
    if step["state"] == "done":
        return progress
    ended = (at or timezone.now()).isoformat()
    step.update(state="done", started=step["started"] or ended, ended=ended, note=note or step["note"])
    return progress


def fail(progress: list[dict], note: str) -> list[dict]:
    """Mark the step that was running (or the next one) as failed."""
    for step in progress:
        if step["state"] != "done":
            step.update(state="failed", ended=timezone.now().isoformat(), note=note)
            break
    return progress


def _step(progress: list[dict], key: str) -> dict:
    return next(step for step in progress if step["key"] == key)


def seconds(step: dict) -> float:
    """How long a step took; 0.0 while it has not ended."""
    if not step["started"] or not step["ended"]:
        return 0.0
    return (datetime.fromisoformat(step["ended"]) - datetime.fromisoformat(step["started"])).total_seconds()
