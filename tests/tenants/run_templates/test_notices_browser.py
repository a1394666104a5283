"""Where people choose whether they are told of ends, in a real browser."""

import pytest
from factories import make_grant, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.notices import open_webhook
from tests.browsing import LOOKS, picture, problems, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def run(org, member):
    tenant = make_tenant(org, "prod", name="Prod")
    make_grant(tenant, member, "operator")
    return make_template_run(make_template(tenant, name="churn"), member, state="running")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_looks(visits, run, member, settings, width, scheme):
    settings.MAIL_IS_SET_UP, template = True, run.template

    def looks(name):
        assert problems(page) == [], name
        picture(page, f"notice-{name}-{width}-{scheme}")

    page = visits.open(run.get_absolute_url(), user=member, width=width, scheme=scheme)
    tab_to(page, page.get_by_role("link", name="Tell me when it ends"))
    page.keyboard.press("Enter")
    dialog = page.locator("#modal")
    expect(dialog.get_by_role("link", name="Set up your webhook")).to_be_visible()
    looks("run")
    dialog.get_by_role("button", name="Tell me", exact=True).click()
    expect(page.get_by_role("link", name="You’ll be told when it ends")).to_be_visible()
    open_webhook(person=member, when="never")
    page.goto(f"{visits.url}{template.get_absolute_url()}#notices")
    group = page.get_by_role("group", name="To your webhook")
    group.get_by_role("button", name="Only when they fail").click()
    expect(group.get_by_role("button", name="Only when they fail")).to_have_attribute("aria-pressed", "true")
    looks("template")
    page.get_by_role("link", name="your settings").click()
    page.get_by_role("group", name="By email").get_by_role("button", name="When they end").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("button", name="Send a test by email").click()
    expect(page.get_by_text("is on its way")).to_be_visible()
    looks("default")
    page.get_by_role("link", name="your address").click()
    expect(page.get_by_role("heading", name="Your webhook")).to_be_visible()
    looks("webhook")
