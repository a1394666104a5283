"""What depends on whose template or re-run it is. `rights`: the person's on the tenant."""

from tenants.models.tenant_permissions import TenantPermission


def may_edit(user, template, rights) -> bool:
    """All templates with the right to delete; their own as long as they can still create some."""
    own = template.created_by_id == user.pk
    return TenantPermission.TEMPLATE_DELETE in rights or (own and TenantPermission.TEMPLATE_CREATE in rights)


def may_cancel(user, run, rights) -> bool:
    """Their own; anyone's for those who manage the tenant."""
    own = run.created_by_id == user.pk
    return TenantPermission.TEMPLATE_RUN in rights and (own or TenantPermission.CHANGE in rights)
