from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from orgs.access.factors import has_two_factor
from orgs.access.gate import may_do_everything, org_view
from orgs.access.required_two_factor import members_without
from orgs.permissions import Permission
from zenpro_site.common.htmx import wants
from zenpro_site.common.refusals import Refused

from . import actions
from .forms import NewOrganizationForm, OrganizationForm


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def create(request):
    if not request.user.is_superuser:
        raise PermissionDenied("Only an administrator of this installation can create organizations.")
    form = NewOrganizationForm(request.POST if request.method == "POST" else None)
    if wants(request, "slug-state"):
        tone, sentence = form.slug_state(request.GET.get("slug", ""))
        return render(request, "organizations/create.html#slug-state", {"tone": tone, "sentence": sentence})
    if form.is_valid():
        try:
            organization = actions.create_organization(by=request.actor, **form.cleaned_data)
        except Refused as refused:
            form.add_error("slug", str(refused))
        else:
            messages.success(request, f"{organization} is ready. You are its Admin.")
            return redirect(organization)
    return render(request, "organizations/create.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_CHANGE)
def settings(request):
    data = request.POST if request.method == "POST" else None
    name = request.org.name
    form = OrganizationForm(data, instance=request.org)
    if form.is_valid():
        actions.update_organization(organization=request.org, by=request.actor, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("orgs:settings", request.org.slug)
    request.org.name = name  # the form has written into the instance that the frame of the page shows
    context = {
        "form": form,
        "domains": _domains(request.org),
        "without_two_factor": members_without(request.org),
        "has_two_factor": has_two_factor(request.user),
        "can_delete": Permission.ORGANIZATION_DELETE in request.org_permissions,
        "can_allow_builds": may_do_everything(request.org_permissions),
    }
    return render(request, "organizations/settings.html", context, status=422 if form.errors else 200)


def _domains(org):
    """With the name of the role that each gives."""
    names = dict(org.roles.organization_level().values_list("slug", "name"))
    found = list(org.domains.all())
    for domain in found:
        domain.role_name = names.get(domain.role, domain.role)
    return found
