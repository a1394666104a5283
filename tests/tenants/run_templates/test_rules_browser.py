"""Rules, runners and presets of a template in a real browser, wide and narrow, light and dark."""

import os

import pytest
from playwright.sync_api import expect

from orgs.users.models import Actor
from tenants.run_templates import presets
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.document.field_rules import FieldRule, RuleKind
from tenants.run_templates.document.parsed import Document
from tenants.run_templates.models import TemplateRun
from tests.browsing import LOOKS, Visits, problems

from .parameter_corpus import corpus_snapshot
from .test_views_browser import template  # noqa: F401 - fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("FORM_PICTURES")
P = "steps.models.parameters"
RULES_OF = [
    FieldRule(f"{P}.booster", RuleKind.LOCKED, ("learning_rate",), reason="releases go through review."),
    FieldRule(f"{P}.booster", RuleKind.RANGE, ("max_depth",), minimum=2, maximum=12),
]


@pytest.fixture
def ruled(template, server):  # noqa: F811
    """A template with nested values, rules and two presets."""
    template.snapshot = corpus_snapshot("models", "nullable")
    template.default_configuration = default_configuration(template.snapshot)
    template.field_rules = [rule.as_json() for rule in RULES_OF]
    template.save()
    document = Document.of(template).with_values({"enable_cache": False})
    for name, is_shared in (("Weekly full retrain", True), ("Quick check", False)):
        facts = {"template": template, "document": document, "name": name, "is_shared": is_shared}
        presets.save_preset(**facts, by=Actor(template.created_by))
    return template


@pytest.fixture
def visits(browser, live_server):
    found = Visits(browser, live_server.url)
    yield found
    found.end()
    assert found.errors == []


PAGES = {
    "rules": "rules/",
    "runners": "runners/",
    "form": "run/",
    "template": "",
    "preset": "presets/new/",
}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_is_accessible_and_fits(width, scheme, ruled, visits):
    wrong = {}
    for name, path in PAGES.items():
        page = visits.open(f"{ruled.get_absolute_url()}{path}", ruled.created_by, width, scheme)
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{scheme}-{width}.png", full_page=True)
        wrong[name] = problems(page)
    assert not any(wrong.values()), wrong


def test_a_rule_is_set_a_preset_saved_and_run_on_a_phone(ruled, visits):
    page = visits.open(f"{ruled.get_absolute_url()}rules/", ruled.created_by)
    row = page.locator(".rule", has_text="booster.max_depth")
    expect(row.get_by_label("Maximum")).to_have_value("12")
    row.get_by_role("combobox").select_option("Locked")
    expect(row.get_by_label("Maximum")).to_be_hidden()
    row.get_by_label("Reason").fill("deep trees are slow.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Presets")).to_be_visible()
    page.goto(page.url + "run/")
    expect(page.get_by_text("Locked: deep trees are slow.")).to_be_visible()
    expect(page.locator("[name$=max_depth]")).to_have_count(0)
    page.get_by_label("Use cached steps").uncheck()
    page.get_by_role("button", name="Save as preset").click()
    page.get_by_label("Name").fill("Without cache")
    page.get_by_role("button", name="Save preset").click()
    expect(page.get_by_text("Preset “Without cache” saved.")).to_be_visible()
    phone = visits.open(
        ruled.get_absolute_url(), ruled.created_by, width=390, java_script_enabled=False, has_touch=True
    )
    phone.get_by_role("button", name="Run preset Without cache").click()
    expect(phone.get_by_role("heading", name="nightly re-run 1")).to_be_visible()
    assert TemplateRun.objects.get().configuration["enable_cache"] is False


@pytest.mark.parametrize(("width", "scheme"), LOOKS[1:])
def test_a_sweep_says_its_number_and_ends_in_a_table(width, scheme, ruled, visits):
    page = visits.open(f"{ruled.get_absolute_url()}run/", ruled.created_by, width, scheme)
    page.get_by_role("button", name="Sweep…").click()
    page.get_by_label("Parameter 1", exact=True).select_option(label="nullable, text (text or none)")
    page.get_by_label("Values of parameter 1").fill("red\ngreen")
    page.get_by_role("button", name="Count the runs").click()
    expect(page.get_by_role("status").filter(has_text="2 runs")).to_be_visible()
    _pictured(page, "count", width, scheme)
    page.get_by_role("button", name="Start 2 runs").click()
    expect(page.get_by_role("heading", name="Sweep of text")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(3)
    _pictured(page, "results", width, scheme)
    assert TemplateRun.objects.filter(sweep__isnull=False).count() == 2


def _pictured(page, name, width, scheme):
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}-{scheme}-{width}.png", full_page=True)
    assert problems(page) == []
