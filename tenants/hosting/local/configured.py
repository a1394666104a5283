"""The backend of this machine, built from the settings."""

from functools import cache

from django.conf import settings

from tenants.hosting.local.backend import LocalBackend


@cache
def machine() -> LocalBackend:
    """One object a process."""
    return LocalBackend(
        settings.ZENPRO_DATA,
        settings.ZENPRO_TENANT_PORTS,
        host=settings.ZENPRO_TENANT_HOST,
        versions=settings.ZENPRO_ZENML_VERSIONS,
        isolation=settings.ZENPRO_ISOLATION,
        index=settings.ZENPRO_PACKAGE_INDEX,
    )
