from django.db.models import Count, Q
from django.shortcuts import render
from django.views.decorators.http import require_safe

from orgs.access import org_view
from orgs.permissions import Permission

from .grid import ICONS, ORGANIZATION_WORDS, TENANT_GROUPS, grid, summary


@require_safe
@org_view(Permission.ROLE_VIEW)
def role_list(request):
    organization_roles, tenant_roles = _organization_roles(request), _tenant_roles(request)
    shown = next((role for role in tenant_roles if role.slug == request.GET.get("role")), tenant_roles[0])
    context = {
        "organization_roles": organization_roles,
        "organization_rows": _organization_rows(organization_roles),
        "tenant_roles": tenant_roles,
        "tenant_rows": _tenant_rows(tenant_roles),
        "shown": shown,
        "groups": [(ICONS[group], group, rows) for group, rows in grid(shown.rights).items()],
    }
    return render(request, "roles/list.html", context)


def _organization_roles(request) -> list:
    roles = list(request.org.roles.organization_level().prefetch_related("permissions"))
    people = _counts(request.org.memberships, "role")
    teams = _counts(request.org.teams, "org_role")
    for role in roles:
        role.people, role.teams = people.get(role.slug, 0), teams.get(role.slug, 0)
    return roles


def _counts(rows, field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))


def _tenant_roles(request) -> list:
    live = ~Q(grants__tenant__desired_state="deleted")
    roles = request.org.roles.tenant_level().annotate(
        people=Count("grants__membership", filter=live, distinct=True),
        teams=Count("grants__team", filter=live, distinct=True),
    )
    return list(roles.prefetch_related("permissions"))


def _organization_rows(roles) -> list:
    return [
        (words, [(role, right in role.rights) for role in roles])
        for right, words in ORGANIZATION_WORDS.items()
    ]


def _tenant_rows(roles) -> list:
    return [
        (ICONS[group], group, [(role, summary(role.rights, resources)) for role in roles])
        for group, resources in TENANT_GROUPS.items()
    ]
