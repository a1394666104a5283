from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from orgs.access.gate import refuse
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates import actions
from tenants.run_templates.access import may_edit
from tenants.run_templates.code_actions import CodeRefused, add_folder, add_pushed
from tenants.run_templates.document.field_rules import FieldRules
from tenants.run_templates.document.hidden import without_sealed
from tenants.run_templates.engine.archives import LARGEST
from tenants.run_templates.engine.run_environments import environment_of
from tenants.run_templates.models import CodeVersion, RunTemplate
from tenants.run_templates.pages.forms import EditForm
from tenants.run_templates.pages.presentation import source_of
from tenants.runs.connection import connect
from zenpro_site.common.bodies import BodyTooLarge, chunks_of, on_disk

from .callers import needs
from .problems import Invalid, checked, fault
from .shapes import Body, Page, Reference, Slice, Text, page_of, reference
from .tenants import TENANT

router = Router(tags=["Templates"])
TEMPLATES = TENANT + "/templates"
PEOPLE = ("code__created_by", "created_by", "code_chosen_by", "requirements_changed_by")
TEMPLATE = TEMPLATES + "/{template}"


class TemplateOut(Schema):
    id: UUID
    name: str
    description: str
    pipeline: str
    stack: str
    source_run: Reference = Field(description="The run inside the tenant that it was created from.")
    created_by: Reference | None
    code_chosen_by: Reference | None = Field(
        description="Who chose the code. It runs with the rights of the person who starts a run."
    )
    code_chosen: datetime
    requirements_changed_by: Reference | None
    requirements_changed: datetime | None
    created: datetime
    updated: datetime


class TemplateEnvironment(Schema):
    state: Literal["absent", "building", "ready", "failed", "elsewhere", "pods"] = Field(
        description="`elsewhere`: on the agent's machine, whose disk this process doesn't share. "
        "`pods`: runs go to a cluster, and each installs its packages in its own pod."
    )
    made: datetime | None
    reason: str = Field(description="Why it could not be created.")
    log: list[str] = Field(description="The last output of the installer, oldest line first.")


class CodeOut(Schema):
    """A version of a pipeline's code."""

    id: UUID
    number: int
    kind: Literal[tuple(CodeVersion.Kind.values)]
    origin: str = Field(description="The folder, the name of the archive, or the address of the repository.")
    revision: str = Field(description="The branch or tag that was asked for.")
    commit: str
    hash: str = Field(description="SHA-256 of what is in it.")
    roots: list[str] = Field(description="The folders that modules are imported from; empty for the top.")
    starts_in: str = Field(description="The folder that relative paths begin at.")
    added_by: Reference | None
    added: datetime


class TemplateDetail(TemplateOut):
    code: CodeOut | None = Field(
        description="Null where the pods of its runs take the code that was recorded."
    )
    requirements: str
    environment: TemplateEnvironment
    configuration: dict[str, Any] = Field(
        description="What a re-run uses unless it sets something else; hidden values only for those who may change it."
    )


class TemplateFilters(Slice):
    q: Text = Field("", description="Part of the name.")


class TemplateNew(Body):
    run: UUID = Field(description="Id of a run inside the tenant.")
    name: Text = Field(examples=["weekly-training"])
    description: Text = ""
    code: UUID | None = Field(None, description="Id of a version of the pipeline's code.")
    code_location: Text = Field(
        "",
        description="Instead: the folder on ZenPro's machine that the run was started in, in a directory its operator "
        "allowed. It becomes a new version.",
    )
    requirements: Text = Field(
        "",
        description="One package per line, with extras, versions and markers; no options, addresses or paths.",
    )


class TemplateChange(Body):
    """What is left out stays as it is."""

    code: UUID | None = Field(None, description="Id of a version of the pipeline's code.")
    name: Text | None = None
    description: Text | None = None
    requirements: Text | None = None


def shown(template: RunTemplate) -> dict:
    source = {"id": str(template.source_run_id), "name": template.source_run_name}
    return {
        **{name: getattr(template, name) for name in ("id", "name", "description")},
        "pipeline": template.pipeline_name,
        "stack": template.stack_name,
        "source_run": source,
        "created_by": reference(template.created_by),
        "code_chosen_by": reference(template.code_chosen_by),
        "code_chosen": template.code_chosen_at,
        "requirements_changed_by": reference(template.requirements_changed_by),
        "requirements_changed": template.requirements_changed_at,
        "created": template.created_at,
        "updated": template.updated_at,
    }


def _detail(request, template: RunTemplate) -> dict:
    code = shown_code(template.code) if template.code else None
    more: dict[str, Any] = {"code": code, "requirements": template.requirements}
    state = environment_of(template)
    more["environment"] = {
        "state": state.state,
        "made": state.made,
        "reason": state.reason,
        "log": state.lines,
    }
    can_edit = may_edit(request.user, template, request.tenant_permissions)
    return {**shown(template), **more, "configuration": _configuration(template, can_edit)}


def _configuration(template: RunTemplate, can_edit: bool) -> dict:
    kept = template.default_configuration
    shown = kept if can_edit else FieldRules.read(template.field_rules).without_hidden(kept)
    return without_sealed(shown)


def shown_code(version: CodeVersion) -> dict:
    names = ("id", "number", "kind", "origin", "revision", "commit", "roots", "starts_in")
    return {
        **{name: getattr(version, name) for name in names},
        "hash": version.code_hash,
        "added_by": reference(version.created_by),
        "added": version.created_at,
    }


