"""The kinds of objects we make or read, as lightkube names them. Their content stays as it came: plain dictionaries.

lightkube's typed models refuse an answer with one unexpected field. These are not entered into its registry, so that
they and the models can live in one process.
"""

from __future__ import annotations

from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource, create_api_info

NETWORKING, REVIEWS = "networking.k8s.io", "authorization.k8s.io"


def _namespaced(group: str, kind: str, plural: str, version: str = "v1") -> type[GenericNamespacedResource]:
    return type(
        kind, (GenericNamespacedResource,), {"_api_info": create_api_info(group, version, kind, plural)}
    )


Deployment = _namespaced("apps", "Deployment", "deployments")
Job = _namespaced("batch", "Job", "jobs")
Pod = _namespaced("", "Pod", "pods")
Event = _namespaced("", "Event", "events")
Secret = _namespaced("", "Secret", "secrets")
Service = _namespaced("", "Service", "services")
ServiceAccount = _namespaced("", "ServiceAccount", "serviceaccounts")
Claim = _namespaced("", "PersistentVolumeClaim", "persistentvolumeclaims")
Ingress = _namespaced(NETWORKING, "Ingress", "ingresses")
NetworkPolicy = _namespaced(NETWORKING, "NetworkPolicy", "networkpolicies")

AccessReview = type(
    "SelfSubjectAccessReview",
    (GenericGlobalResource,),
    {"_api_info": create_api_info(REVIEWS, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews")},
)

# In the order in which they are removed: what serves first, what cannot be had back last.
OWNED = (Deployment, Job, Ingress, Service, NetworkPolicy, ServiceAccount, Secret, Claim)
BY_KIND = {kind.__name__: kind for kind in OWNED} | {"PersistentVolumeClaim": Claim}


def api_of(kind: type) -> tuple[str, str]:
    """(group, plural), as rules of a Role name them."""
    return kind._api_info.resource.group, kind._api_info.plural
