"""Says once, at the agent's start, what it may not do in the cluster and on its database server: else each tenant would fail with a part of it."""

import threading

import structlog

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.database_rights import lacking
from tenants.hosting.kubernetes.database_server import DatabaseServer
from tenants.hosting.kubernetes.rights import missing, words_of
from tenants.hosting.kubernetes.servers import ClusterServers

log = structlog.get_logger("zenpro.agent")


def tell_once(stop: threading.Event) -> None:
    """One look, in a thread of its own: a cluster may take its time."""
    found = servers()
    if found is None:
        return
    _tell_of_cluster(found, stop)
    if found.databases:
        _tell_of_databases(found.databases.server, stop)


def _tell_of_databases(server: DatabaseServer, stop: threading.Event) -> None:
    try:
        rights = lacking(server)
    except ServerError as error:
        log.warning("the database server could not be asked what ZenPro may do", reason=error.reason)
        return
    if rights and not stop.is_set():
        log.warning("rights are missing on the database server", rights=", ".join(rights))


def _tell_of_cluster(found: ClusterServers, stop: threading.Event) -> None:
    try:
        rights = missing(found.cluster)
    except ServerError as error:
        log.warning("the cluster could not be asked what ZenPro may do", reason=error.reason)
        return
    if rights and not stop.is_set():
        log.warning(
            "rights are missing in the cluster", namespace=found.cluster.namespace, rights=words_of(rights)
        )
