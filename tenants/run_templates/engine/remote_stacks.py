"""Runs that are carried out elsewhere: their images, and the orchestrators that take them over from ZenML's runner.

A re-run uses the images that its run was recorded with, on the stack they were built for and on no other.

Wire, as ZenML 0.98.0 has it: a snapshot names its build in resources.build; GET /pipeline_builds/{id} answers
metadata.stack_checksum, which is the MD5 of the integrations of the stack (zenml/pipelines/build_utils.py).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid5

from tenants.hosting.answers import identifier, line, listing, mapping
from tenants.hosting.base import TenantNotFound, TenantRefused
from tenants.run_templates.document.components import KEY, MOST_COMPONENTS, settings_key
from tenants.run_templates.models import RunTemplate
from tenants.runs.client import TenantClient

Json = Mapping[str, Any]
# Orchestrators whose steps need images that were built before.
IN_IMAGES = frozenset(
    {
        *("kubernetes", "kubeflow", "tekton", "sagemaker", "azureml", "vertex", "modal"),
        *("vm_aws", "vm_azure", "vm_gcp", "vm_lambda", "vm_kubernetes"),
    }
)
# Orchestrators that wait for the end of a run unless they are told not to.
WAITING = frozenset(
    {"kubernetes", "kubeflow", "tekton", "sagemaker", "azureml", "vertex", "modal", "lightning"}
)
HERE = frozenset({"local", "local_docker"})  # orchestrators whose runs end with the process that began them
MOST_TYPES = 40
BUILT_IN = "built-in"  # what ZenML writes for flavors of its own
AGAIN = "Run the pipeline on {stack} once more, and run that run again."
GONE = f"The images of this run are gone: their build was deleted. {AGAIN}"
OTHER_STACK = f"The images of this run were built for another stack. {AGAIN}"
STACK_GONE = "The stack {stack}, for which the images of this run were built, is gone."
COMPONENT_GONE = (
    "The stack {stack} no longer has the {component}, for which the images of this run were built."
)
STACK_CHANGED = f"The stack {{stack}} has changed since the images of this run were built. {AGAIN}"


def user_of_runners(tenant_id: UUID) -> UUID:
    """ZenML's id of the machine user of all runners of a tenant: one, or nothing would ever be cached (rerun §8).

    It is not the server's id, which is the tenant's: ZenML takes a server of its own user's id for a local one, and
    refuses stacks with remote components.
    """
    return uuid5(tenant_id, "runner")


def build_of(template: RunTemplate) -> UUID | None:
    """The build that the run was recorded with, when it is of the template's stack."""
    return _recorded(template, "build") if _is_of_its_stack(template) else None


def why_no_images(template: RunTemplate, open_client: Callable[[], TenantClient]) -> str:
    """Why a run of the template would find no images, a sentence; "" when nothing is known against it.

    No call for what was recorded without a build, two for all else. Raises TenantUnreachable; TenantRefused when this
    person may not see the build or the stack.
    """
    build = _recorded(template, "build")
    if build is None:
        return _said(GONE, template) if _needs_images(template) else ""
    if not _is_of_its_stack(template):
        return _said(OTHER_STACK, template)
    return _why_gone(template, open_client(), build)


def _why_gone(template: RunTemplate, client: TenantClient, build: UUID) -> str:
    try:
        built = client.build(build)
    except TenantNotFound:
        return _said(GONE, template)
    try:
        stack = client.stack(template.stack_id)
    except TenantNotFound:
        return _said(STACK_GONE, template)
    return _why_changed(template, built, stack)


def _why_changed(template: RunTemplate, built: Json, stack: Json) -> str:
    components = {(kind, line(one.get("name"))) for kind, one in components_in(stack)}
    for kind, name in _kept(template):
        if components and (kind, name) not in components:
            return _said(COMPONENT_GONE, template, f"{kind} {name}".replace("_", " "))
    checksum = mapping(built.get("metadata")).get("stack_checksum")
    changed = bool(checksum and components) and checksum != checksum_of(stack)
    return _said(STACK_CHANGED, template) if changed else ""


# -- where a run is carried out


def goes_elsewhere(template: RunTemplate) -> bool:
    """Will a run of the template leave this machine, by what was recorded? Asks no one."""
    return was_elsewhere(template) or _recorded(template, "build") is not None


def was_elsewhere(template: RunTemplate) -> bool:
    """Is it known that the recorded run had an orchestrator that takes runs over?"""
    kept = map(mapping, listing(template.snapshot.get(KEY), MOST_COMPONENTS))
    flavors = {line(one.get("flavor")) for one in kept if one.get("type") == "orchestrator"}
    return bool(flavors) and flavors.isdisjoint(HERE)


def runs_elsewhere(template: RunTemplate, client: TenantClient) -> bool:
    """Does the orchestrator of the template's stack carry runs out without a process here? One call.

    What was recorded counts where the stack is gone or not shown. Raises TenantUnreachable, TenantRefused.
    """
    try:
        stack = client.stack(template.stack_id)
    except TenantRefused as refused:
        if refused.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):
            raise
        return was_elsewhere(template)
    orchestrators = [one for kind, one in components_in(stack) if kind == "orchestrator"]
    flavors = {line(mapping(one.get("body")).get("flavor_name")) for one in orchestrators}
    return flavors.isdisjoint(HERE) if flavors else was_elsewhere(template)


def not_waited_for(snapshot: Json) -> dict[str, dict[str, bool]]:
    """Settings, by the key of the recorded orchestrator, with which the runner ends when it has handed the run over;
    {} where that is not known, or no orchestrator waits."""
    for one in map(mapping, listing(snapshot.get(KEY), MOST_COMPONENTS)):
        kind, name, flavor = (line(one.get(part)) for part in ("type", "name", "flavor"))
        if kind == "orchestrator" and flavor in WAITING:
            return {settings_key(kind, name, flavor, snapshot): {"synchronous": False}}
    return {}


def _said(sentence: str, template: RunTemplate, component: str = "") -> str:
    return sentence.format(stack=template.stack_name or "its stack", component=component)


def _recorded(template: RunTemplate, what: str) -> UUID | None:
    return identifier(mapping(mapping(template.snapshot.get("resources")).get(what)).get("id"))


def _is_of_its_stack(template: RunTemplate) -> bool:
    return _recorded(template, "stack") in (None, template.stack_id)


def _needs_images(template: RunTemplate) -> bool:
    kept = map(mapping, listing(template.snapshot.get(KEY), MOST_COMPONENTS))
    return any(one.get("type") == "orchestrator" and line(one.get("flavor")) in IN_IMAGES for one in kept)


def _kept(template: RunTemplate) -> Iterator[tuple[str, str]]:
    """(type, name) of components that the stack had when the template was made, as far as that was kept."""
    for one in map(mapping, listing(template.snapshot.get(KEY), MOST_COMPONENTS)):
        yield line(one.get("type")), line(one.get("name"))


def components_in(stack: Json) -> Iterator[tuple[str, Json]]:
    """(type, component) of a stack as its server shows it."""
    kinds = mapping(mapping(stack.get("metadata")).get("components"))
    for kind, components in [*kinds.items()][:MOST_TYPES]:
        for one in listing(components, MOST_COMPONENTS):
            yield line(kind), mapping(one)


def checksum_of(stack: Json) -> str:
    """As ZenML makes it."""
    named = (mapping(one.get("body")).get("integration") for _, one in components_in(stack))
    integrations = sorted({name for name in named if isinstance(name, str) and name not in ("", BUILT_IN)})
    return hashlib.md5("".join(integrations).encode(), usedforsecurity=False).hexdigest()
