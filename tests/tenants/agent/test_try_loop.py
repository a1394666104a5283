"""Tries of code in the agent: who no longer may, what fails, then what is done and in which order."""

from concurrent.futures import Executor, Future
from pathlib import Path

import pytest
from django.utils import timezone
from factories import make_code, make_grant, make_member, make_tenant

from orgs.models import Organization
from orgs.users.models import Actor
from tenants.agent import try_loop
from tenants.agent.try_loop import TryLoop
from tenants.hosting.base import EnvironmentFailed
from tenants.models import Tenant, TenantGrant
from tenants.run_templates.code_tries import NEWER, try_again
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.importing import StepImport
from tenants.run_templates.models import CodeTry

PYTHON = Path("/envs/one/bin/python")
STEPS = {"load": {"module": "steps", "attribute": "load"}}


class Held(Executor):
    """Keeps what is handed in until a test does it."""

    def __init__(self):
        self.work = []

    def submit(self, work, *args):
        future = Future()
        self.work.append(lambda: future.set_result(work(*args)))
        return future

    def do_all(self):
        while self.work:
            self.work.pop(0)()


class Prepared:
    """Environments that are there, or can't be made."""

    def __init__(self):
        self.asked, self.error, self.meanwhile = [], None, lambda: None

    def prepare(self, *needs):
        self.asked.append(needs)
        self.meanwhile()
        if self.error:
            raise self.error
        return PYTHON


@pytest.fixture
def loop(db, settings, tmp_path, monkeypatch):
    settings.ZENPRO_DATA = tmp_path
    monkeypatch.setattr(try_loop, "close_old_connections", lambda: None)  # threads only
    loop = TryLoop(Prepared(), Held(), import_them=lambda *words: loop.imported(*words))
    loop.calls, loop.outcome = [], [StepImport("load", "steps", "imported")]

    def imported(*words):
        loop.calls.append(words)
        if isinstance(loop.outcome, Exception):
            raise loop.outcome
        return loop.outcome

    loop.imported = imported
    return loop


@pytest.fixture
def asked(org, tenant):
    """asked(tenant): a try of a person who may."""

    def ask(where=tenant, person=None) -> CodeTry:
        if person is None:
            person = make_member(org, "member")
            make_grant(where, person, "editor")
        row = CodeTry(code=make_code(where, "churn"), steps=STEPS, roots=["src"])
        return try_again(earlier=row, requirements="pandas", by=Actor(person))

    return ask


def go(loop) -> None:
    loop.tick()
    loop.pool.do_all()


def now(one: CodeTry) -> CodeTry:
    return CodeTry.objects.get(pk=one.pk)


# -- refusals


def lost_role(one):
    TenantGrant.objects.all().delete()


def was_deactivated(one):
    one.person.is_active = False
    one.person.save()


def tenant_is_deleted(one):
    Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())


def two_factors_are_required(one):
    Organization.objects.update(requires_two_factor=True)


@pytest.mark.parametrize("loss", [lost_role, was_deactivated, tenant_is_deleted, two_factors_are_required])
@pytest.mark.parametrize("during", [False, True])
def test_nothing_of_whoever_no_longer_may_is_imported(loop, asked, loss, during):
    one = asked()
    if during:
        loop.environments.meanwhile = lambda: loss(one)
    else:
        loss(one)
    go(loop)
    assert (loop.calls, now(one).state, now(one).reason) == ([], "failed", try_loop.NO_RIGHT)


@pytest.mark.parametrize("error", [EnvironmentFailed("No version of a==9."), None])
def test_packages_that_cannot_be_installed_are_told(loop, asked, error):
    one = asked()
    loop.environments.error = error
    loop.outcome = CodeError("The copy of this code is no longer there.") if error is None else loop.outcome
    go(loop)
    assert now(one).state == "failed" and now(one).ended_at
    assert now(one).reason == (error.reason if error else "The copy of this code is no longer there.")


def test_a_fault_of_ours_ends_it_with_a_sentence(loop, asked):
    one = asked()
    loop.outcome = ZeroDivisionError()
    go(loop)
    assert (now(one).state, now(one).reason) == ("failed", try_loop.FAULT)


def test_one_that_is_deleted_meanwhile_stays_so(loop, asked):
    one = asked()
    loop.environments.meanwhile = lambda: CodeTry.objects.all().delete()
    go(loop)
    assert (loop.calls, CodeTry.objects.filter(pk=one.pk).exists()) == ([], False)


# -- what it does


def test_a_try_gets_the_environment_of_a_template_and_its_results(loop, asked):
    one = asked()
    loop.environments.meanwhile = lambda: seen.append(now(one).state)
    seen = []
    go(loop)
    assert (seen, loop.environments.asked) == (["installing"], [("0.98.0", "pandas", "")])
    assert loop.calls == [(PYTHON, one.code.code_hash, ["src"], "", STEPS, f"try-{one.pk}")]
    assert (now(one).state, now(one).results[0]["state"]) == ("done", "imported")
    go(loop)
    assert len(loop.calls) == 1


@pytest.mark.parametrize("state", CodeTry.UNFINISHED)
def test_what_an_earlier_agent_left_is_begun_anew(loop, asked, state):
    one = asked()
    CodeTry.objects.update(state=state)
    go(loop)
    assert (now(one).state, len(loop.calls)) == ("done", 1)


def test_one_of_each_tenant_at_a_time_the_oldest_first(loop, asked, org):
    first, second, other = asked(), asked(), asked(make_tenant(org))
    loop.tick()
    loop.tick()
    assert len(loop.pool.work) == 2
    loop.pool.do_all()
    assert [now(one).state for one in (first, second, other)] == ["done", "waiting", "done"]
    go(loop)
    assert now(second).state == "done"


def test_few_at_once(loop, asked, org, monkeypatch):
    monkeypatch.setattr(try_loop, "INSTALLS", 2)
    for _ in range(3):
        asked(make_tenant(org))
    loop.tick()
    assert len(loop.pool.work) == 2


def test_a_newer_one_of_the_same_person_takes_its_place(loop, asked):
    first = asked()
    loop.environments.meanwhile = lambda: asked(person=first.person) if first.pk == only() else None

    def only():
        return CodeTry.objects.filter(state="installing").values_list("pk", flat=True).first()

    go(loop)
    assert (now(first).state, now(first).reason, loop.calls) == ("failed", NEWER, [])
    go(loop)
    assert CodeTry.objects.get(state="done").person == first.person
