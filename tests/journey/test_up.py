"""`zenpro up` itself: what it refuses, and that a stop and a start keep everything."""

import json
import re
import socket
import subprocess
import sys

import httpx
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
        assert "first-sign-in" in again  # nobody has signed in so far
        assert "password" not in again
        assert installation.ask(counts + "answer = [O.objects.count(), U.objects.count()]") == [0, 1]
    finally:
        installation.close()


def test_an_ipv6_address(tmp_path):
    installation = Installation(tmp_path)
    try:
        said = installation.up("--no-demo", "--host", "::1")
        url = f"http://[::1]:{installation.port}"
        assert url in said
        answer = httpx.get(f"{url}/accounts/login/", trust_env=False, timeout=10)
        assert answer.status_code == 200
        assert f"[::1]:{installation.port}" in answer.text
    finally:
        installation.close()


def open_to_others(data) -> list[str]:
    paths = [data, *data.rglob("*")]
    return [str(path) for path in paths if not path.is_symlink() and path.lstat().st_mode & 0o077]


def test_an_open_data_folder_is_closed_and_the_doctor_says_so(tmp_path):
    installation = Installation(tmp_path)
    (tmp_path / "logs").mkdir(mode=0o755)
    for name in ("logs/web.log", "zenpro.sqlite3"):
        (tmp_path / name).touch(mode=0o644)
    for path in (tmp_path, tmp_path / "logs"):
        path.chmod(0o755)
    try:
        assert "are closed now" in installation.up("--no-demo")
        page = installation.get("/accounts/login/").text
        style = re.search(r'href="(/static/css/app[^"]+)"', page)[1]
        assert installation.get(style).headers["Content-Type"].startswith("text/css")
        assert open_to_others(tmp_path) == []
        running = json.loads(
            installation.manage("doctor", "--json", "--mail", "ada@example.org", told_url=False)
        )
        assert installation.mailbox.mails[0][0] == ["ada@example.org"]
        installation.stop()
        stopped = json.loads(installation.manage("doctor", "--json", told_url=False))
    finally:
        installation.close()
    assert running["well"] and stopped["well"]
    told = [{row["check"]: row["text"] for row in report["findings"]} for report in (running, stopped)]
    assert ["ZenPro is running" in words["programs"] for words in told] == [True, False]
    assert [words["address"] for words in told] == [f"People reach ZenPro at {installation.url}."] * 2
    walls = [
        next(row for row in report["findings"] if row["check"] == "isolation")
        for report in (running, stopped)
    ]
    assert ["by the running ZenPro" in row["text"] for row in walls] == [True, False]
