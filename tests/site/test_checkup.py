"""`zenpro doctor`: each check sees what is wrong, says what to do, and tells no secret."""

import json
import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from factories import make_tenant

from orgs.audit.models import AuditEvent
from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.local import box, space
from tenants.hosting.local.launch import started_at
from tenants.hosting.local.supervisor import ProcessInfo, Supervisor
from tenants.models import Tenant
from zenpro_site import running, table_version
from zenpro_site.checkup import checks, database, machine, network, tenants
from zenpro_site.checkup.findings import Level, ok, problem, warning, words_of

from ..journey.installation import free_port
from .test_isolation import WORDS

ROOT = Path(__file__).resolve().parents[2]
KEY = "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
OTHER_KEY = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="
OK, WARNING, PROBLEM = Level


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    settings.ZENPRO_DATA.mkdir(mode=0o700)
    settings.KEY_FILE = settings.ZENPRO_DATA / "keys.json"
    settings.ZENPRO_TENANT_PORTS = (0, -1)  # none
    return settings.ZENPRO_DATA


def levels(findings):
    return [finding.level for finding in findings]


def said(findings):
    return " ".join(f"{finding.text} {finding.remedy}" for finding in findings)


# -- isolation, account, files


@pytest.mark.parametrize(
    "kind, setting, level",
    [
        (box.IsolationKind.BUBBLEWRAP, "", OK),
        (box.IsolationKind.LANDLOCK, "", WARNING),
        (box.IsolationKind.NONE, "", PROBLEM),
        (box.IsolationKind.NONE, "none", WARNING),
    ],
)
def test_isolation(monkeypatch, settings, kind, setting, level):
    settings.ZENPRO_ISOLATION = setting
    monkeypatch.setattr(box, "probe", lambda: WORDS[kind])
    (found,) = machine.check_isolation()
    assert found.level == level
    assert setting or found.text.startswith(WORDS[kind].sentence)
    assert setting or found.remedy == WORDS[kind].remedy


def test_a_kind_of_isolation_that_is_none_is_a_problem(settings):
    """As `zenpro up` refuses to start with it."""
    settings.ZENPRO_ISOLATION = "foo"
    (found,) = machine.check_isolation()
    assert (found.level, "it is 'foo'" in found.text) == (PROBLEM, True)


@pytest.fixture
def note_of_up(data, monkeypatch):
    """What `zenpro up` noted at its start, and whether it still runs."""

    def noted(kind=box.IsolationKind.BUBBLEWRAP, runs=True, url="http://127.0.0.1:8765"):
        (data / "run").mkdir(mode=0o700, exist_ok=True)
        running.write_note(running.Start(WORDS[kind], url))
        monkeypatch.setattr(Supervisor, "running", lambda self: runs)
        Supervisor(data).socket.parent.mkdir(exist_ok=True)
        Supervisor(data).socket.touch()

    return noted


@pytest.mark.parametrize("theirs, level", [*zip(box.IsolationKind, (OK, WARNING, WARNING), strict=True)])
def test_isolation_is_that_of_the_zenpro_that_runs(monkeypatch, note_of_up, theirs, level):
    """Not of this command's own environment: one of them may be in a box, or have other settings."""
    ours = box.IsolationKind.NONE if theirs is box.IsolationKind.BUBBLEWRAP else box.IsolationKind.BUBBLEWRAP
    monkeypatch.setattr(box, "probe", lambda: WORDS[ours])
    note_of_up(theirs)
    (found,) = machine.check_isolation()
    assert (found.level, found.text.startswith(WORDS[theirs].sentence)) == (level, True)
    assert found.text.endswith("(Found by the running ZenPro when it started.)")
    note_of_up(theirs, runs=False)
    (found,) = machine.check_isolation()
    assert found.text.startswith(WORDS[ours].sentence)
    assert "at its start" not in found.text


