"""What an installation says of the place where its tenants live in a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from tenants.hosting.kubernetes.naming import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlace:
    """Everything that is the same for all tenants in the cluster."""

    namespace: str
    url: str  # of servers: "https://*.zenml.example.org", where * is the name of the tenant's objects
    installation: str  # a label's value that no other ZenPro has
    image: str = "zenmldocker/zenml-server"  # without its tag, which is the version
    pull_secret: str = ""
    ingress_class: str = ""
    tls_secret: str = ""  # "": the ingress controller's own certificate
    storage_class: str = ""  # "": the cluster's default
    storage: str = "5Gi"
    callers: tuple[str, ...] = ()  # namespaces that may call servers; (): all, but no other tenant
    inside: bool = False  # does ZenPro itself run in the cluster?

    def server_url(self, tenant_id: UUID) -> str:
        """How clients reach the server, without a slash at the end."""
        return self.url.replace("*", name_of(tenant_id)).rstrip("/")

    def address(self, tenant_id: UUID) -> str:
        """How ZenPro reaches it: inside the cluster not through the ingress."""
        if self.inside:
            return f"http://{name_of(tenant_id)}.{self.namespace}.svc"
        return self.server_url(tenant_id)

    def parts(self, tenant_id: UUID) -> SplitResult:
        """Of its address for clients."""
        return urlsplit(self.server_url(tenant_id))

    def image_of(self, version: str) -> str:
        return f"{self.image}:{version}"
