"""How the database is made that new tenants begin with; in place of ZenML's Python there is a shell script in the real box.

How it is copied: test_serve.py. With real servers: test_zenml_server.py.
"""

import fcntl
import os
import time

import pytest

from tenants.hosting.local import empty_database
from tenants.hosting.local.empty_database import EmptyDatabases
from tenants.hosting.local.environments import Environments
from tests.tenants.hosting.conftest import bury

VERSION = "0.98.0"


@pytest.fixture
def environments(tmp_path):
    return Environments(tmp_path / "data")


@pytest.fixture
def made(environments):
    return EmptyDatabases(environments)


@pytest.fixture
def python(environments):
    """python(script): what the environment's Python does; $last is the file it is asked for."""
    path = environments.python(VERSION)
    path.parent.mkdir(parents=True)

    def becomes(script):
        path.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
        path.chmod(0o755)

    return becomes


def left(environments) -> set[str]:
    """What is there beside the environment, and the locks."""
    names = {path.name for path in environments.folder.iterdir()}
    return {name for name in names if not name.startswith(".lock-")} - {"server-0.98.0", "empty"}


def test_it_is_made_once_from_the_servers_own_variables(made, python, environments):
    python('echo "$ZENML_SERVER_DEPLOYMENT_TYPE $ZENML_STORE_URL $ZENML_SERVER_PRO_WORKSPACE_NAME" >"$last"')
    made.make(VERSION)
    written = made.path(VERSION).read_text()
    assert written == f"cloud sqlite:///{environments.folder}/.empty-{VERSION}/zenml.db zenpro-nobody\n"
    python('echo again >"$last"')
    made.make(VERSION)
    assert made.path(VERSION).read_text() == written
    assert left(environments) == set()
    assert environments.versions() == [VERSION]


def test_it_sees_no_tenant_and_no_key(made, python, environments):
    data = environments.folder.parent
    (data / "tenants").mkdir()
    (data / "keys.json").write_text("the keys of the installation")
    python(f'ls "{data}" >"$last"; cat "{data}/keys.json" >>"$last" 2>/dev/null; exit 0')
    made.make(VERSION)
    assert made.path(VERSION).read_text() == "envs\n"


@pytest.mark.parametrize(
    "script",
    [
        "echo broken; exit 1",
        "exit 0",
        '>"$last"',
        'ln -s /etc/passwd "$last"',
        'mkdir "$last"',
        'mkfifo "$last"',
    ],
)
def test_what_is_no_file_is_not_taken_and_not_tried_again(made, python, environments, script):
    python(script)
    made.make(VERSION)
    assert list(made.folder.iterdir()) == []
    assert left(environments) == set()
    python('echo right >"$last"')
    made.make(VERSION)
    assert not made.path(VERSION).exists()
    EmptyDatabases(environments).make(VERSION)  # the next agent
    assert made.path(VERSION).exists()


def test_one_that_takes_too_long_is_ended(made, python, environments, monkeypatch):
    monkeypatch.setattr(empty_database, "SECONDS", 1)
    python('echo 1 >"$last"; sleep 300')
    began = time.monotonic()
    made.make(VERSION)
    assert time.monotonic() - began < 60
    assert not made.path(VERSION).exists()
    assert left(environments) == set()


def test_what_a_killed_one_left_is_removed(made, python, environments):
    os.close(bury(environments.folder / f".empty-{VERSION}" / "tmp", 50))
    python('echo 1 >"$last"')
    made.make(VERSION)
    assert made.path(VERSION).exists()
    assert left(environments) == set()


def test_while_somebody_else_makes_it_nothing_is_done(made, python, environments):
    python('echo 1 >"$last"')
    with open(environments.folder / f".lock-empty-{VERSION}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.make(VERSION)
        assert not made.path(VERSION).exists()
    made.make(VERSION)
    assert made.path(VERSION).exists()
