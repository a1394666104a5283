"""What depends on whose template or re-run it is, and whom a template lets run it. `rights`: the person's on the tenant."""

from django.db.models import Q

from orgs.access.gate import refuse
from tenants.access.gate import can
from tenants.models.grants import for_person
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.models import Preset, RunTemplate

NOT_A_RUNNER = (
    "Only some people may run {0}, and you aren't one of them. Ask whoever looks after the template."
)
HAS_A_GUARD = "This run's pipeline has a template with rules, {0}. Run that template instead."
NOT_READY = (
    "You can run templates, and this run has none yet: its code and packages have to be chosen first. Ask an Editor "
    "or a Developer of the tenant to run it again once, or to make a template of it."
)
NOT_THEIRS = (
    "This is someone else's run. They can stop it, and so can whoever changes the settings of the tenant."
)
NOT_AN_EDITOR = "Only those who may edit the template change its shared presets."


def may_run(user, template: RunTemplate, rights) -> bool:
    """Whoever may run templates in the tenant, and of a narrowed one only its runners."""
    return TenantPermission.TEMPLATE_RUN in rights and is_runner(user, template)


def is_runner(user, template: RunTemplate) -> bool:
    """Does the template let this person run it, as far as they have the right at all? One query for a narrowed one.

    By a role they hold on its tenant now, by a team they are in, or by name. What one run needs to run again is also
    a way around the rules of its pipeline's templates: it is open to those alone who could make such a way, and may
    run any code in the tenant. A superuser is not narrowed.
    """
    if user.is_superuser:
        return True
    if not template.is_listed:
        return guard_of(template) is None or can(user, TenantPermission.TEMPLATE_CREATE, template.tenant)
    if not template.is_narrowed:
        return True
    held = template.tenant.grants.valid().of_person(user).order_by().values("role")
    return template.runners.filter(for_person(user) | Q(role__in=held)).exists()


def guard_of(template: RunTemplate) -> RunTemplate | None:
    """The template with rules, of the same pipeline, for one that no list shows. One query."""
    same = {"project_id": template.project_id, "pipeline_name": template.pipeline_name}
    return template.tenant.templates.guarded().filter(**same).order_by("created_at").first()


def why_no_runner(template: RunTemplate) -> str:
    """The sentence for those who may run templates, but not this one."""
    guard = None if template.is_listed else guard_of(template)
    return HAS_A_GUARD.format(guard) if guard else NOT_A_RUNNER.format(template)


def require_runner(request, template: RunTemplate) -> None:
    """Answer 403 to those who may not run it."""
    if not may_run(request.user, template, request.tenant_permissions):
        refuse(request, TenantPermission.TEMPLATE_RUN, template, why_no_runner(template))


def may_edit(user, template, rights) -> bool:
    """All templates with the right to delete; their own as long as they can still create some."""
    own = template.created_by_id == user.pk
    return TenantPermission.TEMPLATE_DELETE in rights or (own and TenantPermission.TEMPLATE_CREATE in rights)


def needed_to_run_again(template) -> frozenset[TenantPermission]:
    """Rights for one click on a run. `template`: the one that made it or was made for it; None: it has to be made."""
    running = frozenset({TenantPermission.TEMPLATE_RUN})
    return running if template else running | {TenantPermission.TEMPLATE_CREATE}


def may_change_preset(user, preset: Preset, rights) -> bool:
    """Their own; a shared one for those who may edit its template."""
    return may_edit(user, preset.template, rights) if preset.is_shared else preset.created_by_id == user.pk


def may_cancel(user, run, rights) -> bool:
    """Their own run, or sweep of runs; anyone's for those who manage the tenant."""
    own = run.created_by_id == user.pk
    return TenantPermission.TEMPLATE_RUN in rights and (own or TenantPermission.CHANGE in rights)
