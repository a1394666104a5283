"""Changes to templates and their re-runs. Each is atomic and leaves one audit row.

Only create_template calls the tenant's server, and what queues runs that need images: as the person who asks, and
before anything is written.
"""

import json
from collections.abc import Mapping
from datetime import UTC, timedelta
from functools import partial
from http import HTTPStatus
from math import prod
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.control_plane.actions import forget_usage, record_usage
from tenants.credentials.models import ApiKey
from tenants.hosting.base import TenantError
from tenants.models import Tenant
from tenants.run_templates.access import is_runner, why_no_runner
from tenants.run_templates.document.configuration import (
    DocumentFault,
    cannot_be_stored,
    changes,
    default_configuration,
    expand_run_name,
)
from tenants.run_templates.document.hidden import sealed
from tenants.run_templates.document.parsed import ONCE, Document, seen_changes, told
from tenants.run_templates.document.requirements import RequirementsRefused, check_requirements
from tenants.run_templates.document.schema import mapping, walk
from tenants.run_templates.document.sealed_secrets import sealer
from tenants.run_templates.document.sweeps import MOST_FIELDS, SweepField, combined, sweepable
from tenants.run_templates.engine.carried_code import carried_code, why_code_is_needed
from tenants.run_templates.engine.cluster_stacks import why_not_in_a_pod
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.layout import look_at
from tenants.run_templates.engine.other_stacks import other_stack, why_kept
from tenants.run_templates.engine.remote_stacks import why_no_images
from tenants.runs.client import Run
from tenants.runs.connection import connect
from tenants.runs.dialects import SKIPS_SINCE, needs, refusal_to_run_again
from tenants.usage.disk_budget import MACHINE_FULL, machine_is_full, refusal_of_budget
from tenants.usage.models import Feature
from tenants.usage.quotas import refusal_of_rerun, room_for_reruns
from zenpro_site.common.refusals import Refused

from .code_actions import missing
from .component_schemas import with_components
from .continuing import Continuation
from .models import CodeVersion, Preset, RunTemplate, Sweep, TemplateRun
from .presets import with_its_values
from .remembered import Needs, prepared_of

State = TemplateRun.State
LONGEST_NAME, LONGEST_TITLE, LONGEST_STEP = 200, 80, 250
# What a document is made of and can have changed since.
READ_OF = ("pk", "default_configuration", "field_rules")
TAKEN = "This tenant already has a template with that name."
NAME_CODE = "Name a version of the code, or a folder it is copied from."


class TemplateRefused(Refused):
    """A template cannot be created or changed; `field` names the form field it is about, "" for none."""

    def __init__(self, reason: str, field: str = ""):
        super().__init__(reason)
        self.reason, self.field = reason, field


class LimitReached(Refused):
    """A quota is used up. Nothing has been written."""

    status = HTTPStatus.PAYMENT_REQUIRED


class InvalidConfiguration(Refused):
    """A configuration that can't run; `problems` says what is wrong where. Nothing has been written."""

    def __init__(self, problems: list[DocumentFault]):
        super().__init__(problems[0].message)
        self.problems = problems


def create_template(
    *,
    tenant: Tenant,
    run_id: UUID | str,
    name: str,
    description: str,
    code: CodeVersion | None,
    requirements: str,
    by: Actor,
) -> RunTemplate:
    """A template of a recorded run, with a copy of its snapshot, for code of its pipeline; without any where the run
    brings its own.

    Raises TemplateRefused (its `field` is "name", "code", "requirements" or "") and TenantError when the server does
    not answer or does not show them the run.
    """
    _check_name(tenant, name)
    _check_requirements(requirements)
    run, snapshot = _recorded(tenant, run_id, by.person)
    template = RunTemplate(
        tenant=tenant,
        name=name,
        description=description,
        requirements=requirements,
        code=_fitting(code, tenant, run.pipeline, snapshot),
        code_chosen_by=by.person if code else None,
        snapshot=snapshot,
        default_configuration=default_configuration(snapshot),
        created_by=by.person,
        **_source(run),
    )
    return _insert(template, by)


