"""What a run that continues another one takes over from it, and what has to run.

ZenML itself skips the steps that `steps_to_skip` names and hands on what they saved in the run called
`original_run_id` (0.94 to 0.98, not before). It looks neither at values nor at code: a step is skipped with other
parameters all the same, and then results mix. A name whose step did not end well, or that follows one which runs,
ends the new run before its first step; files that are gone end a later one (all of it tried on 0.98.0). So what is
taken over is decided here.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.cache import cache

from tenants.hosting.answers import identifier, line, listing
from tenants.hosting.base import TenantNotFound
from tenants.hosting.local.locations import local_stores_of
from tenants.models import Tenant
from tenants.run_templates.document.configuration import values_of
from tenants.run_templates.document.drafts import draft_after
from tenants.run_templates.document.parsed import Document, filled
from tenants.run_templates.document.schema import Description, mapping, same
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.layout import StepLook, look_at
from tenants.runs.client import Step, TenantClient
from tenants.runs.dialects import SKIPS_SINCE, needs
from tenants.runs.reading import RunPage
from tenants.runs.step_pages import NOT_ALL, steps_in_time
from zenpro_site.common import shared_files
from zenpro_site.common.refusals import Refused

from .models import CodeVersion, RunTemplate, TemplateRun

ENDED_WELL = ("completed", "cached", "skipped")  # what ZenML takes over (ExecutionStatus.is_successful)
CONTINUED = (TemplateRun.State.FAILED, TemplateRun.State.STOPPED)
OUTPUTS = 100  # of one step that are looked at
CHANGED = 3  # names of changed values in a sentence
RECORDED = "the code that was recorded"
DIGESTS_KEPT = 3600  # seconds; of immutable code, so only room is saved by forgetting them
DECIDES = "This pipeline decides while it runs which steps there are, so steps that are taken over were computed with"


class NotContinued(Refused):
    """A run can't be continued; the text says why, and what to do instead."""


@dataclass(frozen=True)
class RunsAgain:
    """A step that ended well and has to run all the same."""

    step: str
    why: str  # ends the sentence “train: …”


@dataclass(frozen=True)
class Past:
    """What one look at the tenant told of a run that is to be continued. Steps in the order they started."""

    run: TemplateRun
    well: tuple[str, ...]  # steps that ended well
    stopped_at: str = ""  # the first step that did not; "" when none began after the last good one
    after: Mapping[str, frozenset[str]] = field(default_factory=dict)  # step -> the steps it waits for
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)  # step -> names of its parameters
    unusable: Mapping[str, str] = field(default_factory=dict)  # steps whose results can't be used, and why
    warnings: tuple[str, ...] = ()
    code_id: UUID | None = None  # of the template when it was looked at


@dataclass(frozen=True)
class Continuation:
    """A run that goes on where another one ended."""

    run: TemplateRun  # the one before
    step: str  # where it goes on
    taken: tuple[str, ...]
    again: tuple[RunsAgain, ...]
    rest: tuple[str, ...]  # all steps known that run, in the order of the pipeline
    warnings: tuple[str, ...] = ()
    code_id: UUID | None = None


def continuation(past: Past, document: Document) -> Continuation:
    """What a run with these values takes over. Raises NotContinued when that is nothing."""
    found = foreseen(past, document)
    if not found.taken:
        raise NotContinued(_nothing(past, found))
    return found


def continued_with(
    values: Mapping[str, Any], run: TemplateRun, template: RunTemplate, client: TenantClient, person
) -> tuple[Document, Continuation | None]:
    """A document with what these values leave out as in the run before, and what a run of `person` with it takes over.

    None for a document with faults, of which nothing can be said. Raises NotContinued, TenantError.
    """
    unchanged = Document.of(template)
    document = unchanged.with_values(filled(values, draft_after(unchanged, run, person).document))
    past = look_back(run, template, client)
    return document, None if document.faults else continuation(past, document)


def foreseen(past: Past, document: Document) -> Continuation:
    """The same, and nothing at all is an answer too."""
    reasons = {**_changed(past, document), **past.unusable}
    taken = _closed({name for name in past.well if name not in reasons}, past.after)
    again = [
        RunsAgain(name, reasons.get(name) or _behind(past.after.get(name, frozenset()) - taken))
        for name in past.well
        if name not in taken
    ]
    rest = tuple(name for name in document.schema.by_step if name not in taken)
    warnings = (*past.warnings, *_mixing(past.run, document))
    step = past.stopped_at or next(iter(rest), "")
    kept = tuple(name for name in past.well if name in taken)
    return Continuation(past.run, step, kept, tuple(again), rest, warnings, past.code_id)


