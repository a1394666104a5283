import errno
import os
import stat
import subprocess
import sys
from contextlib import suppress

import pytest
from package_index import running_index

from tenants.hosting.base import EnvironmentFailed, NoSpace
from tenants.hosting.local.environments import Environments, failure, requirements, version_key
from tenants.hosting.local.index import PackageIndex
from tests.certificates import company_in
from tests.tenants.hosting.conftest import bury, eventually

RESOLVER = """  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of zenml[server]==9.9.9 and you require
      zenml[server]==9.9.9, we can conclude that your requirements are
      unsatisfiable.
"""


@pytest.fixture
def fake_uv(tmp_path, monkeypatch):
    """A uv that makes bin/python, or does what the script given says; keeps its arguments."""

    def install(
        script='[ "$1" = venv ] && for last; do :; done && mkdir -p "$last/bin" && touch "$last/bin/python"',
    ):
        path = tmp_path / "uv"
        path.write_text(f'#!/bin/sh\necho "$@" >> "$HOME/../calls"\n{script}\nexit $?\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("uv.find_uv_bin", lambda: str(path))

    install()
    return install


def folders(environments):
    """Environments, and what is left of builds."""
    found = [*environments.folder.iterdir(), *environments.yard.glob("build-*")]
    return [path.name for path in found if path.is_dir() and path != environments.yard]


def calls(tmp_path):
    path = tmp_path / "data" / "envs" / ".uv" / "calls"  # in what uv may write
    return path.read_text().splitlines() if path.exists() else []


SUCCEED = '[ "$1" = pip ] && exit 0; for last; do :; done; mkdir -p "$last/bin"; touch "$last/bin/python"'


def test_install_builds_beside_and_renames(tmp_path, fake_uv):
    fake_uv(SUCCEED)
    environments = Environments(tmp_path / "data")

    environments.install("0.98.0")

    assert environments.installed("0.98.0")
    assert environments.versions() == ["0.98.0"]
    assert folders(environments) == ["server-0.98.0"]
    assert calls(tmp_path)[0].startswith("venv --relocatable")
    assert calls(tmp_path)[1].endswith("zenml[server]==0.98.0")


def test_a_cache_that_is_not_there_yet_is_made(tmp_path, fake_uv, monkeypatch):
    fake_uv(SUCCEED)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "new" / "cache"))
    environments = Environments(tmp_path / "data")
    environments.install("0.98.0")
    assert environments.installed("0.98.0")
    assert (tmp_path / "new" / "cache").is_dir()


def test_install_again_does_nothing(tmp_path, fake_uv):
    fake_uv(SUCCEED)
    environments = Environments(tmp_path / "data")
    environments.install("0.98.0")
    environments.install("0.98.0")
    assert len(calls(tmp_path)) == 2


def test_install_clears_what_a_killed_build_left(tmp_path, fake_uv):
    fake_uv(SUCCEED)
    environments = Environments(tmp_path / "data")
    remains = environments.yard / "build-0.98.0-x1"
    remains.mkdir(parents=True)

    assert not environments.installed("0.98.0")
    environments.install("0.98.0")

    assert not remains.exists()


@pytest.mark.parametrize("exit_code", [0, 1])
def test_what_a_build_leaves_is_removed_however_deep(tmp_path, fake_uv, monkeypatch, exit_code):
    """What an earlier one left, and what this one put into its cache or, when it fails, anywhere."""
    environments = Environments(tmp_path / "data")
    os.close(bury(environments.yard / "build-0.98.0-x1"))
    fake_uv(SUCCEED.replace("exit 0", f"exit {exit_code}"))
    boxed = Environments._boxed

    def build(self, build, *args):
        if not (build.place / ".cache" / "deep").exists():
            os.close(bury(build.place / ".cache" / "deep"))
        return boxed(self, build, *args)

    monkeypatch.setattr(Environments, "_boxed", build)
    with suppress(EnvironmentFailed):
        environments.install("0.98.0")
    assert folders(environments) == (["server-0.98.0"] if exit_code == 0 else [])
    assert not (environments.path("0.98.0") / ".cache").exists()


def test_failed_install_leaves_nothing_and_says_what_uv_said(tmp_path, fake_uv):
    fake_uv(f"{SUCCEED.replace('exit 0', 'echo broken wheel >&2 && exit 1')}")
    environments = Environments(tmp_path / "data")

    with pytest.raises(EnvironmentFailed, match="ZenML could not be installed: broken wheel"):
        environments.install("0.98.0")

    assert not environments.installed("0.98.0")
    assert folders(environments) == []


@pytest.mark.parametrize("version", ["../../etc", "0.98.0; rm", "", "latest", "0.98.0\n", "--help"])
def test_only_versions_become_paths_and_arguments(tmp_path, fake_uv, version):
    environments = Environments(tmp_path / "data")
    with pytest.raises(EnvironmentFailed, match="is not a ZenML version"):
        environments.install(version)
    assert calls(tmp_path) == []


def test_full_disk_is_said_before_anything_is_built(tmp_path, fake_uv, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1024})())
    with pytest.raises(NoSpace, match="512 MB"):
        Environments(tmp_path / "data").install("0.98.0")
    assert calls(tmp_path) == []


