"""Keys that come from outside: a UUID, or nothing."""

from uuid import UUID


def uuid_or_none(value) -> UUID | None:
    """The UUID that a text stands for; None for every other text and for anything that is no text."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
