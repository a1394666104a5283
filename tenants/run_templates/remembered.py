"""What is known of a pipeline before one of its runs runs again: its code, and the packages that needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce

from tenants.models import Tenant

from .document.packages import with_packages
from .document.stack_integrations import integrations_of
from .engine.carried_code import carried_code
from .engine.code import CodeError
from .engine.integration_packages import packages_of
from .engine.layout import CodeLook, look_at
from .models import CodeVersion, RunTemplate

LOOKED_AT = 5  # versions of the code; a look takes some tenths of a second


@dataclass(frozen=True)
class Needs:
    """Code and packages of a run. `code`: None for a run that brings its own; `chosen`: for code that was seen to fit,
    who chose both, as columns of a template."""

    code: CodeVersion | None
    requirements: str
    chosen: Mapping[str, Any] = field(default_factory=dict)


def prepared_of(tenant: Tenant, run_id: UUID) -> RunTemplate | None:
    """What this run needs to run again, when someone asked for that before."""
    return tenant.templates.filter(source_run_id=run_id, is_listed=False).first()


def fitting_code(tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any]) -> CodeVersion | None:
    """The newest code of the pipeline in which every step is as it was in the run; None when that has to be asked."""
    versions = tenant.code_versions.filter(pipeline_name=pipeline).select_related("created_by")
    return next((one for one in versions[:LOOKED_AT] if _holds(one, snapshot)), None)


def _holds(version: CodeVersion, snapshot: Mapping[str, Any]) -> bool:
    look = seen(version, snapshot)
    return look is not None and look.is_unchanged


def seen(version: CodeVersion, snapshot: Mapping[str, Any]) -> CodeLook | None:
    """The steps of a run in this code, as it is laid out; None when it can't be looked at."""
    try:
        return look_at(version.code_hash, snapshot, version.roots, str(version.tenant_id))
    except CodeError:
        return None


def last_template(tenant: Tenant, pipeline: str) -> RunTemplate | None:
    """The one whose packages were chosen last for the pipeline, by a person."""
    chosen = Coalesce("requirements_changed_at", "created_at").desc()
    found = tenant.templates.filter(pipeline_name=pipeline).order_by(chosen, "-created_at")
    return found.defer("snapshot", "default_configuration", "previous_configuration").first()


def last_packages(tenant: Tenant, pipeline: str) -> str:
    """Those that were chosen last for the pipeline; "" for none."""
    found = last_template(tenant, pipeline)
    return found.requirements if found else ""


def with_stack(tenant: Tenant, requirements: str, snapshot: Mapping[str, Any]) -> str:
    """These, and those of the integrations of the run's stack that are not there yet: without them its runner fails."""
    names = integrations_of(snapshot)
    return (
        with_packages(requirements, packages_of(tenant.zenml_version, names).lines) if names else requirements
    )


def known_needs(tenant: Tenant, pipeline: str, snapshot: Mapping[str, Any]) -> Needs | None:
    """All a run of the pipeline needs, when nothing has to be asked."""
    earlier = last_template(tenant, pipeline)
    if carried_code(snapshot):
        return _of_stack(tenant, earlier, snapshot)
    code = fitting_code(tenant, pipeline, snapshot) if earlier else None
    if code is None:
        return None
    return Needs(code, with_stack(tenant, earlier.requirements, snapshot), _choice(code, earlier))


def _of_stack(tenant: Tenant, earlier: RunTemplate | None, snapshot: Mapping[str, Any]) -> Needs | None:
    """Of a run that brings its code: only what hands it over is installed here. None where that is not known."""
    names = integrations_of(snapshot)
    found = packages_of(tenant.zenml_version, names) if names else None
    if earlier is None and (found is None or found.unread):
        return None
    needed = with_packages(earlier.requirements if earlier else "", found.lines if found else [])
    return Needs(None, needed, _chosen_packages(earlier) if earlier else {})


def _choice(code: CodeVersion, earlier: RunTemplate) -> dict[str, Any]:
    """Who a page names for them: whoever handed over the code, and whoever chose the packages."""
    chosen = {"code_chosen_by": code.created_by, "code_chosen_at": code.created_at}
    return {**chosen, **_chosen_packages(earlier)}


def _chosen_packages(earlier: RunTemplate) -> dict[str, Any]:
    if not earlier.requirements:
        return {}
    by = earlier.requirements_changed_by if earlier.requirements_changed_at else earlier.created_by
    at = earlier.requirements_changed_at or earlier.created_at
    return {"requirements_changed_by": by, "requirements_changed_at": at}
