"""Reading single values out of what a server has sent: whatever it is becomes what was asked for, or nothing.

A tenant's server may send a list where an object should be, a name of a megabyte, a year that no calendar has. The pages
show what is left.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from tenants.hosting.base import TenantUnreadable

NAME_LENGTH = 250  # characters of names and states; ZenML's own columns hold 255
TEXT_LENGTH = 20_000  # characters of messages and tracebacks
YEARS = (1971, 2199)
LONGEST = 100 * 366 * 86400.0  # seconds; no run takes longer
LARGEST = 2**31 - 1
# Characters that a page, a file or a column cannot hold; the escape sequences of terminals stay.
CONTROLS = {number: None for number in range(32) if chr(number) not in "\t\n\r\x1b"}


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def listing(value: Any, limit: int = LARGEST) -> list:
    return value[:limit] if isinstance(value, list) else []


def line(value: Any, limit: int = NAME_LENGTH) -> str:
    """One line of printable text, "" for anything else."""
    if not isinstance(value, str):
        return ""
    text = value[:limit]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def text(value: Any, limit: int = TEXT_LENGTH) -> str:
    """Text of many lines, "" for anything else."""
    return value[:limit].translate(CONTROLS) if isinstance(value, str) else ""


def ending(value: Any, limit: int = TEXT_LENGTH) -> str:
    """The end of such a text, where a traceback says what was wrong."""
    return text(value[-limit:], limit) if isinstance(value, str) else ""


def whole(value: Any, default: int = 0) -> int:
    """A number of things."""
    return value if type(value) is int and 0 <= value <= LARGEST else default


def seconds(value: Any) -> float | None:
    """A length of time."""
    if type(value) not in (int, float) or not 0 <= value <= LONGEST:
        return None
    return float(value)


def is_number(value: Any) -> bool:
    """A number that can be shown and counted with."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def moment(value: Any) -> datetime | None:
    """A point in time, in UTC: servers write UTC without saying so."""
    try:
        found = datetime.fromisoformat(line(value, 40))
    except ValueError:
        return None
    if not YEARS[0] <= found.year <= YEARS[1]:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def identifier(value: Any) -> UUID | None:
    try:
        return UUID(line(value, 60))
    except ValueError:
        return None


def item(value: Any) -> dict[str, Any]:
    """An object with an id, which is text then. Raises TenantUnreadable."""
    return {**mapping(value), "id": str(own_id(value))}


def own_id(value: Any) -> UUID:
    """Raises TenantUnreadable for what has none."""
    found = identifier(mapping(value).get("id"))
    if found is None:
        raise TenantUnreadable
    return found


def token(value: Any) -> str:
    """A secret that goes into a header or an environment variable. Raises TenantUnreadable."""
    found = line(value, 16_384)
    if not found or not found.isascii() or found != value or " " in found:
        raise TenantUnreadable
    return found
