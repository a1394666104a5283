"""What clients and servers as they come from PyPI do with ZenPro, a test a check; the number is the check's.

Checks 1-8, 12 and 13 with both families: 0.98 and, from the time when a workspace was called tenant, 0.74. More of the
same is in test_cli.py (with a browser), test_ci.py (17) and tests/tenants/hosting (1, 2).
"""

import os
import re
import signal
import subprocess
import time
from uuid import uuid4

import httpx
import pytest

from .installation import free_port, wait_for
from .laboratory import make_laboratory, start_server
from .test_cli import url_in

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]

NEW, OLD = "0.98.0", "0.74.0"
both = pytest.mark.parametrize("version", [NEW, OLD])
SCRIPT = """
import time
from pathlib import Path
from zenml import pipeline, step
@step
def one() -> int:
    Path("begun").touch()
    while not Path("go").exists():
        time.sleep(0.1)
    return 1
@step
def two(number: int) -> int:
    return number + 1
@pipeline(enable_cache=False)
def {name}():
    two(one())
{name}()
"""


@pytest.fixture(scope="module")
def laboratories(installed):
    """Made when first asked for, because a server takes its time."""
    return {}


@pytest.fixture
def laboratory(installed, laboratories, version):
    if version not in laboratories:
        laboratories[version] = make_laboratory(installed, f"lab-{version.split('.')[1]}", version)
    return laboratories[version]


@pytest.fixture
def lab(installed, laboratories):
    if NEW not in laboratories:
        laboratories[NEW] = make_laboratory(installed, "lab-98", NEW)
    return laboratories[NEW]


@pytest.fixture(scope="module")
def computers(tmp_path_factory):
    """Machines that are logged in, by version and role."""
    return {}


@pytest.fixture
def computer_of(computers, tmp_path_factory):
    """computer_of(laboratory, role): a machine on which that person has logged in, the same every time."""

    def find(lab, role):
        key = (lab.version, role)
        if key not in computers:
            computers[key] = lab.signed_in(tmp_path_factory.mktemp(f"{role}-"), role)
        return computers[key]

    return find