def prepare_template(
    *, tenant: Tenant, run: Run, snapshot: Mapping[str, Any], needs: Needs, by: Actor
) -> RunTemplate:
    """What this run needs to run again, as a template that no list shows; the one there is when it has one.

    `run` and `snapshot` are as the tenant showed them to this person. Raises TemplateRefused (its `field` is "code",
    "requirements" or "").
    """
    _check_requirements(needs.requirements)
    _check_repeatable(run, tenant)
    _check_storable([run.name, snapshot])
    template = RunTemplate(
        tenant=tenant,
        name=run.name[:LONGEST_TITLE] or str(run.id),
        is_listed=False,
        requirements=needs.requirements,
        code=needs.code if needs.chosen else _fitting(needs.code, tenant, run.pipeline, snapshot),
        snapshot=snapshot,
        default_configuration=default_configuration(snapshot),
        created_by=by.person,
        **(needs.chosen or {"code_chosen_by": by.person if needs.code else None}),
        **_source(run),
    )
    return _insert_unlisted(template, by)


def _insert_unlisted(template: RunTemplate, by: Actor) -> RunTemplate:
    """Clicks at the same moment make one."""
    try:
        with transaction.atomic():
            template.save(force_insert=True)
            _record_prepared(template, by)
    except IntegrityError:
        return prepared_of(template.tenant, template.source_run_id)
    return template


def _record_prepared(template: RunTemplate, by: Actor) -> None:
    if template.code:
        _record("template.prepared", template, by, after=_words(template))
    else:
        _record("template.prepared_as_recorded", template, by, after=_words(template))


def change_needs(*, template: RunTemplate, needs: Needs, by: Actor) -> None:
    """Other code or packages for a prepared run. Raises TemplateRefused."""
    _check_requirements(needs.requirements)
    fitting = _fitting(needs.code, template.tenant, template.pipeline_name, template.snapshot)
    with transaction.atomic():
        if template.code_id != (fitting and fitting.pk):
            _change_code(template, fitting, by)
        if template.requirements != needs.requirements:
            before = _words(template)
            _require(template, needs.requirements, by.person)
            _record("template.updated", template, by, before, _words(template))


def save_as_template(*, template: RunTemplate, name: str, description: str, by: Actor) -> None:
    """Let the lists show what a run needs to run again. Raises TemplateRefused."""
    _check_name(template.tenant, name)
    try:
        with transaction.atomic():
            values = {"name": name, "description": description, "is_listed": True}
            found = RunTemplate.objects.filter(pk=template.pk, is_listed=False)
            if not found.update(**values, updated_at=timezone.now()):
                raise TemplateRefused("This is a template already.")
            template.refresh_from_db(fields=[*values])
            _record("template.listed", template, by, after=_words(template))
    except IntegrityError as error:
        raise TemplateRefused(TAKEN, "name") from error


def _recorded(tenant: Tenant, run_id: UUID | str, person) -> tuple[Run, dict[str, Any]]:
    client = connect(person, tenant)
    run = client.run(run_id)
    _check_repeatable(run, tenant)
    snapshot = with_components(client, run, client.snapshot(run.snapshot_id))
    _check_storable(snapshot)
    return run, snapshot


def _check_repeatable(run: Run, tenant: Tenant) -> None:
    if refusal := refusal_to_run_again(tenant):
        raise TemplateRefused(refusal)
    if None in (run.snapshot_id, run.stack_id, run.project_id):
        raise TemplateRefused("This run no longer has a snapshot or stack, so it can't be run again.")


