import configparser
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tenants.hosting.base import NoSpace, StartFailed, SupervisorGone
from tenants.hosting.local import launch
from tenants.hosting.local.supervisor import (
    LAUNCHER,
    Program,
    Supervisor,
    private_folder,
    write_private,
)
from tests.tenants.hosting.conftest import eventually
from tests.tenants.hosting.stub_control_plane import free_port

pytestmark = pytest.mark.zenml  # real servers under a real supervisor, though not ZenML's

ODD = {
    "PERCENT": "100 % %(here)s %%",
    "QUOTES": 'it\'s "so"',
    "LINES": "a\nb",
    "COMMENT": "a ; b # c",
    "EMPTY": "",
}
PRINT_ENV = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(600)"
LISTEN = (
    "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
)


def program(tmp_path, code="import time; time.sleep(600)", *args, **changes):
    values = {
        "name": "one",
        "command": [sys.executable, "-c", code, *args],
        "env": {"KEY": "hush-hush"},
        "cwd": tmp_path,
    }
    return Program(**(values | {"startsecs": 0, "stopwaitsecs": 1} | changes))


def alive(pid):
    return (
        launch.started_at(pid) is not None and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    )


@pytest.fixture
def written(tmp_path):
    return Supervisor(tmp_path / "data")


@pytest.fixture
def supervisor(written):
    """A running supervisor; whatever a test left is ended."""
    child = written.spawn()
    yield written
    if written.running():
        written.shutdown()
    else:
        child.kill()
    child.wait(120)


# -- files


def test_names_that_supervisor_cannot_write_down(tmp_path):
    for name in ("", "a b", "a:b", "a,b", "../a", "%(x)s"):
        with pytest.raises(ValueError, match="not a program name"):
            program(tmp_path, name=name)


def test_secrets_are_in_one_private_file_only(written, tmp_path):
    written.write(program(tmp_path))
    secret = written.launch_file("one")
    assert "hush-hush" in secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "hush-hush" not in (written.programs / "one.conf").read_text()
    assert written.programs.stat().st_mode & 0o777 == written.run.stat().st_mode & 0o777 == 0o700


def test_a_changed_environment_changes_supervisors_file(written, tmp_path):
    conf = written.programs / "one.conf"
    written.write(program(tmp_path))
    before = conf.read_text()
    written.write(program(tmp_path))
    assert conf.read_text() == before
    written.write(program(tmp_path, env={"KEY": "other"}))
    assert conf.read_text() != before


def test_percent_in_the_data_folder_is_escaped(tmp_path):
    supervisor = Supervisor(tmp_path / "100%")
    supervisor.prepare()
    parsed = configparser.RawConfigParser()
    parsed.read_string(supervisor.config_text())
    assert parsed["supervisord"]["pidfile"].endswith("100%%/run/supervisord.pid")
    assert "100%%" in supervisor.program_text(program(tmp_path), "d1")


@pytest.mark.parametrize("name", ["a ;b", "a\nb", "a #b"])
def test_data_folders_that_cannot_be_written_down_are_refused(tmp_path, name):
    with pytest.raises(StartFailed, match="cannot be used"):
        Supervisor(tmp_path / name).prepare()


def test_short_data_folder_has_its_socket_inside():
    assert Supervisor(Path("/srv/zenpro")).socket == Path("/srv/zenpro/run/supervisor.sock")


def test_long_data_folder_has_its_socket_in_a_private_temporary_folder(tmp_path):
    long = [Supervisor(tmp_path / ("x" * 120) / name) for name in ("a", "b")]
    assert all(len(os.fsencode(one.socket)) <= 90 for one in long)
    assert long[0].socket != long[1].socket
    long[0].prepare()
    assert long[0].socket.parent.stat().st_mode & 0o777 == 0o700
    long[0].socket.parent.rmdir()


def test_private_folder_does_not_follow_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StartFailed, match="belongs to another user"):
        private_folder(tmp_path / "link")


def test_write_private_replaces_whole_files(tmp_path):
    file = tmp_path / "secret"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


# -- without a supervisor


def test_nobody_there(written):
    assert not written.running()
    with pytest.raises(SupervisorGone, match="does not answer"):
        written.status("one")


def test_a_dead_socket_is_nobody(written):
    written.prepare()
    socket.socket(socket.AF_UNIX).bind(str(written.socket))
    assert not written.running()


# -- with one


def test_program_gets_exactly_its_environment(supervisor, tmp_path):
    supervisor.apply(program(tmp_path, PRINT_ENV, env=ODD))
    log = supervisor.log_file("one")
    eventually(lambda: log.exists() and "PERCENT" in log.read_text())
    printed = json.loads(log.read_text().splitlines()[-1])
    printed.pop("LC_CTYPE", None)  # Python's own
    assert printed == ODD


def test_apply_starts_once_and_again_only_after_a_change(supervisor, tmp_path):
    one = program(tmp_path)
    supervisor.apply(one)
    first = supervisor.status("one").pid
    supervisor.apply(one)
    assert supervisor.status("one").pid == first

    supervisor.apply(replace(one, env={"KEY": "other"}))

    assert supervisor.status("one").pid != first
    assert not alive(first)


def test_stop_start_restart(supervisor, tmp_path):
    supervisor.apply(program(tmp_path, autostart=False))
    assert supervisor.status("one").state == "STOPPED"
    supervisor.start("one")
    supervisor.start("one")
    first = supervisor.status("one").pid
    assert alive(first)
    supervisor.restart("one")
    assert not alive(first)
    supervisor.stop("one")
    supervisor.stop("one")
    assert supervisor.status("one").state == "STOPPED"
    assert supervisor.status("one").pid is None


