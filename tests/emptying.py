"""The database after a test whose changes cannot be undone: emptied, and what migrations leave in it put back.

Django empties all tables, which takes PostgreSQL half a second, and makes its content types and permissions anew, with
some hundred queries. Here only tables with rows are emptied, and those rows are put back as they were.
"""

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.sql import emit_post_migrate_signal, sql_flush
from django.db import transaction

LEFT = (ContentType, Permission)  # of these alone; in the order in which they need each other


def quick(patch) -> None:
    """Let Django's `flush` do it so. `patch`: a MonkeyPatch."""
    patch.setattr("django.core.management.commands.flush.emit_post_migrate_signal", Restoring())
    patch.setattr("django.core.management.commands.flush.sql_flush", emptied)


class Restoring:
    """Instead of the signal that migrations are done: the first time it is sent, all later ones put back what it has
    left in this database."""

    def __init__(self):
        self.rows = {}

    def __call__(self, verbosity, interactive, database, **more) -> None:
        if database in self.rows:
            with transaction.atomic(using=database):
                for model, rows in zip(LEFT, self.rows[database], strict=True):
                    model._base_manager.using(database).bulk_create(rows)
            return
        emit_post_migrate_signal(verbosity, interactive, database, **more)
        assert filled(database) == {*LEFT}, "Migrations leave more than this knows of."
        self.rows[database] = [[*model._base_manager.using(database).all()] for model in LEFT]


def filled(database: str) -> set:
    """Models whose tables have rows."""
    models = [model._meta.concrete_model for model in apps.get_models(include_auto_created=True)]
    return {model for model in models if model._meta.managed and model._base_manager.using(database).exists()}


def emptied(style, connection, reset_sequences=True, allow_cascade=False) -> list[str]:
    """The statements that empty the database."""
    if connection.vendor != "postgresql" or reset_sequences:
        return sql_flush(style, connection, reset_sequences, allow_cascade)
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    asked = [
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {connection.ops.quote_name(name)})" for name in names
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        found = [name for (name,) in cursor.fetchall()]
    return [f"DELETE FROM {connection.ops.quote_name(name)}" for name in found]
