"""Who may do what in an organization. The only question: can(user, Permission.X, organization)."""

from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.shortcuts import get_object_or_404

from .models import Membership, Organization
from .permissions import Permission
from .roles.models import Role, RolePermission
from .teams.models import Team


def permissions_of(user, organization: Organization) -> frozenset[Permission]:
    """All organization rights of a user: union of her own role and those of her teams. Empty for outsiders."""
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Permission)
    own = Membership.objects.filter(organization=organization, user=user)
    if not own.exists():
        return frozenset()
    through_teams = Team.objects.filter(organization=organization, user=user).exclude(org_role="")
    rows = RolePermission.objects.filter(
        Q(role__slug__in=own.values("role")) | Q(role__slug__in=through_teams.values("org_role")),
        role__organization=organization,
        role__level=Role.Level.ORGANIZATION,
    )
    known = set(Permission)
    return frozenset(
        Permission(f"{resource}:{action}")
        for resource, action in rows.values_list("resource", "action")
        if f"{resource}:{action}" in known
    )


def can(user, permission: Permission, organization: Organization) -> bool:
    """May the user do this in the organization?"""
    return permission in permissions_of(user, organization)


def enter(request, slug: str) -> None:
    """Put organization, membership and rights on the request. Raises Http404 for outsiders."""
    request.org = get_object_or_404(Organization.objects.of(request.user), slug=slug)
    request.membership = request.org.memberships.filter(user=request.user).first()
    request.org_permissions = permissions_of(request.user, request.org)
    request.user.origin = request.origin


def org_view(permission: Permission):
    """Decorator of every page of an organization: sign-in, 404 for outsiders, 403 without the right."""

    def decorate(view):
        @wraps(view)
        def wrapper(request, org, *args, **kwargs):
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            enter(request, org)
            if permission not in request.org_permissions:
                raise PermissionDenied(
                    f"You need the right “{permission}” in {request.org}. An Admin can give it."
                )
            return view(request, *args, **kwargs)

        wrapper.access = permission
        return wrapper

    return decorate
