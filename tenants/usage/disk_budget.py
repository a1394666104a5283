"""How much disk a tenant can use, how much it uses, and whether anything more can start."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tenants.hosting.local.space import shortage
from tenants.models import Tenant
from tenants.usage.report import UsageBar
from zenpro_site.common.sizes import size_words

MACHINE_FULL = "The disk of the machine is nearly full. Whoever runs ZenPro has to free some space first."
WAITS = "Waiting: the disk is full."


@dataclass(frozen=True)
class DiskBar(UsageBar):
    """Bytes on disk; `limit` None is no limit."""

    @property
    def words(self) -> str:
        """ "1.2 GB of 20 GB", or "1.2 GB" without a limit."""
        used = size_words(self.used)
        return used if self.limit is None else f"{used} of {size_words(self.limit)}"


def budget_of(tenant: Tenant) -> int | None:
    """Bytes the tenant's stores, runs and code can take together; None is no limit."""
    own = tenant.disk_budget
    return (settings.ZENPRO_TENANT_DISK if own is None else own) or None


def bar_of(tenant: Tenant) -> DiskBar | None:
    """What is on disk, as measured last; None when nothing of it has been measured here."""
    return DiskBar(tenant.disk_bytes, budget_of(tenant)) if tenant.disk_measured_at else None


def machine_is_full() -> bool:
    """True when a disk that runs write to has no space for another one."""
    stores = [Path(settings.ZENPRO_LOCAL_STORES)] if settings.ZENPRO_LOCAL_STORES else []
    return any(shortage(folder) for folder in (settings.ZENPRO_DATA, *stores))


def refusal_of_budget(tenant: Tenant) -> str:
    """Why the tenant can't start anything that writes, as a sentence; "" when it can."""
    bar = DiskBar(tenant.disk_bytes, budget_of(tenant))
    if bar.limit is None or bar.used < bar.limit:
        return ""
    return (
        f"{tenant.name} uses {bar.words} on disk. Delete artifacts of old runs, "
        "or ask whoever runs ZenPro for more space."
    )


def why_wait(tenant: Tenant) -> str:
    """Why a re-run in the queue does not start, "" when it can."""
    if machine_is_full():
        return WAITS
    full = refusal_of_budget(tenant)
    return f"{WAITS} {full}" if full else ""
