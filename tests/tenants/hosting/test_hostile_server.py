"""Calls to a server that attacks: each ends in time, with a sentence, and few run at once.

No clock is compared: a call that does not end is ended by the test's own limit.
"""

import socket
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tenants.hosting import bounded
from tenants.hosting.base import TenantBusy, TenantError, TenantRefused, TenantUnreachable
from tenants.hosting.bounded import CallPlaces, Deadline, TooMuch, fetch, make_http
from tenants.run_templates.engine.boxed_programs import READERS
from tenants.runs.client import TenantClient
from tests.tenants.hosting.hostile import HEAD, LARGE, SLOW, HostileServer, redirect, says
from zenpro_site.programs import WEB_THREADS

LIMIT = 60  # seconds until a call that hangs fails the test
SECONDS = 0.5  # what a call is given


@pytest.fixture
def hostile():
    server = HostileServer()
    yield server
    server.close()


@pytest.fixture
def threads():
    pool = ThreadPoolExecutor(40)
    yield pool
    pool.shutdown(wait=False, cancel_futures=True)


def client_of(server, seconds=SECONDS, places=None):
    return TenantClient(server.url, lambda: "token", timeout=seconds, places=places or CallPlaces())


@pytest.mark.parametrize("attack", SLOW)
def test_a_call_ends_in_time_however_slow_the_server(hostile, threads, attack):
    hostile.attack = SLOW[attack]
    call = threads.submit(client_of(hostile).call, "GET", "/current-user")
    with pytest.raises(TenantUnreachable, match="in time|broke"):
        call.result(LIMIT)


@pytest.mark.parametrize("attack", LARGE)
def test_a_call_ends_however_much_the_server_sends(hostile, threads, attack):
    hostile.attack = LARGE[attack]
    call = threads.submit(client_of(hostile, 20.0).call, "GET", "/current-user")
    with pytest.raises(TenantError) as refused:
        call.result(LIMIT)
    assert refused.value.reason != "The server does not answer in time."
    assert refused.value.reason.endswith(".")


def test_a_flood_takes_little_memory(hostile):
    hostile.attack = LARGE["endless body"]
    client = client_of(hostile, 20.0)
    tracemalloc.start()
    with pytest.raises(TenantRefused, match="larger than 8 MB"):
        client.call("GET", "/current-user")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 1024**2


@pytest.mark.parametrize("attack", SLOW)
def test_a_login_ends_in_time_as_well(hostile, threads, attack):
    hostile.paths["/login"] = SLOW[attack]
    call = threads.submit(client_of(hostile).call, "GET", "/current-user")
    with pytest.raises(TenantUnreachable, match="in time|broke"):
        call.result(LIMIT)


def test_many_wait_for_one_login_no_longer_than_their_own_calls_may_take(hostile, threads):
    hostile.paths["/login"] = SLOW["trickles the body"]
    client = client_of(hostile, places=CallPlaces(each=40, together=40))
    calls = [threads.submit(client.call, "GET", "/current-user") for _ in range(30)]
    for call in calls:
        with pytest.raises(TenantUnreachable, match="in time"):
            call.result(LIMIT)
    assert len(hostile.asked) < 30


def test_login_call_and_second_login_share_one_deadline(hostile, threads):
    """A server that knows no session any more, and is slow at the second login."""
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}"
    hostile.attack = lambda stop: iter([refusal])
    client = client_of(hostile)
    logins = iter([says({"access_token": "a"}), SLOW["says nothing"]])
    hostile.paths["/login"] = lambda stop: next(logins)(stop)
    with pytest.raises(TenantUnreachable, match="in time"):
        threads.submit(client.call, "GET", "/current-user").result(LIMIT)


def test_a_server_that_reads_nothing_ends_a_large_request_in_time(threads):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = TenantClient(
            f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: "t", SECONDS, places=CallPlaces()
        )
        client._jwt, client._jwt_ends = "jwt", float("inf")
        call = threads.submit(client.call, "POST", "/runs", json={"x": "y" * 20_000_000})
        with pytest.raises(TenantUnreachable, match="in time"):
            call.result(LIMIT)


def test_redirects_are_not_followed(hostile):
    other = HostileServer(says({"name": "ada"}))
    hostile.attack = redirect(f"{other.url}/secret")
    with pytest.raises(TenantRefused, match="status 307"):
        client_of(hostile).call("GET", "/current-user")
    other.close()
    assert other.asked == []