def test_resolver_message_is_readable():
    error = failure(RESOLVER)
    assert isinstance(error, EnvironmentFailed)
    assert error.reason == (
        "ZenML could not be installed: No solution found when resolving dependencies: Because there is no version "
        "of zenml[server]==9.9.9 and you require zenml[server]==9.9.9, we can conclude that your requirements are "
        "unsatisfiable."
    )


UNKNOWN = """Using Python 3.11.7 environment at: build-0.98.0-x
error: Failed to fetch: https://packages.example.org/simple/zenml/
  cause: client error (Connect)
  cause: invalid peer certificate: {}
"""


def test_a_certificate_nobody_here_knows_is_said_in_plain_words():
    assert failure(UNKNOWN.format("UnknownIssuer")).reason == (
        "ZenML could not be installed. The package index uses a certificate that this machine does not know: "
        "set SSL_CERT_FILE to your company's certificates."
    )


def test_another_fault_of_a_certificate_keeps_its_own_words():
    assert failure(UNKNOWN.format("Expired")).reason.endswith("invalid peer certificate: Expired")


def test_what_a_package_says_of_certificates_is_not_the_index():
    said = "UnknownIssuer, said setup.py\nerror: Failed to build `acme`"
    assert failure(said).reason == "ZenML could not be installed: Failed to build `acme`"


def test_certificates_that_are_not_where_the_variable_says():
    warning = (
        "warning: Invalid `SSL_CERT_FILE`. Path does not exist: /etc/acme.pem. No default certificates.\n"
    )
    reason = failure(warning + UNKNOWN.format("UnknownIssuer")).reason
    assert reason.endswith("certificates. SSL_CERT_FILE: Path does not exist: /etc/acme.pem.")


@pytest.fixture
def company(tmp_path):
    return company_in(tmp_path)


@pytest.mark.enable_socket
def test_certificates_of_the_company_reach_the_build(tmp_path, company, monkeypatch):
    """The real uv in its box: refused without them, and with them also where only the variable names the file."""
    tls, ours = company
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with running_index(tls) as index:
        environments = Environments(tmp_path / "data", index=PackageIndex((index.url,)))
        with pytest.raises(EnvironmentFailed, match="a certificate that this machine does not know"):
            environments.install("0.98.0")
        assert "UnknownIssuer" in "".join(environments.lines("0.98.0", 50))
        monkeypatch.setenv("SSL_CERT_FILE", str(ours))
        environments.install("0.98.0")
    assert environments.installed("0.98.0")


def test_lines_of_a_build_are_for_people(tmp_path):
    environments = Environments(tmp_path / "data")
    assert environments.lines("0.98.0", 10) == []
    environments.folder.mkdir(parents=True)
    said = f"one\n\n\x1b[31mhttps://me:hunter2@host/simple\x1b[0m\x07\nin {environments.folder}/x\n"
    environments.log("0.98.0").write_text(said)
    assert environments.lines("0.98.0", 2) == ["https://host/simple", "in …/x"]


def test_disk_that_fills_up_while_installing():
    assert isinstance(failure(f"error: failed to write: {os.strerror(errno.ENOSPC)} (os error 28)"), NoSpace)


def test_long_messages_are_cut():
    assert len(failure("x" * 5000).reason) < 700


@pytest.mark.parametrize("version", ["0.74.0", "0.75.1", "0.80.2", "0.83.1"])
def test_old_versions_need_old_setuptools(version):
    assert requirements(version) == [f"zenml[server]=={version}", "setuptools<81"]


def test_newer_versions_do_not():
    assert requirements("0.84.0") == ["zenml[server]==0.84.0"]


def test_versions_sort_by_number():
    assert sorted(["0.98.0", "0.100.0", "0.9.3"], key=version_key) == ["0.9.3", "0.98.0", "0.100.0"]


INSTALL = "import sys; from tenants.hosting.local.environments import Environments; "
INSTALL += "import uv; uv.find_uv_bin = lambda: sys.argv[2]; Environments(sys.argv[1]).install('0.98.0')"


def installer(tmp_path):
    return subprocess.Popen([sys.executable, "-c", INSTALL, str(tmp_path / "data"), str(tmp_path / "uv")])


@pytest.mark.zenml
def test_two_installs_at_once_build_once(tmp_path, fake_uv):
    fake_uv(f"sleep 0.3; {SUCCEED}")
    both = [installer(tmp_path), installer(tmp_path)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert len(calls(tmp_path)) == 2


@pytest.mark.zenml
def test_killed_install_leaves_no_half_environment(tmp_path, fake_uv):
    fake_uv(f"sleep 1; echo ended >> $HOME/../calls; {SUCCEED}")
    environments = Environments(tmp_path / "data")
    process = installer(tmp_path)
    eventually(lambda: calls(tmp_path), every=0.01)
    process.kill()
    process.wait()

    assert not environments.installed("0.98.0")
    environments.install("0.98.0")

    # First the uv that was left had to end, then two calls of our own, one after the other.
    assert [line == "ended" for line in calls(tmp_path)] == [False, True] * 3
    assert environments.installed("0.98.0")
    assert not list(environments.folder.glob(".build-*"))
