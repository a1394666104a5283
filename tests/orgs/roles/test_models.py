from factories import make_role

from orgs.roles.models import Role
from orgs.roles.predefined_permissions import TENANT_ROLES


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


def test_roles_within_rights_allow_no_more(org):
    editor = org.roles.get(level="organization", slug="editor")
    make_role(org, "Idler", rights=())  # of tenants: not one of the organization
    assert [role.slug for role in org.roles.within(editor.rights)] == ["editor", "viewer", "member"]
    assert [role.slug for role in org.roles.filter(slug__in=["admin", "member"]).within(editor.rights)] == [
        "member"
    ]
    assert org.roles.within(frozenset()) == []
