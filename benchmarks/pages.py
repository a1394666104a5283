"""What the pages cost with 10,000 members and 100 tenants, beside a hand-made list page and Django admin's list.

    .venv/bin/python benchmarks/pages.py [--members 10000] [--tenants 100]

Works on a database of its own (DATABASE_URL chooses another one, which must be empty). Times are those of the whole
request inside this process, middlewares and template included, without the web server. About a minute.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from check_permissions import set_up_django

ROUNDS, EACH = 5, 5  # rounds in which all take turns, and requests in a row within one
TARGET_MS, TARGET_QUERIES = 15, 8


class Result(NamedTuple):
    milliseconds: float  # until the answer is there
    work: float  # of this process alone, without a database server: the steadier one where others are at work
    queries: int
    kilobytes: float


def fill(members: int, tenants: int):
    """The seeded organization and its Admin."""
    from django.core.management import call_command

    from orgs.users.models import Actor, User
    from tenants.models import TenantGrant
    from zenpro_site.seed import Sizes, seed

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    admin = User.objects.create_superuser("root@example.org", "only for measuring", name="Root")
    org = seed(name="Large", sizes=Sizes(members, 50, tenants), by=Actor(admin))
    tenant, membership = org.tenants.first(), org.memberships.get(user=admin)
    role = org.roles.get(level="tenant", slug="admin")
    TenantGrant.objects.give(tenant=tenant, role=role, holder=membership)
    User.objects.filter(pk=admin.pk).update(
        is_superuser=False
    )  # pages as an Admin of the organization sees them
    return org, admin


def paths_of(org) -> dict[str, str]:
    """The pages of people and access, the two baselines first."""
    from django.urls import reverse

    tenant, team = org.tenants.first(), org.teams.first()
    member = org.memberships.filter(role="member", user__groups=team, user__is_service_account=False).first()
    role = org.roles.get(slug="reviewer")
    here = {"hand-made list page": f"/hand-made/{org.slug}/", "admin changelist": "/admin/orgs/membership/"}
    for name, args in (
        ("orgs:home", []),
        ("orgs:members", []),
        ("orgs:member_detail", [member.pk]),
        ("teams:list", []),
        ("teams:detail", [team.uuid]),
        ("roles:list", []),
        ("roles:detail", [role.pk]),
        ("invitations:list", []),
        ("audit:list", []),
        ("tenants:overview", [tenant.slug]),
        ("tenants:members", [tenant.slug]),
        ("tenants:grant_give", [tenant.slug]),
        ("tenants:settings", [tenant.slug]),
        ("run_templates:org_list", []),
        ("run_templates:list", [tenant.slug]),
        *MATRIX,
    ):
        here[name] = reverse(name, args=[org.slug, *args])
    here["orgs:members, a search"] = here["orgs:members"] + "?q=ada"
    here["orgs:members, page 150"] = here["orgs:members"] + "?page=150"
    here["orgs:members, a team"] = here["orgs:members"] + f"?team={team.uuid}"
    return here


MATRIX = (("matrix:grid", []),)  # teams × tenants


def clients(admin) -> dict:
    """Signed in as the Admin, and as a superuser for Django admin."""
    from django.test import Client

    from orgs.users.models import User

    root = User.objects.create_superuser("super@example.org", "only for measuring")
    found = {"page": Client(SERVER_NAME="localhost"), "admin": Client(SERVER_NAME="localhost")}
    found["page"].force_login(admin)
    found["admin"].force_login(root)
    return found


def once(client, path: str) -> tuple[float, float]:
    began, worked = time.perf_counter(), time.process_time()
    response = client.get(path)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    assert response.status_code == 200, f"{path}: {response.status_code} {body[:300]}"
    return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000


def queries_and_size(client, path: str) -> tuple[int, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        response = client.get(path)
    return len(asked), len(response.content) / 1000


def measure(client_of, paths: dict[str, str]) -> dict[str, Result]:
    counted = {name: queries_and_size(client_of(path), path) for name, path in paths.items()}
    times = {name: [] for name in paths}
    for _ in range(ROUNDS):
        for name, path in paths.items():
            times[name] += [once(client_of(path), path) for _ in range(EACH)]
    return {
        name: Result(*map(statistics.median, zip(*times[name], strict=True)), *counted[name])
        for name in paths
    }


def show(results: dict[str, Result]) -> None:
    hand = results["hand-made list page"]
    print(f"{'':28}{'p50 ms':>8}{'x hand-made':>13}{'CPU ms':>8}{'x hand-made':>13}{'queries':>9}{'KB':>7}")
    for name, result in results.items():
        over = result.queries > TARGET_QUERIES or result.milliseconds > TARGET_MS
        print(
            f"{name:28}{result.milliseconds:8.1f}{result.milliseconds / hand.milliseconds:13.2f}"
            f"{result.work:8.1f}{result.work / hand.work:13.2f}{result.queries:9}{result.kilobytes:7.0f}{'  over' if over and ':' in name else ''}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--tenants", type=int, default=100)
    sizes = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        began = time.monotonic()
        org, admin = fill(sizes.members, sizes.tenants)
        print(f"{sizes.members} members, {sizes.tenants} tenants, made in {time.monotonic() - began:.0f} s")
        signed_in = clients(admin)
        show(
            measure(lambda path: signed_in["admin" if path.startswith("/admin/") else "page"], paths_of(org))
        )


if __name__ == "__main__":
    main()
