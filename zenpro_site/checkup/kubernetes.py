"""Check of the cluster that tenants live in, and runs of templates: does it answer, and may ZenPro do there what it has to?"""

from urllib.parse import urlsplit

from django.conf import settings

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.database_rights import lacking
from tenants.hosting.kubernetes.rights import NeededRight, missing, needed, needed_for_runs, words_of
from tenants.run_templates.engine.pod_place import cluster_of_runs
from zenpro_site import running

from .findings import Finding, ok, problem, warning
from .network import is_here

REACH = (
    "Check ZENPRO_KUBERNETES and ZENPRO_KUBERNETES_CONTEXT, and that the cluster can be reached from here."
)
REACH_DATABASES = "Check ZENPRO_KUBERNETES_DATABASE, and that the server can be reached from here."
ALLOW_DATABASES = "Give the account the rights in docs/operating.md, under Tenants in Kubernetes."
NO_CLUSTER = "No cluster is set: tenants live on this machine, or where someone else runs them."
NOWHERE = "ZenPro can run no tenants: there is no cluster, and none can live on this machine (ZENPRO_LOCAL_TENANTS)."
CHOOSE = "Set ZENPRO_KUBERNETES, unless you only connect servers that someone else runs."
ALLOW = (
    "Give its account the Role for it in docs/operating.md, in that namespace. "
    "The chart makes it, unless the tenants live in another cluster."
)
OWN_POD = "Pods call ZenPro at {url}, which leads each of them to itself: servers in the cluster don't start."
BE_REACHED = "Set ZENPRO_URL or ZENPRO_API_URL to an address that pods of the cluster can reach."


def check_cluster() -> list[Finding]:
    found = servers()
    if found is None:
        return [ok(NO_CLUSTER) if settings.ZENPRO_LOCAL_TENANTS else warning(NOWHERE, CHOOSE)]
    runs = [(cluster_of_runs(), needed_for_runs())] if settings.ZENPRO_RUNS_IN_CLUSTER else []
    return [*(_check_rights(*one) for one in [(found.cluster, needed()), *runs]), *_check_way_back()]


def _check_way_back() -> list[Finding]:
    """ZENPRO_API_URL follows ZENPRO_URL, which `zenpro up` may have made up."""
    urls = (settings.ZENPRO_API_URL, running.address())
    if not all(is_here(urlsplit(url).hostname or "") for url in urls):
        return []
    return [problem(OWN_POD.format(url=settings.ZENPRO_API_URL), BE_REACHED)]


def _check_rights(cluster: Cluster, wanted: list[NeededRight]) -> Finding:
    try:
        rights = missing(cluster, wanted)
    except ServerError as error:
        return problem(error.reason, REACH)
    namespace = cluster.namespace
    if rights:
        return problem(
            f"ZenPro may not do all it has to in the namespace {namespace}: {words_of(rights)}.", ALLOW
        )
    return ok(f"The cluster answers, and ZenPro may do what it has to in the namespace {namespace}.")


def check_database_server() -> list[Finding]:
    found = servers()
    if found is None or found.databases is None:
        return [ok("No database server is set for tenants: those in a cluster have SQLite on a volume.")]
    try:
        rights = lacking(found.databases.server)
    except ServerError as error:
        return [problem(error.reason, REACH_DATABASES)]
    if rights:
        words = f"ZenPro's account on the database server lacks rights on all databases: {', '.join(rights)}."
        return [problem(words, ALLOW_DATABASES)]
    return [ok(f"The database server {found.databases.host} answers, and ZenPro may make databases there.")]