def _check_storable(snapshot: Any) -> None:
    """Refuse what is no JSON (NaN) or what PostgreSQL does not store (NUL, half characters)."""
    try:
        json.dumps(snapshot, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise TemplateRefused("This run contains values that can't be stored.") from error
    odd = (text for _, text in walk(snapshot) if isinstance(text, str) and cannot_be_stored(text))
    if connection.vendor == "postgresql" and any(odd):
        raise TemplateRefused("This run contains characters that can't be stored.")


def _source(run: Run) -> dict[str, Any]:
    return {
        "pipeline_name": run.pipeline[:LONGEST_NAME],
        "project_id": run.project_id,
        "source_run_id": run.id,
        "source_run_name": run.name,
        "source_snapshot_id": run.snapshot_id,
        "stack_id": run.stack_id,
        "stack_name": run.stack[:LONGEST_NAME],
    }


def _check_name(tenant: Tenant, name: str, template: RunTemplate | None = None) -> None:
    listed = tenant.templates.listed()
    others = listed.exclude(pk=template.pk) if template else listed
    if others.filter(name=name).exists():
        raise TemplateRefused(TAKEN, "name")


def _check_requirements(requirements: str) -> None:
    try:
        check_requirements(requirements)
    except RequirementsRefused as error:
        raise TemplateRefused(str(error), "requirements") from error


def _fitting(
    code: CodeVersion | None, tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any]
) -> CodeVersion | None:
    """The code, once every step of the snapshot has been found in it; None only for a run that brings its own. Raises
    TemplateRefused."""
    if code is None:
        _check_carried(snapshot)
        return None
    if (code.tenant_id, code.pipeline_name) != (tenant.pk, pipeline[:LONGEST_NAME]):
        raise TemplateRefused("This is the code of another pipeline.", "code")
    try:
        reason = missing(look_at(code.code_hash, snapshot, code.roots, str(tenant.pk)))
    except CodeError as error:
        reason = error.reason
    if reason:
        raise TemplateRefused(reason, "code")
    return code


def _check_carried(snapshot: Mapping[str, Any]) -> None:
    if not carried_code(snapshot):
        reason = f"{why_code_is_needed(snapshot)} {NAME_CODE}".strip()
        raise TemplateRefused(reason, "code")


def _insert(template: RunTemplate, by: Actor) -> RunTemplate:
    try:
        with transaction.atomic():
            template.save(force_insert=True)
            _record("template.created", template, by, after=_words(template))
    except IntegrityError as error:
        raise TemplateRefused(TAKEN, "name") from error
    return template


def update_template(
    *, template: RunTemplate, name: str, description: str, requirements: str, by: Actor
) -> None:
    """Rename, describe, or change what its environment holds. Raises TemplateRefused."""
    _check_name(template.tenant, name, template)
    _check_requirements(requirements)
    try:
        with transaction.atomic():
            before = _words(RunTemplate.objects.select_for_update().get(pk=template.pk))
            template.name, template.description = name, description
            template.save(update_fields=["name", "description", "updated_at"])
            if before["requirements"] != requirements:
                _require(template, requirements, by.person)
            _record("template.updated", template, by, before, _words(template))
    except IntegrityError as error:
        raise TemplateRefused(TAKEN, "name") from error


def _require(template: RunTemplate, requirements: str, person) -> None:
    """Packages are code too, which others will run: who chose them is kept beside who chose the code."""
    template.requirements = requirements
    template.requirements_changed_by, template.requirements_changed_at = person, timezone.now()
    template.save(update_fields=["requirements", "requirements_changed_by", "requirements_changed_at"])


def change_code(
    *, template: RunTemplate, code: CodeVersion, by: Actor, requirements: str | None = None
) -> None:
    """Let runs from now on use another version of the code, newer or earlier; those asked for before keep theirs.

    `requirements`: packages that the code needs in place of those of now. Raises TemplateRefused, and then nothing has
    changed: for such packages, for code of another pipeline, and for code that a step of the template is not in. That
    is looked at before anything is locked: code can make a look at it slow.
    """
    if requirements is not None:
        _check_requirements(requirements)
    fitting = _fitting(code, template.tenant, template.pipeline_name, template.snapshot)
    with transaction.atomic():
        _change_code(template, fitting, by)
        if requirements not in (None, template.requirements):
            before = _words(template)
            _require(template, requirements, by.person)
            _record("template.updated", template, by, before, _words(template))


def _change_code(template: RunTemplate, code: CodeVersion | None, by: Actor) -> None:
    row = (
        RunTemplate.objects.select_for_update(of=("self",))
        .select_related("tenant", "code")
        .get(pk=template.pk)
    )
    before = _words(row)
    row.code = code
    row.code_chosen_by, row.code_chosen_at = by.person if code else None, timezone.now()
    row.save(update_fields=["code", "code_chosen_by", "code_chosen_at", "updated_at"])
    if code:
        _record("template.code_changed", row, by, before, _words(row))
    else:
        _record("template.code_as_recorded", row, by, before, _words(row))
    template.code = row.code