def _closed(names: set[str], after: Mapping[str, frozenset[str]]) -> set[str]:
    """Those of the steps before which nothing runs."""
    while behind := {name for name in names if after.get(name, frozenset()) - names}:
        names = names - behind
    return names


def _behind(before: Iterable[str]) -> str:
    return f"it follows {min(before)}, which runs"


def _nothing(past: Past, found: Continuation) -> str:
    instead = "Run it again with changes instead."
    if not past.well:
        return f"No step of {past.run} completed, so there is nothing to take over. {instead}"
    first = found.again[0]
    return f"Nothing of {past.run} can be taken over ({first.step}: {first.why}). {instead}"


def can_continue(tenant: Tenant, rerun: TemplateRun | None, page: RunPage) -> bool:
    """Is it worth offering, for a run that its page shows?"""
    return _is_worth_it(rerun, page) and not refusal_of_version(tenant)


def why_not_continued(tenant: Tenant, rerun: TemplateRun | None, page: RunPage) -> str:
    """For a run that only the version of its tenant's ZenML keeps from being continued; "" for all others."""
    return refusal_of_version(tenant) if _is_worth_it(rerun, page) else ""


def refusal_of_version(tenant: Tenant) -> str:
    return needs("Continuing a run", SKIPS_SINCE, tenant)


def _is_worth_it(rerun: TemplateRun | None, page: RunPage) -> bool:
    if rerun is None or rerun.state not in CONTINUED:
        return False
    return any(step.status in ENDED_WELL for step in page.steps)


# -- values


def _changed(past: Past, document: Document) -> dict[str, str]:
    """Steps with other values than before, with the sentence."""
    found: dict[str, list[str]] = defaultdict(list)
    for step, name in _differing(past.run, document):
        for one in [step] if step else _taking(past, name):
            found[one].append(name)
    return {step: _values_changed(names) for step, names in found.items()}


def _differing(run: TemplateRun, document: Document) -> Iterator[tuple[str, str]]:
    """(step, name) of what decides a step's results and is not as before; of the pipeline under no step."""
    before, now = values_of(run.configuration, document.schema), document.by_path
    for entry in document.schema.fields:
        if not same(before[entry.path], now[entry.path]):
            yield entry.step, entry.name
    steps, old = mapping(document.values.get("steps")), mapping(run.configuration.get("steps"))
    for name in document.schema.by_step:
        if name in steps and _extra(mapping(steps[name])) != _extra(mapping(old.get(name))):
            yield name, "extra"


def _extra(step: Mapping[str, Any]) -> Any:
    return step.get("extra") or {}


def _taking(past: Past, name: str) -> list[str]:
    """Steps of a pipeline that decides as it runs which have a parameter of that name."""
    return [step for step in past.well if name in past.names.get(step, ())]


def _values_changed(names: list[str]) -> str:
    more = f" and {len(names) - CHANGED} more" if len(names) > CHANGED else ""
    return f"its {', '.join(names[:CHANGED])}{more} changed"


def _mixing(run: TemplateRun, document: Document) -> Iterator[str]:
    """What changed for the whole run, and the steps that are taken over have not seen."""
    if document.schema.is_dynamic:
        names = [name for step, name in _differing(run, document) if not step]
        if names:
            yield f"{DECIDES} the old {', '.join(names[:CHANGED])}."
    for key in ("model", "extra"):
        if key in document.values and (document.values[key] or {}) != (run.configuration.get(key) or {}):
            yield f"The run's {key} changed: steps that are taken over ran with what it was before."


# -- the run before


def look_back(run: TemplateRun, template: RunTemplate, client: TenantClient) -> Past:
    """Ask the tenant what became of a run: three calls, one more for every 100 steps.

    Raises NotContinued, TenantError.
    """
    _check(run, template)
    try:
        seen = client.run(run.zenml_run_id)
        steps, is_whole = steps_in_time(client, run.zenml_run_id, run.template.project_id)
    except TenantNotFound as error:
        raise NotContinued(
            f"{run} was deleted inside the tenant, and with it what its steps saved."
        ) from error
    if not is_whole:
        raise NotContinued(f"{NOT_ALL} Try again in a while.")
    schema = Document.of(template).schema
    well = [step for step in steps if step.status in ENDED_WELL]
    known = {step.name: step for step in well if schema.is_dynamic or step.name in schema.by_step}
    past = Past(
        run=run,
        well=tuple(known),
        stopped_at=next((step.name for step in steps if step.name not in known), ""),
        after={name: _upstream(step, schema) for name, step in known.items()},
        names={name: frozenset(step.parameters) for name, step in known.items()},
        unusable=_lost(known.values(), _store_of(client, template), template),
        code_id=template.code_id,
    )
    return _with_code(past, template, _stack_warning(seen.stack_id, run))


