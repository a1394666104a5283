"""Pages of service accounts and keys as a browser shows them: no problems, and a key can be copied once."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_org, make_service_account, make_tenant
from playwright.sync_api import expect

from tests.browsing import problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world():
    org = make_org("Acme AI")
    owner, robot = make_member(org, "admin", name="Ada Okafor"), make_service_account(org, "nightly")
    tenant = make_tenant(org, "production")
    make_grant(tenant, robot, "developer")
    make_key(robot, "github", tenant=tenant, expires_at=timezone.now() + timedelta(days=9))
    make_key(robot, "old", revoked_at=timezone.now())
    make_key(owner, "laptop")
    return owner, f"/o/{org.slug}/service-accounts/{robot.membership.pk}/"


@pytest.fixture
def page(browser, live_server, world):
    client = Client()
    client.force_login(world[0])
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    context.add_cookies([cookie])
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (320, "light")])
def test_pages_have_no_problems(page, world, width, scheme):
    own = world[1]
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    for address in (own, own + "../", own + "../new/", "/settings/tokens/"):
        page.goto(address)
        assert problems(page) == [], address
    page.goto(own)
    page.get_by_label("Name").fill("circle")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("circle is ready")).to_be_visible()
    assert problems(page) == []


def test_a_key_is_made_rotated_and_revoked(page, world):
    page.goto(world[1])
    page.get_by_label("Name").fill("circle")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator(".secret code")
    expect(secret).to_have_text(re.compile("^ZENPROKEY_"))
    first = secret.inner_text()
    page.get_by_label("More for circle").click()
    page.get_by_role("link", name="Rotate…").locator("visible=true").click()
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(secret).not_to_have_text(first)
    page.get_by_label("More for circle").click()
    page.get_by_role("link", name="Revoke…").locator("visible=true").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("The key circle has been revoked and no longer works.").first).to_be_visible()
    expect(secret).to_have_count(0)
