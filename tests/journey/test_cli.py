"""The unmodified `zenml` client against a running ZenPro: sign in with the browser, then work."""

import os
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .installation import ROOT
from .test_journey import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.zenml, pytest.mark.enable_socket]


class Computer:
    """A data scientist's machine: the client with a configuration folder of its own."""

    def __init__(self, installed, folder):
        self.home = folder
        self.zenml = installed.data / "envs" / "server-0.98.0" / "bin" / "zenml"
        self.env = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "BROWSER": "true",
            "COLUMNS": "300",
            "ZENML_CONFIG_PATH": str(folder / "zenml"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_COLORS_DISABLED": "true",
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "PYTHONUNBUFFERED": "1",
        }

    def begin(self, *args: str) -> subprocess.Popen:
        return subprocess.Popen(
            [str(self.zenml), *args],
            env=self.env,
            cwd=self.env["HOME"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *args: str, limit: float = 600) -> tuple[int, str]:
        process = self.begin(*args)
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output

    def script(self, folder: Path) -> str:
        """Run the example's script in that folder, as on the day it was written. Returns what it printed."""
        process = subprocess.Popen(
            [str(self.zenml.with_name("python")), "run.py"],
            cwd=folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        return output


def url_in(process: subprocess.Popen, limit: float = 600) -> str:
    """The address of the approval page, as the client prints it. What it prints afterwards stays to be read."""
    text, deadline, pipe = b"", time.monotonic() + limit, process.stdout.fileno()
    while time.monotonic() < deadline:
        if not select.select([pipe], [], [], 0.2)[0]:
            continue
        if not (byte := os.read(pipe, 1)):
            break  # it has ended, and all it said has been read
        text += byte
        if byte == b"\n" and (found := re.search(rb"http\S+/devices/verify\?\S+", text)):
            return found[0].decode().rstrip(".'\"")
    raise AssertionError(f"the client never showed where to approve:\n{text.decode(errors='replace')}")


def asks_again(process: subprocess.Popen) -> str:
    """The approval page's address, or what the client said when it gave up because its token is refused."""
    try:
        return url_in(process)
    except AssertionError as error:
        assert "CredentialsNotValid" in str(error), error
        return "/devices/verify, after `zenml login --refresh`"


@pytest.fixture(scope="module")
def tenant_url(installed):
    return installed.ask(
        "from tenants.models import Tenant\nanswer = Tenant.objects.get(slug='demo').server_url"
    )


@pytest.fixture(scope="module")
def person(installed, browser):
    """Somebody signed in with the role Developer on the tenant demo."""
    email, password = "dana@example.org", "a long and honest sentence"
    installed.ask(
        "from orgs.models import Membership, Organization\nfrom orgs.users.models import Actor, User\n"
        "from tenants.access.actions import give_grant\n"
        f"user = User.objects.create_user('{email}', '{password}', name='Dana Petrova')\n"
        "org = Organization.objects.get(slug='demo')\n"
        "member = Membership.objects.create(organization=org, user=user)\n"
        "tenant = org.tenants.get(slug='demo')\n"
        "role = org.roles.tenant_level().get(slug='developer')\n"
        "give_grant(tenant=tenant, role=role, holder=member, by=Actor(tenant.created_by))\nanswer = 1"
    )
    visitor = Visitor(browser, installed.url)
    visitor.page.goto("/accounts/login/")
    visitor.page.get_by_role("textbox", name="Email").fill(email)
    visitor.page.get_by_role("textbox", name="Password").fill(password)
    visitor.page.get_by_role("button", name="Sign in", exact=True).click()
    visitor.page.wait_for_url("**/o/demo/")
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def computer(installed, tmp_path_factory):
    return Computer(installed, tmp_path_factory.mktemp("computer"))


def test_a_denied_computer_gets_nothing(installed, tenant_url, person, tmp_path):
    process = Computer(installed, tmp_path).begin("login", tenant_url)
    person.page.goto(url_in(process))
    person.page.get_by_role("button", name="Deny").click()
    expect(person.page.get_by_role("heading", name="Denied")).to_be_visible()
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "access_denied" in output


def test_login_with_the_tenants_address(computer, tenant_url, person):
    process = computer.begin("login", tenant_url)
    page = person.page
    page.goto(url_in(process))
    expect(page.get_by_role("radio", name=re.compile("demo"))).to_be_checked()
    expect(page.get_by_role("main")).to_contain_text("0.98.0")
    person.seen("40-zenml-login")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("main")).to_contain_text("You can close this tab")
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "Connected to ZenML Pro server" in output


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_next_login_needs_no_browser(computer, tenant_url, person, ending):
    code, output = computer.run("login", tenant_url + ending)
    assert code == 0, output
    assert "verify" not in output


def test_a_member_runs_a_pipeline_and_finds_it_in_the_dashboard(computer, installed, tenant_url, person):
    code, output = computer.run("project", "set", "default")
    assert code == 0, output
    said = computer.script(ROOT / "examples" / "churn")
    printed = re.search(rf"{installed.url}/workspaces/\S+/runs/[0-9a-f-]{{36}}", said)
    person.page.goto(printed[0])
    person.page.wait_for_url("**/o/demo/t/demo/runs/**")
    expect(person.page.get_by_role("main")).to_contain_text("Dana Petrova")


def test_what_a_role_does_not_allow_is_refused_by_the_server(computer, person):
    code, output = computer.run("project", "register", "mine")
    assert code != 0
    assert "Insufficient permissions to CREATE" in output


def test_a_signed_out_computer_is_out_at_once(computer, tenant_url, person):
    page = person.page
    page.goto("/settings/devices/")
    person.seen("41-devices")
    page.get_by_role("button", name=re.compile("Sign out")).first.click()
    expect(page.get_by_role("main")).to_contain_text("No devices signed in")
    process = computer.begin("login", tenant_url)
    try:
        assert "/devices/verify" in asks_again(process)
    finally:
        process.kill()
        process.wait()
