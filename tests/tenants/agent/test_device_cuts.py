"""What was opened with `zenml login` ends when the computer is signed out. With a server: test_cuts_zenml."""

# ruff: noqa: F811 - fixtures

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_member, make_tenant

from orgs.users.models import Actor
from tenants.agent import chores
from tenants.agent.key_cuts import KeyCuts
from tenants.credentials import devices
from tenants.credentials.models import AccessToken, DeviceEntry, DeviceLogin
from tenants.hosting.elsewhere.actions import enroll
from tenants.models import Tenant

from .test_cuts import LOGIN_TIME, Inside, hosted  # noqa: F401 - the fixture


def sign_in(tenant, person):
    """A computer that is signed in as the person; its token is `token`."""
    asked = devices.ask(client_id=uuid4(), user_agent="Host/laptop", ip=None)
    devices.approve(login=asked.login, tenant=tenant, trusted=False, by=Actor(person))
    token, login, _ = devices.collect(device_code=asked.device_code, client_id=asked.login.client_id)
    login.token = token
    return login


def come_in(tenant, inside, login) -> None:
    """Over the wire, as the client and the tenant's server do it together."""
    headers = {"Authorization": f"Bearer {login.token}"}
    path = f"/api/users/authorize_server?server_id={tenant.pk}"
    assert Client().get(path, headers=headers).status_code == 200
    inside.let_in(tenant, login.user)


def sign_out(login):
    devices.sign_out(login=login, by=Actor(login.user))


def long_ago():
    then = timezone.now() - LOGIN_TIME - timedelta(seconds=1)
    DeviceEntry.objects.update(entered_at=then)
    DeviceEntry.objects.exclude(cut_at=None).update(cut_at=then)


@pytest.fixture
def person(hosted, member):
    make_grant(hosted[0], member, "developer")
    return member


@pytest.fixture
def laptop(hosted, person):
    login = sign_in(hosted[0], person)
    come_in(*hosted, login)
    return login


def test_the_account_is_signed_out_and_nobody_else(hosted, person, laptop):
    tenant, inside = hosted
    other = make_member(tenant.organization)
    make_grant(tenant, other)
    inside.let_in(tenant, other)
    cut = KeyCuts()
    assert cut() == 0 and len(inside.active()) == 2
    sign_out(laptop)
    assert cut() == 1 and inside.active() == {other.username}
    [(ended,)] = inside.run("SELECT password_changed_at FROM user WHERE active = 0")
    assert ended, "Tokens from before stay dead when they come back."


def test_another_computer_comes_back_and_stays(hosted, person, laptop):
    tenant, inside = hosted
    other, cut = sign_in(tenant, person), KeyCuts()
    come_in(tenant, inside, other)
    long_ago()
    sign_out(laptop)
    assert cut() == 1 and inside.active() == set()
    come_in(tenant, inside, other)  # its client does so by itself
    assert cut() == 0 and inside.active() == {person.username}
    assert DeviceEntry.objects.get().device == other


def test_a_sign_in_under_way_is_cut_as_well_and_then_it_is_done(hosted, laptop):
    _, inside = hosted
    cut = KeyCuts()
    sign_out(laptop)
    assert cut() == 1
    inside.run("UPDATE user SET active = 1")  # the server writes what we said before
    assert cut() == 0, "Not all the time: another computer may have come in."
    long_ago()
    assert cut() == 1 and inside.active() == set()
    assert cut() == 0 and not DeviceEntry.objects.exists()


def test_an_entry_that_is_noted_after_the_sign_out_is_cut(hosted, laptop):
    """We said yes just before; its row is written just after."""
    tenant, inside = hosted
    sign_out(laptop)
    long_ago()
    cut = KeyCuts()
    assert cut() == 1
    DeviceEntry.objects.note(laptop.pk, tenant)
    inside.let_in(tenant, laptop.user)
    assert cut() == 1 and inside.active() == set()


def test_a_tenant_that_it_did_not_enter_is_left_alone(hosted, person, laptop):
    tenant, _ = hosted
    second = make_tenant(tenant.organization)
    inside = Inside(second)
    make_grant(second, person)
    inside.let_in(second, person)
    sign_out(laptop)
    assert KeyCuts()() == 1 and inside.active() == {person.username}


def test_the_agent_may_be_away_while_others_sign_in(hosted, person, laptop):
    """Requests clear old rows away; this one is still needed."""
    tenant, inside = hosted
    sign_out(laptop)
    DeviceLogin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    sign_in(tenant, person)
    assert KeyCuts()() == 1 and inside.active() == set()
    long_ago()
    KeyCuts()()
    sign_in(tenant, person)
    assert not DeviceLogin.objects.filter(pk=laptop.pk).exists()


def test_a_database_that_is_away_is_tried_again(hosted, laptop):
    _, inside = hosted
    away = inside.path.rename(inside.path.with_suffix(".away"))
    sign_out(laptop)
    old = KeyCuts()
    assert old() == 0 and old() == 0
    away.rename(inside.path)
    assert KeyCuts()() == 1 and inside.active() == set()


def test_a_sign_in_whose_day_is_over_ends_nothing_else(hosted, person, laptop):
    """It ends by itself every day; schedules and runs of days would end with it."""
    tenant, inside = hosted
    AccessToken.objects.update(expires_at=timezone.now())
    DeviceLogin.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert KeyCuts()() == 0 and inside.active() == {person.username}
    chores.forget_expired_tokens()
    sign_in(tenant, person)
    assert not DeviceEntry.objects.exists(), "Nothing is kept of it."


@pytest.mark.parametrize("state", ["deleted", "elsewhere"])
def test_where_nothing_can_be_done_it_is_forgotten(hosted, owner, laptop, state):
    tenant, _ = hosted
    if state == "deleted":
        Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())
    else:
        words = {
            "org": tenant.organization,
            "name": "x",
            "slug": "x",
            "version": "0.98.0",
            "by": Actor(owner),
        }
        DeviceEntry.objects.update(tenant=enroll(server_url="https://x.test", **words))
    sign_out(laptop)
    assert KeyCuts()() == 0 and not DeviceEntry.objects.exists()


def test_it_asks_as_often_for_many_as_for_one(hosted, person, laptop, django_assert_num_queries):
    cut = KeyCuts()
    for _ in range(4):
        come_in(*hosted, sign_in(hosted[0], person))
    with django_assert_num_queries(4):
        assert cut() == 0


def test_the_page_says_what_ends_before_they_click(hosted, person, laptop, as_user):
    client = as_user(person)
    assert "ends what your account has open in the tenants" in client.get("/settings/devices/").text
    client.post(f"/settings/devices/{laptop.pk}/sign-out/")
    assert KeyCuts()() == 1 and hosted[1].active() == set()
    assert "ends everything" not in client.get("/settings/devices/").text
