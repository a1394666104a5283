"""Stacks whose runs can't be carried out in a pod: it shares no disk with ZenPro, and has no Docker."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings

from tenants.hosting.answers import line, listing, mapping
from tenants.hosting.base import TenantRefused
from tenants.run_templates.document.components import KEY, MOST_COMPONENTS
from tenants.run_templates.models import RunTemplate
from tenants.runs.client import TenantClient

from .remote_stacks import components_in

Json = Mapping[str, Any]
# (type, flavor) of components that need ZenPro's own machine.
SENTENCES = {
    (
        "artifact_store",
        "local",
    ): "The stack {stack} keeps its artifacts on the machine of ZenPro, and runs are carried "
    "out in the cluster. Use a stack with a remote artifact store.",
    (
        "orchestrator",
        "local_docker",
    ): "The stack {stack} starts containers on the machine of ZenPro, and runs are "
    "carried out in the cluster. Use a stack with another orchestrator.",
}


def why_recorded_not_in_a_pod(template: RunTemplate) -> str:
    """Why no pod can carry out a run of the template, as far as its recorded stack tells; "" when nothing is known
    against it. Asks no one."""
    kept = map(mapping, listing(template.snapshot.get(KEY), MOST_COMPONENTS))
    return _reason(template, ((line(one.get("type")), line(one.get("flavor"))) for one in kept))


def why_not_in_a_pod(template: RunTemplate, client: TenantClient) -> str:
    """The same by its stack as it is now: one call where runs go to the cluster, none elsewhere.

    What was recorded counts where the stack is not shown. Raises TenantUnreachable, TenantRefused.
    """
    if not settings.ZENPRO_RUNS_IN_CLUSTER:
        return ""
    try:
        stack = client.stack(template.stack_id)
    except TenantRefused as refused:
        if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        return why_recorded_not_in_a_pod(template)
    return _reason(template, _flavors(stack))


def _flavors(stack: Json) -> Iterator[tuple[str, str]]:
    for kind, one in components_in(stack):
        yield kind, line(mapping(one.get("body")).get("flavor_name"))


def _reason(template: RunTemplate, flavors: Iterator[tuple[str, str]]) -> str:
    if not settings.ZENPRO_RUNS_IN_CLUSTER:
        return ""
    found = next((SENTENCES[one] for one in flavors if one in SENTENCES), "")
    return found.format(stack=template.stack_name or "of this run")
