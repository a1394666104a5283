"""Accounts inside tenants end with the right to enter. Databases of the right shape; with a server: test_cuts_zenml."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_service_account, make_team, make_tenant

from orgs.members import actions
from orgs.teams import actions as team_actions
from orgs.users import actions as person_actions
from orgs.users.models import Actor
from tenants.access import decisions
from tenants.agent import tries
from tenants.agent.chores import LOGIN_TIME, Cuts
from tenants.hosting.base import ServerError
from tenants.hosting.local.account_switch import switch_off
from tenants.hosting.local.hosting import LocalHosting
from tenants.hosting.local.locations import folder_of
from tenants.hosting.local.spec import database_in
from tenants.models import Share, TenantAccount, TenantGrant, TenantMove

TABLE = "CREATE TABLE user (id CHAR(32), name TEXT, active BOOLEAN, external_user_id CHAR(32){more})"


class Inside:
    """The database of a tenant's server, as that server writes it."""

    def __init__(self, tenant, more=", password_changed_at DATETIME"):
        self.path = database_in(folder_of(tenant))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.run(TABLE.format(more=more))

    def run(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def let_in(self, tenant, user):
        """What happens at a login: we say yes, the server writes."""
        TenantAccount.objects.enter(tenant, user)
        self.run("DELETE FROM user WHERE external_user_id = ?", user.pk.hex)
        row = (uuid4().hex, user.username, user.pk.hex)
        self.run("INSERT INTO user (id, name, active, external_user_id) VALUES (?, ?, 1, ?)", *row)

    def active(self) -> set[str]:
        return {name for (name,) in self.run("SELECT name FROM user WHERE active = 1")}


@pytest.fixture
def hosted(settings, tmp_path, org):
    """(tenant, its server's database)"""
    settings.ZENPRO_DATA = tmp_path
    tenant = make_tenant(org)
    return tenant, Inside(tenant)


def enter(hosted, **fields):
    tenant, inside = hosted
    user = make_member(tenant.organization, **fields)
    make_grant(tenant, user)
    inside.let_in(tenant, user)
    return user


def long_ago(**filters):
    TenantAccount.objects.filter(**filters).update(
        entered_at=timezone.now() - LOGIN_TIME - timedelta(seconds=1)
    )


WAYS_OUT = {
    "removed": lambda user, person: actions.remove_member(membership=user.membership, by=Actor(person)),
    "left": lambda user, person: actions.leave(membership=user.membership, by=Actor(user)),
    "deactivated": lambda user, person: person_actions.deactivate_person(person=user, by=Actor(person)),
    "grant withdrawn": lambda user, person: TenantGrant.objects.withdraw(user.membership.tenant_grants.get()),
    "grant expired": lambda user, person: user.membership.tenant_grants.update(expires_at=timezone.now()),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_people_who_lose_their_right_are_cut_and_no_one_else(way, hosted, owner):
    _, inside = hosted
    gone, stays = enter(hosted), enter(hosted)
    cut = Cuts()
    assert cut() == 0 and inside.active() == {gone.username, stays.username}
    WAYS_OUT[way](gone, owner)
    assert cut() == 1
    assert inside.active() == {stays.username}


def test_who_was_cut_in_a_copy_that_is_left_behind_is_cut_again(hosted, owner, monkeypatch):
    """Between the agent's look and its write the tenant sets out for another home, with the person in its database."""
    tenant, _ = hosted
    user = enter(hosted)
    long_ago()
    WAYS_OUT["removed"](user, owner)

    def shut_out(*args):
        now = timezone.now()
        homes = {"origin": "local", "destination": "kubernetes"}
        TenantMove.objects.create(tenant=tenant, began_at=now, step_since=now, step="putting", **homes)
        return True

    monkeypatch.setattr(LocalHosting, "shut_out", shut_out)
    Cuts()()
    assert TenantAccount.objects.get().cut_at is None


def test_team_and_share_and_superuser_keep_the_account(hosted, owner, superuser):
    tenant, inside = hosted
    person, guest = make_member(tenant.organization), make_member(tenant.organization)
    team = make_team(tenant.organization, members=[person])
    make_grant(tenant, team)
    share = Share.objects.create(
        tenant=tenant, membership=guest.membership, resource_type="model", resource_id=uuid4(), action="read"
    )
    for user in (person, guest, superuser):
        inside.let_in(tenant, user)
    cut = Cuts()
    assert cut() == 0
    team_actions.remove_member(team=team, user=person, by=Actor(owner))
    share.delete()
    superuser.is_superuser = False
    superuser.save()
    assert cut() == 3 and inside.active() == set()


def test_a_service_account_that_was_removed_is_cut(hosted, owner):
    tenant, inside = hosted
    robot = make_service_account(tenant.organization)
    make_grant(tenant, robot)
    inside.let_in(tenant, robot)
    actions.remove_member(membership=robot.membership, by=Actor(owner))
    assert Cuts()() == 1 and inside.active() == set()


def test_whoever_may_enter_again_by_then_is_left_alone(hosted, owner):
    tenant, inside = hosted
    user = enter(hosted)
    grant = user.membership.tenant_grants.get()
    TenantGrant.objects.withdraw(grant)
    out = decisions.shut_out()
    make_grant(tenant, user)
    assert out and not switch_off(
        inside.path, user.pk, lambda: not decisions.holds_anything(user.pk, tenant), ""
    )
    assert Cuts()() == 0 and inside.active() == {user.username}


def test_coming_back_opens_the_account_and_leaving_again_closes_it(hosted, owner):
    tenant, inside = hosted
    user, cut = enter(hosted), Cuts()
    for _ in range(2):
        TenantGrant.objects.withdraw(user.membership.tenant_grants.get())
        long_ago()
        assert cut() == 1 and TenantAccount.objects.get().cut_at
        assert cut() == 0, "Done is done."
        make_grant(tenant, user)
        inside.let_in(tenant, user)
        assert cut() == 0 and inside.active() == {user.username}


def test_a_login_that_was_under_way_is_cut_as_well(hosted, owner):
    """We said yes, the person was removed and cut, and only then the server wrote that they are active."""
    _, inside = hosted
    user, cut = enter(hosted), Cuts()
    actions.remove_member(membership=user.membership, by=Actor(owner))
    assert cut() == 1
    inside.run("UPDATE user SET active = 1")
    assert cut() == 1 and inside.active() == set()
    long_ago()
    cut()
    assert TenantAccount.objects.get().cut_at


def test_a_new_agent_does_what_the_old_one_did_not(hosted, owner):
    _, inside = hosted
    user = enter(hosted)
    away = inside.path.rename(inside.path.with_suffix(".away"))
    actions.remove_member(membership=user.membership, by=Actor(owner))
    old = Cuts()
    assert old() == 0 and not inside.path.exists(), "A database is never made."
    away.rename(inside.path)
    assert old() == 0, "It waits before it tries again."
    assert Cuts()() == 1 and inside.active() == set()


def test_a_busy_database_is_tried_again(hosted, owner, monkeypatch):
    _, inside = hosted
    user, cut = enter(hosted), Cuts()
    actions.remove_member(membership=user.membership, by=Actor(owner))
    monkeypatch.setattr("tenants.hosting.local.boxed_database.PATIENCE", 0.05)
    with closing(sqlite3.connect(inside.path, isolation_level=None)) as server:
        server.execute("BEGIN IMMEDIATE")
        assert cut() == 0 and inside.active() == {user.username}
        server.execute("ROLLBACK")
    assert cut() == 0 and cut.again() == 0, "It waits before it tries again."
    cut.tries.not_before = dict.fromkeys(cut.tries.not_before, 0.0)
    assert cut.again() == 1 and inside.active() == set()
    assert cut.tries.not_before == {}


def test_one_broken_database_does_not_hold_up_another(hosted, org, owner):
    _, inside = hosted
    broken = make_tenant(org)
    path = database_in(folder_of(broken))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all, " * 100)
    user = enter(hosted)
    TenantAccount.objects.enter(broken, user)
    actions.remove_member(membership=user.membership, by=Actor(owner))
    assert Cuts()() == 1 and inside.active() == set()
    assert path.read_bytes() == b"no database at all, " * 100


def test_a_tenant_that_never_answers_is_asked_once_and_then_apart(hosted, org, owner, monkeypatch):
    """However many accounts of it are due: each costs the time a call may take."""
    _, inside = hosted
    slow, asked = make_tenant(org), []

    def switch_off_slowly(database, *rest):
        asked.append(database)
        if database == database_in(folder_of(slow)):
            raise ServerError("it took too long")
        return switch_off(database, *rest)

    monkeypatch.setattr("tenants.hosting.local.hosting.switch_off", switch_off_slowly)
    people = [enter(hosted) for _ in range(3)]
    for user in people:
        TenantAccount.objects.enter(slow, user)
        actions.remove_member(membership=user.membership, by=Actor(owner))
    cut = Cuts()
    assert cut() == 3 and inside.active() == set()
    assert cut.again() == 0, "It waits before it tries again."
    long_ago(tenant=slow)
    cut()
    assert asked.count(database_in(folder_of(slow))) == 1


def test_a_tenant_in_which_nothing_is_left_to_do_is_forgotten():
    def fail(row):
        raise ServerError("busy")

    tenants = [SimpleNamespace(tenant_id=uuid4()) for _ in range(2)]
    both = tries.Tries(fail)
    assert both.first(lambda: tenants) == 0
    assert both.again(lambda: tenants[1:]) == 0
    assert set(both.not_before) == {tenants[1].tenant_id}


def test_a_tenant_that_takes_long_each_time_is_left_to_the_other_thread(monkeypatch):
    slow, quick = (SimpleNamespace(tenant_id=uuid4()) for _ in range(2))
    clock, costs, done = [1000.0], {slow.tenant_id: 19.0, quick.tenant_id: 0.5}, []

    def do(row):
        clock[0] += costs[row.tenant_id]
        done.append(row)
        return True

    monkeypatch.setattr(tries.time, "monotonic", lambda: clock[0])
    both = tries.Tries(do)
    rows = [slow, slow, quick]
    assert both.first(lambda: rows) == 2
    assert done == [slow, quick]
    assert both.again(lambda: rows) == 2
    assert done == [slow, quick, slow, slow]
    costs[slow.tenant_id] = 0.5
    assert both.again(lambda: [slow]) == 1
    assert both.first(lambda: [slow]) == 1


def test_a_tenant_that_is_switched_off_is_cut_and_a_deleted_one_forgotten(hosted, owner):
    tenant, inside = hosted
    user = enter(hosted)
    tenant.desired_state = tenant.status = "deactivated"
    tenant.save()
    assert Cuts()() == 0, "Switching a tenant off takes nobody's right."
    actions.remove_member(membership=user.membership, by=Actor(owner))
    assert Cuts()() == 1 and inside.active() == set()
    tenant.desired_state, tenant.deleted_at = "deleted", timezone.now()
    tenant.save()
    assert Cuts()() == 0


def test_journal_mode_and_other_rows_stay(hosted):
    _, inside = hosted
    user = enter(hosted)
    inside.run("INSERT INTO user (name, active) VALUES ('default', 1)")
    inside.run("PRAGMA journal_mode=WAL")
    assert switch_off(inside.path, user.pk, lambda: True, "")
    assert inside.run("PRAGMA journal_mode") == [("wal",)]
    assert inside.active() == {"default"}
    [(changed,)] = inside.run("SELECT password_changed_at FROM user WHERE active = 0")
    assert changed.endswith(".000000"), "Tokens carry whole seconds."


def test_older_servers_have_no_time_of_the_password(settings, tmp_path, org):
    settings.ZENPRO_DATA = tmp_path
    tenant, user = make_tenant(org), make_member(org)
    inside = Inside(tenant, more="")
    inside.let_in(tenant, user)
    inside.run("UPDATE user SET external_user_id = ?", str(user.pk).upper())
    assert switch_off(inside.path, user.pk, lambda: True, "")
    assert inside.active() == set()


def test_a_link_in_place_of_the_database_reaches_nothing_of_ours(hosted, tmp_path):
    """A tenant's server may write its folder: what it puts there is not followed out of it."""
    _, inside = hosted
    user = enter(hosted)
    outside = tmp_path / "outside.db"
    inside.path.rename(outside)
    inside.path.symlink_to(outside)
    with pytest.raises(ServerError, match="could not be switched off"):
        switch_off(inside.path, user.pk, lambda: True, "")
    with closing(sqlite3.connect(outside)) as database:
        assert database.execute("SELECT count(*) FROM user WHERE active").fetchone() == (1,)


def test_another_schema_is_told(hosted):
    _, inside = hosted
    inside.run("ALTER TABLE user RENAME TO people")
    with pytest.raises(ServerError, match="no such table"):
        switch_off(inside.path, uuid4(), lambda: True, "")
    assert inside.run("SELECT count(*) FROM people") == [(0,)]
