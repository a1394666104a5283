"""Says once, at the agent's start, what it may not do in the cluster and on its database server: else each tenant, or run,
would fail with a part of it."""

import threading

import structlog
from django.conf import settings

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.database_rights import lacking
from tenants.hosting.kubernetes.database_server import DatabaseServer
from tenants.hosting.kubernetes.rights import NeededRight, missing, needed, needed_for_runs, words_of
from tenants.run_templates.engine.pod_place import cluster_of_runs

log = structlog.get_logger("zenpro.agent")


def tell_once(stop: threading.Event) -> None:
    """One look, in a thread of its own: a cluster may take its time."""
    found = servers()
    if found is None:
        return
    runs = [(cluster_of_runs(), needed_for_runs())] if settings.ZENPRO_RUNS_IN_CLUSTER else []
    for cluster, wanted in [(found.cluster, needed()), *runs]:
        _tell(stop, cluster, wanted)
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


def _tell(stop: threading.Event, cluster: Cluster, wanted: list[NeededRight]) -> None:
    try:
        rights = missing(cluster, wanted)
    except ServerError as error:
        log.warning("the cluster could not be asked what ZenPro may do", reason=error.reason)
        return
    if stop.is_set():
        return
    if rights:
        log.warning("rights are missing in the cluster", namespace=cluster.namespace, rights=words_of(rights))
    else:
        log.info("no right is missing in the cluster", namespace=cluster.namespace)
