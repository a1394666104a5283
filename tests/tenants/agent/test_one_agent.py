"""Two agents never work at once, and the one that waits goes on when the other ends, however it ends."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection

from tenants.agent.one_agent import BEGINS, WAITS, NotAlone, Turn, folder_lock, one_agent
from tests.tenants.control_plane.test_two_workers import address_of_database

TAKES_OVER_WITHIN = 15  # seconds
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's own lock")


def test_a_folder_has_one_agent(tmp_path):
    refused = pytest.raises(NotAlone, match="looks after this data folder")
    with folder_lock(tmp_path), refused, folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass


@pytest.fixture
def turns(transactional_db):
    made = [Turn(), Turn()]
    yield made
    for turn in made:
        turn.close()


@on_postgresql
def test_the_second_waits_until_the_first_is_gone(turns):
    first, second = turns
    assert first.wait(threading.Event())
    assert not second.wait(stopped_after(1.5))
    first.close()
    assert second.wait(threading.Event())


def stopped_after(seconds: float) -> threading.Event:
    stop = threading.Event()
    threading.Timer(seconds, stop.set).start()
    return stop


@on_postgresql
def test_who_waits_can_be_told_to_stop(turns, tmp_path):
    first, _ = turns
    assert first.wait(threading.Event())
    with one_agent(tmp_path, stopped_after(0.5)) as turn:
        assert turn is None


@on_postgresql
def test_whoever_loses_their_connection_ends(turns):
    first, second = turns
    stop = threading.Event()
    assert first.wait(stop)
    first.check()
    end_connection_of(first)
    assert second.wait(stop)
    with pytest.raises(NotAlone, match="Another agent may have taken over"):
        first.check()


def end_connection_of(turn):
    pid = turn._connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])


# -- real ones


class Agent:
    def __init__(self, data):
        data.mkdir(exist_ok=True)
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "ZENPRO_TEST_DATA": str(data),
            "ZENPRO_TEST_DATABASE_URL": address_of_database(),
            "PYTHONPATH": f"{settings.BASE_DIR}{os.pathsep}{settings.BASE_DIR}/tests",
        }
        command = [sys.executable, "-W", "ignore", "-m", "zenpro_site", "agent"]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.output = ""

    def says(self, words: str, within: float = 120) -> bool:
        until = time.monotonic() + within
        while words not in self.output and time.monotonic() < until:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                new = os.read(self.process.stdout.fileno(), 65536).decode()
                if not new:
                    break
                self.output += new
        return words in self.output


@contextmanager
def agents(*folders):
    made = []
    try:
        for folder in folders:
            made.append(Agent(folder))
            assert made[-1].says(WAITS if len(made) > 1 else BEGINS), made[-1].output
        yield made
    finally:
        for agent in made:
            agent.process.kill()
            agent.process.wait(60)
            agent.process.stdout.close()


@on_postgresql
@pytest.mark.zenml
@pytest.mark.postgres
@pytest.mark.parametrize("one_folder", [True, False])
def test_a_killed_agent_is_followed_by_the_one_that_waits(transactional_db, tmp_path, one_folder):
    with agents(tmp_path / "data", tmp_path / ("data" if one_folder else "other")) as (first, second):
        first.process.send_signal(signal.SIGKILL)
        assert second.says(BEGINS, TAKES_OVER_WITHIN), second.output


@on_postgresql
@pytest.mark.zenml
@pytest.mark.postgres
def test_an_agent_that_lost_its_connection_ends_at_once(transactional_db, tmp_path):
    with agents(tmp_path / "data") as (agent,):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
            for (pid,) in cursor.fetchall():
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert agent.says("Another agent may have taken over"), agent.output
        assert agent.process.wait(30) == 1
