"""The cluster of this installation, as its settings say."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.utils.crypto import salted_hmac

from tenants.hosting.kubernetes.cluster import INSIDE, Cluster
from tenants.hosting.kubernetes.place import ClusterPlace
from tenants.hosting.kubernetes.servers import ClusterServers


@cache
def servers() -> ClusterServers | None:
    """One object a process; None when the installation has no cluster."""
    found = settings.ZENPRO_KUBERNETES
    if found is None:
        return None
    return ClusterServers(Cluster(found.config, found.namespace, found.context), cluster_place(found))


def cluster_place(found) -> ClusterPlace:
    return ClusterPlace(
        namespace=found.namespace,
        url=found.url,
        installation=salted_hmac("zenpro.hosting.kubernetes", "installation").hexdigest()[:12],
        image=found.image,
        pull_secret=found.pull_secret,
        ingress_class=found.ingress_class,
        tls_secret=found.tls_secret,
        storage_class=found.storage_class,
        storage=found.storage,
        callers=found.callers,
        inside=found.config == INSIDE,
    )
