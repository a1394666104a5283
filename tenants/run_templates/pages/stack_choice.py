"""The stacks that the form of a re-run offers beside the template's own."""

from dataclasses import dataclass
from uuid import UUID

from tenants.hosting.base import TenantNotFound
from tenants.run_templates.engine.other_stacks import StackChoice, choice_for, may_be_chosen, why_kept
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.runs.reading import ask
from zenpro_site.common.identifiers import uuid_or_none

UNKNOWN = "The other stacks of the tenant can't be looked at now."


@dataclass(frozen=True)
class StacksShown:
    """`chosen`: the other stack that the form stands at, None for the template's own."""

    choice: StackChoice
    chosen: UUID | None


def chosen_stack(request) -> UUID | None:
    """As the form was sent, None for the template's own."""
    return uuid_or_none(request.POST.get("stack", ""))


def stacks_shown(request, template: RunTemplate, start: TemplateRun | None) -> StacksShown | None:
    """With what was sent, else as in the run that the form begins with. None where nothing is to be chosen; three calls
    for all else."""
    if not may_be_chosen(template):
        return None
    if reason := why_kept(template):
        return StacksShown(StackChoice(why_one=reason), None)
    chosen = chosen_stack(request) if request.method == "POST" else _of(start)
    return StacksShown(_choice(request, template), chosen)


def _of(start: TemplateRun | None) -> UUID | None:
    return start.stack_id if start else None


def _choice(request, template: RunTemplate) -> StackChoice:
    try:
        choice, trouble = ask(request.user, request.tenant, lambda client: choice_for(template, client))
    except TenantNotFound:
        return StackChoice(why_one=UNKNOWN)
    return StackChoice(why_one=UNKNOWN) if trouble else choice
