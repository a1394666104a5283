"""Roles on tenants with nothing but keys, and axe over every page about them."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, problems, settled

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(transactional_db):
    org = make_org("Acme AI")
    owner, member = make_member(org, "admin", name="Ada Okafor"), make_member(org, name="Dana Petrova")
    tenants = [make_tenant(org, name) for name in ("production", "staging")]
    teams = [make_team(org, "risk-ml", members=[member]), make_team(org, "vision", members=[member, owner])]
    make_role(org, "Model reviewer", base="viewer", rights={"model:promote"})
    soon = timezone.now() + timezone.timedelta(days=5)
    make_grant(tenants[0], teams[0], "viewer")
    make_grant(tenants[1], teams[0], "model-reviewer", expires_at=soon)
    make_grant(tenants[0], member, "operator", expires_at=soon)
    make_grant(tenants[0], member, "viewer")
    return org, owner, tenants, teams


@pytest.fixture
def visit(visits, world):
    """visit(path, width, scheme, **context): the page, signed in as the Admin."""
    return lambda path, *look, **options: visits.open(path, world[1], *look, **options)


def matrix_of(org):
    return reverse("matrix:grid", args=[org.slug])


def roles_of(tenant, holder):
    return {grant.role.slug for grant in tenant.grants.filter(team=holder)}


def clean(page, name) -> None:
    assert problems(page) == [], name


def go_to_cells(page) -> None:
    settled(page)
    page.locator("[data-search]").focus()
    for _ in range(12):
        if page.evaluate("document.activeElement.matches('button.cell')"):
            break
        page.keyboard.press("Tab")


def test_arrows_go_from_cell_to_cell_and_escape_comes_back(visit, world):
    page = visit(matrix_of(world[0]), bypass_csp=False)
    press, focused = page.keyboard.press, page.locator("*:focus")
    go_to_cells(page)
    expect(focused).to_contain_text("risk-ml on production")
    for key, name in [
        ("ArrowRight", "risk-ml on staging"),
        ("ArrowDown", "vision on staging"),
        ("Home", "vision on production"),
    ]:
        press(key)
        expect(focused).to_contain_text(name)
    press("Enter")
    menu = page.get_by_role("dialog", name="Team vision on production")
    cell = page.locator("button.cell", has_text="vision on production")
    expect(cell).to_have_attribute("aria-expanded", "true")
    expect(menu.get_by_role("radio", name="No role")).to_be_focused()
    press("Escape")
    expect(menu).to_be_hidden()
    expect(cell).to_be_focused()
    expect(cell).to_have_attribute("aria-expanded", "false")


def test_a_cell_is_changed_and_undone_with_keys_alone(visit, world):
    org, _, (production, _), (_, vision) = world
    page = visit(matrix_of(org), bypass_csp=False)
    press = page.keyboard.press
    cell = page.locator("button.cell", has_text="vision on production")
    menu = page.get_by_role("dialog", name="Team vision on production")
    cell.press("Enter")
    expect(menu.get_by_role("radio", name="No role")).to_be_focused()
    press("ArrowDown")
    press("ArrowDown")
    expect(menu.get_by_role("radio", name="Developer")).to_be_checked()
    expect(menu.get_by_role("status")).to_contain_text("1 person gets access to production")
    expect(menu.get_by_role("status")).to_contain_text("1 person gains create, update, share and")
    assert roles_of(production, vision) == set()
    press("Enter")
    expect(menu).to_be_hidden()
    expect(cell).to_contain_text("Developer")
    expect(cell).to_be_focused()
    assert roles_of(production, vision) == {"developer"}
    page.get_by_role("button", name="Undo").press("Enter")
    expect(cell).to_contain_text("no role")
    assert roles_of(production, vision) == set()


def test_several_roles_in_the_menu_and_a_past_day(visit, world):
    org, _, (production, _), (risk, _) = world
    page = visit(matrix_of(org), bypass_csp=False)
    page.locator("button.cell", has_text="risk-ml on production").press("Enter")
    menu = page.get_by_role("dialog", name="Team risk-ml on production")
    menu.get_by_role("link", name="More than one role").press("Enter")
    expect(menu.get_by_role("checkbox").first).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("checkbox", name="Operator")).to_be_focused()
    page.keyboard.press("Space")
    until = menu.get_by_label("Until (last day of Operator")
    until.fill("2020-01-01")
    menu.get_by_role("button", name="Save").press("Enter")
    expect(until).to_have_attribute("aria-invalid", "true")  # what is saved says so; a preview has no fields
    expect(menu).to_contain_text("This day is in the past.")
    assert roles_of(production, risk) == {"viewer"}
    until.fill("")
    menu.get_by_role("button", name="Save").press("Enter")
    expect(menu).to_be_hidden()
    assert roles_of(production, risk) == {"viewer", "operator"}


def test_without_scripts_a_cell_is_a_page_that_reviews_and_saves(visit, world):
    org, _, (production, _), (_, vision) = world
    page = visit(matrix_of(org) + "?tenant=prod", java_script_enabled=False)
    page.locator("button.cell", has_text="vision on production").click()
    page.get_by_role("radio", name="Developer").check()
    page.get_by_role("button", name="Review").click()
    expect(page.locator("#effect")).to_contain_text("1 person gets access to production")
    assert roles_of(production, vision) == set()
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile(re.escape(matrix_of(org) + "?tenant=prod") + "$"))
    cell = page.locator("button.cell", has_text="vision on production")
    expect(cell).to_contain_text("Developer")
    page.get_by_role("button", name="Undo").click()
    expect(cell).to_contain_text("no role")
    assert roles_of(production, vision) == set()


def test_members_page_with_keys(visit, world):
    org, _, (production, _), _ = world
    page = visit(reverse("tenants:members", args=[org.slug, production.slug]), bypass_csp=False)
    page.get_by_role("link", name="Add people or teams").press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Team or person").press("v")
    dialog.get_by_label("Expires").press("I")
    expect(dialog.get_by_role("status")).to_contain_text("1 person gets access to production")
    expect(dialog.get_by_role("status")).to_contain_text("The role expires after")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Remove Operator from Dana Petrova").press("Enter")
    expect(dialog).to_contain_text("1 person loses create and use on production")
    dialog.get_by_role("button", name="Remove role").press("Enter")
    expect(page.get_by_text("Dana Petrova no longer has the Operator role here.")).to_be_visible()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("link", name="Remove Operator from Dana Petrova")).to_be_visible()
    assert production.grants.filter(membership__isnull=False).count() == 2


def test_a_dialog_opens_only_when_its_fields_are_live(visit, world):
    org, _, (production, _), _ = world
    page = visit(reverse("tenants:members", args=[org.slug, production.slug]), bypass_csp=False)
    page.evaluate("htmx.config.defaultSettleDelay = 1000")  # a slow machine
    page.get_by_role("link", name="Add people or teams").press("Enter")
    page.get_by_role("dialog").get_by_label("Team or person").press("v")
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text(
        "1 person gets access to production"
    )


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_are_accessible_and_fit(visit, world, width, scheme):
    org, _, (production, _), (risk, _) = world
    member = production.grants.filter(team=None).first().membership
    members = reverse("tenants:members", args=[org.slug, production.slug])
    paths = [
        matrix_of(org),
        f"{matrix_of(org)}?q=nobody",
        reverse("roles:matrix", args=[org.slug]),
        f"{members}?show=teams",
        f"{members}give/?holder=team:{risk.uuid}&role={production.grants.first().role_id}&ends=week",
        f"{members}team/{risk.uuid}/?on=matrix",
        f"{members}person/{member.pk}/",
        f"{members}{production.grants.first().pk}/withdraw/",
    ]
    for path in paths:
        page = visit(path, width, scheme)
        clean(page, path)
        page.context.close()
    page = visit(matrix_of(org), width, scheme)
    page.locator("button.cell").first.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("status").filter(has_text="gain")).to_be_visible()
    clean(page, "menu")
