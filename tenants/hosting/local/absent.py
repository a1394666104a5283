"""This machine where no tenants can live on it, as in a container: nothing starts servers there."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from tenants.hosting.base import ServerState, ServerStatus, StartFailed, Tell
from tenants.hosting.local import box
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant

NO_MACHINE = "This installation runs no servers on its own machine: ZENPRO_LOCAL_TENANTS is off."


class AbsentMachine(LocalHosting):
    """For tenants that came from another installation, or from before the setting: they fail with a sentence.

    Nothing of them is removed: their data lies on the machine they came from.
    """

    def provision(self, tenant: Tenant, tell: Tell) -> None:
        raise StartFailed(NO_MACHINE)

    def start(self, tenant: Tenant) -> None:
        raise StartFailed(NO_MACHINE)

    def restart(self, tenant: Tenant) -> None:
        raise StartFailed(NO_MACHINE)

    def stop(self, tenant: Tenant) -> None:
        """Nothing of it runs here."""

    def retire(self, tenant: Tenant) -> None:
        if not self.is_gone(tenant):
            raise StartFailed(NO_MACHINE)

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        """Runs still have processes here, some of which may have lost theirs."""
        box.end_lost(self.machine.data)
        return []

    def state(self, tenant: Tenant) -> ServerState:
        return ServerState(ServerStatus.ABSENT, hint=NO_MACHINE)

    def healthy(self, tenant: Tenant) -> bool:
        return False

    def tail_log(self, tenant: Tenant, lines: int = 200) -> list[str]:
        return []

    def explain_failure(self, tenant: Tenant) -> str:
        return NO_MACHINE
