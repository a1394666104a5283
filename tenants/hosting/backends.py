"""From a tenant's row to its server: which backend, which configuration."""

from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

from tenants.hosting.base import Hosting, ServerSpec
from tenants.models import Tenant

# Kind of tenant -> its backend. Named and not imported: each backend knows the protocol in base.py.
KINDS = {
    Tenant.Kind.LOCAL: "tenants.hosting.local.hosting.LocalHosting",
    Tenant.Kind.ELSEWHERE: "tenants.hosting.elsewhere.hosting.ElsewhereHosting",
    Tenant.Kind.KUBERNETES: "tenants.hosting.kubernetes.hosting.KubernetesHosting",
}
# Where no tenants can live on this machine, those that did are told so.
NO_MACHINE = "tenants.hosting.local.absent.AbsentMachine"
# What backends read beside a tenant's own row, for those who ask about many tenants.
READ_WITH = ("organization", "enrollment")


@cache
def _backend(kind: str) -> Hosting:
    is_absent = kind == Tenant.Kind.LOCAL and not settings.ZENPRO_LOCAL_TENANTS
    return import_string(NO_MACHINE if is_absent else KINDS[kind])()


def backend_for(tenant: Tenant) -> Hosting:
    """Where the tenant's server lives; one object a kind and process, as the settings of this installation say."""
    return _backend(tenant.kind)


def backends() -> dict[str, Hosting]:
    """The backend of every kind."""
    return {kind: _backend(kind) for kind in KINDS}


def api_url_of(tenant: Tenant) -> str:
    """The address at which its server and its clients call us, without a slash at the end.

    A client keeps one token for each address, and sends a server the token of the address which that server names
    (protocol §5). So a server that someone else runs has an address of its own, where tokens open nothing but it.
    """
    return (
        f"{settings.ZENPRO_API_URL}/elsewhere/{tenant.pk}" if tenant.is_elsewhere else settings.ZENPRO_API_URL
    )


def spec_of(tenant: Tenant) -> ServerSpec:
    """The configuration its server has to run with, wherever it lives. Raises SecretsUnreadable."""
    secrets = tenant.opened_secrets()
    return ServerSpec(
        tenant_id=tenant.pk,
        workspace_name=tenant.workspace_name,
        version=tenant.zenml_version,
        server_url=tenant.server_url,
        api_url=api_url_of(tenant),
        dashboard_url=settings.ZENPRO_URL,
        organization_id=tenant.organization_id,
        organization_name=tenant.organization.name,
        oauth_secret=secrets["oauth_secret"],
        jwt_secret=secrets["jwt_secret"],
        encryption_key=secrets["encryption_key"],
    )
