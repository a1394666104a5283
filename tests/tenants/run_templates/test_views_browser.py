"""The form of a re-run in a real browser, with and without scripts."""

import pytest
from django.test import Client
from factories import make_grant, make_member, make_org, make_template, make_template_run, make_tenant
from playwright.sync_api import expect

from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine.run_environments import RunEnvironments, needs_in
from tenants.run_templates.models import TemplateRun
from tests.browsing import LOOKS, violations
from tests.tenants.runs.fakes import PROJECT, RUN_ID, churn

from .samples import snapshot_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SNAPSHOT = churn("snapshot")
MAXIMUM = "steps.load_customers.parameters.max_customers"


@pytest.fixture
def template(transactional_db):
    org = make_org("Acme AI")
    owner = make_member(org, "admin", name="Ada Okafor")
    tenant = make_tenant(org, "production", name="production", project_id=PROJECT["id"])
    make_grant(tenant, owner, "admin", giver=owner)
    default = default_configuration(SNAPSHOT)
    return make_template(
        tenant, "nightly", snapshot=SNAPSHOT, default_configuration=default, created_by=owner
    )


def signed_in(context, template, live_server):
    client = Client()
    client.force_login(template.created_by)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
    context.add_cookies([cookie])
    return context.new_page()


@pytest.fixture
def visit(template, server, live_server, context):
    """visit("run/"): that page of the template; console errors fail the test."""
    page, errors = signed_in(context, template, live_server), []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def go(path=""):
        page.goto(f"{live_server.url}{template.get_absolute_url()}{path}")
        return page

    yield go
    assert errors == []


@pytest.fixture
def plain(template, server, live_server, new_context):
    """The page of a browser without scripts."""
    page = signed_in(new_context(java_script_enabled=False), template, live_server)
    page.goto(f"{live_server.url}{template.get_absolute_url()}run/")
    return page


def test_bar_marks_and_steps_follow_while_typing(visit):
    page = visit("run/")
    rounds = page.get_by_label("rounds", exact=True)
    rounds.fill("600")
    expect(page.locator("#bar")).to_contain_text("1 of 19 values changed")
    expect(rounds).to_be_focused()
    expect(page.locator("#step-list")).to_contain_text("1 changed")
    expect(page.locator(".field", has=rounds)).to_contain_text("was 120")
    rounds.fill("0")
    expect(page.locator(".field", has=rounds)).to_contain_text("Enter a whole number from 1 to 1000.")
    expect(rounds).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Undo rounds").click()
    expect(page.locator("#bar")).to_contain_text("0 of 19 values changed")
    expect(rounds).to_have_value("120")
    assert not TemplateRun.objects.exists()


def test_tabs_show_one_document(visit):
    page = visit("run/")
    page.get_by_label("Add a value").first.fill("mars")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="YAML", exact=True).click()
    expect(page.get_by_label("Configuration as YAML")).to_contain_text("- mars")
    page.get_by_role("button", name="Diff").click()
    expect(page.get_by_role("row", name="regions")).to_contain_text("north, south, east, west, mars")
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.locator(".chip-input").first).to_contain_text("mars")


def test_uploaded_file_fills_the_yaml(visit):
    page = visit("run/")
    content = b"steps:\n  train:\n    parameters: {rounds: 77}\n"
    page.locator("input[type=file]").set_input_files(
        {"name": "c.yaml", "mimeType": "text/yaml", "buffer": content}
    )
    expect(page.locator("#yaml")).to_have_value(content.decode())
    expect(page.locator("#bar")).to_contain_text("1 of 19 values changed")
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_label("rounds", exact=True)).to_have_value("77")


def test_no_value_is_ticked_and_unticked_by_writing(visit):
    page = visit("run/")
    limit, tick = page.get_by_label("max_customers", exact=True), page.locator(f'[name="{MAXIMUM}.none"]')
    limit.fill("500")
    expect(tick).not_to_be_checked()
    expect(page.locator("#bar")).to_contain_text("1 of 19 values changed")
    tick.check()
    expect(limit).to_have_value("")
    expect(page.locator("#bar")).to_contain_text("0 of 19 values changed")


def test_ticking_a_choice_unticks_no_value_and_the_other_way_round(visit, template):
    choices = {"type": "array", "items": {"enum": ["p", "q"]}}
    snapshot = snapshot_of({"maybe": {"anyOf": [choices, {"type": "null"}], "default": None}})
    template.snapshot, template.default_configuration = snapshot, default_configuration(snapshot)
    template.save()
    page = visit("run/")
    choice, tick = page.get_by_label("q", exact=True), page.locator('[name$=".none"]')
    choice.check()
    expect(tick).not_to_be_checked()
    expect(page.locator("#bar")).to_contain_text("1 of 1 value changed")
    tick.check()
    expect(choice).not_to_be_checked()
    expect(page.locator("#bar")).to_contain_text("0 of 1 value changed")


def test_enter_never_runs_anything(visit):
    page = visit("run/")
    page.get_by_label("Run name").fill("mine-{time}")
    page.keyboard.press("Enter")
    page.get_by_label("rounds", exact=True).fill("600")
    page.keyboard.press("Enter")
    expect(page.locator("#bar")).to_contain_text("1 of 19 values changed")
    expect(page.get_by_label("Run name")).to_have_value("mine-{time}")
    assert not TemplateRun.objects.exists()


