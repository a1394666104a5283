from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, make_user, tenant_role

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.access import actions as grant_actions
from tenants.access.gate import can, tenants_visible_to
from tenants.hosting import actions
from tenants.models import Tenant, TenantGrant
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.refusals import Refused


def create(org, person, **fields):
    values = {"name": "Research", "slug": "research", "version": "0.98.0", **fields}
    return actions.create_tenant(org=org, by=Actor(person), **values)


def last_event():
    return AuditEvent.objects.latest("id")


def test_create_with_role_of_another_organization_writes_nothing(org, owner, member):
    foreign = tenant_role(make_org("Other"), "admin")
    with pytest.raises(Refused, match="one organization"):
        create(org, owner, access=[(member.membership, foreign)])
    assert not org.tenants.exists()
    assert not AuditEvent.objects.exists()


def test_create_with_team_of_another_organization_writes_nothing(org, owner):
    foreign = make_team(make_org("Other"))
    with pytest.raises(Refused, match="one organization"):
        create(org, owner, access=[(foreign, tenant_role(org, "viewer"))])
    assert not org.tenants.exists()


def test_create_with_a_taken_slug_is_refused(org, owner):
    make_tenant(org, "research")
    with pytest.raises(Refused, match="taken"):
        create(org, owner)
    assert org.tenants.count() == 1


def test_slug_of_a_deleted_tenant_is_free_again(org, owner):
    actions.delete_tenant(tenant=create(org, owner), by=Actor(owner))
    again = create(org, owner)
    assert again.workspace_name == f"research-{org.slug}"


def test_creator_becomes_admin_and_others_get_their_roles(org, editor, member):
    team = make_team(org, "vision", members=[member])
    tenant = create(org, editor, access=[(team, tenant_role(org, "developer"))])
    assert tenant.status == Tenant.Status.NOT_INITIALIZED
    assert tenant.desired_state == Tenant.DesiredState.AVAILABLE
    assert can(editor, TenantPermission.DELETE, tenant)
    assert can(member, TenantPermission.TEMPLATE_CREATE, tenant)
    event = AuditEvent.objects.get()
    assert event.action == "tenant.created"
    assert event.after["access"] == {"Bruno Keller": "Admin", "team vision": "Developer"}


def test_superuser_outside_the_organization_creates_without_a_grant(org, superuser):
    assert not create(org, superuser).grants.exists()


def test_update_changes_and_records_both_sides(org, owner):
    tenant = make_tenant(org, "research", name="research")
    actions.update_tenant(tenant=tenant, name="Research", description="Trials", by=Actor(owner))
    tenant.refresh_from_db()
    assert (tenant.name, tenant.description) == ("Research", "Trials")
    assert last_event().before == {"name": "research", "description": ""}


def test_changes_to_a_deleted_tenant_are_refused(org, owner):
    tenant = make_tenant(org, desired_state="deleted", deleted_at=timezone.now())
    for change in (actions.deactivate, actions.request_restart, actions.retry, actions.delete_tenant):
        with pytest.raises(Refused, match="deleted"):
            change(tenant=tenant, by=Actor(owner))
    assert not AuditEvent.objects.exists()


