"""Limits on what botocore itself has none for: how long an answer may take as a whole, and how large one may be that is not a
file.

Its timeouts are from byte to byte, and it reads headers, lists and the bodies of errors to their end. Its hooks are private;
constraints.txt holds the version they were read in.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from botocore import exceptions as failures
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool, AWSPreparedRequest, AWSResponse
from urllib3.exceptions import ReadTimeoutError

from .shared_files import CHUNK, StorageFailed

LARGEST = 8 * 1024**2  # bytes of an answer: a list names a thousand objects, with at most 1,024 bytes each
TOO_LATE = "the object storage is too slow."
TOO_LARGE = "the answer of the object storage is too large."


def hurry(client: Any, seconds: float) -> Any:
    """A client whose requests end within this time, each. Files are left to whoever reads them."""
    session = client._endpoint.http_session
    pools = {
        "http": type("Pool", (_Hurried, AWSHTTPConnectionPool), {"longest": seconds}),
        "https": type("Pool", (_Hurried, AWSHTTPSConnectionPool), {"longest": seconds}),
    }
    session._pool_classes_by_scheme = session._manager.pool_classes_by_scheme = pools
    client.meta.events.register("before-send.s3", partial(_send, session, seconds))
    return client


class _Hurried:
    """Hangs up on whoever takes too long to send the head of an answer."""

    longest: float

    def _make_request(self, conn: Any, method: str, url: str, *words: Any, **options: Any) -> Any:
        with _hung_up_on(conn, self.longest) as too_late:
            try:
                answer = super()._make_request(conn, method, url, *words, **options)
            except Exception as error:
                if not too_late.is_set():
                    raise
                raise ReadTimeoutError(self, url, TOO_LATE) from error
        if too_late.is_set():  # what came of the head looks like a whole one
            raise ReadTimeoutError(self, url, TOO_LATE)
        return answer


@contextmanager
def _hung_up_on(conn: Any, seconds: float) -> Iterator[threading.Event]:
    """Whoever reads from the connection sees its end after so many seconds."""
    too_late = threading.Event()

    def hang_up() -> None:
        too_late.set()
        with suppress(OSError, AttributeError, TypeError):  # it is not there yet, or no more
            socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield too_late
    finally:
        timer.cancel()


def _send(session: Any, seconds: float, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
    """In place of botocore's own: it would read all that comes."""
    until, is_file = time.monotonic() + seconds, request.stream_output
    request.stream_output = True
    answer = session.send(request)
    if not is_file or answer.status_code >= 300:
        answer._content = b"".join(_body(answer.raw, until, request.url))
    return answer


def _body(raw: Any, until: float, url: str) -> Iterator[bytes]:
    left = LARGEST
    with raw:
        while chunk := raw.read1(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise StorageFailed(TOO_LARGE)
            if time.monotonic() > until:
                raise failures.ReadTimeoutError(endpoint_url=url, error=TOO_LATE)
            yield chunk
