"""Settings are looked at before anything starts: what cannot work is one sentence that names the setting."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.guards.walk import ROOT
from zenpro_site.common.addresses import authority, bracketed, reachable
from zenpro_site.env import Env

SECRET = "hunter2"


@pytest.fixture
def env():
    return Env()


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        call(*args, **kwargs)
    return str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/zenpro",
        "example.org",
        "example.org:8000",
        "http://",
        "ftp://example.org",
        "https://example.org?x=1",
        "https://example.org#x",
        "https://example.org/?",
        f"https://ada:{SECRET}@example.org",
        "https://example.org:99999",
        "https://example.org:0",
        "https://example.org:x",
        "https://exa mple.org",
        "https://[::1",
        "https://-.org/",
        "//example.org",
    ],
)
def test_an_address_that_is_no_site(env, monkeypatch, address):
    monkeypatch.setenv("ZENPRO_URL", address)
    said = refusal(env.site, "ZENPRO_URL", default="http://127.0.0.1")
    assert said.startswith("ZENPRO_URL is ")
    assert SECRET not in said


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("https://zenpro.example.org/", "https://zenpro.example.org"),
        ("https://ZenPro.Example.ORG:443", "https://zenpro.example.org"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        (" http://zenpro_host \n", "http://zenpro_host"),
        ("", "http://127.0.0.1"),
    ],
)
def test_an_address_as_browsers_write_it(env, monkeypatch, address, read):
    monkeypatch.setenv("ZENPRO_URL", address)
    assert env.site("ZENPRO_URL", default="http://127.0.0.1").geturl() == read


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (lambda env: env.bool("X"), ["tru", "2", "yess"]),
        (lambda env: env.int("X", least=1, most=65535), ["x", "0", "65536", "1.5", "-1", "0x10"]),
        (lambda env: env.float("X", least=0.1, most=60), ["x", "nan", "inf", "0", "61"]),
        (lambda env: env.host("X", default=""), ["http://a", "a:80", "a/b", "a b", "-a", "a,b"]),
        (lambda env: env.hosts("X"), ["http://a", "a:80", "a/b"]),
        (lambda env: env.sites("X"), ["example.org", "https://a/b"]),
        (
            lambda env: env.folder("X", default=""),
            ["/tmp/100% mine", "/tmp/a;b", "/tmp/it's", '/tmp/"', "/tmp/a\nb"],
        ),
        (lambda env: env.folder("X", default=""), [__file__]),
        (lambda env: env.versions("X", default=[]), ["latest", "0.98.0,0.97"]),
        (
            lambda env: env.path_prefix("X", default="admin/"),
            ["/", "a b", "<int:x>/", "accounts/", "api/admin/"],
        ),
        (lambda env: env.time_zone("X", default="UTC"), ["Mars/Base", "../etc", "/etc/passwd"]),
        (lambda env: env.log_level("X", default="WARNING"), ["loud", "warning", "NOTSET"]),
        (lambda env: env.mailbox("X", default=""), ["ada", "Ada <ada>", "a@", "@b"]),
        (lambda env: env.address("X", default=""), ["ada", "ada@localhosts", "jörg@example.org"]),
    ],
)
def test_what_cannot_work_is_refused_by_name(env, monkeypatch, read, values):
    for value in values:
        monkeypatch.setenv("X", value)
        said = refusal(read, env)
        assert said.startswith("X ") and "\n" not in said


@pytest.mark.parametrize(
    "value",
    [
        f"postgres//ada:{SECRET}@db/x",
        f"mysql://ada:{SECRET}@db/x",
        f"postgres://ada:{SECRET}@db",
        "sqlite://:memory:",
    ]
    + ["sqlite://", "zenpro.sqlite3", f"postgres://ada:{SECRET}@db:port/x"],
)
def test_a_database_that_cannot_be(env, monkeypatch, tmp_path, value):
    monkeypatch.setenv("DATABASE_URL", value)
    said = refusal(env.database, "DATABASE_URL", tmp_path / "x")
    assert said.startswith("DATABASE_URL ") and SECRET not in said


def test_the_usual_database_may_lie_anywhere(env, monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert env.database("DATABASE_URL", tmp_path / "a+b=c ä.sqlite3")["NAME"] == str(
        tmp_path / "a+b=c ä.sqlite3"
    )
    monkeypatch.setenv("DATABASE_URL", "postgres://ada:a%2Fb@db:5433/zenpro")
    found = env.database("DATABASE_URL", tmp_path / "x")
    assert (found["HOST"], found["PORT"], found["NAME"], found["PASSWORD"]) == ("db", 5433, "zenpro", "a/b")


@pytest.mark.parametrize(
    "value", ["mail.example.org", f"smtp:/{SECRET}", "imap://x", "smtp://", f"smtp://a:{SECRET}@m:x"]
)
def test_a_mail_server_that_cannot_be(env, monkeypatch, value):
    monkeypatch.setenv("EMAIL_URL", value)
    said = refusal(env.mail_server, "EMAIL_URL")
    assert said.startswith("EMAIL_URL ") and SECRET not in said


def test_what_is_empty_is_not_set(env, monkeypatch):
    monkeypatch.setenv("X", " ")
    assert (env("X", default="a"), env.list("X", default=["b"]), env.int("X", default=3)) == ("a", ["b"], 3)


def test_a_file_is_read_without_its_last_line_end(env, monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("$hunter=2\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
    assert env("X") == "$hunter=2"
    monkeypatch.setenv("X_FILE", str(tmp_path / "no-such-file"))
    assert "X_FILE" in refusal(env, "X")


@pytest.mark.parametrize(
    ("host", "address", "called"),
    [
        ("127.0.0.1", "127.0.0.1:80", "127.0.0.1"),
        ("::1", "[::1]:80", "::1"),
        ("[::1]", "[::1]:80", "[::1]"),
        ("::", "[::]:80", "::1"),
        ("0.0.0.0", "0.0.0.0:80", "127.0.0.1"),
        ("zenpro", "zenpro:80", "zenpro"),
    ],
)
def test_a_host_with_a_port(host, address, called):
    assert authority(host, 80) == address
    assert reachable(host) == called
    assert bracketed(bracketed(host)) == bracketed(host)


@pytest.mark.parametrize(
    "where",
    [
        {"ZENPRO_URL": "https://example.org/zenpro"},
        {"ZENPRO_DATA": "/tmp/100% mine"},
        {"ZENPRO_API_URL": "http://zenpro.svc/api", "ZENPRO_URL": "https://example.org"},
        {"ZENPRO_KUBERNETES_URL": "https://example.org", "ZENPRO_KUBERNETES": "in-cluster"},
    ],
)
def test_the_command_says_it_in_one_line_and_starts_nothing(tmp_path, where):
    values = os.environ | {"ZENPRO_DATA": str(tmp_path / "data")} | where
    values |= {"DJANGO_SETTINGS_MODULE": "zenpro_site.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "zenpro_site", "up"],
        cwd=ROOT,
        env=values,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert next(iter(where)) in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("entered", ["http://zenpro.svc:8000", "http://zenpro.svc:8000/api/"])
def test_servers_and_clients_can_be_told_another_address(tmp_path, entered):
    values = os.environ | {"ZENPRO_DATA": str(tmp_path), "ZENPRO_API_URL": entered}
    code = "from zenpro_site import settings; print(settings.ZENPRO_API_URL, settings.ALLOWED_HOSTS[1])"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=values, capture_output=True, check=True)
    assert told.stdout.decode().split() == ["http://zenpro.svc:8000/api", "zenpro.svc"]
