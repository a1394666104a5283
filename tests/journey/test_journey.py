"""The main job, as a person does it in a browser against real ZenML servers. The tests build on each other.

With ZENPRO_SCREENSHOTS set to a folder, each step leaves a picture there; docs/images is made so.
"""

import email
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browsing import settled, violations

from .installation import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.zenml, pytest.mark.enable_socket]

# A colour in the middle of a fade is nobody's colour.
SETTLED = """() => Promise.all(document.getAnimations()
    .filter(one => one.effect.getTiming().iterations !== Infinity).map(one => one.finished.catch(() => {})))"""
LONG = 600_000  # milliseconds for what a server does
EXAMPLE = Path(__file__).parents[2] / "examples" / "churn"
COLLEAGUE = "grace@example.org"
PASSWORD = "a long and honest sentence"
STEPS = ("load_customers", "build_features", "profile", "train", "evaluate")


class Visitor:
    """One person with a browser of their own, and everything that went wrong in it."""

    def __init__(self, browser, base: str, **options):
        """`options`: of the browser's context, a desktop's unless they say so."""
        options = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"} | options
        self.context = browser.new_context(base_url=base, **options)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.troubles = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self._request(request.url, base))

    def _console(self, message):
        """The browser's own line about an answer that was meant to be a refusal is no trouble."""
        if message.type == "error" and "the server responded with a status of 4" not in message.text:
            self.troubles.append(message.text)

    def _request(self, url: str, base: str):
        if not url.startswith((base, "data:", "blob:")):
            self.troubles.append(f"asked another host: {url}")

    def seen(self, name: str):
        """The page has no accessibility finding and no error; it may leave a picture."""
        settled(self.page)
        self.page.evaluate(SETTLED)
        self._dock("static")
        found = [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in violations(self.page)]
        self._dock("")
        assert found == [], f"{name}: {found}"
        assert self.troubles == [], f"{name}: {self.troubles}"
        if folder := os.environ.get("ZENPRO_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")
            # It leaves empty style attributes behind, which htmx would copy against the policy.
            self.page.evaluate(
                "document.querySelectorAll('[style=\"\"]').forEach(node => node.removeAttribute('style'))"
            )

    def _dock(self, position: str):
        """What the bar at the bottom covers for the moment counts as too small a target; a scroll uncovers it."""
        self.page.evaluate(
            "position => document.querySelectorAll('.dock').forEach(bar => {"
            " bar.style.position = position; if (!position) bar.removeAttribute('style'); })",
            position,
        )


@pytest.fixture(scope="module")
def admin(installed, browser):
    visitor = Visitor(browser, installed.url)
    visitor.page.goto(installed.sign_in_link)
    visitor.seen("01-first-sign-in")
    visitor.page.get_by_role("button", name="Sign in").click()
    visitor.page.wait_for_url("**/o/demo/")
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def colleague(installed, browser):
    visitor = Visitor(browser, installed.url)
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def remembered():
    """What one test leaves for the next."""
    return {}


def test_a_stranger_is_asked_to_sign_in(installed, browser):
    visitor = Visitor(browser, installed.url)
    visitor.page.goto("/o/demo/")
    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    visitor.seen("02-sign-in")
    visitor.context.close()


def test_the_home_shows_the_tenant(admin):
    admin.page.goto("/o/demo/")
    row = admin.page.get_by_role("row", name=re.compile("demo"))
    expect(row).to_contain_text("Available")
    admin.seen("03-home")


def test_the_tenant_says_how_to_connect(admin):
    admin.page.goto("/o/demo/t/demo/")
    main = admin.page.get_by_role("main")
    expect(main).to_contain_text("0.98.0")
    expect(main).to_contain_text("zenml login http://127.0.0.1:")
    admin.seen("04-tenant")


def test_a_new_tenant_is_followed_until_it_works(admin):
    page = admin.page
    page.goto("/o/demo/t/new/")
    page.get_by_label("Name", exact=True).fill("research")
    admin.seen("05-new-tenant")
    page.get_by_role("main").get_by_role("button", name="Create").click()
    page.wait_for_url("**/progress/")
    admin.seen("06-tenant-progress")
    expect(page.get_by_role("main")).to_contain_text("Available", timeout=LONG)
    page.goto("/o/demo/t/research/")
    expect(page.get_by_role("main")).to_contain_text("Available")


