import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from zenpro_site.checkup import machine
from zenpro_site.checkup.database import check_database

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")


@pytest.fixture
def checked(transactional_db):
    """The connection as at the beginning of a request."""
    connection.ensure_connection()
    connection.health_check_enabled, connection.health_check_done = True, False
    yield connection
    connection.health_check_enabled = False


def test_good_connection_is_kept_without_asking(checked):
    before = checked.connection
    with CaptureQueriesContext(checked) as asked, checked.cursor() as cursor:
        cursor.execute("SELECT 2")
    assert len(asked) == 1
    assert checked.connection is before
    assert checked.is_usable()


def test_connection_that_the_server_ended_is_made_again(checked):
    before = checked.connection
    other = checked.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before.info.backend_pid])
    other.close()
    for _ in range(200):  # until the end of the connection has arrived here
        if not checked.is_usable():
            break
        time.sleep(0.01)
    with checked.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
    assert checked.connection is not before


def test_doctor_sees_that_no_password_is_asked_for(db):
    """The server of these tests trusts everybody."""
    found = check_database()
    assert [finding.level for finding in found if "without a password" in finding.text] == ["problem"]
    assert [finding.level for finding in found if finding.text.startswith("PostgreSQL 1")] == ["ok"]


def test_doctor_sees_tables_that_nobody_looked_at(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE unseen AS SELECT generate_series(1, 50000) AS number")
    try:
        assert any("ANALYZE" in finding.remedy for finding in check_database())
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        assert not any("ANALYZE" in finding.remedy for finding in check_database())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE unseen")


@pytest.mark.parametrize("ahead, level", [(0, "ok"), (-5, "warning"), (60, "problem")])
def test_doctor_compares_the_clocks(db, monkeypatch, ahead, level):
    monkeypatch.setattr(machine, "_difference", lambda: float(ahead))
    assert [finding.level for finding in machine.check_clock()] == [level]


def test_doctor_reads_the_clock_of_the_database(db):
    assert abs(machine._difference()) < machine.DRIFT
