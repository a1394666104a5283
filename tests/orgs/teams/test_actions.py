import pytest
from factories import make_grant, make_member, make_org, make_team, make_tenant, make_user

from orgs.access.gate import can as can_in_org
from orgs.audit.models import AuditEvent
from orgs.permissions import Permission
from orgs.teams import actions
from orgs.teams.models import Team
from orgs.users.models import Actor
from tenants.access.gate import can, tenants_visible_to
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.refusals import Refused


def test_add_refuses_a_person_who_is_not_in_the_organization(org, owner, outsider):
    team = make_team(org)
    with pytest.raises(Refused, match="is not in Acme AI"):
        actions.add_member(team=team, user=outsider, by=Actor(owner))
    assert not team.user_set.exists()
    assert not AuditEvent.objects.exists()


def test_add_gives_the_rights_of_the_team_at_once_and_remove_takes_them(org, owner, member):
    tenant, team = make_tenant(org), make_team(org)
    make_grant(tenant, team, "developer")
    actions.add_member(team=team, user=member, by=Actor(owner))
    assert can(member, TenantPermission.TEMPLATE_RUN, tenant)
    actions.remove_member(team=team, user=member, by=Actor(owner))
    assert not tenants_visible_to(member, org).exists()
    assert list(AuditEvent.objects.values_list("action", flat=True)) == [
        "team.member_removed",
        "team.member_added",
    ]


def test_add_twice_writes_one_row(org, owner, member):
    team = make_team(org)
    for _ in range(2):
        actions.add_member(team=team, user=member, by=Actor(owner))
    assert AuditEvent.objects.count() == 1


def test_removing_someone_who_is_not_in_the_team_writes_nothing(org, owner, member):
    actions.remove_member(team=make_team(org), user=member, by=Actor(owner))
    assert not AuditEvent.objects.exists()


def test_editor_cannot_put_anyone_into_a_stronger_team(org, editor, member):
    team = make_team(org, org_role="admin")
    for user in (editor, member):
        with pytest.raises(Refused, match="can do more than you"):
            actions.add_member(team=team, user=user, by=Actor(editor))
    assert not team.user_set.exists()


def test_editors_cannot_let_themselves_into_a_tenant_through_a_team(org, editor):
    tenant, team = make_tenant(org), make_team(org)
    make_grant(tenant, team, "viewer")
    with pytest.raises(Refused, match="You can't give yourself roles"):
        actions.add_member(team=team, user=editor, by=Actor(editor))
    assert not tenants_visible_to(editor, org).exists()


def test_admin_may_join_a_team_with_tenant_roles(org, owner):
    tenant, team = make_tenant(org), make_team(org)
    make_grant(tenant, team, "developer")
    actions.add_member(team=team, user=owner, by=Actor(owner))
    assert can(owner, TenantPermission.TEMPLATE_RUN, tenant)


def test_editor_cannot_take_people_out_of_a_stronger_team_or_delete_it(org, editor, member):
    team = make_team(org, members=[member], org_role="admin")
    with pytest.raises(Refused):
        actions.remove_member(team=team, user=member, by=Actor(editor))
    with pytest.raises(Refused):
        actions.delete_team(team=team, by=Actor(editor))
    assert list(team.user_set.all()) == [member]


def test_editor_cannot_give_a_team_the_role_admin(org, editor):
    with pytest.raises(Refused):
        actions.create_team(organization=org, label="x", org_role="admin", by=Actor(editor))
    team = make_team(org, "x")
    with pytest.raises(Refused):
        actions.update_team(team=team, label="x", description="", org_role="admin", by=Actor(editor))
    assert Team.objects.get().org_role == ""


def test_editor_cannot_take_a_stronger_role_from_a_team_but_can_rename_it(org, editor):
    team = make_team(org, "x", org_role="admin")
    with pytest.raises(Refused):
        actions.update_team(team=team, label="x", description="", org_role="", by=Actor(editor))
    team.refresh_from_db()
    actions.update_team(team=team, label="y", description="", org_role="admin", by=Actor(editor))
    assert (Team.objects.get().label, Team.objects.get().org_role) == ("y", "admin")


@pytest.mark.parametrize("role", ["developer", "owner"])
def test_role_that_is_not_an_organization_role_is_refused(org, owner, role):
    with pytest.raises(Refused, match="no such role"):
        actions.create_team(organization=org, label="x", org_role=role, by=Actor(owner))
    assert not Team.objects.exists()


def test_name_is_refused_twice_in_one_organization_but_not_in_two(org, owner):
    make_team(org, "risk")
    with pytest.raises(Refused, match="already"):
        actions.create_team(organization=org, label="risk", by=Actor(owner))
    other = make_org("Other")
    assert (
        actions.create_team(organization=other, label="risk", by=Actor(make_member(other, "admin"))).label
        == "risk"
    )


def test_team_role_gives_organization_rights_to_members(org, owner, member):
    team = actions.create_team(organization=org, label="leads", org_role="editor", by=Actor(owner))
    actions.add_member(team=team, user=member, by=Actor(owner))
    assert can_in_org(member, Permission.TEAM_MANAGE, org)


def test_update_records_before_and_after(org, owner):
    team = make_team(org, "risk")
    actions.update_team(team=team, label="risk-ml", description="Models", org_role="viewer", by=Actor(owner))
    event = AuditEvent.objects.get()
    assert event.before == {"name": "risk", "description": "", "role": ""}
    assert event.after == {"name": "risk-ml", "description": "Models", "role": "viewer"}


def test_delete_ends_what_members_had_through_it(org, owner, member):
    tenant, team = make_tenant(org), make_team(org, members=[member])
    make_grant(tenant, team, "developer")
    actions.delete_team(team=team, by=Actor(owner))
    assert not can(member, TenantPermission.VIEW, tenant)
    assert not Team.objects.exists()
    assert not member.groups.exists()
    assert AuditEvent.objects.get().before["members"] == [str(member)]


def test_superuser_who_is_no_member_manages_teams(org, member):
    root = make_user(superuser=True)
    team = actions.create_team(organization=org, label="x", org_role="admin", by=Actor(root))
    actions.add_member(team=team, user=member, by=Actor(root))
    assert list(team.user_set.all()) == [member]
