from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, tenant_role
from guardian.core import ObjectPermissionChecker

from tenants.access.gate import can, tenant_permissions_of, tenants_visible_to
from tenants.models import TenantGrant
from tenants.models.tenant_permissions import TenantPermission


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


def test_viewer_and_editor_through_a_team_is_editor_until_they_leave(org, member):
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


def test_org_editor_manages_only_tenants_they_are_in(org, editor):
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


def test_role_that_is_over_gives_nothing_at_once(org, member, as_user):
    """Guardian's rows are still there: nobody has run the agent."""
    tenant, team = make_tenant(org), make_team(org, members=[member])
    over = [make_grant(tenant, member, "admin"), make_grant(tenant, team, "developer")]
    make_grant(tenant, member, "viewer")
    past = timezone.now() - timedelta(seconds=1)
    TenantGrant.objects.filter(pk__in=[grant.pk for grant in over]).update(expires_at=past)
    assert ObjectPermissionChecker(member).has_perm("manage_access", tenant)
    assert not can(member, TenantPermission.ACCESS, tenant)
    assert not org.tenants.with_right(member, TenantPermission.TEMPLATE_RUN).exists()
    assert list(org.tenants.with_right(member, TenantPermission.TEMPLATE_VIEW)) == [tenant]
    TenantGrant.objects.update(expires_at=past)
    assert tenant_permissions_of(member, tenant) == frozenset()
    assert not tenants_visible_to(member, org).exists()
    assert as_user(member).get(tenant.get_absolute_url()).status_code == 404


def test_two_roles_give_what_both_give(org, member):
    tenant, team = make_tenant(org), make_team(org, members=[member])
    make_role(org, "Starter", rights={"pipeline_run:create"})
    make_role(org, "Keeper", rights={"run_template:create", "tenant:change"})
    make_grant(tenant, member, "starter")
    make_grant(tenant, member, "keeper")
    make_grant(tenant, team, "viewer")
    given = {"view_tenant", "change_tenant", "view_template", "create_template", "run_template"}
    assert tenant_permissions_of(member, tenant) == given
    assert set(ObjectPermissionChecker(member).get_perms(tenant)) == given
    TenantGrant.objects.withdraw(tenant.grants.get(role__slug="keeper"))
    assert tenant_permissions_of(member, tenant) == {"view_tenant", "view_template", "run_template"}


def test_a_role_without_rights_shows_the_tenant(org, member):
    tenant, role = make_tenant(org), make_role(org, "Guest")
    role.permissions.all().delete()
    grant = make_grant(tenant, member, "guest")
    assert ObjectPermissionChecker(member).get_perms(tenant) == ["view_tenant"]
    TenantGrant.objects.withdraw(grant)
    assert ObjectPermissionChecker(member).get_perms(tenant) == []


def test_several_are_given_together(org, member):
    tenant, team = make_tenant(org), make_team(org)
    viewer, admin, developer = (tenant_role(org, slug) for slug in ("viewer", "admin", "developer"))
    given = [(member.membership, viewer), (team, developer), (member.membership, admin)]
    TenantGrant.objects.give_each(tenant, given, giver=member)
    assert {(grant.holder, grant.role, grant.granted_by) for grant in tenant.grants.all()} == {
        (holder, role, member) for holder, role in given
    }
    assert "delete_tenant" in ObjectPermissionChecker(member).get_perms(tenant)
    assert "create_template" in ObjectPermissionChecker(team).get_perms(tenant)


def test_several_are_given_or_none(org, member):
    tenant, elsewhere = make_tenant(org), tenant_role(make_org("Other"), "viewer")
    given = [(member.membership, tenant_role(org, "viewer")), (member.membership, elsewhere)]
    with pytest.raises(ValueError, match="one organization"):
        TenantGrant.objects.give_each(tenant, given, giver=member)
    assert not tenant.grants.exists()
