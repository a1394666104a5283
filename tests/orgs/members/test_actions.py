from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from factories import make_grant, make_member, make_org, make_team, make_tenant, make_user

from orgs.access.gate import can
from orgs.audit.models import AuditEvent
from orgs.members import actions
from orgs.models import Membership, Organization
from orgs.organizations import actions as organization_actions
from orgs.permissions import Permission
from orgs.users import actions as person_actions
from orgs.users.models import Actor
from zenpro_site.common import refusals


def role(org, slug, level="organization"):
    return org.roles.get(level=level, slug=slug)


def make_helper(org):
    """A person who manages members through a custom role, without being Admin."""
    helper = org.roles.create(level="organization", slug="helper", name="Helper")
    helper.set_rights(["organization:view", "member:view", "member:manage"])
    return make_member(org, "helper", name="Hana Helper")


def audit(org=None):
    return list(
        AuditEvent.objects.filter(organization=org).values_list("action", "actor_label", "target_label")
    )


# Refusals


def test_the_last_admin_is_not_demoted(org, owner, superuser):
    with pytest.raises(refusals.Refused, match="needs an Admin"):
        actions.change_role(membership=owner.membership, role=role(org, "editor"), by=Actor(superuser))
    assert Membership.objects.get(pk=owner.membership.pk).role == "admin"
    assert audit(org) == []


def test_the_last_admin_is_not_removed(org, owner, superuser):
    make_team(org, members=[owner])
    with pytest.raises(refusals.Refused, match="needs an Admin"):
        actions.remove_member(membership=owner.membership, by=Actor(superuser))
    assert org.memberships.filter(user=owner).exists()
    assert owner.groups.count() == 1
    assert audit(org) == []


def test_the_last_admin_does_not_leave(org, owner):
    with pytest.raises(refusals.Refused, match="needs an Admin"):
        actions.leave(membership=owner.membership, by=Actor(owner))
    assert org.memberships.filter(user=owner).exists()


def test_the_last_admin_is_not_deactivated(org, owner, superuser):
    with pytest.raises(refusals.Refused, match="last Admin of Acme AI"):
        person_actions.deactivate_person(person=owner, by=Actor(superuser))
    owner.refresh_from_db()
    assert owner.is_active


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_service_account": True}])
def test_an_admin_who_cannot_sign_in_does_not_count(org, owner, superuser, fields):
    make_member(org, "admin", **fields)
    with pytest.raises(refusals.Refused):
        actions.change_role(membership=owner.membership, role=role(org, "member"), by=Actor(superuser))


def test_no_one_can_change_their_own_role(org, owner):
    make_member(org, "admin")
    with pytest.raises(refusals.Refused, match="change your own role"):
        actions.change_role(membership=owner.membership, role=role(org, "viewer"), by=Actor(owner))


def test_a_role_the_organization_lacks_is_refused(org, owner, member):
    for wrong in (role(make_org(), "admin"), role(org, "admin", "tenant")):
        with pytest.raises(refusals.Refused, match="no such role"):
            actions.change_role(membership=member.membership, role=wrong, by=Actor(owner))
    assert Membership.objects.get(pk=member.membership.pk).role == "member"


def test_no_one_can_give_or_take_more_than_they_may(org, owner, member, editor):
    helper = make_helper(org)
    make_member(org, "admin")
    for membership, slug in ((member.membership, "admin"), (owner.membership, "member")):
        with pytest.raises(refusals.Refused, match="can do more than you"):
            actions.change_role(membership=membership, role=role(org, slug), by=Actor(helper))
    with pytest.raises(refusals.Refused, match="can do more than you"):
        actions.remove_member(membership=editor.membership, by=Actor(helper))
    actions.remove_member(membership=member.membership, by=Actor(helper))
    assert audit(org) == [("member.removed", "Hana Helper", "Dana Petrova in Acme AI")]


def test_no_one_can_leave_for_someone_else_or_remove_themselves(org, owner, member):
    make_member(org, "admin")
    with pytest.raises(refusals.Refused):
        actions.leave(membership=member.membership, by=Actor(owner))
    with pytest.raises(refusals.Refused):
        actions.remove_member(membership=owner.membership, by=Actor(owner))
    assert org.memberships.count() == 3


