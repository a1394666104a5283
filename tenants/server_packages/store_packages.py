"""What a tenant's server needs to read the artifact stores of its stacks.

Logs and results of a run are in the artifact store of its stack, and ZenML's server loads that store's own class to read
them (0.98.0: zenml/artifacts/utils.py); without the packages of the store's integration it answers with an error.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenants.hosting.answers import line, mapping
from tenants.hosting.local.configured import machine
from tenants.hosting.local.extended import Extension
from tenants.hosting.local.locations import packages_of as packages_in
from tenants.models import Tenant
from tenants.run_templates.engine.integration_packages import IntegrationPackages, packages_of
from tenants.run_templates.engine.remote_stacks import components_in
from tenants.runs.client import TenantClient

# Integrations of ZenML 0.98.0 that have an artifact store, as people call that.
STORES = {
    "s3": "S3",
    "gcp": "Google Cloud Storage",
    "azure": "Azure Blob Storage",
    "b2": "Backblaze B2",
    "digitalocean": "DigitalOcean Spaces",
}
NAMED = 3  # stacks in a sentence


@dataclass(frozen=True)
class StorePackages:
    """Packages of one integration, for its artifact store; `stacks`: names of those that have one, where known."""

    integration: str
    packages: list[str]
    stacks: tuple[str, ...] = ()
    is_unread: bool = False  # what it needs is not known here

    @property
    def store(self) -> str:
        return STORES.get(self.integration, self.integration)

    @property
    def sentence(self) -> str:
        more = len(self.stacks) - NAMED
        names = [*self.stacks[:NAMED], *([f"{more} more"] if more > 0 else [])]
        said = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        return f"Logs of the stack{'s' * (len(names) > 1)} {said} are in {self.store}."


def proposals_for(tenant: Tenant, client: TenantClient) -> list[StorePackages]:
    """For stores of the tenant's stacks that its server can't read yet. One call. Raises TenantError."""
    found: dict[str, list[str]] = defaultdict(list)
    for stack in client.all_stacks():
        for integration in _stores_of(stack):
            found[integration].append(line(stack.get("name")))
    missing = sorted(found.keys() - tenant.server_packages.keys())
    return [_proposal(tenant, one, tuple(found[one])) for one in missing]


def needed_for(tenant: Tenant, integration: str) -> IntegrationPackages:
    """As the tenant's version of ZenML says it."""
    return packages_of(tenant.zenml_version, [integration])


def present_in(tenant: Tenant) -> list[StorePackages]:
    return [StorePackages(name, lines) for name, lines in sorted(tenant.server_packages.items())]


def extension_of(tenant: Tenant) -> Extension | None:
    """Where the installation of what the server has besides ZenML stands; None for a server without. Never raises."""
    packages = packages_in(tenant)
    return machine().extended.state_of(tenant.zenml_version, packages) if packages else None


def _proposal(tenant: Tenant, integration: str, stacks: tuple[str, ...]) -> StorePackages:
    found = needed_for(tenant, integration)
    return StorePackages(integration, found.lines, stacks, bool(found.unread))


def _stores_of(stack: Mapping[str, Any]) -> set[str]:
    said = {
        mapping(one.get("body")).get("integration")
        for kind, one in components_in(stack)
        if kind == "artifact_store"
    }
    return {name for name in said if isinstance(name, str) and name in STORES}
