from importlib import import_module

from django.apps import apps
from factories import make_role

from orgs.roles.models import Role, RolePermission
from orgs.roles.permissions import TENANT_ROLES


def stored(organization):
    return organization.roles.tenant_level().get(slug="operator")


def test_seed_twice_changes_nothing(org):
    before = {role.pk: role.rights for role in org.roles.all()}
    Role.objects.seed(org)
    assert {role.pk: role.rights for role in org.roles.all()} == before
    assert len(before) == 9


def test_seed_brings_rights_up_to_date(org):
    stored(org).set_rights({"secret:delete", "model:read"})
    Role.objects.seed(org)
    assert stored(org).rights == TENANT_ROLES["operator"][2]


def test_set_rights_touches_only_what_differs(org):
    role = stored(org)
    kept = role.permissions.get(resource="model", action="read").pk
    role.set_rights({"model:read", "model:create"})
    assert stored(org).rights == {"model:read", "model:create"}
    assert stored(org).permissions.get(resource="model", action="read").pk == kept


def test_every_role_has_a_page(org):
    role = stored(org)
    assert role.get_absolute_url() == f"/o/acme-ai/roles/{role.pk}/"


def test_version_follows_the_rights(org):
    role, version = stored(org), stored(org).version
    role.set_rights(role.rights | {"model:update"})
    assert stored(org).version != version
    role.set_rights(TENANT_ROLES["operator"][2])
    assert stored(org).version == version


def test_free_slug_is_free_on_its_level(org):
    assert org.roles.free_slug("tenant", "Admin!") == "admin-2"
    assert org.roles.free_slug("tenant", "Member") == "member"
    assert org.roles.free_slug("tenant", "…") == "role"


def test_roles_from_before_that_may_change_components_may_attach_them(org):
    """ZenML 0.99 asks for it; without this, what worked before it would be refused after the upgrade."""
    custom, reading = make_role(org, "A", rights=["stack_component:update"]), make_role(org, "B")
    RolePermission.objects.filter(action="attach").delete()
    import_module("orgs.roles.migrations.0002_attach").give_attach(apps, None)
    may = set(RolePermission.objects.filter(action="attach").values_list("role__slug", flat=True))
    assert may == {"admin", "developer", custom.slug}
    assert "stack_component:attach" not in reading.rights
    import_module("orgs.roles.migrations.0002_attach").give_attach(apps, None)
    assert RolePermission.objects.filter(action="attach").count() == 3
