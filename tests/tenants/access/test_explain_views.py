"""The pages that explain access: one's own, anybody's for those who manage members, and one question."""

from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_org, make_team, make_tenant, tenant_role

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Share, Tenant

ACCESS = {"HX-Request": "true", "HX-Target": "access"}
PEOPLE = {"HX-Request": "true", "HX-Target": "people"}


def question(org):
    return reverse("explain:question", args=[org.slug])


def person(user):
    membership = user.membership
    return reverse("explain:person", args=[membership.organization.slug, membership.pk])


def text(response):
    return " ".join(response.content.decode().split())


def asked(user, tenant, action="update", resource="pipeline", **more):
    return {"person": user.email, "action": action, "resource": resource, "tenant": tenant.slug, **more}


# Refusals


@pytest.mark.parametrize("role", ["member", "viewer", "editor"])
def test_nobody_asks_about_others_without_managing_members(org, member, tenant, as_user, role):
    client = as_user(make_member(org, role))
    assert client.get(question(org), asked(member, tenant)).status_code == 403
    assert client.get(question(org), {"person": "nobody@example.org"}).status_code == 403
    assert client.get(person(member)).status_code == 403
    suggested = client.get(question(org), {"person": member.name}, headers=PEOPLE)
    assert text(suggested) == '<datalist id="people"></datalist>'


def test_tenants_the_asker_does_not_see_are_unknown(org, member, tenant, as_user):
    response = as_user(member).get(question(org), asked(member, tenant))
    assert (response.status_code, response.context["told"]) == (200, None)
    assert "<option>production" not in text(response) and response.context["form"].tenants == {}


def test_people_of_elsewhere_are_unknown(org, owner, outsider, tenant, as_user):
    client = as_user(owner)
    response = client.get(question(org), asked(outsider, tenant))
    assert response.context["told"] is None
    assert "Invite them first" in text(response)
    assert (
        client.get(person(outsider).replace(outsider.membership.organization.slug, org.slug)).status_code
        == 404
    )


def test_someone_who_manages_members_learns_nothing_of_tenants_they_do_not_see(org, member, as_user):
    helper = org.roles.create(level="organization", slug="helper", name="Helper")
    helper.set_rights(["organization:view", "member:view", "member:manage"])
    seen, secret = make_tenant(org, "seen"), make_tenant(org, "secret")
    asker = make_member(org, "helper")
    make_grant(seen, asker, "viewer")
    for tenant in (seen, secret):
        make_grant(tenant, member, "developer")
    client = as_user(asker)
    assert [access.tenant for access in client.get(person(member)).context["accesses"]] == [seen]
    assert client.get(question(org), asked(member, secret)).context["told"] is None


def test_two_people_of_one_name_are_told_apart_by_address(org, owner, tenant, as_user):
    first = make_member(org, name="Dana Twin")
    make_member(org, name="Dana Twin")
    client = as_user(owner)
    response = client.get(question(org), asked(first, tenant) | {"person": "dana"})
    assert "Several people" in text(response)
    assert client.get(question(org), asked(first, tenant)).context["told"].question.user == first


@pytest.mark.parametrize(
    "odd",
    [{"action": "fly"}, {"resource": "dragon"}, {"tenant": "nowhere"}, {"object": "7"}],
)
def test_odd_questions_get_no_answer(org, owner, member, tenant, as_user, odd):
    response = as_user(owner).get(question(org), asked(member, tenant) | odd)
    assert (response.status_code, response.context["told"]) == (200, None)


# The question


def test_yes_with_its_path(org, owner, member, tenant, as_user):
    make_grant(tenant, make_team(org, "ml-eng", members=[member]), "developer")
    page = text(as_user(owner).get(question(org), asked(member, tenant)))
    assert "Yes, Dana Petrova can update pipelines in production" in page
    assert "Through team ml-eng: Developer can update pipelines." in page


def test_no_with_the_one_change_and_a_prefilled_form(org, owner, member, tenant, as_user):
    response = as_user(owner).get(question(org), asked(member, tenant))
    [way] = response.context["ways"]
    assert way.words == "Give Dana Petrova the Developer role on production."
    assert f"holder=person%3A{member.membership.pk}&role={tenant_role(org, 'developer').pk}" in way.url
    form = as_user(owner).get(way.url)
    assert (form.status_code, f"person:{member.membership.pk}" in text(form)) == (200, True)


