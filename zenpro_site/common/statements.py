"""How long PostgreSQL may work at one statement. SQLite has no such limit, and no planner that is misled so far."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.db import OperationalError, connections

ENGINE = "zenpro_site.postgresql"
CANCELED = "57014"
# Without statistics it would compile statements of a millisecond, for a second.
WITHOUT_COMPILING = "-c jit=off"
OURS = re.compile(r"-c (jit|statement_timeout)=\w+")


def options(given: Mapping[str, Any] = MappingProxyType({}), seconds: float = 0) -> dict:
    """Django's OPTIONS of a connection to PostgreSQL whose statements are cut after so many seconds; 0: never.

    `given`: those of the database's address, such as `sslmode`, which stay.
    """
    limit = f"-c statement_timeout={round(seconds * 1000)}" if seconds > 0 else ""
    own = OURS.sub("", given.get("options", "")).strip()
    words = " ".join(filter(None, (own, WITHOUT_COMPILING, limit)))
    return {**given, "server_side_binding": True, "prepare_threshold": 1, "options": words}


def limit_statements(seconds: float) -> None:
    """For connections that this process is yet to make. The web calls it; the agent and commands take their time."""
    database = connections.settings["default"]
    if database["ENGINE"] == ENGINE:
        database["OPTIONS"] = options(database["OPTIONS"], seconds)


def was_cut(error: BaseException) -> bool:
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) == CANCELED


def named(execute, sql, params, many, context):
    """Wrapper of Django's for each statement: who reads of one that was cut, in a log or a test, reads which one."""
    try:
        return execute(sql, params, many, context)
    except OperationalError as error:
        if was_cut(error):
            error.statement = sql
            error.add_note(f"The statement that did not end: {sql}")
        raise
