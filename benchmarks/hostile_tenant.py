"""What a tenant's permission questions cost while people look at another tenant, whose server attacks.

    .venv/bin/python benchmarks/hostile_tenant.py [--viewers 70] [--seconds 10] [--only trickles]

Starts the web as `zenpro up` does on a database of its own, and hostile servers and viewers in processes of their own.
A busy tenant asks over 8 connections, each 40 ms after its last answer. Viewers have pages of a run open in the other
tenant, which ask again every 5 s as they do where there is no answer. Quiet is the same without viewers, measured before
and after each attack in the same run. About six minutes.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import http.client
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection as Connected
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from check_permissions import CONNECTIONS, ROOT, Connection, fill, free_port, request, set_up_django

PEOPLE = 10  # who share the viewers
EVERY = 5.0  # seconds between two looks of one viewer
PAUSE = 0.04  # seconds between an answer and the next question of a connection
TARGET = 2.0
ATTACKS = {
    "quiet server": None,
    "says nothing": ("SLOW", "says nothing"),
    "trickles": ("SLOW", "trickles the body"),
    "trickles its head": ("SLOW", "trickles the head"),
    "floods": ("LARGE", "endless body"),
    "floods in tiny chunks": ("LARGE", "endless tiny chunks"),
    "floods with headers": ("LARGE", "endless interim headers"),
    "explodes: gzip": ("LARGE", "compressed"),
    "explodes: deep JSON": ("LARGE", "deep list that ends"),
    "explodes: many lists": ("LARGE", "many lists"),
    "all that may be sent": ("ALLOWED", "objects"),
}


class Result(NamedTuple):
    p50: float  # ms
    p95: float
    count: int
    failed: int  # questions that were not answered with 200


def hostile_servers(pipe, names: list[str]) -> None:
    """In a process of its own: one server for each attack; sends their addresses, ends with the pipe."""
    from tests.tenants.hosting import hostile

    servers = {name: hostile.HostileServer(attack_of(hostile, name)) for name in names}
    pipe.send({name: server.url for name, server in servers.items()})
    pipe.recv()


def attack_of(hostile, name: str):
    hostile.ALLOWED = {"objects": hostile.says([{"name": "x" * 20}] * 95_000)}
    where = ATTACKS[name]
    page = {"items": [], "total": 0, "index": 1, "total_pages": 1, "max_size": 20}
    return getattr(hostile, where[0])[where[1]] if where else hostile.says(page)


def look_elsewhere(urls: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """A tenant for each attack, in an organization of its own: (path of a page, cookie) for each of its people."""
    from django.conf import settings
    from django.test import Client
    from factories import make_grant, make_member, make_org, make_tenant

    org = make_org("Elsewhere")
    people = [make_member(org) for _ in range(PEOPLE)]
    looks: dict[str, list[tuple[str, str]]] = {}
    for name, url in urls.items():
        tenant = make_tenant(org, server_url=url, project_id=uuid4())
        for person in people:
            make_grant(tenant, person, "viewer")
            browser = Client()
            browser.force_login(person)
            cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
            looks.setdefault(name, []).append((f"{tenant.get_absolute_url()}runs/{uuid4()}/", cookie))
    return looks


def prepare_pages() -> None:
    from django.core.management import call_command

    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def serve(port: int) -> subprocess.Popen:
    from zenpro_site.programs import SERVING

    command = [sys.executable, "-m", "gunicorn", "benchmarks.site.wsgi", *SERVING, "--log-level", "error"]
    server = subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], cwd=ROOT)
    for _ in range(200):
        time.sleep(0.1)
        try:
            Connection(port).close()
            return server
        except OSError:
            continue
    server.kill()
    raise SystemExit("The server did not start.")


def get_page(port: int, path: str, cookie: str) -> int | str:
    """The status of a page, or the name of the error when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Cookie": cookie, "HX-Request": "true", "HX-Target": "run"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


