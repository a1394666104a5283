"""Stacks other than its own that a re-run may go to: those that can use the images and the code that were recorded.

ZenML 0.98.0, read in its source: the image of a step is taken from the snapshot's build, whatever stack that was built
for (orchestrators/containerized_orchestrator.py), and POST /pipeline_snapshots asks only that build and stack exist.
The build's stack_checksum is compared by the server's own way to run a snapshot alone (pipeline_execution/utils.py).
It is made of the stack's integrations, whose packages are in the images: so it is compared here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tenants.hosting.answers import identifier, line, mapping
from tenants.hosting.base import TenantNotFound
from tenants.run_templates.document.field_rules import MORE, FieldRules
from tenants.run_templates.engine.remote_stacks import (
    IN_IMAGES,
    STACK_GONE,
    build_of,
    checksum_of,
    components_in,
)
from tenants.run_templates.models import RunTemplate
from tenants.runs.client import TenantClient

Json = dict[str, Any]
KEPT_KINDS = {
    "artifact_store": "the code of the run could not be read",
    "container_registry": "its images could not be pulled",
}
NAMED_KINDS = ("step_operator", "experiment_tracker")  # components that steps ask for by name
NO_OTHER = "No other stack of the tenant has an orchestrator of the flavor {flavor}."
OTHER_PACKAGES = "Its components need other packages than there are in the images of the run."
GONE = "This stack is gone."
ONLY_ITS_OWN = "A run can only go to another stack if images were built for its own, and this run has none."


@dataclass(frozen=True)
class OtherStack:
    """`orchestrator`: its name; `refusal`: why the run can't go there, "" when it can."""

    id: UUID
    name: str
    orchestrator: str
    refusal: str = ""


@dataclass(frozen=True)
class StackChoice:
    """`why_one`: why the run can only go to its own stack; "" where there is a choice, or reasons for each refusal."""

    allowed: tuple[OtherStack, ...] = ()
    refused: tuple[OtherStack, ...] = ()
    why_one: str = ""


def may_be_chosen(template: RunTemplate) -> bool:
    """Is there anything to choose, by what was recorded? Asks no one."""
    return build_of(template) is not None


def why_kept(template: RunTemplate) -> str:
    """Why its rules leave no choice, a sentence; "" where they do. The stack is beside the parameters as well."""
    lock = FieldRules.read(template.field_rules).lock_of(MORE)
    return f"The template keeps its stack. {lock.reason}".strip() if lock else ""


def choice_for(template: RunTemplate, client: TenantClient) -> StackChoice:
    """Stacks of the tenant with an orchestrator like that of the template's stack. Three calls.

    Raises TenantUnreachable, TenantRefused; TenantNotFound when the stack or the build are gone.
    """
    own, build = client.stack(template.stack_id), client.build(build_of(template))
    flavor = _orchestrator(own)[1]
    if flavor not in IN_IMAGES:
        return StackChoice()
    same = [one for one in client.all_stacks() if _orchestrator(one)[1] == flavor]
    found = [_seen(template, own, build, one) for one in same if identifier(one.get("id"))]
    others = sorted((one for one in found if one.id != template.stack_id), key=lambda one: one.name)
    return StackChoice(
        tuple(one for one in others if not one.refusal),
        tuple(one for one in others if one.refusal),
        "" if others else NO_OTHER.format(flavor=flavor),
    )


def other_stack(template: RunTemplate, stack_id: UUID, client: TenantClient) -> OtherStack:
    """One of them, which may be refused. Three calls. Raises TenantUnreachable, TenantRefused."""
    if not may_be_chosen(template):
        return OtherStack(stack_id, "", "", ONLY_ITS_OWN)
    try:
        other = client.stack(stack_id)
    except TenantNotFound:
        return OtherStack(stack_id, "", "", GONE)
    try:
        own, build = client.stack(template.stack_id), client.build(build_of(template))
    except TenantNotFound:
        gone = STACK_GONE.format(stack=template.stack_name or "its stack")
        return OtherStack(stack_id, line(other.get("name")), "", gone)
    return _seen(template, own, build, other)


def moved(body: Json, other: OtherStack, own: Json) -> Json:
    """The body of a snapshot for another stack: settings of the orchestrator go to the one there."""
    old, new = f"orchestrator:{_orchestrator(own)[0]}", f"orchestrator:{other.orchestrator}"
    steps = {
        name: {part: _renamed(one, old, new) for part, one in mapping(step).items()}
        for name, step in mapping(body.get("step_configurations")).items()
    }
    configuration = _renamed(body["pipeline_configuration"], old, new)
    return body | {
        "stack": str(other.id),
        "pipeline_configuration": configuration,
        "step_configurations": steps,
    }


def _renamed(holder: Any, old: str, new: str) -> Any:
    settings = mapping(mapping(holder).get("settings"))
    if old not in settings or old == new:
        return holder
    others = {key: value for key, value in settings.items() if key not in (old, new)}
    return holder | {"settings": {**others, new: settings[old]}}


# -- why not


def _seen(template: RunTemplate, own: Json, build: Json, other: Json) -> OtherStack:
    facts = identifier(other.get("id")), line(other.get("name")), _orchestrator(other)[0]
    return OtherStack(*facts, _why_not(template, own, build, other))


def _why_not(template: RunTemplate, own: Json, build: Json, other: Json) -> str:
    flavor, another = _orchestrator(own)[1], _orchestrator(other)[1]
    if flavor not in IN_IMAGES or another != flavor:
        return f"Its orchestrator is not of the flavor {flavor}."
    for kind, harm in KEPT_KINDS.items():
        if _ids(own, kind) != _ids(other, kind):
            return f"Its {kind.replace('_', ' ')} is another one, so that {harm}."
    if missing := next(_missing(template, own, other), ""):
        return missing
    said = mapping(build.get("metadata")).get("stack_checksum") or checksum_of(own)
    return "" if said == checksum_of(other) else OTHER_PACKAGES


def _missing(template: RunTemplate, own: Json, other: Json) -> Iterator[str]:
    """Components that steps use and the other stack lacks."""
    steps = mapping(mapping(template.snapshot.get("metadata")).get("step_configurations"))
    for name, step in steps.items():
        for kind in NAMED_KINDS:
            asked = mapping(mapping(step).get("config")).get(kind)
            if asked and not (_ids(own, kind) and _ids(own, kind) <= _ids(other, kind)):
                yield f"It lacks the {kind.replace('_', ' ')} that the step {line(name)} uses."


def _orchestrator(stack: Mapping[str, Any]) -> tuple[str, str]:
    """(name, flavor), twice "" for a stack that tells nothing."""
    for kind, one in components_in(stack):
        if kind == "orchestrator":
            return line(one.get("name")), line(mapping(one.get("body")).get("flavor_name"))
    return "", ""


def _ids(stack: Mapping[str, Any], kind: str) -> set[UUID | None]:
    return {identifier(one.get("id")) for found, one in components_in(stack) if found == kind}
