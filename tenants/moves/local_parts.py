"""What of a tenant's stacks lies on ZenPro's own machine, where a server in the cluster and its runs don't reach it."""

from tenants.hosting.answers import line, mapping
from tenants.run_templates.engine.remote_stacks import components_in
from tenants.runs.client import TenantClient

LOCAL = {"artifact_store": {"local"}, "orchestrator": {"local", "local_docker"}}
SHOWN = 20


def stacks_here(client: TenantClient) -> list[str]:
    """Names of stacks with a local artifact store or orchestrator, which may be on this machine or on a person's own.

    One call. Raises TenantError.
    """
    found = [stack for stack in client.all_stacks() if any(map(_is_local, components_in(stack)))]
    return [name for stack in found if (name := line(stack.get("name")))][:SHOWN]


def _is_local(part) -> bool:
    kind, component = part
    return line(mapping(component.get("body")).get("flavor_name")) in LOCAL.get(kind, ())
