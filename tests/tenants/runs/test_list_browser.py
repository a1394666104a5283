"""The list of runs in a browser: searching while typing, filters, ticks."""

import re

import pytest
from factories import make_grant, make_member, make_org, make_template, make_tenant
from playwright.sync_api import expect

from tests.browsing import LOOKS, picture, problems, settled
from tests.tenants.runs.fakes import PROJECT

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tenant(transactional_db):
    tenant = make_tenant(make_org("Acme AI"), "production", name="production", project_id=PROJECT["id"])
    make_template(tenant, name="nightly-churn")
    return tenant


@pytest.fixture
def ada(tenant):
    ada = make_member(tenant.organization, "admin", name="Ada Okafor", username="admin")
    make_grant(tenant, ada, "admin", giver=ada)
    return ada


@pytest.fixture
def many(server):
    for number in range(4, 25):
        server.add_run(name=f"churn-{number}", status="failed" if number % 5 == 0 else "completed")
    return server


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_list_is_searched_while_typing_and_filtered(visits, many, tenant, ada, width, scheme):
    page = visits.open(f"{tenant.get_absolute_url()}runs/", ada, width, scheme)
    expect(page.get_by_role("link", name="churn-4", exact=True)).to_be_visible()
    assert problems(page) == []
    picture(page, f"runs-{scheme}-{width}")
    page.get_by_role("searchbox", name="Search by name").press_sequentially("churn-1")
    expect(page.get_by_role("link", name="churn-4", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="churn-14", exact=True)).to_be_visible()
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Status").select_option("Failed")
    expect(page).to_have_url(re.compile("status=failed"))
    expect(page.get_by_role("link", name="churn-14", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="churn-15", exact=True)).to_be_visible()
    picture(page, f"runs-filter-{scheme}-{width}")
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Remove the filter Name churn-1").click()
    expect(page.get_by_role("link", name="churn-5", exact=True)).to_be_visible()
    settled(page)
    assert problems(page) == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_two_to_six_runs_are_ticked_to_compare(visits, many, tenant, ada, width, scheme):
    many.half_way()
    page = visits.open(f"{tenant.get_absolute_url()}runs/", ada, width, scheme)
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_hidden()
    page.get_by_label("Select churn-4", exact=True).focus()
    page.keyboard.press("Space")
    expect(compare).to_be_disabled()
    page.get_by_label("Select churn-6", exact=True).check()
    page.get_by_label("Select churn-7", exact=True).check()
    expect(compare).to_have_text("Compare 3 runs")
    assert problems(page) == []
    picture(page, f"runs-ticked-{scheme}-{width}")
    with page.expect_response(re.compile("/runs/")):
        pass  # the list is fetched again while a run goes on
    settled(page)
    expect(page.get_by_label("Select churn-6", exact=True)).to_be_checked()
    expect(compare).to_have_text("Compare 3 runs")
    for number in (8, 9, 10, 11):
        page.get_by_label(f"Select churn-{number}", exact=True).check()
    expect(compare).to_be_disabled()
    page.get_by_label("Select churn-11", exact=True).uncheck()
    expect(compare).to_be_enabled()
    page.get_by_role("button", name="Clear").click()
    expect(compare).to_be_hidden()


def test_comparing_is_a_plain_form(visits, many, tenant, ada):
    page = visits.open(f"{tenant.get_absolute_url()}runs/", ada, java_script_enabled=False, bypass_csp=False)
    names = ("churn-4", "churn-6")
    ids = [page.get_by_label(f"Select {name}", exact=True).get_attribute("value") for name in names]
    for name in names:
        page.get_by_label(f"Select {name}", exact=True).check()
    page.route("**/compare/*", lambda route: route.fulfill(body="compared"))
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url(
        f"{visits.url}{tenant.get_absolute_url()}runs/compare/?run={ids[0]}&run={ids[1]}"
    )


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_columns_are_chosen_in_a_dialog(visits, many, tenant, ada, width, scheme):
    page = visits.open(f"{tenant.get_absolute_url()}runs/?status=completed", ada, width, scheme)
    page.get_by_role("link", name="Columns").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("training_auc").check()
    dialog.get_by_label("rounds").check()
    assert problems(page) == []
    picture(page, f"runs-columns-{scheme}-{width}")
    dialog.get_by_role("button", name="Show columns").click()
    expect(page.get_by_text("0.8492").first).to_be_visible()
    expect(page).to_have_url(re.compile("status=completed"))
    assert problems(page) == []
    picture(page, f"runs-with-columns-{scheme}-{width}")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_tags_are_changed_in_place(visits, many, tenant, ada, width, scheme):
    page = visits.open(f"{tenant.get_absolute_url()}runs/?q=churn-1", ada, width, scheme)
    page.get_by_role("link", name="Edit the tags of churn-12").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_role("textbox", name="Add a tag")
    field.fill("baseline")
    field.press("Enter")
    field.fill("for the paper")
    field.press("Enter")
    assert problems(page) == []
    picture(page, f"runs-tags-{scheme}-{width}")
    dialog.get_by_role("button", name="Save tags").click()
    expect(page.get_by_role("link", name="for the paper")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=churn-1$"))
    expect(page.get_by_role("link", name="Columns")).to_be_visible()
    assert problems(page) == []
    picture(page, f"runs-tagged-{scheme}-{width}")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_filters_are_saved_as_a_view(visits, many, tenant, ada, width, scheme):
    page = visits.open(f"{tenant.get_absolute_url()}runs/?status=failed", ada, width, scheme)
    page.get_by_role("link", name="Save view").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Failed runs")
    dialog.get_by_role("button", name="Save view").click()
    tab = page.get_by_role("navigation", name="Saved views").get_by_role("link", name="Failed runs")
    expect(tab).to_have_attribute("aria-current", "page")
    assert problems(page) == []
    picture(page, f"runs-views-{scheme}-{width}")
    page.get_by_role("link", name="Save view").click()
    expect(dialog.get_by_role("button", name="Rename Failed runs")).to_be_visible()
    assert problems(page) == []
    picture(page, f"runs-views-dialog-{scheme}-{width}")
    dialog.get_by_role("button", name="Delete Failed runs").click()
    expect(tab).to_have_count(0)


def test_filters_work_without_scripts(visits, many, tenant, ada):
    page = visits.open(f"{tenant.get_absolute_url()}runs/", ada, java_script_enabled=False, bypass_csp=False)
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Status").select_option("Failed")
    page.get_by_role("button", name="Show runs").click()
    expect(page.get_by_role("link", name="churn-5", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="churn-14", exact=True)).to_have_count(0)
