"""What was signed in with a key ends with it, inside tenants as well. With a server: test_cuts_zenml."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_service_account, make_tenant

from orgs.users.models import Actor
from tenants.agent import chores
from tenants.agent.key_cuts import KeyCuts
from tenants.credentials import keys
from tenants.credentials.models import AccessToken, KeyEntry
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant, TenantAccount, TenantMove

from .test_cuts import LOGIN_TIME, Inside, hosted  # noqa: F401 - the fixture


def come_in(hosted, key) -> None:  # noqa: F811
    """Sign in with the key, over the wire, as a client and the tenant's server do it together."""
    tenant, inside = hosted
    answer = Client().post("/api/auth/login", {"password": key.secret})
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    path = f"/api/users/authorize_server?server_id={tenant.pk}"
    assert Client().get(path, headers=headers).status_code == 200
    inside.let_in(tenant, key.user)


def long_ago():
    then = timezone.now() - LOGIN_TIME - timedelta(seconds=1)
    KeyEntry.objects.update(entered_at=then)
    KeyEntry.objects.exclude(cut_at=None).update(cut_at=then)


@pytest.fixture
def robot(hosted):  # noqa: F811
    robot = make_service_account(hosted[0].organization)
    make_grant(hosted[0], robot, "developer")
    return robot


@pytest.fixture
def key(hosted, robot):  # noqa: F811
    made = make_key(robot)
    come_in(hosted, made)
    return made


def expire(key, person):
    type(key).objects.filter(pk=key.pk).update(expires_at=timezone.now())


def rotate(key, person):
    keys.rotate_key(key=key, grace=timedelta(0), account=key.user.membership, by=Actor(person))