def script(computer, folder, name="small", waits=False):
    """A pipeline of two steps, as a file that somebody runs. With `waits` the first one waits for a file `go`."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(SCRIPT.format(name=name))
    if not waits:
        (folder / "go").touch()
    return subprocess.Popen(
        [str(computer.zenml.with_name("python")), f"{name}.py"],
        cwd=folder,
        env=computer.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, limit=900) -> tuple[int, str]:
    output, _ = process.communicate(timeout=limit)
    return process.returncode, output


@both
def test_01_a_server_starts_with_what_we_give_it(laboratory, version):
    """tests/tenants/hosting counts the two calls of a start; here it has reported itself, and answers."""
    assert httpx.get(f"{laboratory.url}/health", trust_env=False, timeout=60).status_code == 200
    reported = laboratory.installed.ask(
        "from tenants.models import Tenant\n"
        f"answer = Tenant.objects.get(pk='{laboratory.pk}').reported_version"
    )
    assert reported == version


@pytest.mark.parametrize(
    ("version", "wrong"), [(NEW, "secret"), (NEW, "address"), (NEW, "nothing there"), (OLD, "secret")]
)
def test_02_a_server_with_a_wrong_block_ends_and_says_why(laboratory, version, wrong, tmp_path):
    changed = {
        "secret": {"ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET": "wrong"},
        "address": {"ZENML_SERVER_PRO_API_URL": f"{laboratory.api}/elsewhere"},
        "nothing there": {"ZENML_SERVER_PRO_API_URL": f"http://127.0.0.1:{free_port()}/api"},
    }[wrong]
    code, output = finish(start_server(laboratory, tmp_path, free_port(), **changed))
    assert code != 0
    assert "Cloud API" in output or "central zenml pro service" in output.lower()


@both
def test_03_it_says_who_its_control_plane_is(laboratory, version):
    info = httpx.get(f"{laboratory.url}/api/v1/info", trust_env=False, timeout=60).json()
    assert info["deployment_type"] == "cloud"
    assert info["pro_api_url"] == laboratory.api
    assert info["pro_tenant_id" if laboratory.is_old else "pro_workspace_id"] == laboratory.pk


@both
def test_04_it_sends_who_has_no_token_to_us(laboratory, version):
    login = f"{laboratory.url}/api/v1/login"
    answer = httpx.post(login, trust_env=False, timeout=60)
    assert answer.json() == {"authorization_url": f"{laboratory.installed.url}/api/auth/login"}
    bogus = httpx.post(login, headers={"Authorization": "Bearer bogus"}, trust_env=False, timeout=60)
    assert bogus.status_code == 401
    assert bogus.json()["detail"][0] == "AuthorizationException"


@both
def test_05_browsers_land_on_our_page(laboratory, version):
    answer = httpx.get(f"{laboratory.url}/anything", trust_env=False, timeout=60)
    assert answer.status_code == 307
    where = answer.headers["location"]
    assert where.startswith(laboratory.installed.url)
    assert httpx.get(where, follow_redirects=True, trust_env=False, timeout=60).url.path == "/accounts/login/"
    page = laboratory.people["viewer"].http.get(where)
    assert (page.status_code, page.url.path) == (200, f"/o/demo/t/{laboratory.name}/")


@both
def test_06_login_by_browser(laboratory, version, computer_of, tmp_path):
    computer = computer_of(laboratory, "developer")
    stored = next((tmp_path / computer.env["ZENML_CONFIG_PATH"]).rglob("credentials.yaml")).read_text()
    assert laboratory.api in stored
    assert laboratory.url in stored
    code, output = computer.run("status")
    assert code == 0, output
    assert laboratory.url in output


@both
def test_07_denied(laboratory, version, tmp_path):
    process = laboratory.computer(tmp_path).begin("login", "--pro", "--pro-api-url", laboratory.api)
    laboratory.people["viewer"].answer(url_in(process), answer="deny")
    code, output = finish(process)
    assert code == 1
    assert "access_denied" in output


@pytest.mark.parametrize("version", [NEW])
def test_07_expired(laboratory, version, tmp_path):
    process = laboratory.computer(tmp_path).begin("login", "--pro", "--pro-api-url", laboratory.api)
    url = url_in(process)
    change_request(laboratory, url, "expires_at=timezone.now()")
    code, output = finish(process)
    assert code == 1
    assert "expired_token" in output
    assert laboratory.people["viewer"].http.get(url).status_code == 404


@pytest.mark.parametrize("version", [NEW])
def test_07_asking_too_often_is_told_and_does_no_harm(laboratory, version, tmp_path):
    """The row says that the client asked a moment ago; its next question is answered with slow_down."""
    process = laboratory.computer(tmp_path).begin("login", "--pro", "--pro-api-url", laboratory.api)
    url = url_in(process)
    change_request(laboratory, url, "polled_at=timezone.now() + timedelta(seconds=30)")
    time.sleep(7)
    change_request(laboratory, url, "polled_at=None")
    laboratory.people["viewer"].answer(url, answer="approve", tenant=laboratory.pk)
    code, output = finish(process)
    assert code == 0, output


def change_request(laboratory, url, change) -> None:
    device = httpx.URL(url).params["device_id"]
    changed = laboratory.installed.ask(
        "from datetime import timedelta\nfrom django.utils import timezone\n"
        "from tenants.credentials.models import DeviceLogin\n"
        f"answer = DeviceLogin.objects.filter(pk='{device}').update({change})"
    )
    assert changed == 1


@pytest.mark.parametrize(
    ("version", "way"),
    [
        (NEW, "name"),
        (NEW, "id"),
        (NEW, "address"),
        (NEW, "address with a slash"),
        (OLD, "name"),
        (OLD, "address"),
    ],
)
def test_08_the_next_login_needs_no_browser(laboratory, version, computer_of, way):
    target = {
        "name": [laboratory.name, "--pro-api-url", laboratory.api],
        "id": [laboratory.pk, "--pro-api-url", laboratory.api],
        "address": [laboratory.url],
        "address with a slash": [f"{laboratory.url}/"],
    }[way]
    code, output = computer_of(laboratory, "developer").run("login", *target)
    assert code == 0, output
    assert "/devices/verify" not in output


def test_09_an_unknown_name(lab, computer_of):
    code, output = computer_of(lab, "developer").run("login", "no-such-tenant", "--pro-api-url", lab.api)
    assert code != 0
    assert "No ZenML Pro server with the name" in output


def test_09_a_tenant_of_others(lab, computer_of, installed):
    """Dana has no role on the tenant demo, and learns no more of it than of one that is not there."""
    demo = installed.ask(
        "from tenants.models import Tenant\nanswer = str(Tenant.objects.get(slug='demo').pk)"
    )
    token = {"Authorization": f"Bearer {lab.people['developer'].token}"}
    real, none = (
        httpx.get(f"{lab.api}/workspaces/{pk}", headers=token, trust_env=False, timeout=60)
        for pk in (demo, uuid4())
    )
    assert real.status_code == none.status_code == 404
    assert real.json() == none.json()
    code, output = computer_of(lab, "developer").run("login", demo, "--pro-api-url", lab.api)
    assert code != 0
    assert "Connected" not in output


@pytest.mark.parametrize("state", ["deactivated", "failed", "deleted"])
def test_09_a_tenant_that_is_not_there_for_people(lab, computer_of, installed, state):
    """The row says so; the agent has nothing to do with it, because that is what is wanted."""
    pk = installed.ask(
        "from django.utils import timezone\n"
        "from tenants.models import Tenant, TenantGrant\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        f"other = Tenant.objects.create(organization=t.organization, name='{state}', slug='{state}-lab',"
        f" workspace_name='{state}-lab', zenml_version='0.98.0', status='{state}',"
        f" desired_state='{'available' if state == 'failed' else state}', state_reason='Tried out.',"
        f" server_url='http://127.0.0.1:1', deleted_at={'timezone.now()' if state == 'deleted' else None})\n"
        f"member = t.organization.memberships.get(pk='{lab.people['developer'].membership}')\n"
        "role = t.organization.roles.tenant_level().get(slug='developer')\n"
        "TenantGrant.objects.give(tenant=other, role=role, holder=member, giver=t.created_by)\nanswer = str(other.pk)"
    )
    try:
        code, output = computer_of(lab, "developer").run("login", pk, "--pro-api-url", lab.api)
        assert code != 0
        assert "Error" in output or "not" in output
        assert "Connected" not in output
    finally:
        installed.ask(
            f"from tenants.models import Tenant\nanswer = Tenant.objects.filter(pk='{pk}').delete()[0]"
        )


def test_10_login_waits_for_a_tenant_that_is_starting(lab, computer_of, installed):
    pk = installed.ask(
        "from tenants.hosting.actions import create_tenant\nfrom tenants.access.actions import give_grant\n"
        "from orgs.users.models import Actor\nfrom tenants.models import Tenant\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        "by = Actor(t.created_by)\n"
        "made = create_tenant(org=t.organization, name='late', slug='late', version='0.98.0', by=by)\n"
        f"member = t.organization.memberships.get(pk='{lab.people['developer'].membership}')\n"
        "role = t.organization.roles.tenant_level().get(slug='developer')\n"
        "give_grant(tenant=made, role=role, holder=member, by=by)\nanswer = str(made.pk)"
    )
    code, output = computer_of(lab, "developer").run("login", pk, "--pro-api-url", lab.api)
    assert code == 0, output
    assert "Connected to ZenML Pro server" in output
    code, output = computer_of(lab, "developer").run("login", lab.url)
    assert code == 0, output


def test_11_list_of_servers(lab, computer_of):
    computer = computer_of(lab, "developer")
    code, mine = computer.run("server", "list", "--pro-api-url", lab.api)
    assert code == 0, mine
    assert f"/workspaces/{lab.name}" in mine
    assert "/workspaces/demo" not in mine
    code, everything = computer.run("server", "list", "--all", "--pro-api-url", lab.api)
    assert code == 0, everything
    assert lab.name in everything and "available" in everything


@both
def test_12_work_of_a_day(laboratory, version, computer_of, tmp_path):
    computer = computer_of(laboratory, "admin")
    if not laboratory.is_old:
        code, output = computer.run("project", "register", "research", "--set")
        assert code == 0, output
    for command in (["stack", "list"], ["secret", "create", "token", "--key=value"]):
        code, output = computer.run(*command)
        assert code == 0, output
    code, output = finish(script(computer, tmp_path / "code"))
    assert code == 0, output
    base = laboratory.installed.url
    printed = re.search(rf"{base}/(?:workspaces|organizations)/\S+/runs/([0-9a-f-]{{36}})", output)
    assert printed, output
    page = laboratory.people["admin"].http.get(printed[0])
    assert page.status_code == 200
    if not laboratory.is_old:
        assert page.url.path == f"/o/demo/t/{laboratory.name}/runs/{printed[1]}/"


@both
def test_13_what_a_role_does_not_allow(laboratory, version, computer_of):
    code, output = computer_of(laboratory, "viewer").run("secret", "create", "mine", "--key=value")
    assert code == 1
    assert "Insufficient permissions to CREATE resource 'secret'" in output


def test_13_two_people_run_the_same_script(lab, computer_of, tmp_path):
    done = {}
    for role in ("developer", "viewer"):
        computer = computer_of(lab, role)
        computer.run("project", "set", "default")
        done[role] = finish(script(computer, tmp_path / role, name="shared"))
    assert done["developer"][0] == 0, done["developer"][1]
    assert done["viewer"][0] != 0
    assert "Insufficient permissions to CREATE resource" in done["viewer"][1]
    with lab.session("viewer") as viewer, lab.session("developer") as developer:
        params = {"project": lab.about["project"]}
        lists = [
            {run["id"] for run in one.get("/runs", params=params).json()["items"]}
            for one in (viewer, developer)
        ]
    assert lists[0] == lists[1] != set()


def test_14_who_may_not_read_sees_only_their_own(lab, installed):
    """A role that may enter and work on pipelines, but reads no runs: none in the list, 403 for one by its id."""
    with lab.session("developer") as developer:
        params = {"project": lab.about["project"]}
        run = developer.get("/runs", params=params).json()["items"][0]["id"]
    grant = installed.ask(
        "from orgs.roles.models import Role\nfrom orgs.users.models import Actor\nfrom tenants.access.actions import give_grant\n"
        "from tenants.models import Tenant\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        "role = Role.objects.create(organization=t.organization, level='tenant', slug='blind', name='Blind')\n"
        "role.set_rights({'project:read', 'pipeline:read', 'stack:read'})\n"
        f"member = t.organization.memberships.get(pk='{lab.people['stranger'].membership}')\n"
        "answer = str(give_grant(tenant=t, role=role, holder=member, by=Actor(t.created_by)).pk)"
    )
    with lab.session("stranger") as blind:
        assert blind.get("/runs", params=params).json()["items"] == []
        answer = blind.get(f"/runs/{run}")
        assert answer.status_code == 403, answer.text
        assert blind.get("/pipelines", params=params).json()["total"] > 0
    installed.ask(
        "from orgs.users.models import Actor\nfrom tenants.access.actions import withdraw_grant\nfrom tenants.models import TenantGrant\n"
        f"g = TenantGrant.objects.get(pk='{grant}')\n"
        "withdraw_grant(grant=g, by=Actor(g.tenant.created_by))\nanswer = 1"
    )


def test_15_values_of_secrets_stay_hidden(lab, computer_of):
    """A Viewer reads the names of secrets and not their values."""
    _, output = computer_of(lab, "viewer").run("secret", "get", "token")
    assert "value" not in output.replace("values", "")
    with lab.session("viewer") as viewer:
        (secret,) = viewer.get("/secrets", params={"name": "token", "hydrate": True}).json()["items"]
        assert set(secret["body"]["values"].values()) <= {None}


def test_16_who_is_removed_is_out(lab, installed, computer_of, tmp_path):
    """Their running session can do nothing that is not their own, and they cannot begin another."""
    stranger = lab.people["stranger"]
    grant = installed.ask(
        "from orgs.users.models import Actor\nfrom tenants.access.actions import give_grant\nfrom tenants.models import Tenant\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        f"member = t.organization.memberships.get(pk='{stranger.membership}')\n"
        "role = t.organization.roles.tenant_level().get(slug='developer')\n"
        "answer = str(give_grant(tenant=t, role=role, holder=member, by=Actor(t.created_by)).pk)"
    )
    computer = computer_of(lab, "stranger")
    with lab.session("stranger") as session:
        params = {"project": lab.about["project"]}
        assert session.get("/runs", params=params).json()["total"] > 0
        installed.ask(
            "from orgs.users.models import Actor\nfrom tenants.access.actions import withdraw_grant\nfrom tenants.models import TenantGrant\n"
            f"g = TenantGrant.objects.get(pk='{grant}')\n"
            "withdraw_grant(grant=g, by=Actor(g.tenant.created_by))\nanswer = 1"
        )
        answer = session.get("/runs", params=params)
        assert answer.status_code in (401, 403) or answer.json()["items"] == []
        assert session.post("/secrets", json={"name": "late", "values": {"a": "b"}}).status_code in (401, 403)
    code, output = computer.run("login", lab.url)
    assert code != 0, output


def test_18_a_quota_that_is_reached(lab, installed, computer_of, tmp_path):
    """No more runs than there are: the client says so, and goes on when the limit is gone."""
    limit = (
        "from orgs.users.models import Actor\nfrom tenants.models import Tenant\nfrom tenants.usage.actions import set_limits\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        "set_limits(organization=t.organization, tenant=t, limits={{'pipeline_run': {}}}, by=Actor(t.created_by))\n"
        "answer = 1"
    )
    computer = computer_of(lab, "developer")
    installed.ask(limit.format(0))
    code, output = finish(script(computer, tmp_path / "first"))
    assert code != 0
    assert "Your subscription reached its `pipeline_run` limit" in output
    installed.ask(limit.format(None))
    code, output = finish(script(computer, tmp_path / "second"))
    assert code == 0, output


def test_19_what_is_shared_with_a_team(lab, installed):
    """A team gets one pipeline; its member sees that one; an empty list takes it back."""
    team = installed.ask(
        "from orgs.teams.models import Team\nfrom tenants.models import Tenant\n"
        f"t = Tenant.objects.get(pk='{lab.pk}')\n"
        "team = Team.objects.create(organization=t.organization, label='guests')\n"
        f"team.user_set.add('{lab.people['stranger'].id}')\nanswer = str(team.uuid)"
    )
    project = {"project": lab.about["project"]}
    with lab.session("developer") as developer:
        made = developer.post("/pipelines", json={"name": "shown", **project}).json()["id"]
        about = {"resource_type": "pipeline", "resource_id": made, "team_id": team}
        shared = developer.post("/users/resource_membership", params=about, json=["read"])
        assert shared.status_code == 200, shared.text
        with lab.session("stranger") as guest:
            listed = guest.get("/pipelines", params=project).json()["items"]
            assert [one["id"] for one in listed] == [made]
            assert guest.get(f"/pipelines/{made}").status_code == 200
            developer.post("/users/resource_membership", params=about, json=[])
            assert guest.get(f"/pipelines/{made}").status_code in (401, 403)


def test_20_our_web_process_ends_in_the_middle(lab, installed, computer_of, tmp_path):
    """It is told to reload while a pipeline runs: the run completes, and tokens are still good."""
    computer = computer_of(lab, "developer")
    process = script(computer, tmp_path / "code", name="slow", waits=True)
    try:
        wait_for(lambda: (tmp_path / "code" / "begun").exists() or process.poll() is not None)
        assert process.poll() is None, process.stdout.read()
        reload_web(installed)
    finally:
        (tmp_path / "code" / "go").touch()
    code, output = finish(process)
    assert code == 0, output
    code, output = computer.run("stack", "list")
    assert code == 0, output


def reload_web(installed) -> None:
    os.kill(installed.program_pid("web"), signal.SIGHUP)


def test_21_a_server_asks_for_itself_only(lab, installed):
    demo = installed.ask(
        "from tenants.models import Tenant\n"
        "t = Tenant.objects.get(slug='demo')\nanswer = {'pk': str(t.pk), 'organization': str(t.organization_id)}"
    )
    mine = {"Authorization": f"Bearer {lab.server_token()}"}
    person = lab.people["developer"].id
    params = {"user_id": person, "action": "read"}
    about = f"{lab.api}/rbac/check_permissions"
    other = mine | {"zenml-server-id": demo["pk"]}
    assert (
        httpx.post(
            about, params=params, headers=other, json=["stack"], trust_env=False, timeout=60
        ).status_code
        == 403
    )
    asked = httpx.post(
        about, params=params, headers=mine, json=[f"{demo['pk']}@server:stack"], trust_env=False
    )
    assert set(asked.json().values()) == {False}
    token = {"Authorization": f"Bearer {lab.people['developer'].token}"}
    answers = [
        httpx.get(
            f"{lab.api}/users/authorize_server", params={"server_id": pk}, headers=token, trust_env=False
        ).status_code
        for pk in (lab.pk, demo["pk"])
    ]
    assert answers == [200, 403]
