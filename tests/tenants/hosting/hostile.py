"""A server that attacks whoever asks it: a real one, on a port of this machine, one thread a connection."""

import contextlib
import gzip
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SESSION = {"access_token": "jwt", "expires_in": 3600}

Attack = Callable[[threading.Event], Iterator[bytes]]


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(b"%s\r\n" % header for header in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def says(body) -> Attack:
    """Answers at once with this; bytes as they are, all else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda stop: iter([whole(data)])


def trickle(start: bytes, byte: bytes = b" ", every: float = 0.05) -> Attack:
    """Sends `start`, and then one byte again and again."""

    def attack(stop):
        yield start
        while not stop.wait(every):
            yield byte

    return attack


def flood(start: bytes, more: bytes) -> Attack:
    """Sends `start`, and then `more` as fast as it is taken, without end."""
    return lambda stop: itertools.chain(
        [start], itertools.takewhile(lambda _: not stop.is_set(), itertools.repeat(more))
    )


def silence(stop) -> Iterator[bytes]:
    stop.wait()
    return iter(())


def redirect(to: str) -> Attack:
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    return lambda stop: iter([head.encode()])


BOMB = gzip.compress(gzip.compress(b" " * 50_000_000))
SLOW: dict[str, Attack] = {
    "says nothing": silence,
    "trickles the head": trickle(b"", b"H"),
    "trickles a header": trickle(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "trickles the body": trickle(HEAD + b"Content-Length: 60000\r\n\r\n", b" "),
    "trickles chunks": trickle(CHUNKED, b"1\r\n \r\n"),
    "trickles interim answers": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
LARGE: dict[str, Attack] = {
    "endless body": flood(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "endless tiny chunks": flood(CHUNKED, b"1\r\n \r\n" * 5000),
    "endless body without a length": flood(HEAD + b"Connection: close\r\n\r\n", b" " * 65536),
    "announced as large": trickle(HEAD + b"Content-Length: 99999999999\r\n\r\n"),
    "endless header": flood(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
    "endless headers": flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 5000),
    "endless interim answers": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    "endless interim headers": flood(b"", b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n" * 2000),
    "compressed": lambda stop: iter([whole(BOMB, b"Content-Encoding: gzip, gzip")]),
    "deep list": says(b"[" * 1_000_000),
    "deep list that ends": says(b"[" * 100_000 + b"]" * 100_000),
    "deep object": says(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "a little too deep": says(b"[" * 150 + b"]" * 150),
    "many lists": says(b"[" + b"[]," * 2_000_000 + b"[]]"),
    "many numbers": says(b"[" + b"1," * 3_000_000 + b"1]"),
    "long integer": says(b"[" + b"9" * 5_000_000 + b"]"),
    "no UTF-8": says(b'["\xff\xfe\xc3\x28"]'),
    "half a character": says(b'["\\ud800"]'),
    "half a character in bytes": says(b'["\xed\xa0\x80"]'),
    "half a character in UTF-16": says('["\ud800"]'.encode("utf-16", "surrogatepass")),
    "no JSON": says(b"<html>"),
}


class HostileServer:
    """`attack` answers every path, `paths` one by its end; a login is answered as it should be unless listed there."""

    def __init__(self, attack: Attack = silence):
        self.attack = attack
        self.paths: dict[str, Attack] = {"/login": says(SESSION)}
        self.open = 0  # connections being served
        self.asked: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)
            while not self._stop.is_set() and (path := self._request(connection)):
                self._count(1)
                try:
                    for data in self._attack_on(path)(self._stop):
                        connection.sendall(data)
                finally:
                    self._count(-1)

    def _attack_on(self, path: str) -> Attack:
        found = [attack for end, attack in self.paths.items() if path.partition("?")[0].endswith(end)]
        return found[-1] if found else self.attack

    def _count(self, more: int) -> None:
        with self._lock:
            self.open += more

    def _request(self, connection: socket.socket) -> str:
        """The path of one request, read with its body; "" at the end of the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return ""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length and (more := connection.recv(65536)):
            body += more
        path = head.split(b" ", 2)[1].decode()
        self.asked.append(path)
        return path