def _check(run: TemplateRun, template: RunTemplate) -> None:
    tenant = template.tenant
    if not run.has_ended:
        raise NotContinued(f"{run} is still in progress.")
    if run.state not in CONTINUED:
        raise NotContinued(f"{run} completed: there is nothing to continue.")
    if run.zenml_run_id is None:
        raise NotContinued(f"{run} ended before its first step: run it again with changes.")
    if refusal := refusal_of_version(tenant):
        raise NotContinued(refusal)


def _upstream(step: Step, schema: Description) -> frozenset[str]:
    """A static pipeline is as it was recorded; of others only the run knows."""
    return frozenset(step.upstream if schema.is_dynamic else schema.by_step[step.name].upstream)


def _store_of(client: TenantClient, template: RunTemplate) -> UUID | None:
    """The artifact store of the template's stack; None when the server does not say. Raises NotContinued."""
    try:
        stack = mapping(client.call("GET", f"/stacks/{template.stack_id}"))
    except TenantNotFound as error:
        raise NotContinued(f"The stack {template.stack_name} was deleted inside the tenant.") from error
    components = mapping(mapping(stack.get("metadata")).get("components"))
    return next(
        (identifier(mapping(one).get("id")) for one in listing(components.get("artifact_store"), 1)), None
    )


def _stack_warning(stack: UUID | None, run: TemplateRun) -> tuple[str, ...]:
    """It goes on where the run before was to go, unless another stack is chosen."""
    if stack in (None, run.stack_id or run.template.stack_id):
        return ()
    return (f"It ran on another stack than {run.stack}, where this run goes on.",)


def _lost(steps: Iterable[Step], store: UUID | None, template: RunTemplate) -> dict[str, str]:
    """Steps whose results this run could not read."""
    found = {step.name: _why_lost(step, store, local_stores_of(template.tenant)) for step in steps}
    return {name: why for name, why in found.items() if why}


def _why_lost(step: Step, store: UUID | None, home: Path) -> str:
    outputs = mapping(mapping(step.raw.get("resources")).get("outputs"))
    for versions in list(outputs.values())[:OUTPUTS]:
        for body in (mapping(mapping(one).get("body")) for one in listing(versions, OUTPUTS)):
            own = identifier(body.get("artifact_store_id"))
            if store and own and own != store:
                return "what it saved is in another artifact store"
            if _is_gone(body.get("uri"), home):
                return "the files of what it saved were deleted"
    return ""


def _is_gone(uri: Any, home: Path) -> bool:
    """Is this a place in the tenant's stores on this machine where nothing is? A link out of them is nothing."""
    place = line(uri, 4096)
    if not place.startswith(f"{home}{os.sep}"):
        return False
    if shared_files.is_set() and not home.is_dir():
        return False  # the stores are on the agent's machine
    real = os.path.realpath(place)
    return not (real.startswith(f"{os.path.realpath(home)}{os.sep}") and os.path.exists(real))


# -- code and packages


def _with_code(past: Past, template: RunTemplate, warnings: tuple[str, ...]) -> Past:
    """The past with what changed in code and packages since."""
    unusable = dict(past.unusable)
    if past.run.code_id != template.code_id:
        before, now = _digests(past.run.code, template), _digests(template.code, template)
        changed = [name for name in past.well if before.get(name) != now.get(name)]
        unusable = {name: "its code changed" for name in changed} | unusable
        then = f"code v{past.run.code.number}" if past.run.code else RECORDED
        now = f"v{template.code.number}" if template.code else RECORDED
        warnings += (f"The steps that are taken over ran with {then}, and this run uses {now}.",)
    changed_at = template.requirements_changed_at
    if changed_at and changed_at > past.run.queued_at:
        warnings += (
            "The template's packages changed since: steps that are taken over ran with the old ones.",
        )
    return replace(past, unusable=unusable, warnings=warnings)


def _digests(code: CodeVersion | None, template: RunTemplate) -> dict[str, str]:
    """Hashes of the sources of the template's steps in a version of its code; of recorded code nothing is known here.
    Raises NotContinued."""
    if code is None:
        return {}
    key = f"step-digests:{template.pk}:{code.pk}"
    found = cache.get(key)
    if found is None:
        try:
            look = look_at(code.code_hash, template.snapshot, code.roots, str(template.tenant_id))
        except CodeError as error:
            raise NotContinued(error.reason) from error
        found = {step.name: _digest(step) for step in look.steps}
        cache.set(key, found, DIGESTS_KEPT)
    return found


def _digest(step: StepLook) -> str:
    return f"{step.module}:{step.digest}"
