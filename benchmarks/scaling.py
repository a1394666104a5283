"""What an installation of three sizes costs: its pages, a tenant's question, its audit log and its disk.

    .venv/bin/python benchmarks/scaling.py [--sizes small medium large]
    bash .ci/postgres .venv/bin/python benchmarks/scaling.py

The baseline is the small one of the same run: a figure that grows more slowly than what is stored bends late. Each
size has a database of its own; on PostgreSQL it is made beside that of .ci/postgres. Times are those of whole
requests inside one process: until the answer is there on PostgreSQL, of the processor on SQLite, where the database
works in the same process. The large one takes about ten minutes and 3 GB of disk.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from check_permissions import set_up_django
from pages import clients, once, paths_of

# people, teams, tenants, rows of the audit log
SIZES = {
    "small": (1_000, 20, 10, 10_000),
    "medium": (10_000, 50, 100, 100_000),
    "large": (100_000, 500, 1_000, 1_000_000),
}
EACH = 7  # requests of each page; the quickest counts, which other work on the machine disturbs least
BATCH = 5_000
DEEDS = (
    "member.added",
    "grant.given",
    "grant.withdrawn",
    "team.member_added",
    "tenant.updated",
    "run.started",
    "template.created",
)


def fill(people: int, teams: int, tenants: int, rows: int):
    """The organization, its Admin, and seconds for its people and for its audit log."""
    from django.core.management import call_command

    from orgs.users.models import Actor, User
    from tenants.models import TenantGrant
    from zenpro_site.common.sql import analyze
    from zenpro_site.seed import Sizes, seed

    for command in ("migrate", "createcachetable"):
        call_command(command, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    admin = User.objects.create_superuser("root@example.org", "only for measuring", name="Root")
    began = time.monotonic()
    org = seed(name="Large", sizes=Sizes(people, teams, tenants), by=Actor(admin))
    seeded = time.monotonic()
    role, membership = org.roles.get(level="tenant", slug="admin"), org.memberships.get(user=admin)
    TenantGrant.objects.give(tenant=org.tenants.first(), role=role, holder=membership)
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    write_log(org, rows)
    analyze()
    return org, admin, {"people": seeded - began, "audit rows": time.monotonic() - seeded}


def write_log(org, rows: int) -> None:
    """Linked as record() links them, in batches."""
    from orgs.audit.models import AuditEvent, AuditHead

    head = _head()
    members = list(org.memberships.select_related("user")[:500])
    for first in range(0, rows, BATCH):
        made = [_event(org, members, place, head) for place in range(first, min(first + BATCH, rows))]
        AuditEvent._base_manager.bulk_create(made)
    AuditHead.objects.filter(pk=head.pk).update(number=head.number, hash=head.hash)


def _head():
    from django.db import transaction

    from orgs.audit.models import AuditHead

    with transaction.atomic():
        return AuditHead.objects.locked()


def _event(org, members, place: int, head):
    from django.utils import timezone

    from orgs.audit.chain import digest
    from orgs.audit.models import AuditEvent

    by, target = members[place % len(members)], members[(place * 7) % len(members)]
    event = AuditEvent(
        at=timezone.now() - timedelta(seconds=30 * place),
        organization=org,
        organization_key=str(org.pk),
        actor=by.user,
        actor_key=str(by.user_id),
        actor_label=str(by.user),
        action=DEEDS[place % len(DEEDS)],
        target_type="membership",
        target_id=str(target.pk),
        target_label=str(target)[:200],
        after={"role": "member"},
        via="web",
    )
    event.number, event.previous_hash = head.number + 1, head.hash
    event.hash = digest(event)
    head.number, head.hash = event.number, event.hash
    return event


def pages(org, admin) -> dict[str, float]:
    """Page -> milliseconds."""
    signed_in = clients(admin)
    paths = paths_of(org)
    log = paths["audit:list"]
    paths["audit:list, one action"] = f"{log}?action=grant.given"
    paths["audit:list, one person"] = f"{log}?actor={admin.pk}"
    found = {}
    for name, path in paths.items():
        client = signed_in["admin" if path.startswith("/admin/") else "page"]
        found[name] = min(once(client, path)[which()] for _ in range(EACH))
    return found


def which() -> int:
    """Of what once() measures: until the answer, or the processor's time of a process that is the database too."""
    from django.db import connection

    return 1 if connection.vendor == "sqlite" else 0


def question(org) -> float:
    """Milliseconds of one question of a tenant's server about someone who holds a role there."""
    from django.test import Client

    from tenants.credentials.models import AccessToken
    from tenants.models import Tenant

    tenant = org.tenants.first()
    state = {"desired_state": "available", "status": "available"}
    Tenant.objects.filter(pk=tenant.pk).update(**state)
    holder = tenant.grants.exclude(membership=None).select_related("membership").first().membership
    token = AccessToken.objects.issue(kind="server", tenant=tenant, lifetime=timedelta(hours=1))
    headers = {"authorization": f"Bearer {token}", "zenml-server-id": str(tenant.pk)}
    client, path = (
        Client(SERVER_NAME="localhost"),
        f"/api/rbac/check_permissions?user_id={holder.user_id}&action=read",
    )
    asked = json.dumps([f"{uuid4()}:pipeline/{uuid4()}"])
    times, clock = [], (time.perf_counter, time.process_time)[which()]
    for _ in range(50):
        began = clock()
        answer = client.post(path, asked, content_type="application/json", headers=headers)
        times.append((clock() - began) * 1000)
        assert answer.status_code == 200, answer.content
    return min(times)


def checked(rows: int) -> float:
    """Rows of the audit log a second when its chain is verified from its beginning."""
    from orgs.audit.verify import verify

    clock = (time.perf_counter, time.process_time)[which()]
    began = clock()
    verify()
    return rows / (clock() - began)


def megabytes() -> float:
    from django.db import connection

    if connection.vendor == "sqlite":
        return Path(connection.settings_dict["NAME"]).stat().st_size / 1e6
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return cursor.fetchone()[0] / 1e6


def measure(size: str) -> dict:
    """In a process of its own: Django knows one database."""
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        org, admin, seconds = fill(*SIZES[size])
        return {
            **{f"{name}, written in s": taken for name, taken in seconds.items()},
            "database, MB": megabytes(),
            "audit rows verified a second": checked(SIZES[size][3]),
            "a question of a tenant's server": question(org),
            **pages(org, admin),
        }


def own_database(size: str, base: str) -> dict[str, str]:
    """Environment of one size, with a new database where PostgreSQL is used."""
    if not base.startswith("postgres"):
        return {}
    import psycopg

    name = f"zenpro_{size}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    return {"DATABASE_URL": f"{base.rpartition('/')[0]}/{name}"}


def measured(size: str) -> dict:
    env = os.environ | own_database(size, os.environ.get("ZENPRO_TEST_DATABASE_URL", ""))
    command = [sys.executable, __file__, "--one", size]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, timeout=7200)
    return json.loads(done.stdout.splitlines()[-1])


def show(found: dict[str, dict]) -> None:
    sizes = list(found)
    print(f"{'':34}" + "".join(f"{size:>12}{'x':>7}" for size in sizes))
    for name, least in found[sizes[0]].items():
        figures = "".join(f"{found[size][name]:12.1f}{found[size][name] / least:7.1f}" for size in sizes)
        print(f"{name:34}{figures}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--one", choices=SIZES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one)))
    else:
        show({size: measured(size) for size in asked.sizes})


if __name__ == "__main__":
    main()
