"""Several may migrate at once, and pods wait until one has."""

import threading

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from zenpro_site import table_version
from zenpro_site.management.commands import migrate


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(migrate, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(migrate, "WAIT_EVERY", 0.02)


def test_the_table_of_the_cache_is_made(transactional_db, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "made_by_migrate"}
    }
    with connection.cursor() as cursor:
        try:
            call_command("migrate", plan=True, verbosity=0)
            assert "made_by_migrate" not in connection.introspection.table_names(cursor)
            call_command("migrate", verbosity=0)
            assert "made_by_migrate" in connection.introspection.table_names(cursor)
        finally:
            cursor.execute("DROP TABLE IF EXISTS made_by_migrate")


def test_waiting_ends_when_nothing_is_missing(db, hasty, monkeypatch):
    answers = [OperationalError("refused"), 3, 0]

    def waiting():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(table_version, "migrations_waiting", waiting)
    monkeypatch.setattr(migrate.connection, "close", lambda: None)
    monkeypatch.setattr(migrate.migrate.Command, "handle", lambda *args, **options: pytest.fail("changed"))
    call_command("migrate", wait=30)
    assert answers == []


def test_waiting_has_an_end(db, hasty, monkeypatch):
    monkeypatch.setattr(table_version, "migrations_waiting", lambda: 2)
    with pytest.raises(CommandError, match="Migrations that are not applied: 2. Waited 0 s"):
        call_command("migrate", wait=0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's own lock")
def test_the_second_works_when_the_first_has_ended(transactional_db, hasty, monkeypatch):
    other, done, asked, ask = connection.copy(), [], threading.Semaphore(0), migrate._ask
    monkeypatch.setattr(migrate, "_ask", lambda *args: asked.release() or ask(*args))
    with migrate.one_at_a_time(other):
        waiting = threading.Thread(target=lambda: done.append(migrated()))
        waiting.start()
        assert all(asked.acquire(timeout=30) for _ in range(4))  # one of them is ours
        assert done == []
    waiting.join(60)
    other.close()
    assert done == [True]


def migrated() -> bool:
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()
    return True


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's own lock")
def test_waiting_for_another_has_an_end(transactional_db, hasty, monkeypatch):
    monkeypatch.setattr(migrate, "LIMIT", 0.1)
    other = connection.copy()
    with migrate.one_at_a_time(other), pytest.raises(CommandError, match="for half an hour"):
        call_command("migrate", verbosity=0)
    other.close()
