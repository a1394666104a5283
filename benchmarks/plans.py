"""What the pages cost on PostgreSQL with statistics that are wrong, missing and fresh, beside the best of the three.

    bash .ci/postgres .venv/bin/python benchmarks/plans.py [--members 10000] [--tenants 100]

Needs a PostgreSQL of its own, as .ci/postgres starts it: it is emptied of what it knows. Wrong: counted when a small
organization was there, which misleads more than nothing at all. Each time is the quickest of some requests inside this
process. A few minutes.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import os
import tempfile
from pathlib import Path

from check_permissions import set_up_django
from pages import clients, once, paths_of

ROUNDS = 7  # PostgreSQL keeps a plan for all values from the sixth time on
TARGET = 3
SECONDS = 60  # after which a statement is cut, and counts as so long


def fill(members: int, tenants: int):
    """The seeded organization and its Admin, written after a small one was counted."""
    from django.core.management import call_command

    from orgs.users.models import Actor, User
    from tenants.models import TenantGrant
    from tests import plans
    from zenpro_site import seed as seeding

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    admin = User.objects.create_superuser("root@example.org", "only for measuring", name="Root")
    seeding.analyze = lambda: None
    seeding.seed(name="Small", sizes=seeding.Sizes(10, 2, 2), by=Actor(admin))
    plans.look()
    org = seeding.seed(name="Large", sizes=seeding.Sizes(members, 50, tenants), by=Actor(admin))
    role, membership = org.roles.get(level="tenant", slug="admin"), org.memberships.get(user=admin)
    TenantGrant.objects.give(tenant=org.tenants.first(), role=role, holder=membership)
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    return org, admin


def milliseconds(client, path: str) -> float:
    from django.db import OperationalError

    try:
        return min(once(client, path)[0] for _ in range(ROUNDS))
    except (OperationalError, AssertionError) as error:  # 503: cut
        if isinstance(error, AssertionError) and ": 503" not in str(error):
            raise
        return SECONDS * 1000


def measure(client, paths: dict[str, str]) -> dict[str, dict[str, float]]:
    """State of the statistics -> page -> milliseconds."""
    from tests import plans

    plans.ask(f"SET statement_timeout = '{SECONDS}s'")
    found = {}
    for state, prepare in (("wrong", None), ("none", plans.forget_statistics), ("fresh", plans.look)):
        if prepare:
            prepare()
        found[state] = {name: milliseconds(client, path) for name, path in paths.items()}
        found[f"{state}, rows"] = {name: rows(client, path) for name, path in paths.items()}
    return found


def rows(client, path: str) -> int:
    """How many rows PostgreSQL goes through for the page: the same however busy the machine is."""
    from tests import plans

    with plans.carried_out() as made:
        once(client, path)
    return sum(plan.rows for plan in made)


def show(found: dict[str, dict[str, float]]) -> None:
    for unit, states in (
        ("ms", [s for s in found if "rows" not in s]),
        ("rows", [s for s in found if "rows" in s]),
    ):
        print(f"{unit:28}" + "".join(f"{state.partition(',')[0]:>10}{'x best':>9}" for state in states))
        for name in found["fresh"]:
            figures = [found[state][name] for state in states]
            over = "  over" if max(figures) > TARGET * min(figures) else ""
            print(f"{name:28}" + "".join(f"{one:10.0f}{one / min(figures):9.2f}" for one in figures) + over)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--tenants", type=int, default=100)
    sizes = parser.parse_args()
    os.environ.setdefault("DATABASE_URL", os.environ.get("ZENPRO_TEST_DATABASE_URL", ""))
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        org, admin = fill(sizes.members, sizes.tenants)
        paths = {name: path for name, path in paths_of(org).items() if ":" in name}
        show(measure(clients(admin)["page"], paths))


if __name__ == "__main__":
    main()
