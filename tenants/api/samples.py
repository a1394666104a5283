"""One of everything that a person can see, for the examples of the documentation."""

from orgs.access.gate import permissions_of
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.teams.access import teams_visible_to
from tenants.access.gate import tenant_permissions_of, tenants_visible_to
from tenants.credentials import keys
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.access import may_run
from tenants.run_templates.presets import presets_for


def samples_of(user) -> dict:
    """Name of a parameter -> a value; parameters without one are left out."""
    organization = Organization.objects.of(user).order_by("name").first()
    if organization is None:
        return {}
    rights = permissions_of(user, organization)
    found = {"organization": organization.slug, "token": user.api_keys.values_list("pk", flat=True).first()}
    found["team"] = teams_visible_to(user, organization, rights).values_list("uuid", flat=True).first()
    for right, name, rows in _of_organization(organization):
        if right in rights:
            found[name] = rows.values_list("pk", flat=True).first()
    tenant = tenants_visible_to(user, organization, rights).order_by("name").first()
    return found | (_of_tenant(user, tenant, rights) if tenant else {})


def _of_organization(organization):
    yield Permission.MEMBER_VIEW, "member", organization.memberships.order_by("created_at")
    yield Permission.ROLE_VIEW, "role", organization.roles.order_by("predefined")
    yield Permission.INVITATION_MANAGE, "invitation", organization.invitations.open()
    yield Permission.MEMBER_MANAGE, "account", keys.accounts_of(organization)


def _of_tenant(user, tenant, rights) -> dict:
    found = {"tenant": tenant.slug, "grant": tenant.grants.valid().values_list("pk", flat=True).first()}
    held = tenant_permissions_of(user, tenant, rights)
    if TenantPermission.TEMPLATE_VIEW in held:
        template = tenant.templates.listed().defer("snapshot").first()
        number = template and template.runs.values_list("number", flat=True).first()
        found |= {"template": template and template.pk, "number": number}
        if template and may_run(user, template, held):
            found["preset"] = presets_for(template, user).values_list("pk", flat=True).first()
    return found
