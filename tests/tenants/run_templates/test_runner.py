import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tenants.run_templates.engine import runner
from tenants.run_templates.engine.runner import AlreadyRunning, Order, RunnerFailed
from tests.tenants.hosting.conftest import bury, eventually


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
        server_url="http://127.0.0.1:1",
        token="t",
        project_id=uuid4(),
        stack_id=uuid4(),
        local_stores=tmp_path,
        user_id=uuid4(),
    )


@pytest.fixture
def started(order):
    process = runner.start(order)
    yield process
    process.kill()
    process.wait()


def test_a_second_runner_of_the_same_run_is_refused_by_the_kernel(order, started):
    with pytest.raises(AlreadyRunning):
        runner.start(order)
    started.kill()
    started.wait()
    other = runner.start(order)
    other.kill()
    other.wait()


def test_a_limit_of_an_earlier_attempt_is_not_told_of_the_next(order, started):
    told = runner.folder_of(order.run_id) / runner.TOLD
    told.write_text("ZenPro ended this run: it took too long.")
    with pytest.raises(AlreadyRunning):
        runner.start(order)
    assert runner.limit_told(order.run_id) == "ZenPro ended this run: it took too long."
    started.kill()
    started.wait()
    other = runner.start(order)
    assert runner.limit_told(order.run_id) == ""
    other.kill()
    other.wait()


def test_a_runner_is_found_by_its_run_and_only_by_it(order, started):
    eventually(lambda: runner.tail(order.run_id))  # it writes its number down a moment after its start
    assert runner.find(order.run_id) == started.pid
    assert runner.find(uuid4()) is None


def test_a_runner_has_a_session_of_its_own_and_private_folders(order, started):
    assert os.getsid(started.pid) == started.pid
    for name in ("home", "config"):
        assert (runner.folder_of(order.run_id) / name).stat().st_mode & 0o777 == 0o700


def test_a_process_is_alive_until_it_ended_even_when_nobody_buried_it(order, started):
    mark = runner.mark_of(started.pid)
    assert runner.alive(started.pid, mark)
    os.kill(started.pid, signal.SIGKILL)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert runner.mark_of(started.pid) == mark
    assert not runner.alive(started.pid, mark)
    assert runner.find(order.run_id) is None


@pytest.mark.parametrize("mark", ["", "1/deadbeef", "another"])
def test_a_number_used_again_by_somebody_else_is_left_alone(mark):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        assert not runner.alive(stranger.pid, mark)
        runner.terminate(stranger.pid, mark)
        runner.kill(stranger.pid, mark)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_nothing_is_alive_and_nothing_is_killed_without_a_number():
    assert not runner.alive(None, "")
    runner.kill(None, "")


def test_a_missing_interpreter_is_a_sentence(order):
    with pytest.raises(RunnerFailed, match="The runner could not be started: No such file or directory."):
        runner.start(Order(**{**vars(order), "python": Path("/nowhere/python")}))


def test_output_is_kept_and_scratch_thrown_away(order, started):
    started.kill()
    started.wait()
    runner.tidy(order.run_id)
    assert {path.name for path in runner.folder_of(order.run_id).iterdir()} == {"output.log"}


def test_scratch_of_any_depth_is_thrown_away(order):
    folder = runner.folder_of(order.run_id)
    os.close(bury(folder / "home"))
    (folder / "tmp").symlink_to(order.code)
    runner.tidy(order.run_id)
    assert os.listdir(folder) == []
    assert order.code.exists()


def test_the_tail_of_nothing_is_empty(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path
    assert runner.tail(uuid4()) == []
