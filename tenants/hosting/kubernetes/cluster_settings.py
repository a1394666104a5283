"""The cluster of this installation, as its settings say."""

from __future__ import annotations

import ssl
from functools import cache

from django.conf import settings
from django.utils.crypto import salted_hmac

from tenants.hosting.kubernetes.bounded_mysql import MysqlAccount
from tenants.hosting.kubernetes.cluster import INSIDE, Cluster
from tenants.hosting.kubernetes.cluster_spec import PodsWay
from tenants.hosting.kubernetes.database_server import DatabaseServer
from tenants.hosting.kubernetes.databases import TenantDatabases
from tenants.hosting.kubernetes.place import ClusterPlace
from tenants.hosting.kubernetes.servers import ClusterServers


@cache
def servers() -> ClusterServers | None:
    """One object a process; None when the installation has no cluster."""
    found = settings.ZENPRO_KUBERNETES
    if found is None:
        return None
    cluster, place = Cluster(found.config, found.namespace, found.context), cluster_place(found)
    databases = databases_on(found.database, place.installation) if found.database else None
    return ClusterServers(cluster, place, databases=databases)


def databases_on(found, installation: str) -> TenantDatabases:
    account = MysqlAccount(
        host=found.host, port=found.port, user=found.user, password=found.password, tls=_tls(found)
    )
    pods = PodsWay(host=found.pod_host, port=found.pod_port, encrypted=found.tls != "off", ca=found.ca)
    return TenantDatabases(DatabaseServer(account), installation, pods)


def _tls(found) -> ssl.SSLContext | None:
    """With certificates to check the server with, it is checked; else anyone may be at the other end."""
    if found.tls == "off":
        return None
    context = ssl.create_default_context(cadata=found.ca or None)
    if not found.ca:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


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
