"""How many examples a property is tried with."""

from django.conf import settings


def as_many(count: int) -> int:
    """A third on PostgreSQL: the rules were tried on SQLite, and what differs shows in few examples."""
    return count if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") else count // 3