@transaction.atomic
def make_default(*, template: RunTemplate, document: Document, by: Actor) -> None:
    """Let the form begin with these values from now on; runs that are there keep theirs.

    The run's name and how one run continued another are never part of it; secrets are sealed, ZenML records those of a
    re-run as they were sent. Raises TemplateRefused when the values can't
    be run or are the default already.
    """
    locked = RunTemplate.objects.select_for_update().get(pk=template.pk)
    parsed = _parsed(locked, document)
    if parsed.faults:
        raise TemplateRefused(parsed.faults[0].message)
    whole = sealed(parsed.complete, parsed.schema, sealer(locked))
    values = {key: value for key, value in whole.items() if key not in ONCE}
    _set_default(locked, {**values, "run_name": parsed.default["run_name"]}, by)


@transaction.atomic
def undo_default(*, template: RunTemplate, by: Actor) -> None:
    """Bring back the default before the last change, which can then be undone itself. Raises TemplateRefused."""
    locked = RunTemplate.objects.select_for_update().get(pk=template.pk)
    if not locked.previous_configuration:
        raise TemplateRefused("There is no earlier default to go back to.")
    current = Document.of(locked)
    if faults := current.recalled(locked.previous_configuration).faults:
        raise TemplateRefused(f"The earlier default can't come back: {faults[0].message}")
    previous = current.rules.with_hidden(locked.previous_configuration, current.whole_default)
    _set_default(locked, previous, by)


def _set_default(template: RunTemplate, configuration: dict[str, Any], by: Actor) -> None:
    before = dict(Document.of(template).whole_default)
    found = changes(before, configuration)
    if not found:
        raise TemplateRefused("These values are the default already.")
    template.default_configuration, template.previous_configuration = configuration, before
    template.save(update_fields=["default_configuration", "previous_configuration", "updated_at"])
    differences = told(template, [change.as_json() for change in found])
    _record("template.default_changed", template, by, after={"changes": differences})


@transaction.atomic
def delete_template(*, template: RunTemplate, by: Actor) -> None:
    """Delete a template and the record of its re-runs; the runs inside ZenML stay.

    Raises TemplateRefused while one of them is under way.
    """
    locked = RunTemplate.objects.select_for_update().get(pk=template.pk)
    if locked.runs.unfinished().exists():
        raise TemplateRefused("A run of this template is in progress: wait for it to finish, or stop it.")
    _record("template.deleted", locked, by, before={**_words(locked), "runs": locked.runs.count()})
    locked.delete()


def queue_run(
    *,
    template: RunTemplate,
    configuration: Mapping[str, Any] | Document,
    by: Actor,
    key: ApiKey | None = None,
    wait: timedelta | None = None,
    continues: Continuation | None = None,
    preset: Preset | None = None,
    stack: UUID | None = None,
) -> TemplateRun:
    """Ask for a re-run; the agent starts it as this person. `key`: the one they asked with; the run ends with it.

    `wait`: for how long it can be undone before it starts. Who asks for the same again meanwhile gets the same run.

    `configuration` is a document; what it leaves out is as in the template. Only one without faults is run: raises
    InvalidConfiguration, LimitReached, and Refused when the tenant is not running, the disk is nearly full, or the
    images that the run needs are gone. That is asked before anything is locked: not to be called in a transaction.
    `continues`: worked out for these very values; the run then takes over what it says. `preset`: what they began
    with; the run keeps it when nothing was changed. `stack`: another one than the template's; Refused where the run
    can't go there.
    """
    _check_stack(template, by)
    where = _where(template, stack, by)
    with transaction.atomic():
        locked = _lock_to_run(template, by, moves=bool(where))
        parsed = _runnable(locked, configuration, continues)
        document = _sealed(parsed)
        if wait and (same := _waiting(locked, document, by, where)):
            return same
        _check_limits(locked.tenant)
        _check_disk(locked.tenant)
        more = {"asked_with": key, "start_after": timezone.now() + wait if wait else None}
        more["preset"] = with_its_values(preset, parsed)
        return _queue(locked, document, by, **more, **where, **_taken_over(continues))


