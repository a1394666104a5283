"""From a tenant's row to where its server runs and keeps its data on this machine."""

from dataclasses import fields
from pathlib import Path

from django.conf import settings

from tenants.hosting.backends import spec_of
from tenants.hosting.base import ServerSpec
from tenants.hosting.local.spec import LocalSpec
from tenants.models import Tenant


def folder_of(tenant: Tenant) -> Path:
    return settings.ZENPRO_DATA / "tenants" / str(tenant.pk)


def local_stores_of(tenant: Tenant) -> Path:
    """Where local artifact stores of the tenant live: its server and its runners must agree (rerun §9)."""
    return Path(settings.ZENPRO_LOCAL_STORES or folder_of(tenant) / "stores")


def packages_of(tenant: Tenant) -> tuple[str, ...]:
    """What its server has besides ZenML, as requirements, each once."""
    return tuple(sorted({line for lines in tenant.server_packages.values() for line in lines}))


def local_spec_of(tenant: Tenant) -> LocalSpec:
    """The configuration its server runs with here; port 0 until one is reserved. Raises SecretsUnreadable."""
    spec = spec_of(tenant)
    return LocalSpec(
        **{field.name: getattr(spec, field.name) for field in fields(ServerSpec)},
        port=tenant.port or 0,
        folder=folder_of(tenant),
        local_stores=local_stores_of(tenant),
        packages=packages_of(tenant),
    )
