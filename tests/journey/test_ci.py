"""A CI job: the unmodified `zenml` package with nothing but an API key in its environment."""

import subprocess

import httpx
import pytest

from .installation import ROOT
from .test_cli import Computer

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]
BEGIN = """
from orgs.models import Organization
from orgs.users.models import Actor
from tenants.access.actions import give_grant
from tenants.credentials import keys
org = Organization.objects.get(slug='demo')
tenant = org.tenants.get(slug='demo')
by = Actor(tenant.created_by)
account = org.memberships.filter(user__is_service_account=True).first()
"""


@pytest.fixture(scope="module")
def job(installed):
    """What an Admin puts into the secrets of the CI."""
    return installed.ask(
        f"{BEGIN}\n"
        "account = keys.create_service_account(organization=org, name='nightly', by=by)\n"
        "role = org.roles.tenant_level().get(slug='developer')\n"
        "give_grant(tenant=tenant, role=role, holder=account, by=by)\n"
        "key, secret = keys.create_key(user=account.user, account=account, tenant=tenant, label='ci', by=by)\n"
        "answer = {'ZENML_STORE_URL': tenant.server_url, 'ZENML_STORE_API_KEY': secret,"
        " 'ZENML_ACTIVE_PROJECT_ID': str(tenant.project_id)}"
    )


@pytest.fixture
def machine(installed, job, tmp_path):
    """A new machine for every job, as in CI."""
    computer = Computer(installed, tmp_path)
    computer.env |= job | {"ZENML_PRO_API_URL": f"{installed.url}/api"}
    return computer


def run_pipeline(machine) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(machine.zenml.with_name("python")), "run.py"],
        cwd=ROOT / "examples" / "churn",
        env=machine.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def test_it_runs_a_pipeline_as_the_service_account(machine, installed, job):
    done = run_pipeline(machine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{installed.url}/workspaces/" in done.stdout + done.stderr


def test_what_its_role_does_not_allow_is_refused(machine):
    code, output = machine.run("project", "register", "mine")
    assert code != 0
    assert "Insufficient permissions to CREATE" in output


def test_the_raw_key_is_nothing_to_the_tenants_server(job):
    """It would take it for a service account without limits, if we answered (protocol §13.1)."""
    for path in ("login", "current-user", "projects"):
        method = "POST" if path == "login" else "GET"
        headers = {"Authorization": f"Bearer {job['ZENML_STORE_API_KEY']}"}
        answer = httpx.request(method, f"{job['ZENML_STORE_URL']}/api/v1/{path}", headers=headers, timeout=60)
        assert answer.status_code == 401, (path, answer.text)


def test_a_deactivated_account_is_out(machine, installed):
    installed.ask(f"{BEGIN}\nkeys.deactivate(account=account, by=by)\nanswer = 1")
    code, output = machine.run("stack", "list")
    assert code != 0
    assert "CredentialsNotValid" in output or "not valid" in output
    installed.ask(f"{BEGIN}\nkeys.activate(account=account, by=by)\nanswer = 1")
    code, output = machine.run("stack", "list")
    assert code == 0, output


def test_a_revoked_key_is_out(machine, installed):
    installed.ask(
        f"{BEGIN}\nkeys.revoke_key(key=account.user.api_keys.get(), account=account, by=by)\nanswer = 1"
    )
    code, output = machine.run("stack", "list")
    assert code != 0
    assert "CredentialsNotValid" in output or "not valid" in output
