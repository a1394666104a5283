"""A database server may refuse, hang or talk nonsense: every call ends in time, with a sentence."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest

from tenants.hosting.base import SupervisorGone
from tenants.hosting.kubernetes.bounded_mysql import ANSWER_LIMIT, BoundedConnection, MysqlAccount
from tenants.hosting.kubernetes.database_server import (
    UNREADABLE,
    DatabaseBusy,
    DatabaseRefused,
    DatabaseServer,
)
from tests.mariadb import ADMIN, HOST, PASSWORD, mariadb
from tests.tenants.hosting.stub_control_plane import free_port

__all__ = ["mariadb"]
GREETING = b"5.5.5-10.11.19-MariaDB\0" + b"\1\0\0\0" + b"x" * 8 + b"\0"


def server_at(port, **changes) -> DatabaseServer:
    account = {"host": HOST, "port": port, "user": ADMIN, "password": PASSWORD}
    return DatabaseServer(MysqlAccount(**(account | changes)))


def ask(server, statement="SELECT 1", *values, seconds=5.0):
    with server.session(seconds) as run:
        return run(statement, *values)


def test_it_answers(mariadb):
    assert ask(server_at(mariadb.port), "SELECT %s, '100 %%'", "a'b") == [("a'b", "100 %")]


def test_a_refusal_is_told_in_its_own_words_without_any_secret(mariadb):
    with pytest.raises(DatabaseRefused, match="The database server refused: Access denied") as told:
        ask(server_at(mariadb.port, password="wrong-and-secret"))
    assert told.value.code == 1045
    with pytest.raises(DatabaseRefused, match="refused: .*syntax") as told:
        ask(server_at(mariadb.port), "NO SUCH THING IDENTIFIED BY %s", "a-long-password")
    assert "a-long-password" not in told.value.reason and "…" in told.value.reason


def test_who_can_sign_in_is_told(mariadb):
    server = server_at(mariadb.port)
    assert server.accepts(ADMIN, PASSWORD) and not server.accepts(ADMIN, "other")


def test_no_server_is_no_answer():
    with pytest.raises(SupervisorGone, match="The database server does not answer: .*refused"):
        ask(server_at(free_port()))
    with pytest.raises(SupervisorGone, match="The database server does not answer"):
        ask(server_at(1, host="nowhere.invalid"))


def test_a_statement_that_takes_too_long_is_given_up(mariadb):
    began = time.monotonic()
    with pytest.raises(SupervisorGone, match="no answer in time"):
        ask(server_at(mariadb.port), "SELECT SLEEP(5)", seconds=0.5)
    assert time.monotonic() - began < 4


def test_a_server_that_is_busy_is_asked_again(mariadb):
    with pytest.raises(DatabaseBusy, match="The database server is busy: Lock wait timeout"):
        ask(
            server_at(mariadb.port),
            "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'Lock wait timeout'",
        )


def test_its_certificate_is_checked(mariadb):
    known = ssl.create_default_context(cafile=mariadb.ca)
    assert ask(server_at(mariadb.port, tls=known), "SHOW STATUS LIKE 'Ssl_cipher'")[0][1]
    with pytest.raises(SupervisorGone, match="does not answer: .*CERTIFICATE_VERIFY_FAILED"):
        ask(server_at(mariadb.port, tls=ssl.create_default_context()))


@contextmanager
def talking(says):
    """A server whose every connection is handed to `says`."""
    with socket.create_server((HOST, 0)) as listening:

        def serve() -> None:
            try:
                connection, _ = listening.accept()
                with connection:
                    says(connection)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server_at(listening.getsockname()[1])
    thread.join(5)


def packet(content: bytes, number: int = 0) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9,
        packet(b"\xff"),
        packet(b""),
        packet(b"\x0a"),
        packet(b"\x0anonsense\0"),
        packet(b"\x0a" + GREETING),
        b"\xff\xff\xff\x00",
        b"",
    ],
)
def test_nonsense_is_no_answer(said):
    def says(connection):
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1000)

    with talking(says) as server, pytest.raises(SupervisorGone):
        ask(server)


def test_without_encryption_where_it_is_demanded_nothing_is_told(mariadb):
    heard = []

    def says(connection):
        connection.sendall(packet(b"\x0a" + GREETING + b"\x00\x02\x21\x02\x00\x00\x00\x15" + b"\0" * 30))
        heard.append(connection.recv(1000))

    with talking(says) as plain:
        tls = ssl.create_default_context(cafile=mariadb.ca)
        with pytest.raises(SupervisorGone, match="does not answer"):
            ask(server_at(plain.account.port, tls=tls))
    assert heard in ([], [b""])


def test_what_comes_drop_by_drop_ends_in_time():
    def says(connection):
        for byte in packet(b"x" * 5000):
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    began = time.monotonic()
    with talking(says) as server, pytest.raises(SupervisorGone, match="timed out|no answer in time"):
        ask(server, seconds=0.4)
    assert time.monotonic() - began < 4


def test_no_more_is_read_than_anyone_asked_for(mariadb):
    with pytest.raises(SupervisorGone, match=UNREADABLE):
        ask(server_at(mariadb.port), f"SELECT REPEAT('x', {ANSWER_LIMIT})")


def test_no_file_of_this_machine_is_given_away():
    assert not BoundedConnection(server_at(1).account, 0.0)._local_infile
