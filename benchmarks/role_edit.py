"""What it costs to change a role that 1,000 people hold, beside giving each of them one right through guardian.

    .venv/bin/python benchmarks/role_edit.py [--holders 1000]

Works on a database of its own (DATABASE_URL chooses another one, which must be empty). About half a minute.
"""

# ruff: noqa: PLC0415 - models can be imported only after Django has been set up

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from check_permissions import set_up_django

ROUNDS = 5
LIMIT = 200  # ms


def fill(holders: int):
    """A role of the organization's own, held by so many on one tenant."""
    from django.core.management import call_command

    from orgs.users.models import Actor, User
    from tenants.models import TenantGrant
    from zenpro_site.seed import Sizes, seed

    call_command("migrate", verbosity=0)
    admin = User.objects.create_superuser("root@example.org", "only for measuring", name="Root")
    org = seed(name="Large", sizes=Sizes(holders, 10, 5), by=Actor(admin))
    role, tenant = org.roles.get(slug="reviewer"), org.tenants.first()
    people = org.memberships.filter(user__is_service_account=False).exclude(user=admin)
    TenantGrant.objects.filter(tenant=tenant).delete()
    TenantGrant.objects.bulk_create(
        TenantGrant(tenant=tenant, role=role, membership=member) for member in people
    )
    TenantGrant.objects.filter(tenant=tenant).sync_holders()
    return role, tenant, list(people.select_related("user")), Actor(admin)


def edit(role, rights, by) -> float:
    """Milliseconds of one edit, from the action to the commit."""
    from orgs.roles import actions

    role.refresh_from_db()
    began = time.perf_counter()
    actions.change_rights(role=role, rights=rights, version=role.version, by=by)
    return (time.perf_counter() - began) * 1000


def edits(role, by) -> dict[str, float]:
    """Medians: a right that matters inside the server only, one that the dashboard reads, and four such at once."""
    before, times = role.rights, {}
    for name, more in (
        ("a right inside the server (no row of guardian's)", {"pipeline:create"}),
        ("a right the dashboard reads (a row for each holder)", {"run_template:create"}),
        ("four rights at once", {"run_template:create", "run_template:delete", "pipeline_run:create",
                                 "pipeline_deployment:create"}),
    ):  # fmt: skip
        taken = []
        for _ in range(ROUNDS):
            taken += [edit(role, before | more, by), edit(role, before, by)]
        times[name] = statistics.median(taken)
    return times


def one_by_one(tenant, people) -> float:
    """The same row for each holder through guardian's assign_perm."""
    from guardian.shortcuts import assign_perm

    began = time.perf_counter()
    for member in people:
        assign_perm("tenants.create_template", member.user, tenant)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--holders", type=int, default=1000)
    holders = parser.parse_args().holders
    with tempfile.TemporaryDirectory(prefix="zenpro-benchmark-") as folder:
        set_up_django(Path(folder))
        role, tenant, people, by = fill(holders)
        times = edits(role, by)
        slow = one_by_one(tenant, people)
    print(f"{holders} holders{'':44}{'ms':>8}{'x assign_perm':>15}")
    for name, taken in times.items():
        print(f"{name:56}{taken:8.0f}{taken / slow:15.3f}{'  over' if taken > LIMIT else ''}")
    print(f"{'guardian, one assign_perm per holder':56}{slow:8.0f}{1:15.3f}")


if __name__ == "__main__":
    main()
