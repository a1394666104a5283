import pytest
from django.contrib.auth import get_user_model
from factories import make_member, make_org, make_team, make_user

from orgs.access.gate import can, people_who_can, permissions_of
from orgs.permissions import Permission


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
