"""Connections to a database server that end in time and stay small, whatever answers.

PyMySQL counts its timeouts from byte to byte. Here a connection has one end for all that is done with it.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pymysql.connections import Connection

from tenants.hosting.lookup import addresses

CONNECT_TIME = 3.0  # seconds, to find the host and again to reach it
ANSWER_LIMIT = 1024**2  # bytes in all of one connection


class Overflowing(Exception):
    """The server sends more than anyone asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlAccount:
    """Where a server is, and who we are there. `tls`: None when encryption is not asked for."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: ssl.SSLContext | None = None


class BoundedConnection(Connection):
    """`ends`: when it is over, by the monotonic clock; `room`: bytes that it may bring."""

    def __init__(self, account: MysqlAccount, ends: float, room: int = ANSWER_LIMIT):
        self.ends, self.room = ends, room
        super().__init__(
            host=account.host,
            port=account.port,
            user=account.user,
            password=account.password.encode(),
            charset="utf8mb4",
            autocommit=True,
            defer_connect=True,
            ssl=account.tls,
            read_timeout=CONNECT_TIME,
            write_timeout=CONNECT_TIME,
        )

    def _read_bytes(self, num_bytes: int) -> bytes:
        """Piece by piece: a server that sends one byte a second would hold a whole read for ever."""
        self.room -= num_bytes
        if self.room < 0:
            raise Overflowing
        found = bytearray()
        while len(found) < num_bytes:
            self._sock.settimeout(self._left())
            piece = self._rfile.read1(num_bytes - len(found))
            if not piece:
                raise ConnectionError("the connection was closed")
            found += piece
        return bytes(found)

    def _write_bytes(self, data: bytes) -> None:
        self._sock.settimeout(self._left())
        self._sock.sendall(data)

    def _left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left


@contextmanager
def connected(account: MysqlAccount, seconds: float) -> Iterator[BoundedConnection]:
    """Closed afterwards. Raises what PyMySQL and the system do."""
    ends = time.monotonic() + seconds
    made = BoundedConnection(account, ends)
    made.connect(_reached(account))
    try:
        yield made
    finally:
        made._force_close()  # without goodbye: nothing of it is open, and the server may hang


def _reached(account: MysqlAccount) -> socket.socket:
    """At the first of its addresses that answers."""
    failed: OSError = OSError("the host has no address")
    for address in addresses(account.host, account.port, CONNECT_TIME)[:3]:
        try:
            return socket.create_connection((address, account.port), CONNECT_TIME)
        except OSError as error:
            failed = error
    raise failed
