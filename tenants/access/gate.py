"""Who can do what with a tenant in this dashboard. What a role allows inside the server: tenants.access.decisions."""

from functools import wraps

from django.contrib.auth.views import redirect_to_login
from django.db.models import Case, Count, Value, When, Window
from django.http import Http404
from django.utils import timezone

from orgs.access.gate import enter, permissions_of, refuse
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.roles.models import RolePermission
from orgs.users.models import User
from tenants.models import Tenant, TenantGrant, held_rows
from tenants.models.tenant_permissions import NEEDS, TenantPermission, codenames_of
from zenpro_site.common.prepared import NOW, Given, Prepared

LISTED = 12  # tenants in the sidebar; home has all of them
MANAGE = frozenset(
    {TenantPermission.VIEW, TenantPermission.CHANGE, TenantPermission.DELETE, TenantPermission.ACCESS}
)


def tenants_visible_to(user, organization: Organization, rights=None):
    """Tenants of the organization the user can see, as a query set without the deleted ones.

    Admins see all; others those on which they hold a role. `rights`: what orgs.access.gate.permissions_of said, when known.
    """
    rights = permissions_of(user, organization) if rights is None else rights
    return organization.tenants.visible_to(user, rights)


def listed(request, slug: str = "") -> list[Tenant]:
    """The first tenants the user can see, for the frame of a page: the one called `slug` first, then by name.

    Each says in `seen` how many there are in all. One query.
    """
    here = {"organization": request.org.pk, "slug": slug}
    if Permission.TENANT_MANAGE_ALL in request.org_permissions:
        return _ALL(**here)
    held = {"user": request.user.pk, "now": timezone.now()}
    return _HELD(**here, **held) if request.org_permissions else []


def _first(tenants):
    """Of the organization, the one called `slug` first; each says in `seen` how many there are."""
    place = Case(When(slug=Given("slug", Tenant._meta.get_field("slug")), then=0), default=1)
    found = tenants.filter(organization=Given("organization", Organization._meta.pk))
    return found.annotate(place=place, seen=Window(Count("pk"))).order_by("place", "name")[:LISTED]


# As tenants_visible_to has it; superusers have every right.
_USER = Given("user", User._meta.pk)
_ALL = Prepared(lambda: _first(Tenant.objects.live()))
_HELD = Prepared(lambda: _first(Tenant.objects.held_with(_USER, TenantPermission.VIEW, NOW)))


def tenant_permissions_of(user, tenant: Tenant, rights=None) -> frozenset[TenantPermission]:
    """All dashboard rights of a user on a tenant; empty for those who cannot see it."""
    rights = permissions_of(user, tenant.organization) if rights is None else rights
    if user.is_superuser and user.is_active:
        return frozenset(TenantPermission)
    if not rights:
        return frozenset()
    given = _given(_RIGHTS(user=user.pk, tenant=tenant.pk, now=timezone.now()))
    if Permission.TENANT_MANAGE_ALL in rights:
        given |= MANAGE
    elif given and Permission.TENANT_MANAGE_JOINED in rights:
        given.add(TenantPermission.CHANGE)
    return frozenset(TenantPermission(name) for name in given)


def _rows_given():
    """(resource, action) of every unexpired role and (codename, "") of guardian's rows, of one person on one tenant."""
    tenant = Given("tenant", Tenant._meta.pk)
    rows = [rows.filter(content_object=tenant).order_by() for rows in held_rows(_USER)]
    rows = [one.values_list("permission__codename", Value("")) for one in rows]
    grants = TenantGrant.objects.filter(tenant=tenant).valid(NOW).of_person(_USER).order_by()
    asked = sorted({right.split(":")[0] for needed in NEEDS.values() for right in needed})
    rights = RolePermission.objects.filter(role__in=grants.values("role"), resource__in=asked)
    return rights.order_by().values_list("resource", "action").union(*rows)


_RIGHTS = Prepared(_rows_given)


def _given(found) -> set[TenantPermission]:
    """What guardian's rows and unexpired roles both give: the rows stay until the agent removes them."""
    lasting = {f"{resource}:{action}" for resource, action in found if action}
    held = {codename for codename, action in found if not action}
    return held & codenames_of(lasting) if lasting else set()


def can(user, permission: TenantPermission, tenant: Tenant) -> bool:
    """Can the user do this with the tenant?"""
    return permission in tenant_permissions_of(user, tenant)


def tenant_view(permission: TenantPermission):
    """Decorator of every page of a tenant: 404 for those who cannot see it, 403 without the right."""

    def decorate(view):
        @wraps(view)
        def wrapper(request, org, tenant, *args, **kwargs):
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            enter(request, org)
            enter_tenant(request, tenant)
            if permission not in request.tenant_permissions:
                refuse(request, permission, request.tenant)
            return view(request, *args, **kwargs)

        wrapper.access = permission
        return wrapper

    return decorate


def enter_tenant(request, slug: str) -> None:
    """Put the tenant and the user's rights on it on the request. Raises Http404 when it is not theirs to see."""
    request.listed = listed(request, slug)
    request.tenant = next((tenant for tenant in request.listed if tenant.slug == slug), None)
    if request.tenant is None:
        raise Http404("No such tenant.")
    request.tenant.organization = request.org
    request.tenant_permissions = tenant_permissions_of(request.user, request.tenant, request.org_permissions)
