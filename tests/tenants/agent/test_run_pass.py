"""Passes over re-runs that are carried out somewhere else than in a process of this machine."""

# ruff: noqa: F811 - fixtures of the tests of the loop

import inspect
import io
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from tenants.agent import run_pass, run_rows
from tenants.agent.run_endings import End
from tenants.agent.run_memory import Memory
from tenants.agent.run_pass import RunPass
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.engine import stored_code
from tenants.run_templates.engine.base import Runner, RunnerOutOfReach
from tenants.run_templates.engine.code import freeze_folder
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.run_templates.engine.stored_code import CodeOutOfReach
from tenants.run_templates.models import CodeVersion, TemplateRun
from tenants.runs.client import TenantClient
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS

from .fake_runner import FakeRunner
from .fake_tenant import FakeTenant
from .test_run_loop import (  # noqa: F401 - fixtures among them
    FakeEnvironments,
    cancel,
    fresh,
    here,
    run,
    server,
    state,
    template,
)


@pytest.fixture
def runner():
    return FakeRunner()


@pytest.fixture
def let_in(run, here):
    TemplateRun.objects.filter(pk=run.pk).update(state="starting", started_at=timezone.now())
    return run


@pytest.fixture
def look(let_in, server, runner):
    """Each call is a pass of an agent that has just been started, unless it remembers something, at some moment."""

    def look(after=0, memory=None):
        moment, row = timezone.now() + timedelta(seconds=after), run_rows.load(let_in.pk)
        memory = memory or Memory()
        RunPass(row, memory, runner, FakeEnvironments(), lambda user, tenant: server, lambda: moment).go()
        return fresh(let_in)

    return look


def signatures(cls):
    functions = {name: method for name, method in vars(cls).items() if inspect.isfunction(method)}
    return {
        name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
        for name, method in functions.items()
        if not name.startswith("_")
    }


def test_the_fake_keeps_to_the_protocol():
    asked = signatures(Runner)
    assert {name: signatures(FakeRunner)[name] for name in asked} == asked


FOR_TESTS = {"set", "add_step"}  # what FakeTenant has beside the client's methods


@pytest.mark.parametrize(
    ("fake", "real", "more"),
    [(FakeTenant, TenantClient, FOR_TESTS), (FakeEnvironments, RunEnvironments, set())],
)
def test_doubles_have_the_signatures_of_what_they_stand_for(fake, real, more):
    found, wanted = signatures(fake), signatures(real)
    assert found.keys() - wanted.keys() == more
    assert {name: found[name] for name in found.keys() - more} == {
        name: wanted[name] for name in found.keys() - more
    }


def test_from_nothing_to_the_end_of_a_runner_that_is_no_process(look, runner, server, let_in):
    assert look().pid == 1
    server.set("running")
    assert look().state == "running"
    server.set("completed")
    runner.finish(let_in.pk, 0)
    assert look().state == "completed"
    assert runner.log == ["start", "end", "tidy"]


def test_what_a_failed_run_wrote_is_kept(look, runner, server, let_in, settings):
    look()
    server.set("failed")
    runner.finish(let_in.pk, 1)
    settings.ZENPRO_KEPT_DAYS = 3
    look()
    assert runner.log == ["start", "end", "keep", "tidy"]
    let_in.refresh_from_db()
    assert (let_in.kept_bytes, (let_in.kept_until - timezone.now()).days) == (7, 2)
    settings.ZENPRO_KEPT_DAYS = 0
    run_rows.finish(let_in, End("failed"), runner)
    assert runner.log[4:] == ["tidy"]


def test_one_that_no_one_wrote_down_is_adopted(look, runner, let_in):
    look()
    TemplateRun.objects.update(pid=None, pid_started="")
    assert look().pid == 1
    assert runner.log == ["start"]


def test_one_that_listens_is_only_asked_to_stop(look, runner, server, let_in, owner):
    look()
    cancel(let_in, owner)
    assert look().stop_sent_at is not None
    assert look().state == "stopped"
    assert runner.log.count("stop") == 1
    assert server.only_run.status == "stopped"


def test_one_that_does_not_listen_is_ended_after_the_grace(look, runner, let_in, owner):
    runner.listens = False
    look()
    cancel(let_in, owner)
    look()
    look(after=run_pass.STOP_GRACE - 1)
    assert runner.living
    look(after=run_pass.STOP_GRACE + 1)
    assert not runner.living
    assert runner.log == ["start", "stop", "end"]
    assert look().state == "stopped"


