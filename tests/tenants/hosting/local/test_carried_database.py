"""Databases are copied and checked in a box, and put in place whatever lies there."""

import sqlite3
from contextlib import closing
from errno import ENOSPC
from subprocess import TimeoutExpired

import pytest

from tenants.hosting.base import NoSpace, ServerError
from tenants.hosting.local import box
from tenants.hosting.local.carried_database import check, put, take

MOST = 10 * 1024**2


@pytest.fixture
def database(tmp_path):
    file = tmp_path / "tenant" / "zenml.db"
    file.parent.mkdir()
    fill(file, "ours")
    return file


def fill(file, *names):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE project (name TEXT)")
        connection.executemany("INSERT INTO project VALUES (?)", [(name,) for name in names])
        connection.commit()


def names_in(file) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM project")]


def test_out_and_in(database, tmp_path):
    copy, other = tmp_path / "moves" / "database", tmp_path / "other" / "zenml.db"
    take(database, copy, MOST, "")
    check(copy, MOST, "")
    assert [copy.stat().st_mode & 0o777, copy.parent.stat().st_mode & 0o777] == [0o600, 0o700]
    put(copy, other)
    assert names_in(other) == ["ours"]
    assert [other.stat().st_mode & 0o777, other.parent.stat().st_mode & 0o777] == [0o600, 0o700]


def test_what_a_killed_server_has_not_written_back_comes_along(database, tmp_path):
    with closing(sqlite3.connect(database, isolation_level=None)) as server:
        server.execute("PRAGMA journal_mode = WAL")
        server.execute("INSERT INTO project VALUES ('last')")
        assert database.with_name("zenml.db-wal").stat().st_size
        take(database, tmp_path / "moves" / "database", MOST, "")
    assert names_in(tmp_path / "moves" / "database") == ["ours", "last"]
    assert [one.name for one in (tmp_path / "moves").iterdir()] == ["database"]


def test_a_copy_that_is_there_stays(database, tmp_path):
    copy = tmp_path / "moves" / "database"
    take(database, copy, MOST, "")
    before = copy.stat().st_ino
    take(database, copy, MOST, "")
    assert copy.stat().st_ino == before


def test_what_is_left_of_another_database_does_not_become_part_of_it(database, tmp_path):
    other = tmp_path / "other" / "zenml.db"
    other.parent.mkdir()
    fill(other, "older")
    for end in ("-wal", "-journal", ".part"):
        other.with_name(f"zenml.db{end}").write_bytes(b"of another one")
    put(database, other)
    assert names_in(other) == ["ours"]
    assert [one.name for one in other.parent.iterdir()] == ["zenml.db"]


def test_links_and_folders_in_its_place_lead_nowhere(database, tmp_path):
    other, outside = tmp_path / "other" / "zenml.db", tmp_path / "outside"
    other.parent.mkdir()
    outside.write_text("stays")
    other.symlink_to(outside)
    other.with_name("zenml.db.part").symlink_to(outside)
    other.with_name("zenml.db-wal").mkdir()
    put(database, other)
    assert (names_in(other), outside.read_text()) == (["ours"], "stays")
    other.unlink()
    other.symlink_to(database)
    with pytest.raises(ServerError, match="no database file"):
        take(other, tmp_path / "moves" / "database", MOST, "")


def damaged(file):
    with file.open("r+b") as changed:
        changed.seek(4096 + 8)
        changed.write(b"\xff" * 200)


BAD = {
    "no database": lambda file: file.write_bytes(b"#!/bin/sh\n" * 100),
    "damaged": damaged,
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_no_sound_database_is_refused(database, tmp_path, how):
    BAD[how](database)
    with pytest.raises(ServerError):
        check(database, MOST, "")
    with pytest.raises(ServerError):
        take(database, tmp_path / "moves" / "database", MOST, "")
    assert not (tmp_path / "moves" / "database").exists()


def test_nothing_of_a_copy_that_fails_stays(database):
    """It lies beside the original before an upgrade: on a full disk it would leave no room for anyone."""
    damaged(database)
    with pytest.raises(ServerError):
        take(database, database.with_name("before-0.98.0.db"), MOST, "")
    assert [one.name for one in database.parent.iterdir()] == ["zenml.db"]


def test_nor_of_one_that_takes_too_long(database, monkeypatch):
    def run(order, timeout):
        database.with_name("before-0.98.0.db.part").write_bytes(b"half")
        raise TimeoutExpired("copy", timeout)

    monkeypatch.setattr(box, "run", run)
    with pytest.raises(ServerError, match="too long"):
        take(database, database.with_name("before-0.98.0.db"), MOST, "")
    assert [one.name for one in database.parent.iterdir()] == ["zenml.db"]


def test_nothing_of_one_that_cannot_be_put_in_place_stays(database, tmp_path, monkeypatch):
    def full(source, target, length):
        target.write(b"half")
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(NoSpace):
        put(database, tmp_path / "other" / "zenml.db")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_large_one_is_refused(database, tmp_path):
    with pytest.raises(ServerError, match="more than may be moved"):
        take(database, tmp_path / "moves" / "database", 4096, "")