WAYS = {
    "revoked": lambda key, person: keys.revoke_key(key=key, account=key.user.membership, by=Actor(person)),
    "expired": expire,
    "rotated at once": rotate,
    "revoked by the system": lambda key, person: type(key).objects.update(revoked_at=timezone.now()),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_account_is_signed_out_and_nobody_else(way, hosted, owner, key):  # noqa: F811
    tenant, inside = hosted
    person = make_member(tenant.organization)
    make_grant(tenant, person)
    inside.let_in(tenant, person)
    cut = KeyCuts()
    assert cut() == 0 and len(inside.active()) == 2
    WAYS[way](key, owner)
    assert cut() == 1 and inside.active() == {person.username}
    [(ended,)] = inside.run("SELECT password_changed_at FROM user WHERE active = 0")
    assert ended, "Tokens from before stay dead when it comes back."


def test_what_came_in_with_another_key_comes_back_and_stays(hosted, owner, robot, key):  # noqa: F811
    _, inside = hosted
    other, cut = make_key(robot, "other"), KeyCuts()
    come_in(hosted, other)
    long_ago()
    WAYS["revoked"](key, owner)
    assert cut() == 1
    come_in(hosted, other)  # its client does so by itself
    assert cut() == 0 and inside.active() == {robot.username}
    assert KeyEntry.objects.get().api_key == other


def test_a_sign_in_under_way_is_cut_as_well_and_then_it_is_done(hosted, owner, robot, key):  # noqa: F811
    _, inside = hosted
    cut = KeyCuts()
    WAYS["revoked"](key, owner)
    assert cut() == 1
    inside.run("UPDATE user SET active = 1")  # the server writes what we said before
    assert cut() == 0, "Not all the time: somebody else may have come in as the account."
    long_ago()
    assert cut() == 1 and inside.active() == set()
    assert cut() == 0 and not KeyEntry.objects.exists()


def test_in_a_tenant_that_sets_out_at_that_moment_it_is_done_again(hosted, owner, key, monkeypatch):  # noqa: F811
    """The copy that it takes along may be of the time before."""
    tenant, _ = hosted
    long_ago()
    WAYS["revoked"](key, owner)

    def shut_out(*args):
        now, homes = timezone.now(), {"origin": "local", "destination": "kubernetes"}
        TenantMove.objects.create(tenant=tenant, began_at=now, step_since=now, **homes)
        return True

    monkeypatch.setattr(LocalHosting, "shut_out", shut_out)
    KeyCuts()()
    assert KeyEntry.objects.get().cut_at is None


@pytest.mark.parametrize("arrives", ["local", "kubernetes"])
def test_in_a_tenant_that_moves_it_waits_until_that_has_arrived(hosted, owner, key, arrives):  # noqa: F811
    """No one can tell before which of the two databases will be the one in use."""
    tenant, inside = hosted
    now, homes = timezone.now(), {"origin": "local", "destination": "kubernetes"}
    move = TenantMove.objects.create(tenant=tenant, began_at=now, step_since=now, **homes)
    WAYS["revoked"](key, owner)
    cut = KeyCuts()
    for kind in ("local", "kubernetes"):
        Tenant.objects.filter(pk=tenant.pk).update(kind=kind)
        assert cut() == 0 and len(inside.active()) == 1 and KeyEntry.objects.exists()
    Tenant.objects.filter(pk=tenant.pk).update(kind=arrives)
    TenantMove.objects.filter(pk=move.pk).update(ended_at=now)
    assert cut() == (arrives == "local") and len(inside.active()) == (arrives != "local")
    assert KeyEntry.objects.exists() == (arrives == "local")  # there is a second look


def test_a_tenant_that_it_did_not_enter_is_left_alone(hosted, owner, robot, key, settings):  # noqa: F811
    tenant, _ = hosted
    second = make_tenant(tenant.organization)
    inside = Inside(second)
    make_grant(second, robot, "developer")
    inside.let_in(second, robot)
    WAYS["revoked"](key, owner)
    assert KeyCuts()() == 1 and inside.active() == {robot.username}


@pytest.mark.parametrize("end", [lambda key, person: keys.revoke_key(key=key, by=Actor(person)), expire])
def test_a_personal_key_too(end, hosted, owner, member):  # noqa: F811
    tenant, inside = hosted
    make_grant(tenant, member)
    key, cut = make_key(member), KeyCuts()
    come_in(hosted, key)
    end(key, member)
    assert cut() == 1 and inside.active() == set()


@pytest.mark.parametrize("hurry", [True, False])
def test_a_deactivated_account_is_signed_out_however_soon_it_is_active(hurry, hosted, owner, robot, key):  # noqa: F811
    _, inside = hosted
    account = robot.membership
    keys.deactivate(account=account, by=Actor(owner))
    if hurry:
        keys.activate(account=account, by=Actor(owner))
    assert chores.Cuts()() + KeyCuts()() >= 1 and inside.active() == set()
    if not hurry:
        keys.activate(account=account, by=Actor(owner))
    long_ago()
    KeyCuts()()
    come_in(hosted, key)
    assert chores.Cuts()() + KeyCuts()() == 0 and inside.active() == {robot.username}


def test_the_old_secret_ends_with_its_grace(hosted, owner, robot, key):  # noqa: F811
    _, inside = hosted
    cut = KeyCuts()
    keys.rotate_key(key=key, grace=timedelta(hours=1), account=robot.membership, by=Actor(owner))
    assert cut() == 0 and inside.active() == {robot.username}
    come_in(hosted, key)  # the old one, once more
    KeyEntry.objects.update(ends_at=timezone.now())
    assert cut() == 1 and inside.active() == set()


def test_a_database_that_is_busy_or_away_is_tried_again(hosted, owner, key):  # noqa: F811
    _, inside = hosted
    away = inside.path.rename(inside.path.with_suffix(".away"))
    WAYS["revoked"](key, owner)
    old = KeyCuts()
    assert old() == 0 and old() == 0
    away.rename(inside.path)
    assert KeyCuts()() == 1 and inside.active() == set()


@pytest.mark.parametrize("state", ["deleted", "elsewhere"])
def test_where_nothing_can_be_done_it_is_forgotten(hosted, owner, robot, key, state):  # noqa: F811
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
        there = enroll(server_url="https://x.test", **words)
        KeyEntry.objects.update(tenant=there)
    WAYS["revoked"](key, owner)
    long_ago()
    assert KeyCuts()() == 0 and not KeyEntry.objects.exists()


def test_the_agent_does_it():
    """Both kinds, in tenants that answer and in those that did not, with a short rest only."""
    loops = [loop.keywords for loop in chores.cutting()]
    first, again = (loop["chosen"] for loop in loops)
    assert [type(chore) for _, chore in first] == [chores.Cuts, KeyCuts]
    assert [chore.__self__ for _, chore in again] == [chore for _, chore in first]
    assert {loop["longest"] for loop in loops} == {chores.BRIEF}


def test_what_takes_long_is_done_again_after_the_longest_rest(monkeypatch):
    clock, done = [0.0], []

    class Stop:
        is_set = staticmethod(lambda: clock[0] > 100)

        @staticmethod
        def wait(seconds):
            clock[0] += seconds

    def slow():
        done.append(clock[0])
        clock[0] += 20

    monkeypatch.setattr(chores, "close_old_connections", lambda: None)
    monkeypatch.setattr(chores.time, "monotonic", lambda: clock[0])
    chores.run_forever(Stop(), chosen=[(2, slow)], longest=10.0)
    assert done == [0, 30, 60, 90]


def test_sign_ins_without_a_key_are_not_noted(hosted, member):  # noqa: F811
    tenant, _ = hosted
    make_grant(tenant, member)
    token = AccessToken.objects.issue(kind="user", user=member, lifetime=timedelta(hours=1))
    path = f"/api/users/authorize_server?server_id={tenant.pk}"
    assert Client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert TenantAccount.objects.exists() and not KeyEntry.objects.exists()
