"""One HTTP call to a server that no one trusts: it ends in time, it is small, and few of them run at once.

httpx counts its timeouts from byte to byte, so that a server which sends one byte every half second holds a thread for
ever. Here a deadline goes down to every single read and write, and every byte that arrives is counted.
"""

from __future__ import annotations

import json
import math
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import chain
from typing import Any

import httpcore
import httpx

from tenants.hosting import lookup
from tenants.hosting.base import TenantBusy, TenantRefused

CONNECT_TIMEOUT = 2.0  # seconds for all addresses of a host together
KEEP_ALIVE = 4.0  # seconds; uvicorn closes idle connections after 5
ADDRESSES = 4  # of a host that has many
WRITTEN_AT_ONCE = 16 * 1024

HEAD_LIMIT = 128 * 1024  # bytes on the wire until the answer has begun; 64 KB are read at once
HEADS = 20  # an answer has one, and one more for each interim answer before it

ANSWER_LIMIT = 8 * 1024**2  # bytes; 20,000 lines of a log are 4 MB, a pipeline of 500 steps is 3 MB
PIECES = 1000  # an answer may come in so many pieces, each costs time ...
PIECE = 1000  # ... and in one more for so many bytes
DEPTH_LIMIT = 100  # levels of JSON
NESTED = {dict, list}  # what JSON becomes that has levels
CONTAINERS, VALUES = 100_000, 500_000  # in one answer: they need ten times as much memory as on the wire
LARGE = 256 * 1024  # bytes; larger answers are read one after the other, since nothing else runs meanwhile

CALLS_PER_SERVER = 8  # at once, in this process
CALLS = 24  # to all servers together: 8 of the threads of a web process are left to answer what tenants ask
DOWNLOADS = 4  # beside them
WAITING, PATIENCE = 4, 0.25  # how many wait for a place, and for how many seconds
FREE = 0.005  # seconds of processor time that every call may take; one with 100 kB takes as much
SHARE = 0.02  # of a processor: what dearer calls to one server may take in the long run ...
CREDIT = 1.0  # ... and seconds of it in a row
WASTE = 5  # times what an answer costs that no one can use: honest servers send none

TOO_LARGE = f"The server's answer is larger than {ANSWER_LIMIT // 1024**2} MB."
TOO_DEEP = "The server's answer is nested too deeply."
NOT_JSON = "The server answered with something that is not JSON."
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # where half of a character may stand


class TooMuch(Exception):
    """More bytes, or more pieces, than anyone wants to read."""


class AddressRefused(Exception):
    """The host leads to an IP address that it may not lead to. Nothing has been sent."""


class Deadline:
    """When a call must be over, whatever it consists of; and how many bytes it may still receive."""

    def __init__(self, seconds: float):
        self.ends = time.monotonic() + seconds
        self.expect(HEAD_LIMIT, HEADS)

    def left(self, late: type[Exception] = httpx.ReadTimeout, at_most: float = float("inf")) -> float:
        """Seconds, more than 0. Raises `late` when there are none."""
        seconds = self.ends - time.monotonic()
        if seconds <= 0:
            raise late("the whole call took too long")
        return min(seconds, at_most)

    def received(self, data: bytes) -> None:
        """Interim answers are counted too: thousands of them fit into a head, and each costs time."""
        self.room -= len(data)
        self.heads -= data.count(b"\r\n\r\n")
        if self.room < 0 or self.heads < 0:
            raise TooMuch

    def expect(self, room: float, heads: float) -> None:
        """How many bytes and ends of heads may come from now on."""
        self.room, self.heads = room, heads


def fetch(
    http: httpx.Client, method: str, url: str, deadline: Deadline, limit: int = ANSWER_LIMIT, **request: Any
) -> httpx.Response:
    """The whole answer, read within the deadline and the limit; redirects are not followed.

    Raises httpx.HTTPError, TooMuch, and TenantRefused for an answer that is compressed although no one asked for it.
    """
    with http.stream(method, url, extensions={"timeout": _timeouts(deadline)}, **request) as answer:
        deadline.expect(limit + HEAD_LIMIT, math.inf)
        content = _body(answer, limit)
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def status_of(http: httpx.Client, method: str, url: str, deadline: Deadline, **request: Any) -> int:
    """The status of the answer, whose body is not read. Raises httpx.HTTPError, TooMuch and AddressRefused."""
    with http.stream(method, url, extensions={"timeout": _timeouts(deadline)}, **request) as answer:
        return answer.status_code


def _timeouts(deadline: Deadline) -> dict[str, Any]:
    """httpcore hands these to our streams as they are; a wait for a free connection needs a number."""
    deadline.expect(HEAD_LIMIT, HEADS)
    return dict.fromkeys(("connect", "read", "write"), deadline) | {"pool": deadline.left(httpx.PoolTimeout)}


