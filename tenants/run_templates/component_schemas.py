"""What the stack components of a run may be set to and which integrations they are from, asked of the tenant's server
when a template is made.

Wire, as ZenML 0.98.0 has it: GET /stacks/{id} answers metadata.components {type: [{name, body.flavor_name,
body.integration}]}, GET /flavors?type=&name=&hydrate=true a page of metadata.config_schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tenants.hosting.answers import listing, mapping
from tenants.hosting.base import TenantRefused
from tenants.run_templates.document.components import ALLOWED, KEY, MOST_COMPONENTS, TYPES, schema_kept
from tenants.run_templates.document.stack_integrations import KEY as INTEGRATIONS
from tenants.run_templates.document.stack_integrations import integrations_in
from tenants.runs.client import Run, TenantClient


def with_components(client: TenantClient, run: Run, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The snapshot of a run with what its stack components may be set to, and their integrations; one call, and one for
    each known flavor.

    A stack or a flavor that the server does not show leaves out its settings. Raises TenantUnreachable.
    """
    stack = _stack(client, run.stack_id)
    recorded = {key: value for key, value in snapshot.items() if key not in (KEY, INTEGRATIONS)}
    found = {KEY: [*_kept(client, stack)][:MOST_COMPONENTS], INTEGRATIONS: integrations_in(stack)}
    return recorded | {key: kept for key, kept in found.items() if kept}


def integrations_at(client: TenantClient, stack_id: UUID | None) -> list[str]:
    """Integrations of the components of a stack, [] for one that the server does not show. One call. Raises
    TenantUnreachable."""
    return integrations_in(_stack(client, stack_id))


def _stack(client: TenantClient, stack_id: UUID | None) -> Mapping[str, Any]:
    try:
        return mapping(client.stack(stack_id)) if stack_id else {}
    except TenantRefused:
        return {}


def _kept(client: TenantClient, stack: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    components = mapping(mapping(stack.get("metadata")).get("components"))
    for kind in sorted(TYPES):
        for one in map(mapping, listing(components.get(kind), MOST_COMPONENTS)):
            flavor = mapping(one.get("body")).get("flavor_name")
            if f"{kind}.{flavor}" in ALLOWED and isinstance(one.get("name"), str):
                schema = schema_kept(kind, flavor, _schema(client, kind, flavor))
                yield {"type": kind, "name": one["name"], "flavor": flavor, "settings": schema}


def _schema(client: TenantClient, kind: str, flavor: str) -> Any:
    try:
        found = client.flavor(kind, flavor)
    except TenantRefused:
        return None
    return mapping(found.get("metadata")).get("config_schema")
