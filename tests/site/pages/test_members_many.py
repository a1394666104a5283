"""The same for many members at once: to a team, another role, removed; each member is changed or refused separately."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.members import actions
from orgs.models import Membership
from orgs.teams.actions import add_members
from orgs.users.models import Actor


def url(name, org):
    return reverse(f"orgs:members_{name}", args=[org.slug])


def keys(*people):
    return {"member": [person.membership.pk for person in people]}


def role(org, slug):
    return org.roles.get(level="organization", slug=slug)


def roles(*people):
    return [Membership.objects.get(pk=person.membership.pk).role for person in people]


def done():
    return list(AuditEvent.objects.filter(outcome="done").order_by("id").values_list("action", flat=True))


def text(response):
    return " ".join(response.content.decode().split())


# Refusals


@pytest.mark.parametrize("who", ["viewer", "member", "editor"])
def test_only_who_manages_members_changes_many(as_user, org, owner, who):
    client, target = as_user(make_member(org, who)), make_member(org)
    team = make_team(org)
    assert client.post(url("role", org), keys(target) | {"become": "viewer"}).status_code == 403
    assert client.post(url("remove", org), keys(target) | {"sure": "1"}).status_code == 403
    expected = 302 if who == "editor" else 403  # an Editor manages teams
    assert client.post(url("team", org), keys(target) | {"into": team.uuid}).status_code == expected
    assert roles(target) == ["member"]
    assert team.user_set.count() == (who == "editor")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("role", {"become": "viewer"}, "Select someone first."),
        ("team", {}, "Select someone first."),
        ("remove", {"sure": "1"}, "Select someone first."),
        ("role", {"member": ["nonsense"], "become": "viewer"}, "no longer a member"),
    ],
)
def test_nothing_is_done_when_no_one_is_ticked(as_user, org, owner, name, data, words):
    response = as_user(owner).post(url(name, org), data)
    assert response.status_code == 422
    assert words in text(response)
    assert done() == []


def test_one_of_another_organization_stops_it_all(as_user, org, owner, member, outsider):
    client, team = as_user(owner), make_team(org)
    for name, data in (
        ("role", {"become": "viewer"}),
        ("team", {"into": team.uuid}),
        ("remove", {"sure": "1"}),
    ):
        assert client.post(url(name, org), keys(member, outsider) | data).status_code == 422
    assert roles(member, outsider) == ["member", "admin"]
    assert not team.user_set.exists()
    assert done() == []


def test_a_role_or_team_the_organization_lacks_is_refused(as_user, org, owner, member):
    client = as_user(owner)
    for become in ("developer", "", "nonsense"):
        assert client.post(url("role", org), keys(member) | {"become": become}).status_code == 422
    for into in (make_team(make_org()).uuid, "", "nonsense"):
        assert client.post(url("team", org), keys(member) | {"into": into}).status_code == 422
    assert done() == []


def test_whoever_is_refused_stays_and_the_others_are_changed(as_user, org, owner, member, viewer):
    response = as_user(owner).post(url("role", org), keys(owner, member, viewer) | {"become": "viewer"})
    page = text(response)
    assert response.status_code == 200
    assert "1 of 3 is now Viewer" in page
    assert "change your own role" in page and "Already Viewer" in page
    assert roles(owner, member, viewer) == ["admin", "viewer", "viewer"]
    assert done() == ["member.role_changed"]


def test_the_last_admin_stays_while_others_go(org, owner, superuser, member):
    second = make_member(org, "admin")
    chosen = [owner.membership, second.membership, member.membership]
    outcomes = actions.remove_members(memberships=chosen, by=Actor(superuser))
    assert [outcome.refused[:27] for outcome in outcomes] == ["", "An organization needs an Ad", ""]
    assert list(org.memberships.all()) == [second.membership]
    assert done() == ["member.removed", "member.removed"]
    outcomes = actions.change_roles(
        memberships=[second.membership], role=role(org, "viewer"), by=Actor(superuser)
    )
    assert outcomes[0].refused and roles(second) == ["admin"]


def test_when_all_are_refused_the_page_says_so(as_user, org, owner, superuser):
    response = as_user(superuser).post(url("role", org), keys(owner) | {"become": "viewer"})
    assert response.status_code == 409
    assert "No one was changed" in text(response)
    assert done() == []


def test_only_the_stronger_member_is_refused(as_user, org, owner, member, viewer):
    make_member(org, "admin")
    helper = org.roles.create(level="organization", slug="helper", name="Helper")
    helper.set_rights(["organization:view", "member:view", "member:manage"])
    client = as_user(make_member(org, "helper"))
    page = text(client.post(url("remove", org), keys(owner, member)))
    assert "Remove 1 person from Acme AI?" in page and "Stays: can do more than you" in page
    client.post(url("remove", org), keys(owner, member) | {"sure": "1"})
    assert set(org.memberships.filter(user__in=[owner, member])) == {owner.membership}


def test_no_one_can_let_themselves_into_tenants_through_a_team(org, owner, editor, member):
    team, tenant = make_team(org), make_tenant(org)
    make_grant(tenant, team, "viewer")
    make_grant(tenant, editor, "admin")
    outcomes = add_members(team=team, memberships=[editor.membership, member.membership], by=Actor(editor))
    assert [bool(outcome.refused) for outcome in outcomes] == [True, False]
    assert list(team.user_set.all()) == [member]


# Changes


def test_to_a_team(as_user, org, owner, member, viewer):
    team = make_team(org, "risk-ml", members=[viewer])
    response = as_user(owner).post(
        url("team", org), keys(member, viewer) | {"into": team.uuid, "back": "q=a&page=2"}, follow=True
    )
    assert response.redirect_chain == [(reverse("orgs:members", args=[org.slug]) + "?q=a&page=2", 302)]
    assert "Dana Petrova is now in risk-ml." in text(response)
    assert set(team.user_set.all()) == {member, viewer}
    assert done() == ["team.member_added"]


def test_another_role_for_many(as_user, org, owner, member, viewer):
    response = as_user(owner).post(url("role", org), keys(member, viewer) | {"become": "editor"}, follow=True)
    assert "2 people are now Editor." in text(response)
    assert roles(member, viewer) == ["editor", "editor"]
    assert done() == ["member.role_changed"] * 2


def test_nothing_to_do_is_said(as_user, org, owner, member):
    response = as_user(owner).post(url("role", org), keys(member) | {"become": "member"}, follow=True)
    assert "Nothing to do: everyone is already Member." in text(response)
    assert done() == []


def test_remove_asks_first_and_says_what_goes(as_user, org, owner, member, viewer):
    team = make_team(org, "risk-ml", members=[member])
    make_grant(make_tenant(org), member, "viewer")
    client = as_user(owner)
    page = text(client.post(url("remove", org), keys(owner, member, viewer)))
    assert "Remove 2 people from Acme AI?" in page and "risk-ml" in page and "1 of 1" in page
    assert "Stays: the only admin" in page
    assert org.memberships.count() == 3
    response = client.post(url("remove", org), keys(member, viewer) | {"sure": "1"}, follow=True)
    assert "2 people are no longer in Acme AI." in text(response)
    assert list(org.memberships.all()) == [owner.membership]
    assert not team.user_set.exists()
    assert done() == ["member.removed"] * 2


def test_boxes_are_for_those_who_can_do_something(as_user, org, owner, editor, viewer):
    members = reverse("orgs:members", args=[org.slug])
    pages = [text(as_user(person).get(members)) for person in (owner, editor, viewer)]
    assert ['id="bulk"' in page for page in pages] == [True, True, False]
    assert [url("remove", org) in page for page in pages] == [True, False, False]
