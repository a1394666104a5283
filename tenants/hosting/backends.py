"""From a tenant's row to its server: which backend, which configuration, where on disk."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from tenants.hosting.base import ServerBackend, ServerSpec
from tenants.models import Tenant

# Where servers can live -> what builds the backend. Named and not imported: each backend knows the protocol in base.py.
KINDS = {"local": "tenants.hosting.local.configured.backend"}


@cache
def backend(kind: str = "local") -> ServerBackend:
    """The backend of a kind, as the settings of this installation have it; one object a process."""
    return import_string(KINDS[kind])()


def folder_of(tenant: Tenant) -> Path:
    return settings.ZENPRO_DATA / "tenants" / str(tenant.pk)


def local_stores_of(tenant: Tenant) -> Path:
    """Where local artifact stores of the tenant live: its server and its runners must agree (rerun §9)."""
    return Path(settings.ZENPRO_LOCAL_STORES or folder_of(tenant) / "stores")


def api_url_of(tenant: Tenant) -> str:
    """The address at which its server and its clients call us, without a slash at the end.

    A client keeps one token for each address, and sends a server the token of the address which that server names
    (protocol §5). So a server that someone else runs has an address of its own, where tokens open nothing but it.
    """
    return (
        f"{settings.ZENPRO_API_URL}/elsewhere/{tenant.pk}" if tenant.is_elsewhere else settings.ZENPRO_API_URL
    )


def spec_of(tenant: Tenant) -> ServerSpec:
    """The configuration its server has to run with; port 0 until one is reserved. Raises SecretsUnreadable."""
    secrets = tenant.opened_secrets()
    return ServerSpec(
        tenant_id=tenant.pk,
        workspace_name=tenant.workspace_name,
        version=tenant.zenml_version,
        port=tenant.port or 0,
        server_url=tenant.server_url,
        api_url=api_url_of(tenant),
        dashboard_url=settings.ZENPRO_URL,
        organization_id=tenant.organization_id,
        organization_name=tenant.organization.name,
        oauth_secret=secrets["oauth_secret"],
        jwt_secret=secrets["jwt_secret"],
        encryption_key=secrets["encryption_key"],
        folder=folder_of(tenant),
        local_stores=local_stores_of(tenant),
    )


def tail_log(tenant: Tenant, lines: int = 200) -> list[str]:
    """Last lines of the server's log, oldest first; before its first start, the output of installing its version."""
    return backend().tail_log(spec_of(tenant), lines) if tenant.port else []
