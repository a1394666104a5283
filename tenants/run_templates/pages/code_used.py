"""The version of the code that a run used, with the page that shows it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.timezone import localtime

from tenants.hosting.answers import mapping
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_edit
from tenants.run_templates.actions import LONGEST_NAME
from tenants.run_templates.models import CodeVersion, RunTemplate, TemplateRun
from tenants.runs.client import Run


@dataclass(frozen=True)
class CodeUsed:
    """`url` is "" for those who may not see what the version is."""

    version: CodeVersion
    url: str = ""


def code_used(run: TemplateRun, user, rights) -> CodeUsed | None:
    """Of a re-run, for a person with these rights on its tenant; None where it brought its own. No query when its
    template and its code are read."""
    if run.code is None:
        return None
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


@dataclass(frozen=True)
class OtherCode:
    """What “Run again” runs with, where that is not the code of the run; `url`: where newer code is handed over, ""
    for those who may not do that."""

    sentence: str
    url: str = ""


def other_code(tenant: Tenant, run: Run, rerun: TemplateRun | None, template, rights) -> OtherCode | None:
    """None where the code is the run's, as far as one can tell, or has to be chosen first. One query at most."""
    version = template.code if template else _newest(tenant, run.pipeline)
    sentence = _of_rerun(rerun, version) if rerun else _of_recorded(run, version, template)
    if not sentence:
        return None
    return OtherCode(sentence, _code_add(tenant, run, rerun, template, rights))


def _newest(tenant: Tenant, pipeline: str) -> CodeVersion | None:
    return tenant.code_versions.filter(pipeline_name=pipeline[:LONGEST_NAME]).first()


def older_code(tenant: Tenant, run: Run) -> str:
    """The newest code of the run's pipeline, where that is older than the run; else ""."""
    version = _newest(tenant, run.pipeline)
    return dated(version) if version and is_older(version, run) else ""


def _of_rerun(rerun: TemplateRun, version: CodeVersion | None) -> str:
    if rerun.code_id == (version and version.pk):
        return ""
    now = f"that {rerun.template} has now, {dated(version)}" if version else "that was recorded"
    then = f"v{rerun.code.number}" if rerun.code else "the code that was recorded"
    return f"Run again uses the code {now}. This run used {then}."


def _of_recorded(run: Run, version: CodeVersion | None, template) -> str:
    if not version or not is_older(version, run):
        return ""
    if template:
        return f"Run again uses code {dated(version)}, which is older than this run."
    return (
        f"The newest code of {run.pipeline} here is {dated(version)}, which is older than this run: “Run again” uses "
        "it if the steps are still the same, and asks you otherwise."
    )


def is_older(version: CodeVersion, run: Run) -> bool:
    """Was it handed over before the run began, and is it of another commit, or of none that is known?"""
    said = mapping(mapping(run.code_reference).get("body")).get("commit")
    is_same = bool(version.commit) and said == version.commit
    return run.start is not None and version.created_at < run.start and not is_same


def dated(version: CodeVersion) -> str:
    return f"{version.short} of {localtime(version.created_at):%-d %B %Y, %H:%M}"


def _code_add(tenant: Tenant, run: Run, rerun: TemplateRun | None, template, rights) -> str:
    if TenantPermission.TEMPLATE_CREATE not in rights:
        return ""
    url = reverse("run_templates:code_add", args=[tenant.organization.slug, tenant.slug])
    if rerun and template.is_listed:
        return f"{url}?{urlencode({'template': template.pk})}"
    source = template.source_run_id if template else run.id
    return f"{url}?{urlencode({'run': source, 'again': 'run'})}"