def test_deactivate_and_activate_change_only_the_wish(org, owner):
    tenant = make_tenant(org)
    actions.deactivate(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert (tenant.desired_state, tenant.status) == ("deactivated", "available")
    with pytest.raises(Refused, match="already deactivated"):
        actions.deactivate(tenant=tenant, by=Actor(owner))
    actions.activate(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert tenant.desired_state == "available"
    assert list(AuditEvent.objects.values_list("action", flat=True)) == [
        "tenant.activated",
        "tenant.deactivated",
    ]


def test_restart_of_a_deactivated_tenant_is_refused(org, owner):
    tenant = make_tenant(org, desired_state="deactivated", status="deactivated")
    with pytest.raises(Refused, match="is not running"):
        actions.request_restart(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert tenant.restart_requested_at is None


def test_restart_is_asked_for(org, owner):
    tenant = make_tenant(org)
    actions.request_restart(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert tenant.restart_requested_at is not None
    assert last_event().action == "tenant.restart_requested"


def test_retry_of_a_healthy_tenant_is_refused(org, owner):
    with pytest.raises(Refused, match="not failed"):
        actions.retry(tenant=make_tenant(org), by=Actor(owner))


def test_retry_wants_the_failed_tenant_again(org, owner):
    steps = [{"key": "reserve", "state": "failed"}]
    tenant = make_tenant(org, status="failed", state_reason="Port 9103 is taken.", progress=steps)
    actions.retry(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert tenant.progress == []
    assert (tenant.status, tenant.state_reason, tenant.desired_state) == ("pending", "", "available")
    assert last_event().before == {"reason": "Port 9103 is taken."}


def test_deleted_tenant_is_gone_from_every_list(org, owner, member):
    tenant = make_tenant(org)
    make_grant(tenant, member, "admin")
    actions.delete_tenant(tenant=tenant, by=Actor(owner))
    tenant.refresh_from_db()
    assert tenant.deleted_at is not None
    assert not tenants_visible_to(owner, org).exists()
    assert not tenants_visible_to(member, org).exists()


def test_give_role_of_another_organization_writes_nothing(org, owner, member):
    tenant, foreign = make_tenant(org), tenant_role(make_org("Other"), "viewer")
    with pytest.raises(Refused):
        grant_actions.give_grant(tenant=tenant, holder=member.membership, role=foreign, by=Actor(owner))
    assert not tenant.grants.exists()
    assert not AuditEvent.objects.exists()


def test_give_to_a_member_of_another_organization_writes_nothing(org, owner):
    tenant, stranger = make_tenant(org), make_member(make_org("Other"))
    with pytest.raises(Refused):
        grant_actions.give_grant(
            tenant=tenant, holder=stranger.membership, role=tenant_role(org, "viewer"), by=Actor(owner)
        )
    assert not tenant.grants.exists()


def test_a_second_role_adds_to_the_first(org, owner, member):
    tenant = make_tenant(org)
    make_grant(tenant, member, "operator")
    grant_actions.give_grant(
        tenant=tenant, holder=member.membership, role=tenant_role(org, "viewer"), by=Actor(owner)
    )
    assert {grant.role.slug for grant in tenant.grants.all()} == {"operator", "viewer"}
    assert can(member, TenantPermission.TEMPLATE_RUN, tenant)
    assert (last_event().action, last_event().before) == ("grant.given", {})
    assert last_event().after == {"holder": "Dana Petrova", "role": "Viewer", "until": "no end"}


def test_a_role_held_already_gets_the_new_end_alone(org, owner, member):
    tenant, soon = make_tenant(org), timezone.now() + timedelta(days=3)
    grant = make_grant(tenant, member, "viewer", giver=owner)
    TenantGrant.objects.filter(pk=grant.pk).update(announced_at=timezone.now())
    other = make_member(org, "admin")
    viewer = tenant_role(org, "viewer")
    grant_actions.give_grant(
        tenant=tenant, holder=member.membership, role=viewer, by=Actor(other), expires_at=soon
    )
    grant = tenant.grants.get()
    assert (grant.expires_at, grant.granted_by, grant.announced_at) == (soon, owner, None)
    assert last_event().action == "grant.extended"
    count = AuditEvent.objects.count()
    grant_actions.give_grant(
        tenant=tenant, holder=member.membership, role=viewer, by=Actor(other), expires_at=soon
    )
    assert AuditEvent.objects.count() == count


def test_end_in_the_past_is_refused(org, owner, member):
    tenant, past = make_tenant(org), timezone.now() - timedelta(minutes=1)
    viewer = tenant_role(org, "viewer")
    with pytest.raises(Refused, match="past"):
        grant_actions.give_grant(
            tenant=tenant, holder=member.membership, role=viewer, by=Actor(owner), expires_at=past
        )
    with pytest.raises(Refused, match="past"):
        grant_actions.set_grants(
            tenant=tenant, holder=member.membership, roles={viewer: past}, by=Actor(owner)
        )
    assert not tenant.grants.exists()
    assert not AuditEvent.objects.exists()


def test_roles_are_set_in_one_step(org, owner, member):
    tenant, soon = make_tenant(org), timezone.now() + timedelta(days=3)
    make_grant(tenant, member, "viewer")
    make_grant(tenant, member, "operator", expires_at=soon)
    roles = {tenant_role(org, "developer"): None, tenant_role(org, "operator"): soon}
    assert grant_actions.set_grants(tenant=tenant, holder=member.membership, roles=roles, by=Actor(owner))
    assert {grant.role.slug for grant in tenant.grants.all()} == {"developer", "operator"}
    assert can(member, TenantPermission.TEMPLATE_CREATE, tenant)
    event, day = last_event(), f"{timezone.localtime(soon):%Y-%m-%d}"
    assert event.before["roles"] == f"Operator until {day}, Viewer"
    assert event.after == {"holder": "Dana Petrova", "roles": f"Developer, Operator until {day}"}
    count = AuditEvent.objects.count()
    assert not grant_actions.set_grants(tenant=tenant, holder=member.membership, roles=roles, by=Actor(owner))
    assert AuditEvent.objects.count() == count


def test_set_role_of_elsewhere_changes_nothing(org, owner, member):
    tenant, foreign = make_tenant(org), tenant_role(make_org("Other"), "viewer")
    make_grant(tenant, member, "viewer")
    with pytest.raises(Refused):
        grant_actions.set_grants(
            tenant=tenant, holder=member.membership, roles={foreign: None}, by=Actor(owner)
        )
    assert tenant.grants.get().role.organization == org


def test_withdrawn_role_is_gone_at_once_and_the_team_stays(org, owner, member):
    tenant, team = make_tenant(org), make_team(org, members=[member])
    grant = make_grant(tenant, member, "admin")
    make_grant(tenant, team, "viewer")
    grant_actions.withdraw_grant(grant=grant, by=Actor(owner))
    assert not can(member, TenantPermission.DELETE, tenant)
    assert can(member, TenantPermission.VIEW, tenant)
    assert last_event().before == {"holder": "Dana Petrova", "role": "Admin", "until": "no end"}


def test_join_needs_membership(org):
    tenant, root = make_tenant(org), make_user(superuser=True)
    with pytest.raises(Refused, match="not a member"):
        grant_actions.join_tenant(tenant=tenant, role=tenant_role(org, "admin"), by=Actor(root))


def test_join_gives_the_role_and_is_recorded(org, owner):
    tenant = make_tenant(org)
    assert not can(owner, TenantPermission.TEMPLATE_RUN, tenant)
    grant_actions.join_tenant(tenant=tenant, role=tenant_role(org, "developer"), by=Actor(owner))
    assert can(owner, TenantPermission.TEMPLATE_RUN, tenant)
    assert (last_event().action, last_event().after) == ("tenant.joined", {"role": "Developer"})
