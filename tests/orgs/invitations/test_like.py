"""Invite like a member: the form begins with what that member has, as far as the inviter may give it."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_team, make_tenant, make_user

from orgs.audit.models import AuditEvent
from tests.orgs.invitations.test_actions import make_inviter

from .test_views import url


def like(client, org, person):
    return client.get(url("create", org), {"like": person.membership.pk})


@pytest.fixture
def model(org, owner):
    person = make_member(org, "editor", name="Mia Model")
    person.team = make_team(org, "risk", members=[person])
    person.tenant = make_tenant(org, "production")
    make_grant(person.tenant, person, "developer")
    return person


def test_it_needs_the_right_to_see_people(as_user, org, model):
    inviter = make_inviter(org)
    assert like(as_user(inviter), org, model).status_code == 403
    assert not AuditEvent.objects.exists(), "a page that may not be read leaves no row"


def test_a_member_of_another_organization_is_not_found(as_user, org, owner):
    stranger = make_member(make_org("Other"))
    client = as_user(owner)
    assert like(client, org, stranger).status_code == 404
    for wrong in ("nonsense", "", make_user().pk):
        assert client.get(url("create", org), {"like": wrong}).status_code == 404


def test_nothing_is_chosen_that_the_inviter_may_not_give(as_user, org, model):
    make_team(org, "chiefs", members=[model], org_role="admin")
    weak = make_inviter(org, "member:view", "team:manage")
    response = like(as_user(weak), org, model)
    form = response.context["form"]
    assert response.context["left_out"] == [
        "The organization role: it can do more than you.",
        "Team chiefs: it can do more than you.",
    ]
    assert form["role"].value() == "member" and form["teams"].value() == [model.team.uuid]
    assert "production" not in response.content.decode(), "the inviter does not see that tenant"


def test_roles_on_tenants_that_the_inviter_sees_but_may_not_give_are_named(as_user, org, model):
    weak = make_inviter(org, "member:view")
    make_grant(model.tenant, weak, "viewer")
    response = like(as_user(weak), org, model)
    assert response.context["left_out"][1:] == [
        "Team risk: you can’t add people.",
        "Developer on production: you can't assign roles on tenants.",
    ]


def test_the_form_begins_with_all_the_member_has(as_user, org, owner, model):
    response = like(as_user(owner), org, model)
    form = response.context["form"]
    assert (form["role"].value(), form["teams"].value()) == ("editor", [model.team.uuid])
    assert form[f"tenant-{model.tenant.pk}"].value() == "developer"
    assert response.context["left_out"] == []
    page = response.content.decode()
    assert "Invite people like Mia Model" in page
    assert f'value="{model.team.uuid}" id="id_teams_0" checked' in page
    assert not org.invitations.exists()


def test_what_ends_and_second_roles_are_left_out(as_user, org, owner, model):
    other = make_tenant(org, "staging")
    make_grant(other, model, "viewer", expires_at=datetime(2099, 12, 1, tzinfo=UTC))
    make_grant(model.tenant, model, "admin")
    response = like(as_user(owner), org, model)
    assert response.context["left_out"] == [
        "Developer on production: only one role per tenant can be assigned here.",
        "Viewer on staging: it expires on 1 Dec 2099.",
    ]
    assert response.context["form"][f"tenant-{model.tenant.pk}"].value() == "admin"


def test_the_page_of_a_person_offers_it_to_those_who_invite(as_user, org, owner, editor, model):
    address = reverse("orgs:member_detail", args=[org.slug, model.membership.pk])
    offered = f"{url('create', org)}?like={model.membership.pk}"
    assert offered in as_user(owner).get(address).content.decode()
    assert offered not in as_user(editor).get(address).content.decode()
