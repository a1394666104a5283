import pytest
from django.contrib.auth import get_user_model
from django.utils.functional import SimpleLazyObject
from factories import make_member, make_org, make_team, make_user

from orgs.access.gate import act_as, can, people_who_can, permissions_of
from orgs.permissions import Permission
from orgs.users.models import Actor, Origin
from tenants.models.tenant_permissions import TenantPermission


@pytest.fixture
def crowd(org, owner, editor, viewer, member, superuser, outsider):
    """Everyone who could be mistaken for someone with a right."""
    promoted = make_member(org, "member")
    make_team(org, org_role="editor", members=[promoted])
    make_team(make_org(), org_role="admin", members=[member])
    stranger = make_user()
    make_team(org, org_role="admin", members=[stranger])
    retired = make_member(org, "admin", is_active=False)
    return [owner, editor, viewer, member, superuser, outsider, promoted, stranger, retired]


@pytest.mark.parametrize("permission", list(Permission))
def test_people_who_can_are_those_who_can(org, crowd, permission):
    people = {person for person in get_user_model().objects.all() if can(person, permission, org)}
    assert set(people_who_can(permission, org)) == people


def test_rights_are_the_union_of_own_role_and_teams(org, crowd):
    promoted, stranger, retired = crowd[-3:]
    assert permissions_of(promoted, org) == permissions_of(crowd[1], org)
    assert permissions_of(stranger, org) == permissions_of(retired, org) == frozenset()


def test_a_right_that_no_longer_exists_is_ignored(org, member):
    role = org.roles.create(level="organization", slug="old", name="Old")
    role.set_rights(["organization:view", "spaceship:launch"])
    person = make_member(org, "old")
    assert permissions_of(person, org) == {Permission.ORGANIZATION_VIEW}


@pytest.fixture
def request_from_here(rf):
    request = rf.get("/")
    request.origin = Origin("page", "192.0.2.7", "req-1")
    return request


def test_who_acts_is_looked_up_when_it_is_used(request_from_here, owner, django_assert_num_queries):
    with django_assert_num_queries(0):
        act_as(request_from_here, SimpleLazyObject(lambda: get_user_model().objects.get(pk=owner.pk)))
    with django_assert_num_queries(1):
        assert request_from_here.actor == Actor(owner, Origin("page", "192.0.2.7", "req-1"))


def test_who_signs_in_on_the_way_acts_as_themselves(request_from_here, owner, member):
    act_as(request_from_here, owner)
    request_from_here.user = member
    assert request_from_here.actor.person == member
    act_as(request_from_here, owner)
    assert request_from_here.actor.person == owner


@pytest.mark.parametrize("permission", [*Permission, *TenantPermission])
def test_a_refusal_says_in_words_what_is_refused(permission):
    assert permission.deed.format("Acme").endswith(" Acme") or " in Acme" in permission.deed.format("Acme")
    assert "_" not in permission.deed and ":" not in permission.deed
