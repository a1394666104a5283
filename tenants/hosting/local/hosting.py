"""Tenants on this machine: from their rows to ports, folders and processes, which only this room knows."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q

from tenants.hosting.base import (
    SERVER_STEPS,
    Carriage,
    EnvironmentFailed,
    NoSpace,
    ServerError,
    ServerState,
    ServerStatus,
    Tell,
)
from tenants.hosting.local import box, carried_database
from tenants.hosting.local.account_switch import switch_off
from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.configured import machine
from tenants.hosting.local.locations import folder_of, local_spec_of, local_stores_of, packages_of
from tenants.hosting.local.run_records import end_run
from tenants.hosting.local.spec import database_in
from tenants.models import Tenant
from zenpro_site.common import shared_files
from zenpro_site.common.addresses import authority

NOTE_LENGTH = 400  # characters of a note about a step
NOT_HERE = "The log of this server is on the agent's machine. Read it there, or from a web process that shares its data folder."
LOOK_EVERY = 5.0  # seconds between looks at a server that is well
ANY_SIZE = 2**50  # bytes


class LocalHosting:
    """Hosting on this machine: one supervised process a tenant, on a port of its own."""

    steps = ("reserve", "environment", *SERVER_STEPS)

    def __init__(self, on: LocalBackend | None = None):
        self.machine = on or machine()

    def look_every(self, tenant: Tenant) -> float:
        return LOOK_EVERY

    def hurried(self) -> Q:
        return Q(pk__in=[])

    def provision(self, tenant: Tenant, tell: Tell) -> None:
        """A port, and the environment of its version. Raises PortTaken, EnvironmentFailed, NoSpace."""
        self._reserve(tenant)
        tell("reserve", f"Port {tenant.port} is reserved", done=True)
        self._install(tenant.zenml_version, tell)
        self._extend(tenant, tell)

    def _reserve(self, tenant: Tenant) -> None:
        """A port of its own; two agents or tenants can never get the same, the column is unique."""
        while tenant.port is None:
            taken = set(Tenant.objects.exclude(port=None).values_list("port", flat=True))
            tenant.port = self.machine.free_port(taken)
            try:
                with transaction.atomic():
                    _row(tenant).update(port=tenant.port)
            except IntegrityError:
                tenant.port = None
        tenant.server_url = f"http://{authority(settings.ZENPRO_TENANT_PUBLIC_HOST, tenant.port)}"
        _row(tenant).update(server_url=tenant.server_url)

    def _install(self, version: str, tell: Tell) -> None:
        there = self.machine.installed(version)
        note = f"ZenML {version} is already installed" if there else f"Installing ZenML {version}"
        tell("environment", note)
        self.machine.install(version)
        tell("environment", note if there else f"ZenML {version} was installed", done=True)

    def _extend(self, tenant: Tenant, tell: Tell) -> None:
        """What its server has besides ZenML. Without it where it can't be installed: the settings' page says why."""
        if not (packages := packages_of(tenant)):
            return
        words = f"{len(packages)} package{'s' * (len(packages) > 1)} for {', '.join(sorted(tenant.server_packages))}"
        tell("environment", f"Installing {words}")
        try:
            self.machine.extend(tenant.zenml_version, packages)
        except (EnvironmentFailed, NoSpace) as error:
            tell("environment", f"Without {words}: {error.reason}"[:NOTE_LENGTH], done=True)
        else:
            tell("environment", f"ZenML {tenant.zenml_version} with {words} is installed", done=True)

    def start(self, tenant: Tenant) -> None:
        self._keep_copy(tenant)
        self.machine.start(local_spec_of(tenant))

    def restart(self, tenant: Tenant) -> None:
        self._keep_copy(tenant)
        self.machine.restart(local_spec_of(tenant))

    def _keep_copy(self, tenant: Tenant) -> None:
        """Of the database, before another version changes it. One that is there is older, and better: a start that
        failed half way may have changed the original."""
        is_new = tenant.reported_version not in ("", tenant.zenml_version)
        if not is_new or not self.has_data(tenant):
            return
        self.stop(tenant)
        database = database_in(folder_of(tenant))
        copy = database.with_name(f"before-{tenant.zenml_version}.db")
        with _words("The database could not be copied"):
            carried_database.take(database, copy, ANY_SIZE, settings.ZENPRO_ISOLATION)

    def stop(self, tenant: Tenant) -> None:
        if tenant.port is not None and self.state(tenant).status != ServerStatus.ABSENT:
            self.machine.stop(local_spec_of(tenant))

    def retire(self, tenant: Tenant) -> None:
        """Its port says that something of it is left, so it is given back at the end."""
        if tenant.port is None:
            return
        self.machine.remove(local_spec_of(tenant))
        tenant.port = None
        _row(tenant).update(port=None)

    def is_gone(self, tenant: Tenant) -> bool:
        return tenant.port is None

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        box.end_lost(self.machine.data)
        names = {f"tenant-{pk}" for pk in known}
        supervisor = self.machine.supervisor
        orphans = [name for name in supervisor.names() if name.startswith("tenant-") and name not in names]
        for name in orphans:
            supervisor.remove(name)
        return orphans

    def take_out(self, tenant: Tenant, carriage: Carriage) -> None:
        database = database_in(folder_of(tenant))
        with _words("The database could not be copied"):
            carried_database.take(database, carriage.file, carriage.most, settings.ZENPRO_ISOLATION)

    def put_in(self, tenant: Tenant, carriage: Carriage) -> None:
        with _words("The copy of the database cannot be used"):
            carried_database.check(carriage.file, carriage.most, settings.ZENPRO_ISOLATION)
            carried_database.put(carriage.file, database_in(folder_of(tenant)))

    def state(self, tenant: Tenant) -> ServerState:
        state = self.machine.state(local_spec_of(tenant))
        return replace(state, place=f"Process {state.pid or ''} on port {tenant.port}")

    def healthy(self, tenant: Tenant) -> bool:
        return self.machine.healthy(local_spec_of(tenant))

    def cpu_seconds(self, tenant: Tenant) -> float:
        return self.machine.cpu_seconds(local_spec_of(tenant))

    def address(self, tenant: Tenant) -> str:
        return tenant.server_url

    def has_data(self, tenant: Tenant) -> bool:
        return self.machine.has_data(local_spec_of(tenant))

    def data_at(self, tenant: Tenant) -> str:
        return str(database_in(folder_of(tenant)))

    def places(self, tenant: Tenant) -> list[Path]:
        """Its folder, and its stores where they lie elsewhere."""
        own, stores = folder_of(tenant), self.stores(tenant)
        return [own] if stores is None or stores.is_relative_to(own) else [own, stores]

    def stores(self, tenant: Tenant) -> Path | None:
        """One folder for all tenants is no one's: then only the disk's own end counts."""
        stores = local_stores_of(tenant)
        return None if str(stores) == settings.ZENPRO_LOCAL_STORES else stores

    def tail_log(self, tenant: Tenant, lines: int = 200) -> list[str]:
        found = self.machine.tail_log(local_spec_of(tenant), lines) if tenant.port else []
        is_elsewhere = tenant.port and shared_files.is_set() and not folder_of(tenant).is_dir()
        return found or ([NOT_HERE] if is_elsewhere else [])

    def explain_failure(self, tenant: Tenant) -> str:
        return self.machine.explain_failure(local_spec_of(tenant))

    def shut_out(self, tenant: Tenant, person: UUID, still_out: Callable[[], bool]) -> bool:
        """Switches the account off in the server's database."""
        return switch_off(database_in(folder_of(tenant)), person, still_out, settings.ZENPRO_ISOLATION)

    def end_run(self, tenant: Tenant, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
        """Writes it into the server's database."""
        database = database_in(folder_of(tenant))
        if not database.exists():
            return None
        return end_run(database, run_id, status, reason, settings.ZENPRO_ISOLATION)


@contextmanager
def _words(beginning: str) -> Iterator[None]:
    """A sentence for people in place of a database's own words."""
    try:
        yield
    except NoSpace:
        raise
    except ServerError as error:
        raise ServerError(f"{beginning}: {error.reason}.".replace("..", ".")) from error


def _row(tenant: Tenant):
    return Tenant.objects.filter(pk=tenant.pk)
