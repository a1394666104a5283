"""The loop against a stand-in for the machine; with real servers: tests/journey and tests/tenants/hosting."""

import math
import time
from concurrent.futures import Future
from datetime import timedelta
from itertools import cycle, product
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_tenant

from orgs.users.models import Actor
from tenants.agent import tenant_loop
from tenants.agent.starts import FIRST_START, RESTART, SLOT_TIME, STARTS_AT_ONCE, VERSION_CHANGE
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.base import (
    EnvironmentFailed,
    ServerError,
    ServerState,
    ServerStatus,
    SupervisorGone,
    TenantConflict,
    TenantRefused,
    TenantUnreachable,
)
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Tenant
from tenants.upgrades.actions import upgrade
from tests.tenants.hosting.fakes import FakeHosting, in_place

Status, Desired = Tenant.Status, Tenant.DesiredState


class FakeClient:
    def create_project(self, name):
        raise TenantConflict("exists")

    def projects(self):
        return [{"id": "11111111-1111-4111-8111-111111111111", "name": "default"}]


@pytest.fixture
def hosting(monkeypatch):
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: FakeClient())
    return FakeHosting()


@pytest.fixture
def loop(hosting):
    return TenantLoop(in_place(hosting))


def a_new_tenant(org, member, **fields):
    tenant = make_tenant(org, status=Status.NOT_INITIALIZED, server_url="", **fields)
    make_grant(tenant, member, "admin")
    return tenant


def passed(loop, tenant):
    loop.run_pass(tenant.pk)
    tenant.refresh_from_db()
    return tenant


def test_a_version_that_cannot_be_installed_fails_with_the_resolvers_message(org, member, loop, hosting):
    hosting.error = EnvironmentFailed("there is no version of zenml==9.9.9")
    tenant = passed(loop, a_new_tenant(org, member))
    assert tenant.status == Status.FAILED
    assert tenant.state_reason == "there is no version of zenml==9.9.9"
    assert [step["state"] for step in tenant.progress][:3] == ["done", "failed", "waiting"]
    assert "start" not in hosting.calls


def test_a_server_that_ends_at_once_fails_with_its_reason_and_nothing_runs(org, member, loop, hosting):
    hosting.dead = "Port 9500 is taken by another program."
    tenant = passed(loop, a_new_tenant(org, member))
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, hosting.dead)
    assert hosting.calls[-1] == "stop"
    assert not hosting.running


def test_a_failed_new_tenant_waits_for_retry(org, member, loop, hosting):
    tenant = a_new_tenant(org, member)
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.FAILED)
    assert passed(loop, tenant).status == Status.FAILED
    assert hosting.calls == []


def test_a_server_that_once_worked_is_tried_again(org, member, loop, hosting):
    long_ago = timezone.now() - timedelta(minutes=5)
    tenant = a_new_tenant(org, member)
    Tenant.objects.filter(pk=tenant.pk).update(
        status=Status.FAILED, available_since=long_ago, updated_at=long_ago
    )
    assert passed(loop, tenant).status == Status.AVAILABLE


