import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.teams import actions
from orgs.teams.models import Team
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused


def url(name, *args, org):
    return reverse(f"teams:{name}", args=[org.slug, *args])


def add(client, team, user, **headers):
    membership = team.organization.memberships.get(user=user)
    address = url("member_add", team.uuid, org=team.organization)
    return client.post(address, {"membership": membership.pk}, headers=headers)


MANAGING = ["create", "edit", "delete", "member_add", "member_remove"]


@pytest.mark.parametrize("role", ["viewer", "member"])
@pytest.mark.parametrize("name", MANAGING)
def test_those_who_do_not_manage_teams_are_refused_and_it_is_recorded(org, member, as_user, role, name):
    person = make_member(org, role)
    team = make_team(org, "risk", members=[person, member])
    args = {"create": [], "member_remove": [team.uuid, member.membership.pk]}.get(name, [team.uuid])
    response = as_user(person).post(
        url(name, *args, org=org), {"label": "mine", "membership": member.membership.pk}
    )
    assert response.status_code == 403
    assert list(Team.objects.values_list("label", flat=True)) == ["risk"]
    assert team.user_set.count() == 2
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.after["right"]) == ("access.refused", "refused", "team:manage")


def test_members_see_their_own_teams_only(org, member, as_user):
    mine, other = make_team(org, "mine", members=[member]), make_team(org, "theirs")
    client = as_user(member)
    page = client.get(url("list", org=org)).content.decode()
    assert "mine" in page and "theirs" not in page and "Create team" not in page
    assert client.get(mine.get_absolute_url()).status_code == 200
    assert client.get(other.get_absolute_url()).status_code == 404


def test_viewers_see_all_teams_but_only_their_own_tenants(org, viewer, as_user):
    team, secret, known = make_team(org, "risk"), make_tenant(org, "secret"), make_tenant(org, "known")
    for tenant in (secret, known):
        make_grant(tenant, team, "developer")
    make_grant(known, viewer, "viewer")
    client = as_user(viewer)
    assert client.get(url("list", org=org)).context["page"][0].reached == 1
    page = client.get(team.get_absolute_url()).content.decode()
    assert "known" in page and "secret" not in page and "Find people" not in page


def test_member_of_the_team_sees_its_tenants(org, member, as_user):
    team = make_team(org, members=[member])
    make_grant(make_tenant(org, "production"), team, "operator")
    page = as_user(member).get(team.get_absolute_url()).content.decode()
    assert "production" in page and "Operator" in page


def queries(client, address) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def test_list_asks_as_often_for_three_as_for_one(org, owner, as_user):
    client, tenant, counts = as_user(owner), make_tenant(org), []
    for more in (1, 2):
        for _ in range(more):
            make_grant(tenant, make_team(org, members=[make_member(org), make_member(org)]), "viewer")
        counts.append(queries(client, url("list", org=org)))
    assert counts[0] == counts[1]


def test_detail_asks_as_often_for_three_as_for_one(org, owner, as_user):
    client, team, counts = as_user(owner), make_team(org), []
    for more in (1, 2):
        for _ in range(more):
            team.user_set.add(make_member(org))
            make_grant(make_tenant(org), team, "viewer", giver=make_member(org))
            AuditEvent.objects.record("team.updated", team, by=Actor(owner), organization=org)
        counts.append(queries(client, f"{team.get_absolute_url()}?q="))
    assert counts[0] == counts[1]


def test_create(org, editor, as_user):
    response = as_user(editor).post(url("create", org=org), {"label": "risk-ml", "description": "Models"})
    team = Team.objects.get()
    assert response.url == team.get_absolute_url()
    assert (team.organization, team.label, team.description, team.org_role) == (org, "risk-ml", "Models", "")
    assert AuditEvent.objects.get().action == "team.created"


def test_create_by_an_editor_ignores_a_role_that_is_not_offered(org, editor, as_user):
    as_user(editor).post(url("create", org=org), {"label": "risk-ml", "org_role": "admin"})
    assert Team.objects.get().org_role == ""


def test_create_with_a_taken_name_keeps_what_was_typed(org, owner, as_user):
    make_team(org, "risk")
    response = as_user(owner).post(url("create", org=org), {"label": "risk", "description": "Kept"})
    assert response.status_code == 422
    assert "There is already a team with this name." in response.content.decode()
    assert 'value="Kept"' in response.content.decode()
    assert Team.objects.count() == 1


def test_edit_by_an_admin_changes_the_role(org, owner, as_user):
    team = make_team(org, "risk")
    as_user(owner).post(url("edit", team.uuid, org=org), {"label": "risk", "org_role": "viewer"})
    assert Team.objects.get().org_role == "viewer"


def test_edit_by_an_editor_keeps_the_role(org, editor, as_user):
    team = make_team(org, "risk", org_role="viewer")
    as_user(editor).post(url("edit", team.uuid, org=org), {"label": "fraud", "org_role": ""})
    assert (Team.objects.get().label, Team.objects.get().org_role) == ("fraud", "viewer")


def test_delete_asks_first_and_says_what_goes(org, owner, member, as_user):
    team = make_team(org, "risk", members=[member])
    make_grant(make_tenant(org, "production"), team, "developer")
    client = as_user(owner)
    page = client.get(url("delete", team.uuid, org=org)).content.decode()
    assert "1 person stays" in page and "production" in page
    assert Team.objects.exists()
    assert client.post(url("delete", team.uuid, org=org)).url == url("list", org=org)
    assert not Team.objects.exists()


