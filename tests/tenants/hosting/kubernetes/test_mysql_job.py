"""What a Job does with a database on a server: a copy first, and the copy back when the migration fails."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest

from tenants.hosting.kubernetes.database_names import copy_of, database_of
from tenants.hosting.kubernetes.objects import job_script
from tests.mariadb import mariadb

from .made import databases_on

__all__ = ["mariadb"]
TABLES = (
    "CREATE TABLE `{0}`.`alembic_version` (`version_num` VARCHAR(32) PRIMARY KEY)",
    "INSERT INTO `{0}`.`alembic_version` VALUES ('0.98.0')",
    "CREATE TABLE `{0}`.`a run` (id INT PRIMARY KEY, step INT, KEY (step))",
    "CREATE TABLE `{0}`.`step` (id INT PRIMARY KEY, note TEXT COLLATE utf8mb4_bin)",
    "ALTER TABLE `{0}`.`a run` ADD CONSTRAINT of_step FOREIGN KEY (step) REFERENCES `{0}`.`step` (id)",
    "INSERT INTO `{0}`.`step` VALUES (1, '🍣')",
    "INSERT INTO `{0}`.`a run` VALUES (1, 1)",
)


@pytest.fixture
def databases(mariadb):
    return databases_on(mariadb)


@pytest.fixture
def tenant_id(databases):
    made = uuid4()
    databases.prepare(made, "a-password")
    yield made
    databases.retire(made)


@pytest.fixture
def own(mariadb, databases, tenant_id):
    """A database with rows; its account can fill a copy."""
    name = database_of(tenant_id)
    for statement in TABLES:
        mariadb.run(statement.format(name))
    databases.open_copy(tenant_id, "0.99.0")
    return name


@pytest.fixture
def job(databases, tenant_id, tmp_path):
    """job(what, program): its exit code, where `program` is what `zenml` does."""

    def run(what: str, program: str = "exit 0", to: str = "0.99.0", **more: str) -> int:
        zenml = tmp_path / "zenml"
        zenml.write_text(f"#!/bin/sh\n{program}\n")
        zenml.chmod(0o755)
        env = databases.store(tenant_id, "a-password").variables() | more
        env |= {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        command = [sys.executable, "-c", job_script(), what, copy_of(tenant_id, to)]
        return subprocess.run(command, env=env, check=False).returncode

    return run


def rows(mariadb, name) -> list:
    return mariadb.run(f"SELECT r.id, s.note FROM `{name}`.`a run` r JOIN `{name}`.step s ON r.step = s.id")


def test_the_copy_has_everything(mariadb, own, job, tenant_id):
    copy = copy_of(tenant_id, "0.99.0")
    assert job("keep") == 0 and rows(mariadb, copy) == [(1, "🍣")]
    ((_, made),) = mariadb.run(f"SHOW CREATE TABLE `{copy}`.`a run`")
    assert "REFERENCES `step`" in made and "utf8mb4_unicode_520_ci" in made
    assert "utf8mb4_bin" in mariadb.run(f"SHOW CREATE TABLE `{copy}`.step")[0][1]


def test_a_later_attempt_copies_what_was_written_meanwhile(mariadb, own, job):
    assert job("keep") == 0 and job("migrate", "exit 1") == 1
    mariadb.run(f"UPDATE `{own}`.step SET note = 'later'")
    assert job("keep") == 0 and job("migrate", "exit 1") == 1
    assert rows(mariadb, own) == [(1, "later")]


def test_a_migration_that_was_cut_off_is_taken_back_before_the_next(mariadb, own, job, tenant_id):
    assert job("keep") == 0 and job("migrate", "kill -9 $PPID") != 0
    mariadb.run(f"DROP TABLE `{own}`.`a run`")
    assert job("keep") == 0 and rows(mariadb, own) == [(1, "🍣")]
    assert job("migrate") == 0 and tables(mariadb, copy_of(tenant_id, "0.99.0")) == 3


def test_one_that_was_cut_off_is_taken_back_before_any_other_version_too(
    mariadb, own, job, databases, tenant_id
):
    assert job("keep") == 0 and job("migrate", "kill -9 $PPID") != 0
    mariadb.run(f"DROP TABLE `{own}`.`a run`")
    databases.open_copy(tenant_id, "0.99.1")
    assert job("keep", to="0.99.1") == 0
    assert rows(mariadb, own) == rows(mariadb, copy_of(tenant_id, "0.99.1")) == [(1, "🍣")]
    mariadb.run(f"UPDATE `{own}`.step SET note = 'later'")
    assert job("keep", to="0.99.1") == 0 and rows(mariadb, own) == [(1, "later")]


def test_what_a_server_wrote_since_is_never_taken_back(mariadb, own, job, databases, tenant_id):
    assert job("keep") == 0 and job("migrate", "kill -9 $PPID") != 0
    databases.close_copies(tenant_id)
    mariadb.run(f"UPDATE `{own}`.step SET note = 'later'")
    databases.open_copy(tenant_id, "0.99.0")
    assert job("keep") == 0 and job("migrate", "exit 1") == 1
    assert rows(mariadb, own) == [(1, "later")]


def test_once_it_worked_the_copy_stays_what_it_was_and_is_no_way_back(mariadb, own, job, tenant_id):
    copy = copy_of(tenant_id, "0.99.0")
    assert job("keep") == 0 and job("migrate") == 0
    mariadb.run(f"UPDATE `{own}`.alembic_version SET version_num = '0.99.0'")
    mariadb.run(f"UPDATE `{own}`.step SET note = 'later'")
    assert job("keep") == 0 and job("migrate", "exit 1") == 1
    assert (rows(mariadb, own), rows(mariadb, copy)) == ([(1, "later")], [(1, "🍣")])


def test_a_copy_that_was_cut_off_is_made_anew(mariadb, own, job, tenant_id):
    copy = copy_of(tenant_id, "0.99.0")
    mariadb.run(f"CREATE TABLE `{copy}`.`step` (old INT)")
    assert job("keep") == 0 and rows(mariadb, copy) == [(1, "🍣")]


def test_a_migration_that_fails_leaves_what_was_there(mariadb, own, job):
    assert job("keep") == 0
    mariadb.run(f"DROP TABLE `{own}`.`a run`")
    mariadb.run(f"CREATE TABLE `{own}`.half (i INT)")
    assert job("migrate", "echo broken; exit 3") == 3
    assert rows(mariadb, own) == [(1, "🍣")]
    assert not mariadb.run("SELECT 1 FROM information_schema.tables WHERE table_name = 'half'")


def test_one_that_works_is_left_alone(mariadb, own, job):
    assert job("keep") == 0
    mariadb.run(f"DELETE FROM `{own}`.`a run`")
    assert job("migrate") == 0 and rows(mariadb, own) == []


def tables(mariadb, name) -> int:
    return len(mariadb.run("SELECT 1 FROM information_schema.tables WHERE table_schema = %s", name))


def test_a_first_start_that_was_cut_off_begins_anew_unless_there_are_rows(mariadb, own, job):
    mariadb.run(f"DROP TABLE `{own}`.alembic_version")
    assert job("keep") == 0 and tables(mariadb, own) == 2
    mariadb.run(f"DELETE FROM `{own}`.`a run`")
    mariadb.run(f"DELETE FROM `{own}`.step")
    mariadb.run(f"CREATE TABLE `{own}`.server_settings AS SELECT 1")
    assert job("keep") == 0 and tables(mariadb, own) == 0
    assert job("migrate", "exit 1") == 1 and tables(mariadb, own) == 0


def test_the_server_is_checked_where_certificates_are_given(mariadb, own, job):
    assert job("keep", ZENML_STORE_SSL_CA=mariadb.ca.read_text()) == 0
    assert job("keep", ZENML_STORE_SSL="true") == 0
