"""Moves from one home to another, step by step, against stand-ins: what comes of each failure, and of each kill."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_grant, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor, Origin
from tenants.agent import tenant_loop
from tenants.agent.moving import BEGUN_RUN, LIMITS, Mover
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.base import NotYet, ServerError, SupervisorGone
from tenants.models import Tenant, TenantMove
from tenants.moves.actions import move_tenant
from tenants.moves.carriages import folder_of
from tests.tenants.hosting.fakes import FakeHosting
from zenpro_site.kubernetes_settings import KubernetesSettings

from .test_tenant_loop import FakeClient

Status, Desired, Step = Tenant.Status, Tenant.DesiredState, TenantMove.Step


class Home(FakeHosting):
    """Several of them for one tenant: each has its own servers, and says where those are."""

    def __init__(self, name):
        super().__init__()
        self.name, self.cleared = name, []

    def _reserve(self, tenant):
        tenant.server_url = f"http://{self.name}.example.org"
        Tenant.objects.filter(pk=tenant.pk).update(server_url=tenant.server_url)

    def stop(self, tenant):
        self.calls.append("stop")
        if self.gone:
            raise self.gone
        self.running.discard(tenant.pk)

    def retire(self, tenant):
        self.cleared.append(tenant.pk)


@pytest.fixture(autouse=True)
def place(settings, tmp_path, monkeypatch):
    settings.ZENPRO_DATA = tmp_path
    settings.ZENPRO_KUBERNETES = KubernetesSettings(config="/nowhere", url="https://*.zenml.example.org")
    monkeypatch.setattr(tenant_loop, "connect", lambda user, tenant: FakeClient())


@pytest.fixture
def here():
    return Home("here")


@pytest.fixture
def there():
    return Home("there")


@pytest.fixture(autouse=True)
def steps_of_these(here, there, monkeypatch):
    monkeypatch.setattr("tenants.moves.actions.backends", lambda: {"local": here, "kubernetes": there})


@pytest.fixture
def loop(here, there):
    return TenantLoop({"local": here, "kubernetes": there})


@pytest.fixture
def tenant(org, member, here):
    made = make_tenant(org, server_url="http://here.example.org", available_since=timezone.now())
    make_grant(made, member, "admin")
    here.running.add(made.pk)
    return made


@pytest.fixture
def move(tenant, owner):
    return move_tenant(tenant=tenant, to="kubernetes", by=Actor(owner, Origin()))


def passed(loop, tenant, times=1):
    for _ in range(times):
        loop.run_pass(tenant.pk)
    tenant.refresh_from_db()
    return tenant


def events(tenant):
    return list(
        AuditEvent.objects.filter(target_id=str(tenant.pk))
        .order_by("number")
        .values_list("action", flat=True)
    )


def test_there_in_one_pass(loop, tenant, move, here, there):
    assert passed(loop, tenant).status == Status.AVAILABLE
    assert (tenant.kind, tenant.server_url) == ("kubernetes", "http://there.example.org")
    assert (here.running, there.running) == (set(), {tenant.pk})
    assert here.calls == ["stop", "take_out"] and there.calls == ["install", "put_in", "install", "start"]
    move.refresh_from_db()
    assert (move.step, move.failure, move.is_over) == (Step.MOVED, "", True)
    assert {step["state"] for step in tenant.progress} == {"done"}
    assert [step["key"] for step in tenant.progress][:4] == ["stop", "take", "put", "reserve"]
    assert not folder_of(move.pk).exists()
    assert events(tenant) == ["tenant.move_asked", "tenant.moved"]


def test_the_page_is_told_where_it_stands(loop, tenant, move, here):
    assert tenant.progress[0]["state"] == "running" and tenant.status == Status.PENDING
    here.slow = 2
    passed(loop, tenant)
    assert [step["state"] for step in tenant.progress][:3] == ["done", "running", "waiting"]
    assert tenant.state_reason == "It is on its way."


def test_what_is_left_is_removed_after_the_time_of_grace(loop, tenant, move, here, there, settings):
    passed(loop, tenant)
    loop.mover.clear()
    assert here.cleared == []
    move.refresh_from_db()
    long_ago = move.ended_at - timedelta(days=settings.ZENPRO_KEEP_DELETED_DAYS, seconds=1)
    TenantMove.objects.update(ended_at=long_ago)
    loop.mover.clear()
    loop.mover.clear()
    assert (here.cleared, there.cleared) == ([tenant.pk], [])
    move.refresh_from_db()
    assert move.cleared_at


def test_a_copy_that_a_killed_agent_forgot_is_removed(loop, tenant, move):
    passed(loop, tenant)
    (folder_of(move.pk) / "database").mkdir(parents=True)
    loop.mover.clear()
    assert not folder_of(move.pk).exists()


def test_what_was_measured_here_does_not_count_there(loop, tenant, move):
    Tenant.objects.update(disk_bytes=10**12, disk_measured_at=timezone.now())
    assert (passed(loop, tenant).disk_bytes, tenant.disk_measured_at) == (0, None)


def test_a_home_that_cannot_be_cleared_is_asked_again_later(loop, tenant, move, here, monkeypatch):
    passed(loop, tenant)
    TenantMove.objects.update(ended_at=timezone.now() - timedelta(days=100))
    asked = []
    monkeypatch.setattr(
        here, "retire", lambda one: asked.append(one) or (_ for _ in ()).throw(NotYet("It goes on."))
    )
    loop.mover.clear()
    loop.mover.clear()
    assert len(asked) == 1
    move.refresh_from_db()
    assert move.cleared_at is None


def test_who_came_back_while_others_were_cleared_keeps_everything(
    loop, org, member, owner, here, monkeypatch
):
    """Removing large folders takes minutes, and a move back may take less."""
    both = [asked_anew(org, member, owner, here) for _ in range(2)]
    for one in both:
        passed(loop, one)
    long_ago = timezone.now() - timedelta(days=100)
    TenantMove.objects.update(ended_at=long_ago)

    def retire(one):
        here.cleared.append(one.pk)
        for other in both:
            if other.pk != one.pk:  # as when its move was asked for while it still had its time of grace
                TenantMove.objects.filter(tenant=other).update(ended_at=timezone.now())
                move_tenant(tenant=other, to="local", by=Actor(owner, Origin()))
                assert passed(loop, other).kind == "local"
                TenantMove.objects.filter(tenant=other).update(ended_at=long_ago)

    monkeypatch.setattr(here, "retire", retire)
    loop.mover.clear()
    assert len(here.cleared) == 1


def and_back(loop, tenant, owner):
    passed(loop, tenant)
    move_tenant(tenant=tenant, to="local", by=Actor(owner, Origin()))
    return passed(loop, tenant)


def test_back_again_keeps_the_home_it_came_from(loop, tenant, move, here, there, owner):
    assert and_back(loop, tenant, owner).kind == "local"
    TenantMove.objects.update(ended_at=timezone.now() - timedelta(days=100))
    loop.mover.clear()
    assert (here.cleared, there.cleared) == ([], [tenant.pk])
    assert not TenantMove.objects.uncleared().exists()


def test_a_way_back_that_fails_removes_nothing_of_the_first_home(loop, tenant, move, here, there, owner):
    """Its old data, and the artifacts beside them, have their time of grace."""
    passed(loop, tenant)
    here.lost = "The disk is full."
    and_back(loop, tenant, owner)
    assert passed(loop, tenant).kind == "kubernetes" and tenant.status == Status.AVAILABLE
    loop.mover.clear()
    assert here.cleared == []


# -- what goes wrong

FAILURES = {
    "the copy": lambda here, there: setattr(here, "lost", "It is damaged."),
    "the way in": lambda here, there: setattr(there, "lost", "It is damaged."),
    "a version that is not there": lambda here, there: setattr(there, "error", ServerError("It is damaged.")),
    "the start": lambda here, there: setattr(there, "dead", "It is damaged."),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_fails_leads_back(loop, tenant, move, here, there, failure):
    FAILURES[failure](here, there)
    folder_of(move.pk).mkdir(parents=True)
    passed(loop, tenant)
    assert (tenant.kind, tenant.status) == ("local", Status.PENDING)
    assert tenant.state_reason == "The move failed: It is damaged. It starts on this machine again."
    assert not folder_of(move.pk).exists()  # on a full disk the old server could not start beside it
    assert passed(loop, tenant).status == Status.AVAILABLE
    assert (tenant.kind, tenant.server_url) == ("local", "http://here.example.org")
    assert (here.running, there.running) == ({tenant.pk}, set())
    move.refresh_from_db()
    assert (move.step, move.failure, move.is_over) == (Step.RETURNED, "It is damaged.", True)
    assert events(tenant) == ["tenant.move_asked", "tenant.move_failed"]
    assert not folder_of(move.pk).exists()
    loop.mover.clear()
    assert (here.cleared, there.cleared) == ([], [tenant.pk])


def test_a_run_that_came_in_between(loop, tenant, move, monkeypatch):
    monkeypatch.setattr("tenants.agent.moving.unfinished_runs", lambda one: 1)
    passed(loop, tenant, 2)
    move.refresh_from_db()
    assert (tenant.status, tenant.kind, move.failure) == (Status.AVAILABLE, "local", BEGUN_RUN)


@pytest.mark.parametrize("step", [Step.STOPPING, Step.TAKING])
def test_a_home_that_does_not_answer_is_waited_for_but_not_for_ever(loop, tenant, move, here, step):
    TenantMove.objects.update(step=step)
    here.gone = here.lost = None
    here.slow = 100
    error = SupervisorGone("The cluster does not answer.")
    here.stop, here.take_out = raising(error), raising(error)
    assert passed(loop, tenant).state_reason == error.reason
    move.refresh_from_db()
    assert move.step == step
    TenantMove.objects.update(step_since=timezone.now() - timedelta(seconds=LIMITS[step] + 1))
    passed(loop, tenant)
    move.refresh_from_db()
    assert (move.step, move.failure) == (Step.RETURNING, error.reason)


def raising(error):
    def call(*args):
        raise error

    return call


def test_a_new_home_that_is_gone_does_not_keep_it_from_going_back(loop, tenant, move, here, there):
    there.lost, there.stop = "It is damaged.", raising(SupervisorGone("The cluster does not answer."))
    passed(loop, tenant, 2)
    long_ago = timezone.now() - timedelta(seconds=LIMITS[Step.RETURNING] + 1)
    TenantMove.objects.update(step_since=long_ago)
    assert (passed(loop, tenant).status, tenant.kind) == (Status.AVAILABLE, "local")


def test_one_call_without_an_answer_does_not_make_two_servers(loop, tenant, move, here, there):
    there.dead, stop = "It is damaged.", there.stop
    there.stop = raising(SupervisorGone("The cluster does not answer."))
    passed(loop, tenant, 2)
    assert there.running == {tenant.pk} and here.running == set()
    there.stop = stop
    assert passed(loop, tenant).status == Status.AVAILABLE
    assert (here.running, there.running) == ({tenant.pk}, set())


def test_the_old_server_is_not_started_while_the_new_one_ends(loop, tenant, move, here, there):
    there.dead, there.stop = "It is damaged.", raising(NotYet("The server is ending."))
    passed(loop, tenant, 3)
    assert tenant.status == Status.PENDING and here.running == set()
    there.stop = lambda one: None
    assert passed(loop, tenant).status == Status.AVAILABLE


def test_an_old_server_that_does_not_come_back_fails_as_any_other(loop, tenant, move, here, there):
    there.lost, here.dead = "It is damaged.", "Its port is taken."
    passed(loop, tenant, 2)
    move.refresh_from_db()
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, "Its port is taken.")
    assert (move.step, move.failure) == (Step.RETURNED, "It is damaged.")


@pytest.mark.parametrize("step", [Step.STOPPING, Step.PUTTING])
def test_deleted_on_the_way(loop, tenant, move, here, there, step):
    TenantMove.objects.update(step=step)
    Tenant.objects.update(desired_state=Desired.DELETED, deleted_at=timezone.now())
    assert passed(loop, tenant).status == Status.DELETED
    move.refresh_from_db()
    assert (move.step, tenant.kind) == (Step.RETURNED, "local")
    loop.mover.clear()
    assert there.cleared == [tenant.pk] and here.running == there.running == set()


def test_deleted_while_it_starts_there(loop, tenant, move, here, there, settings):
    """The old data have their time of grace, as after a move that is over."""
    TenantMove.objects.update(step=Step.STARTING)
    gone = {"desired_state": Desired.DELETED, "deleted_at": timezone.now()}
    Tenant.objects.update(kind="kubernetes", **gone)
    assert passed(loop, tenant).status == Status.DELETED
    move.refresh_from_db()
    assert move.step == Step.MOVED
    loop.mover.clear()
    assert here.cleared == []


# -- the agent is killed


class Killed(BaseException):
    """As by SIGKILL: nothing of the agent's runs any more."""