def test_a_host_with_many_addresses_gets_the_time_of_one(monkeypatch):
    tried = []

    def connect(self, host, port, timeout, *rest):
        tried.append((host, timeout))
        raise bounded.httpcore.ConnectTimeout

    many = [(2, 1, 6, "", (f"203.0.113.{n}", 80)) for n in range(200)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: many)
    monkeypatch.setattr(bounded.httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpx.ConnectTimeout):
        fetch(make_http(), "GET", "http://many.example.org/", Deadline(8.0))
    assert len(tried) == bounded.ADDRESSES
    assert all(0 < seconds <= bounded.CONNECT_TIMEOUT for _, seconds in tried)


def test_a_name_server_that_never_answers_ends_in_time_and_holds_one_thread(monkeypatch):
    release, asked = threading.Event(), []

    def never(host, port, *, type, flags=0):
        if flags:
            raise socket.gaierror
        asked.append(host)
        release.wait(LIMIT)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    for _ in range(3):
        with pytest.raises(httpx.ConnectTimeout):
            fetch(make_http(), "GET", "http://slow.example.org/", Deadline(0.1))
    assert asked == ["slow.example.org"]
    release.set()
    with pytest.raises(httpx.ConnectError, match="no such host"):
        fetch(make_http(), "GET", "http://slow.example.org/", Deadline(LIMIT))


