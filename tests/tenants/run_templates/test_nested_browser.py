"""Values with an inside in a real browser: boxes, rows, keys and shapes, with and without scripts."""

import os

import pytest
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.models import TemplateRun
from tests.browsing import LOOKS, settled, violations

from .parameter_corpus import corpus_snapshot
from .test_views_browser import (  # noqa: F401 - fixtures
    signed_in,
    template,
    visit,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("FORM_PICTURES")


@pytest.fixture
def of_steps(template):  # noqa: F811
    """of_steps("models"): the template has these steps of the corpus."""

    def change(*steps):
        template.snapshot = corpus_snapshot(*steps)
        template.default_configuration = default_configuration(template.snapshot)
        template.save()

    return change


def problems_of(page):
    found = violations(page)
    return [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found]


@pytest.fixture
def page_in(template, live_server, new_context):  # noqa: F811
    """page_in(1440, "light"): the form in this look."""

    def go(width, scheme):
        look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
        context = new_context(**look, reduced_motion="reduce", bypass_csp=True)
        page = signed_in(context, template, live_server)
        page.goto(f"{live_server.url}{template.get_absolute_url()}run/")
        settled(page)
        return page

    return go


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_kind_of_box_is_accessible_and_fits(width, scheme, of_steps, page_in):
    of_steps("models", "unions", "dictionaries", "nullable", "secrets", "lists")
    page = page_in(width, scheme)
    if PICTURES:
        for number, card in enumerate(page.locator("details.card").all()):
            card.screenshot(path=f"{PICTURES}/nested-{number}-{scheme}-{width}.png")
    assert problems_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scripts", ["visit", "plain_form"])
def test_rows_are_added_filled_moved_and_removed(scripts, of_steps, request):
    of_steps("models")
    page = request.getfixturevalue(scripts)("run/")
    box = page.get_by_role("group", name="segments", exact=True)
    box.get_by_label("name", exact=True).first.fill("first")
    box.get_by_role("button", name="Add to segments").click()
    names = box.get_by_label("name", exact=True)
    expect(names).to_have_count(3)
    expect(names.first).to_have_value("first")
    names.nth(2).fill("third")
    box.get_by_label("min_rows").nth(2).fill("7")
    box.get_by_role("button", name="Move row 3 of segments up").click()
    expect(names.nth(1)).to_have_value("third")
    box.get_by_role("button", name="Remove row 1 of segments").click()
    expect(names).to_have_count(2)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="nightly re-run 1")).to_be_visible()
    sent = TemplateRun.objects.get().configuration["steps"]["models"]["parameters"]["segments"]
    assert [(row["name"], row["min_rows"]) for row in sent] == [("third", 7), ("all", 1)]


@pytest.mark.parametrize("scripts", ["visit", "plain_form"])
def test_a_shape_is_chosen_and_its_values_are_sent(scripts, of_steps, request):
    of_steps("unions")
    page = request.getfixturevalue(scripts)("run/")
    shape = page.get_by_label("Shape of marked", exact=True)
    shape.select_option("Forest")
    box = page.get_by_role("group", name="marked", exact=True)
    if scripts == "plain_form":
        box.get_by_role("button", name="Show").click()
    box.get_by_label("trees", exact=True).fill("9")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="nightly re-run 1")).to_be_visible()
    sent = TemplateRun.objects.get().configuration["steps"]["unions"]["parameters"]["marked"]
    assert sent == {"kind": "forest", "trees": 9, "depth": None}


def test_what_differs_and_what_is_wrong_inside_follows_while_typing(visit, of_steps):  # noqa: F811
    of_steps("models")
    page = visit("run/")
    rate = page.get_by_label("learning_rate", exact=True)
    rate.fill("0.3")
    box = page.get_by_role("group", name="booster", exact=True)
    expect(box.locator(".node-marks").first).to_contain_text("1 changed")
    expect(box).to_contain_text("was 0.1")
    rate.fill("7")
    expect(box).to_contain_text("Enter a number that is above 0 and at most 0.5.")
    expect(rate).to_have_attribute("aria-invalid", "true")
    box.get_by_role("button", name="Reset learning_rate").click()
    expect(page.get_by_label("learning_rate", exact=True)).to_have_value("0.1")
    expect(page.locator("#bar")).to_contain_text("0 of 6 values changed")


def test_rows_are_moved_with_the_keyboard_and_the_focus_stays(visit, of_steps):  # noqa: F811
    of_steps("dictionaries")
    page = visit("run/")
    box = page.get_by_role("group", name="texts", exact=True)
    down = box.get_by_role("button", name="Move row 1 of texts down")
    settled(page)
    down.focus()
    page.keyboard.press("Enter")
    expect(box.get_by_label("Key 1 of texts")).to_have_value("mrr")
    expect(down).to_be_focused()


@pytest.fixture
def plain_form(template, server, live_server, new_context):  # noqa: F811
    """plain_form("run/"): that page in a browser without scripts."""
    page = signed_in(new_context(java_script_enabled=False), template, live_server)

    def go(path):
        page.goto(f"{live_server.url}{template.get_absolute_url()}{path}")
        return page

    return go
