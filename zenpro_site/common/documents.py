"""A column for documents that people wrote or will read."""

import json
from typing import Any

from django.db import models


class DocumentField(models.JSONField):
    """JSON whose objects keep the order of their keys, which PostgreSQL's jsonb does not: steps run, and people read, in it.

    It can be written and read; PostgreSQL can neither compare such a column nor be asked for a part of it.
    """

    def db_type(self, connection) -> str:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection, prepared: bool = False) -> Any:
        return value if hasattr(value, "as_sql") else json.dumps(value, cls=self.encoder)

    def select_format(self, compiler, sql, params):
        """As text: psycopg would otherwise parse it, and Django once more."""
        is_native = compiler.connection.vendor == "postgresql"
        return (f"({sql})::text", params) if is_native else (sql, params)
