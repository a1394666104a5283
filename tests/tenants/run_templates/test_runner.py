import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from tenants.run_templates.engine import base, marked_processes
from tenants.run_templates.engine.base import AlreadyRunning, Order, RunnerFailed, Started
from tenants.run_templates.engine.boxed_programs import PROGRAMS
from tenants.run_templates.engine.runner import (
    TOLD,
    BoxedRunner,
    chosen,
    folder_of,
    kept_file,
)
from tests.tenants.hosting.conftest import bury, eventually


@pytest.fixture
def runner():
    return BoxedRunner()


@pytest.fixture
def order(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    code = tmp_path / "code"
    (code / "zenml" / "entrypoints").mkdir(parents=True)
    (code / "zenml" / "entrypoints" / "entrypoint.py").write_text(
        "import time; print('here', flush=True); time.sleep(60)"
    )
    return Order(
        run_id=uuid4(),
        zenml_run_id=uuid4(),
        snapshot_id=uuid4(),
        python=Path(sys.executable),
        code=code,
        roots=[""],
        starts_in="",
        server_url="http://127.0.0.1:1",
        token="t",
        project_id=uuid4(),
        stack_id=uuid4(),
        local_stores=tmp_path,
        user_id=uuid4(),
    )


@pytest.fixture
def started(runner, order):
    started = runner.start(order)
    yield started
    end(runner, started)


def end(runner, started):
    runner.end(started)
    runner.exit_code(started)


def test_without_code_it_begins_in_an_empty_folder(runner, order):
    """As of a run whose pods take their code from somewhere else."""
    started = runner.start(replace(order, code=None))
    try:
        assert [*(folder_of(order.run_id) / "code").iterdir()] == []
    finally:
        end(runner, started)


def test_a_second_runner_of_the_same_run_is_refused_by_the_kernel(runner, order, started):
    with pytest.raises(AlreadyRunning):
        BoxedRunner().start(order)
    end(runner, started)
    end(runner, runner.start(order))


def test_a_limit_of_an_earlier_attempt_is_not_told_of_the_next(runner, order, started):
    (folder_of(order.run_id) / TOLD).write_text("ZenPro ended this run: it took too long.")
    with pytest.raises(AlreadyRunning):
        runner.start(order)
    assert runner.limit(order.run_id) == "ZenPro ended this run: it took too long."
    end(runner, started)
    other = runner.start(order)
    assert runner.limit(order.run_id) == ""
    end(runner, other)


def test_a_runner_is_found_by_its_run_and_only_by_it(runner, order, started):
    eventually(lambda: runner.output(order.run_id))  # it writes its number down a moment after its start
    assert BoxedRunner().find(order.run_id) == started
    assert runner.find(uuid4()) is None


def test_a_runner_has_a_session_of_its_own_and_private_folders(order, started):
    assert os.getsid(started.pid) == started.pid
    for name in ("home", "config"):
        assert (folder_of(order.run_id) / name).stat().st_mode & 0o777 == 0o700


def test_a_process_is_alive_until_it_ended_even_when_nobody_buried_it(order, started):
    stranger = BoxedRunner()
    assert stranger.alive(started)
    os.kill(started.pid, signal.SIGKILL)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert marked_processes.mark_of(started.pid) == started.mark
    assert not stranger.alive(started)
    assert stranger.find(order.run_id) is None


def test_whoever_started_it_buries_it_and_knows_how_it_ended(runner, started):
    assert runner.alive(started)
    runner.end(started)
    eventually(lambda: not runner.alive(started) and marked_processes.mark_of(started.pid) == "")
    assert runner.exit_code(started) == -signal.SIGKILL
    assert BoxedRunner().exit_code(started) is None


@pytest.mark.parametrize("mark", ["", "1/deadbeef", "another"])
def test_a_number_used_again_by_somebody_else_is_left_alone(runner, mark):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    taken = Started(uuid4(), stranger.pid, mark)
    try:
        assert not runner.alive(taken)
        runner.stop(taken)
        runner.end(taken)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_nothing_is_alive_and_nothing_is_killed_without_a_number(runner):
    nothing = Started(uuid4(), None, "")
    assert not runner.alive(nothing)
    runner.stop(nothing)
    runner.end(nothing)
    assert runner.exit_code(nothing) is None


def test_a_missing_interpreter_is_a_sentence(runner, order):
    with pytest.raises(RunnerFailed, match="The runner could not be started: No such file or directory."):
        runner.start(Order(**{**vars(order), "python": Path("/nowhere/python")}))


def test_output_is_kept_and_scratch_thrown_away(runner, order, started):
    end(runner, started)
    runner.tidy(order.run_id)
    assert {path.name for path in folder_of(order.run_id).iterdir()} == {"output.log"}


def packed(order):
    with tarfile.open(kept_file(order.run_id)) as archive:
        return {one.name: one for one in archive.getmembers()}


def worked_in(order) -> Path:
    """The working directory of a run that has ended."""
    here = folder_of(order.run_id) / "code"
    shutil.copytree(order.code, here, dirs_exist_ok=True)
    return here


def test_what_a_run_wrote_beside_its_code_is_kept(runner, order):
    (order.code / "steps.py").write_text("x = 1")
    (order.code / "data.csv").write_text("1,2")
    here = worked_in(order)
    (here / "data.csv").write_text("1,3")
    (here / "plots").mkdir()
    (here / "plots" / "loss ü.txt").write_text("down")
    size = runner.keep(order.run_id, order.code)
    assert size == kept_file(order.run_id).stat().st_size > 0
    members = packed(order)
    assert members.keys() == {"data.csv", "plots/loss ü.txt"}
    assert {(one.mode, one.uid, one.gid, one.uname) for one in members.values()} == {(0o644, 0, 0, "")}
    runner.tidy(order.run_id)
    assert {path.name for path in folder_of(order.run_id).iterdir()} == {"written.tar.gz"}


def test_nothing_is_kept_of_a_run_that_wrote_nothing(runner, order):
    assert runner.keep(order.run_id, order.code) == 0  # it never began
    (order.code / "steps.py").write_text("x = 1")
    worked_in(order)
    assert runner.keep(order.run_id, order.code) == 0
    assert not kept_file(order.run_id).exists()


def test_what_leads_out_or_is_no_file_is_not_kept(runner, order, tmp_path):
    (tmp_path / "secret").write_text("secret")
    here = worked_in(order)
    (here / "link").symlink_to(tmp_path / "secret")
    (here / "folder").symlink_to(tmp_path)
    os.mkfifo(here / "pipe")
    (here / "closed").write_text("x")
    (here / "closed").chmod(0)
    os.close(bury(here / "deep"))
    (here / "good").write_text("good")
    assert runner.keep(order.run_id, order.code) > 0
    found = packed(order).keys()
    runner.tidy(order.run_id)  # or whoever cleans up after the tests would meet that depth
    assert "good" in found and found <= {"good", "closed"}


def test_only_so_much_is_kept(tmp_path):
    """The program itself, without a box: what does not fit is left out, smaller files still find room."""
    for name, size in (("a", 60), ("b", 60), ("c", 30)):
        (tmp_path / "here").mkdir(exist_ok=True)
        (tmp_path / "here" / name).write_bytes(b"x" * size)
    words = [tmp_path / "here", tmp_path / "code", tmp_path / "x.tar.gz", 100, 5]
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAMS / "pack.py", *map(str, words)], capture_output=True, check=True
    )
    answer = json.loads(done.stdout)
    assert (answer["files"], answer["left"]) == (2, 1)


def test_scratch_of_any_depth_is_thrown_away(runner, order):
    folder = folder_of(order.run_id)
    os.close(bury(folder / "home"))
    (folder / "tmp").symlink_to(order.code)
    runner.tidy(order.run_id)
    assert os.listdir(folder) == []
    assert order.code.exists()


def test_the_output_of_nothing_is_empty(runner, settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    assert runner.output(uuid4()) == []


def test_the_runner_of_this_installation_keeps_to_the_protocol():
    asked = {name: method for name, method in vars(base.Runner).items() if inspect.isfunction(method)}
    asked = {name: parameters(method) for name, method in asked.items() if not name.startswith("_")}
    assert asked.keys() >= {"start", "alive", "stop", "end", "output"}
    assert {name: parameters(getattr(type(chosen()), name)) for name in asked} == asked


def parameters(method):
    return inspect.signature(method).parameters
