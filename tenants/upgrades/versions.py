"""Which versions of ZenML a tenant's server can be brought to."""

from collections.abc import Iterable

from packaging.version import InvalidVersion, Version

from tenants.models import Tenant
from tenants.run_templates.models import TemplateRun


def is_newer(version: str, than: str) -> bool:
    """Both as on PyPI. False for what is no version: a database is only ever brought forward."""
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return False


def newer_of(offered: Iterable[str], than: str) -> list[str]:
    """Those that a server of this version can be brought to, newest first."""
    return sorted((one for one in offered if is_newer(one, than)), key=Version, reverse=True)


def runs_under_way(tenant: Tenant) -> int:
    """Of its templates: those that its server's restart meets."""
    return TemplateRun.objects.unfinished().filter(template__tenant=tenant).count()