class Killer:
    """Kills the agent before the nth of its writes and calls."""

    def __init__(self, monkeypatch, hostings):
        self.left = None
        for owner, name in ((Mover, "_note"), (TenantLoop, "_set")):
            monkeypatch.setattr(owner, name, self._deadly(getattr(owner, name)))
        for home in hostings:
            for name in ("stop", "take_out", "provision", "put_in", "start", "healthy"):
                monkeypatch.setattr(home, name, self._deadly(getattr(home, name)))

    def _deadly(self, call):
        def called(*args, **values):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed
            return call(*args, **values)

        return called


def until_settled(loop, tenant):
    for _ in range(6):
        if passed(loop, tenant).status != Status.PENDING:
            return
    raise AssertionError(tenant.state_reason)


def kill_everywhere(monkeypatch, homes, begin, check) -> int:
    """Tries every point at which the agent can die. Returns how many there were."""
    killer = Killer(monkeypatch, homes)
    for count in range(200):
        tenant = begin()
        killer.left = count
        try:
            until_settled(TenantLoop(dict(zip(("local", "kubernetes"), homes, strict=True))), tenant)
        except Killed:
            killer.left = None
            until_settled(TenantLoop(dict(zip(("local", "kubernetes"), homes, strict=True))), tenant)
            check(tenant)
        else:
            check(tenant)
            return count
    raise AssertionError("It never came to an end.")