def test_a_lookup_that_could_not_begin_is_no_answer_for_ever(monkeypatch):
    def system(host, port, *, type, flags=0):
        raise socket.gaierror("" if flags else "no such host")

    def fail(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(socket, "getaddrinfo", system)
    with monkeypatch.context() as busy, pytest.raises(httpx.ConnectError, match="no thread left"):
        busy.setattr(threading.Thread, "start", fail)
        fetch(make_http(), "GET", "http://busy.example.org/", Deadline(LIMIT))
    with pytest.raises(httpx.ConnectError, match="no such host"):
        fetch(make_http(), "GET", "http://busy.example.org/", Deadline(LIMIT))


def test_an_honest_answer_in_many_parts_is_read(hostile):
    body = b'{"name": "' + b"x" * 3_000_000 + b'"}'
    hostile.attack = lambda stop: iter([HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body[:9], body[9:]])
    assert len(client_of(hostile, 20.0).call("GET", "/current-user")["name"]) == 3_000_000


def test_connections_are_kept_and_a_broken_one_does_no_harm(hostile):
    hostile.attack = says({"name": "ada"})
    client = client_of(hostile, 20.0)
    assert [client.call("GET", "/current-user")["name"] for _ in range(5)] == ["ada"] * 5
    hostile.attack = LARGE["endless body"]
    with pytest.raises(TenantRefused):
        client.call("GET", "/current-user")
    hostile.attack = says({"name": "bo"})
    assert client.call("GET", "/current-user")["name"] == "bo"


@pytest.mark.parametrize("token", ["", None, 7, ["x"], "a\r\nX: y", "ä", "x" * 100_000, "a b"])
def test_a_session_that_is_none(hostile, token):
    hostile.paths["/login"] = says({"access_token": token})
    with pytest.raises(TenantRefused):
        client_of(hostile, 20.0).call("GET", "/current-user")


@pytest.mark.parametrize("lifetime", ["x", -5, 10**400, None, [], 1e308, True])
def test_a_session_of_a_strange_length(hostile, lifetime):
    hostile.attack = says({"name": "ada"})
    hostile.paths["/login"] = says({"access_token": "jwt", "expires_in": lifetime})
    assert client_of(hostile, 20.0).call("GET", "/current-user") == {"name": "ada"}


def test_numbers_that_are_none_are_left_out(hostile):
    hostile.attack = says(b'{"a": NaN, "b": -Infinity, "c": 1e999}')
    assert client_of(hostile, 20.0).call("GET", "/current-user")["a"] is None


# -- few at once


def eventually(condition) -> None:
    """Wait for a condition; fails when it does not come."""
    waiter = threading.Event()
    for _ in range(1000):
        if condition():
            return
        waiter.wait(0.02)
    pytest.fail("did not happen in time")


def test_one_server_takes_only_its_places(hostile, threads):
    places = CallPlaces(each=3, together=10, patience=0.01)
    client = client_of(hostile, 30.0, places)
    held = [threads.submit(client.call, "GET", "/current-user") for _ in range(3)]
    eventually(lambda: places.taken.total() == 3)
    with pytest.raises(TenantBusy, match="answering slowly. Try again in a moment."):
        client.call("GET", "/current-user")
    other = HostileServer(says({"name": "ada"}))
    assert client_of(other, 30.0, places).call("GET", "/current-user") == {"name": "ada"}
    other.close()
    hostile.close()
    for call in held:
        with pytest.raises(TenantError):
            call.result(LIMIT)
    assert places.taken == {}
    assert places.waiting == {}


def test_many_servers_together_leave_threads_to_others(threads):
    places = CallPlaces(each=3, together=4, patience=0.01)
    servers = [HostileServer() for _ in range(3)]
    clients = [client_of(server, 30.0, places) for server in servers]
    calls = [threads.submit(client.call, "GET", "/current-user") for client in clients[:2] for _ in range(2)]
    eventually(lambda: places.taken.total() == 4)
    with pytest.raises(TenantBusy):
        clients[2].call("GET", "/current-user")
    for server in servers:
        server.close()
    for call in calls:
        with pytest.raises(TenantError):
            call.result(LIMIT)


def test_a_place_that_gets_free_is_given_to_who_waits():
    places = CallPlaces(each=1, together=5, patience=LIMIT)
    holding, release = threading.Event(), threading.Event()

    def hold():
        with places.one("a"):
            holding.set()
            release.wait(LIMIT)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(LIMIT)
    threading.Timer(0, lambda: eventually(lambda: places.waiting["a"]) or release.set()).start()
    with places.one("a"):
        assert places.taken == {"a": 1}
    holder.join(LIMIT)


def test_only_few_wait():
    places = CallPlaces(each=0, together=5, patience=LIMIT)
    places.waiting["a"] = bounded.WAITING
    with pytest.raises(TenantBusy):
        places.one("a").__enter__()


def test_a_server_whose_answers_cost_too_much_has_to_rest(hostile, monkeypatch):
    """However cleverly it keeps to every limit."""
    hostile.attack = says([{"name": "x"}] * 90_000)
    places = CallPlaces(credit=0.0)
    client = client_of(hostile, 60.0, places)
    client.call("GET", "/runs")
    assert places.debts[client.api][0] > 0
    with pytest.raises(TenantBusy):
        client.call("GET", "/current-user")
    later = bounded.time.monotonic() + 3600
    monkeypatch.setattr(bounded.time, "monotonic", lambda: later)
    client.call("GET", "/runs")


@pytest.mark.parametrize("attack", ["endless tiny chunks", "many lists", "endless body"])
def test_an_answer_that_no_one_can_use_costs_its_server_more(hostile, attack, monkeypatch):
    """As if everything that is done took a second."""
    monkeypatch.setattr(bounded.time, "thread_time", iter(range(1000)).__next__)
    hostile.attack = LARGE[attack]
    places = CallPlaces(credit=float("inf"))
    client = client_of(hostile, 60.0, places)
    with pytest.raises(TenantRefused):
        client.call("GET", "/runs")
    wasted = places.debts[client.api][0]
    hostile.attack = says({"items": []})
    places.debts.clear()
    client.call("GET", "/runs")
    assert wasted > bounded.WASTE * (1 - bounded.FREE) * 0.9 > places.debts[client.api][0]


def test_an_honest_server_never_has_to_rest(hostile):
    hostile.attack = says({"items": [{"name": f"run-{n}"} for n in range(100)]})
    places = CallPlaces(credit=0.0)
    client = client_of(hostile, 60.0, places)
    client.session()
    places.debts.clear()  # the first call of a process loads things
    for _ in range(50):
        client.call("GET", "/runs")


def test_threads_of_a_web_process_are_enough_for_all_calls_and_those_they_cause():
    """Also while artifacts are downloaded slowly and code is read that takes as long as it may."""
    assert bounded.CALLS_PER_SERVER * 3 <= bounded.CALLS
    assert bounded.CALLS + bounded.DOWNLOADS + READERS <= WEB_THREADS - 8


def test_what_is_read_of_a_body_is_counted():
    deadline = Deadline(1)
    with pytest.raises(TooMuch):
        deadline.received(b"x" * (bounded.HEAD_LIMIT + 1))
