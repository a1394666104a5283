"""Where the carriers of moves send databases to, and fetch them from. Whoever shows no ticket finds nothing here."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.http import FileResponse, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from tenants.moves.carriages import folder_of
from tenants.moves.tickets import IN, OUT, take_ticket
from zenpro_site.common.bodies import BodyTooLarge, chunks_of

WAYS = {"PUT": OUT, "GET": IN}
MAGIC = b"SQLite format 3\0"
TOO_LARGE = "The database is larger than ZENPRO_MOVE_MB allows."
NOT_WHOLE = "What came is not the whole database."


class NotWhole(Exception):
    """Something else came than what was announced."""


@csrf_exempt
def database(request, move):
    """PUT: takes a database out of a volume, GET: gives it to another one. The ticket is spent, whatever comes of it."""
    way = WAYS.get(request.method)
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if way is None or scheme != "Bearer" or not take_ticket(move, way, text.strip()):
        return _said("", HTTPStatus.NOT_FOUND)
    return _give(move) if way == IN else _take(request, move)


def _give(move: UUID) -> FileResponse:
    handle = os.open(folder_of(move) / "database", os.O_RDONLY | os.O_NOFOLLOW)
    return FileResponse(os.fdopen(handle, "rb"), content_type="application/octet-stream")


def _take(request, move: UUID) -> HttpResponse:
    try:
        receive(chunks_of(request), request.headers.get("X-Content-SHA256", ""), folder_of(move) / "sent")
    except BodyTooLarge:
        return _said(TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except NotWhole:
        return _said(NOT_WHOLE, HTTPStatus.UNPROCESSABLE_ENTITY)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def receive(pieces: Iterable[bytes], digest: str, to: Path) -> None:
    """Write a database to a file, which is there only when it is whole and on the disk.

    `digest`: its SHA-256. Raises BodyTooLarge, NotWhole.
    """
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=to.parent, delete=False) as file:
        try:
            if _written(pieces, file) != digest:
                raise NotWhole
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, to)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _written(pieces: Iterable[bytes], file) -> str:
    """SHA-256 of what is written; "" when it does not begin as a database does."""
    found, left, beginning = hashlib.sha256(), settings.ZENPRO_MOVE_SIZE, b""
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise BodyTooLarge
        beginning = beginning or piece[: len(MAGIC)]
        found.update(piece)
        file.write(piece)
    return found.hexdigest() if beginning == MAGIC else ""


def _said(sentence: str, status: int) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
