"""Bodies of requests that are files: kept on disk while they are read, and never more than is allowed."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

CHUNK = 64 * 1024


class BodyTooLarge(Exception):
    """More came than is allowed."""


@contextmanager
def on_disk(chunks: Iterable[bytes], most: int) -> Iterator[Path]:
    """A file with all of it in the data folder, gone afterwards. `most`: bytes. Raises BodyTooLarge."""
    home = settings.ZENPRO_DATA / "uploads"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = most
    with tempfile.NamedTemporaryFile(dir=home) as file:
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise BodyTooLarge
            file.write(chunk)
        file.flush()
        yield Path(file.name)


def chunks_of(request) -> Iterator[bytes]:
    """The body as it comes, without keeping it in memory."""
    while chunk := request.read(CHUNK):
        yield chunk