def test_the_recorded_run_has_graph_steps_and_log(admin, remembered):
    page = admin.page
    page.goto("/o/demo/t/demo/runs/")
    admin.seen("07-runs")
    page.get_by_role("main").get_by_role("link", name=re.compile("^churn-")).last.click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
    main = page.get_by_role("main")
    for step in STEPS:
        expect(main.get_by_role("link", name=re.compile(step)).first).to_be_visible()
    expect(main).to_contain_text("accuracy")
    admin.seen("08-run")
    remembered["run"] = page.url


def test_code_is_pushed_from_a_terminal_and_checked(admin, remembered, tmp_path):
    """The command of the page, pasted where the code is."""
    page = admin.page
    page.goto(remembered["run"])
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("link", name="Create template").click()
    page.get_by_role("link", name="Add other code").click()
    page.get_by_role("link", name="Folder on the server").click()
    page.get_by_label("Folder").fill("/nowhere/at/all")
    page.get_by_role("button", name="Add and check").click()
    expect(page.get_by_role("main").get_by_role("alert").first).to_be_visible()
    page.get_by_role("link", name="Push from a terminal").click()
    admin.seen("09-add-code")
    page.get_by_role("button", name="Make the command").click()
    expect(page.get_by_text("Waiting for the code.")).to_be_visible()
    admin.seen("09-push-code")
    command = page.get_by_role("button", name="Copy command").last.get_attribute("data-copy")
    folder = shutil.copytree(EXAMPLE, tmp_path / "churn")
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
    assert "Check it here" in done.stdout, done.stdout + done.stderr
    page.get_by_role("link", name="Check it").click()
    expect(page.get_by_text("same as in the run")).to_have_count(5)
    admin.seen("09-check-code")
    page.get_by_role("button", name="Use this code").click()
    page.wait_for_url(re.compile("/templates/new/"))
    remembered["new"] = page.url