def asked_anew(org, member, owner, here):
    tenant = make_tenant(org, server_url="http://here.example.org", available_since=timezone.now())
    make_grant(tenant, member, "admin")
    here.running.add(tenant.pk)
    move_tenant(tenant=tenant, to="kubernetes", by=Actor(owner, Origin()))
    return tenant


def test_killed_at_any_moment_it_arrives(org, member, owner, here, there, monkeypatch):
    def check(tenant):
        move = tenant.moves.get()
        assert (tenant.status, tenant.kind, move.step) == (Status.AVAILABLE, "kubernetes", Step.MOVED)
        assert tenant.pk in there.running - here.running and not folder_of(move.pk).exists()

    begin = lambda: asked_anew(org, member, owner, here)
    assert kill_everywhere(monkeypatch, (here, there), begin, check) > 20


def test_killed_at_any_moment_it_comes_back(org, member, owner, here, there, monkeypatch):
    there.dead = "It is damaged."

    def check(tenant):
        move = tenant.moves.get()
        assert (tenant.status, tenant.kind, move.step) == (Status.AVAILABLE, "local", Step.RETURNED)
        assert tenant.pk in here.running - there.running

    begin = lambda: asked_anew(org, member, owner, here)
    assert kill_everywhere(monkeypatch, (here, there), begin, check) > 20
