"""What is done before a tenant's server starts. With real servers: test_zenml_server.py."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

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


# -- a new tenant begins with a copy

NOBODY, PROJECT, STACK, PART = (letter * 32 for letter in "abcd")
SCHEMA = """
CREATE TABLE server_settings (id CHAR(32) NOT NULL PRIMARY KEY, server_name VARCHAR, updated DATETIME);
CREATE TABLE project (id CHAR(32) NOT NULL PRIMARY KEY, name VARCHAR, created DATETIME);
CREATE TABLE stack (
    id CHAR(32) NOT NULL PRIMARY KEY, name VARCHAR, created DATETIME, user_id CHAR(32),
    project_id CHAR(32) REFERENCES project (id));
CREATE TABLE stack_component (id CHAR(32) NOT NULL PRIMARY KEY, configuration BLOB, created DATETIME);
CREATE TABLE stack_composition (
    stack_id CHAR(32) NOT NULL REFERENCES stack (id), component_id CHAR(32) NOT NULL REFERENCES stack_component (id),
    PRIMARY KEY (stack_id, component_id));
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
"""
ROWS = {
    "server_settings": (NOBODY, "default", "2024-02-29 10:00:02.500000"),
    "project": (PROJECT, "default", "2024-02-29 10:00:00.000000"),
    "stack": (STACK, "default", "2024-02-29 10:00:01.250000", None, PROJECT),
    "stack_component": (PART, b"e30=", "2024-02-29 10:00:01"),
    "stack_composition": (STACK, PART),
    "alembic_version": ("0.98.0",),
}


@pytest.fixture
def prepared(tmp_path):
    path = tmp_path / "with a ? in it.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        for table, row in ROWS.items():
            database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return path


@pytest.fixture
def folder(tmp_path):
    """The folder of a tenant that has no database yet."""
    (tmp_path / "tenant").mkdir()
    return tmp_path / "tenant"


def begin(prepared, folder, server=None) -> dict[str, tuple]:
    """The rows of a tenant that began with it, by table."""
    serve.begin(str(prepared), f"sqlite:///{folder}/zenml.db", str(server or uuid4()))
    with closing(sqlite3.connect(folder / "zenml.db")) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {table: database.execute(f"SELECT * FROM {table}").fetchone() for table in ROWS}


def test_a_new_tenant_begins_with_ids_of_its_own(prepared, folder):
    server = uuid4()
    rows = begin(prepared, folder, server)
    project, stack, part = (rows[name][0] for name in ("project", "stack", "stack_component"))
    assert rows["server_settings"][:2] == (server.hex, "default")
    assert rows["stack"][1:2] + rows["stack"][3:] == ("default", None, project)
    assert rows["stack_composition"] == (stack, part)
    assert rows["stack_component"][1] == b"e30="
    assert rows["alembic_version"] == ("0.98.0",)
    assert len({UUID(one) for one in (project, stack, part, NOBODY, PROJECT, STACK, PART)}) == 7
    assert os.listdir(folder) == ["zenml.db"]


def test_two_tenants_share_no_id(prepared, folder, tmp_path):
    (tmp_path / "other").mkdir()
    one, other = begin(prepared, folder), begin(prepared, tmp_path / "other")
    for table in ROWS.keys() - {"alembic_version"}:
        assert one[table][0] != other[table][0], table


def test_its_times_are_of_now_and_in_their_order(prepared, folder):
    before = datetime.now(UTC).replace(tzinfo=None)
    rows = begin(prepared, folder)
    latest = datetime.fromisoformat(rows["server_settings"][2])
    assert before <= latest <= datetime.now(UTC).replace(tzinfo=None)
    ages = [
        latest - datetime.fromisoformat(rows[name][2]) for name in ("project", "stack", "stack_component")
    ]
    assert ages == [timedelta(seconds=number) for number in (2.5, 1.25, 1.5)]


@pytest.mark.parametrize("name", ["zenml.db", "zenml.db-journal", "zenml.db-wal"])
@pytest.mark.parametrize("is_link", [False, True])
def test_what_is_there_is_never_touched(prepared, folder, name, is_link):
    place = folder / name
    place.symlink_to(folder / "nowhere") if is_link else place.write_bytes(b"a tenant's own")
    serve.begin(str(prepared), f"sqlite:///{folder}/zenml.db", str(uuid4()))
    assert os.listdir(folder) == [name]
    assert place.is_symlink() == is_link
    assert is_link or place.read_bytes() == b"a tenant's own"


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def spoil(statement):
    def act(path):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(statement)

    return act


@pytest.mark.parametrize(
    "harm",
    [
        os.unlink,
        cut,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a database, " * 1000),
        spoil("DELETE FROM server_settings"),
        spoil("DELETE FROM project"),
        spoil("UPDATE project SET created = 'yesterday'"),
        spoil("DROP TABLE server_settings"),
    ],
)
def test_one_that_is_broken_leads_to_none(prepared, folder, harm, capsys):
    harm(prepared)
    serve.begin(str(prepared), f"sqlite:///{folder}/zenml.db", str(uuid4()))
    assert os.listdir(folder) == []
    assert capsys.readouterr().out.startswith("This server makes its tables itself: ")


@pytest.mark.parametrize("server", ["", "../nobody"])
def test_without_an_id_there_is_none(prepared, folder, server):
    serve.begin(str(prepared), f"sqlite:///{folder}/zenml.db", server)
    assert os.listdir(folder) == []


def test_no_other_database_begins_with_it(prepared, tmp_path, monkeypatch):
    """Servers in a cluster are not told of a file; one that was would have no path for it."""
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    for file, address in (("", f"sqlite:///{tmp_path}/zenml.db"), (str(prepared), "mysql://host/zenml")):
        serve.begin(file, address, str(uuid4()))
    assert sorted(os.listdir(tmp_path)) == before


def test_one_that_is_killed_before_the_end_leaves_no_database(prepared, folder, monkeypatch):
    def killed(*paths):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "rename", killed)
        serve.begin(str(prepared), f"sqlite:///{folder}/zenml.db", str(uuid4()))
    assert os.listdir(folder) == ["zenml.db.copy"]
    (folder / "zenml.db.copy").write_bytes(b"half")
    assert begin(prepared, folder)["stack"][1] == "default"
    assert os.listdir(folder) == ["zenml.db"]


def test_a_link_in_its_way_is_not_followed(prepared, folder, tmp_path):
    (tmp_path / "precious").write_text("kept")
    (folder / "zenml.db.copy").symlink_to(tmp_path / "precious")
    begin(prepared, folder)
    assert (tmp_path / "precious").read_text() == "kept"
    assert not (folder / "zenml.db").is_symlink()


def test_the_server_starts_after_the_copy_and_is_not_told_of_it(prepared, folder, monkeypatch):
    found = []

    class Uvicorn:
        @staticmethod
        def run(application, **options):
            found.append(((folder / "zenml.db").exists(), serve.EMPTY_DATABASE in os.environ))

    monkeypatch.setattr(serve.importlib, "import_module", lambda name: Uvicorn)
    monkeypatch.setenv(serve.EMPTY_DATABASE, str(prepared))
    monkeypatch.setenv("ZENML_STORE_URL", f"sqlite:///{folder}/zenml.db")
    monkeypatch.setenv(serve.SERVER_ID, str(uuid4()))
    serve.run(None, "127.0.0.1", "1")
    assert found == [(True, False)]
