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


def can_have(tenant: Tenant, version: str) -> bool:
    """Newer than what it has. One that never came to a start changed nothing: the one before can be had back."""
    known = last_used(tenant)
    is_back = known != tenant.zenml_version and version == known
    return version != tenant.zenml_version and (is_back or is_newer(version, known))


def last_used(tenant: Tenant) -> str:
    """The version that last used its database, or may have."""
    states = {step.get("key"): step.get("state") for step in tenant.progress}
    is_untouched = tenant.status == Tenant.Status.FAILED and states.get("start") == "waiting"
    return (is_untouched and tenant.reported_version) or tenant.zenml_version


def choices_for(tenant: Tenant, offered: Iterable[str]) -> list[str]:
    """Those of the offered ones that it can have, newest first, and the one to go back to."""
    known = last_used(tenant)
    found = [one for one in newer_of(offered, known) if can_have(tenant, one)]
    return [*found, known] if can_have(tenant, known) else found


def newer_of(offered: Iterable[str], than: str) -> list[str]:
    """Those that a server of this version can be brought to, newest first."""
    return sorted((one for one in offered if is_newer(one, than)), key=Version, reverse=True)


def runs_under_way(tenant: Tenant) -> int:
    """Of its templates: those that its server's restart meets."""
    return TemplateRun.objects.unfinished().filter(template__tenant=tenant).count()