def test_delete_dialog_is_only_the_form(org, owner, as_user):
    headers = {"HX-Request": "true", "HX-Target": "modal"}
    response = as_user(owner).get(url("delete", make_team(org).uuid, org=org), headers=headers)
    assert response.content.decode().lstrip().startswith("<form")


def test_delete_of_a_stronger_team_says_why_not(org, editor, as_user):
    team = make_team(org, org_role="admin")
    page = as_user(editor).post(url("delete", team.uuid, org=org)).content.decode()
    assert "can do more than you" in page
    assert Team.objects.exists()


def test_add_without_javascript_goes_back_to_the_team(org, owner, member, as_user):
    team = make_team(org)
    response = add(as_user(owner), team, member)
    assert response.url == team.get_absolute_url()
    assert list(team.user_set.all()) == [member]


def test_add_with_htmx_answers_with_the_members(org, owner, member, as_user):
    response = add(as_user(owner), make_team(org), member, **{"HX-Request": "true", "HX-Target": "members"})
    body = response.content.decode()
    assert body.lstrip().startswith('<section class="card" id="members"')
    assert "Dana Petrova" in body and "is now in team" in body


def test_add_of_another_organizations_member_writes_nothing(org, owner, outsider, as_user):
    team = make_team(org)
    response = as_user(owner).post(
        url("member_add", team.uuid, org=org), {"membership": outsider.membership.pk}, follow=True
    )
    assert "Choose a member of this organization" in response.content.decode()
    assert not team.user_set.exists()
    assert not AuditEvent.objects.exists()


def test_add_to_another_organizations_team_is_not_found(org, owner, member, as_user):
    team = make_team(make_org("Other"))
    response = as_user(owner).post(
        url("member_add", team.uuid, org=org), {"membership": member.membership.pk}
    )
    assert response.status_code == 404
    assert not team.user_set.exists()


def test_editors_who_add_themselves_to_a_team_with_tenants_are_told_why_not(org, editor, as_user):
    team = make_team(org)
    make_grant(make_tenant(org), team, "viewer")
    response = add(as_user(editor), team, editor, **{"HX-Request": "true", "HX-Target": "members"})
    assert "give yourself roles" in response.content.decode()
    assert not team.user_set.exists()


def test_search_offers_those_who_are_not_in_it(org, owner, member, viewer, as_user):
    team = make_team(org, members=[member])
    page = as_user(owner).get(team.get_absolute_url(), {"q": "e"})
    assert {one.user for one in page.context["offered"]} == {owner, viewer}
    found = as_user(owner).get(team.get_absolute_url(), {"q": "chen"}).context["offered"]
    assert [one.user for one in found] == [viewer]


def test_remove(org, owner, member, as_user):
    team = make_team(org, members=[member])
    response = as_user(owner).post(url("member_remove", team.uuid, member.membership.pk, org=org))
    assert response.url == team.get_absolute_url()
    assert not team.user_set.exists()
    assert AuditEvent.objects.get().action == "team.member_removed"


def test_removing_someone_who_is_not_in_the_team_is_not_found(org, owner, member, as_user):
    response = as_user(owner).post(url("member_remove", make_team(org).uuid, member.membership.pk, org=org))
    assert response.status_code == 404


@pytest.mark.parametrize("name", ["create", "edit"])
def test_what_the_action_refuses_is_said_in_the_form(org, owner, as_user, monkeypatch, name):
    team = make_team(org, "risk")

    def refuse(**values):
        raise Refused("Somebody was quicker.")

    monkeypatch.setattr(actions, f"{'create' if name == 'create' else 'update'}_team", refuse)
    args = [] if name == "create" else [team.uuid]
    response = as_user(owner).post(url(name, *args, org=org), {"label": "fraud"})
    assert (response.status_code, Team.objects.get().label) == (422, "risk")
    assert "Somebody was quicker." in response.content.decode()


def test_edit_shows_what_is_stored(org, owner, as_user):
    team = make_team(org, "risk", description="Models", org_role="viewer")
    form = as_user(owner).get(url("edit", team.uuid, org=org)).context["form"]
    assert [form[name].value() for name in ("label", "description", "org_role")] == [
        "risk",
        "Models",
        "viewer",
    ]


def test_many_members_and_teams_come_in_pages_and_can_be_searched(org, owner, as_user):
    people = [make_member(org, name=f"Person {number:02}") for number in range(60)]
    team = make_team(org, "everybody", members=people)
    client = as_user(owner)
    first, last = (client.get(team.get_absolute_url(), {"page": page}) for page in (1, 3))
    assert [len(response.context["page"].object_list) for response in (first, last)] == [25, 10]
    assert "Search in this team" in first.content.decode()
    found = client.get(team.get_absolute_url(), {"who": "person 59"}).context["page"]
    assert [one.user.name for one in found] == ["Person 59"]
    nobody = client.get(team.get_absolute_url(), {"who": "nobody"}).content.decode()
    assert "No one in this team matches" in nobody
    for number in range(30):
        make_team(org, f"team-{number:02}")
    assert len(client.get(url("list", org=org)).context["page"].object_list) == 25
    [only] = client.get(url("list", org=org), {"q": "EVERY"}).context["page"]
    assert (only.people, len(only.faces)) == (60, 4)


def test_the_team_says_who_maintains_it_and_where_its_roles_are(org, owner, member, as_user):
    team = make_team(org, members=[member])
    team.maintainers.add(member.membership)
    make_grant(make_tenant(org, "production"), team, "operator")
    page = as_user(owner).get(team.get_absolute_url()).content.decode()
    assert "Maintained by Dana Petrova" in page
    assert reverse("tenants:members", args=[org.slug, "production"]) in page
