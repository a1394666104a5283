"""Tenants in a Kubernetes cluster: from their rows to what is asked of the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from uuid import UUID

from django.db.models import Q

from tenants.hosting.backends import spec_of
from tenants.hosting.base import (
    SERVER_STEPS,
    Carriage,
    NotYet,
    ServerError,
    ServerState,
    SupervisorGone,
    Tell,
)
from tenants.hosting.health import is_well
from tenants.hosting.kubernetes.carriers import ClusterCarriers
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec
from tenants.hosting.kubernetes.database_names import database_of
from tenants.hosting.kubernetes.naming import name_of
from tenants.hosting.kubernetes.page_calls import for_a_page
from tenants.hosting.kubernetes.servers import ClusterServers
from tenants.models import Tenant

LOOK_EVERY = 5.0  # seconds between looks at a server that is supposed to run ...
REST = 60.0  # ... and at one that is not
AGAIN = (
    60.0  # seconds until a cluster that did not answer is asked for orphans again: that holds up all tenants
)
NOT_CARRIED = "Its rows are on a database server, from where they can't be carried."
NO_CLUSTER = "ZenPro has no cluster: ZENPRO_KUBERNETES is not set."


class KubernetesHosting:
    """Hosting in one namespace of a cluster: a Deployment a tenant, and a volume or a database server with its rows."""

    steps = ("reserve", *SERVER_STEPS)

    def __init__(self, on: ClusterServers | None = None, clock: Callable[[], float] = time.monotonic):
        self._servers, self._clock, self._ask_again = on or servers(), clock, 0.0

    @property
    def _there(self) -> ClusterServers:
        if self._servers is None:
            raise SupervisorGone(NO_CLUSTER)
        return self._servers

    def look_every(self, tenant: Tenant) -> float:
        return LOOK_EVERY if tenant.desired_state == Tenant.DesiredState.AVAILABLE else REST

    def hurried(self) -> Q:
        return Q(pk__in=[])

    def provision(self, tenant: Tenant, tell: Tell) -> None:
        """An address, and the certainty that no one else has its name."""
        self._there.check_free(tenant.pk)
        self._choose_store(tenant)
        tenant.server_url = self._there.place.server_url(tenant.pk)
        Tenant.objects.filter(pk=tenant.pk).update(server_url=tenant.server_url)
        name, namespace = name_of(tenant.pk), self._there.place.namespace
        tell("reserve", f"It is called {name} in the namespace {namespace}", done=True)

    def _choose_store(self, tenant: Tenant) -> None:
        """Once, and before anything is made: later settings move no one's rows."""
        there = self._there
        if tenant.on_database_server:
            there.own_databases.check_free(tenant.pk)
        elif there.databases and tenant.available_since is None and not there.has_volume(tenant.pk):
            there.databases.check_free(tenant.pk)
            if not tenant.take_database_server():
                raise NotYet("Its secrets were changed at the same moment.")

    def _spec(self, tenant: Tenant) -> ClusterSpec:
        common, store = spec_of(tenant), None
        if tenant.on_database_server:
            password = tenant.opened_secrets()["database_password"]
            store = self._there.own_databases.store(tenant.pk, password)
        return ClusterSpec(**{one.name: getattr(common, one.name) for one in fields(common)}, store=store)

    def start(self, tenant: Tenant) -> None:
        self._there.start(self._spec(tenant), _restarted(tenant))

    def restart(self, tenant: Tenant) -> None:
        """Whoever asks has written when: that is part of what the pods are made of, so there are new ones."""
        self.start(tenant)

    def stop(self, tenant: Tenant) -> None:
        """Nothing may use its database afterwards, so carriers end too."""
        self._carriers.end(tenant.pk)
        self._there.stop(tenant.pk)

    def retire(self, tenant: Tenant) -> None:
        """Its database goes last, when no pod can write to it any more."""
        self._there.retire(tenant.pk)
        if tenant.on_database_server:
            self._there.own_databases.retire(tenant.pk)

    def is_gone(self, tenant: Tenant) -> bool:
        if not self._there.is_gone(tenant.pk):
            return False
        return not tenant.on_database_server or self._there.own_databases.is_gone(tenant.pk)

    def end_orphans(self, known: Collection[UUID]) -> list[str]:
        """Nothing happens while the cluster is known not to answer."""
        if self._servers is None or self._clock() < self._ask_again:
            return []
        try:
            return self._there.end_orphans(known)
        except SupervisorGone:
            self._ask_again = self._clock() + AGAIN
            raise

    def take_out(self, tenant: Tenant, carriage: Carriage) -> None:
        if tenant.on_database_server:
            raise ServerError(NOT_CARRIED)
        self._carriers.take_out(self._spec(tenant), carriage)

    def put_in(self, tenant: Tenant, carriage: Carriage) -> None:
        self._carriers.put_in(self._spec(tenant), carriage)

    @property
    def _carriers(self) -> ClusterCarriers:
        return ClusterCarriers(self._there)

    def state(self, tenant: Tenant) -> ServerState:
        return self._there.state(self._spec(tenant), _restarted(tenant))

    def healthy(self, tenant: Tenant) -> bool:
        """Inside the cluster asked at its Service; from outside as clients do, through a proxy where there is one."""
        if self._servers is None:
            return False
        place = self._servers.place
        return is_well(place.address(tenant.pk), spec_of(tenant), trust_env=not place.inside)

    def cpu_seconds(self, tenant: Tenant) -> float:
        """Measured by an add-on that clusters need not have."""
        return 0.0

    def address(self, tenant: Tenant) -> str:
        reachable = self._servers is not None and tenant.server_url
        return self._servers.place.address(tenant.pk) if reachable else ""

    def has_data(self, tenant: Tenant) -> bool:
        if tenant.on_database_server:
            return self._there.own_databases.exists(tenant.pk)
        return self._there.has_data(tenant.pk)

    def data_at(self, tenant: Tenant) -> str:
        if tenant.on_database_server:
            return f"database {database_of(tenant.pk)} on {self._there.own_databases.host}"
        return f"volume claim {name_of(tenant.pk)} in the namespace {self._there.place.namespace}"

    def places(self, tenant: Tenant) -> list[Path]:
        return []

    def stores(self, tenant: Tenant) -> Path | None:
        return None

    def tail_log(self, tenant: Tenant, lines: int = 200) -> list[str]:
        with for_a_page(tenant.pk):
            return self._there.log(tenant.pk, lines)

    def explain_failure(self, tenant: Tenant) -> str:
        return self._there.explain_failure(self._spec(tenant))

    def shut_out(self, tenant: Tenant, person: UUID, still_out: Callable[[], bool]) -> bool:
        """Its database is out of reach: sessions there end by themselves."""
        return False

    def end_run(self, tenant: Tenant, run_id: UUID, status: str, reason: str) -> tuple[str, str] | None:
        """Its database is out of reach: the run stays there as it is."""
        return None


def _restarted(tenant: Tenant) -> str:
    """When it was last asked to restart: the same until someone asks again."""
    return tenant.restarted_at.isoformat() if tenant.restarted_at else ""
