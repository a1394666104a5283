"""How often the main pages ask the database: eight statements each, of which the frame is four or five.

tests of each list hold that three rows ask as often as one; benchmarks/pages.py measures with ten thousand people.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from .walk import all_pages

pytestmark = pytest.mark.thorough

ENOUGH = 8
MAIN = (
    "orgs:home",
    "orgs:members",
    "orgs:member_detail",
    "teams:list",
    "teams:detail",
    "roles:list",
    "roles:detail",
    "invitations:list",
    "audit:list",
    "tenants:overview",
    "tenants:members",
    "tenants:settings",
    "matrix:grid",
    "run_templates:org_list",
    "run_templates:list",
)
# Pages that ask more often, how often at most, and for what. Fewer is always welcome: then lower the number.
MORE = {
    "orgs:home": (13, "shows a little of everything: runs, invitations, grants that end, teams, counts"),
    "orgs:member_detail": (15, "roles, teams, tenants with their sources, sessions and what they did last"),
    "teams:detail": (10, "people in pages, maintainers, roles on tenants and what happened last"),
    "roles:list": (10, "both levels with their rights and how many hold each"),
    "roles:detail": (17, "the grid, what the base gives, and everybody who holds the role"),
    "invitations:list": (13, "each with its teams, roles on tenants, mail, and whether its sender still may"),
    "tenants:overview": (12, "the tenant's rights, people, runs and what is to be done first"),
    "tenants:members": (11, "people with every source of their roles, and teams"),
}


def statements(client, path: str) -> list[str]:
    client.get(path)  # what is kept between requests
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200, path
    return [query["sql"] for query in asked if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]


def test_main_pages_ask_a_handful_of_times(world, as_user):
    client, wrong = as_user(world.admin), []
    pages = {page.name: page for page in all_pages()}
    for name in MAIN:
        limit, _ = MORE.get(name, (ENOUGH, ""))
        asked = statements(client, pages[name].path(world.values))
        if len(asked) > limit:
            wrong.append(f"{name}: {len(asked)} statements, not {limit}:\n    " + "\n    ".join(asked))
    assert not wrong, "\n".join(wrong)


def test_exceptions_are_main_pages_and_above_the_limit():
    assert set(MORE) <= set(MAIN)
    assert all(limit > ENOUGH and reason for limit, reason in MORE.values())


@pytest.mark.parametrize("name, most", [("orgs:leave", 4), ("tenants:log", 5)])
def test_frame_asks_four_times(name, most, world, as_user):
    """Session, person, memberships with rights and counts, tenants; one more for the rights on a tenant."""
    pages = {page.name: page for page in all_pages()}
    asked = statements(as_user(world.admin), pages[name].path(world.values))
    assert len(asked) <= most, "\n".join(asked)
