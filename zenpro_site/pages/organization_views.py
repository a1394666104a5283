"""The end of an organization: its tenants come first."""

from django.contrib import messages
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from orgs.access.gate import org_view
from orgs.organizations.actions import delete_organization
from orgs.organizations.forms import OrganizationDeleteForm
from orgs.permissions import Permission
from zenpro_site.common.htmx import render_partial
from zenpro_site.common.refusals import Refused


@require_http_methods(["GET", "HEAD", "POST"])
@org_view(Permission.ORGANIZATION_DELETE)
def delete(request):
    org = request.org
    form = OrganizationDeleteForm(request.POST if request.method == "POST" else None, wanted=org.name)
    if form.is_valid():
        try:
            delete_organization(organization=org, by=request.actor)
        except Refused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, f"{form.wanted} has been deleted.")
            return redirect("home")
    context = {
        "form": form,
        "tenants": org.tenants.exclude(status="deleted").order_by("name"),
        "people": org.memberships.count(),
        "teams": org.teams.count(),
        "invitations": org.invitations.open().count(),
    }
    wrong = 409 if form.non_field_errors() else 422
    return render_partial(request, "pages/delete.html#modal", context, status=wrong if form.errors else 200)
