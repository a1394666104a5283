"""Runs of all tenants in a browser: on the home page, and searched on their own."""

import pytest
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tenants.hosting.base import TenantUnreachable
from tenants.runs import reading
from tests.browsing import LOOKS, picture, problems
from tests.tenants.runs.fakes import PROJECT, FakeTenantClient

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(transactional_db, monkeypatch):
    org, servers = make_org("Acme AI"), {}
    ada = make_member(org, "admin", name="Ada Okafor", username="admin")
    for slug in ("production", "staging", "sandbox"):
        tenant = make_tenant(org, slug, name=slug, project_id=PROJECT["id"])
        make_grant(tenant, ada, "admin", giver=ada)
        servers[slug] = FakeTenantClient()
    servers["staging"].add_run(name="nightly", created="2026-11-25T10:00:00")
    servers["sandbox"].error = TenantUnreachable("The server cannot be reached.")
    monkeypatch.setattr(reading, "connect", lambda user, tenant: servers[tenant.slug])
    return ada


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_home_shows_runs_of_all_tenants_and_leads_to_their_search(visits, ada, width, scheme):
    page = visits.open("/o/acme-ai/", ada, width, scheme)
    latest = page.locator("#latest")
    expect(latest.get_by_role("link", name="nightly", exact=True)).to_be_visible()
    expect(latest).to_contain_text("sandbox does not answer")
    assert problems(page) == []
    picture(page, f"home-{scheme}-{width}")
    latest.get_by_role("link", name="Search and filter").click()
    page.get_by_role("searchbox", name="Search by name").press_sequentially("night")
    expect(latest.locator("a.name", has_text="churn-2026")).to_have_count(0)
    expect(latest.get_by_role("link", name="nightly", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Search and filter")).to_have_count(0)
    assert problems(page) == []
    picture(page, f"org-runs-{scheme}-{width}")
    page.get_by_role("link", name="Columns").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("checkbox", name="training_auc").check()
    dialog.get_by_role("button", name="Show columns").click()
    expect(latest.get_by_role("columnheader", name="training_auc")).to_be_visible()
    page.get_by_role("searchbox", name="Search by name").fill("")
    expect(latest.locator("a.name", has_text="churn-2026")).to_have_count(2)
    boxes = latest.get_by_role("checkbox", name="Select churn")
    boxes.first.check()
    boxes.last.check()
    picture(page, f"org-runs-columns-{scheme}-{width}")
    assert problems(page) == []
    page.get_by_role("button", name="Compare 2 runs").click()
    expect(page.get_by_text("Only runs of one tenant can be compared")).to_be_visible()
