"""Lists of "who can" name exactly those whom the decision lets, by whatever way."""

import pytest
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, make_user

from orgs.access.gate import can as can_in_organization
from orgs.access.gate import members_who_can, people_who_can
from orgs.permissions import Permission
from tenants.access.gate import can
from tenants.access.members import members_in, person_rows
from tenants.agent.grant_endings import _admins
from tenants.models.tenant_permissions import TenantPermission


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast")


@pytest.fixture
def everybody(org, owner, editor, viewer, member, tenant):
    """People who manage the tenant in each possible way, and some who do not."""
    everybody = {"owner": owner, "editor": editor, "viewer": viewer, "member": member}
    rights = ["tenant:manage_all", "member:manage", "member:view", "organization:view"]
    make_role(org, "Keeper", level="organization", base=None, rights=rights)
    for name, role in (("admins", "admin"), ("keepers", "keeper"), ("readers", "viewer")):
        everybody[f"in_{name}"] = make_member(org)
        make_team(org, name, members=[everybody[f"in_{name}"]], org_role=role)
    everybody["keeper"] = make_member(org, "keeper")
    everybody["root"] = make_member(org, user=make_user(superuser=True))
    everybody["off"] = make_member(org, "admin", is_active=False)
    everybody["in_tenant"] = make_member(org)
    make_grant(tenant, everybody["in_tenant"], "admin")
    elsewhere = make_org("Other")
    make_team(elsewhere, "admins", org_role="admin")
    everybody["outsider"] = make_member(elsewhere, "admin")
    return everybody


def named(people, everybody) -> set[str]:
    keys = {person.pk: name for name, person in everybody.items()}
    return {keys[one.pk] for one in people if one.pk in keys}


def test_members_of_an_organization_who_can(org, everybody):
    for permission in Permission:
        wanted = {
            name
            for name, one in everybody.items()
            if one.is_active
            and org.memberships.filter(user=one).exists()
            and can_in_organization(one, permission, org)
        }
        assert named([row.user for row in members_who_can(permission, org)], everybody) == wanted, permission
        assert named(people_who_can(permission, org), everybody) == wanted, permission


def test_the_members_page_of_a_tenant(org, owner, everybody, tenant, as_user):
    wanted = {
        name
        for name, one in everybody.items()
        if one.is_active and can(one, TenantPermission.ACCESS, tenant) and name != "outsider"
    }
    assert wanted == {"owner", "in_admins", "in_keepers", "keeper", "root", "in_tenant"}
    assert named([row.user for row in person_rows(tenant, members_in(tenant))], everybody) == wanted
    assert members_in(tenant).count() == len(wanted)
    page = as_user(owner).get(f"/o/{org.slug}/t/{tenant.slug}/members/").content.decode()
    for name in wanted:
        assert everybody[name].email in page or str(everybody[name]) in page, name
    assert "from a team" in page and "Superuser" in page


def test_mails_go_to_those_who_manage(everybody, tenant):
    wanted = {"owner", "in_admins", "in_keepers", "keeper", "root", "in_tenant"}
    assert named(_admins(tenant), everybody) == wanted


def test_the_home_page_names_whom_to_ask(org, as_user):
    ops = make_member(org, name="Olga Ops")
    make_team(org, "ops", members=[ops], org_role="admin")
    dana = make_member(org)
    page = as_user(dana).get(f"/o/{org.slug}/").content.decode()
    assert "Need more?" in page and "Olga Ops" in page


def test_two_people_and_a_team_with_the_role_of_an_admin(org, tenant):
    two = [make_member(org, name="Ada"), make_member(org, name="Grace")]
    make_team(org, "ops", members=two, org_role="admin")
    rows = person_rows(tenant, members_in(tenant))
    assert [str(row.user) for row in rows] == ["Ada", "Grace"]
    assert all(row.sources[0].kind == "organization" for row in rows)
