"""What code is handed over for: a run of the tenant, or a template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from orgs.access.gate import refuse
from orgs.users.models import User
from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.actions import LONGEST_NAME
from tenants.run_templates.component_schemas import with_components
from tenants.run_templates.engine.carried_code import carried_code, has_build, why_code_is_needed
from tenants.run_templates.models import RunTemplate
from tenants.run_templates.pages.presentation import SourceRun, source_of
from tenants.runs.client import TenantClient
from tenants.runs.reading import ask

DOORS = ("run", "change")  # of a run: once more as it was, and with changes


@dataclass(frozen=True)
class Subject:
    """`template` is None for a run, `run` for a template; `query` leads on to pages about the same."""

    name: str
    pipeline: str
    snapshot: dict[str, Any]
    url: str
    query: str
    run: UUID | None = None
    template: RunTemplate | None = None
    again: str = ""  # the door of the run that needs the code
    reference: Mapping[str, Any] | None = None  # ZenML's own record of the run's commit
    packages: Sequence[str] = ()  # "name==version" of what was installed where the run came from
    stack: UUID | None = None  # of the run

    @property
    def carried(self) -> str:
        """Where its own code is that its pods take; "" where code is needed."""
        return carried_code(self.snapshot)

    @property
    def why_needed(self) -> str:
        """For a run on a remote stack."""
        return why_code_is_needed(self.snapshot)


def subject_of(request) -> tuple[Subject | None, object]:
    """Of the page's address, and why the tenant can't say more about it. Raises Http404, PermissionDenied."""
    if "template" in request.GET:
        return subject_of_template(_template(request)), None
    try:
        run, door = UUID(request.GET.get("run", "")), request.GET.get("again", "")
        return subject_of_run(request.user, request.tenant, run, door if door in DOORS else "")
    except (ValueError, TenantNotFound) as error:
        raise Http404("There is no such run.") from error


def _template(request) -> RunTemplate:
    try:
        template = get_object_or_404(request.tenant.templates, pk=UUID(request.GET["template"]))
    except ValueError as error:
        raise Http404("No template was named.") from error
    if not may_edit(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_DELETE, request.tenant)
    return template


def query_for(run: UUID | None, template: RunTemplate | None, again: str = "") -> str:
    """What leads on to pages about the same run, at the same door of it, or about the same template."""
    if template:
        return urlencode({"template": template.pk})
    return urlencode({"run": run} | ({"again": again} if again else {}))


def subject_of_run(person: User, tenant: Tenant, run: UUID, again: str = "") -> tuple[Subject | None, object]:
    """The run as the person sees it, or why the tenant doesn't say. Raises TenantNotFound."""
    source, trouble = ask(person, tenant, lambda client: _with_stack(client, source_of(client, run)))
    if source is None:
        return None, trouble
    url = reverse("tenants:run_detail", args=[tenant.organization.slug, tenant.slug, run])
    pipeline = source.run.pipeline[:LONGEST_NAME]
    facts = {"run": run, "again": again}
    facts |= {
        "packages": source.packages,
        "reference": source.run.code_reference,
        "stack": source.run.stack_id,
    }
    query = query_for(run, None, again)
    return Subject(source.run.name, pipeline, source.snapshot, url, query, **facts), None


def _with_stack(client: TenantClient, source: SourceRun) -> SourceRun:
    """Of a run with images, what its stack is made of; one call, and one for each flavor."""
    if not has_build(source.snapshot):
        return source
    return replace(source, snapshot=with_components(client, source.run, source.snapshot))


def subject_of_template(template: RunTemplate) -> Subject:
    query, url = query_for(None, template), template.get_absolute_url()
    return Subject(template.name, template.pipeline_name, template.snapshot, url, query, template=template)
