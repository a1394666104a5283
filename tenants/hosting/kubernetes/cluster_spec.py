"""What a server needs to run in a cluster, and where its rows lie."""

from __future__ import annotations

from dataclasses import dataclass, field

from tenants.hosting.base import ServerSpec
from zenpro_site.common.addresses import bracketed


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsWay:
    """How pods reach the database server. `ca`: certificates as text to check it with; "": it is not checked."""

    host: str
    port: int
    encrypted: bool = False
    ca: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOnServer:
    """A tenant's own database on a server; its account is called the same."""

    name: str
    password: str = field(repr=False)
    at: PodsWay

    def secret(self) -> dict[str, str]:
        """Variables that no one but the pod may see. ZenML takes a certificate's text where it takes its file."""
        place = f"{bracketed(self.at.host)}:{self.at.port}"
        url = {"ZENML_STORE_URL": f"mysql://{self.name}:{self.password}@{place}/{self.name}"}
        return url | ({"ZENML_STORE_SSL_CA": self.at.ca} if self.at.ca else {})

    def variables(self) -> dict[str, str]:
        """All of them: ZenML's own copy before a migration is held in memory, ours is made by the Job."""
        found = self.secret() | {"ZENML_STORE_BACKUP_STRATEGY": "disabled"}
        found |= {"ZENML_STORE_SSL": "true"} if self.at.encrypted else {}
        return found | ({"ZENML_STORE_SSL_VERIFY_SERVER_CERT": "true"} if self.at.ca else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec(ServerSpec):
    """Everything one server in the cluster needs to run. `store`: None when its rows lie on its volume."""

    store: StoreOnServer | None = None