@pytest.mark.parametrize("note", ["", "{", "[]", '{"isolation": {"kind": "moat"}}', '{"isolation": 7}'])
def test_a_note_that_cannot_be_read_is_as_none(monkeypatch, note_of_up, note):
    monkeypatch.setattr(box, "probe", lambda: WORDS[box.IsolationKind.BUBBLEWRAP])
    note_of_up(box.IsolationKind.NONE)
    running.note_file().write_text(note)
    assert running.last_start() is None
    assert levels(machine.check_isolation()) == [OK]


def test_the_note_is_for_this_account_alone(note_of_up):
    note_of_up(box.IsolationKind.NONE)
    assert running.note_file().stat().st_mode & 0o777 == 0o600
    assert running.last_start().isolation == WORDS[box.IsolationKind.NONE]


@pytest.mark.parametrize("user, owner, level", [(0, 0, WARNING), (1000, 1000, OK), (1000, 0, WARNING)])
def test_account(monkeypatch, data, user, owner, level):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    real = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **words: type("Info", (), {"st_uid": owner, "real": real}))
    (found,) = machine.check_account()
    assert (found.level, "root" in found.text) == (level, user == 0)


def test_files(data):
    assert levels(machine.check_files()) == [OK]
    (data / "logs").mkdir(mode=0o700)
    for name in ("a", "b", "c", "d"):
        (data / "logs" / name).write_text("")
        (data / "logs" / name).chmod(0o640)
    (found,) = machine.check_files()
    assert found.level == PROBLEM
    assert "and 1 more" in found.text
    assert f"chmod -R go= {data}" in found.remedy


# -- disk, programs, versions


@pytest.mark.parametrize("free, level", [(6 * 1024**3, OK), (4 * 1024**3, WARNING), (100 * 1024**2, PROBLEM)])
def test_disk(db, monkeypatch, free, level):
    for module in (space, machine):
        monkeypatch.setattr(module, "free_bytes", lambda folder: free)
    assert levels(machine.check_disk()) == [level]


def test_tenants_that_are_full_are_named(org, settings):
    settings.ZENPRO_TENANT_DISK = 1024**3
    full, _ = make_tenant(org, "full", disk_bytes=1024**3), make_tenant(org, "other", disk_bytes=5)
    *_, found = machine.check_disk()
    assert (found.level, full.name in found.text, "other" in found.text) == (WARNING, True, False)


def test_programs(monkeypatch, data):
    assert (levels(machine.check_programs()), "not run" in said(machine.check_programs())) == ([OK], True)
    infos = [
        ProcessInfo("web", "RUNNING", 5, 1.0, ""),
        ProcessInfo("agent", "FATAL", None, 0.0, "ended with code 1"),
    ]
    monkeypatch.setattr(Supervisor, "all_status", lambda self: infos)
    (data / "run").mkdir()
    Supervisor(data).socket.parent.mkdir(exist_ok=True)
    Supervisor(data).socket.touch()
    good, bad = machine.check_programs()
    assert (good.level, bad.level) == (OK, PROBLEM)
    assert "agent does not stay up. ended with code 1" in bad.text
    assert "agent.log" in bad.remedy


def test_versions(monkeypatch, settings):
    assert set(levels(machine.check_versions())) == {OK}
    monkeypatch.setattr(machine, "_uv", lambda: "/nowhere/uv")
    settings.ZENPRO_ZENML_VERSIONS = []
    found = machine.check_versions()
    assert levels(found) == [OK, PROBLEM, PROBLEM]
    assert "uv can't be run" in said(found)


