"""The backend of this machine, built from the settings."""

from django.conf import settings

from tenants.hosting.local.backend import LocalBackend


def backend() -> LocalBackend:
    """A new one; hosting.backends keeps one a process."""
    return LocalBackend(
        settings.ZENPRO_DATA,
        settings.ZENPRO_TENANT_PORTS,
        host=settings.ZENPRO_TENANT_HOST,
        versions=settings.ZENPRO_ZENML_VERSIONS,
        isolation=settings.ZENPRO_ISOLATION,
        index=settings.ZENPRO_PACKAGE_INDEX,
    )
