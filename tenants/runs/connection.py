"""Acting inside a tenant as a person: connect(user, tenant)."""

import hashlib
from datetime import timedelta
from functools import partial

from django.conf import settings

from tenants.access.decisions import may_connect
from tenants.credentials.models import AccessToken
from tenants.hosting.backends import backend_for
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.runs.client import TenantClient, TenantClients

TOKEN_LIFETIME = timedelta(seconds=60)  # the exchange takes milliseconds; the session it gives lasts an hour
_clients = TenantClients(timeout=settings.ZENPRO_TENANT_TIMEOUT)


def connect(user, tenant: Tenant) -> TenantClient:
    """A client of the tenant's REST API that acts as `user`: the tenant's own RBAC decides on each call.

    Costs one query and no call. The first call exchanges a token of 60 s for the server's session, which this
    process keeps and renews when the server no longer knows it. The right to connect is asked here each time, so
    whoever lost it is out immediately, also from what they own in there.

    While we call the tenant it calls us back, on another connection to our database. So never inside a
    transaction: the tenant would not see the token, and on SQLite no one else could write meanwhile.

    Raises TenantRefused 403 for people without a role or a share, TenantUnreachable for a tenant that is not
    supposed to run or never ran; calls raise these, TenantNotFound and TenantConflict.
    """
    if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
        raise TenantUnreachable("The tenant is deactivated.")
    address = backend_for(tenant).address(tenant)
    if not address:
        raise TenantUnreachable("The tenant's server has not been started yet.")
    if not may_connect(user, tenant):
        raise TenantRefused(403, "You have no role on this tenant.")
    return _clients.get(_key(user, tenant), address, partial(_token, user, tenant), tenant.release)


def _token(user, tenant: Tenant) -> str:
    return AccessToken.objects.issue(
        kind=AccessToken.Kind.USER, lifetime=TOKEN_LIFETIME, user=user, tenant=tenant
    )


def mark_of(tenant: Tenant) -> str:
    """New secrets mean a new server, to which no old session belongs."""
    return hashlib.sha256(tenant.sealed_secrets.encode()).hexdigest()


def _key(user, tenant: Tenant) -> tuple:
    return user.pk, tenant.pk, mark_of(tenant)
