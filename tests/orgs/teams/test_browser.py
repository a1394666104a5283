"""Adding and removing in place, in a real browser; the same without JavaScript."""

import pytest
from django.conf import settings
from django.urls import reverse
from factories import make_member, make_org, make_team
from playwright.sync_api import expect

from tests.browsing import LOOKS, problems, settled, tab_to

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


def search_for_grace(page, write) -> None:
    """Type Grace's name; each letter may ask for others, and the last one has been answered."""
    with page.expect_response("**q=gra*"):
        write("gra")
    page.get_by_role("button", name="Add Grace Lindqvist").wait_for()
    settled(page)


def test_add_two_people_in_a_row_and_remove_one(team, open_page):
    page = open_page()
    search_for_grace(page, page.get_by_role("searchbox", name="Find people to add").fill)
    page.get_by_role("button", name="Add Grace Lindqvist").click()
    page.get_by_text("Grace Lindqvist is now in risk-ml").wait_for()
    settled(page)
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


def test_people_and_maintainers_with_the_keyboard_alone(team, open_page):
    page = open_page()
    tab_to(page, page.get_by_role("searchbox", name="Find people to add"))
    search_for_grace(page, page.keyboard.type)
    tab_to(page, page.get_by_role("button", name="Add Grace Lindqvist"))
    page.keyboard.press("Enter")
    page.get_by_role("row", name="Grace Lindqvist").wait_for()
    tab_to(page, page.get_by_role("button", name="More for Grace Lindqvist"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("button", name="Make maintainer"))
    page.keyboard.press("Enter")
    page.get_by_text("Grace Lindqvist now maintains risk-ml").wait_for()
    assert [one.user.name for one in team.maintainers.select_related("user")] == ["Grace Lindqvist"]
    tab_to(page, page.get_by_role("button", name="Remove Dana Petrova from risk-ml"))
    page.keyboard.press("Enter")
    page.get_by_role("row", name="Dana Petrova").wait_for(state="detached")
    assert [user.name for user in team.user_set.all()] == ["Grace Lindqvist"]


def test_a_maintainer_manages_their_team_without_javascript(team, open_page):
    dana = team.user_set.get()
    team.maintainers.add(dana.memberships.get())
    team.owner = dana
    page = open_page(java_script_enabled=False)
    expect(page.get_by_role("searchbox", name="Find people to add")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    page.get_by_role("searchbox", name="Find people to add").fill("hugo")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Add Hugo Martin").click()
    page.get_by_role("row", name="Hugo Martin").wait_for()
    expect(page.get_by_role("button", name="Remove Hugo Martin from risk-ml")).to_be_visible()
    expect(page.get_by_role("button", name="More for Hugo Martin")).to_have_count(0)
    page.get_by_role("button", name="Remove Hugo Martin from risk-ml").click()
    page.get_by_text("Hugo Martin is no longer in risk-ml").wait_for()
    assert list(team.user_set.all()) == [dana]


def test_pages_have_no_problems_at_any_width_and_in_the_dark(team, open_page):
    org = team.organization
    team.maintainers.add(team.user_set.get().memberships.get())
    for number in range(55):
        team.user_set.add(make_member(org, name=f"Person {number:02}"))
    paths = [
        reverse("teams:list", args=[org.slug]),
        team.get_absolute_url(),
        f"{team.get_absolute_url()}?q=h",
        f"{team.get_absolute_url()}?who=person+0",
        reverse("teams:create", args=[org.slug]),
        reverse("teams:edit", args=[org.slug, team.uuid]),
        reverse("teams:delete", args=[org.slug, team.uuid]),
    ]
    for width, scheme in LOOKS:
        page = open_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            bypass_csp=True,
            reduced_motion="reduce",
        )
        for path in paths:
            page.goto(path)
            assert problems(page) == [], (path, width, scheme)
