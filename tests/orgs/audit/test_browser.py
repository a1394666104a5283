"""The audit page in a browser: axe finds nothing, the keyboard is enough, and so is a browser without JavaScript."""

from pathlib import Path

import pytest
from django.urls import reverse
from factories import make_member, make_org, make_team, make_tenant
from playwright.sync_api import expect

from orgs.audit.models import AuditEvent
from orgs.audit.verify import verify
from orgs.users.models import Actor, Origin
from tests.browsing import LOOKS, problems, settled

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world():
    org = make_org("Acme AI")
    ada = make_member(org, "admin", name="Ada Okafor")
    by = Actor(ada, Origin("page", "192.0.2.7", "req-1"))
    record, tenant = AuditEvent.objects.record, make_tenant(org, "production")
    record("team.created", make_team(org, "vision"), by=by, organization=org, after={"name": "vision"})
    record("access.refused", tenant, by=by, organization=org, after={"right": "x:y"}, outcome="refused")
    record("team.deleted", make_team(org, "risk"), by=by, organization=org, before={"name": "risk"})
    return org, ada


@pytest.fixture
def visit(visits, world):
    """visit(query, width, scheme): the page, signed in as the Admin."""

    def visit(query="", width=1440, scheme="light", script=True):
        path = reverse("audit:list", args=[world[0].slug]) + query
        return visits.open(path, world[1], width, scheme, java_script_enabled=script)

    return visit


@pytest.mark.parametrize("state", ["unchecked", "checked", "broken"])
def test_page_has_no_problems(visit, state):
    if state == "broken":
        AuditEvent._base_manager.filter(number=2).update(via="x")
    if state != "unchecked":
        verify()
    for width, scheme in LOOKS:
        page = visit("?object=team:1" if state == "checked" else "", width, scheme)
        for event in page.locator("details.event > summary").all():
            event.click()
        assert problems(page) == [], (width, scheme)


def test_keyboard_is_enough(visit):
    page = visit()
    page.keyboard.press("/")
    page.keyboard.type("vision")
    page.wait_for_url("**q=vision**")
    page.locator("details.event").nth(1).wait_for(state="detached")
    settled(page)
    page.locator("details.event > summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Everything about this object").wait_for()
    page.get_by_role("link", name="CSV").focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    text = Path(download.value.path()).read_text()
    assert "vision" in text and "risk" not in text
    assert AuditEvent.objects.latest("id").after["filters"] == {"q": "vision"}


def test_filters_work_without_javascript(visit):
    page = visit(script=False)
    page.get_by_label("Outcome").select_option("refused")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**outcome=refused**")
    expect(page.locator("details.event")).to_have_count(1)
    page.locator("details.event > summary").click()
    expect(page.get_by_text("req-1")).to_be_visible()
