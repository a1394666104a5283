"""A right that nobody has, or that nothing asks for, is a mistake."""

import ast
from itertools import pairwise

from orgs.permissions import Permission
from orgs.roles.predefined_permissions import ORG_ROLES, TENANT_ROLES
from tenants.models.tenant_permissions import TenantPermission, codenames_of

from .walk import modules

# Where rights are named or handed out, which does not count as asking for them.
DEFINING = {
    "orgs.permissions",
    "orgs.roles.predefined_permissions",
    "orgs.roles.rights_grid",
    "tenants.models.tenant_permissions",
}
# Rights that nothing asks for yet, each with its reason.
WAITING: dict[Permission, str] = {}


def asked_for() -> set:
    """Every Permission.X and TenantPermission.X in the code."""
    enums = {"Permission": Permission, "TenantPermission": TenantPermission}
    found = set()
    for name, module in modules().items():
        if name in DEFINING:
            continue
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in enums
            ):
                found.add(getattr(enums[node.value.id], node.attr))
    return found


def test_every_organization_right_is_granted_by_a_role():
    granted = set().union(*(rights for _, _, rights in ORG_ROLES.values()))
    assert granted == set(Permission)


def test_every_tenant_right_is_granted_by_a_role():
    granted = set().union(*(codenames_of(rights) for _, _, rights in TENANT_ROLES.values()))
    assert granted == set(TenantPermission)


def test_stronger_organization_roles_may_all_that_weaker_ones_may():
    ladder = [rights for _, _, rights in ORG_ROLES.values()]
    assert all(weaker <= stronger for stronger, weaker in pairwise(ladder))


def test_every_tenant_role_may_what_a_viewer_may_and_admin_may_all():
    rights = {slug: rights for slug, (_, _, rights) in TENANT_ROLES.items()}
    assert all(rights["viewer"] <= each <= rights["admin"] for each in rights.values())


def test_every_right_is_asked_for():
    unused = (set(Permission) | set(TenantPermission)) - asked_for() - set(WAITING)
    assert not unused, f"Nothing asks for {sorted(map(repr, unused))}."


def test_waiting_list_is_not_stale():
    assert not set(WAITING) & asked_for()
