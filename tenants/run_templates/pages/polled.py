"""What pages about re-runs have shown, in one word: one that asks again and shows all of it is left as it is."""

from collections.abc import Iterable, Mapping
from typing import Any

from tenants.run_templates.models import TemplateRun
from zenpro_site.common.polling import digest, tick


def runs_seen(runs: Iterable[TemplateRun], *beside: object) -> str:
    """Of a list of re-runs, with their times; `beside`: the rest of the fragment that may change, as `digest` takes it."""
    runs = list(runs)
    return digest(tick(any(_goes_on(run) for run in runs)), [_said(run) for run in runs], *beside)


def activity_seen(shown: Mapping[str, Any]) -> str:
    """Of the re-runs and figures on a template's page, as its template gets them."""
    runs = [row.run for row in shown["rows"]] + [bar.run for bar in shown["chart"].bars]
    about = (shown["figures"], shown["run_count"], len(shown["parameters"]), shown["runners"])
    return runs_seen(runs, *about, shown["can_run"], shown["cannot_run"])


def _goes_on(run: TemplateRun) -> bool:
    """Does the page show a time of it that grows?"""
    return run.started_at is not None and not run.has_ended


def _said(run: TemplateRun) -> tuple:
    """All that a row or the page of a re-run shows of it and that may still change."""
    return (
        run.number,
        run.state,
        run.state_reason,
        run.stop_reason,
        run.cancel_requested_at,
        run.started_at,
        run.ended_at,
        run.zenml_run_id,
        run.zenml_snapshot_id,
        run.seconds_to_undo,
        str(run.created_by),
    )
