"""What a person would gain by joining a team is said before they are added."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_team, make_tenant

from orgs.teams.joining import tell_gains


@pytest.fixture
def team(org):
    team = make_team(org, "vision", members=[make_member(org)])
    for role in ("developer", "viewer"):
        make_grant(make_tenant(org), team, role)
    make_grant(make_tenant(org, desired_state="deleted", deleted_at=timezone.now()), team, "viewer")
    make_grant(make_tenant(org), team, "admin", expires_at=timezone.now() - timedelta(days=1))
    return team


def gains(team, *people):
    memberships = [person.membership for person in people]
    tell_gains(team, memberships)
    return [one.gains for one in memberships]


def test_each_person_gets_what_they_do_not_have(org, team):
    new, viewer, admin = make_member(org), make_member(org), make_member(org)
    first, second = (grant.tenant for grant in team.tenant_grants.order_by("created_at")[:2])
    make_grant(first, viewer, "viewer")
    for tenant in (first, second):
        make_grant(tenant, make_team(org, members=[admin]), "admin")
    assert gains(team, new, viewer, admin) == [
        "gets access to 2 tenants",
        "gets access to 1 tenant and gains rights on 1 tenant",
        "gains no rights on tenants",
    ]


def test_team_without_roles_says_nothing(org):
    assert gains(make_team(org), make_member(org)) == [""]


def test_same_queries_for_more_people(org, team, django_assert_num_queries):
    for people in ([make_member(org)], [make_member(org) for _ in range(3)]):
        memberships = [person.membership for person in people]
        with django_assert_num_queries(3):
            tell_gains(team, memberships)


def test_admins_read_it_and_those_who_do_not_see_all_tenants_do_not(org, team, owner, editor, as_user):
    make_member(org, name="Grace Lindqvist")
    path = team.get_absolute_url()
    assert "gets access to 2 tenants" in as_user(owner).get(path, {"q": "grace"}).content.decode()
    page = as_user(editor).get(path, {"q": "grace"}).content.decode()
    assert "Grace Lindqvist" in page
    assert "tenants" not in page.partition('id="candidates"')[2].partition("</ul>")[0]
