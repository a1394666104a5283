"""A person's own pages in a browser, under the real content security policy: with the keyboard alone, a passkey, axe."""

import re
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from factories import PASSWORD, make_member, make_org
from playwright.sync_api import expect

from orgs.audit.models import AuditEvent
from orgs.users import two_factor
from tests.browsing import LOOKS, problems, settled, tab_to

from .totp import code_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(db):
    return make_member(make_org("Acme AI"), "admin", email="ada@example.org", name="Ada Okafor")


@pytest.fixture
def open_browser(browser):
    """open_browser(): a page of a browser of its own. What its console complains of fails the test."""
    errors, contexts = [], []

    def open_browser(width=1440, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if is_wrong(message) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_browser
    for context in contexts:
        context.close()
    assert errors == []


def is_wrong(message) -> bool:
    """The status of the page that refuses is no mistake."""
    return message.type == "error" and "429 (Too Many Requests)" not in message.text


@pytest.fixture
def visit(open_browser, live_server, ada):
    """visit(path): the page, signed in as Ada."""

    def visit(path, width=1440, scheme="light"):
        client = Client()
        client.force_login(ada)
        page = open_browser(width, scheme)
        value = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
        page.goto(live_server.url + path)
        return page

    return visit


def in_every_look(page) -> list:
    """Problems of the page as it stands, wide and narrow, light and dark."""
    found = []
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found += [(width, scheme, problem) for problem in problems(page)]
    return found


def press(page, role, name) -> None:
    """Reach a link or button with Tab and press Enter."""
    tab_to(page, page.get_by_role(role, name=name, exact=True).first)
    page.keyboard.press("Enter")


def confirm_password(page) -> None:
    tab_to(page, page.get_by_label("Password", exact=True))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")


def virtual_authenticator(page):
    """What keeps passkeys in a computer, and confirms its owner by itself."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_an_app_is_set_up_with_the_keyboard(visit):
    page = visit("/settings/")
    for heading in ("Two-factor sign-in", "Confirm it’s you"):
        assert in_every_look(page) == []
        press(page, "link", "Set up")
        page.get_by_role("heading", name=heading, exact=True).wait_for()
    assert in_every_look(page) == []
    confirm_password(page)
    page.get_by_role("heading", name="Set up an authenticator app").wait_for()
    assert in_every_look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    box = page.get_by_role("img", name="QR code of the key below").bounding_box()
    assert box["width"] == box["height"] == 200
    tab_to(page, page.get_by_label("Six digits"))
    page.keyboard.type(code_of(page.get_by_label("Key", exact=True).input_value()))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Recovery codes", exact=True).wait_for()
    assert in_every_look(page) == []
    with page.expect_download() as download:
        press(page, "link", "Download")
    codes = re.findall(r"^\d{8}$", Path(download.value.path()).read_text(), re.MULTILINE)
    assert codes == page.locator(".codes li").all_text_contents()


def test_the_second_step_with_the_keyboard(open_browser, live_server, ada):
    key = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    secret = {"secret": two_factor.Adapter().encrypt(key)}
    Authenticator.objects.create(user=ada, type="totp", data=secret)
    page = open_browser()
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").focus()
    page.keyboard.type(ada.email)
    confirm_password(page)
    page.get_by_role("heading", name="One more step").wait_for()
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    page.get_by_text("This code is wrong").wait_for()
    settled(page)
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)  # there is none
    assert in_every_look(page) == []
    tab_to(page, page.get_by_label("Code"))
    page.keyboard.type(code_of(key))
    page.keyboard.press("Enter")
    page.wait_for_url("**/o/acme-ai/")


@pytest.fixture
def with_passkey(visit, live_server):
    """Ada's browser, with a passkey set up."""
    page = visit("/accounts/2fa/")
    virtual_authenticator(page)
    press(page, "link", "Add a passkey")
    confirm_password(page)
    page.get_by_role("heading", name="Add a passkey").wait_for()
    assert in_every_look(page) == []
    expect(page.get_by_label("Name")).to_have_value("Chrome on Linux")
    press(page, "button", "Add passkey")
    page.get_by_role("heading", name="Recovery codes", exact=True).wait_for()
    return page


def test_a_passkey_signs_in_without_a_password(with_passkey, live_server):
    page = with_passkey
    assert [event.action for event in AuditEvent.objects.all()] == ["two_factor.passkey_added"]
    page.goto(f"{live_server.url}/accounts/2fa/")
    expect(page.get_by_text("Without password")).to_be_visible()
    assert in_every_look(page) == []
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/?next=/settings/sessions/")
    assert in_every_look(page) == []
    press(page, "button", "Sign in with a passkey")
    page.get_by_text("This browser", exact=True).wait_for()
    assert Authenticator.objects.get(type="webauthn").last_used_at


def test_a_passkey_is_the_second_step_and_confirms(with_passkey, live_server, ada):
    page = with_passkey
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill(ada.email)
    confirm_password(page)
    page.get_by_role("heading", name="One more step").wait_for()
    press(page, "button", "Use a passkey")
    page.wait_for_url("**/o/acme-ai/")
    page.goto(f"{live_server.url}/accounts/reauthenticate/?next=/accounts/2fa/recovery-codes/")
    press(page, "link", "Use a passkey")
    page.get_by_text("Your browser asks for your passkey").wait_for()
    assert in_every_look(page) == []
    press(page, "button", "Use a passkey")
    page.get_by_role("heading", name="Recovery codes", exact=True).wait_for()


def test_a_passkey_that_is_refused_says_so(visit):
    page = visit("/accounts/2fa/webauthn/add/")
    confirm_password(page)
    page.get_by_role("heading", name="Add a passkey").wait_for()
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")  # without any authenticator
    refuse = "() => Promise.reject(new DOMException('', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.credentials.create = {refuse} }}")
    press(page, "button", "Add passkey")
    page.get_by_role("alert").get_by_text("No passkey was used").wait_for()
    assert in_every_look(page) == []


