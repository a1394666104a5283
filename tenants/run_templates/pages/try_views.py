"""A try of code: how far it is, what came of each step, and another one with other packages."""

from uuid import UUID

from django.http import Http404
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from tenants.access.gate import tenant_view
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.code_actions import CodeRefused
from tenants.run_templates.code_tries import try_again
from tenants.run_templates.document.packages import filled, with_package
from tenants.run_templates.document.requirements import RequirementsRefused
from tenants.run_templates.models import CodeTry, RunTemplate
from tenants.run_templates.pages.forms import PackagesForm
from tenants.run_templates.pages.package_lists import lists_of_try, posted_of
from tenants.run_templates.pages.tried import TryPage, try_of
from zenpro_site.common.htmx import render_partial


@require_http_methods(["GET", "HEAD", "POST"])
@tenant_view(TenantPermission.TEMPLATE_CREATE)
def one_try(request, code_try):
    """Only its person sees it. A POST begins another one: with the packages of the form, or with those and one more."""
    found = try_of(request, code_try)
    if found is None:
        raise Http404("There is no such try.")
    offered = lists_of_try(found)
    posted = _packages(request, found) if posted_of(request) is not None else None
    typed = request.POST.get("requirements", found.requirements)
    known = filled(offered, request.POST.get("fill", ""), typed)
    form = PackagesForm(posted, initial={"requirements": known})
    if posted and form.is_valid() and (other := _again(request, found, form)):
        return redirect(f"{other.get_absolute_url()}?{request.GET.urlencode()}")
    page = TryPage(found)
    steps = page.steps
    context = {"try": found, "page": page, "steps": steps, "form": form, "query": request.GET.urlencode()}
    context["proposals"] = offered
    context["would_clear"] = _cleared(request, found)
    context["broken"] = [step for step in steps if not step.loads]
    context["packages"] = list(dict.fromkeys(step.package for step in steps if step.package))
    status = 422 if form.errors else 200
    return render_partial(request, "run_templates/code/try.html#try", context, status=status)


def _cleared(request, found: CodeTry) -> RunTemplate | None:
    """The template of the address that has packages, where the try had none."""
    try:
        wanted = UUID(request.GET.get("template", ""))
    except ValueError:
        return None
    template = request.tenant.templates.defer("snapshot").filter(pk=wanted).first()
    has_packages = template and template.requirements.strip() and not found.requirements.strip()
    return template if has_packages else None


def _packages(request, found: CodeTry) -> dict[str, str]:
    """What the form has, or the packages so far and those that are to be added."""
    wanted = request.POST.get("requirements", found.requirements)
    for package in request.POST.getlist("add"):
        try:
            wanted = with_package(wanted, package)
        except RequirementsRefused:
            wanted = f"{wanted}\n{package}"  # refused with its reason where everything is checked
    return {"requirements": wanted}


def _again(request, found: CodeTry, form: PackagesForm) -> CodeTry | None:
    """None when that was refused, and the form says why."""
    try:
        return try_again(earlier=found, **form.cleaned_data, by=request.actor)
    except CodeRefused as error:
        form.add_error(error.field if error.field in form.fields else None, error.reason)
        return None
