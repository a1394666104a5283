"""Sign-in through a provider as a browser does it, with the keyboard; what its pages look like to axe."""

import httpx
import pytest
from django.urls import reverse
from factories import make_member, make_org
from playwright.sync_api import expect

from orgs.domains.models import OrganizationDomain
from orgs.invitations import actions as invitations
from orgs.users.models import Actor
from tests.browsing import LOOKS, problems
from tests.oidc_provider.running import QUICK

from .test_oidc import running, use  # noqa: F401 - the fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def provider(running, settings, live_server):  # noqa: F811 - the fixture
    use(settings, running.url)
    uri = {"uri": f"{live_server.url}/accounts/oidc/sso/login/callback/"}
    httpx.post(f"{running.url}/come-back-to/", data=uri, **QUICK).raise_for_status()
    return running


@pytest.fixture
def open_page(browser, live_server):
    contexts = []

    def go(path, width=1440, scheme="light"):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                bypass_csp=True,
                reduced_motion="reduce",
            )
        )
        page = contexts[-1].new_page()
        page.goto(live_server.url + path)
        return page

    yield go
    for context in contexts:
        context.close()


def test_there_and_back_with_the_keyboard(provider, browser, live_server):
    """Under the real content security policy: it must not stop the way to the provider."""
    org = make_org("Acme AI")
    OrganizationDomain.objects.create(organization=org, domain="acme.example")
    page = browser.new_page()
    page.goto(f"{live_server.url}{reverse('account_login')}")
    page.get_by_role("link", name="Sign in with Acme SSO").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{provider.url}/enter/**")
    for label, value in (("Who", "mary"), ("Name", "Mary Jackson"), ("Email", "mary@acme.example")):
        page.get_by_label(label).fill(value)
    page.get_by_label("Verified").check()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}{org.get_absolute_url()}")
    expect(page.get_by_text("Mary Jackson").first).to_be_attached()
    page.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_are_fit_for_everyone(width, scheme, provider, settings, open_page, as_user, live_server):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    OrganizationDomain.objects.create(organization=org, domain="a-rather-long-name-of-a-company.example")
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    [sent] = invitations.invite(
        organization=org, addresses=["linus@example.org"], offer=offer, by=Actor(owner)
    )
    link = sent.link.partition("//")[2]
    paths = [reverse("account_login"), link[link.index("/") :], "/accounts/oidc/sso/login/callback/?state=x"]
    for only in (False, True):
        use(settings, provider.url, only=only)
        for path in paths:
            assert problems(open_page(path, width, scheme)) == [], path
    use(settings, "http://127.0.0.1:9")
    page = open_page("/accounts/oidc/sso/login/", width, scheme)
    expect(page.locator("h1")).to_contain_text("is not responding")
    assert problems(page) == []
    page = open_page("/", width, scheme)
    session = as_user(owner).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(live_server.url + reverse("orgs:settings", args=[org.slug]))
    expect(page.get_by_text("a-rather-long-name-of-a-company.example").first).to_be_attached()
    assert problems(page) == []
