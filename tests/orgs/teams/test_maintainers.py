"""Maintainers manage the members of their team, and nothing else."""

import pytest
from django.urls import reverse
from factories import (
    make_grant,
    make_member,
    make_org,
    make_role,
    make_service_account,
    make_team,
    make_tenant,
    make_user,
)

from orgs.access.gate import permissions_of
from orgs.audit.models import AuditEvent
from orgs.members.actions import change_role, leave, remove_member
from orgs.permissions import Permission
from orgs.teams import actions
from orgs.teams.access import is_maintainer, manages_members
from orgs.teams.models import Team
from orgs.users.models import Actor
from tenants.access.gate import can
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.refusals import Refused


def url(name, team, *people):
    args = [team.organization.slug, team.uuid, *(person.membership.pk for person in people)]
    return reverse(f"teams:{name}", args=args)


HTMX = {"HX-Request": "true", "HX-Target": "members"}


@pytest.fixture
def team(org, member):
    """Dana, an organization Member, maintains it."""
    team = make_team(org, "risk-ml", members=[member], org_role="viewer")
    team.maintainers.add(member.membership)
    make_grant(make_tenant(org, "production"), team, "developer")
    return team


@pytest.fixture
def other(org):
    return make_team(org, "chiefs", org_role="admin")


def rows():
    return list(AuditEvent.objects.order_by("id").values_list("action", "outcome"))


# Refusals


def test_a_maintainer_cannot_touch_another_team(team, other, org, member, as_user):
    person = make_member(org)
    for user in (member, person):
        with pytest.raises(Refused, match="don't manage"):
            actions.add_member(team=other, user=user, by=Actor(member))
    client = as_user(member)
    assert client.post(url("member_add", other), {"membership": member.membership.pk}).status_code == 403
    other.user_set.add(person)
    with pytest.raises(Refused):
        actions.remove_member(team=other, user=person, by=Actor(member))
    assert client.post(url("member_remove", other, person)).status_code == 403
    assert list(other.user_set.all()) == [person]


def test_a_maintainer_does_not_see_another_team_without_the_right(org, member, as_user):
    mine, hidden = make_team(org, members=[member]), make_team(org)
    mine.maintainers.add(member.membership)
    client, person = as_user(member), make_member(org)
    assert client.post(url("member_add", hidden), {"membership": person.membership.pk}).status_code == 404
    assert not hidden.user_set.exists() and not AuditEvent.objects.exists()


@pytest.mark.parametrize("name", ["edit", "delete"])
def test_a_maintainer_can_neither_edit_nor_delete_the_team(team, member, as_user, name):
    data = {"label": "mine", "description": "", "org_role": "admin"}
    assert as_user(member).post(url(name, team), data).status_code == 403
    assert (Team.objects.get().label, Team.objects.get().org_role) == ("risk-ml", "viewer")
    assert rows() == [("access.refused", "refused")]


@pytest.mark.parametrize("name", ["maintainer_add", "maintainer_remove"])
def test_a_maintainer_cannot_appoint_or_dismiss_maintainers(team, org, member, as_user, name):
    person = make_member(org)
    team.user_set.add(person)
    if name == "maintainer_remove":
        team.maintainers.add(person.membership)
    before = set(team.maintainers.all())
    assert as_user(member).post(url(name, team, person)).status_code == 403
    assert set(team.maintainers.all()) == before


def test_a_maintainer_cannot_give_the_team_a_role_on_a_tenant(team, org, member, as_user):
    tenant = org.tenants.get()
    role = org.roles.get(level="tenant", slug="admin")
    address = reverse("tenants:grant_give", args=[org.slug, tenant.slug])
    as_user(member).post(address, {"holder": f"team:{team.uuid}", "role": role.pk})
    assert [grant.role.slug for grant in team.tenant_grants.all()] == ["developer"]


def test_the_rights_of_a_maintainer_stay_as_they_were(team, org, member):
    before = permissions_of(member, org)
    with pytest.raises(Refused, match="You can't give yourself roles"):
        actions.add_member(team=team, user=member, by=Actor(member))
    assert permissions_of(member, org) == before
    assert Permission.TEAM_MANAGE not in before and not AuditEvent.objects.exists()


def test_a_plain_member_of_the_team_cannot_manage_members(team, org, as_user):
    plain, person = make_member(org), make_member(org)
    team.user_set.add(plain)
    response = as_user(plain).post(url("member_add", team), {"membership": person.membership.pk})
    assert response.status_code == 403
    page = as_user(plain).get(team.get_absolute_url()).content.decode()
    assert "Find people to add" not in page and "Remove " not in page
    with pytest.raises(Refused, match="don't manage"):
        actions.add_member(team=team, user=person, by=Actor(plain))
    assert person not in team.user_set.all()


