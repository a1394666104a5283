"""Parts of `zenpro up`: whom it hands a sign-in link, and what it listens on."""

import io
import json
import os
import signal
import socket
import subprocess
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from factories import make_user

from orgs.models import Organization
from tenants.hosting.base import StartFailed, SupervisorGone
from tenants.hosting.local import box
from zenpro_site import programs, running
from zenpro_site.management.commands import up

from .test_isolation import WORDS


@pytest.fixture
def command(tmp_path, settings):
    settings.ZENPRO_DATA = Path(tmp_path)
    made = up.Command(stdout=io.StringIO(), stderr=io.StringIO(), no_color=True)
    made.began = 0.0
    return made


def told(command, admin, password) -> str:
    command._tell("http://x", admin, password)
    return command.stdout._out.getvalue()


def test_a_start_after_one_that_failed_hands_the_link_out_again(db, command):
    admin, password = command._first_account(no_demo=True)
    assert password
    again, nothing = command._first_account(no_demo=True)
    assert (again, nothing) == (admin, "")
    said = told(command, again, nothing)
    assert "/first-sign-in/" in said and admin.email in said and "password" not in said


def test_no_link_once_somebody_has_signed_in(db, command):
    command._first_account(no_demo=True)
    make_user(last_login=timezone.now())
    assert command._first_account(no_demo=True) == (None, "")
    assert "first-sign-in" not in told(command, None, "")


def test_the_link_opens_the_page(client, db, command):
    command._first_account(no_demo=True)
    said = told(command, *command._first_account(no_demo=True))
    path = said.partition("http://x/first-sign-in/")[2].split()[0]
    assert client.post(f"/first-sign-in/{path}").url == "/"
    assert command._first_account(no_demo=True) == (None, "")


def test_nobody_but_an_active_superuser_gets_one(db, command):
    make_user()
    make_user(superuser=True, is_active=False)
    assert command._first_account(no_demo=True) == (None, "")


def test_a_start_hands_on_what_it_says_about_isolation(command, monkeypatch):
    monkeypatch.setattr(box, "probe", lambda: WORDS[box.IsolationKind.LANDLOCK])
    assert command._isolation() == WORDS[box.IsolationKind.LANDLOCK]
    assert WORDS[box.IsolationKind.LANDLOCK].sentence in command.stdout._out.getvalue()


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b'{"wanted": tr',
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"wanted": true, "admin": 7}',
        b'{"wanted": true, "admin": "x"}',
    ],
)
def test_a_torn_note_about_the_demo_is_told_and_makes_none(db, command, note):
    up.demo_file().write_bytes(note)
    command._demo()
    assert f"{up.demo_file()} can't be read, so no demo is created." in command.stderr._out.getvalue()
    assert not Organization.objects.exists()


def test_the_first_account_is_made_over_a_torn_note(db, command):
    up.demo_file().write_bytes(b"\xff")
    admin, _ = command._first_account(no_demo=True)
    assert json.loads(up.demo_file().read_text()) == {"wanted": False, "admin": str(admin.pk)}


def test_a_note_about_the_demo_is_whole_or_the_old_one(db, command, monkeypatch):
    """A kill between writing and putting in place."""
    command._first_account(no_demo=False)
    before = up.demo_file().read_text()
    seen = []

    def die(source, target):
        seen.append(
            (up.demo_file().read_text(), Path(source).read_text(), Path(source).stat().st_mode & 0o777)
        )
        raise OSError("killed")

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(StartFailed):
        up.write_demo({"wanted": False, "admin": ""})
    assert seen == [(before, '{"wanted": false, "admin": ""}', 0o600)]
    assert up.demo_file().read_text() == before


def test_a_link_of_a_later_command_names_the_address_that_was_asked_for(db, command, settings):
    settings.ZENPRO_URL, settings.ZENPRO_URL_IS_SET = "http://127.0.0.1:8000", False
    ada, out = make_user("ada@example.org"), io.StringIO()
    (settings.ZENPRO_DATA / "run").mkdir()
    running.write_note(running.Start(WORDS[box.IsolationKind.BUBBLEWRAP], "http://127.0.0.1:8765"))
    call_command("sign_in_link", ada.email, stdout=out)
    assert out.getvalue().startswith("http://127.0.0.1:8765/first-sign-in/")


def test_what_a_server_said_about_a_step_cannot_steer_the_terminal(command):
    command._line("Tenant demo: Made later: \x1b[2J\rno", 1.0)
    assert command.stdout._out.getvalue().startswith("  ✓ Tenant demo: Made later: [2J no  ")


@pytest.mark.parametrize("text", ["http://x", "a:1", "a b", ""])
def test_hosts_that_are_none(text):
    with pytest.raises(ArgumentTypeError):
        up.host(text)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "٣"])
def test_ports_that_are_none(text):
    with pytest.raises(ArgumentTypeError):
        up.port(text)


@pytest.mark.parametrize(
    ("given", "bound"), [("::1", "[::1]:8000"), ("[::1]", "[::1]:8000"), ("0.0.0.0", "0.0.0.0:8000")]
)
def test_what_the_web_process_listens_on(given, bound):
    program = programs.web(up.host(given), 8000, "http://x")
    assert program.command[program.command.index("--bind") + 1] == bound
    assert "[" not in program.host


def test_a_host_that_is_not_of_this_machine_is_told():
    with pytest.raises(CommandError, match="cannot be used"):
        up.check_port("192.0.2.1", 8000)


@pytest.mark.enable_socket
def test_a_busy_port_of_an_ipv6_address_is_told():
    with socket.socket(socket.AF_INET6) as busy:
        busy.bind(("::1", 0))
        busy.listen()
        with pytest.raises(CommandError, match=r"\[::1\]:\d+ cannot be used"):
            up.check_port("::1", busy.getsockname()[1])


class Gone:
    """A supervisor that does not answer."""

    def shutdown(self):
        raise SupervisorGone("gone")


@pytest.fixture
def signals():
    """What a stop does with Ctrl-C is undone."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_supervisor_that_does_not_end_is_killed(command, monkeypatch, signals):
    monkeypatch.setattr(up, "STOP_TIMEOUT", 0.2)
    child = subprocess.Popen(["sleep", "60"])
    command._stop(Gone(), child)
    assert child.returncode == -signal.SIGKILL
    lines = command.stdout._out.getvalue().split("\n")
    assert lines[-2].startswith("Not everything stopped within") and "Stopped." not in lines


def test_a_stop_in_time_kills_nothing(command, signals):
    child = subprocess.Popen(["true"])
    command._stop(Gone(), child)
    assert child.returncode == 0
    assert command.stdout._out.getvalue().endswith("Stopped.\n")
