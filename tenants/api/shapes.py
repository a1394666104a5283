"""What all calls have in common: pages of lists, and text that a database can keep."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

T = TypeVar("T")
MOST = 200


def storable(text: str) -> str:
    """Raises ValueError for what no database can store as text."""
    if "\0" in text:
        raise ValueError("Text can't contain the NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("Text can't contain half a surrogate pair.") from error
    return text


Text = Annotated[str, AfterValidator(storable)]


class Body(Schema):
    """What is sent; unknown names are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Slice(Schema):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=MOST, description="The most items to return.")
    offset: int = Field(0, ge=0, le=1_000_000, description="How many items to skip.")


class Page(Schema, Generic[T]):
    """A part of a list; `total` counts all of it."""

    total: int
    items: list[T]


def page_of(rows, part: Slice, shown: Callable) -> dict:
    """The requested part of a query set or list; `shown` turns a row into an item."""
    total = len(rows) if isinstance(rows, list) else rows.count()
    return {"total": total, "items": [shown(row) for row in rows[part.offset : part.offset + part.limit]]}


class Reference(Schema):
    """Something else, by id and name."""

    id: str
    name: str


def reference(one) -> dict | None:
    return {"id": str(one.pk), "name": str(one)} if one else None


def sensible(moment: datetime) -> datetime:
    if not 1970 <= moment.year <= 9000:
        raise ValueError("Use a date between 1970 and 9000.")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(sensible)]


def as_json(value: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for what is JSON only in Python, or no database can store as text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise ValueError("This is nested too deeply.") from error
    if "\\u0000" in text:
        raise ValueError("Text can't contain the NUL character.")
    storable(text)
    return value


Document = Annotated[dict[str, Any], AfterValidator(as_json)]
