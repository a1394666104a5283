"""Runs end with the right of whoever started them: real processes, a tenant in memory, and a database as servers have it.

With a real server: test_run_loop_zenml.py.
"""

# ruff: noqa: F401, F811 - fixtures of the tests of the loop

import sqlite3
import time
from contextlib import closing
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_key, make_service_account

from orgs.audit.models import AuditEvent
from orgs.members import actions
from orgs.users import actions as person_actions
from orgs.users.models import Actor
from tenants.access import decisions
from tenants.agent import run_access, run_endings, run_pass, run_rows
from tenants.credentials import keys
from tenants.hosting.base import NotYet, ServerError, TenantRefused, TenantUnreachable
from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.local.locations import folder_of
from tenants.hosting.local.run_records import end_run
from tenants.hosting.local.spec import database_in
from tenants.models import Tenant, TenantGrant, TenantMove
from tenants.run_templates.actions import stop_run
from tenants.run_templates.engine import runner
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.rules import set_runners

from .test_run_loop import (  # fixtures among them
    cancel,
    dead,
    fresh,
    here,
    kill,
    loop,
    new_loop,
    queued,
    run,
    server,
    state,
    template,
    ticks,
)

RUNS = "CREATE TABLE pipeline_run (id CHAR(32), status TEXT, end_time DATETIME, updated DATETIME{more})"
STEPS = "CREATE TABLE step_run (pipeline_run_id CHAR(32), name TEXT, status TEXT, end_time DATETIME)"
NOW = ", in_progress BOOLEAN, status_reason TEXT"


