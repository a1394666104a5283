"""Fill the form from an earlier run while it is edited: what is taken over, and what gave way.

Nothing that was typed is lost in silence: what gave way is named, and carried by the page until it is undone.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from tenants.hosting.answers import identifier
from tenants.hosting.base import TenantNotFound
from tenants.run_templates.document.configuration import Change
from tenants.run_templates.document.drafts import Draft, draft_after, fresh, like
from tenants.run_templates.document.schema import mapping, same
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.pages.presentation import SourceRun, source_of
from tenants.runs.reading import ask
from zenpro_site.common.refusals import Refused

OFFERED = 20
UNREAD = "The YAML can't be read, and filling in would lose it. Correct it first."
GONE = "That run is no longer there."


@dataclass(frozen=True)
class Filled:
    """A form that has just been filled. `before`: the document that it had, as JSON."""

    name: str
    url: str = ""
    replaced: tuple[Change, ...] = ()
    before: str = ""
    other_pipeline: bool = False


def fill(request, draft: Draft, source: str) -> tuple[Draft, Filled]:
    """The draft with the values of `source`: "template", "from 3" (a re-run of it) or "like <uuid>" (any run).

    The name of the run stays as it was typed. Raises Refused with a sentence; then nothing changes.
    """
    if draft.unread:
        raise Refused(UNREAD)
    kind, _, which = source.partition(" ")
    found, filled = _sources(request, draft, kind, which)
    values = {**found.document, "run_name": draft.document.get("run_name")}
    after = Draft(draft.parsed.with_values(values), unknown=found.unknown)
    replaced = tuple(_gave_way(draft, after))
    return after, Filled(**filled, replaced=replaced, before=json.dumps(draft.document))


def _sources(request, draft: Draft, kind: str, which: str) -> tuple[Draft, dict[str, Any]]:
    """(the draft that a source makes, what the page says of it)"""
    template = draft.parsed.template
    parsed = draft.parsed.with_values(dict(draft.parsed.default))
    if kind == "from":
        run = _rerun(template, which)
        return draft_after(parsed, run, request.user), {
            "name": f"re-run {run.number}",
            "url": run.get_absolute_url(),
        }
    if kind == "like":
        other = _other(request, which)
        args = [request.org.slug, request.tenant.slug, other.run.id]
        strange = other.run.pipeline != template.pipeline_name
        said = {"name": other.run.name or "another run", "url": reverse("tenants:run_detail", args=args)}
        return like(parsed, other.snapshot), {**said, "other_pipeline": strange}
    return fresh(parsed), {"name": f"the {template.word}"}


def _rerun(template: RunTemplate, which: str):
    number = int(which) if which.isascii() and which.isdecimal() and len(which) < 9 else 0
    run = template.runs.filter(number=number).first()
    if run is None:
        raise Refused(GONE)
    return run


def _other(request, which: str) -> SourceRun:
    try:
        run = UUID(which)
        other, trouble = ask(request.user, request.tenant, lambda client: source_of(client, run))
    except (ValueError, TenantNotFound) as error:
        raise Refused(GONE) from error
    if trouble:
        raise Refused(f"{trouble.title}. {trouble.text}")
    return other


def _gave_way(before: Draft, after: Draft) -> list[Change]:
    """What had been changed and has another value now."""
    now = {change.path: change.after for change in after.parsed.changes}
    return [
        change
        for change in before.parsed.changes
        if change.path not in now or not same(change.after, now[change.path])
    ]


@dataclass(frozen=True)
class OfferedRuns:
    """Runs of the same pipeline to fill the form from; `trouble` says why there are none to see."""

    runs: list
    trouble: Any = None


def offered(request, template: RunTemplate) -> OfferedRuns:
    """The latest runs of the template's pipeline that this person may see: one call to the tenant."""
    pipeline = identifier(mapping(template.snapshot.get("body")).get("pipeline_id"))
    named = {"pipeline_name": f"equals:{template.pipeline_name}"}
    wanted = {"size": OFFERED, **({"pipeline_id": pipeline} if pipeline else named)}
    try:
        found, trouble = ask(
            request.user, request.tenant, lambda client: client.runs(template.project_id, **wanted)
        )
    except TenantNotFound:
        return OfferedRuns([])
    return OfferedRuns(found.items if found else [], trouble)
