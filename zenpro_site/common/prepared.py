"""Questions that stay the same from request to request: their statement is made once.

Django takes longer to put a statement together than the database takes to answer it (docs/adr/0030-prepared-questions.md).
"""

import copy
from collections.abc import Callable

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import DateTimeField, Expression, Field, QuerySet


class Given(Expression):
    """Stands in a query for a value that comes with the question: `filter(user=Given("user", User._meta.pk))`."""

    def __init__(self, name: str, field: Field):
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler, connection):
        return "%s", [self]

    def value(self, values: dict, connection):
        """What the database is told, as the field writes it there."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


NOW = Given("now", DateTimeField())


class Prepared:
    """`Prepared(build)(**values)` answers what `list(build())` does, with `values` where `build` has `Given`.

    build: makes the query set; it is called once for a database, so nothing in it may depend on the time or on who asks
    but through `Given`. Raises KeyError when a value is missing.
    """

    def __init__(self, build: Callable[[], QuerySet]):
        self.build = build
        self.made = {}  # (query set, its compiler, statement, parameters) by vendor

    def __call__(self, **values) -> list:
        connection = connections[DEFAULT_DB_ALIAS]
        rows, compiler, statement, params = self.made.get(connection.vendor) or self._make(connection)
        filled = [one.value(values, connection) if isinstance(one, Given) else one for one in params]
        return list(_answered(rows, compiler, connection, (statement, tuple(filled))))

    def _make(self, connection):
        rows = self.build()
        compiler = rows.query.get_compiler(connection=connection)
        made = rows, compiler, *compiler.as_sql()
        self.made[connection.vendor] = made
        return made


def _answered(rows: QuerySet, compiler, connection, statement) -> QuerySet:
    """The query set, with a compiler that has its statement already and asks on the connection of this thread."""
    compiler = copy.copy(compiler)
    compiler.connection = connection
    compiler.as_sql = lambda *args, **kwargs: statement
    query = copy.copy(rows.query)
    query.get_compiler = lambda *args, **kwargs: compiler
    asked = rows._chain()
    asked._query = query  # the setter would turn tuples into dicts
    return asked
