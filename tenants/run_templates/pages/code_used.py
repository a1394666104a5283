"""The version of the code that a run used, with the page that shows it."""

from dataclasses import dataclass

from django.urls import reverse

from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.models import CodeVersion, RunTemplate, TemplateRun


@dataclass(frozen=True)
class CodeUsed:
    """`url` is "" for those who may not see what the version is."""

    version: CodeVersion
    url: str = ""


def code_used(run: TemplateRun, user, rights) -> CodeUsed:
    """Of a re-run, for a person with these rights on its tenant. No query when its template and its code are read."""
    return CodeUsed(run.code, url_of_code(run.template, run.code, user, rights))


def url_of_code(template: RunTemplate, version: CodeVersion, user, rights) -> str:
    """The version on the page of a template; of a run that has none, where its code is chosen."""
    if TenantPermission.TEMPLATE_VIEW not in rights:
        return ""
    if template.is_listed:
        return f"{template.get_absolute_url()}?code={version.number}#code-{version.number}"
    if TenantPermission.TEMPLATE_CREATE not in rights or not may_edit(user, template, rights):
        return ""
    tenant = template.tenant
    where = [tenant.organization.slug, tenant.slug, template.source_run_id]
    return reverse("run_templates:prepare", args=where)
