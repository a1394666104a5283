from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from orgs.access.gate import org_view
from orgs.permissions import Permission

from .models import Role
from .printed import legend, sheets

LEVELS = (
    (Role.Level.ORGANIZATION, "In the organization", "building-2"),
    (Role.Level.TENANT, "On a tenant", "server"),
)


@require_safe
@org_view(Permission.ROLE_VIEW)
def matrix(request):
    """Every right of every role, to print."""
    roles = list(request.org.roles.select_related("base").prefetch_related("permissions"))
    for role in roles:
        role.organization = request.org
    levels = [
        (words, icon, sheets([role for role in roles if role.level == level], level))
        for level, words, icon in LEVELS
    ]
    return render(request, "roles/matrix.html", {"levels": levels, "legend": legend(), "now": timezone.now()})
