"""Giving a role in a large organization: whom is typed, not chosen from ten thousand."""

import pytest
from factories import make_member, make_org, make_team, make_tenant
from playwright.sync_api import expect

from tenants.access import holder_fields
from tenants.models import TenantGrant
from tests.browsing import LOOKS, problems

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tenant(monkeypatch):
    """Of an organization that is too large for a list."""
    monkeypatch.setattr(holder_fields, "LISTED", -1)
    org = make_org("Acme AI")
    make_member(org, "member", name="Dana Petrova")
    make_team(org, "data-science")
    return make_tenant(org, "prod")


@pytest.fixture
def admin(tenant):
    return make_member(tenant.organization, "admin", name="Ada Okafor")


def members_of(tenant):
    return f"/o/{tenant.organization.slug}/t/{tenant.slug}/members/"


def test_keyboard_is_enough(visits, tenant, admin):
    page = visits.open(members_of(tenant), admin)
    page.get_by_role("link", name="Add people or teams").press("Enter")
    field = page.get_by_label("Team or person")
    field.press_sequentially("da")
    expect(page.locator("#holders option")).to_have_text(["Team", "Ada Okafor", "Dana Petrova"])
    field.press_sequentially("na")
    page.keyboard.press("Tab")
    page.get_by_text("1 person gets access to prod").wait_for()
    page.get_by_role("button", name="Assign role").press("Enter")
    page.get_by_text("Dana Petrova is now Developer").wait_for()
    assert TenantGrant.objects.get(tenant=tenant).holder.user.name == "Dana Petrova"


@pytest.mark.parametrize("path", ["give", "new"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_have_no_problems(visits, tenant, admin, path, width, scheme):
    here = members_of(tenant) + "give/" if path == "give" else f"/o/{tenant.organization.slug}/t/new/"
    page = visits.open(here, admin, width, scheme)
    page.get_by_label("Team or person").first.focus()
    page.locator("#holders option").first.wait_for(state="attached")
    page.evaluate("scrollTo(0, 0)")  # the bar on top covers what was scrolled under it
    assert problems(page) == []


def test_it_works_without_javascript(visits, tenant, admin):
    page = visits.open(members_of(tenant) + "give/", admin, java_script_enabled=False)
    page.get_by_label("Team or person").fill("nobody here")
    page.get_by_role("button", name="Assign role").click()
    expect(
        page.get_by_text("No team or member has that name. Choose one from the list.", exact=True)
    ).to_be_visible()
    visits.errors.clear()  # the browser's own line about an answer of 422
    page.get_by_label("Team or person").fill("data-science")
    page.get_by_role("button", name="Assign role").click()
    expect(page.get_by_text("data-science is now Developer")).to_be_visible()
    assert TenantGrant.objects.get(tenant=tenant).team.label == "data-science"