def test_a_tool_that_hangs_ends(monkeypatch, tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    tool.chmod(0o700)
    monkeypatch.setattr(machine, "TOOL_TIMEOUT", 0.2)
    assert machine.version_of(lambda: str(tool)) == ""


# -- tenants


def test_failed_tenants_are_named_with_their_reason(org):
    assert levels(tenants.check_tenants()) == [OK]
    make_tenant(org, "well")
    make_tenant(org, "gone", status="failed", desired_state="deleted", deleted_at=timezone.now())
    make_tenant(org, "forecast", status="failed", state_reason="Port 9103 is\x1b[2J taken.")
    (found,) = tenants.check_tenants()
    assert found.level == PROBLEM
    assert found.text == f"Tenant forecast of {org.name} failed: Port 9103 is [2J taken."
    assert "choose Retry" in found.remedy


def test_many_failed_tenants_are_counted(org):
    for number in range(tenants.NAMED + 2):
        make_tenant(org, f"t-{number}", status="failed")
    *named, more = tenants.check_tenants()
    assert (len(named), more.text) == (tenants.NAMED, "2 more failed.")
    assert "No reason is known." in named[0].text


def test_a_server_that_somebody_else_runs_is_no_problem_of_ours(org):
    tenant = make_tenant(
        org, "theirs", status="failed", state_reason="It does not answer.", kind=Tenant.Kind.ELSEWHERE
    )
    Enrollment.objects.create(tenant=tenant)
    (found,) = tenants.check_tenants()
    assert (found.level, found.remedy) == (WARNING, tenants.ELSEWHERE)


# -- clock


def test_clock(db, monkeypatch):
    assert levels(machine.check_clock()) == [OK]
    monkeypatch.setattr(timezone, "now", lambda: machine.WRITTEN - timedelta(days=400))
    assert levels(machine.check_clock()) == [PROBLEM]


def test_a_clock_that_was_set_back_is_seen_in_the_records(org):
    AuditEvent.objects.record("organization.created", org, organization=org)
    row = AuditEvent.objects.latest("pk")
    future = timezone.now() + timedelta(minutes=5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET at = %s WHERE id = %s", [future, row.pk])
    (found,) = machine.check_clock()
    assert (found.level, "behind" in found.text) == (PROBLEM, True)


# -- address, ports, mail


@pytest.mark.parametrize(
    "url, proxies, expected",
    [
        ("http://127.0.0.1:8000", 0, [OK]),
        ("http://localhost", 0, [OK]),
        ("https://zenpro.example.org", 1, [OK]),
        ("https://zenpro.example.org", 0, [OK, WARNING]),
        ("http://zenpro.example.org", 0, [PROBLEM]),
        ("zenpro.example.org", 0, [PROBLEM]),
        ("ftp://zenpro.example.org", 0, [PROBLEM]),
        ("https://zenpro.example.org/sub", 0, [PROBLEM]),
        ("https://zenpro.example.org:port", 0, [PROBLEM]),
        ("https://[::1", 0, [PROBLEM]),
    ],
)
def test_address(settings, url, proxies, expected):
    settings.ZENPRO_URL, settings.ZENPRO_PROXIES = url, proxies
    assert levels(network.check_address()) == expected


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """What the kernel says about ports of outgoing connections."""

    def says(lent, kept=""):
        (tmp_path / "ip_local_port_range").write_text(f"{lent}\n")
        (tmp_path / "ip_local_reserved_ports").write_text(f"{kept}\n")

    monkeypatch.setattr(network, "KERNEL", tmp_path)
    says("32768\t60999")
    return says


def test_the_address_is_that_of_the_last_start(settings, note_of_up):
    settings.ZENPRO_URL, settings.ZENPRO_URL_IS_SET = "http://127.0.0.1:8000", False
    assert running.address() == "http://127.0.0.1:8000"
    note_of_up(runs=False)
    assert said(network.check_address()) == "People reach ZenPro at http://127.0.0.1:8765. "
    note_of_up(url="http://127.0.0.1:8766")
    assert running.address() == "http://127.0.0.1:8766"
    settings.ZENPRO_URL, settings.ZENPRO_URL_IS_SET = "http://localhost", True
    assert running.address() == "http://localhost"


@pytest.mark.parametrize("url", ["", 7, None, "javascript:alert(1)", "http://127.0.0.1:1/path", "http://a b"])
def test_an_address_that_is_none_is_not_taken_from_the_note(settings, note_of_up, url):
    settings.ZENPRO_URL, settings.ZENPRO_URL_IS_SET = "http://127.0.0.1:8000", False
    note_of_up(url=url)
    assert running.address() == "http://127.0.0.1:8000"


@pytest.fixture
def busy():
    """A port on which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def note(data, name, port):
    """The lock of a program of ours that runs: this test's own process."""
    (data / "run").mkdir(exist_ok=True)
    record = {"pid": os.getpid(), "started": started_at(os.getpid()), "port": port}
    (data / "run" / f"{name}.lock").write_text(json.dumps(record))


def test_port_of_the_web(db, data, busy, monkeypatch):
    monkeypatch.setattr(network, "LIVE_TIMEOUT", 0.2)
    home = data / "supervisor" / "conf.d"
    home.mkdir(parents=True)
    (home / "web.json").write_text(
        json.dumps({"host": "127.0.0.1", "port": busy, "env": {"SECRET": "s3cret"}})
    )
    found = network.check_ports()[0]
    assert (found.level, f"127.0.0.1:{busy} is taken" in found.text) == (PROBLEM, True)
    note(data, "web", busy)
    assert network.check_ports()[0].level == OK
    (data / "run" / "web.lock").write_text(json.dumps({"pid": os.getpid(), "started": 1, "port": busy}))
    assert network.check_ports()[0].level == PROBLEM


def test_ports_of_tenants(org, data, settings, busy, kernel):
    kernel("1 2")
    settings.ZENPRO_TENANT_PORTS = (busy, busy)
    left, other = network.check_ports()[1:]
    assert (left.level, other.level) == (PROBLEM, WARNING)
    tenant = make_tenant(org, "forecast", port=busy)
    left, hit = network.check_ports()[1:]
    assert (hit.level, f"Port {busy} of tenant forecast is taken" in hit.text) == (PROBLEM, True)
    note(data, f"tenant-{tenant.pk}", busy)
    assert len(network.check_ports()) == 2


def hints(findings):
    return [finding for finding in findings if "outgoing connections" in finding.text]


@pytest.mark.parametrize(
    "kept, named",
    [("", "32768 (low), 60999 (high)"), ("1-5,32768", "60999 (high)"), ("32768-60998,60999", "")],
)
def test_ports_of_tenants_that_the_kernel_lends_out(org, kernel, kept, named):
    for slug, port in {"below": 32767, "low": 32768, "high": 60999, "above": 61000}.items():
        make_tenant(org, slug, port=port)
    kernel("32768\t60999", kept)
    found = hints(network.check_ports())
    assert [finding.level for finding in found] == ([WARNING] if named else [])
    if named:
        assert found[0].text.endswith(f": {named}.")
        first, last = named.partition(" ")[0], named.rpartition(", ")[2].partition(" ")[0]
        ports = first if first == last else f"{first}-{last}"
        assert (
            found[0].remedy == f"Reserve them: add {ports} to the kernel's net.ipv4.ip_local_reserved_ports."
        )


def test_no_hint_while_no_tenant_has_such_a_port(org, kernel, settings):
    make_tenant(org, port=9100)
    settings.ZENPRO_TENANT_PORTS = (40000, 40001)
    assert hints(network.check_ports()) == []


@pytest.mark.parametrize("said", ["", "much", "1 2 3"])
def test_a_kernel_that_does_not_say_is_no_trouble(org, kernel, said):
    make_tenant(org, port=40000)
    kernel(said)
    assert hints(network.check_ports()) == []
    network.KERNEL.joinpath("ip_local_port_range").unlink()
    assert hints(network.check_ports()) == []


def test_an_address_of_another_machine(db, settings):
    settings.ZENPRO_TENANT_HOST, settings.ZENPRO_TENANT_PORTS = "192.0.2.1", (9100, 9100)
    (found,) = network.check_ports()
    assert (found.level, "ZENPRO_TENANT_HOST" in found.remedy) == (PROBLEM, True)


class Mailbox:
    def __init__(self):
        self.to = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 No such person"
        self.to.append(address)
        envelope.rcpt_tos.append(address)
        return "250 OK"


@pytest.fixture
def mail_server(settings):
    mailbox = Mailbox()
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    server.start()
    settings.EMAIL_BACKEND, settings.MAIL_IS_SET_UP = "django.core.mail.backends.smtp.EmailBackend", True
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_HOST_PASSWORD = settings.EMAIL_HOST_USER = ""
    yield mailbox
    server.stop()


def test_without_a_mail_server_it_says_what_that_means(settings):
    settings.MAIL_IS_SET_UP = False
    (found,) = network.check_mail()
    assert (found.level, "copying the link" in found.text, "EMAIL_URL" in found.remedy) == (
        WARNING,
        True,
        True,
    )
    assert levels(network.check_mail("ada@example.org")) == [PROBLEM]


@pytest.mark.enable_socket
def test_a_real_mail_is_sent_only_when_asked(mail_server):
    assert levels(network.check_mail()) == [OK]
    assert mail_server.to == []
    assert levels(network.check_mail("ada@example.org")) == [OK, OK]
    assert mail_server.to == ["ada@example.org"]
    found = network.check_mail("nobody@example.org")
    assert (levels(found), "No such person" in said(found)) == ([OK, PROBLEM], True)


def test_a_mail_server_that_is_not_there(settings):
    settings.EMAIL_BACKEND, settings.MAIL_IS_SET_UP = "django.core.mail.backends.smtp.EmailBackend", True
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_HOST_PASSWORD = "127.0.0.1", 1, "pa55word"
    found = network.check_mail("ada@example.org")
    assert levels(found) == [OK, PROBLEM]
    settings.EMAIL_HOST = "mail.example.org"
    assert levels(network.check_mail()) == [OK, WARNING]
    assert "pa55word" not in said([*found, *network.check_mail()])


# -- database, keys


def test_database(db, monkeypatch):
    assert database.check_database()[0].level == OK
    monkeypatch.setattr(table_version, "migrations_waiting", lambda: 2)
    assert database.check_database()[0] == problem(
        "Migrations not applied yet: 2.",
        "`zenpro up` applies them when it starts; without it, run: zenpro migrate",
    )


def test_database_that_does_not_answer(db, monkeypatch):
    def fail():
        raise DatabaseError("connection to server failed: no\nmore")

    monkeypatch.setattr(table_version, "migrations_waiting", fail)
    (found,) = database.check_database()
    assert found.text == "The database cannot be used: connection to server failed: no"
    assert found.level == PROBLEM


@pytest.fixture
def key_file(settings):
    settings.KEY_FILE.write_text(json.dumps({"secret_key": "k" * 50, "secret_keys": [KEY]}))
    settings.KEY_FILE.chmod(0o600)
    return settings.KEY_FILE


@pytest.fixture
def from_the_file(monkeypatch):
    for name in ("ZENPRO_SECRET_KEY", "ZENPRO_SECRET_KEYS"):
        monkeypatch.delenv(name, raising=False)


def test_keys_in_the_environment(db):
    (found,) = database.check_keys()
    assert (found.level, "separately from the database" in found.text) == (OK, True)


def test_keys_in_the_file(db, key_file, from_the_file):
    assert levels(database.check_keys()) == [OK]
    key_file.chmod(0o640)
    (found,) = database.check_keys()
    assert (found.level, f"chmod 600 {key_file}" in found.remedy) == (PROBLEM, True)
    key_file.chmod(0o600)
    key_file.write_text('{"secret_key": "k", "secret_keys": ["short"]}')
    assert levels(database.check_keys()) == [PROBLEM]
    key_file.unlink()
    assert levels(database.check_keys()) == [WARNING]


def test_keys_that_open_nothing(org, settings):
    make_tenant(org)
    settings.ZENPRO_SECRET_KEYS = [OTHER_KEY]
    assert levels(database.check_keys()) == [PROBLEM, OK]


# -- all together


def test_words_of_an_error_hold_no_secret(settings):
    settings.DATABASES["default"] = settings.DATABASES["default"] | {"PASSWORD": "hunter2-database"}
    settings.EMAIL_HOST_PASSWORD = "hunter2-mail"
    error = ValueError(
        f"hunter2-mail hunter2-database {settings.SECRET_KEY} {settings.ZENPRO_SECRET_KEYS[0]} end\nx"
    )
    assert words_of(error) == "… … … … end"
    assert words_of(ValueError()) == "ValueError"


def test_one_check_that_breaks_stops_no_other(db, monkeypatch):
    def broken():
        raise RuntimeError("with the password hunter2")

    monkeypatch.setattr(checks, "CHECKS", {"first": broken, "second": lambda: [ok("Well.")]})
    (name, found), second = checks.run_checks()
    assert (name, found.level, second) == ("first", PROBLEM, ("second", ok("Well.")))
    assert "hunter2" not in found.text


def only(monkeypatch, *findings):
    monkeypatch.setattr(checks, "CHECKS", {"it": lambda: list(findings)})


def test_command_says_each_line_and_ends_with_1_for_a_problem(db, monkeypatch, capsys):
    only(monkeypatch, ok("Good."), warning("Hm.", "Look."))
    call_command("doctor", no_color=True)
    out = capsys.readouterr().out
    assert "✓ it         Good.\n! it         Hm.\n             → Look.\nNo problems found." in out
    only(monkeypatch, problem("Bad.", "Do it."), ok("Good."))
    with pytest.raises(CommandError, match="^1 problem found") as ended:
        call_command("doctor", no_color=True)
    assert ended.value.returncode == 1
    assert "✗ it         Bad." in capsys.readouterr().out


def test_command_as_json(db, monkeypatch, capsys):
    only(monkeypatch, problem("Bad.", "Do it."))
    with pytest.raises(CommandError):
        call_command("doctor", json=True)
    rows = [{"check": "it", "level": "problem", "text": "Bad.", "remedy": "Do it."}]
    assert json.loads(capsys.readouterr().out) == {"well": False, "findings": rows}


def test_command_refuses_what_is_no_address(db):
    with pytest.raises(CommandError, match="not an email address"):
        call_command("doctor", mail="nobody")


def doctor(data, *args, **env):
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ZENPRO", "DJANGO", "DATABASE"))
    }
    return subprocess.run(
        [sys.executable, "-m", "zenpro_site", "doctor", "--json", *args],
        cwd=ROOT,
        env=kept | {"ZENPRO_DATA": str(data)} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


def test_on_a_fresh_machine_it_makes_nothing(tmp_path):
    done = doctor(tmp_path / "new")
    findings = {row["check"]: row for row in json.loads(done.stdout)["findings"]}
    assert set(findings) == set(checks.CHECKS)
    assert findings["keys"]["level"] == findings["database"]["level"] == "warning"
    assert not (tmp_path / "new").exists()


def test_it_tells_no_secret(tmp_path):
    data = tmp_path / "open"
    data.mkdir()
    data.chmod(0o755)
    secrets = {
        "ZENPRO_SECRET_KEY": "hunter2-django",
        "ZENPRO_SECRET_KEYS": KEY,
        "EMAIL_URL": "smtp://me:hunter2-mail@127.0.0.1:1",
        "DATABASE_URL": "postgres://me:hunter2-database@127.0.0.1:1/zenpro",
    }
    done = doctor(data, "--mail", "ada@example.org", **secrets)
    findings = {(row["check"], row["level"]) for row in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert {("database", "problem"), ("mail", "problem"), ("files", "problem")} <= findings
    assert not any(secret in done.stdout + done.stderr for secret in ("hunter2", KEY))


def test_a_setting_that_makes_no_sense_is_a_sentence(tmp_path):
    done = doctor(tmp_path, ZENPRO_TENANT_DISK="much")
    assert done.returncode == 1
    assert done.stderr.startswith("ZenPro cannot start: ZENPRO_TENANT_DISK: 'much' is not a size")
    assert "Traceback" not in done.stderr