def test_waiting_run_moves_to_its_live_page_by_itself(visit, template):
    page = visit("run/")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="nightly re-run 1")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("Queued")
    TemplateRun.objects.update(state="preparing")
    expect(page.locator("li.now")).to_contain_text("Preparing")
    TemplateRun.objects.update(state="running", zenml_run_id=RUN_ID)
    page.wait_for_url(f"**/runs/{RUN_ID}/")
    zoom = page.get_by_role("group", name="Zoom")
    expect(zoom).to_have_css("display", "flex")  # its styles and its script came along
    zoom.get_by_role("button", name="Zoom in").click()
    expect(zoom).not_to_contain_text("100 %")


def test_everything_works_without_scripts(plain):
    plain.get_by_label("rounds", exact=True).fill("600")
    plain.get_by_label("regions", exact=True).fill("north\nmars")
    plain.get_by_role("button", name="Diff").click()
    expect(plain.locator("#bar")).to_contain_text("2 of 19 values changed")
    plain.get_by_role("button", name="YAML", exact=True).click()
    text = plain.get_by_label("Configuration as YAML")
    text.fill(text.input_value().replace("rounds: 600", "rounds: 0"))
    plain.get_by_role("button", name="Run", exact=True).click()
    expect(plain.get_by_role("alert")).to_contain_text("train, rounds: Enter a whole number from 1 to 1000.")
    text.fill(text.input_value().replace("rounds: 0", "rounds: 700"))
    plain.get_by_role("button", name="Form", exact=True).click()
    plain.get_by_role("button", name="Reset regions").click()
    expect(plain.locator("#bar")).to_contain_text("1 of 19 values changed")
    plain.get_by_role("button", name="Run", exact=True).click()
    expect(plain.get_by_role("heading", name="nightly re-run 1")).to_be_visible()
    assert [change["after"] for change in TemplateRun.objects.get().changes] == [700]


COVERED = """() => {
  const here = document.activeElement, bar = document.querySelector('.dock .actions')
  if (!here.closest('main') || here.closest('.dock')) return ''
  return here.getBoundingClientRect().bottom > bar.getBoundingClientRect().top + 1 ? here.outerHTML : ''
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_what_has_the_focus_is_never_under_the_bar(width, visit):
    page = visit("run/")
    page.set_viewport_size({"width": width, "height": 500})
    page.get_by_role("button", name="Run", exact=True).focus()
    covered = []
    for _ in range(40):
        page.keyboard.press("Tab")
        covered.append(page.evaluate(COVERED))
    assert [*filter(None, covered)] == []


def unfold(page):
    """What comes after the history is folded at first, and a link to something in it opens it."""
    expect(page.get_by_text("Add code")).to_be_hidden()
    page.get_by_role("link", name="Code v1").click()
    expect(page.get_by_text("Add code")).to_be_visible()
    page.get_by_role("heading", name="Parameters").click()
    expect(page.get_by_role("link", name="Edit rules")).to_be_visible()
    page.get_by_role("heading", name="Environment").click()


@pytest.mark.parametrize(("width", "theme"), LOOKS)
def test_pages_have_no_axe_findings(theme, width, visit, template):
    make_template_run(template, person=template.created_by, state="failed", state_reason="No such package.")
    make_template_run(template, person=template.created_by, state="completed", zenml_run_id=RUN_ID)
    new = f"../new/?run={RUN_ID}"
    wrong = "run/?steps.train.parameters.rounds=0&steps.load_customers.parameters.regions=7"
    paths = [
        "",
        "run/",
        wrong,
        "run/?tab=yaml",
        f"{wrong}&tab=diff",
        "edit/",
        "delete/",
        "runs/1/",
        "../",
        new,
    ]
    for path in paths:
        page = visit(path)
        page.emulate_media(color_scheme=theme)
        # As tall as the form, or what lies half under the bar at the bottom would count as too small to hit.
        page.set_viewport_size({"width": width, "height": 5000})
        if not path:
            unfold(page)
        found = violations(page)
        assert [(path, one["id"], one["nodes"][0]["html"]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_log_of_an_environment_that_failed_can_be_read(visit, template, settings, tmp_path, width, theme):
    settings.ZENPRO_DATA = tmp_path
    type(template).objects.update(
        requirements="pandas==2.2\na-package-with-a-long-name-that-nobody-has-made==1"
    )
    template.refresh_from_db()
    environments = RunEnvironments()
    key = environments.key(*needs_in(template.tenant, template.requirements))
    environments.folder.mkdir()
    environments.log(key).write_text("".join(f"line {number} {'x' * 200}\n" for number in range(300)))
    environments._note(key, "“docopt” has no ready-made package (wheel) that fits.")
    page = visit()
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 3000})
    section = page.locator("#environment")
    expect(section).to_contain_text("“docopt” has no ready-made package (wheel) that fits.")
    expect(section.get_by_label("Last 200 lines of the log")).to_contain_text("line 299")
    expect(section.get_by_role("button", name="Copy log")).to_be_visible()
    found = violations(page)
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