def test_one_that_stays_after_its_run_is_ended_after_the_grace(look, runner, server):
    look()
    server.set("completed")
    look()
    look(after=run_pass.OVER_GRACE - 1)
    assert runner.living
    look(after=run_pass.OVER_GRACE + 1)
    assert not runner.living
    assert look().state == "completed"


def test_the_runner_says_how_it_ended(look, runner, server, let_in):
    look()
    runner.lines = ["[run] starting", "ValueError: no such column"]
    runner.finish(let_in.pk, 1)
    look()
    assert state(let_in) == (
        "failed",
        "The process of the run ended with an error: ValueError: no such column",
    )


@pytest.mark.parametrize("code, signal", [(137, 9), (129, 1), (192, 64), (-15, 15)])
def test_a_signal_is_told_from_an_exit_code(code, signal, look, runner, server, let_in):
    look()
    runner.finish(let_in.pk, code)
    look()
    assert state(let_in) == ("failed", f"The process of the run was killed (signal {signal}).")


@pytest.mark.parametrize("code", [255, 193, 128, 3])
def test_an_exit_code_that_is_no_signal_is_told_as_it_is(code, look, runner, server, let_in):
    look()
    runner.finish(let_in.pk, code)
    look()
    said = f"The process of the run ended with exit code {code} before the run was complete."
    assert state(let_in) == ("failed", said)


def test_a_limit_that_the_runner_tells_comes_first(look, runner, server, let_in):
    look()
    runner.sentence = "ZenPro ended this run: it took too long."
    runner.finish(let_in.pk, 137)
    look()
    assert state(let_in) == ("failed", "ZenPro ended this run: it took too long.")


def test_a_tenant_that_does_not_answer_leaves_the_runner_alone(look, runner, server, let_in):
    look()
    server.down = TenantUnreachable("The server cannot be reached.")
    look()
    assert state(let_in) == ("starting", "Waiting for prod: The server cannot be reached.")
    assert runner.living


def test_the_boxed_process_is_known_only_where_a_runner_is_chosen():
    """A runner elsewhere needs no line in a pass."""
    places = Path(run_pass.__file__).parent.glob("run_*.py")
    boxed = re.compile(r"engine(\.| import )(runner|processes)\b|import subprocess")
    assert [path.name for path in places if boxed.search(path.read_text())] == ["run_loop.py"]


def test_a_run_that_brings_its_code_begins_without_a_copy(let_in, look, runner, monkeypatch):
    orders, start = [], runner.start
    monkeypatch.setattr(runner, "start", lambda order: orders.append(order) or start(order))
    TemplateRun.objects.filter(pk=let_in.pk).update(code=None)
    look()
    (order,) = orders
    assert (order.code, [*order.roots], order.starts_in) == (None, [""], "")


# -- code that is in the storage of all machines


@pytest.fixture
def stored(let_in, here, settings, tmp_path):
    """The storage, with code that this machine does not have."""
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    shared_files.forget_silence()
    code_hash = freeze_folder(here)
    stored_code.store(code_hash)
    CodeVersion.objects.filter(pk=let_in.code_id).update(code_hash=code_hash)
    settings.ZENPRO_DATA = tmp_path / "agent"
    return storages[ALIAS]


def test_code_that_another_machine_was_given_is_fetched(look, runner, stored):
    assert (look().pid, runner.log) == (1, ["start"])


def test_a_run_waits_for_a_storage_that_does_not_answer(look, runner, stored):
    """What the pass raises makes the loop try again, for minutes."""
    stored.fall_silent()
    with pytest.raises(CodeOutOfReach):
        look()
    assert runner.log == []
    stored.trouble = None
    shared_files.forget_silence()
    assert look().pid == 1


def test_a_run_whose_code_was_exchanged_does_not_begin(look, runner, stored):
    (archive,) = stored.listed("code")
    stored.put(f"code/{archive}", io.BytesIO(b"something else"))
    run = look()
    assert (run.state, runner.log[:1]) == ("failed", ["tidy"])
    assert run.state_reason.startswith(stored_code.OTHER)


# -- a runner that is elsewhere