def queue_sweep(*, template: RunTemplate, document: Document, fields: list[SweepField], by: Actor) -> Sweep:
    """Ask for one re-run for each combination of values: all of them, or none.

    Raises what queue_run raises, and Refused for more runs than a sweep may have.
    """
    _check_stack(template, by)
    with transaction.atomic():
        return _queue_sweep(_lock_to_run(template, by), document, fields, by)


def _queue_sweep(locked: RunTemplate, document: Document, fields: list[SweepField], by: Actor) -> Sweep:
    if refusal := refusal_of_sweep(fields):
        raise Refused(refusal)
    base = document if _is_as_read(document, locked) else Document.of(locked).with_values(document.values)
    documents = combined(base, fields)
    if faults := [fault for one in documents for fault in one.faults[:1]] or _unknown_to(locked.tenant, base):
        raise InvalidConfiguration(faults)
    if not {one.key for one in fields} <= {one.key for one in sweepable(base)}:
        raise Refused("One of these parameters can't be swept.")
    _check_disk(locked.tenant)
    sweep = Sweep.objects.create(
        template=locked, fields=[one.as_json() for one in fields], created_by=by.person
    )
    for one in documents:
        _check_limits(locked.tenant)  # of each: those before it are counted
        _queue(locked, _sealed(one), by, sweep=sweep)
    return sweep


def refusal_of_sweep(fields: list[SweepField]) -> str:
    """Why a sweep of these can't be made, "" when it can as far as its size goes."""
    if not 0 < len(fields) <= MOST_FIELDS or len({one.key for one in fields}) < len(fields):
        return f"Choose 1 to {MOST_FIELDS} different parameters."
    count = prod(len(one.values) for one in fields)
    most = settings.ZENPRO_SWEEP_RUNS
    return f"That is {count:,} runs; a sweep has at most {most}." if count > most else ""


def _check_stack(template: RunTemplate, by: Actor) -> None:
    """What no one can tell now, the agent asks again before it begins."""
    client = partial(connect, by.person, template.tenant)
    try:
        reason = why_not_in_a_pod(template, client) or why_no_images(template, client)
    except TenantError:
        return
    if reason:
        raise Refused(reason)


def _where(template: RunTemplate, stack: UUID | None, by: Actor) -> dict[str, Any]:
    """The other stack that was chosen, as columns of a run. Raises Refused where it can't go there."""
    if stack in (None, template.stack_id):
        return {}
    try:
        other = other_stack(template, stack, connect(by.person, template.tenant))
    except TenantError as error:
        raise Refused(f"The stack can't be looked at: {error.reason}") from error
    if other.refusal:
        raise Refused(f"This run can't go to {other.name or 'the stack that was chosen'}. {other.refusal}")
    return {"stack_id": other.id, "stack_name": other.name[:LONGEST_NAME]}


def _lock_to_run(template: RunTemplate, by: Actor, moves: bool = False) -> RunTemplate:
    """The template, once it can be run by this person; the lock numbers its runs one after the other. `moves`: to
    another stack."""
    locked = RunTemplate.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=template.pk)
    if not is_runner(by.person, locked):
        raise Refused(why_no_runner(locked))
    if moves and (reason := why_kept(locked)):
        raise Refused(reason)
    _check_tenant(locked.tenant)
    return locked


def _sealed(parsed: Document) -> dict[str, Any]:
    """As it is kept: without a secret that could be read."""
    return sealed(parsed.complete, parsed.schema, sealer(parsed.template))


def _queue(template: RunTemplate, document: dict[str, Any], by: Actor, **more) -> TemplateRun:
    """The next run of a template that is locked."""
    differences = [change.as_json() for change in changes(template.default_configuration, document)]
    last = template.runs.aggregate(last=Max("number"))["last"] or 0
    run = TemplateRun.objects.create(
        template=template,
        code_id=template.code_id,
        requirements=template.requirements,
        number=last + 1,
        run_name=expand_run_name(document["run_name"], template.snapshot, timezone.now().astimezone(UTC)),
        configuration=document,
        changes=differences,
        created_by=by.person,
        **more,
    )
    record_usage(tenant=template.tenant, feature=Feature.TEMPLATE_RUN, total=1, resource_id=str(run.pk))
    _record_queued(run, by)
    return run


