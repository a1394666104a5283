"""What a tenant's question costs over HTTP, beside a view that only says hello, on the same server in the same run.

    .venv/bin/python benchmarks/check_permissions.py

Starts gunicorn with threads on a database of its own (DATABASE_URL chooses another one, which must be empty):
2,000 people, 100 teams, 5,000 grants, 2,000 shared objects. About half a minute.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
PEOPLE, TEAMS, TENANTS = 2000, 100, 20
ROUNDS, SECONDS, CONNECTIONS = 5, 0.7, 8
ONE_BY_ONE = 150  # requests a round on one connection, for the median


def set_up_django(folder: Path) -> None:
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "benchmarks.site.settings",
            "ZENPRO_DATA": str(folder),
            "ZENPRO_SECRET_KEY": "only-for-this-benchmark-" + "x" * 40,
            "ZENPRO_SECRET_KEYS": "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
            "ZENPRO_LOG_LEVEL": "ERROR",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
    )
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    import django

    django.setup()


def fill() -> dict:
    """Rows of a large installation; the ids and the token that the requests need."""
    from django.core.management import call_command
    from factories import make_grant, make_member, make_org, make_tenant

    from tenants.credentials.models import AccessToken
    from zenpro_site.common.sql import analyze

    call_command("migrate", verbosity=0)
    org = make_org("Large")
    tenants = [make_tenant(org) for _ in range(TENANTS)]
    tenant, project, members = tenants[0], uuid4(), many_members(org)
    teams = many_grants(org, members, tenants)
    many_shares(tenant, project, members)
    somebody = make_member(org)
    teams[0].user_set.add(somebody)
    make_grant(tenant, somebody, "developer")
    analyze()
    token = AccessToken.objects.issue(kind="server", tenant=tenant, lifetime=timedelta(hours=1))
    return {"user": somebody.pk, "tenant": tenant.pk, "project": project, "token": token}


def many_members(org) -> list:
    from orgs.models import Membership
    from orgs.users.models import User

    people = User.objects.bulk_create(
        User(email=f"p{n}@example.org", username=f"p{n}", password="!") for n in range(PEOPLE)
    )
    return Membership.objects.bulk_create(Membership(organization=org, user=user) for user in people)


def many_grants(org, members, tenants) -> list:
    """Two for each member and some for each team; returns the teams."""
    from factories import make_team, tenant_role

    from tenants.models import TenantGrant

    roles = [tenant_role(org, slug) for slug in ("developer", "editor", "viewer")]
    pairs = zip(members * 2, itertools.cycle(tenants), itertools.cycle(roles), strict=False)
    TenantGrant.objects.bulk_create(
        (TenantGrant(tenant=tenant, role=role, membership=member) for member, tenant, role in pairs),
        ignore_conflicts=True,
    )
    people = [member.user for member in members]
    teams = [make_team(org, members=people[n::TEAMS]) for n in range(TEAMS)]
    TenantGrant.objects.bulk_create(
        TenantGrant(tenant=tenant, role=roles[n % 3], team=team)
        for n, (team, tenant) in enumerate(itertools.product(teams, tenants[:10]))
    )
    return teams


def many_shares(tenant, project, members) -> None:
    from tenants.models import Share

    about = {"tenant": tenant, "project_id": project, "resource_type": "pipeline", "action": "read"}
    Share.objects.bulk_create(Share(membership=member, resource_id=uuid4(), **about) for member in members)


def request(method: str, path: str, ids: dict, body=None) -> bytes:
    payload = json.dumps(body).encode() if body is not None else b""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {ids['token']}",
        f"zenml-server-id: {ids['tenant']}",
        "User-Agent: python-requests/2.32",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + payload


def requests(ids: dict) -> dict[str, bytes]:
    """What is measured, the baseline first."""
    ask = f"/api/rbac/check_permissions?user_id={ids['user']}&action=read"
    listing = f"/api/rbac/allowed_resource_ids?user_id={ids['user']}&action=read"
    things = [f"{ids['project']}:pipeline/{uuid4()}" for _ in range(100)]
    return {
        "hello": request("GET", "/hello", ids),
        "check_permissions, 1 resource": request("POST", ask, ids, things[:1]),
        "check_permissions, 100 resources": request("POST", ask, ids, things),
        "allowed_resource_ids": request("GET", f"{listing}&resource={ids['project']}:pipeline", ids),
        "guardian has_perm, 1 tenant": request(
            "GET", f"/guardian?user={ids['user']}&tenant={ids['tenant']}", ids
        ),
    }


class Connection:
    """One kept-alive connection, with as little Python on our side as possible."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """One request and its whole answer; anything but 200 ends the benchmark."""
        self.socket.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._receive()

    def _receive(self) -> bytes:
        data = self.socket.recv(65536)
        assert data, "the server closed the connection"
        return data

    def close(self) -> None:
        self.socket.close()


def median_latency(port: int, data: bytes) -> float:
    """Milliseconds on one connection."""
    connection, times = Connection(port), []
    for _ in range(ONE_BY_ONE):
        began = time.perf_counter()
        connection.send(data)
        times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return statistics.median(times)


def throughput(port: int, data: bytes) -> float:
    """Requests a second over some connections at the same time."""
    counts = [0] * CONNECTIONS
    end = time.perf_counter() + SECONDS

    def work(place: int) -> None:
        connection = Connection(port)
        while time.perf_counter() < end:
            connection.send(data)
            counts[place] += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / SECONDS


def worker_of(server: subprocess.Popen) -> int:
    """The process that answers: gunicorn's only child."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(children[0])