class Records:
    """Runs and steps in the database of a tenant's server."""

    def __init__(self, path, more=NOW):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.do(RUNS.format(more=more))
        self.do(STEPS)

    def do(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def add(self, number, state="running", **steps):
        self.do("INSERT INTO pipeline_run (id, status) VALUES (?, ?)", number.hex, state)
        for name, status in steps.items():
            self.do("INSERT INTO step_run VALUES (?, ?, ?, NULL)", number.hex, name, status)

    def of(self, number):
        return self.do("SELECT status, status_reason, in_progress FROM pipeline_run WHERE id = ?", number.hex)

    def steps(self):
        return dict(self.do("SELECT name, status FROM step_run"))


@pytest.fixture
def records(here, template):
    return Records(database_in(folder_of(template.tenant)))


@pytest.fixture
def under_way(loop, run, server, records):
    """A run with a living process, which its tenant has as running."""
    loop.tick()
    server.set("running")
    loop.tick()
    now = fresh(run)
    assert now.state == "running" and not dead(now)
    records.add(now.zenml_run_id, load="completed", train="running")
    return now


def look_for_people(loop):
    loop.settled = 0
    loop.tick()


WAYS_OUT = {
    "removed": lambda user, person: actions.remove_member(membership=user.membership, by=Actor(person)),
    "left": lambda user, person: actions.leave(membership=user.membership, by=Actor(user)),
    "deactivated": lambda user, person: person_actions.deactivate_person(person=user, by=Actor(person)),
    "grant withdrawn": lambda user, person: TenantGrant.objects.withdraw(user.membership.tenant_grants.get()),
    "grant expired": lambda user, person: user.membership.tenant_grants.update(expires_at=timezone.now()),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_the_run_of_somebody_who_is_gone_ends_with_the_reason_here_and_there(
    way,
    under_way,
    loop,
    server,
    member,
    owner,
    records,
):
    WAYS_OUT[way](member, owner)
    server.down = TenantRefused(401, "The account is not active.")
    look_for_people(loop)
    reason = "Stopped: Dana Petrova no longer has access to prod."
    assert state(under_way) == ("stopping", reason)
    ticks(loop, lambda: fresh(under_way).has_ended)
    assert state(under_way) == ("stopped", reason)
    assert dead(under_way)
    assert records.of(under_way.zenml_run_id) == [("stopped", reason, 0)]
    assert records.steps() == {"load": "completed", "train": "stopped"}
    event = AuditEvent.objects.get(action="template_run.stopped")
    assert (event.actor, event.after["reason"]) == (None, "Dana Petrova no longer has access to prod.")


def test_whoever_stays_or_comes_back_in_time_is_not_touched(under_way, loop, member, template):
    look_for_people(loop)
    grant = member.membership.tenant_grants.get()
    TenantGrant.objects.withdraw(grant)
    make_grant(template.tenant, member, "viewer")
    look_for_people(loop)
    assert state(under_way) == ("running", "")
    assert not dead(under_way)


def test_a_service_account_that_was_removed_ends_its_runs(
    loop,
    template,
    org,
    owner,
    server,
    records,
):
    robot = make_service_account(org)
    make_grant(template.tenant, robot, "operator")
    run = queued(template, robot)
    loop.tick()
    actions.remove_member(membership=robot.membership, by=Actor(owner))
    look_for_people(loop)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("stopped", f"Stopped: {robot} no longer has access to prod.")
    assert dead(run)


def expire(key, person):
    type(key).objects.filter(pk=key.pk).update(expires_at=timezone.now())


KEY_ENDS = {
    "has been revoked": lambda key, person: keys.revoke_key(key=key, by=Actor(person)),
    "has expired": expire,
}


@pytest.mark.parametrize("words", KEY_ENDS)
def test_a_key_that_ends_ends_what_was_started_with_it(
    words,
    loop,
    template,
    org,
    member,
    server,
    settings,
):
    settings.ZENPRO_PARALLEL_RUNS = 3
    robot = make_service_account(org)
    make_grant(template.tenant, robot, "operator")
    used, other = make_key(robot), make_key(robot)
    with_key, with_other, by_hand = queued(template, robot), queued(template, robot), queued(template, member)
    TemplateRun.objects.filter(pk=with_key.pk).update(asked_with=used)
    TemplateRun.objects.filter(pk=with_other.pk).update(asked_with=other)
    loop.tick()
    KEY_ENDS[words](used, robot)
    assert not dead(with_key)
    look_for_people(loop)
    ticks(loop, lambda: fresh(with_key).has_ended)
    reason = f"Stopped: the key {used} of {robot}, which started it, {words}."
    assert state(with_key) == ("stopped", reason)
    assert not fresh(with_other).has_ended and not fresh(by_hand).has_ended
    told = next(row for row in server.runs_by_id.values() if row.id == fresh(with_key).zenml_run_id)
    assert (told.status, told.reason) == ("stopped", reason), "The person may still speak to the tenant."


def test_a_key_that_expired_while_the_agent_was_away_ends_its_run_once(here, run, server, member):
    key = make_key(member)
    TemplateRun.objects.update(asked_with=key)
    new_loop(server).tick()
    expire(key, member)
    second = new_loop(server)
    ticks(second, lambda: fresh(run).has_ended)
    look_for_people(second)
    assert state(run) == ("stopped", f"Stopped: the key {key} of {member}, which started it, has expired.")
    assert AuditEvent.objects.filter(action="template_run.stopped").count() == 1


def test_what_waits_is_not_started_for_somebody_who_is_gone(loop, run, server, member, owner):
    actions.remove_member(membership=member.membership, by=Actor(owner))
    loop.tick()
    assert state(run) == ("stopped", "Stopped: Dana Petrova no longer has access to prod.")
    assert server.log == []


@pytest.mark.parametrize("looks", [True, False], ids=["at the look for people", "at its start"])
def test_what_waits_is_not_started_for_somebody_who_may_no_longer_run_the_template(
    loop, run, server, owner, looks
):
    """By name, team or role: whom the template lets run it is asked when the run begins, not when it was asked for."""
    set_runners(template=run.template, is_narrowed=True, runners=[owner.membership], by=Actor(owner))
    loop.settled = 0 if looks else time.monotonic()
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("stopped", "Stopped: Dana Petrova may no longer run the template churn.")
    assert server.log == [] and AuditEvent.objects.filter(action="template_run.stopped").count() == 1


def test_what_has_begun_goes_on_when_the_template_is_narrowed(under_way, loop, owner):
    set_runners(template=under_way.template, is_narrowed=True, runners=[owner.membership], by=Actor(owner))
    look_for_people(loop)
    assert state(under_way)[0] == "running" and not dead(fresh(under_way))


def test_a_placeholder_without_a_process_is_ended_in_the_tenant(
    here,
    run,
    server,
    member,
    owner,
    records,
):
    loop = new_loop(server)
    server.refuse["workload_token"] = TenantUnreachable("The server cannot be reached.")
    loop.tick()
    records.add(fresh(run).zenml_run_id, "initializing")
    actions.remove_member(membership=member.membership, by=Actor(owner))
    look_for_people(loop)
    look_for_people(loop)
    assert fresh(run).state == "stopped"
    [(status, reason, _)] = records.of(fresh(run).zenml_run_id)
    assert (status, reason) == ("stopped", state(run)[1])
    assert not TemplateRun.objects.unsettled().exists()


def test_a_runner_nobody_wrote_down_is_found_and_ended(here, run, server, member, owner, records):
    new_loop(server).tick()
    started = fresh(run)
    TemplateRun.objects.update(pid=None, pid_started="")
    actions.remove_member(membership=member.membership, by=Actor(owner))
    second = new_loop(server)
    ticks(second, lambda: fresh(run).has_ended)
    assert dead(run) and fresh(run).pid == started.pid


def test_one_that_does_not_listen_is_killed(
    loop,
    run,
    server,
    member,
    owner,
    here,
    records,
    monkeypatch,
):
    (here / "behaviour").write_text("stubborn sleep")
    loop.tick()
    ticks(loop, lambda: runner.chosen().output(run.pk))
    actions.remove_member(membership=member.membership, by=Actor(owner))
    look_for_people(loop)
    assert fresh(run).state == "stopping"
    monkeypatch.setattr(run_pass, "STOP_GRACE", 0)
    ticks(loop, lambda: fresh(run).has_ended)
    assert dead(run)


def test_a_run_that_had_ended_keeps_its_end(under_way, loop, member, owner, records):
    records.do("UPDATE pipeline_run SET status = 'completed'")
    kill(under_way)
    actions.remove_member(membership=member.membership, by=Actor(owner))
    ticks(loop, lambda: fresh(under_way).has_ended)
    assert state(under_way) == ("completed", "")
    assert records.of(under_way.zenml_run_id) == [("completed", None, None)]


def test_who_cancelled_before_has_stopped_it(under_way, loop, member, owner, records, server):
    cancel(under_way, owner)
    actions.remove_member(membership=member.membership, by=Actor(owner))
    server.down = TenantRefused(401, "The account is not active.")
    ticks(loop, lambda: fresh(under_way).has_ended)
    assert state(under_way) == ("stopped", f"Stopped by {owner}.")
    assert records.of(under_way.zenml_run_id) == [("stopped", f"Stopped by {owner}.", 0)]
    assert not AuditEvent.objects.filter(action="template_run.stopped").exists()


def test_a_busy_database_is_told_later(under_way, loop, member, owner, records, monkeypatch):
    monkeypatch.setattr("tenants.hosting.local.boxed_database.PATIENCE", 0.05)
    actions.remove_member(membership=member.membership, by=Actor(owner))
    with closing(sqlite3.connect(records.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ticks(loop, lambda: fresh(under_way).has_ended)
        other.execute("ROLLBACK")
    assert fresh(under_way).state == "stopped"
    assert records.of(under_way.zenml_run_id)[0][0] == "running"
    look_for_people(loop)
    assert records.of(under_way.zenml_run_id)[0][0] == "stopped"
    assert not TemplateRun.objects.unsettled().exists()


def test_of_a_server_elsewhere_no_database_is_touched(under_way, member, owner, records):
    tenant = under_way.template.tenant
    Enrollment.objects.create(tenant=tenant)
    Tenant.objects.filter(pk=tenant.pk).update(kind=Tenant.Kind.ELSEWHERE)
    there = TemplateRun.objects.select_related("template__tenant").get(pk=under_way.pk)
    assert run_endings.end_of_the_gone(there).state == "stopped"
    assert records.of(under_way.zenml_run_id)[0][0] == "running"


def test_in_a_tenant_that_moves_it_is_told_later(under_way, member, records):
    tenant, now = under_way.template.tenant, timezone.now()
    TenantMove.objects.create(
        tenant=tenant, origin="local", destination="kubernetes", began_at=now, step_since=now
    )
    there = TemplateRun.objects.select_related("template__tenant").get(pk=under_way.pk)
    with pytest.raises(NotYet, match="is being moved"):
        run_endings.end_of_the_gone(there)
    assert records.of(under_way.zenml_run_id)[0][0] == "running"


def test_without_a_database_the_run_ends_all_the_same(loop, run, member, owner):
    loop.tick()
    actions.remove_member(membership=member.membership, by=Actor(owner))
    look_for_people(loop)
    ticks(loop, lambda: fresh(run).has_ended)
    assert fresh(run).state == "stopped"


def test_people_are_asked_about_once_however_many_runs(
    loop,
    template,
    member,
    django_assert_num_queries,
):
    for _ in range(5):
        queued(template, member)
    runs = list(run_rows.rows().unfinished())
    with django_assert_num_queries(1):
        run_access.stop_runs_of_the_gone(runs)


def test_it_is_asked_for_once(run):
    for _ in range(2):
        stop_run(run=run, reason="the first")
    stop_run(run=run, reason="another")
    assert fresh(run).stop_reason == "the first"
    assert AuditEvent.objects.filter(action="template_run.stopped").count() == 1


# -- the database


def test_older_servers_have_fewer_columns_and_other_runs_stay(tmp_path):
    records = Records(tmp_path / "zenml.db", more="")
    mine, other = uuid4(), uuid4()
    records.add(mine, train="running")
    records.add(other, fit="running")
    assert end_run(records.path, mine, "stopped", "because", "") == ("stopped", "")
    rows = dict(records.do("SELECT id, status FROM pipeline_run"))
    assert rows == {mine.hex: "stopped", other.hex: "running"}
    assert records.steps() == {"train": "stopped", "fit": "running"}
    assert end_run(records.path, uuid4(), "stopped", "because", "") is None


def test_a_database_is_never_made_and_another_one_is_told(tmp_path):
    with pytest.raises(ServerError, match="could not be ended"):
        end_run(tmp_path / "zenml.db", uuid4(), "stopped", "because", "")
    assert not (tmp_path / "zenml.db").exists()
    (tmp_path / "zenml.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(ServerError):
        end_run(tmp_path / "zenml.db", uuid4(), "stopped", "because", "")


def test_nobody_holds_anything_without_a_person(run):
    assert decisions.holds_anything(run.created_by_id, run.template.tenant)
    run.created_by = None
    assert run_access.is_out(run)


ENDLESS = """CREATE TRIGGER endless AFTER UPDATE ON pipeline_run BEGIN
SELECT count(*) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n); END"""


def test_a_database_that_would_never_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("tenants.hosting.local.boxed_database.SECONDS", 1)
    records, run_id = Records(tmp_path / "zenml.db"), uuid4()
    records.add(run_id)
    records.do(ENDLESS)
    with pytest.raises(ServerError, match="took more than 1 seconds"):
        end_run(records.path, run_id, "stopped", "because", "")
    assert records.of(run_id)[0][0] == "running", "Nothing of it is kept."


def test_a_link_to_another_database_is_not_followed(tmp_path):
    records, run_id = Records(tmp_path / "other.db"), uuid4()
    records.add(run_id)
    link = tmp_path / "zenml.db"
    link.symlink_to(records.path)
    with pytest.raises(ServerError, match="no database file"):
        end_run(link, run_id, "stopped", "because", "")
    assert records.of(run_id)[0][0] == "running"
    with pytest.raises(ServerError, match="no database file"):
        end_run(tmp_path, run_id, "stopped", "because", "")


def test_what_the_database_says_is_cut(tmp_path):
    records, run_id = Records(tmp_path / "zenml.db"), uuid4()
    records.add(run_id, "completed")
    records.do("UPDATE pipeline_run SET status_reason = ?", "x" * 10**6)
    assert end_run(records.path, run_id, "stopped", "because", "") == ("completed", "x" * 500)
    records.do("UPDATE pipeline_run SET status_reason = 7, status = 8")
    status, reason = end_run(records.path, run_id, "stopped", "because", "")
    assert (status, reason) == ("stopped", "because")
