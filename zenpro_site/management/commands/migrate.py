"""Django's `migrate`, which refuses a database that it would take for up to date and break.

Several may be started at once, as pods are: on PostgreSQL one works, and the others wait and find nothing to do. The
table of the shared cache is made as well.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import Error, connection, connections

from zenpro_site import table_version

NAME = "zenpro-migrate"
LOCK, UNLOCK = "SELECT pg_try_advisory_lock(hashtext(%s))", "SELECT pg_advisory_unlock(hashtext(%s))"
LIMIT = 1800.0  # seconds until another migration has ended
LOOK_EVERY = 1.0
WAIT_EVERY = 2.0  # seconds between two looks at all migrations
PARTIAL = ("app_label", "plan", "check_unapplied", "prune")  # options with which not everything is migrated


class Command(migrate.Command):
    def add_arguments(self, parser):
        super().add_arguments(parser)
        words = "change nothing; wait so long until the database has all migrations, and fail if it doesn't"
        parser.add_argument("--wait", type=int, metavar="SECONDS", help=words)

    def handle(self, *args, wait=None, **options):
        if wait is not None:
            return wait_for_others(wait)
        if table_version.is_of_before():
            raise CommandError(f"{table_version.words_of_before()} {table_version.REMEDY}")
        with one_at_a_time(connections[options["database"]]):
            if not any(options[name] for name in PARTIAL):
                call_command("createcachetable", database=options["database"], verbosity=0)
            return super().handle(*args, **options)


@contextmanager
def one_at_a_time(one) -> Iterator[None]:
    """While another process migrates this database we wait. The lock falls with the connection."""
    if one.vendor != "postgresql":
        yield
        return
    until = time.monotonic() + LIMIT
    while not _ask(one, LOCK):
        if time.monotonic() > until:
            raise CommandError("Another process has been migrating this database for half an hour.")
        time.sleep(LOOK_EVERY)
    try:
        yield
    finally:
        with suppress(Error):
            _ask(one, UNLOCK)


def _ask(one, statement: str) -> bool:
    with one.cursor() as cursor:
        cursor.execute(statement, [NAME])
        return cursor.fetchone()[0]


def wait_for_others(seconds: int) -> None:
    """Until someone else has migrated the database. Raises CommandError when that takes longer."""
    until = time.monotonic() + seconds
    while trouble := _missing():
        if time.monotonic() > until:
            raise CommandError(f"{trouble} Waited {seconds} s for `zenpro migrate`.")
        time.sleep(WAIT_EVERY)


def _missing() -> str:
    try:
        waiting = table_version.migrations_waiting()
    except Error as error:
        connection.close()
        return f"The database does not answer: {error}".strip()
    return f"Migrations that are not applied: {waiting}." if waiting else ""
