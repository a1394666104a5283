"""What a tenant's page tells of the cluster: its pods, the last events, and the cluster's own words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tenants.hosting.answers import line, mapping, moment, whole
from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.database_names import database_of
from tenants.hosting.kubernetes.naming import name_of
from tenants.hosting.kubernetes.page_calls import for_a_page
from tenants.hosting.kubernetes.servers import ClusterServers, now
from tenants.hosting.kubernetes.symptoms import (
    ClusterEvent,
    Shown,
    containers_of,
    is_ending,
    newest_first,
    object_name,
    ready_in,
    state_of,
)
from tenants.models import Tenant
from zenpro_site.common.polling import digest, tick

SHOWN_PODS, SHOWN_EVENTS = 5, 20
NOT_SET = "ZenPro has no cluster any more: ZENPRO_KUBERNETES is not set."


@dataclass(frozen=True)
class PodRow:
    """One pod, as people know pods: with `phase`, such as Running, in the cluster's own word."""

    name: str
    phase: str
    is_ready: bool
    restarts: int
    node: str
    since: datetime | None


@dataclass(frozen=True)
class ClusterPage:
    """`trouble`: why there is nothing to show; `sentence`: what is wrong with the server, "" when nothing is."""

    name: str
    namespace: str = ""
    database: str = ""  # of its own on `database_host`; "" when its rows lie on its volume
    database_host: str = ""
    trouble: str = ""
    sentence: str = ""
    pods: list[PodRow] = field(default_factory=list)
    events: list[ClusterEvent] = field(default_factory=list)

    @property
    def seen(self) -> str:
        """Changes with anything that is shown."""
        return digest(tick(live=False), self)


def cluster_page(tenant: Tenant) -> ClusterPage:
    """Asks the cluster, within some seconds; never raises ServerError."""
    found, name = servers(), name_of(tenant.pk)
    if found is None:
        return ClusterPage(name, trouble=NOT_SET)
    page = ClusterPage(name, found.place.namespace, **_database(found, tenant))
    try:
        with for_a_page(tenant.pk):
            return replace(page, **_seen(found, tenant.pk))
    except ServerError as error:
        return replace(page, trouble=error.reason)


def _database(found: ClusterServers, tenant: Tenant) -> dict[str, str]:
    if not tenant.on_database_server:
        return {}
    host = found.databases.host if found.databases else ""
    return {"database": database_of(tenant.pk), "database_host": host}


def _seen(found: ClusterServers, tenant_id: UUID) -> dict[str, Any]:
    sight = found.sight(tenant_id)
    return {
        "sentence": state_of(sight, now()).hint,
        "pods": [_row(pod) for pod in newest_first(sight.pods)[:SHOWN_PODS]],
        "events": found.events(tenant_id)[:SHOWN_EVENTS],
    }


def _row(pod: Shown) -> PodRow:
    metadata, status = mapping(pod.get("metadata")), mapping(pod.get("status"))
    return PodRow(
        name=object_name(pod),
        phase="Terminating" if is_ending(pod) else line(status.get("phase")) or "Unknown",
        is_ready=ready_in(pod) and not is_ending(pod),
        restarts=sum(whole(one.get("restartCount")) for one in containers_of(pod)),
        node=line(mapping(pod.get("spec")).get("nodeName")),
        since=moment(metadata.get("creationTimestamp")),
    )
