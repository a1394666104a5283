"""Lists of packages that a page offers to take."""

from collections.abc import Mapping, Sequence

from tenants.models import Tenant
from tenants.run_templates.document.packages import PackageList, filled, of_stack, proposals
from tenants.run_templates.document.stack_integrations import integrations_of
from tenants.run_templates.engine.integration_packages import packages_of
from tenants.run_templates.models import CodeTry, RunTemplate


def lists_of_try(found: CodeTry) -> list[PackageList]:
    return _lists(found.code.tenant, found.integrations, found.recorded, found.code.declared)


def lists_of_template(template: RunTemplate) -> list[PackageList]:
    return _lists(
        template.tenant,
        integrations_of(template.snapshot),
        (),
        template.code.declared if template.code else {},
    )


def lists_of_run(request, form, source) -> list[PackageList]:
    """Of a run that becomes a template, with the code that is chosen."""
    code = _chosen(request, form) if "code" in form.fields else None
    names, declared = integrations_of(source.snapshot), code.declared if code else {}
    return _lists(request.tenant, names, source.packages, declared)


def _chosen(request, form):
    chosen = request.POST.get("code") or form.initial.get("code")
    versions = form.fields["code"].queryset
    return next((one for one in versions if str(one.pk) == str(chosen)), versions.first())


def _lists(
    tenant: Tenant, names: Sequence[str], recorded: Sequence[str], declared: Mapping[str, list[str]]
) -> list[PackageList]:
    found = packages_of(tenant.zenml_version, names) if names else None
    stack = of_stack(names, found.lines, found.unread) if found else None
    return proposals(recorded, declared, stack)


def posted_of(request):
    """What is to be saved; None also when a list of packages was taken, which is looked at first."""
    return request.POST if request.method == "POST" and "fill" not in request.POST else None


def fill_packages(request, form, offered: list[PackageList]):
    """The form with what was entered so far, and the packages that were taken."""
    if "fill" in request.POST:
        entered = {name: request.POST.get(name, "") for name in form.fields}
        taken = filled(offered, request.POST["fill"], entered["requirements"])
        form.initial |= entered | {"requirements": taken}
    return form
