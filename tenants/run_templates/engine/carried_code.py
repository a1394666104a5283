"""Runs that bring their code along: their pods take it from where ZenML put it when the run was recorded.

ZenML 0.98.0: a snapshot names an archive in its artifact store as metadata.code_path, or a commit of a code repository
as resources.code_reference, and the pods of a static pipeline download it before their step. The runner here only
hands the run over, and was seen to do so with an empty folder. A pipeline that is dynamic is loaded from its code.
"""

from collections.abc import Mapping
from typing import Any

from tenants.hosting.answers import identifier, line, listing, mapping
from tenants.run_templates.document.components import KEY, MOST_COMPONENTS
from tenants.run_templates.engine.remote_stacks import IN_IMAGES

IN_STORE, IN_REPOSITORY = "in the artifact store", "in its code repository"
DYNAMIC = "This pipeline decides as it runs which steps there are, so its code is needed here too."
NOWHERE = (
    "ZenML recorded no place from which the pods of this run could take its code, neither in the artifact store nor in "
    "a code repository, so it is needed here."
)


def carried_code(snapshot: Mapping[str, Any]) -> str:
    """Where the pods of a run of this stored snapshot take its code from, as people say it; "" when the code has to be
    handed over."""
    return _recorded_place(snapshot) if _runs_in_pods(snapshot) and not _is_dynamic(snapshot) else ""


def why_code_is_needed(snapshot: Mapping[str, Any]) -> str:
    """A sentence for a run whose steps have images, and which needs its code all the same; "" for all others."""
    if not _runs_in_pods(snapshot) or carried_code(snapshot):
        return ""
    return DYNAMIC if _is_dynamic(snapshot) else NOWHERE


def has_build(snapshot: Mapping[str, Any]) -> bool:
    """Was the run recorded with images? Only then its stack is worth a question."""
    return identifier(mapping(mapping(snapshot.get("resources")).get("build")).get("id")) is not None


def _runs_in_pods(snapshot: Mapping[str, Any]) -> bool:
    kept = map(mapping, listing(snapshot.get(KEY), MOST_COMPONENTS))
    return any(one.get("type") == "orchestrator" and line(one.get("flavor")) in IN_IMAGES for one in kept)


def _is_dynamic(snapshot: Mapping[str, Any]) -> bool:
    return bool(mapping(snapshot.get("body")).get("is_dynamic"))


def _recorded_place(snapshot: Mapping[str, Any]) -> str:
    if line(mapping(snapshot.get("metadata")).get("code_path"), 4096):
        return IN_STORE
    return IN_REPOSITORY if mapping(mapping(snapshot.get("resources")).get("code_reference")) else ""