def test_sessions_are_ended_with_the_keyboard(visit, ada):
    phone = Client(HTTP_USER_AGENT="Mozilla/5.0 (iPhone) Safari/604.1")
    phone.force_login(ada)
    phone.get("/settings/")
    page = visit("/settings/")
    press(page, "link", "Your sessions")
    page.get_by_role("heading", name="Sessions").wait_for()
    assert in_every_look(page) == []
    press(page, "button", "End the session of Safari on iPhone")
    page.get_by_text("Safari on iPhone was signed out").wait_for()
    assert phone.get("/settings/").status_code == 302
    press(page, "button", "Sign out everywhere")
    page.get_by_text("You are signed out everywhere else").wait_for()
    assert in_every_look(page) == []


def test_an_organization_that_asks_for_it_leads_through_and_back(visit, ada):
    organization = ada.membership.organization
    organization.requires_two_factor = True
    organization.save()
    page = visit("/o/acme-ai/teams/")
    page.get_by_role("heading", name="Acme AI requires two-factor sign-in").wait_for()
    assert in_every_look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    press(page, "link", "Set up an app")
    confirm_password(page)
    page.get_by_role("heading", name="Set up an authenticator app").wait_for()
    expect(page.get_by_label("Six digits")).to_be_focused()
    page.keyboard.type(code_of(page.get_by_label("Key", exact=True).input_value()))
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Recovery codes", exact=True).wait_for()
    assert in_every_look(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    press(page, "link", "Continue")
    page.wait_for_url("**/o/acme-ai/teams/")


def test_an_admin_requires_it_with_the_keyboard(visit, ada):
    page = visit("/o/acme-ai/settings/")
    assert in_every_look(page) == []
    page.get_by_role("link", name="Set it up for yourself first").wait_for()
    secret = {"secret": two_factor.Adapter().encrypt("JBSWY3DPEHPK3PXP")}
    Authenticator.objects.create(user=ada, type="totp", data=secret)
    page.reload()
    page.set_viewport_size({"width": 1440, "height": 900})
    press(page, "button", "Require it")
    page.get_by_role("button", name="Stop requiring it").wait_for()
    assert in_every_look(page) == []


def test_the_page_after_too_many_attempts(open_browser, live_server, db):
    page = open_browser()
    page.goto(f"{live_server.url}/accounts/login/")
    for _ in range(5):
        page.get_by_label("Email").fill("ada@example.org")
        page.get_by_label("Password", exact=True).fill("guessed")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    expect(page.get_by_text("not correct").first).to_be_visible()
    page.get_by_label("Password", exact=True).fill("guessed")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Too many attempts").wait_for()
    assert in_every_look(page) == []