def test_from_nothing_to_available(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    assert tenant.status == Status.AVAILABLE
    assert tenant.server_url == f"http://127.0.0.1:{tenant.port}"
    assert str(tenant.project_id) == "11111111-1111-4111-8111-111111111111"
    assert {step["state"] for step in tenant.progress} == {"done"}
    assert hosting.calls == ["install", "start"]


def test_two_tenants_never_get_the_same_port(org, member, loop, hosting):
    ports = {passed(loop, a_new_tenant(org, member)).port for _ in range(3)}
    assert len(ports) == 3


def test_a_server_that_vanished_is_started_again(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.running.clear()
    assert passed(loop, tenant).status == Status.PENDING
    assert passed(loop, tenant).status == Status.AVAILABLE
    assert hosting.calls.count("start") == 2


def test_a_server_whose_database_vanished_is_not_begun_anew(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.running.clear()
    hosting.data = False
    passed(loop, tenant)
    tenant = passed(loop, tenant)
    assert tenant.status == Status.FAILED
    assert "database is missing" in tenant.state_reason
    assert hosting.calls.count("start") == 1


def test_a_restart_happens_once(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    Tenant.objects.filter(pk=tenant.pk).update(restart_requested_at=timezone.now())
    for _ in range(3):
        tenant = passed(loop, tenant)
    assert hosting.calls.count("restart") == 1
    assert tenant.status == Status.AVAILABLE


def test_deactivate_stops_and_keeps(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DEACTIVATED)
    assert passed(loop, tenant).status == Status.DEACTIVATED
    assert hosting.calls[-1] == "stop"
    assert "retire" not in hosting.calls
    assert tenant.port


def test_delete_stops_at_once_and_removes_after_the_grace_period(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    now = timezone.now()
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DELETED, deleted_at=now)
    assert passed(loop, tenant).status == Status.DELETED
    assert "retire" not in hosting.calls
    Tenant.objects.filter(pk=tenant.pk).update(deleted_at=now - timedelta(days=8))
    assert passed(loop, tenant).port is None
    assert hosting.calls[-1] == "retire"


def test_a_folder_that_stays_is_told_and_tried_again(org, member, loop, hosting, monkeypatch):
    tenant, reason = passed(loop, a_new_tenant(org, member)), "Its folder could not be removed as a whole."
    old = timezone.now() - timedelta(days=8)
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DELETED, deleted_at=old)
    retire = hosting.retire

    def fails(tenant):
        raise ServerError(reason)

    monkeypatch.setattr(hosting, "retire", fails)
    for _ in range(2):
        tenant = passed(loop, tenant)
        assert (tenant.status, tenant.state_reason, tenant.port is None) == (Status.DELETED, reason, False)
    monkeypatch.setattr(hosting, "retire", retire)
    tenant = passed(loop, tenant)
    assert (tenant.status, tenant.state_reason, tenant.port) == (Status.DELETED, "", None)


def test_a_wish_that_changes_while_the_server_starts_ends_the_pass(org, member, loop, hosting, monkeypatch):
    tenant = a_new_tenant(org, member)

    def changes_its_mind(tenant):
        Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DEACTIVATED)
        return False

    monkeypatch.setattr(hosting, "healthy", changes_its_mind)
    assert passed(loop, tenant).status == Status.PENDING
    assert passed(loop, tenant).status == Status.DEACTIVATED


def test_servers_of_deleted_organizations_are_stopped(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    stranger = uuid4()
    hosting.running.add(stranger)
    loop.sweep()
    assert hosting.running == {tenant.pk}


@pytest.mark.django_db(transaction=True)
def test_a_tick_runs_one_pass_a_tenant(org, member, loop, hosting):
    tenant = a_new_tenant(org, member)
    for _ in range(3):
        loop.tick()
    loop.pool.shutdown(wait=True)
    tenant.refresh_from_db()
    assert tenant.status == Status.AVAILABLE
    assert hosting.calls.count("start") == 1


# -- who is due


@pytest.fixture
def submitted(loop, monkeypatch):
    """Tenants whose passes a tick begins; they are not run."""
    begun = []

    class Pool:
        def submit(self, work, pk):
            begun.append(pk)
            done = Future()
            done.set_result(None)
            return done

    for name in ("pool", "quick", "looks"):
        monkeypatch.setattr(loop, name, Pool())
    return begun


def settled(org, number, **fields):
    """So many tenants that are where people want them."""
    rows = [
        Tenant(organization=org, name=f"t{n}", slug=f"t{n}", workspace_name=f"t{n}", zenml_version="0.98.0")
        for n in range(number)
    ]
    for row in rows:
        row.status = Status.AVAILABLE
        vars(row).update(fields)
    return Tenant.objects.bulk_create(rows)


def test_an_idle_tick_asks_once_and_reads_no_row(
    org, loop, submitted, django_assert_num_queries, django_assert_max_num_queries
):
    tenants = settled(org, 1000)
    with django_assert_max_num_queries(3):
        loop.tick()
    assert sorted(submitted) == sorted(tenant.pk for tenant in tenants), (
        "A new agent looks at all of them once."
    )
    submitted.clear()
    with django_assert_num_queries(1):
        loop.tick()
    assert submitted == []
    assert len(loop.candidates(time.monotonic())) == 0


def test_only_those_that_need_a_pass_are_read(org, loop, submitted):
    tenants = settled(org, 20)
    loop.tick()
    submitted.clear()
    stopped, restarted, late = (tenant.pk for tenant in tenants[:3])
    Tenant.objects.filter(pk=stopped).update(desired_state=Desired.DEACTIVATED)
    Tenant.objects.filter(pk=restarted).update(restart_requested_at=timezone.now())
    new = make_tenant(org, status=Status.NOT_INITIALIZED).pk
    loop.looked[late] = loop.look_at[late] = -math.inf
    wanted = {stopped, restarted, late, new}
    assert {tenant.pk for tenant in loop.candidates(time.monotonic())} == wanted
    loop.tick()
    assert set(submitted) == wanted


def test_after_its_time_each_is_looked_at_again(org, loop, submitted, monkeypatch):
    tenants = settled(org, 3)
    loop.tick()
    now = time.monotonic()
    monkeypatch.setattr(tenant_loop.time, "monotonic", lambda: now + 4.9)
    loop.tick()
    assert len(submitted) == len(tenants)
    monkeypatch.setattr(tenant_loop.time, "monotonic", lambda: now + 5.1)
    loop.tick()
    assert len(submitted) == 2 * len(tenants)


def test_a_settled_tenant_that_came_from_elsewhere_is_met(org, loop, submitted, monkeypatch):
    loop.tick()
    [restored] = settled(org, 1)
    loop.tick()
    assert submitted == []
    monkeypatch.setattr(tenant_loop, "MEET_EVERY", 0)
    loop.tick()
    assert submitted == [restored.pk]
    Tenant.objects.all().delete()
    loop.tick()
    assert (loop.look_at, loop.looked) == ({}, {})


def test_retired_tenants_are_not_looked_at(org, loop, submitted):
    gone = timezone.now()
    settled(org, 2, status=Status.DELETED, desired_state=Desired.DELETED, deleted_at=gone, retired_at=gone)
    loop.tick()
    assert submitted == []


def rows_of_every_kind(org):
    """Every kind, wish and status, with a restart that was never asked for, is wanted, or is done."""
    now = timezone.now()
    asked = [(None, None), (now, None), (now, now - timedelta(hours=1)), (now, now)]
    for number, (kind, desired, status, (wish, done)) in enumerate(
        product(Tenant.Kind, Desired, Status, asked)
    ):
        name = f"r{number}"
        yield Tenant(
            organization=org, name=name, slug=name, workspace_name=name, zenml_version="0.98.0", kind=kind,
            desired_state=desired, status=status, restart_requested_at=wish, restarted_at=done,
            deleted_at=now if desired == Desired.DELETED else None,
        )  # fmt: skip


def enrollments():
    """What can be known of a server elsewhere."""
    now, ago = timezone.now(), timezone.now() - timedelta(hours=1)
    return cycle([(None, None), (now, None), (now, ago), (ago, now), (None, now)])


def test_the_database_finds_all_that_cannot_wait(org, loop):
    """Whatever the loop itself would look at, though it was looked at a moment before at its pace of then."""
    Tenant.objects.bulk_create(rows_of_every_kind(org))
    known = zip(Tenant.objects.filter(kind=Tenant.Kind.ELSEWHERE), enrollments(), strict=False)
    Enrollment.objects.bulk_create(
        Enrollment(tenant=tenant, looked_at=looked, called_at=called) for tenant, (looked, called) in known
    )
    now = time.monotonic()
    loop.met = now
    found = {tenant.pk for tenant in loop.candidates(now)}
    for tenant in Tenant.objects.select_related("enrollment"):
        loop.looked[tenant.pk] = now
        if loop._due(tenant):
            assert tenant.pk in found, (tenant.kind, tenant.desired_state, tenant.status)
    assert 0 < len(found) < Tenant.objects.count()


def test_a_server_elsewhere_that_called_is_looked_at_at_its_new_pace(org, loop, submitted, monkeypatch):
    tenant = make_tenant(org, kind=Tenant.Kind.ELSEWHERE, status=Status.PENDING)
    Enrollment.objects.create(tenant=tenant, looked_at=timezone.now())
    loop.tick()
    now = time.monotonic()
    monkeypatch.setattr(tenant_loop.time, "monotonic", lambda: now + 4)
    loop.tick()
    assert submitted == [tenant.pk], "It never called: fifteen seconds."
    Enrollment.objects.update(called_at=timezone.now())
    loop.tick()
    assert submitted == [tenant.pk] * 2


def test_a_server_elsewhere_whose_address_was_corrected_is_looked_at(org, loop, submitted, monkeypatch):
    tenant = make_tenant(org, kind=Tenant.Kind.ELSEWHERE, status=Status.FAILED)
    Enrollment.objects.create(tenant=tenant, looked_at=timezone.now())
    loop.tick()
    Enrollment.objects.update(looked_at=None)
    now = time.monotonic()
    monkeypatch.setattr(tenant_loop.time, "monotonic", lambda: now + 1.1)
    loop.tick()
    assert submitted == [tenant.pk] * 2


@pytest.mark.parametrize("status", [Status.DEACTIVATED, Status.NOT_INITIALIZED])
def test_a_server_elsewhere_that_is_wanted_again_is_looked_at(org, loop, submitted, status):
    tenant = make_tenant(org, kind=Tenant.Kind.ELSEWHERE, status=Status.DEACTIVATED)
    Tenant.objects.update(desired_state=Desired.DEACTIVATED)
    Enrollment.objects.create(tenant=tenant, looked_at=timezone.now(), called_at=timezone.now())
    loop.tick()
    loop.tick()
    assert loop.look_at == {tenant.pk: math.inf}
    loop.looked[tenant.pk] -= 3
    submitted.clear()
    Tenant.objects.update(desired_state=Desired.AVAILABLE, status=status)
    loop.tick()
    assert submitted == [tenant.pk]


# -- under load


def quiet(tenant, **fields):
    """The row as it is when all is well since long ago."""
    fields = {"available_since": timezone.now() - timedelta(hours=1)} | fields
    Tenant.objects.filter(pk=tenant.pk).update(**fields)


def test_one_look_without_an_answer_says_nothing(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.silent = True
    for _ in range(tenant_loop.MISSES - 1):
        tenant = passed(loop, tenant)
    hosting.silent = False
    tenant = passed(loop, tenant)
    hosting.silent = True
    tenant = passed(loop, tenant)
    assert (tenant.status, tenant.state_reason, tenant.silent_since) == (Status.AVAILABLE, "", None)
    assert hosting.calls.count("start") == 1


def test_a_process_that_runs_and_does_not_answer_is_called_that(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.silent = True
    for _ in range(tenant_loop.MISSES + 2):
        tenant = passed(loop, tenant)
    since = f"{timezone.localtime(tenant.silent_since):%H:%M}"
    assert tenant.state_reason == f"Not answering since {since}; the process is running."
    assert (tenant.status, tenant.shown_status) == (Status.AVAILABLE, "silent")
    hosting.silent = False
    tenant = passed(loop, tenant)
    assert (tenant.state_reason, tenant.silent_since, tenant.shown_status) == ("", None, Status.AVAILABLE)
    assert hosting.calls == ["install", "start"]


def test_what_does_not_answer_for_minutes_is_restarted_and_says_so(org, member, loop, hosting, monkeypatch):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.silent = True
    long = timezone.now() - tenant_loop.SILENT_LIMIT - timedelta(seconds=1)
    quiet(tenant, silent_since=long, state_reason="Not answering")
    tenant = passed(loop, tenant)
    assert tenant.status == Status.AVAILABLE
    seen = []
    monkeypatch.setattr(hosting, "restart", lambda tenant: seen.append(Tenant.objects.get(pk=tenant.pk)))
    hosting.silent = False
    tenant = passed(loop, tenant)
    assert [(row.status, row.state_reason) for row in seen] == [
        (Status.PENDING, "The server did not answer for 10 minutes and restarts.")
    ]
    assert (tenant.status, tenant.state_reason, tenant.silent_since) == (Status.AVAILABLE, "", None)


def test_a_process_that_the_supervisor_started_again_did_stop(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    quiet(tenant)
    hosting.silent, hosting.uptime = True, 5.0
    tenant = passed(loop, tenant)
    assert tenant.state_reason == "The server stopped and is starting again."
    hosting.silent = False
    assert passed(loop, tenant).status == Status.AVAILABLE


def test_since_when_it_runs_follows_the_process(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    quiet(tenant)
    hosting.uptime = 5.0
    tenant = passed(loop, tenant)
    assert tenant.available_since > timezone.now() - timedelta(minutes=1)


def test_a_supervisor_that_does_not_answer_says_nothing_about_servers(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    hosting.gone = SupervisorGone("The supervisor does not answer. Is ZenPro running?")
    tenant = passed(loop, tenant)
    assert (tenant.status, tenant.state_reason) == (Status.AVAILABLE, "")
    other = passed(loop, a_new_tenant(org, member))
    assert (other.status, other.state_reason) == (Status.PENDING, hosting.gone.reason)
    hosting.gone = None
    assert passed(loop, other).status == Status.AVAILABLE


def full(loop):
    """All places among the starts are taken."""
    for _ in range(STARTS_AT_ONCE):
        assert loop.starts.acquire(blocking=False)


def test_what_runs_waits_for_no_start_of_others(org, member, loop, hosting):
    tenant = passed(loop, a_new_tenant(org, member))
    full(loop)
    assert passed(loop, tenant).status == Status.AVAILABLE
    quiet(tenant, status=Status.PENDING)  # an agent was killed while this one started
    assert passed(loop, tenant).status == Status.AVAILABLE


def test_a_start_waits_for_its_place_and_sees_another_wish(org, member, loop, hosting, monkeypatch):
    full(loop)
    tenant, notes = a_new_tenant(org, member), []

    def deactivated(slot, seconds):
        row = Tenant.objects.get(pk=tenant.pk)
        notes.append(row.progress[2]["note"])
        Tenant.objects.filter(pk=tenant.pk).update(desired_state=Desired.DEACTIVATED)
        return False

    monkeypatch.setattr(tenant_loop.Slot, "take", deactivated)
    assert passed(loop, tenant).status == Status.PENDING
    assert notes == ["", "Waiting for another server to start"]
    assert hosting.calls == ["install"]
    assert passed(loop, tenant).status == Status.DEACTIVATED


def test_a_place_is_given_back_whatever_happens(org, member, loop, hosting):
    hosting.dead = "no"
    for _ in range(STARTS_AT_ONCE + 1):
        assert passed(loop, a_new_tenant(org, member)).status == Status.FAILED
    full(loop)


def test_starts_that_wait_keep_no_thread_of_what_runs(org, member, loop):
    starting, running = a_new_tenant(org, member), make_tenant(org)
    restarted = make_tenant(org, restart_requested_at=timezone.now())
    stopped = make_tenant(org, status=Status.PENDING, desired_state=Desired.DEACTIVATED)
    pools = [loop._pool_for(tenant) for tenant in (starting, running, restarted, stopped)]
    assert pools == [loop.pool, loop.quick, loop.pool, loop.quick]


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Slow(FakeHosting):
    """Answers after `takes` seconds and uses `share` of a core until then."""

    def __init__(self, takes, share=1.0):
        super().__init__()
        self.clock, self.takes, self.share = Clock(), takes, share

    def healthy(self, tenant):
        return super().healthy(tenant) and self.clock.now >= self.takes

    def cpu_seconds(self, tenant):
        return self.clock.now * self.share

    def loop(self):
        return TenantLoop(in_place(self), self.clock)


@pytest.fixture
def slow(monkeypatch, hosting):
    monkeypatch.setattr(tenant_loop, "HEALTH_EVERY", 20)
    return Slow


def test_a_start_that_is_late_is_no_failure_while_its_process_works(org, member, slow):
    tenant = passed(slow(FIRST_START * 3, share=0.1).loop(), a_new_tenant(org, member))
    assert tenant.status == Status.AVAILABLE


@pytest.mark.parametrize(
    ("row", "limit"),
    [
        ({}, FIRST_START),
        ({"available_since": timezone.now(), "reported_version": "0.98.0"}, RESTART),
        ({"available_since": timezone.now(), "reported_version": "0.85.0"}, VERSION_CHANGE),
    ],
    ids=["first", "restart", "version"],
)
def test_a_process_that_does_nothing_is_given_up_at_its_own_limit(org, member, slow, row, limit):
    assert limit > 180
    hosting = slow(limit - 100, share=0.001)
    tenant = a_new_tenant(org, member, **row)
    assert passed(hosting.loop(), tenant).status == Status.AVAILABLE
    hosting = slow(limit + 100, share=0.001)
    tenant = passed(hosting.loop(), a_new_tenant(org, member, **row))
    words = f"The server did not answer for {limit / 60:.0f} minutes, and did nothing."
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, words)
    assert not hosting.running


class Stumbling(FakeHosting):
    """Its first attempts end with these words; the supervisor starts it again."""

    def __init__(self, reason):
        super().__init__()
        self.clock, self.reason, self.ends = Clock(), reason, 3

    def state(self, tenant):
        if self.ends and tenant.pk in self.running:
            return ServerState(ServerStatus.BACKOFF)
        return super().state(tenant)

    def healthy(self, tenant):
        self.ends = max(0, self.ends - 1)
        return not self.ends and super().healthy(tenant)

    def explain_failure(self, tenant):
        return self.reason


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("The server cannot reach ZenPro.", Status.AVAILABLE),
        ("ZenPro answered this server with 503 Server Error.", Status.AVAILABLE),
        ("ZenPro did not accept this server: its secret is wrong.", Status.FAILED),
        ("The disk is full.", Status.FAILED),
    ],
)
def test_an_attempt_that_failed_because_we_were_slow_is_not_the_last(org, member, hosting, reason, status):
    stumbling = Stumbling(reason)
    tenant = passed(TenantLoop(in_place(stumbling), stumbling.clock), a_new_tenant(org, member))
    assert (tenant.status, tenant.state_reason) == (status, "" if status == Status.AVAILABLE else reason)


def test_a_process_that_works_for_ever_is_given_up_too(org, member, slow):
    hosting = slow(float("inf"))
    tenant = passed(hosting.loop(), a_new_tenant(org, member))
    assert tenant.state_reason == "The server was busy for 60 minutes and did not answer."


def test_a_slow_start_keeps_its_place_for_a_while_only(org, member, slow, monkeypatch):
    hosting = slow(SLOT_TIME * 2)
    loop = hosting.loop()
    free = []
    monkeypatch.setattr(hosting, "explain_failure", lambda tenant: "")
    seconds = hosting.cpu_seconds

    def look(tenant):
        free.append((hosting.clock.now > SLOT_TIME, loop.starts._value))
        return seconds(tenant)

    monkeypatch.setattr(hosting, "cpu_seconds", look)
    assert passed(loop, a_new_tenant(org, member)).status == Status.AVAILABLE
    assert set(free) == {(False, STARTS_AT_ONCE - 1), (True, STARTS_AT_ONCE)}
    assert loop.starts._value == STARTS_AT_ONCE


class Overloaded(FakeClient):
    """Refuses `times` times, then does it."""

    def __init__(self, error, times):
        self.error, self.times = error, times

    def create_project(self, name):
        self.times -= 1
        if self.times >= 0:
            raise self.error
        raise TenantConflict("exists")


@pytest.mark.parametrize(
    "error", [TenantUnreachable("The server does not answer in time."), TenantRefused(503, "Busy")], ids=str
)
def test_the_first_project_is_tried_again(org, member, hosting, monkeypatch, error):
    client = Overloaded(error, 3)
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: client)
    tenant = passed(TenantLoop(in_place(hosting), Clock()), a_new_tenant(org, member))
    assert (tenant.status, client.times) == (Status.AVAILABLE, -1)
    assert tenant.project_id and "stop" not in hosting.calls


@pytest.mark.parametrize(
    ("error", "tries"), [(TenantRefused(403, "No"), 1), (TenantUnreachable("Busy"), 61)], ids=str
)
def test_a_server_that_makes_no_project_runs_on_and_makes_it_later(
    org, member, hosting, monkeypatch, error, tries
):
    client = Overloaded(error, 1000)
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: client)
    loop = TenantLoop(in_place(hosting), Clock())
    tenant = passed(loop, a_new_tenant(org, member))
    assert (tenant.status, tenant.project_id, 1000 - client.times) == (Status.AVAILABLE, None, tries)
    assert tenant.progress[6]["note"] == f"It is created later: {error.reason}"
    assert hosting.running == {tenant.pk}
    passed(loop, tenant)
    client.times = 0
    assert passed(loop, tenant).project_id is None, "It is not asked at every look."
    loop.clock.sleep(tenant_loop.PROJECT_LATER)
    assert passed(loop, tenant).project_id


def test_a_server_that_ends_while_the_project_is_made_has_failed(org, member, hosting, monkeypatch):
    def dies(user, tenant):
        hosting.running.clear()
        raise TenantUnreachable("Connection refused")

    monkeypatch.setattr(tenant_loop, "connect", dies)
    tenant = passed(TenantLoop(in_place(hosting), Clock()), a_new_tenant(org, member))
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, "The server stopped immediately.")


def asked_by_someone(pk):
    upgrade(tenant=Tenant.objects.get(pk=pk), version="0.98.0", by=Actor(None))


ASKED_FROM = {
    "one that runs": {"status": Status.AVAILABLE, "restart_requested_at": timezone.now()},
    "one that failed": {"status": Status.FAILED, "updated_at": timezone.now() - timedelta(minutes=5)},
    "one that was deactivated": {"status": Status.DEACTIVATED},
}


@pytest.mark.parametrize("state", ASKED_FROM)
def test_a_version_that_was_asked_for_as_the_pass_began_is_the_one_that_starts(
    org, member, loop, hosting, monkeypatch, state
):
    tenant = passed(loop, a_new_tenant(org, member, zenml_version="0.97.0"))
    Tenant.objects.filter(pk=tenant.pk).update(**ASKED_FROM[state])
    started = []
    for name in ("start", "restart"):
        monkeypatch.setattr(hosting, name, lambda one: started.append(one.zenml_version))
    monkeypatch.setattr(loop.mover, "go_on", lambda one: asked_by_someone(one.pk))
    hosting.running.add(tenant.pk)
    tenant = passed(loop, tenant)
    assert (started, tenant.status, tenant.zenml_version) == (["0.98.0"], Status.AVAILABLE, "0.98.0")
