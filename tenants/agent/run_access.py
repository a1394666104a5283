"""Ends runs of people who can no longer enter their tenant, and of keys revoked or expired (rules §3, §7).

What has not begun ends as well when the template no longer lets its person run it.
"""

from tenants.access import decisions
from tenants.models import Tenant
from tenants.run_templates.access import is_runner
from tenants.run_templates.actions import stop_run
from tenants.run_templates.models import TemplateRun

Holding = dict[tuple, bool]


def stop_runs_of_the_gone(runs: list[TemplateRun]) -> None:
    """Ask to stop those of these unfinished re-runs whose person or key is gone.

    One query for each person and tenant among them. Whoever cancelled before has stopped it.
    """
    known: Holding = {}
    for run in runs:
        deleted = run.template.tenant.desired_state == Tenant.DesiredState.DELETED
        if run.cancel_requested_at or deleted:
            continue
        if reason := why_stopped(run, known):
            stop_run(run=run, reason=reason)


def why_stopped(run: TemplateRun, known: Holding | None = None) -> str:
    """The end of a sentence for people; "" while the run can continue."""
    key = run.asked_with
    if run.created_by is None:
        return "the person who started it is no longer here."
    if key and key.revoked_at:
        return f"the key {key} of {run.created_by}, which started it, has been revoked."
    if key and key.state == "expired":
        return f"the key {key} of {run.created_by}, which started it, has expired."
    if is_out(run, known):
        return f"{run.created_by} no longer has access to {run.template.tenant.name}."
    if is_taken_off(run, known):
        return f"{run.created_by} may no longer run the template {run.template}."
    return ""


def is_taken_off(run: TemplateRun, known: Holding | None = None) -> bool:
    """Does the template no longer let them run it, while the run has no process yet? What runs goes on."""
    if run.pid is not None or run.is_submitted or run.created_by is None:
        return False
    known = {} if known is None else known
    pair = "runner", run.created_by_id, run.template_id
    if pair not in known:
        known[pair] = is_runner(run.created_by, run.template)
    return not known[pair]


def is_out(run: TemplateRun, known: Holding | None = None) -> bool:
    """Can no one act in the tenant as the person who asked for the run?"""
    known = {} if known is None else known
    pair = run.created_by_id, run.template.tenant_id
    if pair not in known:
        known[pair] = bool(pair[0]) and decisions.holds_anything(pair[0], run.template.tenant)
    return not known[pair]
