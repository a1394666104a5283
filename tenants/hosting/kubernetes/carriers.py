"""Databases of tenants on their way out of a volume of the cluster, or into one. Each call does the next thing."""

from __future__ import annotations

import hashlib
import os
from uuid import UUID

from tenants.hosting.base import Carriage, NotYet, ServerError
from tenants.hosting.kubernetes.carrier_objects import IN, OUT, carrier_job, carrier_secret
from tenants.hosting.kubernetes.cluster_spec import ClusterSpec
from tenants.hosting.kubernetes.kinds import Job, Pod, Secret
from tenants.hosting.kubernetes.naming import (
    CARRIER,
    INSTANCE,
    TENANT,
    carrier_of,
    in_the_way,
    is_strange,
)
from tenants.hosting.kubernetes.servers import ClusterServers, now
from tenants.hosting.kubernetes.symptoms import (
    Shown,
    Sight,
    has_failed,
    hindrance_of,
    is_complete,
    last_of,
    newest_first,
    object_name,
    one_line,
)

LAST_WORDS = 20  # lines of a carrier's log
UNDER_WAY = {OUT: "The database comes from the cluster.", IN: "The database goes to the cluster."}
NO_VOLUME = "The volume with its database is not in the cluster."
NOT_HERE = "The cluster's carrier says that it has sent the database, but none has arrived here."


class ClusterCarriers:
    """Raises what ClusterServers does, NotYet while a carrier works, and ServerError with its last words."""

    def __init__(self, on: ClusterServers):
        self.on = on

    def take_out(self, spec: ClusterSpec, carriage: Carriage) -> None:
        """Its server is stopped."""
        if not carriage.file.exists():
            if not self.on.has_data(spec.tenant_id):
                raise ServerError(NO_VOLUME)
            self._carry(spec, carriage, OUT)
            if not carriage.sent.exists():
                raise ServerError(NOT_HERE)
            os.replace(carriage.sent, carriage.file)
        self.end(spec.tenant_id)

    def put_in(self, spec: ClusterSpec, carriage: Carriage) -> None:
        """Its server is stopped, or was never here."""
        self.on.prepare(spec)
        self._carry(spec, carriage, IN)
        self.end(spec.tenant_id)

    def end(self, tenant_id: UUID) -> None:
        """No carrier of the tenant is left afterwards, nor what it could show us."""
        for kind in (Job, Secret):
            for found in self.on.cluster.list(kind, {TENANT: str(tenant_id), CARRIER: None}):
                self.on.cluster.delete(kind, object_name(found))

    def _carry(self, spec: ClusterSpec, carriage: Carriage, way: str) -> None:
        """Returns when it has been carried."""
        name = carrier_of(spec.tenant_id, way, carriage.name)
        job = self.on.cluster.get(Job, name)
        if job is None:
            self._begin(spec, carriage, way)
            raise NotYet(UNDER_WAY[way])
        if is_strange(job, spec.tenant_id):
            raise ServerError(in_the_way("Job", name))
        if has_failed(job):
            raise ServerError(f"The database could not be carried: {self._last_words(name)}")
        if not is_complete(job):
            self._wait(spec, name, UNDER_WAY[way])

    def _begin(self, spec: ClusterSpec, carriage: Carriage, way: str) -> None:
        digest = digest_of(carriage) if way == IN else ""
        self.on.cluster.apply(carrier_secret(spec, self.on.place, carriage, way))
        self.on.cluster.apply(carrier_job(spec, self.on.place, carriage, way, digest))

    def _wait(self, spec: ClusterSpec, name: str, words: str) -> None:
        found = hindrance_of(Sight(tenant_id=spec.tenant_id, deployment=None, pods=self._pods(name)), now())
        if found.is_final:
            raise ServerError(f"The database could not be carried: {found.sentence}")
        raise NotYet(f"{words} {found.sentence}".strip())

    def _last_words(self, name: str) -> str:
        for pod in newest_first(self._pods(name))[:1]:
            lines = self.on.log_of(object_name(pod), "carry", LAST_WORDS)
            return one_line(last_of(lines)) or "its carrier ended without a word."
        return "its carrier is gone, or took too long."

    def _pods(self, name: str) -> list[Shown]:
        return self.on.cluster.list(Pod, {INSTANCE: name})


def digest_of(carriage: Carriage) -> str:
    with open(os.open(carriage.file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