class Download:
    """A body that is read while it arrives, and is never whole in memory. Closing it ends the call.

    `length` is what the server announced, None when it did not. Iterating raises httpx.HTTPError when the connection
    breaks or its time is over, and TooMuch.
    """

    def __init__(self, answer: httpx.Response, limit: int, place: ExitStack):
        self.answer, self.limit, self.place = answer, limit, place
        announced = answer.headers.get("Content-Length", "")
        self.length = int(announced) if announced.isdecimal() and len(announced) < 16 else None

    def __iter__(self) -> Iterator[bytes]:
        pieces = size = 0
        for piece in self.answer.iter_raw():
            pieces, size = pieces + 1, size + len(piece)
            if size > self.limit or pieces > PIECES + size // PIECE:
                raise TooMuch
            yield piece

    def close(self) -> None:
        self.answer.close()
        self.place.close()


def download(
    http: httpx.Client, url: str, deadline: Deadline, limit: int, place: ExitStack, **request: Any
) -> Download:
    """Begin to GET `url`; `place` is given back when the download is closed. For the rest see fetch: an answer that is
    no success is read whole, into `answer.content`."""
    made = http.build_request("GET", url, extensions={"timeout": _timeouts(deadline)}, **request)
    answer = http.send(made, stream=True)
    place.callback(answer.close)
    if not answer.is_success:
        deadline.expect(ANSWER_LIMIT + HEAD_LIMIT, math.inf)
        content = _body(answer, ANSWER_LIMIT)
        answer = httpx.Response(answer.status_code, headers=answer.headers, content=content)
    deadline.expect(limit + HEAD_LIMIT, math.inf)
    return Download(answer, limit, place)


def _body(answer: httpx.Response, limit: int) -> bytes:
    coding = answer.headers.pop("Content-Encoding", "identity")
    if coding.strip().lower() != "identity":
        raise TenantRefused(answer.status_code, "The server's answer is compressed, which no one asked for.")
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise TooMuch
    pieces, size = [], 0
    for piece in answer.iter_raw():
        pieces.append(piece)
        size += len(piece)
        if size > limit or len(pieces) > PIECES + size // PIECE:
            raise TooMuch
    return b"".join(pieces)


Admits = Callable[[str, str], bool]


def make_http(
    transport: httpx.BaseTransport | None = None, admits: Admits | None = None, **options: Any
) -> httpx.Client:
    """Connections that keep to the deadline of each call, and without memory of cookies: a server sets its session
    cookie at every login, and a shared client would send one person's session with another's request.

    `trust_env=True` goes through this machine's proxy where there is one. `admits` is asked with the host and each of
    its IP addresses, which are looked up once: what it was asked about is what is connected to. A no to one of them
    raises AddressRefused.
    """
    options = {"trust_env": False, **options}
    client = httpx.Client(
        transport=transport,
        verify=_certificates(options["trust_env"]),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=KEEP_ALIVE),
        follow_redirects=False,
        headers={"User-Agent": "ZenPro", "Accept": "application/json", "Accept-Encoding": "identity"},
        **options,
    )
    for used in (client._transport, *client._mounts.values()):
        if isinstance(used, httpx.HTTPTransport):
            # httpx has no way to say this; test_hostile_server.py fails should it stop working.
            used._pool._network_backend = _Network(admits)
    return client


@cache
def _certificates(trust_env: bool) -> ssl.SSLContext:
    """Kept: reading them takes 20 ms of processor time, and most servers have none."""
    return httpx.create_ssl_context(trust_env=trust_env)