def test_no_one_is_added_twice_with_a_foreign_role_or_by_someone_weaker(org, owner, member):
    person = make_user()
    with pytest.raises(refusals.Refused, match="no such role"):
        actions.add_member(organization=org, person=person, role=role(make_org(), "admin"), by=Actor(owner))
    with pytest.raises(refusals.Refused, match="can do more than you"):
        actions.add_member(
            organization=org, person=person, role=role(org, "admin"), by=Actor(make_helper(org))
        )
    with pytest.raises(refusals.Refused, match="already"):
        actions.add_member(organization=org, person=member, role=role(org, "viewer"), by=Actor(owner))
    assert audit(org) == []
    assert actions.add_member(organization=org, person=person, role=role(org, "viewer"), by=Actor(owner))
    assert audit(org)[0][0] == "member.added"


def test_a_taken_slug_is_refused(org, superuser):
    with pytest.raises(refusals.Refused, match="taken"):
        organization_actions.create_organization(name="Second", slug=org.slug, by=Actor(superuser))
    assert Organization.objects.count() == 1


def test_an_organization_with_a_tenant_stays(org, owner):
    make_tenant(org, "production", status="deactivated")
    with pytest.raises(refusals.Refused, match="production"):
        organization_actions.delete_organization(organization=org, by=Actor(owner))
    assert Organization.objects.filter(pk=org.pk).exists()
    assert audit(org) == []


# What they do


def test_create_seeds_roles_and_makes_the_creator_admin(superuser):
    made = organization_actions.create_organization(name="Acme AI", slug="acme-ai", by=Actor(superuser))
    assert made.memberships.get().role == "admin"
    assert made.roles.count() == 9
    assert audit(made) == [("organization.created", "Root", "Acme AI")]


def test_update_keeps_the_slug(org, owner):
    organization_actions.update_organization(
        organization=org, name="Acme", description="Models", by=Actor(owner)
    )
    org.refresh_from_db()
    assert (org.name, org.slug, org.description) == ("Acme", "acme-ai", "Models")
    event = AuditEvent.objects.get(action="organization.updated")
    assert (event.before["name"], event.after["name"]) == ("Acme AI", "Acme")


def test_delete_takes_teams_and_their_groups_along(org, owner):
    make_team(org, members=[owner])
    make_tenant(org, status="deleted", desired_state="deleted", deleted_at="2026-01-01T00:00:00Z")
    organization_actions.delete_organization(organization=org, by=Actor(owner))
    assert not Organization.objects.exists()
    assert not Group.objects.exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.target_label, event.organization) == ("organization.deleted", "Acme AI", None)


def test_change_role(org, owner, member):
    actions.change_role(membership=member.membership, role=role(org, "editor"), by=Actor(owner))
    assert can(member, Permission.TENANT_CREATE, org)
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "member.role_changed",
        {"role": "member"},
        {"role": "editor"},
    )
    actions.change_role(membership=member.membership, role=role(org, "editor"), by=Actor(owner))
    assert AuditEvent.objects.count() == 1


def test_remove_ends_teams_and_tenant_roles_here_only(org, owner, member):
    team, tenant = make_team(org, members=[member]), make_tenant(org)
    make_grant(tenant, member, "admin")
    other = make_org("Other")
    make_member(other, "viewer", user=member)
    elsewhere = make_team(other, members=[member])
    actions.remove_member(membership=org.memberships.get(user=member), by=Actor(owner))
    assert not org.memberships.filter(user=member).exists()
    assert not team.user_set.exists()
    assert not tenant.grants.exists()
    assert list(elsewhere.user_set.all()) == [member]
    assert audit(org) == [("member.removed", "Ada Okafor", "Dana Petrova in Acme AI")]


def test_leave(org, owner, member):
    actions.leave(membership=member.membership, by=Actor(member))
    assert list(org.memberships.values_list("user__name", flat=True)) == ["Ada Okafor"]
    assert audit(org) == [("member.left", "Dana Petrova", "Dana Petrova in Acme AI")]


def test_deactivate_person(org, owner, superuser):
    make_member(org, "admin")
    person_actions.deactivate_person(person=owner, by=Actor(superuser))
    owner.refresh_from_db()
    assert not owner.is_active
    assert not can(owner, Permission.ORGANIZATION_VIEW, org)
    assert AuditEvent.objects.get().action == "person.deactivated"


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_at_once_leave_one():
    org = make_org()
    first, second = make_member(org, "admin"), make_member(org, "admin")

    def demote(pair):
        person, other = pair
        try:
            actions.change_role(membership=other.membership, role=role(org, "member"), by=Actor(person))
        except refusals.Refused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(demote, [(first, second), (second, first)]))
    assert done.count(True) == 1
    assert org.memberships.active_admins().count() == 1


def test_deactivating_a_stranger_changes_no_organization(org, owner):
    person_actions.deactivate_person(person=make_user(), by=Actor(owner))
    assert org.memberships.active_admins().count() == 1
