"""The pages for people and access on an organization of some size, as its Admin sees them: sound, and a picture of each."""

import re

import pytest
from playwright.sync_api import expect

from .test_journey import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.zenml, pytest.mark.enable_socket]
OPENED = ("53-person", "54-access")
NAME, SLUG = "Northwind AI", "northwind-ai"


@pytest.fixture(scope="module")
def seeded(installed):
    """Primary keys of what the pictures show."""
    sizes = ["--members", "60", "--teams", "8", "--tenants", "6"]
    installed.manage("seed", *sizes, "--organization", NAME, "--yes")
    return installed.ask(
        "from orgs.models import Organization\n"
        f"org = Organization.objects.get(slug='{SLUG}')\n"
        "team = org.teams.filter(tenant_grants__isnull=False, user__isnull=False).order_by('label').first()\n"
        "person = org.memberships.get(user=team.user_set.order_by('name').first())\n"
        "role = org.roles.filter(level='tenant', predefined=False).first()\n"
        "answer = {'person': str(person.pk), 'email': person.user.email, 'role': str(role.pk),"
        " 'team': str(team.uuid), 'tenant': team.tenant_grants.first().tenant.slug}"
    )


@pytest.fixture(scope="module")
def admin(installed, browser):
    """The superuser of the first start, by password."""
    password = re.search(r"password (\S+)", installed.output)[1]
    visitor = Visitor(browser, installed.url)
    visitor.page.goto("/accounts/login/")
    visitor.page.get_by_role("textbox", name="Email").fill("admin@example.com")
    visitor.page.get_by_role("textbox", name="Password").fill(password)
    visitor.page.get_by_role("button", name="Sign in", exact=True).click()
    visitor.page.wait_for_url("**/o/**")
    yield visitor
    visitor.context.close()


@pytest.mark.parametrize(
    ("picture", "path", "heading"),
    [
        ("50-members", "members/", "Members"),
        ("51-invite", "invitations/new/", "Invite"),
        ("52-paste", "invitations/list/", ""),
        ("53-person", "members/{person}/", ""),
        ("54-access", "members/{person}/access/", ""),
        ("55-question", "access/?person={email}&action=update&resource=pipeline&tenant={tenant}", ""),
        ("56-question-no", "access/?person={email}&action=delete&resource=secret&tenant={tenant}", ""),
        ("57-teams", "teams/", "Teams"),
        ("58-team", "teams/{team}/", ""),
        ("59-teams-and-tenants", "matrix/", ""),
        ("60-roles", "roles/", "Roles"),
        ("61-role-editor", "roles/{role}/", ""),
        ("62-permission-matrix", "roles/matrix/", ""),
        ("63-tenant-members", "t/{tenant}/members/", ""),
        ("64-usage", "usage/", ""),
        ("65-audit", "audit/", "Audit log"),
    ],
)
def test_page_is_sound(admin, seeded, picture, path, heading):
    answer = admin.page.goto(f"/o/{SLUG}/{path.format(**seeded)}")
    assert answer.status == 200
    if heading:
        expect(admin.page.get_by_role("heading", level=1)).to_contain_text(heading)
    if picture in OPENED:
        admin.page.get_by_role("main").locator("details > summary").first.click()
    admin.seen(picture)


@pytest.mark.parametrize(
    ("picture", "path"),
    [
        ("70-settings", "/settings/"),
        ("71-sessions", "/settings/sessions/"),
        ("72-two-factor", "/accounts/2fa/"),
        ("73-devices", "/settings/devices/"),
        ("74-tokens", "/settings/tokens/"),
    ],
)
def test_own_page_is_sound(admin, picture, path):
    answer = admin.page.goto(path)
    assert answer.status == 200
    admin.seen(picture)
