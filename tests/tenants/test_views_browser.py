"""What only a browser shows: fragments that come in by themselves, and that nothing is lost when they do."""

import os
import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_tenant
from playwright.sync_api import expect

from tenants.hosting import progress
from tenants.hosting.local.hosting import LocalHosting
from tenants.models import Tenant
from tenants.runs.client import LogLine
from tests.browsing import LOOKS, problems, settled, violations
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def world(transactional_db):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    return org, owner, tenant


@pytest.fixture
def open_page(world, server, live_server, page):
    """open_page(path below the tenant): the page, signed in as the owner; console errors fail the test."""
    _, owner, tenant = world
    client, errors = Client(), []
    client.force_login(owner)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    page.context.add_cookies([cookie])
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def visit(path, base=None):
        page.goto(f"{live_server.url}{base or tenant.get_absolute_url()}{path}")
        return page

    yield visit
    assert errors == []


def test_run_goes_from_waiting_to_completed_without_a_reload(open_page, server):
    server.half_way("train")
    for node in server.dags[str(RUN_ID)]["nodes"]:
        if node["id"]:
            server.logs[node["id"]] = [LogLine(f"line {n}", 20, None) for n in range(1, 200)]
    page = open_page(f"runs/{RUN_ID}/?step=profile")
    page.evaluate("window.stayed = true")
    page.locator("#log-lines").evaluate("log => { log.scrollTop = 700 }")
    expect(page.locator("#step-train")).to_contain_text("Running")
    expect(page.locator("#step-evaluate")).to_contain_text("Waiting")
    server.dags[str(RUN_ID)], server.run_answers[str(RUN_ID)] = churn("dag"), churn("run")
    expect(page.locator("h1 + span")).to_contain_text("Completed")
    expect(page.locator("#step-evaluate")).to_contain_text("Completed")
    expect(page.locator("#step-profile")).to_have_attribute("aria-current", "true")
    expect(page.locator("#log-lines")).to_have_js_property("scrollTop", 700)
    assert page.evaluate("window.stayed")
    expect(page.locator("#run")).not_to_have_attribute("hx-trigger", re.compile("every"))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_silent_server_is_told_and_its_return_is_seen_without_a_reload(
    world, server, visits, width, scheme
):
    _, owner, tenant = world
    reason = "Not answering since 12:03; the process is running."
    Tenant.objects.filter(pk=tenant.pk).update(silent_since=timezone.now(), state_reason=reason)
    page = visits.open(tenant.get_absolute_url(), owner, width, scheme)
    alert = page.get_by_role("status").filter(has_text=reason)
    expect(alert).to_be_visible()
    expect(page.locator(".head-title")).to_contain_text("Not answering")
    expect(page.get_by_role("button", name="Restart now")).to_be_visible()
    assert problems(page) == []
    if folder := os.environ.get("ZENPRO_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"silent-{scheme}-{width}.png")
    Tenant.objects.filter(pk=tenant.pk).update(silent_since=None, state_reason="")
    expect(alert).to_be_hidden()
    expect(page.locator(".head-title")).to_contain_text("Available")


def test_graph_and_list_choose_a_step_in_place(open_page):
    page = open_page(f"runs/{RUN_ID}/")
    page.evaluate("window.stayed = true")
    page.locator("svg.dag a", has_text="profile").click()
    expect(page).to_have_url(re.compile(r"\?step=profile$"))
    expect(page.locator("#log-h")).to_contain_text("profile")
    page.locator("#step-train").click()
    expect(page.locator("#log-h")).to_contain_text("train")
    expect(page.locator("#step-train")).to_be_focused()
    page.go_back()
    expect(page.locator("#log-h")).to_contain_text("profile")


def test_slug_follows_the_name_and_is_checked(open_page, world):
    org = world[0]
    page = open_page("", base=f"/o/{org.slug}/t/new/")
    page.get_by_label("Name").fill("Production")
    expect(page.locator("#slug_note")).to_contain_text("is taken")
    page.get_by_label("Name").fill("Research Lab")
    expect(page.get_by_label("Address", exact=True)).to_have_value("research-lab")
    expect(page.locator("#slug_note")).to_contain_text("is available")
    page.get_by_role("button", name="Add another").click()
    expect(page.get_by_label("Team or person")).to_have_count(3)
    expect(page.get_by_label("Name")).to_have_value("Research Lab")
    page.get_by_role("button", name="Create tenant").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Creating Research Lab")
    assert org.tenants.filter(slug="research-lab").exists()


def test_progress_ends_with_the_connect_line(open_page, world):
    tenant = world[2]
    tenant.progress, tenant.status = progress.begin(progress.fresh(LocalHosting.steps), "reserve"), "pending"
    tenant.save()
    page = open_page("progress/")
    expect(page.locator("#progress")).to_contain_text("Step 1 of 8")
    page.locator("details summary").click()
    for step in tenant.progress:
        progress.finish(tenant.progress, step["key"])
    tenant.status = "available"
    tenant.save()
    expect(page.locator("#progress")).to_contain_text(f"zenml login {tenant.server_url}")
    expect(page.locator("details")).to_have_attribute("open", "")


def test_role_is_given_and_changed_in_a_dialog_and_undone(open_page, world):
    org, _, tenant = world
    colleague = make_member(org, name="Dana Petrova")
    page = open_page("members/")
    page.get_by_role("link", name="Add people or teams").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Team or person").select_option(label=f"Dana Petrova ({colleague.email})")
    dialog.get_by_role("button", name="Assign role").click()
    chip = page.locator(".chip", has_text="change the roles of Dana Petrova")
    expect(chip).to_contain_text("Developer")
    chip.get_by_role("link", name="Developer").first.click()
    dialog.get_by_role("radio", name="Viewer").check()
    expect(dialog.get_by_role("status")).to_contain_text("1 person loses create, update, share")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Dana Petrova is now Viewer.")).to_be_visible()
    assert tenant.grants.get(membership=colleague.membership).role.slug == "viewer"
    page.get_by_text("Dana Petrova is now Viewer.").locator("..").get_by_role("button", name="Undo").click()
    expect(chip).to_contain_text("Developer")


def test_deletion_wants_the_name(open_page, world):
    page = open_page("settings/")
    page.get_by_role("link", name="Delete…").click()
    button = page.get_by_role("dialog").get_by_role("button", name="Delete production")
    expect(button).to_be_disabled()
    page.get_by_label("Type production to confirm").fill("production")
    button.click()
    expect(page.get_by_text("production has been deleted.")).to_be_visible()


PATHS = ["", "members/", "members/?show=teams", "members/give/", "join/", "settings/", "delete/", "progress/"]
PATHS += ["log/", "runs/", *(f"runs/{RUN_ID}/?view={view}" for view in ("graph", "configuration", "metrics"))]


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_pages_are_accessible_and_fit(open_page, page, width, theme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    for path in PATHS:
        open_page(path)
        expect(page.get_by_text("Loading runs")).to_have_count(0)
        settled(page)
        found = violations(page)
        assert [(path, one["id"], one["nodes"][0]["html"]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
