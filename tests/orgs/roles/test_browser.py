"""The grid with the keyboard alone, and without JavaScript."""

import re

import pytest
from django.test import Client
from factories import make_grant, make_member, make_org, make_role, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, settled, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ABORTED = ("htmx:sendAbort", "htmx:afterRequest")  # a tick ends the question that the one before it asked


@pytest.fixture
def role(transactional_db):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    role = make_role(org, "Model reviewer", base="viewer", rights={"artifact_version:share"})
    make_grant(make_tenant(org), owner, role.slug)
    role.owner = owner
    return role


@pytest.fixture
def visit(role, live_server, browser):
    """visit(**options of the browser): the editor, signed in; console errors fail the test."""
    client, errors, contexts = Client(), [], []
    client.force_login(role.owner)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        contexts[-1].add_cookies([cookie])
        page = contexts[-1].new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(live_server.url + role.get_absolute_url())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in errors if not text.startswith(ABORTED)] == []


def press_until(page, box: str, key: str = "Tab") -> None:
    settled(page)
    for _ in range(400):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement.id") == box:
            return
    pytest.fail(f"The keyboard does not reach {box}.")


def test_rights_are_ticked_and_saved_with_the_keyboard(visit, role):
    page = visit()
    press_until(page, "box-models-update")
    page.keyboard.press("Space")
    status = page.get_by_role("status").filter(has_text="change")
    expect(status).to_contain_text("2 changes: +2")
    expect(page.locator("#box-models-update")).to_be_focused()
    expect(page.get_by_label("Update models, will be added")).to_be_checked()
    press_until(page, "box-model-update")
    page.keyboard.press("Space")
    expect(status).to_contain_text("1 change: +1")
    expect(page.locator("#box-models-update")).to_have_js_property("indeterminate", True)
    press_until(page, "fold-models", "Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator("#fold-models")).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#fold-models")).to_be_focused()
    page.get_by_role("button", name="Save 1 change").press("Enter")
    expect(page.locator(".toast")).to_contain_text("Model reviewer saved: +1 −0.")
    role.refresh_from_db()
    assert role.rights - role.inherited == {"artifact_version:share", "model_version:update"}


def test_everything_works_without_javascript(visit, role):
    page = visit(java_script_enabled=False)
    page.get_by_label("Share artifact versions").uncheck()
    page.locator("#box-models-delete").check()
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_text("3 changes:")).to_be_visible()
    expect(page.get_by_label("Delete model versions, will be added")).to_be_checked()
    page.get_by_role("button", name="Models", exact=False).first.click()
    page.get_by_role("button", name="Save 3 changes").click()
    expect(page.locator(".toast")).to_contain_text("Model reviewer saved: +2 −1.")
    assert role.rights - role.inherited == {"model:delete", "model_version:delete"}


def test_ticks_that_follow_quickly_are_all_kept(visit):
    page = visit()
    for name in ("model", "artifact", "stack", "flavor"):
        page.locator(f"#box-{name}-update").check()
    expect(page.get_by_role("button", name="Save 4 changes")).to_be_visible()
    for name in ("model", "artifact", "stack", "flavor"):
        expect(page.locator(f"#box-{name}-update")).to_be_checked()


def test_a_key_that_is_down_is_not_lost(visit):
    page = visit()
    questions = "**/preview/"
    page.route(questions, lambda route: None)  # the answer is still under way when the key goes down
    with page.expect_request(questions):
        page.locator("#box-model-update").press("Space")
    page.locator("#box-stack-update").focus()
    page.keyboard.down("Space")
    settled(page)  # the question is taken back, so no answer draws the box anew below the key
    expect(page.locator("#box-stack-update")).to_be_focused()
    page.unroute(questions)
    page.keyboard.up("Space")
    expect(page.get_by_role("button", name="Save 2 changes")).to_be_visible()
    page.locator("#box-flavor-update").press("Space")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Save 3 changes")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing(visit, scheme, width):
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator("#box-model-update").focus()
    page.keyboard.press("Space")
    page.locator("#box-artifact_version-share").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("2 changes:")).to_be_visible()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")  # the bar covers rows while there are more below
    found = violations(page)
    assert [(one["id"], [node["target"] for node in one["nodes"]][:5]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert re.search("Model reviewer", page.title())
