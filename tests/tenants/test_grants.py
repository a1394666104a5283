import pytest
from factories import make_grant, make_member, make_org, make_team, make_tenant, tenant_role

from tenants.access import can, tenants_visible_to
from tenants.models import TenantGrant
from tenants.permissions import TenantPermission


def test_role_of_another_organization_is_refused(org, member):
    tenant = make_tenant(org)
    other = make_org("Other")
    with pytest.raises(ValueError, match="one organization"):
        TenantGrant.objects.give(tenant=tenant, role=tenant_role(other, "admin"), holder=member.membership)
    assert not tenant.grants.exists()


def test_organization_role_on_a_tenant_is_refused(org, member):
    tenant, role = make_tenant(org), org.roles.get(level="organization", slug="admin")
    with pytest.raises(ValueError, match="organization role"):
        TenantGrant.objects.give(tenant=tenant, role=role, holder=member.membership)


def test_viewer_and_editor_through_a_team_is_editor_until_she_leaves(org, member):
    tenant, team = make_tenant(org), make_team(org, members=[member])
    make_grant(tenant, member, "viewer")
    make_grant(tenant, team, "editor")
    assert can(member, TenantPermission.TEMPLATE_RUN, tenant)
    team.user_set.remove(member)
    assert not can(member, TenantPermission.TEMPLATE_RUN, tenant)
    assert can(member, TenantPermission.TEMPLATE_VIEW, tenant)


def test_rows_follow_the_grant(org, member):
    tenant = make_tenant(org)
    grant = make_grant(tenant, member, "operator")
    assert can(member, TenantPermission.TEMPLATE_RUN, tenant)
    assert not can(member, TenantPermission.TEMPLATE_CREATE, tenant)
    TenantGrant.objects.withdraw(grant)
    assert not tenants_visible_to(member, org).exists()


def test_rights_end_with_the_membership(org):
    tenant, person = make_tenant(org), make_member(org)
    make_grant(tenant, person, "admin")
    person.membership.delete()
    assert not can(person, TenantPermission.VIEW, tenant)
    assert not tenant.grants.exists()


def test_org_editor_manages_only_tenants_she_is_in(org, editor):
    joined, other = make_tenant(org), make_tenant(org)
    make_grant(joined, editor, "viewer")
    assert can(editor, TenantPermission.CHANGE, joined)
    assert not can(editor, TenantPermission.ACCESS, joined)
    assert list(tenants_visible_to(editor, org)) == [joined]
    assert not can(editor, TenantPermission.VIEW, other)


def test_org_admin_manages_every_tenant_but_runs_nothing(org, owner):
    tenant = make_tenant(org)
    assert can(owner, TenantPermission.ACCESS, tenant)
    assert not can(owner, TenantPermission.TEMPLATE_RUN, tenant)