def test_who_may_not_give_roles_gets_the_sentence_without_the_button(org, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    response = as_user(member).get(question(org), asked(member, tenant))
    [way] = response.context["ways"]
    assert (way.words, way.url) == ("Give Dana Petrova the Developer role on production.", "")
    assert "Not directly: Viewer can’t update pipelines." in text(response)


def test_other_changes_lead_to_where_they_are_made(org, owner, superuser, member, tenant, as_user):
    own, other = make_team(org, "ml-eng", members=[member]), make_team(org, "risk-ml")
    make_grant(tenant, other, "admin")
    ways = as_user(owner).get(question(org), asked(member, tenant)).context["ways"]
    assert [way.words for way in ways] == [
        "Give Dana Petrova the Developer role on production.",
        "Give team ml-eng the Developer role on production. Everyone in the team gets it.",
        "Add Dana Petrova to team risk-ml, which has the Admin role on production.",
    ]
    assert f"team%3A{own.uuid}" in ways[1].url and ways[2].url == other.get_absolute_url()
    member.is_active = False
    member.save()
    first = {
        user: as_user(user).get(question(org), asked(member, tenant)).context["first"][0].url
        for user in (owner, superuser)
    }
    assert first == {owner: "", superuser: reverse("admin:users_user_change", args=[member.pk])}


def test_what_is_shared_is_asked_by_its_id(org, owner, member, tenant, as_user):
    one = uuid4()
    facts = {"resource_type": "pipeline", "resource_id": one, "action": "update", "shared_by": owner}
    Share.objects.create(tenant=tenant, membership=member.membership, **facts)
    client = as_user(owner)
    assert not client.get(question(org), asked(member, tenant)).context["told"].yes
    page = text(client.get(question(org), asked(member, tenant, object=one)))
    assert "Shared with Dana Petrova by Ada Okafor." in page


def test_a_tenant_that_is_off_and_a_role_that_is_over_are_said(org, owner, member, tenant, as_user):
    make_grant(tenant, member, "admin", expires_at=timezone.now() - timedelta(days=1))
    Tenant.objects.filter(pk=tenant.pk).update(desired_state="deactivated")
    page = text(as_user(owner).get(question(org), asked(member, tenant)))
    assert "production is deactivated." in page and "Admin has expired." in page


def test_who_lacks_the_second_factor_is_told(org, owner, member, tenant, as_user):
    Authenticator.objects.create(user=owner, type=Authenticator.Type.TOTP, data={})
    org.requires_two_factor = True
    org.save()
    page = text(as_user(owner).get(question(org), asked(member, tenant)))
    assert "Acme AI requires two-factor sign-in, and it is not set up." in page
    page = text(as_user(owner).get(question(org), asked(owner, tenant)))
    assert "requires two-factor sign-in" not in page


def test_superusers_and_rights_that_do_not_exist_are_explained(org, owner, superuser, tenant, as_user):
    make_member(org, user=superuser)
    client = as_user(superuser)
    assert "Superusers can do everything." in text(client.get(question(org), asked(superuser, tenant)))
    page = text(client.get(question(org), asked(owner, tenant, "promote", "pipeline")))
    assert "There is no such right" in page


def test_the_form_comes_filled_for_a_person_and_suggests_people(org, owner, member, tenant, as_user):
    client = as_user(owner)
    page = text(client.get(question(org), {"person": member.email}))
    assert f'value="{member.email}"' in page and "Yes, " not in page
    options = client.get(question(org), {"person": "petro"}, headers=PEOPLE)
    assert (
        text(options)
        == f'<datalist id="people"><option value="{member.email}">Dana Petrova</option></datalist>'
    )


def test_a_member_without_tenants_is_told_so(org, member, as_user):
    page = text(as_user(member).get(question(org)))
    assert "What can I do?" in page and "No tenant to ask about" in page


# A person


def test_a_member_sees_their_own_access_in_full(org, member, tenant, as_user):
    make_grant(tenant, make_team(org, "ml-eng", members=[member]), "developer")
    make_key(member)
    client = as_user(member)
    own = member.membership.get_absolute_url()
    page = text(client.get(own))
    assert person(member) in page and "Members</a>" not in page and "1 session" in page
    AuditEvent.objects.record("team.created", org, by=Actor(member), organization=org)
    assert "created team" in text(client.get(own))
    answer = client.get(person(member), headers=ACCESS)
    page = text(answer)
    assert 'id="access"' in page and "<html" not in page
    assert "team ml-eng → Developer" in page and "Read, create, update, share" in page
    assert (answer.context["keys"].keys, reverse("control_plane:token_list") in page) == (1, True)


def test_an_admin_sees_everybodys_access_without_their_keys_links(org, owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer", expires_at=timezone.now() + timedelta(days=2))
    page = text(as_user(owner).get(person(member)))
    assert "direct role Viewer" in page and "until" in page
    assert reverse("control_plane:token_list") not in page


def test_a_viewer_sees_a_colleague_but_not_their_access_or_sessions(org, viewer, member, as_user):
    page = text(as_user(viewer).get(member.membership.get_absolute_url()))
    assert "Dana Petrova" in page
    assert person(member) not in page and "Signing in" not in page


def test_an_admin_without_a_role_manages_and_nothing_more(org, owner, tenant, as_user):
    [access] = as_user(owner).get(person(owner)).context["accesses"]
    groups = {group.name: [line.words for line in group.lines] for group in access.groups}
    assert groups.pop("The tenant itself") == ["Everything"]
    assert not any(groups.values())


def test_somebody_deactivated_may_nothing(org, owner, member, tenant, as_user):
    make_grant(tenant, member, "viewer")
    member.is_active = False
    member.save()
    response = as_user(owner).get(person(member))
    assert list(response.context["accesses"]) == []
    assert "This account is deactivated" in text(response)


def test_access_has_pages_and_the_same_queries_for_more_tenants(
    org, owner, member, as_user, count_queries, monkeypatch
):
    client, numbers = as_user(owner), []
    for _ in range(3):
        make_grant(make_tenant(org), member, "viewer")
        numbers.append(count_queries(lambda: client.get(person(member))))
    assert numbers == [numbers[0]] * 3
    monkeypatch.setattr("tenants.access.explain.views.TENANTS", 2)
    assert len(client.get(person(member), {"page": 2}).context["accesses"]) == 1


def test_the_persons_page_needs_the_same_queries_for_more_tenants(org, owner, member, as_user, count_queries):
    client, numbers = as_user(owner), []
    for _ in range(3):
        make_grant(make_tenant(org), make_team(org, members=[member]), "viewer")
        numbers.append(count_queries(lambda: client.get(member.membership.get_absolute_url())))
    assert numbers == [numbers[0]] * 3


def test_a_person_of_another_organization_is_not_found(owner, as_user):
    stranger = make_member(make_org("Globex"))
    path = reverse("explain:person", args=[owner.membership.organization.slug, stranger.membership.pk])
    assert as_user(owner).get(path).status_code == 404