def test_outsiders_are_refused(team, member, outsider, as_user):
    with pytest.raises(Refused, match="is not in Acme AI"):
        actions.add_member(team=team, user=outsider, by=Actor(member))
    as_user(member).post(url("member_add", team), {"membership": outsider.membership.pk})
    assert list(team.user_set.all()) == [member]


def test_who_is_no_longer_in_the_team_maintains_it_no_longer(team, org, owner, member, as_user):
    person = make_member(org)
    actions.remove_member(team=team, user=member, by=Actor(owner))
    assert not team.maintainers.exists()
    team.maintainers.add(member.membership)  # even if the row were left
    assert not is_maintainer(member, team)
    assert not manages_members(member, team, permissions_of(member, org))
    with pytest.raises(Refused):
        actions.add_member(team=team, user=person, by=Actor(member))
    assert (
        as_user(member).post(url("member_add", team), {"membership": person.membership.pk}).status_code == 404
    )


@pytest.mark.parametrize("end", ["removed", "left", "deactivated"])
def test_who_leaves_the_organization_maintains_nothing(team, org, owner, member, end):
    if end == "removed":
        remove_member(membership=member.membership, by=Actor(owner))
    elif end == "left":
        leave(membership=member.membership, by=Actor(member))
    else:
        member.is_active = False
        member.save()
    assert not manages_members(member, team, permissions_of(member, org))
    assert team.maintainers.exists() is (end == "deactivated")


def test_who_comes_back_maintains_nothing(team, org, owner, member):
    remove_member(membership=member.membership, by=Actor(owner))
    again = make_member(org, user=member)
    team.user_set.add(again)
    assert not is_maintainer(again, team)


def test_only_people_of_the_team_become_maintainers(team, org, owner):
    robot, person = make_service_account(org), make_member(org)
    team.user_set.add(robot)
    with pytest.raises(Refused, match="service account"):
        actions.add_maintainer(team=team, user=robot, by=Actor(owner))
    with pytest.raises(Refused, match="is not in risk-ml"):
        actions.add_maintainer(team=team, user=person, by=Actor(owner))
    assert team.maintainers.count() == 1


def test_an_editor_cannot_appoint_maintainers_in_a_stronger_team(other, org, editor):
    person = make_member(org)
    other.user_set.add(person)
    for action in (actions.add_maintainer, actions.remove_maintainer):
        with pytest.raises(Refused, match="can do more than you"):
            action(team=other, user=person, by=Actor(editor))
    assert not other.maintainers.exists()


def test_who_is_not_in_the_team_cannot_be_appointed_on_the_page(team, org, owner, as_user):
    before = set(team.maintainers.all())
    assert as_user(owner).post(url("maintainer_add", team, make_member(org))).status_code == 404
    assert set(team.maintainers.all()) == before


def test_a_mere_member_searches_people_with_two_letters(team, org, viewer, member, as_user):
    Team.objects.update(org_role="")
    client = as_user(member)
    for search, found in (("", None), ("c", None), ("ch", [viewer])):
        offered = client.get(team.get_absolute_url(), {"q": search}).context["offered"]
        assert (offered and [one.user for one in offered]) == found


# What they do


def test_a_maintainer_adds_and_removes_people_and_service_accounts(team, org, member, viewer, as_user):
    robot, client = make_service_account(org, "ci"), as_user(member)
    for person in (viewer, robot):
        page = client.post(url("member_add", team), {"membership": person.membership.pk}, headers=HTMX)
        assert f"{person} is now in risk-ml" in page.content.decode()
    assert can(viewer, TenantPermission.TEMPLATE_RUN, org.tenants.get()), "the team's roles are meant"
    client.post(url("member_remove", team, viewer))
    assert set(team.user_set.all()) == {member, robot}
    assert [action for action, _ in rows()] == ["team.member_added"] * 2 + ["team.member_removed"]


def test_the_page_of_a_maintainer_has_the_buttons_they_can_use(team, member, as_user):
    client = as_user(member)
    page = client.get(team.get_absolute_url()).content.decode()
    assert "Find people to add" in page and "Remove Dana Petrova" in page
    assert "Make maintainer" not in page and "Remove as maintainer" not in page and ">Edit<" not in page
    assert (
        "You’re a maintainer"
        in client.get(reverse("teams:list", args=[team.organization.slug])).content.decode()
    )


