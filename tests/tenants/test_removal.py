"""Removed and deactivated people: what they hold stops at the next request, here and at the tenants' doors."""

from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone
from factories import PASSWORD, make_grant, make_key, make_member, make_service_account, make_tenant

from orgs.audit.models import AuditEvent
from orgs.members import actions
from orgs.users import actions as person_actions
from orgs.users.models import Actor
from tenants.agent import chores
from tenants.credentials import devices, keys
from tenants.credentials.models import AccessToken, DeviceLogin
from tenants.models import TenantAccount

LIFETIME = timedelta(minutes=5)


@pytest.fixture
def tenant(org):
    return make_tenant(org)


@pytest.fixture
def person(org, tenant):
    """A member with a role on the tenant."""
    user = make_member(org, name="Dana Petrova")
    make_grant(tenant, user, "developer")
    return user


def remove(person, owner):
    actions.remove_member(membership=person.membership, by=Actor(owner))


def deactivate(person, owner):
    person_actions.deactivate_person(person=person, by=Actor(owner))


ENDS = pytest.mark.parametrize("end", [remove, deactivate])


def device_token(person, tenant) -> str:
    asked = devices.ask(client_id=uuid4(), user_agent="Host/laptop ZenML/0.98.0", ip="127.0.0.1")
    devices.approve(login=asked.login, tenant=tenant, trusted=True, by=Actor(person))
    return devices.collect(device_code=asked.device_code, client_id=asked.login.client_id)[0]


def enter(client, token, tenant) -> int:
    """What the tenant's server asks when somebody comes with this token (protocol §3.4)."""
    address = f"/api/users/authorize_server?server_id={tenant.pk}"
    return client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_removed_member_finds_nothing_of_the_organization(client, as_user, org, tenant, person, owner):
    home, page = as_user(person), reverse("tenants:overview", args=[org.slug, tenant.slug])
    assert home.get(org.get_absolute_url()).status_code == home.get(page).status_code == 200
    remove(person, owner)
    for path in (org.get_absolute_url(), page, reverse("teams:list", args=[org.slug])):
        assert home.get(path).status_code == 404
    assert home.get(reverse("home")).url == reverse("users:no_organization"), "They are still signed in."


def test_the_session_of_a_deactivated_person_ends(as_user, org, person, owner):
    home = as_user(person)
    assert home.get(org.get_absolute_url()).status_code == 200
    deactivate(person, owner)
    for path in (org.get_absolute_url(), reverse("users:settings"), reverse("home")):
        assert home.get(path).url.startswith(reverse("account_login"))
    address = {"login": person.email, "password": PASSWORD}
    assert home.post(reverse("account_login"), address).url == reverse("account_inactive")


def test_a_session_from_before_does_not_come_back_with_the_person(as_user, person, owner, superuser):
    home = as_user(person)
    deactivate(person, owner)
    type(person).objects.filter(pk=person.pk).update(is_active=True)
    assert home.get(reverse("users:settings")).url.startswith(reverse("account_login"))


@ENDS
def test_tokens_do_not_open_the_tenant_any_more(end, client, tenant, person, owner):
    key = make_key(person, tenant=tenant)
    tokens = {
        "device": device_token(person, tenant),
        "key": keys.exchange(secret=key.secret)[0],
        "pages": AccessToken.objects.issue(kind="user", user=person, tenant=tenant, lifetime=LIFETIME),
    }
    assert {name: enter(client, token, tenant) for name, token in tokens.items()} == dict.fromkeys(
        tokens, 200
    )
    end(person, owner)
    refused = 403 if end is remove else 401
    assert {name: enter(client, token, tenant) for name, token in tokens.items()} == dict.fromkeys(
        tokens, refused
    )
    listed = client.get("/api/workspaces", headers={"Authorization": f"Bearer {tokens['device']}"})
    assert listed.status_code == 401 or listed.json() == []
    again = keys.exchange(secret=key.secret)
    assert again is None or enter(client, again[0], tenant) == 403


def test_only_who_is_let_in_gets_an_account(client, tenant, person, outsider):
    token = AccessToken.objects.issue(kind="user", user=outsider, lifetime=LIFETIME)
    assert enter(client, token, tenant) == 403 and not TenantAccount.objects.exists()
    token = AccessToken.objects.issue(kind="user", user=person, lifetime=LIFETIME)
    assert enter(client, token, tenant) == 200
    assert TenantAccount.objects.get().user == person
    TenantAccount.objects.update(cut_at=timezone.now())
    assert enter(client, token, tenant) == 200
    assert TenantAccount.objects.get().cut_at is None, "Open again."


def test_tokens_of_before_stay_dead_when_they_come_back(client, org, tenant, person, owner):
    key, token = make_key(person, tenant=tenant), device_token(person, tenant)
    elsewhere = make_key(person)
    own = keys.exchange(secret=key.secret)[0]
    assert chores.end_tokens_of_the_gone() == 0
    remove(person, owner)
    assert chores.end_tokens_of_the_gone() == 3
    make_member(org, user=person)
    make_grant(tenant, person)
    assert (enter(client, token, tenant), enter(client, own, tenant)) == (401, 401)
    assert keys.exchange(secret=key.secret) is None
    assert keys.exchange(secret=elsewhere.secret), "A key that is bound to nothing stays the person's own."
    assert DeviceLogin.objects.count() == 1


def test_a_key_of_an_organization_stays_dead_when_its_person_comes_back(client, org, tenant, person, owner):
    key = make_key(person, organization=org)
    token = keys.exchange(secret=key.secret)[0]
    assert enter(client, token, tenant) == 200
    assert chores.end_tokens_of_the_gone() == 0
    remove(person, owner)
    assert chores.end_tokens_of_the_gone() == 2
    make_member(org, user=person)
    make_grant(tenant, person)
    assert enter(client, token, tenant) == 401
    assert keys.exchange(secret=key.secret) is None


def test_tokens_of_a_deactivated_person_are_deleted_and_others_stay(tenant, person, owner, superuser):
    robot = make_service_account(tenant.organization)
    for user in (person, robot, superuser):
        AccessToken.objects.issue(kind="user", user=user, tenant=tenant, lifetime=LIFETIME)
    AccessToken.objects.issue(kind="server", tenant=tenant, lifetime=LIFETIME)
    deactivate(person, owner)
    assert chores.end_tokens_of_the_gone() == 1
    assert set(AccessToken.objects.values_list("user", flat=True)) == {robot.pk, superuser.pk, None}


def test_one_chore_that_fails_does_not_stop_the_others(db, monkeypatch):
    class Stop:
        rounds = 0

        def is_set(self):
            self.rounds += 1
            return self.rounds > 2

        def wait(self, seconds):
            pass

    def fails():
        raise ValueError

    done = []
    monkeypatch.setattr(chores, "plan", lambda: [(0, fails), (60, lambda: done.append("rare"))])
    chores.run_forever(Stop())
    assert done == ["rare"]


def test_a_removal_is_one_row(person, owner):
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    remove(person, owner)
    assert [event.action for event in AuditEvent.objects.all()] == ["member.removed"]