class AwayRunner(FakeRunner):
    """`away`: methods that find no one to ask."""

    def __init__(self):
        super().__init__()
        self.away = set()

    def __getattribute__(self, name):
        if name in object.__getattribute__(self, "__dict__").get("away", ()):
            raise RunnerOutOfReach("The cluster does not answer: no connection.")
        return super().__getattribute__(name)


NOT_THERE = "Waiting for the cluster: The cluster does not answer: no connection."


@pytest.fixture
def away():
    return AwayRunner()


@pytest.fixture
def look_from_afar(let_in, server, away):
    def look(after=0):
        moment = timezone.now() + timedelta(seconds=after)
        row = run_rows.load(let_in.pk)
        RunPass(row, Memory(), away, FakeEnvironments(), lambda user, tenant: server, lambda: moment).go()
        return fresh(let_in)

    return look


@pytest.mark.parametrize("method", ["find", "start"])
def test_a_run_that_may_have_been_started_waits_and_is_adopted(look_from_afar, away, let_in, server, method):
    start = away.start
    away.away.add(method)
    row = look_from_afar()
    assert (row.state, row.state_reason, row.pid) == ("queued", NOT_THERE, None)
    away.away.clear()
    start(SimpleNamespace(run_id=let_in.pk, ends=""))  # the call had arrived all the same
    TemplateRun.objects.filter(pk=let_in.pk).update(state="starting")
    assert look_from_afar().pid == 1
    assert away.log == ["start"]


@pytest.mark.parametrize("method", ["alive", "exit_code", "limit", "end"])
def test_a_run_is_never_ended_on_a_guess(look_from_afar, away, server, let_in, method):
    look_from_afar()
    server.set("running")
    assert look_from_afar().state == "running"
    if method != "alive":
        away.finish(let_in.pk, 1)
    away.away.add(method)
    for hours in (0, 1, 100):
        row = look_from_afar(after=3600 * hours)
        assert (row.state, row.state_reason) == ("running", NOT_THERE)
    away.away.clear()
    away.finish(let_in.pk, 1)
    assert look_from_afar().state == "failed"


def test_it_is_asked_to_stop_until_the_question_has_arrived(look_from_afar, away, server, let_in, member):
    look_from_afar()
    server.set("running")
    look_from_afar()
    cancel(let_in, member)
    away.away.add("stop")
    assert look_from_afar().stop_sent_at is None
    away.away.clear()
    assert look_from_afar().stop_sent_at


def test_a_deleted_tenant_is_no_reason_to_guess(look_from_afar, away, server, let_in):
    look_from_afar()
    server.down = TenantUnreachable("It does not answer.")
    Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())
    away.away.add("end")
    row = look_from_afar()
    assert (row.state, row.state_reason) == ("starting", NOT_THERE)


def test_what_keeps_it_from_beginning_is_told_and_ends_it_after_a_long_time(
    look, runner, server, let_in, settings
):
    settings.ZENPRO_RUN_START_TIME, memory = 1800, Memory()
    look()
    runner.waiting = "The pod waits: No node has room."
    for after in (5000, 6700):  # the cluster was away at first
        row = look(after=after, memory=memory)
        assert (row.state, row.state_reason) == ("starting", "The pod waits: No node has room.")
    row = look(after=6900, memory=memory)
    assert (row.state, runner.log) == ("failed", ["start", "end", "keep", "tidy"])
    assert row.state_reason == "It did not begin within 30 minutes. The pod waits: No node has room."
    assert server.only_run.status == "failed"


def test_what_has_begun_waits_for_nothing(look, runner, server, let_in):
    look()
    runner.waiting = "The pod waits: No node has room."
    look()
    server.set("running")
    assert (look().state_reason, look(after=10**6).state) == ("", "running")


def test_a_process_numbered_nothing_is_one_all_the_same(look_from_afar, away, server, let_in):
    """As of a run whose Job has no process here."""
    look_from_afar()
    TemplateRun.objects.filter(pk=let_in.pk).update(pid=0)
    away.living[let_in.pk] = away.living[let_in.pk]._replace(pid=0)
    server.down = TenantRefused(403, "No.")
    assert look_from_afar().state == "starting"
    away.finish(let_in.pk, 1)
    row = look_from_afar()
    assert (row.state, "no longer has access" in row.state_reason) == ("failed", True)
