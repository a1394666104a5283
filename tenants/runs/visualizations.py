"""The server's own visualization of an artifact, made fit for a page: `GET /artifact_versions/{id}/visualize?index=`.

The answer is {"type", "value"}: csv, markdown and json as text, html as text, an image in base64 (seen on 0.98.0).
What the type says is a claim of whoever wrote the artifact: a picture is what begins as one, and HTML leaves here
only towards a frame without an origin.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tenants.hosting.answers import line, mapping, text
from zenpro_site.common.names import without_odd

ROWS, COLUMNS, CELL_LENGTH = 50, 20, 200
COUNTED_ROWS = 100_000  # whoever has more reads "more than"
TEXT_LENGTH = 100_000  # characters of Markdown and JSON on a page
JSON_LENGTH = 1_000_000  # characters; longer documents are shown as they came
# The bytes a picture begins with. SVG is not among them: it is a document, with scripts.
PICTURES = [
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
]
KINDS = ("html", "image", "csv", "markdown", "json")


@dataclass(frozen=True)
class Table:
    head: list[str]
    rows: list[list[str]]
    more_rows: int
    more_columns: int
    many: bool = False  # there are more rows than were counted


@dataclass(frozen=True)
class Visualization:
    """What goes onto a page; `fault` is a sentence that stands in its place."""

    kind: str  # html, image, csv, markdown, json, "" for none of them
    text: str = ""
    cut: int = 0  # characters that are not shown
    table: Table | None = None
    picture: bytes = field(default=b"", repr=False)
    media_type: str = ""
    fault: str = ""


def visualization_of(answer: Any) -> Visualization:
    """Of whatever a server answered."""
    kind, value = line(mapping(answer).get("type")), mapping(answer).get("value")
    if kind not in KINDS or not isinstance(value, str):
        return Visualization("", fault="This kind of visualization can't be shown here.")
    return {"csv": _table, "image": _picture, "json": _json, "html": _html, "markdown": _plain}[kind](value)


def _html(value: str) -> Visualization:
    return Visualization("html", value)


def _plain(value: str, kind: str = "markdown") -> Visualization:
    shown = without_odd(text(value, TEXT_LENGTH))
    return Visualization(kind, shown, max(len(value) - TEXT_LENGTH, 0))


def _picture(value: str) -> Visualization:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    media_type = picture_type(data)
    if not media_type:
        return Visualization(
            "image", fault="This is not a picture that can be shown: no PNG, JPEG, GIF or WebP."
        )
    return Visualization("image", picture=data, media_type=media_type)


def picture_type(data: bytes) -> str:
    """The media type of what a browser draws and never runs; "" for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for beginning, name in PICTURES if data.startswith(beginning)), "")


def _json(value: str) -> Visualization:
    """Indented. Written piece by piece: a deep document has more spaces than anyone has memory for."""
    if len(value) > JSON_LENGTH:
        return _plain(value, "json")
    pieces, length = [], 0
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(json.loads(value)):
            pieces.append(piece)
            length += len(piece)
            if length > TEXT_LENGTH:
                break
    except (ValueError, RecursionError):
        return _plain(value, "json")
    shown = without_odd(text("".join(pieces), TEXT_LENGTH))
    return Visualization("json", shown, max(len(value) - TEXT_LENGTH, 1) if length > TEXT_LENGTH else 0)


# -- tables


def _table(value: str) -> Visualization:
    """The first rows and columns; how many there are besides is counted."""
    reader = csv.reader(io.StringIO(value.replace("\x00", ""), newline=""))
    try:
        rows = [row for row in islice(reader, ROWS + 1) if row]
        more = sum(1 for row in islice(reader, COUNTED_ROWS) if row)
        many = more >= COUNTED_ROWS
    except csv.Error:  # a cell of more than 128 kB
        return _plain(value, "csv")
    if not rows:
        return Visualization("csv", fault="This table is empty.")
    widest = max(map(len, rows))
    head, *body = [_cells(row, min(widest, COLUMNS)) for row in rows]
    return Visualization("csv", table=Table(head, body, more, max(widest - COLUMNS, 0), many))


def _cells(row: list[str], width: int) -> list[str]:
    shown = [
        without_odd(text(cell, CELL_LENGTH)) + ("…" if len(cell) > CELL_LENGTH else "")
        for cell in row[:width]
    ]
    return shown + [""] * (width - len(shown))
