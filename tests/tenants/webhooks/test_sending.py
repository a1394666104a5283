"""One call to a real server: what it gets, and what it can't do to us."""

import hashlib
import hmac
import json
import time

import pytest

from tenants.hosting import lookup
from tenants.webhooks import destinations, sending
from tenants.webhooks.destinations import INNER
from tests.certificates import company_in

SECRET = "whsec_of-this-test"


def send(url, body='{"event": "test"}'):
    return sending.send(address=url, secret=SECRET, event="test", delivery="one", body=body)


@pytest.fixture
def named(monkeypatch, settings):
    """A host that leads where the test says; how often it was asked for is counted."""
    names, asked = {}, []

    def addresses_of(host, port, seconds):
        asked.append(host)
        return names.get(host, [host])

    monkeypatch.setattr(lookup, "addresses", addresses_of)
    monkeypatch.setattr(destinations, "is_own", lambda address: False)
    names["asked"] = asked
    return names


def test_a_server_gets_a_post_whose_signature_it_can_check(receiver):
    began = int(time.time())
    answer = send(receiver.url)
    assert (answer.status, answer.error) == (204, "")
    [(path, headers, body)] = receiver.asked
    assert path == "/hook?key=in-the-address" and json.loads(body) == {"event": "test"}
    said = dict(part.split("=") for part in headers["ZenPro-Signature"].split(","))
    wanted = hmac.new(SECRET.encode(), said["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert said["v1"] == wanted and began <= int(said["t"]) <= time.time()
    assert (headers["ZenPro-Event"], headers["ZenPro-Delivery"]) == ("test", "one")
    assert SECRET not in str(headers)


@pytest.mark.parametrize(
    ("status", "said", "is_final"),
    [(200, "", False), (301, "redirect", True), (404, "404", False), (410, "410", True), (503, "503", False)],
)
def test_only_the_status_of_the_answer_counts(receiver, status, said, is_final):
    receiver.answers = [(status, {"Location": receiver.url, "X": "a-secret-of-the-network"})]
    receiver.body = b"a-secret-of-the-network"
    answer = send(receiver.url)
    assert (answer.status, answer.is_final, said in answer.error) == (status, is_final, True)
    assert "a-secret" not in answer.error
    assert len(receiver.asked) == 1


def test_an_endless_body_is_not_read(receiver):
    receiver.body = b"x" * 50_000_000
    assert send(receiver.url).status == 204


def test_endless_headers_are_not_read_to_their_end(receiver):
    receiver.answers = [(200, {f"X-{number}": "x" * 1000 for number in range(1000)})]
    assert send(receiver.url).error != ""


def test_a_silent_server_is_left_in_time(receiver, monkeypatch):
    monkeypatch.setattr(sending, "SECONDS", 0.3)
    receiver.waits.clear()
    assert "did not answer" in send(receiver.url).error


def test_nothing_listens(receiver):
    receiver.close()
    assert send(receiver.url).error in ("Nothing is listening there.", "No connection could be made.")


def test_a_name_is_looked_up_once_and_its_address_is_what_is_called(receiver, named, settings):
    settings.ZENPRO_WEBHOOK_HOSTS = ["hooks.lan"]
    named["hooks.lan"] = ["127.0.0.1"]
    assert send(f"http://hooks.lan:{receiver.port}/").status == 204
    assert named["asked"] == ["hooks.lan"]
    assert receiver.asked[0][1]["Host"] == f"hooks.lan:{receiver.port}"


@pytest.mark.parametrize("found", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"]], ids=str)
def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(receiver, named, found):
    named["hooks.example.org"] = found
    answer = send(f"https://hooks.example.org:{receiver.port}/")
    assert (answer.error, answer.is_final, receiver.asked) == (INNER, True, [])


def test_a_host_that_is_no_longer_allowed_is_refused(receiver, settings):
    settings.ZENPRO_WEBHOOK_HOSTS = []
    assert send(receiver.url).is_final
    assert receiver.asked == []


def test_a_certificate_that_no_one_knows_is_refused(receiver, tmp_path):
    tls, _ = company_in(tmp_path)
    receiver.server.socket = tls.wrap_socket(receiver.server.socket, server_side=True)
    answer = send(receiver.url.replace("http:", "https:"))
    assert answer.error == "The other side's certificate is not trusted here."
    assert receiver.asked == []


def test_proxies_of_the_environment_are_not_used(receiver, monkeypatch):
    """A proxy would look the name up itself, past our check."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(receiver.url).status == 204


def test_a_second_test_of_the_same_host_has_to_wait(receiver):
    with sending.TEST_PLACES.one("h"):
        answer = sending.send_test(
            "h", address=receiver.url, secret=SECRET, event="t", delivery="1", body="{}"
        )
    assert (answer.error, receiver.asked) == (sending.BUSY, [])
