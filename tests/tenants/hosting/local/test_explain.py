import pytest

from tenants.hosting.local.explain import explain, tail
from tenants.hosting.local.launch import MARK

STARTUP_TRACE = [
    "2026-01-01 10:00:00,000 INFO uvicorn.error: Waiting for application startup.",
    "2026-01-01 10:00:04,000 ERROR uvicorn.error: Traceback (most recent call last):",
    '  File "starlette/routing.py", line 693, in lifespan',
]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Port 21000 on 127.0.0.1 is taken by another program.", "Port 21000 on 127.0.0.1 is taken by another program."),
        ("ERROR: [Errno 98] error while attempting to bind on address ('127.0.0.1', 1): address already in use",
         "The server's port is taken by another program."),
        ("RuntimeError: Error fetching auth token from the Cloud API: 401 Client Error: Unauthorized for url: http://x",
         "ZenPro did not accept this server: its secret is wrong."),
        (("RuntimeError: Error fetching auth token from the Cloud API: HTTPConnectionPool(host='127.0.0.1', port=1): "
         "Max retries exceeded"), "The server cannot reach ZenPro."),
        (("RuntimeError: Failed while trying to contact the central zenml pro service: 404 Client Error: Not Found for "
         "url: http://x"), "ZenPro answered this server with 404 Client Error."),
        ("alembic.util.exc.CommandError: Can't locate revision identified by '0.99.0'",
         "The database could not be brought to this ZenML version."),
        ("RuntimeError: The database migration failed: no such column",
         "The database could not be brought to this ZenML version."),
        ("sqlite3.OperationalError: database or disk is full", "The disk is full."),
        ("sqlite3.OperationalError: unable to open database file", "The server cannot open its database file."),
        ("sqlite3.DatabaseError: file is not a database", "The server's database file is damaged."),
        ("ModuleNotFoundError: No module named 'pkg_resources'",
         "The Python environment of this version is incomplete: pkg_resources is missing."),
        ("ValueError: something nobody thought of", "ValueError: something nobody thought of"),
    ],
)  # fmt: skip
def test_causes(line, sentence):
    assert explain([f"{MARK}tenant-1", *STARTUP_TRACE, line]) == sentence


def test_only_the_last_attempt_counts():
    lines = [f"{MARK}a", "sqlite3.OperationalError: database or disk is full", f"{MARK}a", "ValueError: new"]
    assert explain(lines) == "ValueError: new"


def test_the_attempt_before_while_the_last_says_nothing_yet():
    assert explain([f"{MARK}a", "ValueError: old", f"{MARK}a"]) == "ValueError: old"


def test_nothing_to_say():
    assert explain([]) == ""
    assert explain([f"{MARK}a", "INFO all is well"]) == ""


def test_old_errors_of_a_long_life_do_not_count():
    assert explain([f"{MARK}a", "database or disk is full", *["INFO fine"] * 500]) == ""


def test_tail(tmp_path):
    log = tmp_path / "server.log"
    assert tail(log, 10) == []
    log.write_bytes(b"one\ntwo\nthr\xffee\n")
    assert tail(log, 2) == ["two", "thr\ufffdee"]
    assert tail(log, 0) == []


def test_tail_reads_only_the_end(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("x" * 100 + "\n" * 1_000_000 + "last\n")
    assert tail(log, 1) == ["last"]
