from datetime import datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from pydantic import Field

from orgs.access.gate import refuse
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions, presets
from tenants.run_templates.access import NOT_AN_EDITOR, may_change_preset, may_edit, require_runner
from tenants.run_templates.document.configuration import DocumentFault
from tenants.run_templates.document.drafts import examined
from tenants.run_templates.document.parsed import Document as ParsedDocument
from tenants.run_templates.models import Preset, RunTemplate
from tenants.run_templates.pages.preset_forms import PresetForm

from .callers import needs
from .problems import checked
from .runs import LIMITS, RunDetail, in_full
from .shapes import Body, Document, Page, Reference, Slice, Text, page_of, reference
from .templates import TEMPLATE

router = Router(tags=["Presets"])
PRESETS = TEMPLATE + "/presets"
PRESET = PRESETS + "/{preset}"
EXAMPLE = {"steps": {"train": {"parameters": {"alpha": 0.1}}}}


class PresetOut(Schema):
    id: UUID
    name: str
    shared: bool = Field(description="For everyone who may run the template; else it is your own.")
    configuration: dict[str, Any] = Field(
        description="What it sets; everything else follows the template. Without values that the template hides; a "
        "secret that was entered is not shown and has to be entered again when the configuration is replaced.",
    )
    created_by: Reference | None
    created: datetime
    updated: datetime


class PresetNew(Body):
    name: Text = Field(examples=["Quick check"])
    shared: bool = Field(
        False, description="For everyone who may run the template; needs the right to edit it."
    )
    configuration: Document = Field(
        {},
        description="As of a re-run. It sets what differs from the template; when nothing does, every value that is "
        "not locked.",
        examples=[EXAMPLE],
    )


class PresetChange(Body):
    """What is left out stays as it is."""

    name: Text | None = Field(None, examples=["Weekly"])
    shared: bool | None = None
    configuration: Document | None = Field(None, description="Replaces all that it sets.", examples=[EXAMPLE])


def shown(preset: Preset, unchanged: ParsedDocument) -> dict:
    return {
        "id": preset.pk,
        "name": preset.name,
        "shared": preset.is_shared,
        "configuration": presets.seen_configuration_of(preset, unchanged),
        "created_by": reference(preset.created_by),
        "created": preset.created_at,
        "updated": preset.updated_at,
    }


def _runnable(request, pk: UUID) -> RunTemplate:
    found = get_object_or_404(request.tenant.templates, pk=pk)
    require_runner(request, found)
    return found


def _preset(request, template: RunTemplate, pk: UUID) -> Preset:
    """A shared one or their own: those of others are like none."""
    return get_object_or_404(presets.presets_for(template, request.user), pk=pk)


def _changeable(request, template: RunTemplate, pk: UUID) -> Preset:
    found = _preset(request, template, pk)
    if not may_change_preset(request.user, found, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, template, NOT_AN_EDITOR)
    return found


def _named(request, template: RunTemplate, name: str, is_shared: bool) -> dict:
    """Name and whether it is shared, as the page's form makes them."""
    can_share = may_edit(request.user, template, request.tenant_permissions)
    if is_shared and not can_share:
        refuse(request, TenantPermission.TEMPLATE_DELETE, template, NOT_AN_EDITOR)
    form = PresetForm({"name": name, "is_shared": is_shared}, can_share=can_share)
    checked(form, is_shared="shared")
    return form.facts


def _valid(unchanged: ParsedDocument, configuration: dict) -> ParsedDocument:
    """Values that can be run. Raises InvalidConfiguration."""
    document = unchanged.with_values(configuration)
    if document.faults:
        raise actions.InvalidConfiguration(document.faults)
    return document


@router.get(PRESETS, auth=needs(TenantPermission.TEMPLATE_RUN), response=Page[PresetOut])
def preset_list(request, organization: str, tenant: str, template: UUID, part: Query[Slice]):
    """Presets of a template: shared ones, then your own, by name."""
    found = _runnable(request, template)
    unchanged = ParsedDocument.of(found)
    rows = presets.presets_for(found, request.user).order_by("-is_shared", "name", "pk")
    return page_of(rows, part, lambda preset: shown(preset, unchanged))


@router.post(PRESETS, auth=needs(TenantPermission.TEMPLATE_RUN), response={201: PresetOut})
def preset_create(request, organization: str, tenant: str, template: UUID, body: PresetNew):
    """Save values of a template under a name. They are checked as for a re-run."""
    found = _runnable(request, template)
    facts, unchanged = _named(request, found, body.name, body.shared), ParsedDocument.of(found)
    document = _valid(unchanged, body.configuration)
    made = presets.save_preset(template=found, document=document, by=request.actor, **facts)
    return shown(made, unchanged)


@router.get(PRESET, auth=needs(TenantPermission.TEMPLATE_RUN), response=PresetOut)
def preset_get(request, organization: str, tenant: str, template: UUID, preset: UUID):
    found = _runnable(request, template)
    return shown(_preset(request, found, preset), ParsedDocument.of(found))


@router.patch(PRESET, auth=needs(TenantPermission.TEMPLATE_RUN), response=PresetOut)
def preset_update(request, organization: str, tenant: str, template: UUID, preset: UUID, body: PresetChange):
    """Change your own preset, or a shared one if you may edit the template: all of it, or nothing."""
    found = _runnable(request, template)
    chosen, unchanged = _changeable(request, found, preset), ParsedDocument.of(found)
    name = chosen.name if body.name is None else body.name
    is_shared = chosen.is_shared if body.shared is None else body.shared
    facts = _named(request, found, name, is_shared)
    document = None if body.configuration is None else _valid(unchanged, body.configuration)
    presets.change_preset(preset=chosen, document=document, by=request.actor, **facts)
    return shown(chosen, unchanged)


@router.delete(PRESET, auth=needs(TenantPermission.TEMPLATE_RUN), response={204: None})
def preset_delete(request, organization: str, tenant: str, template: UUID, preset: UUID):
    """Delete your own preset, or a shared one if you may edit the template. Runs that were made with it stay."""
    chosen = _changeable(request, _runnable(request, template), preset)
    presets.delete_preset(preset=chosen, by=request.actor)


@router.post(
    PRESET + "/run",
    auth=needs(TenantPermission.TEMPLATE_RUN),
    response={201: RunDetail},
    openapi_extra=LIMITS,
)
def preset_run(request, organization: str, tenant: str, template: UUID, preset: UUID):
    """Re-run the template with a preset as it is, as yourself; one that no longer fits says where, and runs nothing."""
    found = _runnable(request, template)
    chosen = _preset(request, found, preset)
    draft = examined(presets.draft_of(chosen, ParsedDocument.of(found)))
    if draft.problems:
        said = DocumentFault("", presets.NO_LONGER_FITS.format(chosen))
        raise actions.InvalidConfiguration([said, *draft.problems])
    facts = {"by": request.actor, "key": request.key, "preset": chosen}
    run = actions.queue_run(template=found, configuration=draft.parsed, **facts)
    return in_full(run)
