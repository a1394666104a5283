"""Addresses of a host, in time: the system's own lookup knows no deadline, and anyone can run a name server."""

import socket
import threading
from concurrent.futures import Future
from contextlib import suppress

Found = list[str]

_LOCK = threading.Lock()
_asked: dict[tuple[str, int], "Future[Found]"] = {}


def addresses(host: str, port: int, seconds: float) -> Found:
    """Addresses of a host, in the system's order, each once. An address is its own.

    Raises TimeoutError after `seconds`, OSError or UnicodeError when there is no such host. One lookup of a host is
    under way at a time, whoever asks: a name server that never answers holds up only one thread, its own.
    """
    with suppress(OSError):
        return _system(host, port, socket.AI_NUMERICHOST)
    try:
        asked = _under_way(host, port)
    except RuntimeError as error:
        raise OSError("The machine has no thread left for that.") from error
    return asked.result(seconds)


def _under_way(host: str, port: int) -> "Future[Found]":
    with _LOCK:
        asked = _asked.get((host, port))
        if asked is None:
            asked = Future()
            threading.Thread(target=_answer, args=(host, port, asked), daemon=True).start()
            _asked[host, port] = asked  # not before: without a thread it would stay unanswered
    return asked


def _answer(host: str, port: int, asked: "Future[Found]") -> None:
    try:
        asked.set_result(_system(host, port))
    except (OSError, UnicodeError) as error:
        asked.set_exception(error)
    finally:
        with _LOCK:
            del _asked[host, port]


def _system(host: str, port: int, flags: int = 0) -> Found:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
