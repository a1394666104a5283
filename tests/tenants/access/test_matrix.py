"""The page of teams × tenants, and what a cell does."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, tenant_role

from tenants.access.matrix.grid import cell_id
from tests.tenants.access.test_views_members import follow_undo


@pytest.fixture
def team(org, member):
    return make_team(org, "vision", members=[member])


def matrix(org):
    return reverse("matrix:grid", args=[org.slug])


def cell_of(tenant, team):
    return reverse("tenants:team_roles", args=[tenant.organization.slug, tenant.slug, team.uuid])


def change(client, tenant, team, *slugs, inside=True, **extra):
    roles = [str(tenant_role(tenant.organization, slug).pk) for slug in slugs]
    headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": cell_id(team, tenant)} if inside else {}
    data = {"role": roles or "", "on": "matrix", "at": "tenant=prod", **extra}
    return client.post(cell_of(tenant, team), data, **headers)


def roles_of(tenant, team):
    return {grant.role.slug for grant in tenant.grants.filter(team=team)}


# -- refusals


def test_members_do_not_see_it(org, member, tenant, as_user):
    make_grant(tenant, member, "admin")
    assert as_user(member).get(matrix(org)).status_code == 403


def test_tenants_one_is_not_in_are_not_named(org, editor, tenant, team, as_user):
    make_grant(tenant, team, "viewer")
    make_grant(make_tenant(org, "mine"), editor, "viewer")
    answer = as_user(editor).get(matrix(org))
    assert [one.slug for one in answer.context["tenants"]] == ["mine"]
    assert "production" not in answer.content.decode()


def test_only_cells_one_may_change_are_buttons(org, editor, tenant, team, as_user):
    managed = make_tenant(org, "managed")
    make_grant(tenant, editor, "developer")
    make_grant(managed, editor, "admin")
    page = as_user(editor).get(matrix(org)).content.decode()
    assert cell_of(managed, team) in page
    assert cell_of(tenant, team) not in page
    assert change(as_user(editor), tenant, team, "viewer").status_code == 403


def test_past_day_comes_back_into_the_menu(org, owner, tenant, team, as_user):
    day = {f"until_{tenant_role(org, 'viewer').pk}": "2020-01-01"}
    answer = change(as_user(owner), tenant, team, "viewer", **day)
    assert "This day is in the past." in answer.content.decode()
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#cell-menu", "innerHTML")
    assert not tenant.grants.exists()


# -- the page


def test_cells_show_roles_and_ends(org, owner, tenant, team, as_user):
    make_grant(tenant, team, "viewer")
    make_grant(tenant, team, "operator", expires_at=timezone.now() + timedelta(days=5))
    make_grant(tenant, team, "admin", expires_at=timezone.now() - timedelta(days=1))
    answer = as_user(owner).get(matrix(org))
    [row] = answer.context["rows"]
    assert [grant.role.slug for grant in row.cells[0].grants] == ["operator", "viewer"]
    page = answer.content.decode()
    assert '<span class="sr">vision on production: </span>' in page
    assert 'class="soon"' in page


@pytest.mark.parametrize(
    ("query", "teams", "tenants"),
    [
        ({}, ["red", "vision"], ["production", "staging"]),
        ({"q": "vis"}, ["vision"], ["production", "staging"]),
        ({"tenant": "STAG"}, ["red", "vision"], ["staging"]),
        ({"q": "nobody"}, [], ["production", "staging"]),
    ],
)
def test_filters(org, owner, tenant, team, as_user, query, teams, tenants):
    make_team(org, "red")
    make_tenant(org, "staging")
    answer = as_user(owner).get(matrix(org), query)
    assert [row.team.label for row in answer.context["rows"]] == teams
    assert [one.slug for one in answer.context["tenants"]] == tenants
    assert ("Clear filters" in answer.content.decode()) == (not teams)


def test_filter_answers_with_the_fragment_alone(org, owner, tenant, team, as_user):
    answer = as_user(owner).get(matrix(org), HTTP_HX_REQUEST="true", HTTP_HX_TARGET="matrix")
    page = answer.content.decode()
    assert 'id="matrix"' in page
    assert "<html" not in page


def test_a_hundred_tenants_and_fifty_teams(org, owner, as_user, count_queries, monkeypatch):
    client = as_user(owner)
    tenant, team = make_tenant(org), make_team(org, members=[owner])
    make_grant(tenant, team, "viewer")
    few = count_queries(lambda: client.get(matrix(org)))
    teams = [team, *(make_team(org) for _ in range(5))]
    for _ in range(14):
        make_tenant(org)
    for one in org.tenants.all():
        for each in teams:
            make_grant(one, each, "viewer")
    assert count_queries(lambda: client.get(matrix(org))) == few <= 8
    first, second = (client.get(matrix(org), {"page": number}).context for number in (1, 2))
    assert (len(first["tenants"]), len(second["tenants"])) == (12, 3)
    monkeypatch.setattr("tenants.access.matrix.views.TEAMS", 3)
    assert len(client.get(matrix(org)).context["rows"]) == 3


def test_empty(org, owner, as_user):
    assert "No tenants yet" in as_user(owner).get(matrix(org)).content.decode()
    make_tenant(org)
    assert "Create team" in as_user(owner).get(matrix(org)).content.decode()


# -- a cell


def test_menu_has_the_form(org, owner, tenant, team, as_user):
    make_grant(tenant, team, "viewer")
    answer = as_user(owner).get(
        cell_of(tenant, team), {"on": "matrix"}, HTTP_HX_REQUEST="true", HTTP_HX_TARGET="cell-menu"
    )
    page = answer.content.decode()
    assert "Team vision on production" in page
    assert "1 person has this team’s roles" in page
    assert "<html" not in page
    assert page.count('type="radio"') == org.roles.tenant_level().count() + 1


def test_change_answers_with_the_cell_and_undo(org, owner, tenant, team, as_user):
    make_grant(tenant, team, "viewer")
    page = change(as_user(owner), tenant, team, "developer").content.decode()
    assert page.lstrip().startswith(f'<div id="{cell_id(team, tenant)}"')
    assert "Developer" in page
    assert "Undo" in page
    assert roles_of(tenant, team) == {"developer"}


def test_a_changed_cell_does_not_ask_for_the_frame(org, owner, tenant, team, as_user, monkeypatch):
    monkeypatch.setattr("zenpro_site.shell._frame", lambda request: 1 / 0)
    assert (
        "Team vision is now Developer." in change(as_user(owner), tenant, team, "developer").content.decode()
    )


def test_without_scripts_it_leads_back_to_the_matrix_as_it_was(org, owner, tenant, team, as_user):
    client = as_user(owner)
    make_grant(tenant, team, "viewer")
    answer = change(client, tenant, team, inside=False)
    assert answer.url == matrix(org) + "?tenant=prod"
    assert roles_of(tenant, team) == set()
    follow_undo(client, client.get(answer.url))
    assert roles_of(tenant, team) == {"viewer"}


def test_what_the_address_says_leads_nowhere_else(org, owner, tenant, team, as_user):
    answer = change(as_user(owner), tenant, team, "viewer", inside=False, at="//evil.example/")
    assert answer.url == matrix(org) + "?//evil.example/"


def test_team_of_another_organization_is_not_found(owner, tenant, as_user):
    assert change(as_user(owner), tenant, make_team(make_org("Other")), "viewer").status_code == 404
    assert not tenant.grants.exists()


def test_effect_is_said_in_the_menu(org, owner, tenant, team, as_user):
    team.user_set.add(make_member(org))
    make_grant(tenant, team, "viewer")
    page = change(as_user(owner), tenant, team, "operator", inside=False, review="1").content.decode()
    assert "2 people gain create and use on production" in page
    assert roles_of(tenant, team) == {"viewer"}
