"""Whether the tables of the database are those this version works with."""

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

REMEDY = (
    "Start with an empty data folder (ZENPRO_DATA) or an empty database (DATABASE_URL), "
    "or keep using the version that made this one."
)


def migrations_waiting() -> int:
    """How many migrations are not applied yet."""
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def is_of_before() -> bool:
    """Was the database made by a version from before the first release, whose migrations are gone?

    Its tables look up to date to Django where a migration of that name still exists, and are not.
    """
    known = MigrationLoader(connection).disk_migrations.keys()
    applied = MigrationRecorder(connection).applied_migrations().keys()
    return bool({(label, name) for label, name in applied - known if label in ours()})


def ours() -> set[str]:
    """Labels of our own apps."""
    return {app.label for app in apps.get_app_configs() if app.name.split(".")[0] in ("orgs", "tenants")}


def words_of_before() -> str:
    """What to say of such a database."""
    name = connection.settings_dict["NAME"]
    return f"The database {name} was made by an earlier version of ZenPro and can't be upgraded."
