"""Who may do what in an organization. The only question: can(user, Permission.X, organization)."""

from functools import wraps
from typing import NoReturn

from django.contrib.auth import get_user_model
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q
from django.shortcuts import get_object_or_404

from .audit.models import AuditEvent
from .models import Membership, Organization
from .permissions import Permission
from .roles.models import Role, RolePermission
from .teams.models import Team

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def permissions_of(user, organization: Organization, membership=None) -> frozenset[Permission]:
    """All organization rights of a user: union of her own role and those of her teams. Empty for outsiders.

    `membership`: hers in this organization, when the caller has it already.
    """
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Permission)
    membership = membership or Membership.objects.filter(organization=organization, user=user).first()
    if membership is None:
        return frozenset()
    through_teams = Team.objects.filter(organization=organization, user=user).exclude(org_role="")
    rows = RolePermission.objects.filter(
        Q(role__slug=membership.role) | Q(role__slug__in=through_teams.values("org_role")),
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


def people_who_can(permission: Permission, organization: Organization):
    """Active users with this right in the organization, superusers among them. Query set, each once.

    The same rule as permissions_of, asked for many people in one query.
    """
    resource, _, action = permission.partition(":")
    slugs = organization.roles.organization_level().filter(
        permissions__resource=resource, permissions__action=action
    )
    members = organization.memberships.filter(
        Q(role__in=slugs.values("slug"))
        | Q(user__groups__in=organization.teams.filter(org_role__in=slugs.values("slug")))
    )
    may = Q(is_superuser=True) | Q(pk__in=members.values("user"))
    return get_user_model().objects.filter(may, is_active=True)


def enter(request, slug: str) -> None:
    """Put organization, membership and rights on the request. Raises Http404 for outsiders.

    All her memberships are read at once: the frame of the page lists them anyway.
    """
    user = request.user
    request.memberships = list(user.memberships.select_related("organization").order_by("organization__name"))
    here = (one for one in request.memberships if one.organization.slug == slug)
    request.membership = next(here, None)
    if request.membership:
        request.org = request.membership.organization
    else:
        request.org = get_object_or_404(Organization.objects.of(user), slug=slug)
    request.org_permissions = permissions_of(user, request.org, request.membership)
    request.user.origin = request.origin
    if not (request.htmx and request.method == "GET"):  # a page left open polls, which is nobody's activity
        get_user_model().objects.saw(request.user)


def refuse(request, permission: str, target: Model) -> NoReturn:
    """Answer 403. A change that was refused leaves an audit row; a page that may not be read does not."""
    if request.method not in SAFE_METHODS:
        AuditEvent.objects.record(
            "access.refused",
            target,
            by=request.user,
            organization=request.org,
            after={"right": permission, "page": request.resolver_match.view_name},
            outcome=AuditEvent.Outcome.REFUSED,
        )
    raise PermissionDenied(f"You need the right “{permission}” in {target}. Its Admin can give it.")


def org_view(permission: Permission):
    """Decorator of every page of an organization: sign-in, 404 for outsiders, 403 without the right."""

    def decorate(view):
        @wraps(view)
        def wrapper(request, org, *args, **kwargs):
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            enter(request, org)
            if permission not in request.org_permissions:
                refuse(request, permission, request.org)
            return view(request, *args, **kwargs)

        wrapper.access = permission
        return wrapper

    return decorate
