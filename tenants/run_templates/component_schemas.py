"""What the stack components of a run may be set to, asked of the tenant's server when a template is made.

Wire, as ZenML 0.98.0 has it: GET /stacks/{id} answers metadata.components {type: [{name, body.flavor_name}]},
GET /flavors?type=&name=&hydrate=true a page of metadata.config_schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tenants.hosting.answers import listing, mapping
from tenants.hosting.base import TenantRefused
from tenants.run_templates.document.components import ALLOWED, KEY, MOST_COMPONENTS, TYPES, schema_kept
from tenants.runs.client import Run, TenantClient


def with_components(client: TenantClient, run: Run, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The snapshot of a run with what its stack components may be set to; one call, and one for each known flavor.

    A stack or a flavor that the server does not show leaves out its settings. Raises TenantUnreachable.
    """
    try:
        stack = mapping(client.stack(run.stack_id)) if run.stack_id else {}
    except TenantRefused:
        stack = {}
    recorded = {key: value for key, value in snapshot.items() if key != KEY}
    kept = [*_kept(client, stack)][:MOST_COMPONENTS]
    return {**recorded, KEY: kept} if kept else recorded


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