class Viewers:
    """People who have a page open, each in a thread; `answers` counts the statuses they saw."""

    def __init__(self, port: int, looks: list[tuple[str, str]], count: int):
        self.port, self.answers, self.stop = port, {}, threading.Event()
        self.slowest = 0.0
        chosen = [looks[number % len(looks)] for number in range(count)]
        self.threads = [threading.Thread(target=self._view, args=look, daemon=True) for look in chosen]
        for thread in self.threads:
            thread.start()

    def _view(self, path: str, cookie: str) -> None:
        if self.stop.wait(random.uniform(0, EVERY)):
            return
        while not self.stop.is_set():
            began = time.perf_counter()
            status = get_page(self.port, path, cookie)
            self.answers[status] = self.answers.get(status, 0) + 1
            self.slowest = max(self.slowest, time.perf_counter() - began)
            self.stop.wait(EVERY)

    def end(self) -> None:
        """Those who wait for a page get it first."""
        self.stop.set()
        for thread in self.threads:
            thread.join(60)


def view(pipe, port: int, looks: list[tuple[str, str]], count: int) -> None:
    """In a process of its own, until the pipe says so; sends what the viewers saw."""
    viewers = Viewers(port, looks, count)
    pipe.recv()
    viewers.end()
    pipe.send((viewers.answers, viewers.slowest))


def start_viewers(*given) -> Connected:
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=view, args=(theirs, *given), daemon=True).start()
    return ours


def see(pipe: Connected) -> tuple[dict, float]:
    """What they saw: statuses counted, and the slowest page in seconds."""
    pipe.send("end")
    return pipe.recv()


def questions(port: int, data: bytes, seconds: float) -> Result:
    """Over some connections at the same time."""
    times: list[float] = []
    failed = [0] * CONNECTIONS
    end = time.perf_counter() + seconds

    def work(place: int) -> None:
        connection = Connection(port)
        while time.perf_counter() < end:
            began = time.perf_counter()
            try:
                connection.send(data)
            except (AssertionError, OSError):
                failed[place] += 1
                connection = Connection(port)
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE)
        connection.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Result(statistics.median(times), statistics.quantiles(times, n=20)[-1], len(times), sum(failed))


def measure(port: int, data: bytes, looks: dict, viewers: int, seconds: float) -> bool:
    """True when all is as it should be."""
    print(f"{'':26}{'quiet p95 ms':>14}{'p50 ms':>9}{'p95 ms':>9}{'x quiet':>9}{'failed':>8}  pages")
    well = True
    for name, who in looks.items():
        before = questions(port, data, seconds / 2)
        watching = start_viewers(port, who, viewers)
        time.sleep(EVERY + 1)  # until all of them look
        found = questions(port, data, seconds)
        answers, slowest = see(watching)
        after = questions(port, data, seconds / 2)
        quiet = (before.p95 + after.p95) / 2
        ratio = found.p95 / quiet
        pages = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items(), key=str))
        print(
            f"{name:26}{quiet:14.1f}{found.p50:9.1f}{found.p95:9.1f}{ratio:9.2f}{found.failed:8}  {pages}",
            end="",
        )
        print(f", slowest {slowest:.1f} s", flush=True)
        bad = [status for status in answers if not isinstance(status, int) or status >= 500]
        well = well and ratio <= TARGET and not found.failed and not bad
    return well


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--viewers", type=int, default=70)
    asked.add_argument("--seconds", type=float, default=10.0)
    asked.add_argument("--only", choices=ATTACKS, action="append")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        ours, theirs = multiprocessing.Pipe()
        names = options.only or list(ATTACKS)
        attackers = multiprocessing.Process(target=hostile_servers, args=(theirs, names), daemon=True)
        attackers.start()
        ids = fill()
        prepare_pages()
        looks = look_elsewhere(ours.recv())
        path = f"/api/rbac/check_permissions?user_id={ids['user']}&action=read"
        data = request("POST", path, ids, [f"{ids['project']}:pipeline/{uuid4()}" for _ in range(20)])
        port = free_port()
        server = serve(port)
        try:
            questions(port, data, 2)  # warms up every thread's database connection, and the page
            get_page(port, *next(iter(looks.values()))[0])
            well = measure(port, data, looks, options.viewers, options.seconds)
        finally:
            ours.send("end")
            server.terminate()
            server.wait(30)
            attackers.kill()
    print(
        "as it should be"
        if well
        else f"not as it should be: a ratio above {TARGET:.0f}, or an answer missing"
    )
    sys.exit(not well)


if __name__ == "__main__":
    main()
