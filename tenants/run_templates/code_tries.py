"""Tries of code: each is asked for by a person, taken up by the agent, and forgotten after a day."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.run_templates.code_actions import CodeRefused, check_layout, check_space
from tenants.run_templates.document.requirements import RequirementsRefused, check_requirements
from tenants.run_templates.engine.importing import StepImport
from tenants.run_templates.engine.layout import steps_of
from zenpro_site.common.characters import storable

from .models import CodeTry, CodeVersion

State = CodeTry.State
KEPT = timedelta(days=1)
STEP = ("module", "attribute")
KEPT_AGAIN = ("code", "steps", "roots", "starts_in", "recorded", "integrations")
MOST_STEPS = 1000
MOST_RECORDED = 2000  # packages
NEWER = "A newer try took its place."


def begin_try(
    *,
    code: CodeVersion,
    snapshot: Mapping[str, Any],
    roots: list[str],
    starts_in: str,
    requirements: str,
    recorded: Sequence[str],
    integrations: Sequence[str] = (),
    by: Actor,
) -> CodeTry:
    """Ask for a try of the steps of a snapshot; the person's earlier one that imports nothing yet is over.

    `roots`, `starts_in`: as of a CodeVersion; `recorded`: packages of the run; `integrations`: names, of its stack.
    Leaves an audit row. Raises CodeRefused.
    """
    check_layout(code, snapshot, roots, starts_in)
    steps = {name: {key: step[key] for key in STEP} for name, step in steps_of(snapshot)}
    if len(steps) > MOST_STEPS:
        raise CodeRefused(f"A pipeline of more than {MOST_STEPS:,} steps can't be tried.")
    if not storable([steps, *recorded]):
        raise CodeRefused("A name in this pipeline has characters that can't be stored.")
    facts = {"roots": roots, "starts_in": starts_in, "recorded": [*recorded][:MOST_RECORDED]}
    facts |= {"integrations": [*integrations]}
    return _begin(CodeTry(code=code, steps=steps, requirements=requirements, **facts), by)


def try_again(*, earlier: CodeTry, requirements: str, by: Actor) -> CodeTry:
    """The same with other packages. Raises CodeRefused."""
    facts = {name: getattr(earlier, name) for name in KEPT_AGAIN}
    return _begin(CodeTry(**facts, requirements=requirements), by)


def _begin(new: CodeTry, by: Actor) -> CodeTry:
    tenant = new.code.tenant
    check_space(tenant)
    try:
        check_requirements(new.requirements)
    except RequirementsRefused as error:
        raise CodeRefused(str(error), "requirements") from error
    with transaction.atomic():
        mine = CodeTry.objects.filter(person=by.person)
        mine.filter(asked_at__lt=timezone.now() - KEPT).delete()
        for one in mine.filter(state__in=(State.WAITING, State.INSTALLING), code__tenant=tenant):
            end_try(one, State.FAILED, NEWER)
        new.person = by.person
        new.save(force_insert=True)
        _record(new, by)
    return new


def _record(new: CodeTry, by: Actor) -> None:
    code = new.code
    after = {"pipeline": code.pipeline_name, "number": code.number, "requirements": new.requirements}
    AuditEvent.objects.record("code.tried", code, by=by, organization=code.tenant.organization, after=after)


def move_try(one: CodeTry, old: str, new: str) -> bool:
    """To its next state; False when someone else was first, or it is gone."""
    moved = bool(CodeTry.objects.filter(pk=one.pk, state=old).update(state=new))
    one.state = new if moved else one.state
    return moved


def end_try(one: CodeTry, state: str, reason: str = "", results: Sequence[StepImport] = ()) -> None:
    """Its end, unless it has one."""
    longest = CodeTry._meta.get_field("reason").max_length
    values = {"state": state, "reason": reason[:longest], "results": [each.as_json() for each in results]}
    unfinished = CodeTry.objects.filter(pk=one.pk, state__in=CodeTry.UNFINISHED)
    unfinished.update(**values, ended_at=timezone.now())
