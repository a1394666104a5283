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


def open_to_others(data) -> list[str]:
    paths = [data, *data.rglob("*")]
    return [str(path) for path in paths if not path.is_symlink() and path.lstat().st_mode & 0o077]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An installation of its own, for tests that start and stop it, in their order."""
    installation = Installation(tmp_path_factory.mktemp("plain"))
    yield installation
    installation.close()


def counts(installation) -> list[int]:
    """How many organizations and people it has."""
    return installation.ask(
        "from orgs.models import Organization as O\nfrom orgs.users.models import User as U\n"
        "answer = [O.objects.count(), U.objects.count()]"
    )


def test_an_open_data_folder_is_closed_and_the_doctor_says_so(plain):
    data = plain.data
    (data / "logs").mkdir(mode=0o755)
    for name in ("logs/web.log", "zenpro.sqlite3"):
        (data / name).touch(mode=0o644)
    for path in (data, data / "logs"):
        path.chmod(0o755)
    said = plain.up("--no-demo")
    assert "are closed now" in said and "first-sign-in" in said
    page = plain.get("/accounts/login/").text
    style = re.search(r'href="(/static/css/app[^"]+)"', page)[1]
    assert plain.get(style).headers["Content-Type"].startswith("text/css")
    assert open_to_others(data) == []
    running = json.loads(plain.manage("doctor", "--json", "--mail", "ada@example.org", told_url=False))
    assert plain.mailbox.mails[0][0] == ["ada@example.org"]
    assert counts(plain) == [0, 1]
    plain.stop()
    stopped = json.loads(plain.manage("doctor", "--json", told_url=False))
    assert running["well"] and stopped["well"]
    told = [{row["check"]: row["text"] for row in report["findings"]} for report in (running, stopped)]
    assert ["ZenPro is running" in words["programs"] for words in told] == [True, False]
    assert [words["address"] for words in told] == [f"People reach ZenPro at {plain.url}."] * 2
    walls = [
        next(row for row in report["findings"] if row["check"] == "isolation")
        for report in (running, stopped)
    ]
    assert ["by the running ZenPro" in row["text"] for row in walls] == [True, False]


def test_a_later_start_without_words_about_the_demo_makes_none(plain):
    """At another address, of the newer kind."""
    again = plain.up("--host", "::1")
    assert "first-sign-in" in again  # nobody has signed in so far
    assert "password" not in again
    assert counts(plain) == [0, 1]
    url = f"http://[::1]:{plain.port}"
    assert url in again
    answer = httpx.get(f"{url}/accounts/login/", trust_env=False, timeout=60)
    assert answer.status_code == 200
    assert f"[::1]:{plain.port}" in answer.text
