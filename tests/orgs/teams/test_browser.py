"""Adding and removing in place, in a real browser; the same without JavaScript."""

import pytest
from django.conf import settings
from django.urls import reverse
from factories import make_member, make_org, make_team

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def team():
    org = make_org("Acme AI")
    team = make_team(org, "risk-ml", members=[make_member(org, name="Dana Petrova")])
    for name in ("Grace Lindqvist", "Hugo Martin"):
        make_member(org, name=name)
    team.owner = make_member(org, "admin", name="Ada Okafor")
    return team


@pytest.fixture
def open_page(live_server, browser, client, team):
    """open_page(javascript=...): a page of the team's owner, at the team."""
    contexts = []

    def open_it(**options):
        client.force_login(team.owner)
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}])
        page = context.new_page()
        page.goto(team.get_absolute_url())
        return page

    yield open_it
    for context in contexts:
        context.close()


def test_add_two_people_in_a_row_and_remove_one(team, open_page):
    page = open_page()
    search = page.get_by_role("searchbox", name="Find people to add")
    search.fill("gra")
    page.get_by_role("button", name="Add Grace Lindqvist").click()
    page.get_by_text("Grace Lindqvist is in risk-ml now").wait_for()
    # The field has the focus again and offers the others, so the next person is one click away.
    page.get_by_role("button", name="Add Hugo Martin").click()
    page.get_by_role("row", name="Hugo Martin").wait_for()
    assert team.user_set.count() == 3
    page.get_by_role("button", name="Remove Dana Petrova from risk-ml").click()
    page.get_by_role("row", name="Dana Petrova").wait_for(state="detached")
    assert sorted(user.name for user in team.user_set.all()) == ["Grace Lindqvist", "Hugo Martin"]
    assert page.url.endswith(team.get_absolute_url()), "nothing of it left the page"


def test_add_without_javascript(team, open_page):
    page = open_page(java_script_enabled=False)
    page.get_by_role("searchbox", name="Find people to add").fill("hugo")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Add Hugo Martin").click()
    page.get_by_role("row", name="Hugo Martin").wait_for()
    assert team.user_set.count() == 2


def test_delete_asks_in_a_dialog(team, open_page):
    page = open_page()
    page.goto(reverse("teams:edit", args=[team.organization.slug, team.uuid]))
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete team").click()
    page.get_by_text("Team risk-ml deleted").wait_for()
    assert not team.organization.teams.exists()
