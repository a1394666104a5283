"""What is done before a tenant's server starts. With real servers: test_zenml_server.py."""

import sqlite3
import time
from contextlib import closing

import pytest

from tenants.hosting.local import serve


@pytest.fixture
def path(tmp_path):
    """A database with a request that was answered, and one in which its server was killed."""
    with closing(sqlite3.connect(tmp_path / "zenml.db")) as database, database:
        database.execute("CREATE TABLE api_transaction (id TEXT, completed BOOLEAN)")
        database.execute("INSERT INTO api_transaction VALUES ('answered', 1), ('cut short', 0)")
    return tmp_path / "zenml.db"


def kept(path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT id FROM api_transaction ORDER BY id")]


def test_a_request_that_was_cut_short_can_be_repeated(path):
    serve.forget_interrupted(f"sqlite:///{path}")
    assert kept(path) == ["answered"]


def test_a_new_tenant_has_none_and_no_file_is_made(tmp_path):
    serve.forget_interrupted(f"sqlite:///{tmp_path / 'zenml.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database, " * 1000])
def test_what_is_no_database_of_a_server_is_left_to_the_server(tmp_path, content):
    (tmp_path / "zenml.db").write_bytes(content)
    serve.forget_interrupted(f"sqlite:///{tmp_path / 'zenml.db'}")
    assert (tmp_path / "zenml.db").read_bytes() == content


def test_a_schema_that_never_ends_does_not_keep_a_server_from_starting(path, monkeypatch):
    monkeypatch.setattr(serve, "PATIENCE", 0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            f"CREATE TRIGGER slow BEFORE DELETE ON api_transaction WHEN ({endless}) BEGIN SELECT 1; END"
        )
    began = time.monotonic()
    serve.forget_interrupted(f"sqlite:///{path}")
    assert time.monotonic() - began < 30
    assert kept(path) == ["answered", "cut short"]
