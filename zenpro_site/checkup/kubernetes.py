"""Check of the cluster that tenants live in: does it answer, and may ZenPro do there what it has to?"""

from tenants.hosting.base import ServerError
from tenants.hosting.kubernetes.cluster_settings import servers
from tenants.hosting.kubernetes.rights import missing, words_of

from .findings import Finding, ok, problem

REACH = (
    "Check ZENPRO_KUBERNETES and ZENPRO_KUBERNETES_CONTEXT, and that the cluster can be reached from here."
)
ALLOW = "Give its account the Role in docs/operating.md, in that namespace."


def check_cluster() -> list[Finding]:
    found = servers()
    if found is None:
        return [ok("No cluster is set: tenants live on this machine, or where someone else runs them.")]
    try:
        rights = missing(found.cluster)
    except ServerError as error:
        return [problem(error.reason, REACH)]
    namespace = found.cluster.namespace
    if rights:
        return [
            problem(
                f"ZenPro may not do all it has to in the namespace {namespace}: {words_of(rights)}.", ALLOW
            )
        ]
    return [ok(f"The cluster answers, and ZenPro may do what it has to in the namespace {namespace}.")]
