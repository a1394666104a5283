"""The way of an invitation in a real browser: referrer policy, CSRF and forms without scripts only show there."""

import re

import pytest
from factories import PASSWORD
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server, settings):
    settings.ZENPRO_URL = live_server.url
    return live_server.url


def sign_in(page, site, person):
    page.goto(f"{site}/accounts/login/")
    page.fill("#id_login", person.email)
    page.fill("#id_password", PASSWORD)
    page.click("main button.primary")
    page.wait_for_url(re.compile("/o/"))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_invite_copy_accept(browser, site, org, owner, team, scripts):
    page = browser.new_context(java_script_enabled=scripts).new_page()
    sign_in(page, site, owner)
    page.goto(f"{site}/o/{org.slug}/members/")
    page.click("text=Invite people")
    page.fill("textarea[name=addresses]", "Linus@example.org, nonsense")
    page.check(f"input[value='{team.uuid}']")
    page.click("button:has-text('Create links')")
    link = page.inner_text(".code-line code")
    expect(page.get_by_text("Invalid address")).to_be_visible()

    guest = browser.new_context(java_script_enabled=scripts).new_page()
    guest.goto(link)
    guest.fill("#id_name", "Linus Berg")
    guest.fill("#id_password", "short")
    guest.click("main button.primary")
    expect(guest.locator("#id_password_error")).to_be_visible()
    guest.fill("#id_password", "tremendously long words")
    guest.click("main button.primary")
    guest.wait_for_url(f"{site}/o/{org.slug}/")
    expect(guest.get_by_role("heading", name="Acme AI", exact=True)).to_be_visible()
    assert team.user_set.get().email == "linus@example.org"
    guest.goto(link)
    expect(guest.get_by_role("heading", name="This invitation can’t be used")).to_be_visible()


def test_switching_to_the_invited_account_comes_back(browser, site, send, outsider):
    result = send("linus@example.org")
    page = browser.new_context().new_page()
    sign_in(page, site, outsider)
    page.goto(result.link)
    page.click("text=Sign out and continue")
    expect(page.get_by_text("Set up your account")).to_be_visible()
    assert page.url == result.link


def test_a_role_changes_in_place_and_comes_back_with_undo(browser, site, org, owner, member):
    page = browser.new_context().new_page()
    sign_in(page, site, owner)
    page.goto(f"{site}/o/{org.slug}/members/")
    page.get_by_label("Role of Dana Petrova").select_option("editor")
    page.get_by_text("Dana Petrova is now Editor").wait_for()
    assert org.memberships.get(user=member).role == "editor"
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Dana Petrova is now Member").wait_for()
    assert org.memberships.get(user=member).role == "member"


def test_a_role_changes_without_scripts(browser, site, org, owner, member):
    page = browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, site, owner)
    page.goto(f"{site}/o/{org.slug}/members/?q=dana")
    page.get_by_label("Role of Dana Petrova").select_option("viewer")
    page.locator("tbody").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Dana Petrova is now Viewer")).to_be_visible()
    assert org.memberships.get(user=member).role == "viewer"
