"""Organizations that ask everyone for a second factor."""

from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from factories import (
    make_grant,
    make_key,
    make_member,
    make_org,
    make_service_account,
    make_tenant,
    make_user,
)

from orgs.access.gate import admits
from orgs.access.required_two_factor import closed_to, members_without
from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.access.decisions import may_connect
from tenants.credentials import devices
from tenants.credentials.models import DeviceLogin

NEEDED = "/settings/two-factor/for/acme-ai/"


def with_factor(person, kind="totp"):
    Authenticator.objects.create(user=person, type=kind, data={"name": "Laptop"})
    return person


@pytest.fixture
def asking(org, owner):
    with_factor(owner)
    org.requires_two_factor = True
    org.save()
    return org


@pytest.fixture
def switch(org):
    return reverse("orgs:two_factor", args=[org.slug])


# -- turning it on


@pytest.mark.parametrize("role", ["member", "viewer", "editor"])
def test_admins_alone_may_require_it(as_user, org, switch, role):
    assert as_user(with_factor(make_member(org, role))).post(switch, {"required": "yes"}).status_code == 403
    org.refresh_from_db()
    assert not org.requires_two_factor


def test_an_admin_without_it_cannot_require_it(as_user, org, owner, switch):
    with_factor(owner, "recovery_codes")  # which are no second factor
    as_user(owner).post(switch, {"required": "yes"})
    org.refresh_from_db()
    assert not org.requires_two_factor
    page = as_user(owner).get(reverse("orgs:settings", args=[org.slug])).content.decode()
    assert "Set it up for yourself first" in page
    assert 'value="yes"' not in page


def test_an_admin_with_it_requires_it_and_takes_it_back(as_user, org, owner, switch):
    client = as_user(with_factor(owner))
    client.post(switch, {"required": "yes"})
    org.refresh_from_db()
    assert org.requires_two_factor
    client.post(switch, {"required": "yes"})
    client.post(switch, {"required": "no"})
    org.refresh_from_db()
    assert not org.requires_two_factor
    rows = AuditEvent.objects.order_by("number").values_list("action", "actor", "organization")
    assert list(rows) == [
        ("organization.two_factor_required", owner.pk, org.pk),
        ("organization.two_factor_optional", owner.pk, org.pk),
    ]


def test_settings_tell_who_has_none(as_user, org, owner, member, viewer):
    with_factor(owner)
    with_factor(viewer, "webauthn")
    make_member(org, is_active=False)
    make_service_account(org)
    make_member(make_org("Elsewhere"), name="Otto")
    assert [membership.user for membership in members_without(org)] == [member]
    page = as_user(owner).get(reverse("orgs:settings", args=[org.slug])).content.decode()
    assert "1 person hasn’t set it up yet" in page
    assert "Dana Petrova." in page


# -- whoever has none


def test_an_outsider_gets_the_same_404_as_ever(as_user, asking, outsider):
    assert as_user(outsider).get(asking.get_absolute_url()).status_code == 404
    assert as_user(outsider).get(NEEDED).url == "/settings/two-factor/done/"


@pytest.mark.parametrize("name", ["orgs:home", "teams:list", "orgs:leave", "run_templates:org_list"])
def test_no_page_opens_and_the_way_back_is_remembered(as_user, asking, member, name):
    client = as_user(member)
    path = reverse(name, args=[asking.slug]) + "?q=1"
    assert client.get(path).url == NEEDED
    page = client.get(NEEDED).content.decode()
    assert "Acme AI requires two-factor sign-in" in page
    assert "/accounts/2fa/totp/activate/" in page
    with_factor(member)
    assert client.get(NEEDED).url == "/settings/two-factor/done/"
    assert client.get("/settings/two-factor/done/").url == path
    assert client.get(path).status_code == 200


def test_tenant_pages_are_shut_as_well(as_user, asking, member):
    tenant = make_tenant(asking)
    make_grant(tenant, member, "admin")
    path = reverse("tenants:overview", args=[asking.slug, tenant.slug])
    assert as_user(member).get(path).url == NEEDED
    assert as_user(with_factor(member)).get(path).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "rows"}])
