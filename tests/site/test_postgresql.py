import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

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