def processor_time(pid: int) -> float:
    """Seconds of processor a process has used, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(port: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "gunicorn", "benchmarks.site.wsgi", "--no-control-socket"]
    command += [
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        "gthread",
        "--workers",
        "1",
        "--threads",
        "16",
    ]
    server = subprocess.Popen([*command, "--keep-alive", "75", "--log-level", "error"], cwd=ROOT)
    for _ in range(100):
        time.sleep(0.1)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
    server.kill()
    raise SystemExit("The server did not start.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Result(NamedTuple):
    rate: float  # requests a second
    latency: float  # median, ms
    work: float  # processor time of the server for one request, ms; the steadiest of the three on a busy machine


def once(port: int, worker: int, data: bytes) -> Result:
    before = processor_time(worker)
    rate = throughput(port, data)
    work = (processor_time(worker) - before) / (rate * SECONDS) * 1000
    return Result(rate, median_latency(port, data), work)


def measure(port: int, worker: int, wanted: dict[str, bytes]) -> dict[str, Result]:
    """Medians over rounds in which all take turns."""
    for data in wanted.values():
        throughput(port, data)  # warms up every thread's database connection
    rounds = [{name: once(port, worker, data) for name, data in wanted.items()} for _ in range(ROUNDS)]
    return {
        name: Result(*map(statistics.median, zip(*(r[name] for r in rounds), strict=True))) for name in wanted
    }


def show(results: dict[str, Result]) -> None:
    hello = results["hello"]
    print(f"{'':34}{'requests/s':>12}{'x hello':>9}{'p50 ms':>9}{'x hello':>9}{'CPU ms':>9}{'x hello':>9}")
    for name, result in results.items():
        print(f"{name:34}{result.rate:12.0f}{result.rate / hello.rate:9.2f}", end="")
        print(f"{result.latency:9.2f}{result.latency / hello.latency:9.2f}", end="")
        print(f"{result.work:9.2f}{result.work / hello.work:9.2f}")
    one, hundred = (results[f"check_permissions, {what}"] for what in ("1 resource", "100 resources"))
    print(
        f"100 resources: {hundred.latency / one.latency:.2f} x the time of one, {hundred.work / one.work:.2f} x its CPU"
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        wanted, port = requests(fill()), free_port()
        server = serve(port)
        try:
            show(measure(port, worker_of(server), wanted))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
