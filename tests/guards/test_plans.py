"""PostgreSQL reads about as much for a page whether it has counted the tables lately, never, or when they were nearly empty.

How many rows it goes through is asserted, not how long it takes; benchmarks/plans.py measures that.
"""

import pytest
from django.db import connection
from django.urls import reverse

from orgs.users.models import User
from tests import plans
from zenpro_site import seed

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Reads PostgreSQL's plans"),
]

PEOPLE, TEAMS, TENANTS = 10_000, 50, 100
TIMES = 3  # as much as with the best of the three
FEW = 10_000  # rows that do not matter: going through all people once takes milliseconds


@pytest.fixture
def large(db, monkeypatch):
    """An organization that was written in bulk while the database knows the tables as a small one left them."""
    monkeypatch.setattr(seed, "analyze", plans.forget_statistics)
    root = User.objects.create_superuser("root@example.org", "only for tests", name="Root")
    seed.seed(name="Small", sizes=seed.Sizes(10, 2, 2), by=root)
    plans.look()
    monkeypatch.setattr(seed, "analyze", lambda: None)
    return seed.seed(name="Large", sizes=seed.Sizes(PEOPLE, TEAMS, TENANTS), by=root)


def addresses(org) -> dict[str, str]:
    members = reverse("orgs:members", args=[org.slug])
    return {
        "members": members,
        "members, page 150": f"{members}?page=150",
        "members, a search": f"{members}?q=ada",
    }


def worst(client, address: str) -> plans.Plan:
    """The statement of the page that goes through most rows."""
    with plans.carried_out() as made:
        assert client.get(address).status_code == 200, address
    return max(made, key=lambda plan: plan.rows)


def test_no_page_depends_on_statistics(large, as_user):
    client, seen = as_user(User.objects.get(email="root@example.org")), {}
    pages = addresses(large)
    for state, prepare in (("wrong", None), ("none", plans.forget_statistics), ("fresh", plans.look)):
        if prepare:
            prepare()
        seen[state] = {name: worst(client, address) for name, address in pages.items()}
    wrong = []
    for name in pages:
        best = min(found[name].rows for found in seen.values())
        wrong += [
            f"{name}, statistics {state}: {found[name].rows} rows, not {best}:\n    {found[name].statement}"
            for state, found in seen.items()
            if found[name].rows > TIMES * best + FEW
        ]
    assert not wrong, "\n".join(wrong)
