"""Sign-in, account and error pages, and what static/js/app.js adds, as a browser shows them."""

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_member, make_org, make_tenant
from playwright.sync_api import expect

from tests.browsing import violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VIEWS = [(1440, "dark"), (320, "light")]
SIGNED_OUT = [
    "/accounts/login/",
    "/accounts/login/?next=/devices/verify",
    "/accounts/signup/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/0-0/",
    "/accounts/password/reset/key/done/",
    "/accounts/confirm-email/",
    "/accounts/confirm-email/nonsense/",
    "/nowhere/",
]
SIGNED_IN = [
    "/accounts/logout/",
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/reauthenticate/",
    "/settings/",
]


@pytest.fixture
def ada():
    org = make_org("Acme AI")
    make_tenant(org, "production")
    return make_member(org, "admin", name="Ada Okafor")


@pytest.fixture
def page(browser, live_server):
    """A page on the live server under its own policy; axe is run by the debugger, not by the page."""
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.fixture
def signed_in(page, live_server, ada):
    client = Client()
    client.force_login(ada)
    value = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
    return page


def problems(page, path) -> dict:
    """{(width, scheme): what axe finds, and how far the page is too wide}; empty when all is well."""
    found = {}
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(path)
        broken = violations(page)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        words = [(rule["id"], rule["nodes"][0]["html"]) for rule in broken]
        found[width, scheme] = words + ([("too wide", wide)] if wide > 0 else [])
    return {view: words for view, words in found.items() if words}


@pytest.mark.parametrize("path", SIGNED_OUT)
def test_signed_out_pages_have_no_problems(page, path):
    assert problems(page, path) == {}


@pytest.mark.parametrize("path", SIGNED_IN)
def test_account_pages_have_no_problems(signed_in, path):
    assert problems(signed_in, path) == {}


def test_refused_sign_in_names_the_error_and_moves_focus_to_it(page):
    page.goto("/accounts/login/")
    page.fill("#id_login", "ada@example.org")
    page.fill("#id_password", "wrong")
    page.click("button.primary")
    page.locator(".summary:focus").wait_for()
    expect(page.locator("#id_login")).to_have_value("ada@example.org")


def test_password_can_be_shown(page):
    page.goto("/accounts/login/")
    page.get_by_label("Show password").click()
    expect(page.locator("#id_password")).to_have_attribute("type", "text")
    page.get_by_label("Hide password").click()
    expect(page.locator("#id_password")).to_have_attribute("type", "password")


def test_theme_changes_at_once_and_stays(signed_in):
    signed_in.emulate_media(color_scheme="light")
    signed_in.goto("/settings/")
    signed_in.get_by_label("Switch between light and dark").click()
    expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")
    signed_in.reload()
    expect(signed_in.locator("html")).to_have_attribute("data-theme", "dark")


def test_sidebar_is_a_drawer_on_a_phone_without_scripts(browser, live_server, ada):
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    client = Client()
    client.force_login(ada)
    value = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/o/acme-ai/")
    entry = page.locator(".side").get_by_role("link", name="production")
    expect(page.get_by_role("button", name="Menu")).to_be_visible()
    expect(entry).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(entry).to_be_visible()
    page.keyboard.press("Escape")
    expect(entry).to_be_hidden()
    context.close()


def test_a_refused_change_says_so(signed_in, ada):
    """The page was open while the right was taken away."""
    signed_in.goto("/o/acme-ai/teams/")
    signed_in.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', "
                       "'<button id=\"try\" hx-post=\"/o/acme-ai/delete/nowhere/\">Try</button>');"
                       "htmx.process(document.querySelector('#try'))")  # fmt: skip
    signed_in.click("#try")
    signed_in.get_by_text("This is gone.").wait_for()


HEAD = """() => [...document.head.querySelectorAll("link[rel=stylesheet], script[src]")]
    .map((part) => part.href || part.src)"""
MOVE = 'path => htmx.ajax("GET", path, { target: "body" })'  # what htmx does after a redirect


def test_a_page_that_htmx_moves_to_brings_its_styles_and_scripts(ada, visits):
    home, access = reverse("orgs:home", args=["acme-ai"]), reverse("matrix:grid", args=["acme-ai"])
    straight = visits.open(access, ada)
    page = visits.open(home, ada)
    named = set(straight.evaluate(HEAD))
    assert not named <= set(page.evaluate(HEAD))
    page.evaluate(MOVE, access)
    expect(page.get_by_role("heading", name="Access", exact=True)).to_be_visible()
    assert named <= set(page.evaluate(HEAD))
    page.wait_for_function("() => [...document.styleSheets].some((one) => one.href?.includes('matrix'))")
