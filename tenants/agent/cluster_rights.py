"""Says once, at the agent's start, what it may not do in the cluster: else each tenant would fail with a part of it."""

import threading

import structlog

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.rights import missing, words_of

log = structlog.get_logger("zenpro.agent")


def tell_once(stop: threading.Event) -> None:
    """One look, in a thread of its own: a cluster may take its time."""
    found = servers()
    if found is None:
        return
    try:
        rights = missing(found.cluster)
    except ServerError as error:
        log.warning("the cluster could not be asked what ZenPro may do", reason=error.reason)
        return
    if rights and not stop.is_set():
        log.warning(
            "rights are missing in the cluster", namespace=found.cluster.namespace, rights=words_of(rights)
        )
