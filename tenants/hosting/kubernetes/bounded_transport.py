"""HTTP to a cluster that ends in time and stays small, whatever answers.

lightkube's client counts its timeouts from byte to byte. Here every call has one end, and an answer one size.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2

CALL_TIME = 8.0  # seconds for one call as a whole
CONNECT_TIME = 3.0
ANSWER_LIMIT = 8 * 1024**2  # bytes; a list of 500 pods has 3 MB


class TooLong(httpx2.ReadError):
    """The answer is larger than anyone wants to read, or compressed although no one asked for it."""


class BoundedTransport(httpx2.BaseTransport):
    """Hands calls on to another transport, and ends those that take too long or bring too much."""

    def __init__(self, inner: httpx2.BaseTransport, seconds: float = CALL_TIME, limit: int = ANSWER_LIMIT):
        self.inner, self.seconds, self.limit = inner, seconds, limit

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        ends = time.monotonic() + self.seconds
        request.headers["accept-encoding"] = "identity"
        answer = self.inner.handle_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            answer.close()
            raise TooLong("the answer is compressed")
        stream = BoundedStream(answer.stream, ends, self.limit)
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)

    def close(self) -> None:
        self.inner.close()


class BoundedStream(httpx2.SyncByteStream):
    """The body of an answer, until it is too much."""

    def __init__(self, inner: httpx2.SyncByteStream, ends: float, limit: int):
        self.inner, self.ends, self.limit = inner, ends, limit

    def __iter__(self) -> Iterator[bytes]:
        room = self.limit
        for piece in self.inner:
            room -= len(piece)
            if room < 0:
                raise TooLong("the answer is too large")
            if time.monotonic() > self.ends:
                raise httpx2.ReadTimeout("the whole call took too long")
            yield piece

    def close(self) -> None:
        self.inner.close()