def changeable(request, pk: UUID) -> RunTemplate:
    """The template, for those who may edit it."""
    template = get_object_or_404(request.tenant.templates, pk=pk)
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    return template


@router.get(TEMPLATES, auth=needs(TenantPermission.TEMPLATE_VIEW), response=Page[TemplateOut])
def template_list(request, organization: str, tenant: str, asked: Query[TemplateFilters]):
    found = request.tenant.templates.listed().filter(name__icontains=asked.q).select_related(*PEOPLE)
    return page_of(
        found.defer("snapshot", "default_configuration", "previous_configuration").order_by("name", "pk"),
        asked,
        shown,
    )


SERVER = {"responses": {503: {"description": "The tenant's server could not answer"}}}


@router.post(
    TEMPLATES,
    auth=needs(TenantPermission.TEMPLATE_CREATE),
    response={201: TemplateDetail},
    openapi_extra=SERVER,
)
def template_create(request, organization: str, tenant: str, body: TemplateNew):
    """Create a template from a run, with a copy of its code.

    Name no code for a run whose pods take theirs from the artifact store or a code repository.
    """
    values = checked(EditForm(body.dict(exclude={"run", "code", "code_location"}), tenant=request.tenant))
    code = _code_of(request, body)
    made = actions.create_template(
        tenant=request.tenant, run_id=body.run, code=code, by=request.actor, **values
    )
    return _detail(request, made)


def _named(request, pk: UUID) -> CodeVersion:
    if version := request.tenant.code_versions.filter(pk=pk).first():
        return version
    raise Invalid([fault("This tenant has no such code.", "code")])


def _code_of(request, body: TemplateNew) -> CodeVersion | None:
    """None where none is named, which a run that brings its own needs not."""
    if body.code:
        return _named(request, body.code)
    return _copied(request, body) if body.code_location else None


def _copied(request, body: TemplateNew) -> CodeVersion:
    """A new version from a folder, once everything else is known to be fine."""
    source = source_of(connect(request.user, request.tenant), body.run)
    pipeline = source.run.pipeline[: actions.LONGEST_NAME]
    facts = {"pipeline": pipeline, "snapshot": source.snapshot, "location": body.code_location}
    try:
        return add_folder(tenant=request.tenant, by=request.actor, **facts)
    except CodeRefused as error:
        places = ["code_location"] if error.field == "location" else []
        raise Invalid([fault(error.reason, *places)]) from error


@router.get(TEMPLATE, auth=needs(TenantPermission.TEMPLATE_VIEW), response=TemplateDetail)
def template_get(request, organization: str, tenant: str, template: UUID):
    return _detail(request, get_object_or_404(request.tenant.templates.select_related(*PEOPLE), pk=template))


@router.patch(TEMPLATE, auth=needs(TenantPermission.TEMPLATE_VIEW), response=TemplateDetail)
def template_update(request, organization: str, tenant: str, template: UUID, body: TemplateChange):
    """Change name, description, requirements or code: of your own templates, or of any if you can delete templates."""
    found = changeable(request, template)
    now = {name: getattr(found, name) for name in ("name", "description", "requirements")}
    new = body.dict(exclude={"code"}, exclude_none=True)
    values = checked(EditForm(now | new, tenant=request.tenant, template=found))
    if body.code:
        actions.change_code(template=found, code=_named(request, body.code), by=request.actor)
    if new or not body.code:
        actions.update_template(template=found, by=request.actor, **values)
    return _detail(request, found)


@router.get(f"{TEMPLATE}/code", auth=needs(TenantPermission.TEMPLATE_VIEW), response=Page[CodeOut])
def code_list(request, organization: str, tenant: str, template: UUID, asked: Query[Slice]):
    """The versions of the code of the template's pipeline, newest first."""
    found = get_object_or_404(request.tenant.templates, pk=template)
    versions = request.tenant.code_versions.filter(pipeline_name=found.pipeline_name)
    return page_of(versions.select_related("created_by").order_by("-number"), asked, shown_code)


ARCHIVE = {
    "requestBody": {
        "required": True,
        "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
    },
    "responses": {413: {"description": "The archive is too large"}},
}


@router.post(
    f"{TEMPLATE}/code",
    auth=needs(TenantPermission.TEMPLATE_CREATE),
    response={201: CodeOut},
    openapi_extra=ARCHIVE,
)
def code_add(request, organization: str, tenant: str, template: UUID, use: bool = False):
    """Add code for a template: the body is a .tar.gz or .zip of up to 50 MB.

    With `use=true`, its runs use the code from now on, if every step of the template is in it.
    """
    found = changeable(request, template)
    version = _received(request, found)
    if use and version != found.code:
        actions.change_code(template=found, code=version, by=request.actor)
    return shown_code(version)


def _received(request, template: RunTemplate) -> CodeVersion:
    facts = {"tenant": request.tenant, "pipeline": template.pipeline_name, "snapshot": template.snapshot}
    try:
        with on_disk(chunks_of(request), LARGEST) as archive:
            return add_pushed(**facts, archive=archive, by=request.actor)
    except BodyTooLarge as error:
        raise HttpError(413, f"This is more than {LARGEST // 1024**2} MB.") from error
    except CodeRefused as error:
        raise Invalid([fault(error.reason)]) from error


@router.delete(TEMPLATE, auth=needs(TenantPermission.TEMPLATE_VIEW), response={204: None})
def template_delete(request, organization: str, tenant: str, template: UUID):
    """Delete a template and the record of its re-runs; the runs inside ZenML stay."""
    actions.delete_template(template=changeable(request, template), by=request.actor)
