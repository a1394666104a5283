"""The reference of the JSON API as a browser shows it: nothing blocked, nothing from elsewhere, axe finds nothing."""

import os

import pytest
from django.test import Client
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_tenant

from tests.browsing import LOOKS, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visit(browser, live_server):
    """visit(path, width, scheme): the page for an Admin; messages of the console and foreign requests fail the test."""
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    make_grant(make_tenant(org, "production"), owner, "admin")
    client, wrong, contexts = Client(), [], []
    client.force_login(owner)

    def watch(page):
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda one: one.url.startswith(live_server.url) or wrong.append(one.url))

    def visit(path, width=1440, scheme="light", bypass_csp=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=bypass_csp
        )
        contexts.append(context)
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
        context.add_cookies([cookie])
        page = context.new_page()
        watch(page)
        page.goto(live_server.url + path)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_nothing_is_wrong_with_it(visit, width, scheme):
    page = visit(reverse("api:docs") + "?group=teams", width, scheme)
    for call in page.locator("details.api-call:not([open]) > summary").all()[:2]:
        call.click()
    found = violations(page)
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/api-{width}-{scheme}.png", full_page=True)


def test_an_answer_opens_with_the_session(visit, live_server):
    page = visit(reverse("api:docs") + "?group=tenants", bypass_csp=False)
    link = page.locator("#tenant_list").get_by_role("link", name="Show the answer")
    page.locator("#tenant_list > summary").click()
    path = link.get_attribute("href").partition("/api/")[2]
    found = page.request.get(f"{live_server.url}/api/{path}").json()
    assert [one["slug"] for one in found["items"]] == ["production"]
