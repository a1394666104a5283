"""Lists are searched while one types, and once: leaving the field asks for nothing, which would close what was opened."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tests.browsing import settled

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world():
    org = make_org("Acme AI")
    ada = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "prod")
    for name in ("Dana Petrova", "Bruno Keller"):
        make_grant(tenant, make_member(org, "member", name=name), "viewer", giver=ada)
    return ada


@pytest.mark.parametrize(
    ("name", "names"), [("orgs:members", ["acme-ai"]), ("tenants:members", ["acme-ai", "prod"])]
)
def test_a_list_is_searched_while_typing_and_not_again(visits, world, name, names):
    page = visits.open(reverse(name, args=names), world)
    other = page.locator("main table").get_by_text("Bruno Keller", exact=True)
    expect(other).to_be_visible()
    page.locator("main input[type=search]").press_sequentially("dana")
    expect(other).to_have_count(0)
    page.wait_for_url("**q=dana**")
    settled(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Role", exact=True).first.focus()
    page.get_by_label("Role", exact=True).first.select_option(index=1)
    page.wait_for_url("**role=**")
    assert [url for url in asked if "role=&" in url or url.endswith("role=")] == []


def test_what_is_typed_before_the_scripts_are_there_counts(visits, world):
    page = visits.open("/settings/", world)
    held = []
    page.route("**/*.js", lambda route: held.append(route))
    page.goto(f"{visits.url}{reverse('orgs:members', args=['acme-ai'])}", wait_until="commit")
    page.locator("main input[type=search]").press_sequentially("dana")
    for each in held:
        each.continue_()
    page.unroute("**/*.js")
    expect(page.locator("main table").get_by_text("Bruno Keller", exact=True)).to_have_count(0)
    expect(page.locator("main input[type=search]")).to_have_value("dana")
