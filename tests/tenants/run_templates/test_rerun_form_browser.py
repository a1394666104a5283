"""The form of a re-run with very many values, and everything besides the values, in a real browser."""

import os

import pytest
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tests.browsing import LOOKS, Visits, problems, settled

from .samples import snapshot_of
from .test_views_browser import signed_in, template, visit  # noqa: F401 - fixtures

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("FORM_PICTURES")


def of_300_values():
    """Ten steps with thirty values each; only the last step has one named `depth`."""
    snapshot = snapshot_of({})
    configurations = snapshot["metadata"]["step_configurations"]
    one = configurations.pop("work")
    for step in range(10):
        names = [f"value_{number}" for number in range(29)] + ["depth" if step == 9 else "width"]
        schema = {name: {"type": "integer", "default": step * 100} for name in names}
        configurations[f"fan_{step}"] = {
            **one,
            "spec": {**one["spec"], "parameter_spec": {"type": "object", "properties": schema}},
            "config": {"parameters": dict.fromkeys(names, step * 100)},
        }
    return snapshot


@pytest.fixture
def large(template):  # noqa: F811
    template.snapshot = of_300_values()
    template.default_configuration = default_configuration(template.snapshot)
    template.save()


def test_search_finds_by_name_step_and_value_and_forgets_nothing(large, visit):  # noqa: F811
    page = visit("run/")
    settled(page)
    steps, search = page.locator("details[data-step]"), page.get_by_label("Search steps, names and values")
    open_ones = page.locator("details[data-step][open]")
    expect(steps.locator("visible=true").first).to_be_visible()
    expect(open_ones).to_have_count(0)
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("DEPTH")
    expect(page.locator("#finder")).to_contain_text("1 found")
    page.keyboard.press("Enter")
    depth = page.get_by_label("depth", exact=True)
    expect(depth).to_be_focused()
    depth.fill("77")
    expect(page.locator("#bar")).to_contain_text("1 of 300 values changed")
    for words, count in [("fan_3 value", 29), ("77", 1), ("fan_9 900", 29), ("no such", 0)]:
        search.fill(words)
        expect(page.locator("#finder")).to_contain_text(f"{count} found" if count else "Nothing matches")
        expect(page.locator(".params:not(.settings) > .field:visible")).to_have_count(count)
    settled(page)  # leaving the field had the values checked once more, which replaces the bar
    page.get_by_role("button", name="Undo depth").click()
    expect(page.locator("#bar")).to_contain_text("0 of 300 values changed")
    expect(search).to_have_value("no such")
    search.press("Escape")
    expect(open_ones).to_have_count(0)
    page.get_by_role("button", name="Expand all").click()
    expect(open_ones).to_have_count(11)
    page.get_by_role("button", name="Collapse all").click()
    page.locator("#step-list").get_by_role("link", name="fan_4").click()
    expect(page.locator("#s5")).to_have_attribute("open", "")


def test_a_reset_that_waits_for_a_check_is_not_lost(large, visit):  # noqa: F811
    """The answer to the check draws the button anew while its click waits: as on any slow connection."""
    page = visit("run/")
    settled(page)
    depth, held = page.locator("[name='steps.fan_9.parameters.depth']"), []
    page.get_by_role("button", name="Expand all").click()
    depth.fill("77")
    expect(page.locator("#bar")).to_contain_text("1 of 300 values changed")
    settled(page)
    page.route("**/run/", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/run/"):
        depth.fill("78")
    page.get_by_role("button", name="Undo depth").click()
    held[0].continue_()
    expect(page.locator("#bar")).to_contain_text("0 of 300 values changed")
    expect(depth).to_have_value("900")


CHANGED = 'run/?steps.train.parameters.rounds=600&retry={"max_retries":2}&tags=["weekly","full"]'
CHANGED += '&steps.train.settings={"resources":{"memory":"much"}}'
STATES = {"form": CHANGED, "yaml": f"{CHANGED}&tab=yaml", "diff": f"{CHANGED}&tab=diff"}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_state_is_accessible_and_fits(template, server, live_server, browser, width, scheme):  # noqa: F811
    visits = Visits(browser, live_server.url)
    for name, path in STATES.items():
        page = visits.open(template.get_absolute_url() + path, template.created_by, width, scheme)
        page.set_viewport_size({"width": width, "height": 3600})
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{scheme}-{width}.png", full_page=True)
        assert problems(page) == [], name
    page.get_by_role("button", name="Fill from", exact=True).click()
    page.get_by_role("button", name="Another run of").click()
    expect(page.get_by_role("heading", name="Fill from a run of")).to_be_focused()
    assert problems(page) == []
    page.get_by_role("button", name="Fill from churn", exact=False).first.click()
    expect(page.get_by_role("status").filter(has_text="gave way")).to_be_focused()
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/filled-{scheme}-{width}.png", full_page=True)
    assert problems(page) == []
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#bar")).to_contain_text("4 of 22 values changed")
    visits.end()
    assert visits.errors == []


def writer(page, editor):
    """write("one line", "another"): in place of all there is."""

    def write(*lines):
        editor.press("Control+a")
        page.keyboard.press("Delete")
        for number, line in enumerate(lines):
            page.keyboard.press("Enter") if number else None
            page.keyboard.type(line)

    return write


def test_the_editor_keeps_to_the_policy_marks_lines_and_is_one_with_the_form(visit):  # noqa: F811
    page = visit("run/?tab=yaml")
    editor = page.get_by_label("Configuration as YAML").and_(page.locator(".cm-content"))
    write = writer(page, editor)
    write("# mine", "steps: {train: {parameters: {rounds: 0}}}")
    expect(page.locator("#bar")).to_contain_text("line 2")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    write("steps: [")
    expect(page.locator("#bar")).to_contain_text("Did not find expected node content")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    write("# mine", "steps: {train: {parameters: {rounds: 7}}}")
    expect(page.locator("#bar")).to_contain_text("1 of 19 values changed")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    assert started.value.suggested_filename == "nightly.yaml"
    assert started.value.path().read_text().startswith("# mine\nsteps:")
    editor.press("Tab")
    expect(editor).not_to_be_focused()
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_label("rounds", exact=True)).to_have_value("7")
