"""Members, a person and the explainer in a browser: with the keyboard alone, without JavaScript, and with axe."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, problems, settled

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def org(transactional_db):
    return make_org("Acme AI")


@pytest.fixture
def people(org):
    """Ada, the Admin, and two others; Dana is in a team with a role, and has one that ends."""
    ada = make_member(org, "admin", name="Ada Okafor")
    chen, dana = make_member(org, "viewer", name="Chen Wei"), make_member(org, name="Dana Petrova")
    production, staging = (
        make_tenant(org, "production"),
        make_tenant(org, "staging", desired_state="deactivated"),
    )
    make_grant(production, make_team(org, "ml-eng", members=[dana]), "developer")
    make_grant(staging, dana, "viewer", giver=ada, expires_at=timezone.now() + timedelta(days=9))
    make_team(org, "risk-ml", org_role="viewer")
    return {"ada": ada, "chen": chen, "dana": dana}


@pytest.fixture
def visit(visits, people):
    """visit(path, **options of the browser): the page, signed in as the Admin."""
    return lambda path, **options: visits.open(path, people["ada"], **options)


def members(org):
    return reverse("orgs:members", args=[org.slug])


def focus(page, label: str, key: str = "Tab", tag: str = "") -> None:
    """Go on with the keyboard until the element of this label or text has the focus."""
    here = "(e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent.trim())(document.activeElement)"
    settled(page)
    for _ in range(120):
        page.keyboard.press(key)
        if page.evaluate(here).startswith(label) and tag in page.evaluate("document.activeElement.tagName"):
            return
    pytest.fail(f"The keyboard does not reach {label!r}.")


def test_from_the_list_to_an_explanation_with_the_keyboard_alone(visit, org, people):
    page = visit(members(org), viewport={"width": 1440, "height": 900})
    for name in ("Chen Wei", "Dana Petrova"):
        focus(page, f"Select {name}")
        page.keyboard.press("Space")
    focus(page, "Team to add them to")
    page.keyboard.type("risk")
    focus(page, "Add to team")
    page.keyboard.press("Enter")
    page.get_by_text("2 people are now in risk-ml.").wait_for()
    assert {team.label for team in org.teams.filter(user=people["chen"])} == {"risk-ml"}
    focus(page, "Dana Petrova")
    page.keyboard.press("Enter")
    page.get_by_text("What Dana Petrova can do").wait_for()
    page.locator("#access details").first.wait_for()
    focus(page, "", tag="SUMMARY")
    page.keyboard.press("Enter")
    page.locator("#access").get_by_text("team ml-eng → Developer").nth(1).wait_for()
    focus(page, "Explain one right", key="Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Who can do what?").wait_for()
    focus(page, "can")
    page.keyboard.type("Delete")
    focus(page, "what")
    page.keyboard.type("Secrets")
    focus(page, "Explain")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="No, Dana Petrova cannot delete secrets in production").wait_for()
    focus(page, "Assign Admin")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Assign a role on production").last.wait_for()
    expect(page.get_by_role("radio", name="Admin")).to_be_checked()


def test_role_in_place_and_undo_without_javascript(visit, org, people):
    page = visit(members(org) + "?q=dana", java_script_enabled=False)
    page.get_by_label("Role of Dana Petrova").select_option("viewer")
    page.locator("tbody").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Dana Petrova is now Viewer")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Dana Petrova is now Member")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=dana"))
    page.get_by_role("link", name="Dana Petrova").click()
    page.get_by_role("link", name="can do in each tenant, and why").click()
    page.wait_for_url("**/access/**")
    page.get_by_text("production", exact=True).last.click()
    expect(page.get_by_text("team ml-eng → Developer").first).to_be_visible()


def test_many_are_removed_after_their_names_were_read_without_javascript(visit, org, people):
    page = visit(members(org), java_script_enabled=False)
    for name in ("Ada Okafor", "Chen Wei", "Dana Petrova"):
        page.get_by_label(f"Select {name}").check()
    page.locator("#bulk").get_by_role("button", name="Remove…").click()
    expect(page.get_by_text("Stays: the only admin")).to_be_visible()
    page.get_by_role("button", name="Remove 2 people").click()
    expect(page.get_by_text("2 people are no longer in Acme AI.")).to_be_visible()
    assert [membership.user for membership in org.memberships.all()] == [people["ada"]]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_have_no_problems(visit, org, people, scheme, width):
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    page = visit(members(org), **look)
    page.get_by_label("Select Dana Petrova").check()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")  # the bar covers rows while there are more below
    assert problems(page) == []
    page.locator("#bulk").get_by_role("button", name="Remove…").click()
    page.get_by_role("heading", name="Remove 1 person").wait_for()
    assert problems(page) == []
    page = visit(people["dana"].membership.get_absolute_url(), **look)
    page.locator("#access summary").first.click()
    page.get_by_text("team ml-eng → Developer").first.wait_for()
    assert problems(page) == []
    asked = f"?person={people['dana'].email}&resource=pipeline&action="
    ask = reverse("explain:question", args=[org.slug]) + asked
    for question in ("update&tenant=production", "delete&tenant=staging"):
        assert problems(visit(ask + question, **look)) == []


def test_all_are_ticked_at_once_and_whoever_is_refused_is_named(visit, org, people):
    page = visit(members(org), viewport={"width": 390, "height": 900}, color_scheme="dark")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#bulk")).to_be_hidden()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_label("Select all on this page").check()
    page.get_by_label("New role").select_option("viewer")
    page.get_by_role("button", name="Change role").click()
    page.get_by_role("heading", name="Not everyone was changed").wait_for()
    expect(page.get_by_text("You can't change your own role. Ask another Admin.")).to_be_visible()
    assert problems(page) == []


def test_names_are_suggested_while_typing(visit, org, people):
    page = visit(reverse("explain:question", args=[org.slug]))
    page.get_by_label("Who").fill("")
    page.get_by_label("Who").press_sequentially("petro")
    expect(page.locator("#people option")).to_have_count(1)
    expect(page.locator("#people option")).to_have_attribute("value", people["dana"].email)
