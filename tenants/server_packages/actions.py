"""Changes to what a tenant's server has besides ZenML. Each is atomic and leaves one audit row; none calls a server."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from orgs.users.models import Actor
from tenants.access.actions import locked, record
from tenants.models import Tenant
from zenpro_site.common.refusals import Refused

from .store_packages import STORES, needed_for

NOT_HERE = "Someone else runs the server of {tenant}: packages are added to it where it runs."
UNREAD = "What ZenML {version} needs for {store} isn't known: this version is not installed, or decides as it runs."


def add_packages(*, tenant: Tenant, integration: str, by: Actor) -> None:
    """Let its server read stores of this integration; it is restarted for that.

    The packages are those that the tenant's version of ZenML names. Raises Refused.
    """
    _check(tenant, integration)
    found = needed_for(tenant, integration)
    if found.unread or not found.lines:
        raise Refused(UNREAD.format(version=tenant.zenml_version, store=STORES[integration]))
    with transaction.atomic():
        known = locked(tenant).server_packages
        if integration in known:
            raise Refused(f"The server of {tenant} has the packages for {STORES[integration]} already.")
        _keep(tenant, {**known, integration: found.lines})
        after = {"store": STORES[integration], "packages": found.lines}
        record("tenant.packages_added", tenant, by, after=after)


@transaction.atomic
def remove_packages(*, tenant: Tenant, integration: str, by: Actor) -> None:
    """Let its server do without them again; it is restarted for that. Raises Refused."""
    _check(tenant, integration)
    known = locked(tenant).server_packages
    if integration not in known:
        raise Refused(f"The server of {tenant} has no packages for {STORES[integration]}.")
    _keep(tenant, {name: lines for name, lines in known.items() if name != integration})
    before = {"store": STORES[integration], "packages": known[integration]}
    record("tenant.packages_removed", tenant, by, before=before)


def _check(tenant: Tenant, integration: str) -> None:
    if tenant.kind != Tenant.Kind.LOCAL:
        raise Refused(NOT_HERE.format(tenant=tenant))
    if integration not in STORES:
        raise Refused("Packages can only be added for the artifact stores of ZenML's own integrations.")


def will_restart(tenant: Tenant) -> bool:
    """Or has it at its next start what is chosen now, as it neither runs nor is on its way up?"""
    wanted = tenant.desired_state == Tenant.DesiredState.AVAILABLE
    return wanted and tenant.status != Tenant.Status.FAILED


def _keep(tenant: Tenant, packages: dict[str, Any]) -> None:
    """One that is on its way up may have begun without them, and restarts once it is there."""
    tenant.server_packages = packages
    if will_restart(tenant):
        tenant.restart_requested_at = timezone.now()
    tenant.save(update_fields=["server_packages", "restart_requested_at", "updated_at"])
