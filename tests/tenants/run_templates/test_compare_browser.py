"""The comparison in a real browser, with and without scripts."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tests.browsing import LOOKS, problems, tab_to
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

from .test_compare_views import other_run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SNAPSHOT = churn("snapshot")


@pytest.fixture
def template(transactional_db):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor", username="admin")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    default = default_configuration(SNAPSHOT)
    return make_template(
        tenant,
        "nightly",
        pipeline_name="churn",
        snapshot=SNAPSHOT,
        default_configuration=default,
        created_by=owner,
    )


@pytest.fixture
def address(template, server):
    """Three runs: one that lasted longer and did better, and one that failed."""
    better, failed = other_run(server), other_run(server, rounds=60, auc=0.71)
    server.run_answers[str(better)]["metadata"]["end_time"] = "2026-11-23T14:17:06"
    for step in server.step_answers[str(better)]["items"]:
        if step["name"] == "train":
            step["body"]["end_time"] = "2026-11-23T14:17:05"
    server.fail("evaluate", run_id=failed)
    server.step_answers[str(failed)]["items"] = [
        step for step in server.step_answers[str(failed)]["items"] if step["name"] != "profile"
    ]
    server.add_run(index=4)
    make_template_run(template, template.created_by, zenml_run_id=better)
    tenant = template.tenant
    page = reverse("tenants:compare", args=[tenant.organization.slug, tenant.slug])
    return f"{page}?run={RUN_ID}&run={better}&run={failed}"


@pytest.mark.parametrize("width, scheme", LOOKS)
def test_looks(visits, template, address, width, scheme):
    page = visits.open(address, template.created_by, width=width, scheme=scheme)
    expect(page.get_by_role("heading", name="Compare 3 runs")).to_be_visible()
    assert problems(page) == []
    page.get_by_role("button", name="Add run").click()
    expect(page.get_by_label("Run of this pipeline")).to_be_visible()
    assert problems(page) == []


def test_a_phone_shows_the_baseline_and_another_run_side_by_side(visits, template, address):
    page = visits.open(address.rpartition("&")[0], template.created_by, width=390)
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    box = page.locator("td.differs").first.bounding_box()
    assert 0 < box["x"] and box["x"] + box["width"] <= 390
    heads = [page.locator(row).bounding_box()["height"] for row in (".compare thead", ".compare .about")]
    assert sum(heads) < 260, "Half a screen before the first value."
    page.get_by_role("button", name="More for").first.click()
    expect(page.get_by_role("link", name="Save as preset")).to_be_visible()
    assert problems(page) == []


def test_by_keyboard_the_rows_fold_and_the_baseline_moves(visits, template, address):
    page = visits.open(address, template.created_by)
    fold = page.get_by_role("link", name="Parameters")
    tab_to(page, fold)
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_text("rounds", exact=True)).to_have_count(0)
    page.get_by_role("link", name="All rows").click()
    expect(page.get_by_role("link", name="All rows")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="Make baseline").first.click()
    expect(page.get_by_role("columnheader").first).not_to_contain_text("Make baseline")
    page.go_back()
    expect(page.get_by_role("link", name="Make baseline").first).to_be_visible()


def test_without_scripts_a_run_is_added_and_another_is_made_the_default(visits, template, address):
    page = visits.open(address, template.created_by, java_script_enabled=False)
    page.get_by_role("button", name="Add run").click()
    page.get_by_label("Run of this pipeline").select_option(index=1)
    page.locator("#add-run").get_by_role("button", name="Add run").click()
    expect(page.get_by_role("heading", name="Compare 4 runs")).to_be_visible()
    page.get_by_role("button", name="More for").nth(2).click()
    page.get_by_role("link", name="Make it the default").click()
    page.get_by_role("button", name="Make it the default").click()
    expect(page.get_by_text("now begins with the values of that run")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("has its earlier default values again")).to_be_visible()
