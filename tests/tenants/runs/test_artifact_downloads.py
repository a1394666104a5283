"""Downloads through the real client: from a server that sends whatever it likes, and what becomes of the place."""

from uuid import uuid4

import httpx
import pytest

from tenants.hosting import bounded
from tenants.hosting.base import TenantBusy, TenantNotFound, TenantRefused
from tenants.hosting.bounded import CallPlaces, TooMuch, make_http
from tenants.runs import client as clients
from tenants.runs.client import TenantClient
from tests.tenants.hosting.streams import Streamed

SECRET = "secret-of-one-download"


class DataServer:
    def __init__(self):
        self.data = httpx.Response(200, content=b"packed")
        self.seen = []

    def __call__(self, request):
        path = request.url.path
        self.seen.append(request)
        if path.endswith("/login"):
            return httpx.Response(200, json={"access_token": "jwt"})
        if path.endswith("/download-token"):
            return httpx.Response(200, json=SECRET)
        return self.data


@pytest.fixture
def server():
    return DataServer()


@pytest.fixture
def places(monkeypatch):
    made = CallPlaces(each=1, together=1, patience=0.001)
    monkeypatch.setattr(clients, "DOWNLOAD_PLACES", made)
    return made


@pytest.fixture
def client(server, places):
    return TenantClient("http://tenant.test", lambda: "token", http=make_http(Streamed(server)))


def test_it_comes_by_a_token_of_its_own_and_gives_its_place_back(client, server, places):
    found = client.artifact_data(uuid4())
    assert places.taken.total() == 1
    assert b"".join(found) == b"packed"
    assert (found.length, server.seen[-1].url.params["token"]) == (6, SECRET)
    assert "Authorization" not in server.seen[-1].headers
    found.close()
    assert places.taken.total() == 0


def test_one_that_nobody_reads_gives_its_place_back(client, places):
    client.artifact_data(uuid4()).close()
    assert places.taken.total() == 0


def test_more_than_there_are_places_for_is_busy(client):
    found = client.artifact_data(uuid4())
    with pytest.raises(TenantBusy):
        client.artifact_data(uuid4())
    found.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, json={"detail": ["KeyError", "It is gone."]}), TenantNotFound),
        (httpx.Response(401, json={"detail": "No."}), TenantRefused),
        (httpx.Response(302, headers={"Location": "http://evil.test/"}), TenantRefused),
        (httpx.Response(200, headers={"Content-Length": str(2**40)}, content=b"x"), TenantRefused),
    ],
)
def test_a_refusal_gives_the_place_back(client, server, places, answer, error):
    server.data = answer
    with pytest.raises(error):
        client.artifact_data(uuid4())
    assert places.taken.total() == 0


def test_more_than_the_limit_is_cut(client, server, monkeypatch):
    monkeypatch.setattr(clients, "DOWNLOAD_LIMIT", 1000)
    server.data = httpx.Response(200, content=b"x" * 5000)
    server.data.headers.pop("Content-Length")
    with pytest.raises(TooMuch):
        b"".join(client.artifact_data(uuid4()))


def test_downloads_have_few_places_and_pay_for_no_bytes():
    assert (bounded.DOWNLOAD_PLACES.each, bounded.DOWNLOAD_PLACES.together) == (2, 4)
    assert bounded.DOWNLOAD_PLACES.credit == float("inf")