def test_remove_forgets_everything(supervisor, tmp_path):
    supervisor.apply(program(tmp_path))
    pid = supervisor.status("one").pid
    supervisor.remove("one")
    supervisor.remove("one")
    assert supervisor.status("one") is None
    assert not alive(pid)
    assert list(supervisor.programs.iterdir()) == []
    assert supervisor.names() == []


def test_killed_program_comes_back(supervisor, tmp_path):
    supervisor.apply(program(tmp_path))
    first = supervisor.status("one").pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: supervisor.status("one").pid not in (None, first))


def test_program_that_cannot_start_says_why(supervisor, tmp_path):
    supervisor.apply(program(tmp_path, command=["/nowhere/python"], startsecs=1, startretries=0))
    eventually(lambda: supervisor.status("one").state == "FATAL")
    assert "/nowhere/python cannot be started: No such file" in supervisor.log_file("one").read_text()
    assert supervisor.status("one").hint


def test_port_of_a_stranger_is_said(supervisor, tmp_path):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        supervisor.apply(program(tmp_path, LISTEN, str(port), port=port, startsecs=1, startretries=0))
        eventually(lambda: supervisor.status("one").state == "FATAL")
    assert f"Port {port} on 127.0.0.1 is taken by another program." in supervisor.log_file("one").read_text()


def test_second_supervisor_on_the_same_folder_is_refused(supervisor):
    with pytest.raises(StartFailed, match="already running"):
        supervisor.spawn()


def test_shutdown_ends_everything(written, tmp_path):
    child = written.spawn()
    written.apply(program(tmp_path))
    pid = written.status("one").pid
    written.shutdown()
    assert child.wait(120) == 0
    assert not alive(pid)


def test_killed_supervisor_leaves_nothing_and_the_next_starts_one(written, tmp_path):
    port = free_port()
    child = written.spawn()
    written.apply(program(tmp_path, LISTEN, str(port), port=port))
    old = written.status("one").pid
    child.kill()
    child.wait()
    eventually(lambda: not alive(old), every=0.01)

    child = written.spawn()
    new = written.status("one").pid
    eventually(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    assert alive(new)
    assert "is taken" not in written.log_file("one").read_text()
    written.shutdown()
    child.wait(120)


def test_supervisor_ends_with_whoever_started_it(written, tmp_path):
    written.write(program(tmp_path))
    code = (
        "import sys, time; from pathlib import Path; from tenants.hosting.local.supervisor import Supervisor;"
        "Supervisor(Path(sys.argv[1])).spawn(); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(written.data)])
    eventually(lambda: written.running() and written.status("one").pid)
    pid, supervisord = written.status("one").pid, int(written.pidfile.read_text())
    starter.kill()
    starter.wait()
    eventually(lambda: not alive(pid) and not alive(supervisord))


# -- the launcher


def launcher(tmp_path, **changes):
    values = {
        "name": "one",
        "command": ["/bin/sleep", "600"],
        "env": {},
        "cwd": str(tmp_path),
        "host": "127.0.0.1",
        "port": None,
    }
    values |= {"lock": str(tmp_path / "one.lock"), "parent": os.getpid(), "death_signal": int(signal.SIGKILL)}
    file = tmp_path / f"launch-{time.monotonic_ns()}.json"
    file.write_text(json.dumps(values | changes))
    return subprocess.Popen(
        [sys.executable, str(LAUNCHER), str(file)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def started(process):
    eventually(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == "sleep", every=0.01)
    return process


def test_launcher_ends_what_an_earlier_start_left(tmp_path):
    left = started(launcher(tmp_path))
    new = started(launcher(tmp_path))
    assert left.wait(120) == -signal.SIGTERM
    assert json.loads((tmp_path / "one.lock").read_text())["pid"] == new.pid
    new.kill()
    assert "Ending one of an earlier start" in new.communicate()[0]


def test_launcher_ends_workers_whose_leader_is_gone(tmp_path):
    leader = launcher(tmp_path, command=["/bin/sh", "-c", "sleep 600 & wait"])
    eventually(lambda: (tmp_path / "one.lock").exists() and (tmp_path / "one.lock").read_text(), every=0.01)
    eventually(lambda: Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().strip(), every=0.01)
    worker = int(Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text())
    leader.kill()
    leader.wait()
    assert alive(worker)
    new = started(launcher(tmp_path))
    assert not alive(worker)
    new.kill()
    new.communicate()


def test_launcher_leaves_a_reused_pid_alone(tmp_path):
    stranger = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    launch.signal_leftover((stranger.pid, launch.started_at(stranger.pid) - 1), signal.SIGKILL)
    time.sleep(0.1)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_launcher_of_a_gone_parent_does_nothing(tmp_path):
    (tmp_path / "pid").write_text("1234567")
    process = launcher(tmp_path, parent=str(tmp_path / "pid"))
    assert process.wait(120) == launch.EXIT_ORPHAN
    assert "is gone" in process.communicate()[0]


def test_launcher_in_a_folder_that_is_gone(tmp_path):
    process = launcher(tmp_path, cwd=str(tmp_path / "gone"))
    assert process.wait(120) == launch.EXIT_FOLDER
    assert "gone cannot be used: No such file" in process.communicate()[0]


def test_full_disk_is_said_and_leaves_no_half_file(written, tmp_path, monkeypatch):
    written.prepare()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tenants.hosting.local.supervisor.os.replace", full)
    with pytest.raises(NoSpace, match="disk is full"):
        written.write(program(tmp_path))
    assert list(written.programs.iterdir()) == []
