"""What PostgreSQL does for a page, as the server itself tells: its auto_explain sends the plan of each statement."""

import json
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

READS = (
    "Actual Rows",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)


@dataclass(frozen=True)
class Plan:
    """A statement that was carried out, and how many rows all steps of its plan went through."""

    statement: str
    rows: int


@contextmanager
def carried_out():
    """A list that fills with the Plan of each statement. Needs a superuser of the database, as the tests have."""
    ask("LOAD 'auto_explain'")
    settings = {"log_analyze": "on", "log_timing": "off", "log_format": "json", "log_level": "notice"}
    for name, value in (settings | {"log_min_duration": "0"}).items():
        ask(f"SET auto_explain.{name} = {value}")
    plans: list[Plan] = []

    def note(diagnostic):
        _, mark, text = diagnostic.message_primary.partition("plan:\n")
        if mark:
            told = json.loads(text)
            plans.append(Plan(told["Query Text"], _rows(told["Plan"])))

    connection.connection.add_notice_handler(note)
    try:
        yield plans
    finally:
        connection.connection.remove_notice_handler(note)
        ask("SET auto_explain.log_min_duration = -1")


def _rows(node: dict) -> int:
    here = sum(node.get(name, 0) for name in READS) * node["Actual Loops"]
    return here + sum(_rows(child) for child in node.get("Plans", ()))


OURS = "relnamespace = current_schema()::regnamespace"


def forget_statistics() -> None:
    """As if no table had ever been looked at. Ends with the transaction, as what look() learns after it does."""
    ask(f"DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE {OURS})")
    ask(f"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE {OURS}")


def look() -> None:
    ask("ANALYZE")


def ask(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
