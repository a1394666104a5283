"""Pages about people as a browser shows them: axe finds nothing, nothing overflows on a phone, dialogs open."""

import pytest
from django.urls import reverse
from factories import (
    make_grant,
    make_member,
    make_org,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
)
from playwright.sync_api import expect

from orgs.invitations import actions as invitations
from orgs.users.models import Actor
from tests.browsing import problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world():
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    person = make_member(org, "viewer", name="Dana Petrova")
    team, tenant = make_team(org, "risk-ml", members=[person]), make_tenant(org, "production")
    make_tenant(org, "broken", status="failed", state_reason="Port 9104 is taken.")
    for holder in (owner, person, team):
        make_grant(tenant, holder, "developer", giver=owner)
    make_template_run(make_template(tenant, "nightly"), person=owner, state="failed", changes=[{}])
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"), [team])
    [result] = invitations.invite(
        organization=org, addresses=["somebody.with.a.long.name@example.org"], offer=offer, by=Actor(owner)
    )
    return org, owner, person, result


@pytest.fixture
def visit(visits, world):
    """visit(path, width, scheme): the page, signed in as the Admin."""
    return lambda path, width=1440, scheme="light": visits.open(path, world[1], width, scheme)


PAGES = {
    "home": "orgs:home",
    "members": "orgs:members",
    "person": "orgs:member_detail",
    "remove": "orgs:member_remove",
    "settings": "orgs:settings",
    "delete": "orgs:delete",
    "leave": "orgs:leave",
    "invitations": "invitations:list",
    "invite": "invitations:create",
}


@pytest.mark.parametrize("name", PAGES.values(), ids=PAGES)
def test_pages_have_no_problems_at_any_width_and_in_the_dark(visit, world, name):
    org, _, person, _ = world
    more = [person.membership.pk] if name.startswith("orgs:member_") else []
    path = reverse(name, args=[org.slug, *more])
    for width, scheme in ((320, "light"), (1440, "dark")):
        assert problems(visit(path, width, scheme)) == [], (width, scheme)


def test_accept_pages_have_no_problems(visits, world, visit):
    path = reverse("invitations:accept", args=[world[3].token])
    for width in (1440, 320):
        assert problems(visit(path, width)) == []  # the wrong account
        page = visits.open(path, width=width)
        expect(page.get_by_text("Set up your account")).to_be_visible()
        assert problems(page) == []


def test_dialogs_open_in_place_and_have_no_problems(visit, world):
    members = reverse("orgs:members", args=[world[0].slug])
    page = visit(members)
    page.click("text=Invite people")
    page.locator("#modal[open] textarea").wait_for()
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.get_by_label("More for Dana Petrova").click()
    page.locator(".menu:popover-open").get_by_text("Remove").click()
    page.locator("#modal[open] .danger.solid").wait_for()
    assert problems(page) == []


def test_search_fills_the_rows_and_the_address(visit, world):
    page = visit(reverse("orgs:members", args=[world[0].slug]))
    page.fill("input[name=q]", "dana")
    page.wait_for_url("**q=dana**")
    page.get_by_text("1 person").wait_for()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_home_shows_a_new_state_by_itself(visit, world):
    org = world[0]
    page = visit(org.get_absolute_url())
    expect(page.get_by_text("broken is not running")).to_be_visible()
    org.tenants.filter(slug="broken").update(status="available")
    page.get_by_text("broken is not running").wait_for(state="detached")