class _Network(httpcore.SyncBackend):
    """Connections whose every step asks the deadline, which arrives in place of the number of seconds."""

    def __init__(self, admits: Admits | None = None):
        self.admits = admits

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        ends = Deadline(timeout.left(httpcore.ConnectTimeout, CONNECT_TIMEOUT))
        trouble: Exception = httpcore.ConnectError("no address")
        found = _addresses(host, port, ends.left(httpcore.ConnectTimeout))
        if self.admits and not all(self.admits(host, address) for address in found):
            raise AddressRefused
        for address in found:
            try:
                left = ends.left(httpcore.ConnectTimeout)
                return _Stream(super().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """A host may have any number of addresses, and each would get the whole time."""
    try:
        return lookup.addresses(host, port, seconds)[:ADDRESSES]
    except TimeoutError as error:
        raise httpcore.ConnectTimeout("no address in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream):
        self.inner = inner

    def read(self, max_bytes, timeout=None):
        data = self.inner.read(max_bytes, timeout.left(httpcore.ReadTimeout))
        timeout.received(data)
        return data

    def write(self, buffer, timeout=None):
        for start in range(0, len(buffer), WRITTEN_AT_ONCE):
            left = timeout.left(httpcore.WriteTimeout)
            self.inner.write(buffer[start : start + WRITTEN_AT_ONCE], left)

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        left = timeout.left(httpcore.ConnectTimeout, CONNECT_TIMEOUT)
        return _Stream(self.inner.start_tls(ssl_context, server_hostname, left))

    def close(self):
        self.inner.close()

    def get_extra_info(self, info):
        return self.inner.get_extra_info(info)


# -- JSON


def json_of(answer: httpx.Response) -> Any:
    """The content of a body, None for an empty one. NaN becomes None.

    Raises TenantRefused for what is no JSON, nested too deeply, of too many parts, or no text (half characters).
    """
    body = answer.content
    if not body:
        return None
    if _has_many_parts(body):
        raise TenantRefused(answer.status_code, "The server's answer has too many parts.")
    try:
        found = json.loads(body.decode("utf-8-sig"), parse_constant=lambda name: None)
        _check_text(found, body)
    except ValueError as error:  # also: no UTF-8, integers of thousands of digits
        raise TenantRefused(answer.status_code, NOT_JSON) from error
    except RecursionError as error:
        raise TenantRefused(answer.status_code, TOO_DEEP) from error
    if _is_deep(found):
        raise TenantRefused(answer.status_code, TOO_DEEP)
    return found


def _has_many_parts(body: bytes) -> bool:
    """Counted piece by piece: other threads wait meanwhile, and few pieces tell."""
    containers = values = 0
    for start in range(0, len(body), LARGE):
        piece = body[start : start + LARGE]
        containers += piece.count(b"[") + piece.count(b"{")
        values += piece.count(b",")
        if containers > CONTAINERS or values > VALUES:
            return True
    return False


def _check_text(found: Any, body: bytes) -> None:
    """Half of a character cannot be sent to a browser nor stored. Raises ValueError."""
    if HALF.search(body):
        json.dumps(found, ensure_ascii=False).encode()


def _is_deep(found: Any) -> bool:
    level = [found] if type(found) in NESTED else []
    for _ in range(DEPTH_LIMIT):
        if not level:
            return False
        inner = chain.from_iterable(one.values() if type(one) is dict else one for one in level)
        level = [one for one in inner if type(one) in NESTED]
    return bool(level)


# -- few at once


class Call:
    """A call that has a place: its processor time is charged to its server."""

    def __init__(self, places: CallPlaces, server: str):
        self.places, self.server = places, server
        self.free, self.since = FREE, time.thread_time()
        self.times = 1

    def charge(self) -> None:
        """For what this thread has done since the last time."""
        now = time.thread_time()
        cost, self.since = now - self.since, now
        self.free, cost = max(self.free - cost, 0.0), max(cost - self.free, 0.0)
        if cost:
            self.places.charge(self.server, cost * self.times)

    @contextmanager
    def charged(self) -> Iterator[None]:
        """For what is done within; more when it ends with an answer that is too large or that cannot be read."""
        try:
            yield
        except (TooMuch, TenantRefused):
            self.times = WASTE
            raise
        finally:
            self.charge()

    def json(self, answer: httpx.Response) -> Any:
        """See json_of. Large answers are read one at a time; raises TenantBusy when those before cost too much."""
        if len(answer.content) <= LARGE:
            return json_of(answer)
        with self.places.reading:
            self.places.check(self.server)
            with self.charged():
                return json_of(answer)


class CallPlaces:
    """How many calls may run at once in this process: so many to one server, so many to all of them.

    One bad server thereby never holds the last thread. Few callers wait a moment for a place, all others are told
    at once.
    """

    def __init__(
        self,
        each: int = CALLS_PER_SERVER,
        together: int = CALLS,
        patience: float = PATIENCE,
        credit: float = CREDIT,
    ):
        self.each, self.together, self.patience, self.credit = each, together, patience, credit
        self.taken: Counter[str] = Counter()
        self.waiting: Counter[str] = Counter()
        self.debts: dict[str, tuple[float, float]] = {}  # seconds of processor time, and when that was
        self.reading = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def one(self, server: str) -> Iterator[Call]:
        """Raises TenantBusy when there is none, or when the server's answers have cost more than its share."""
        with self._changed:
            if self._debt(server) > self.credit or not (self._free(server) or self._wait(server)):
                raise TenantBusy
            self.taken[server] += 1
        call = Call(self, server)
        try:
            with call.charged():
                yield call
        finally:
            with self._changed:
                _less(self.taken, server)
                self._changed.notify_all()

    def charge(self, server: str, cost: float) -> None:
        with self._changed:
            self.debts[server] = (self._debt(server) + cost, time.monotonic())

    def check(self, server: str) -> None:
        with self._changed:
            if self._debt(server) > self.credit:
                raise TenantBusy

    def _debt(self, server: str) -> float:
        """What its expensive answers have cost, less what was forgiven since; JSON of 8 MB stops everyone for 0.1 s."""
        owed, since = self.debts.get(server, (0.0, 0.0))
        owed -= (time.monotonic() - since) * SHARE
        if owed <= 0:
            self.debts.pop(server, None)
        return max(owed, 0.0)

    def _free(self, server: str) -> bool:
        return self.taken[server] < self.each and self.taken.total() < self.together

    def _wait(self, server: str) -> bool:
        if self.waiting[server] >= WAITING:
            return False
        self.waiting[server] += 1
        try:
            return self._changed.wait_for(lambda: self._free(server), self.patience)
        finally:
            _less(self.waiting, server)


def _less(counts: Counter[str], key: str) -> None:
    """One less; keys with nothing do not stay."""
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]


PLACES = CallPlaces()
# Downloads last as long as whoever asked for them reads: they take no place from the pages, nor pay for their bytes.
DOWNLOAD_PLACES = CallPlaces(each=2, together=DOWNLOADS, credit=math.inf)
