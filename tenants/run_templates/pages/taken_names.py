"""Whether the name of a run is taken, asked before it is queued: ZenML has each name once in a project."""

from typing import Any

from tenants.hosting.base import TenantNotFound
from tenants.run_templates.document.run_names import one_line
from tenants.run_templates.models import RunTemplate, TemplateRun
from tenants.runs.reading import ask

TAKEN = "There is already a run with this name. Choose another one, or put {time} into it."


def taken_name(request, template: RunTemplate, name: Any) -> str:
    """What to say at the field of the name; "" for one that is free, or where no one can tell now.

    One call to the tenant's server, none for a name with a placeholder, which is another one each time.
    """
    wanted = one_line(name) if isinstance(name, str) and "{" not in name else ""
    if not wanted:
        return ""
    return TAKEN if _waits(template, wanted) or _is_there(request, template, wanted) else ""


def _waits(template: RunTemplate, name: str) -> bool:
    """Is there a re-run of this name that has no run yet?"""
    waiting = TemplateRun.objects.unreported().filter(run_name=name, template__project_id=template.project_id)
    return waiting.filter(template__tenant=template.tenant).exists()


def _is_there(request, template: RunTemplate, name: str) -> bool:
    try:
        found, _ = ask(
            request.user,
            request.tenant,
            lambda client: client.runs(template.project_id, size=1, name=f"equals:{name}"),
        )
    except TenantNotFound:
        return False
    return found is not None and any(run.name == name for run in found.items)