def _waiting(
    template: RunTemplate, document: Mapping[str, Any], by: Actor, where: Mapping[str, Any]
) -> TemplateRun | None:
    """What a click asked for that came twice."""
    asked = template.runs.filter(created_by=by.person, state=State.QUEUED, start_after__gt=timezone.now())
    asked = asked.filter(stack_id=where.get("stack_id"))
    return next((run for run in asked if run.configuration == document), None)


def _runnable(
    locked: RunTemplate, configuration: Mapping[str, Any] | Document, continues: Continuation | None
) -> Document:
    """The document, when it may be run now."""
    if continues and continues.code_id != locked.code_id:
        raise Refused("The template's code was changed a moment ago. Look again at what is taken over.")
    parsed = _parsed(locked, configuration)
    if faults := [*parsed.faults, *_said_twice(parsed, continues), *_unknown_to(locked.tenant, parsed)]:
        raise InvalidConfiguration(faults)
    return parsed


def _taken_over(continues: Continuation | None) -> dict[str, Any]:
    if continues is None:
        return {}
    return {
        "continues": continues.run,
        "continues_from": continues.step[:LONGEST_STEP],
        "taken_over": list(continues.taken),
    }


def _said_twice(parsed: Document, continues: Continuation | None) -> list[DocumentFault]:
    """What is taken over is not chosen in the values as well."""
    named = [key for key in ONCE if continues and mapping(parsed.values).get(key)]
    return [DocumentFault(key, f"“{key}” can’t be set while another run is continued.") for key in named]


def _unknown_to(tenant: Tenant, parsed: Document) -> list[DocumentFault]:
    """What a server of an older version would not do, and not say so."""
    named = [key for key in ONCE if mapping(parsed.values).get(key)]
    refusals = [(key, needs("Skipping steps", SKIPS_SINCE, tenant)) for key in named]
    return [DocumentFault(key, refusal) for key, refusal in refusals if refusal]


def _record_queued(run: TemplateRun, by: Actor) -> None:
    after = {"run": run.run_name, "changes": seen_changes(run)}
    after |= {"stack": run.stack_name} if run.stack_id else {}
    if run.continues is None:
        _record("template_run.queued", run, by, after=after)
        return
    more = {"continues": str(run.continues), "from": run.continues_from, "taken_over": run.taken_over}
    _record("template_run.continued", run, by, after=after | more)


def _parsed(template: RunTemplate, configuration: Mapping[str, Any] | Document) -> Document:
    """The document, not read again when it was read for this template as it is now; it keeps its snapshot for ever."""
    if not isinstance(configuration, Document):
        return Document.of(template).with_values(configuration)
    if _is_as_read(configuration, template):
        return configuration
    return Document.of(template).with_values(configuration.values)


def _is_as_read(document: Document, template: RunTemplate) -> bool:
    return all(getattr(document.template, name) == getattr(template, name) for name in READ_OF)


def _check_tenant(tenant: Tenant) -> None:
    if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
        raise Refused(f"{tenant.name} is deactivated: activate it before you run its templates.")
    if not tenant.is_available:
        raise Refused(f"{tenant.name} is not running at the moment. {tenant.state_reason}".strip())
    if refusal := refusal_to_run_again(tenant):
        raise Refused(refusal)


def room_of_sweep(tenant: Tenant) -> int | None:
    """How many runs the limits on use leave; None where they leave as many as a sweep may have."""
    room = room_for_reruns(tenant, TemplateRun.objects.unreported())
    return room if room is not None and room < settings.ZENPRO_SWEEP_RUNS else None


def _check_limits(tenant: Tenant) -> None:
    if sentence := refusal_of_rerun(tenant, TemplateRun.objects.unreported()):
        raise LimitReached(sentence)


