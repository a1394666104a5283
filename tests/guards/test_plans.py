"""PostgreSQL reads about as much for a page whether it has counted the tables lately, never, or when they were nearly empty.

How many rows it goes through is asserted, not how long it takes; benchmarks/plans.py measures that.
"""

import pytest
from django.db import connection
from django.urls import reverse

from orgs.users.models import Actor, User
from tests import plans
from zenpro_site import seed

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="Reads PostgreSQL's plans"),
]

PEOPLE, TEAMS, TENANTS = 10_000, 50, 100
TIMES = 3  # as much as with the best of the three
FEW = 6 * PEOPLE  # rows that do not matter: going through all people a few times takes milliseconds


@pytest.fixture
def large(db, monkeypatch):
    """An organization that was written in bulk while the database knows the tables as a small one left them."""
    monkeypatch.setattr(seed, "analyze", plans.forget_statistics)
    root = User.objects.create_superuser("root@example.org", "only for tests", name="Root")
    seed.seed(name="Small", sizes=seed.Sizes(10, 2, 2), by=Actor(root))
    plans.look()
    monkeypatch.setattr(seed, "analyze", lambda: None)
    return seed.seed(name="Large", sizes=seed.Sizes(PEOPLE, TEAMS, TENANTS), by=Actor(root))


def addresses(org) -> dict[str, str]:
    """Every list, and what is shown beside lists. The first of everything stands for the others."""
    tenant, team = org.tenants.first(), org.teams.first()
    member = org.memberships.filter(role="member", user__groups=team).first()
    pages = {
        "orgs:home": [],
        "orgs:members": [],
        "orgs:member_detail": [member.pk],
        "orgs:member_remove": [member.pk],
        "orgs:settings": [],
        "orgs:members_export": [],
        "teams:list": [],
        "teams:detail": [team.uuid],
        "teams:delete": [team.uuid],
        "roles:list": [],
        "roles:detail": [org.roles.get(slug="reviewer").pk],
        "roles:delete": [org.roles.get(slug="reviewer").pk],
        "invitations:list": [],
        "control_plane:account_list": [],
        "audit:list": [],
        "usage:organization": [],
        "matrix:grid": [],
        "explain:question": [],
        "explain:person": [member.pk],
        "run_templates:org_list": [],
        "run_templates:list": [tenant.slug],
        "tenants:overview": [tenant.slug],
        "tenants:members": [tenant.slug],
        "tenants:grant_give": [tenant.slug],
        "tenants:settings": [tenant.slug],
        "tenants:delete": [tenant.slug],
        "tenants:runs": [tenant.slug],
    }
    found = {name: reverse(name, args=[org.slug, *args]) for name, args in pages.items()}
    for name, asked in (
        (
            "orgs:members",
            ("page=150", "q=ada", f"team={team.uuid}", "state=never", "state=weak", "role=member"),
        ),
        ("teams:detail", ("q=ada", "who=ada")),
        ("tenants:members", ("q=ada", "role=viewer", "show=teams")),
        ("tenants:grant_give", ("q=ada",)),
        ("audit:list", ("q=ada",)),
    ):
        found |= {f"{name}?{query}": f"{found[name]}?{query}" for query in asked}
    found |= {name: reverse(name) for name in ("control_plane:token_list", "control_plane:device_list")}
    inside = f"/api/v1/organizations/{org.slug}"
    api = ("members", f"members/{member.pk}", "invitations", "teams", f"teams/{team.uuid}/members", "roles")
    api += ("tenants", f"tenants/{tenant.slug}/grants", "service-accounts", "audit")
    found |= {f"api {path}": f"{inside}/{path}" for path in api}
    return found | {"api all tenants": "/api/v1/tenants"}


def worst(client, address: str) -> plans.Plan:
    """The statement of the page that goes through most rows."""
    with plans.carried_out() as made:
        response = client.get(address)
        assert response.status_code == 200, address
        assert not response.streaming or b"".join(response.streaming_content)
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
