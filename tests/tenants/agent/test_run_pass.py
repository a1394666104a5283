"""Passes over re-runs that are carried out somewhere else than in a process of this machine."""

# ruff: noqa: F811 - fixtures of the tests of the loop

import inspect
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from tenants.agent import run_pass, run_rows
from tenants.agent.run_endings import End
from tenants.agent.run_memory import Memory
from tenants.agent.run_pass import RunPass
from tenants.hosting.base import TenantUnreachable
from tenants.run_templates.engine import stored_code
from tenants.run_templates.engine.base import Runner
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
    """Each call is a pass of an agent that has just been started, at some moment."""

    def look(after=0):
        moment = timezone.now() + timedelta(seconds=after)
        row = run_rows.load(let_in.pk)
        RunPass(row, Memory(), runner, FakeEnvironments(), lambda user, tenant: server, lambda: moment).go()
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