def _check_disk(tenant: Tenant) -> None:
    """Before it is full: what fails half way leaves half of an artifact."""
    if sentence := refusal_of_budget(tenant):
        raise LimitReached(sentence)
    if machine_is_full():
        raise Refused(MACHINE_FULL)


@transaction.atomic
def cancel_run(*, run: TemplateRun, by: Actor) -> None:
    """Ask for a re-run to stop; the agent stops it. Raises Refused when it has ended; asking again changes nothing."""
    locked = (
        TemplateRun.objects.select_for_update(of=("self",)).select_related("template__tenant").get(pk=run.pk)
    )
    if locked.has_ended:
        raise Refused("This run has already ended.")
    if locked.cancel_requested_at is None:
        locked.cancel_requested_at, locked.cancel_requested_by = timezone.now(), by.person
        locked.save(update_fields=["cancel_requested_at", "cancel_requested_by"])
        _record("template_run.cancelled", locked, by, after={"run": locked.run_name})
    run.cancel_requested_at = locked.cancel_requested_at


@transaction.atomic
def give_up_run(*, run: TemplateRun, by: Actor) -> None:
    """End a run that its stack is stopping without waiting for it: the agent tells the tenant that it is over.

    What still works on it there can save nothing more. Raises Refused for one that no one has stopped before, or that
    is not on a remote stack; asking again changes nothing.
    """
    ready = TemplateRun.objects.filter(pk=run.pk, state=State.SUBMITTED).exclude(cancel_requested_at=None)
    if ready.filter(given_up_at=None).update(given_up_at=timezone.now()):
        _record("template_run.given_up", run, by, after={"run": run.run_name})
    elif not ready.exists():
        raise Refused("Only a run that its stack is stopping can be ended at once. Stop it first.")


@transaction.atomic
def cancel_sweep(*, sweep: Sweep, by: Actor) -> int:
    """Ask for all runs of a sweep to stop that go on; how many that are. Each leaves its own row."""
    going_on = [*sweep.runs.unfinished().filter(cancel_requested_at=None).order_by("number")]
    for run in going_on:
        cancel_run(run=run, by=by)
    return len(going_on)


@transaction.atomic
def undo_run(*, run: TemplateRun, by: Actor) -> bool:
    """Take a re-run back as long as it waits: nothing of it will ever start, and it counts towards no limit.

    False when it is too late for that.

    The agent starts no run before its time and none that is not queued, so that one of the two comes first.
    """
    now = timezone.now()
    ended = {"state": State.STOPPED, "state_reason": "Undone before it started.", "ended_at": now}
    asked = {"cancel_requested_at": now, "cancel_requested_by": by.person}
    waiting = TemplateRun.objects.filter(pk=run.pk, state=State.QUEUED, start_after__gt=now)
    if not waiting.update(**ended, **asked):
        return False
    vars(run).update(ended)
    forget_usage(tenant=run.template.tenant, feature=Feature.TEMPLATE_RUN, resource_id=str(run.pk))
    _record("template_run.undone", run, by, after={"run": run.run_name})
    return True


@transaction.atomic
def stop_run(*, run: TemplateRun, reason: str) -> None:
    """Stop a re-run that may not go on, on no one's behalf. Does nothing when it was already asked to stop."""
    asked = {"cancel_requested_at": timezone.now(), "stop_reason": reason[:300]}
    if TemplateRun.objects.unfinished().filter(pk=run.pk, cancel_requested_at=None).update(**asked):
        _record("template_run.stopped", run, None, after={"run": run.run_name, "reason": reason})
        vars(run).update(asked)


def _words(template: RunTemplate) -> dict[str, Any]:
    fields = ("name", "description", "pipeline_name", "source_run_name", "requirements")
    return {**{name: getattr(template, name) for name in fields}, "code": str(template.code or "")}


def _record(
    action: str, target: RunTemplate | TemplateRun, by: Actor | None, before=None, after=None
) -> None:
    tenant = (target.template if isinstance(target, TemplateRun) else target).tenant
    AuditEvent.objects.record(
        action, target, by=by, organization=tenant.organization, before=before, after=after
    )
