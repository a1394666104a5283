"""Stacks whose runs can't be carried out in a pod: it shares no disk with ZenPro, and has no Docker."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings

from tenants.hosting.answers import line, mapping
from tenants.hosting.base import TenantRefused
from tenants.run_templates.models import RunTemplate
from tenants.runs.client import TenantClient

from .remote_stacks import components_in

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


def why_not_in_a_pod(template: RunTemplate, open_client: Callable[[], TenantClient]) -> str:
    """Why no pod can carry out a run of the template, a sentence; "" when nothing is known against it.

    One call where runs go to the cluster, none elsewhere. Raises TenantUnreachable, and TenantRefused for a stack that
    is there and can't be shown now.
    """
    if not settings.ZENPRO_RUNS_IN_CLUSTER:
        return ""
    try:
        stack = open_client().stack(template.stack_id)
    except TenantRefused as refused:
        if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        return ""
    flavors = (
        (kind, line(mapping(one.get("body")).get("flavor_name"))) for kind, one in components_in(stack)
    )
    found = next((SENTENCES[one] for one in flavors if one in SENTENCES), "")
    return found.format(stack=template.stack_name or "of this run")
