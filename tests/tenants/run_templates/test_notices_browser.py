"""Where people choose whether they are told of ends, in a real browser."""

import pytest
from factories import make_grant, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, picture, problems, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_looks(visits, org, member, settings, width, scheme):
    settings.MAIL_IS_SET_UP = True
    tenant = make_tenant(org, "prod", name="Prod")
    make_grant(tenant, member, "operator")
    template = make_template(tenant, name="churn")
    run = make_template_run(template, member, state="running")
    page = visits.open(run.get_absolute_url(), user=member, width=width, scheme=scheme)
    tab_to(page, page.get_by_role("button", name="Tell me when it ends"))
    picture(page, f"notice-run-{width}-{scheme}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Don’t tell me when it ends")).to_be_visible()
    assert problems(page) == []
    page.goto(f"{visits.url}{template.get_absolute_url()}#notices")
    page.get_by_role("button", name="Only when they fail").click()
    expect(page.get_by_role("button", name="Only when they fail")).to_have_attribute("aria-pressed", "true")
    assert problems(page) == []
    picture(page, f"notice-template-{width}-{scheme}")
    page.get_by_role("link", name="your settings").click()
    page.get_by_label("When they end").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("When they end")).to_be_checked()
    assert problems(page) == []
    picture(page, f"notice-default-{width}-{scheme}")
