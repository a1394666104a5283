"""What an installation says of the place in its cluster where runs of templates are carried out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.conf import settings

from tenants.hosting.kubernetes.cluster import Cluster
from tenants.hosting.kubernetes.cluster_settings import cluster_place
from tenants.hosting.local.index import CERTIFICATES, PackageIndex

# What pip calls the settings of our index.
INDEX, CONFIG = "PIP_INDEX_URL", "PIP_CONFIG_FILE"
ONE_INDEX = (
    "In the cluster packages come from one index, and ZENPRO_PACKAGE_EXTRA_INDEXES names others. Set "
    "ZENPRO_PACKAGE_INDEX to one that serves them all."
)
NO_FOLDER = (
    "In the cluster packages come from an index with an address, and ZENPRO_PACKAGE_INDEX names a folder."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlace:
    """Everything that is the same for all runs in the cluster."""

    namespace: str
    installation: str  # a label's value that no other ZenPro has
    api_url: str  # where pods fetch code from
    index: PackageIndex
    image: str = "zenmldocker/zenml"  # without its tag, which is the version
    pull_secret: str = ""
    storage: str = "10Gi"  # of one run, for its environment and for what it writes each
    memory: int = 0  # bytes; 0: no limit of ours
    cpus: float = 0.0

    def image_of(self, version: str) -> str:
        return f"{self.image}:{version}"

    def code_of(self, run_id: UUID) -> str:
        """Where its pod fetches the code, with a ticket."""
        return f"{self.api_url}/runs/{run_id}/code"

    @property
    def no_packages(self) -> str:
        """Why no packages can be installed there, a sentence; "" when they can."""
        if len(self.index.urls) > 1:
            return ONE_INDEX
        return "" if self.index.urls[0].startswith(("http://", "https://")) else NO_FOLDER

    @property
    def index_variables(self) -> dict[str, str]:
        """Of pip alone. Certificates are files of this machine: an image has its own."""
        network = {name: value for name, value in self.index.network.items() if name not in CERTIFICATES}
        return network | {INDEX: self.index.urls[0], CONFIG: "/dev/null"}


@cache
def cluster_of_runs() -> Cluster:
    """One object a process: it keeps its connections."""
    found = settings.ZENPRO_KUBERNETES
    return Cluster(found.config, found.runs_namespace, found.context)


def place_of_runs() -> PodPlace:
    found = settings.ZENPRO_KUBERNETES
    return PodPlace(
        namespace=found.runs_namespace,
        installation=cluster_place(found).installation,
        api_url=settings.ZENPRO_API_URL,
        image=found.run_image,
        pull_secret=found.pull_secret,
        storage=found.run_storage,
        memory=settings.ZENPRO_RUN_MEMORY,
        cpus=settings.ZENPRO_RUN_CPUS,
        index=settings.ZENPRO_PACKAGE_INDEX,
    )
