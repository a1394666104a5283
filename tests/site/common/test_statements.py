"""A statement that does not end is cut, and whoever waits for it is told, each in their own form."""

from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from factories import make_key, make_service_account

from zenpro_site.common import statements

on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")


class Canceled(Exception):
    """As psycopg tells that PostgreSQL stopped."""

    sqlstate = "57014"


@contextmanager
def nothing_ends(*, about: str):
    """Every statement about a table is cut by the database."""

    def cut(execute, sql, params, many, context):
        if about not in sql:
            return execute(sql, params, many, context)
        error = OperationalError("canceling statement due to statement timeout")
        error.statement = sql
        raise error from Canceled()

    with connection.execute_wrapper(cut):
        yield


def logged(caplog) -> list[str]:
    return [str(record.msg) for record in caplog.records if "was cut" in str(record.msg)]


def test_a_page_says_so(as_user, org, owner, caplog):
    client = as_user(owner)
    with nothing_ends(about="teams_team"):
        response = client.get(reverse("teams:list", args=[org.slug]))
    assert response.status_code == 503
    text = response.content.decode()
    assert "This took too long" in text and "Traceback" not in text and "teams_team" not in text
    [line] = logged(caplog)
    assert "teams_team" in line and reverse("teams:list", args=[org.slug]) in line


def test_the_json_api_says_so(org):
    robot = make_service_account(org, role="viewer")
    headers = {"Authorization": f"Bearer {make_key(robot).secret}"}
    with nothing_ends(about="teams_team"):
        response = Client().get(f"/api/v1/organizations/{org.slug}/teams", headers=headers)
    assert response.status_code == 503
    assert "took too long" in response.json()["detail"]


def test_servers_are_not_told_to_wait(db):
    """ZenML tries again for six minutes after a 503."""
    with nothing_ends(about="control_plane_accesstoken"):
        response = Client().post(
            "/api/rbac/check_permissions", "[]", "application/json", headers={"Authorization": "Bearer x"}
        )
    assert response.status_code == 500
    assert response.json()["detail"][0] == "RuntimeError" and "took too long" in response.json()["detail"][1]


def test_other_errors_of_the_database_stay_errors(as_user, org, owner):
    client = as_user(owner)
    client.raise_request_exception = False

    def broken(execute, sql, params, many, context):
        if "teams_team" in sql:
            raise OperationalError("the connection is gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(broken):
        assert client.get(reverse("teams:list", args=[org.slug])).status_code == 500


@on_postgresql
def test_tests_have_a_limit_that_names_the_statement(db):
    with pytest.raises(OperationalError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 20")
        cursor.execute("SELECT pg_sleep(9) AS never")
    assert statements.was_cut(raised.value)
    assert "pg_sleep(9) AS never" in raised.value.__notes__[0]


def test_options_of_the_databases_address_stay():
    given = {"sslmode": "verify-full", "options": "-c search_path=zen -c statement_timeout=7"}
    found = statements.options(given, 2)
    assert found["sslmode"] == "verify-full"
    assert found["options"] == "-c search_path=zen -c jit=off -c statement_timeout=2000"
    assert statements.options(found, 3)["options"].endswith(
        "-c search_path=zen -c jit=off -c statement_timeout=3000"
    )


@on_postgresql
def test_only_the_web_is_limited(db, monkeypatch):
    """Commands and the agent make their connections with options() as they are: no end."""
    assert "statement_timeout" not in statements.options()["options"]
    database = connections.settings["default"]
    monkeypatch.setitem(database, "OPTIONS", database["OPTIONS"])
    for seconds, shown in ((0, "0"), (2.5, "2500ms"), (settings.ZENPRO_STATEMENT_TIMEOUT, "15s")):
        statements.limit_statements(seconds)
        other = connection.copy()
        other.settings_dict["OPTIONS"] = database["OPTIONS"]
        with other.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == (shown,)
            cursor.execute("SHOW jit")
            assert cursor.fetchone() == ("off",)
        other.close()