def test_a_change_is_refused_and_recorded(as_user, asking, headers):
    admin = make_member(asking, "admin")
    client = as_user(admin)
    form = reverse("teams:create", args=[asking.slug])
    answer = client.post(form, {"label": "fraud"}, HTTP_REFERER=f"http://testserver{form}", **headers)
    assert (answer.get("Location") or answer.get("HX-Location", "")).find(NEEDED) >= 0
    assert not asking.teams.exists()
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.actor) == ("access.refused", "refused", admin)
    with_factor(admin)
    assert client.get("/settings/two-factor/done/").url == form


def test_a_foreign_referer_leads_home(as_user, asking, member):
    client = as_user(member)
    client.post(
        reverse("orgs:leave", args=[asking.slug]), HTTP_REFERER="https://evil.example/o/acme-ai/members/"
    )
    with_factor(member)
    assert client.get("/settings/two-factor/done/").url == asking.get_absolute_url()


def test_superusers_are_asked_too(as_user, asking, superuser):
    assert as_user(superuser).get(asking.get_absolute_url()).url == NEEDED
    assert as_user(with_factor(superuser)).get(asking.get_absolute_url()).status_code == 200


def test_people_who_remove_their_factor_are_out_at_the_next_request(as_user, asking, member):
    client = as_user(with_factor(member))
    assert client.get(asking.get_absolute_url()).status_code == 200
    Authenticator.objects.all().delete()
    assert client.get(asking.get_absolute_url()).url == NEEDED


def test_other_organizations_of_the_person_stay_open(as_user, asking, member):
    other = make_org("Open")
    make_member(other, user=member)
    assert as_user(member).get(other.get_absolute_url()).status_code == 200
    assert closed_to(member) == [asking]
    assert closed_to(with_factor(member)) == []


def test_an_open_organization_costs_no_query(org, member, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert admits(member, org)


# -- terminals and scripts


def test_no_computer_is_approved_for_its_tenants(as_user, asking, member):
    tenant = make_tenant(asking)
    make_grant(tenant, member, "developer")
    login = devices.ask(client_id=uuid4(), user_agent="Host/laptop", ip="127.0.0.1").login
    data = {"device_id": login.pk, "user_code": login.user_code}
    client = as_user(member)
    page = client.get(reverse("control_plane:device_verify"), data).content.decode()
    assert NEEDED in page
    client.post(
        reverse("control_plane:device_verify"), {**data, "answer": "approve", "tenant": str(tenant.pk)}
    )
    login.refresh_from_db()
    assert login.state == DeviceLogin.State.PENDING
    with pytest.raises(devices.NotAnswerable):
        devices.approve(login=login, tenant=tenant, trusted=False, by=Actor(member))
    devices.approve(login=login, tenant=tenant, trusted=False, by=Actor(with_factor(member)))


def test_no_one_enters_its_tenants_without(asking, member, superuser):
    tenant = make_tenant(asking)
    make_grant(tenant, member, "developer")
    robot = make_service_account(asking)
    make_grant(tenant, robot, "developer")
    assert [may_connect(who, tenant) for who in (member, superuser, robot)] == [False, False, True]
    with_factor(member, "webauthn")
    with_factor(superuser)
    assert [may_connect(who, tenant) for who in (member, superuser)] == [True, True]
    assert not may_connect(with_factor(make_user()), tenant)


def test_no_key_is_made_for_it(as_user, asking, member):
    tenant = make_tenant(asking)
    make_grant(tenant, member, "developer")
    client = as_user(member)
    for scope in (tenant, asking):
        data = {"label": "laptop", "tenant": str(scope.pk)}
        answer = client.post(reverse("control_plane:token_list"), data)
        assert answer.status_code == 422
    assert not member.api_keys.exists()
    assert NEEDED in client.get(reverse("control_plane:token_list")).content.decode()


def test_a_key_of_before_opens_nothing_of_it(client, asking, member):
    key = make_key(member)
    path = f"/api/v1/organizations/{asking.slug}"
    answer = client.get(path, HTTP_AUTHORIZATION=f"Bearer {key.secret}")
    assert answer.status_code == 403
    with_factor(member)
    assert client.get(path, HTTP_AUTHORIZATION=f"Bearer {key.secret}").status_code == 200