def test_the_team_of_a_maintainer_may_give_the_role_they_have_only_through_it(org, owner, member):
    team = make_team(org, members=[member], org_role="editor")
    actions.add_maintainer(team=team, user=member, by=Actor(owner))
    person = make_member(org)
    actions.add_member(team=team, user=person, by=Actor(member))
    assert Permission.TEAM_MANAGE in permissions_of(person, org)


def test_an_admin_appoints_and_dismisses(team, org, owner, as_user):
    person = make_member(org, name="Hugo")
    team.user_set.add(person)
    client = as_user(owner)
    page = client.post(url("maintainer_add", team, person), headers=HTMX).content.decode()
    assert "Hugo now maintains risk-ml" in page and page.count("Remove as maintainer") == 2
    client.post(url("maintainer_add", team, person))
    assert team.maintainers.count() == 2
    response = client.post(url("maintainer_remove", team, person))
    assert response.url == team.get_absolute_url()
    client.post(url("maintainer_remove", team, person))
    assert team.maintainers.count() == 1
    assert [action for action, _ in rows()] == ["team.maintainer_added", "team.maintainer_removed"]


def test_the_last_maintainer_who_goes_is_told(team, org, owner, member, as_user):
    second = make_member(org, name="Hugo")
    team.user_set.add(second)
    team.maintainers.add(second.membership)
    client = as_user(owner)
    page = client.post(url("member_remove", team, second), headers=HTMX).content.decode()
    assert "is no longer in risk-ml." in page and "now has no maintainer" not in page
    page = client.post(url("member_remove", team, member), headers=HTMX).content.decode()
    assert "It now has no maintainer." in page


def test_a_maintainer_who_leaves_the_team_comes_to_the_list(team, member, as_user):
    response = as_user(member).post(url("member_remove", team, member))
    assert response.url == reverse("teams:list", args=[team.organization.slug])
    assert not team.user_set.exists() and not team.maintainers.exists()


def test_an_admin_through_a_team_is_not_the_admin_an_organization_needs(org, owner, member):
    """A maintainer of that team could remove them again: only people who are Admin directly count."""
    team = make_team(org, members=[member], org_role="admin")
    team.maintainers.add(member.membership)
    admin, viewer_role = (org.roles.get(level="organization", slug=slug) for slug in ("admin", "viewer"))
    assert permissions_of(member, org) == frozenset(Permission)
    with pytest.raises(Refused, match="needs an Admin"):
        change_role(membership=owner.membership, role=viewer_role, by=Actor(member))
    with pytest.raises(Refused, match="needs an Admin"):
        remove_member(membership=owner.membership, by=Actor(member))
    owner.membership.refresh_from_db()
    assert owner.membership.role == "admin"
    change_role(membership=make_member(org).membership, role=admin, by=Actor(member))
    change_role(membership=owner.membership, role=viewer_role, by=Actor(member))
    assert org.memberships.get(user=owner).role == "viewer"


def test_a_superuser_manages_every_team(team, org):
    person = make_member(org)
    actions.add_member(team=team, user=person, by=Actor(make_user(superuser=True)))
    assert person in team.user_set.all()


# The role of the team in its form


def choices(client, team):
    form = client.get(url("edit", team)).context["form"]
    return [slug for slug, _ in form.fields["org_role"].choices] if "org_role" in form.fields else None


def test_the_form_offers_roles_that_the_person_may_give(org, owner, as_user):
    lead = make_role(org, "Lead", level="organization", rights=["member:manage", "team:manage"])
    team, strong = make_team(org, org_role="viewer"), make_team(org, org_role="admin")
    assert choices(as_user(owner), team) == ["", "admin", "editor", "viewer", "member", "lead"]
    person = make_member(org, lead.slug)
    assert "admin" not in choices(as_user(person), make_team(org)) and "lead" in choices(
        as_user(person), make_team(org)
    )
    assert choices(as_user(person), strong) is None
    client = as_user(person)
    client.post(url("edit", strong), {"label": "renamed", "org_role": ""})
    strong.refresh_from_db()
    assert (strong.label, strong.org_role) == ("renamed", "admin")
    response = client.post(url("edit", make_team(org, "plain")), {"label": "plain", "org_role": "admin"})
    assert response.status_code == 422
    assert Team.objects.get(label="plain").org_role == ""


def test_teams_of_another_organization_are_not_counted_as_maintained(org, member, as_user):
    other = make_org("Other")
    again = make_member(other, user=make_user())
    theirs = make_team(other, members=[again])
    theirs.maintainers.add(again.membership)
    assert not manages_members(member, theirs, permissions_of(member, other))
