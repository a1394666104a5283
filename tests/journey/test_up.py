"""`zenpro up` itself: what it refuses, and that a stop and a start keep everything."""

import socket
import subprocess
import sys

import pytest

from .installation import ROOT, Installation

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]


def try_up(installation, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "zenpro_site", "up", *args],
        cwd=ROOT,
        env=installation.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_second_start_on_the_same_data_is_refused(installed):
    done = try_up(installed, "--port", "1")
    assert done.returncode == 1
    assert "already running" in done.stderr


def test_a_busy_port_is_refused(tmp_path):
    installation = Installation(tmp_path)
    try:
        with socket.socket() as busy:
            busy.bind(("127.0.0.1", 0))
            busy.listen()
            done = try_up(installation, "--port", str(busy.getsockname()[1]))
    finally:
        installation.close()
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_are_private(installed):
    assert (installed.data / "keys.json").stat().st_mode & 0o777 == 0o600


def test_no_demo_stays_empty_and_a_later_start_keeps_it_so(tmp_path):
    installation = Installation(tmp_path)
    try:
        first = installation.up("--no-demo")
        assert "first-sign-in" in first
        counts = "from orgs.models import Organization as O\nfrom orgs.users.models import User as U\n"
        assert installation.ask(counts + "answer = [O.objects.count(), U.objects.count()]") == [0, 1]
        installation.stop()
        again = installation.up()
        assert "first-sign-in" not in again
        assert installation.ask(counts + "answer = [O.objects.count(), U.objects.count()]") == [0, 1]
    finally:
        installation.close()
