"""What the form shows of a run that it continues, and what it sends back about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.shortcuts import get_object_or_404

from tenants.hosting.answers import line, listing, mapping
from tenants.run_templates.continuing import (
    Continuation,
    NotContinued,
    Past,
    continuation,
    foreseen,
    look_back,
)
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.document.schema import MAX_STEPS
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.runs.reading import ask

LONGEST_MEMORY = 1_000_000  # characters that come back from a browser
LONGEST_REASON = 500
CHANGED = "What is taken over is not what this page showed. Look at it again, then continue."


@dataclass(frozen=True)
class GoingOn:
    """A run that the form continues. `refusal`: why that can't be done; then there is no `plan`."""

    run: TemplateRun
    past: Past | None = None
    plan: Continuation | None = None
    refusal: str = ""

    @property
    def memory(self) -> str:
        """The past, for a hidden input."""
        return json.dumps(
            {
                "at": self.past.stopped_at,
                "well": self.past.well,
                "after": {name: sorted(before) for name, before in self.past.after.items()},
                "names": {name: sorted(names) for name, names in self.past.names.items()},
                "unusable": dict(self.past.unusable),
                "warnings": self.past.warnings,
            }
        )

    @property
    def taken(self) -> str:
        """What the page says is taken over, for another hidden input."""
        return json.dumps(sorted(self.plan.taken))


def run_before(template: RunTemplate, data: Mapping[str, str]) -> TemplateRun | None:
    """The run that a query or a form names as the one to be continued. Raises Http404."""
    number = data.get("continue", "")
    if not (number.isdecimal() and len(number) < 9):
        return None
    return get_object_or_404(template.runs.select_related("code"), number=int(number))


def at_step(address: str, step: str, document: Document) -> str:
    """The address of a form, at the values of a step if it has any."""
    numbers = [
        number for number, one in enumerate(document.schema.steps, 1) if one.name == step and one.fields
    ]
    return f"{address}#s{numbers[0]}" if numbers else address


def going_on(request, template: RunTemplate, run: TemplateRun, document: Document) -> GoingOn:
    """What is taken over from a run, asked of the tenant: three calls or a few more."""
    try:
        past, trouble = ask(request.user, request.tenant, lambda client: look_back(run, template, client))
        if trouble:
            return GoingOn(run, refusal=f"{trouble.title}. {trouble.text}")
        return GoingOn(run, past, continuation(past, document))
    except NotContinued as refused:
        return GoingOn(run, refusal=str(refused))


def agreed(seen: GoingOn, data: Mapping[str, str]) -> Continuation:
    """The plan, if it is what the page said that the person clicked on. Raises NotContinued."""
    if seen.plan is None:
        raise NotContinued(seen.refusal)
    if data.get("taken") != seen.taken:
        raise NotContinued(CHANGED)
    return seen.plan


def previewed(run: TemplateRun, text: str, document: Document) -> GoingOn:
    """The same for a change while typing, from what the page remembers; before it runs the tenant is asked again."""
    past = _remembered(run, text, document)
    return GoingOn(run, past, foreseen(past, document))


def _remembered(run: TemplateRun, text: str, document: Document) -> Past:
    said, schema = _object(text), document.schema
    names = [line(name) for name in listing(said.get("well"), MAX_STEPS)]
    if not schema.is_dynamic:
        names = [name for name in names if name in schema.by_step]
    static = {name: step.upstream for name, step in schema.by_step.items()}
    return Past(
        run=run,
        well=tuple(dict.fromkeys(filter(None, names))),
        stopped_at=line(said.get("at")),
        after=_sets(mapping(said.get("after")) if schema.is_dynamic else static),
        names=_sets(mapping(said.get("names"))),
        unusable={name: line(why, LONGEST_REASON) for name, why in mapping(said.get("unusable")).items()},
        warnings=tuple(line(one, LONGEST_REASON) for one in listing(said.get("warnings"), 10)),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        return mapping(json.loads(text[:LONGEST_MEMORY]))
    except (ValueError, RecursionError):
        return {}


def _sets(found: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(
            line(one) for one in listing([*names] if isinstance(names, tuple) else names, MAX_STEPS)
        )
        for name, names in found.items()
    }
