"""A cluster that sends too much, too long or folded is left alone."""

import itertools

import httpx2
import pytest

from tenants.hosting.kubernetes.bounded_transport import BoundedTransport


class Pieces(httpx2.SyncByteStream):
    def __init__(self, pieces):
        self.pieces = pieces

    def __iter__(self):
        yield from self.pieces


def client(answer, **bounds) -> httpx2.Client:
    return httpx2.Client(transport=BoundedTransport(httpx2.MockTransport(answer), **bounds))


def test_an_answer_of_the_right_size_arrives_and_is_asked_for_unfolded():
    asked = []

    def answer(request):
        asked.append(request.headers["accept-encoding"])
        return httpx2.Response(200, stream=Pieces([b"ab", b"c"]))

    assert client(answer, limit=3).get("http://cluster/").content == b"abc"
    assert asked == ["identity"]


@pytest.mark.parametrize(
    ("pieces", "bounds", "error"),
    [
        ([b"ab", b"cd"], {"limit": 3}, httpx2.ReadError),
        (itertools.repeat(b""), {"seconds": 0.01}, httpx2.ReadTimeout),
        (itertools.repeat(b"x" * 1000), {"limit": 10_000}, httpx2.ReadError),
    ],
    ids=["too large", "too long", "without end"],
)
def test_more_than_that_ends_the_call(pieces, bounds, error):
    with pytest.raises(error):
        client(lambda request: httpx2.Response(200, stream=Pieces(pieces)), **bounds).get("http://cluster/")


def test_a_folded_answer_is_not_unfolded():
    def answer(request):
        return httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces([b"bomb"]))

    with pytest.raises(httpx2.ReadError, match="compressed"):
        client(answer).get("http://cluster/")
