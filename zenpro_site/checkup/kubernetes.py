"""Check of the cluster that tenants live in, and runs of templates: does it answer, and may ZenPro do there what it has to?"""

from django.conf import settings

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.rights import NeededRight, missing, needed, needed_for_runs, words_of
from tenants.run_templates.engine.pod_place import cluster_of_runs

from .findings import Finding, ok, problem

REACH = (
    "Check ZENPRO_KUBERNETES and ZENPRO_KUBERNETES_CONTEXT, and that the cluster can be reached from here."
)
ALLOW = "Give its account the Role for it in docs/operating.md, in that namespace."


def check_cluster() -> list[Finding]:
    found = servers()
    if found is None:
        return [ok("No cluster is set: tenants live on this machine, or where someone else runs them.")]
    runs = [(cluster_of_runs(), needed_for_runs())] if settings.ZENPRO_RUNS_IN_CLUSTER else []
    return [_check_rights(*one) for one in [(found.cluster, needed()), *runs]]


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
