"""Who calls, and whether they can: checked before anything else of the call is read.

The checks are those of orgs.access and tenants.access.gate for the pages. A key bound to one tenant or organization can do
less.
"""

import re
from enum import StrEnum
from typing import NoReturn

from django.core.exceptions import PermissionDenied
from django.http import Http404
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer, SessionAuth

from orgs.access.gate import act_as, enter, refuse
from orgs.models import Organization
from orgs.permissions import Permission
from tenants.access.gate import enter_tenant
from tenants.credentials import keys
from tenants.credentials.models import ApiKey
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.identifiers import uuid_or_none

SLUG = re.compile(r"[a-z0-9-]{1,50}")


class Anyone(StrEnum):
    """Rights that belong to no organization."""

    SIGNED_IN = "signed_in"
    SUPERUSER = "superuser"


Right = Anyone | Permission | TenantPermission


def needs(right: Right) -> list:
    """`auth` of an operation: by key or by session, with the right the caller needs where the path leads."""
    return [Key(right), Session(right)]


class Key(HttpBearer):
    """A personal token or a service account's key. Tokens that clients pass to tenants' servers open nothing here."""

    openapi_bearerFormat = "ZENPROKEY_..."

    def __init__(self, right: Right):
        super().__init__()
        self.right = right

    def authenticate(self, request, token: str):
        key = keys.key_of(token)
        if key is None:
            raise AuthenticationError(
                message="This key is not valid: it is unknown, expired or revoked, or its account is inactive."
            )
        key.note_use()
        act_as(request, key.user)
        request.key = key
        admit(request, self.right)
        return key.user


class Session(SessionAuth):
    """A browser's session; calls that change something need its CSRF token in X-CSRFToken."""

    def __init__(self, right: Right):
        super().__init__()
        self.right = right

    def __call__(self, request):
        return super().__call__(request) if request.user.is_authenticated else None

    def authenticate(self, request, key):
        request.key = None
        admit(request, self.right)
        return request.user


def admit(request, right: Right) -> None:
    """Put organization, tenant and rights on the request, as pages do. Raises Http404 and PermissionDenied as they do."""
    path = request.resolver_match.kwargs
    if "organization" in path:
        enter(request, _organization_slug(path["organization"]))
        if "tenant" in path:
            enter_tenant(request, _tenant_slug(request.org, path["tenant"]))
        _stay_in_scope(request)
    if not _has(request, right):
        _refuse(request, right)


def _has(request, right: Right) -> bool:
    if isinstance(right, Anyone):
        return right == Anyone.SIGNED_IN or (request.user.is_superuser and not is_bound(request.key))
    return right in (
        request.tenant_permissions if isinstance(right, TenantPermission) else request.org_permissions
    )


def _refuse(request, right: Right) -> NoReturn:
    if isinstance(right, Anyone):
        raise PermissionDenied("Only an administrator of this installation can do this.")
    target = request.tenant if isinstance(right, TenantPermission) else request.org
    try:
        refuse(request, right, target)
    except PermissionDenied as refused:
        if request.key and request.key.tenant_id and isinstance(right, Permission):
            raise PermissionDenied(
                f"This key only gives access to the tenant {request.key.tenant}."
            ) from refused
        raise


def is_bound(key: ApiKey | None) -> bool:
    return bool(key and (key.tenant_id or key.organization_id))


def _stay_in_scope(request) -> None:
    """Raises Http404 outside of what the key is bound to; a key bound to a tenant has no right in its organization."""
    key = request.key
    home = key and (key.tenant.organization_id if key.tenant_id else key.organization_id)
    if home and home != request.org.pk:
        raise Http404
    if key and key.tenant_id:
        if hasattr(request, "tenant") and request.tenant.pk != key.tenant_id:
            raise Http404
        request.org_permissions = frozenset()


def _organization_slug(name: str) -> str:
    """Organizations are named by id or by slug. Raises Http404 for what can be neither."""
    found = uuid_or_none(name)
    slugs = Organization.objects.filter(pk=found).values_list("slug", flat=True) if found else ()
    return next(iter(slugs), None) or _as_slug(name)


def _tenant_slug(organization: Organization, name: str) -> str:
    found = uuid_or_none(name)
    slugs = organization.tenants.live().filter(pk=found).values_list("slug", flat=True) if found else ()
    return next(iter(slugs), None) or _as_slug(name)


def _as_slug(name: str) -> str:
    if not SLUG.fullmatch(name):
        raise Http404
    return name


def opened(request, tenants):
    """Those of the query set of tenants that the key of the request opens; all with a session."""
    return request.key.opened(tenants) if request.key else tenants


def tenants_of(request):
    """Tenants of the path's organization that the caller can see, as pages list them."""
    return request.org.tenants.visible_to(request.user, request.org_permissions)


__all__ = ["Anyone", "Tenant", "admit", "is_bound", "needs", "opened", "tenants_of"]