def test_a_template_is_made_of_the_run(admin, remembered):
    page = admin.page
    page.goto(remembered["new"])
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("button", name="Create template").click()
    expect(page.get_by_role("main").get_by_role("alert").first).to_be_visible()
    page.get_by_label("Name", exact=True).fill("churn by hand")
    admin.seen("09-new-template")
    page.get_by_role("button", name="Create template").click()
    page.wait_for_url(re.compile(r"/templates/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("heading", name="churn by hand")).to_be_visible()
    expect(page.locator("#code")).to_contain_text("v2")
    admin.seen("10-template")
    remembered["template"] = page.url


def test_a_wrong_value_is_refused_at_its_field(admin, remembered):
    page = admin.page
    page.goto(remembered["template"] + "run/")
    page.get_by_role("spinbutton", name="rounds").fill("5000")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("Nothing was started")
    expect(page.get_by_role("spinbutton", name="rounds")).to_have_value("5000")
    admin.seen("11-refused")


def test_two_values_change_and_the_run_is_followed(admin, remembered, installed):
    page = admin.page
    page.goto(remembered["template"] + "run/")
    page.get_by_role("combobox", name="kind").select_option("stumps")
    page.get_by_role("spinbutton", name="rounds").fill("700")
    expect(page.locator("#bar")).to_contain_text("2 of 19 values changed")
    admin.seen("12-run-form")
    page.get_by_role("button", name="Diff").click()
    expect(page.get_by_role("row", name="kind").first).to_contain_text("stumps")
    admin.seen("13-diff")
    page.get_by_role("button", name="YAML", exact=True).click()
    expect(page.locator("textarea").first).to_have_value(re.compile("rounds: 700"))
    admin.seen("14-yaml")
    page.get_by_role("button", name="Run", exact=True).click()
    # The page goes on by itself, from the place in the queue to the end; what it was on the way is in the record.
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"), timeout=LONG)
    expect(page.locator(".head-title")).to_contain_text("Completed", timeout=LONG)
    admin.seen("15-run-completed")
    remembered["rerun"] = re.search(r"/runs/([0-9a-f-]{36})/", page.url)[1]


def test_the_way_of_the_run_is_in_its_record(remembered, installed):
    """Which has the end a little later than the tenant, whose state the page shows: once the process is gone."""
    state, times, steps = installed.ask(
        "import time\nfrom tenants.run_templates.models import TemplateRun\n"
        "from tenants.runs.connection import connect\n"
        f"run = TemplateRun.objects.get(zenml_run_id='{remembered['rerun']}')\n"
        "deadline = time.monotonic() + 120\n"
        "while not run.has_ended and time.monotonic() < deadline:\n"
        "    time.sleep(0.1)\n    run.refresh_from_db()\n"
        "client = connect(run.created_by, run.template.tenant)\n"
        "answer = [run.state, [run.queued_at, run.started_at, run.ended_at],"
        " [[step.name, step.status, step.start, step.end] for step in client.steps(run.zenml_run_id)]]"
    )
    assert state == "completed"
    assert times == sorted(times) and None not in times
    found = {name: status for name, status, *_ in steps}
    assert found.keys() == set(STEPS) and set(found.values()) <= {"completed", "cached"}
    assert found["train"] == found["evaluate"] == "completed", "Its values are others than before."
    assert all(begin and end and begin <= end for *_, begin, end in steps)


def test_the_run_is_theirs_and_has_exactly_those_values(remembered, installed):
    inside = installed.ask(
        "from tenants.models import Tenant\nfrom tenants.runs.connection import connect\n"
        "t = Tenant.objects.get(slug='demo')\nclient = connect(t.created_by, t)\n"
        f"run = client.run('{remembered['rerun']}')\n"
        f"steps = {{s.name: s.parameters for s in client.steps('{remembered['rerun']}')}}\n"
        "first = client.steps(sorted(client.runs(t.project_id, size=50).items, key=lambda r: r.created)[0].id)\n"
        "answer = [run.user, t.created_by.username, steps, {s.name: s.parameters for s in first}]"
    )
    user, username, after, before = inside
    assert user == username
    assert after["train"] == before["train"] | {"kind": "stumps", "rounds": 700}
    assert {step: after[step] for step in before if step != "train"} == {
        step: before[step] for step in before if step != "train"
    }


def test_a_colleague_is_invited_by_mail(admin, installed, remembered):
    page = admin.page
    page.goto("/o/demo/teams/new/")
    page.get_by_label("Name", exact=True).fill("risk-ml")
    page.get_by_role("main").get_by_role("button", name=re.compile("Create")).click()
    expect(page.get_by_role("heading", name="risk-ml")).to_be_visible()
    admin.seen("16-team")
    page.goto("/o/demo/invitations/new/")
    main = page.get_by_role("main")
    main.get_by_label("Email addresses").fill(f"{COLLEAGUE}, not-an-address")
    main.get_by_label(re.compile("^Member")).check()
    main.get_by_label("risk-ml").check()
    main.get_by_text("Roles on tenants").click()
    main.get_by_label("demo", exact=True).select_option(label="Viewer")
    admin.seen("17-invite")
    main.get_by_role("button", name=re.compile("Send|invitation", re.IGNORECASE)).last.click()
    expect(main).to_contain_text("Invalid address")
    admin.seen("18-invited")
    link = main.locator("code", has_text="/invite/").inner_text().strip()
    mail = wait_for(lambda: installed.mailbox.mails and installed.mailbox.mails[-1])
    assert mail[0] == [COLLEAGUE]
    parts = [part for part in email.message_from_string(mail[1]).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert all(link in part.get_payload(decode=True).decode() for part in parts)
    page.goto("/o/demo/members/")
    admin.seen("19-members")
    remembered["link"] = link


def test_the_colleague_accepts_and_sees_that_tenant_only(colleague, remembered):
    page = colleague.page
    page.goto(remembered["link"])
    expect(page.get_by_role("main")).to_contain_text("Team risk-ml")
    expect(page.get_by_role("main")).to_contain_text("Viewer on demo")
    colleague.seen("20-invitation")
    page.get_by_label("Your name").fill("Grace Hopper")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name=re.compile("Accept")).click()
    page.wait_for_url("**/o/demo/")
    expect(page.get_by_role("main")).to_contain_text("demo")
    expect(page.get_by_text("research")).to_have_count(0)
    colleague.seen("21-colleague-home")
    assert page.request.get("/o/demo/t/research/").status == 404
    assert page.request.get(remembered["link"]).status == 404


def test_a_viewer_sees_the_template_and_may_not_run_it(colleague, remembered, installed):
    page = colleague.page
    page.goto(remembered["template"])
    expect(page.get_by_role("heading", name="churn by hand")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Run with changes")).to_have_count(0)
    colleague.seen("22-viewer-template")
    page.goto(remembered["template"] + "run/")
    expect(page.get_by_role("main")).to_contain_text("You can't run templates in demo.")
    token = page.context.cookies()
    csrf = next(cookie["value"] for cookie in token if cookie["name"] == "csrftoken")
    answer = page.request.post(
        remembered["template"] + "run/",
        form={"do": "run", "csrfmiddlewaretoken": csrf},
        headers={"Referer": installed.url},
    )
    assert answer.status == 403


def test_an_operator_can_run_it_and_owns_the_run(admin, colleague, remembered, installed):
    page = admin.page
    page.goto("/o/demo/t/demo/members/")
    admin.seen("23-tenant-members")
    installed.ask(
        "from orgs.models import Membership\nfrom orgs.users.models import Actor\n"
        "from tenants.models import Tenant\nfrom tenants.access.actions import give_grant\n"
        f"m = Membership.objects.get(user__email='{COLLEAGUE}')\nt = Tenant.objects.get(slug='demo')\n"
        "r = m.organization.roles.tenant_level().get(slug='operator')\n"
        "give_grant(tenant=t, role=r, holder=m, by=Actor(t.created_by))\nanswer = 1"
    )
    page = colleague.page
    page.goto(remembered["template"])
    page.get_by_role("main").get_by_role("link", name="Run with changes").first.click()
    page.get_by_role("combobox", name="group_by").select_option("plan")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"), timeout=LONG)
    expect(page.get_by_role("main")).to_contain_text("Completed", timeout=LONG)
    expect(page.get_by_role("main")).to_contain_text("Grace Hopper")
    colleague.seen("24-colleague-run")


def test_a_superuser_finds_every_entity_in_django_admin(admin):
    page = admin.page
    page.goto("/admin/")
    names = [
        "Organizations",
        "Memberships",
        "Users",
        "Teams",
        "Roles",
        "Invitations",
        "Tenants",
        "Audit events",
    ]
    for name in [*names, "Run templates", "Template runs", "Tenant grants"]:
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
    page.goto("/admin/run_templates/templaterun/")
    expect(page.locator("#result_list")).to_contain_text("churn by hand")


def test_other_pages_of_the_admin_are_sound(admin):
    for number, path in enumerate(("roles/", "audit/", "settings/", "templates/", "t/demo/settings/"), 25):
        admin.page.goto(f"/o/demo/{path}")
        admin.seen(f"{number}-{path.strip('/').replace('/', '-')}")
    admin.page.goto("/settings/")
    admin.seen("30-own-settings")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_journey_on_a_phone_and_in_the_dark(admin, remembered, browser, installed, scheme):
    context = browser.new_context(
        base_url=installed.url,
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
        storage_state=admin.context.storage_state(),
    )
    visitor = admin.__class__.__new__(admin.__class__)
    visitor.context, visitor.page, visitor.troubles = context, context.new_page(), []
    paths = ["/o/demo/", "/o/demo/t/demo/", "/o/demo/members/", remembered["run"], remembered["template"]]
    for number, path in enumerate([*paths, remembered["template"] + "run/"], 31):
        visitor.page.goto(path)
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} px wide"
        visitor.seen(f"{number}-phone-{scheme}")
    context.close()
