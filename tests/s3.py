"""An S3 of its own for tests: moto's server, as a process, and servers that answer as no S3 should."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.tenants.hosting.stub_control_plane import free_port

BUCKET = "zen-files"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
PATIENCE = 60.0  # seconds


@contextmanager
def running_s3(folder: Path) -> Iterator[str]:
    """Its address; it has one empty bucket."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = {"PATH": os.defpath, **KEYS}
    with open(folder / "s3.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        until = time.monotonic() + PATIENCE
        with httpx.Client(trust_env=False, verify=False) as client:  # certificates take a while to load
            while not _has_bucket(client, url):
                assert server.poll() is None and time.monotonic() < until, (folder / "s3.log").read_text()
                time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


def _has_bucket(client: httpx.Client, url: str) -> bool:
    try:
        return client.put(f"{url}/{BUCKET}").is_success
    except httpx.HTTPError:
        return False


@contextmanager
def odd_server(
    answer: bytes, after: Callable[[socket.socket], object] = lambda caller: None
) -> Iterator[str]:
    """Address of a server that sends these bytes to everyone, then calls `after`, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, answer, after), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _serve(server: socket.socket, answer: bytes, after: Callable[[socket.socket], object]) -> None:
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(caller, answer, after), daemon=True).start()


def _answer(caller: socket.socket, answer: bytes, after: Callable[[socket.socket], object]) -> None:
    with caller:
        try:
            caller.recv(64 * 1024)
            caller.sendall(answer)
            after(caller)
        except OSError:
            return
