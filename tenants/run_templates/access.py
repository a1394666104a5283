"""What depends on whose template or re-run it is. `rights`: the person's on the tenant."""

from tenants.models.tenant_permissions import TenantPermission


def may_edit(user, template, rights) -> bool:
    """All templates with the right to delete; their own as long as they can still create some."""
    own = template.created_by_id == user.pk
    return TenantPermission.TEMPLATE_DELETE in rights or (own and TenantPermission.TEMPLATE_CREATE in rights)


def needed_to_run_again(template) -> frozenset[TenantPermission]:
    """Rights for one click on a run. `template`: the one that made it or was made for it; None: it has to be made."""
    running = frozenset({TenantPermission.TEMPLATE_RUN})
    return running if template else running | {TenantPermission.TEMPLATE_CREATE}


def may_cancel(user, run, rights) -> bool:
    """Their own; anyone's for those who manage the tenant."""
    own = run.created_by_id == user.pk
    return TenantPermission.TEMPLATE_RUN in rights and (own or TenantPermission.CHANGE in rights)
