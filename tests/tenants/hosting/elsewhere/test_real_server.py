"""An unmodified ZenML server, started by somebody else with exactly the lines that the page prints. Slow."""

import os
import signal
import subprocess
from html import unescape

import pytest
from factories import make_grant, make_key, make_member, make_org

from orgs.users.models import Actor
from tenants.agent.tenant_loop import TenantLoop
from tenants.credentials.models import AccessToken
from tenants.hosting.backends import api_url_of
from tenants.hosting.base import TenantRefused
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.elsewhere.diagnosis import checks_of
from tenants.models import Tenant
from tenants.runs import connection
from tenants.runs.client import TenantClients
from tenants.runs.connection import connect
from tenants.usage.models import Feature, Quota, UsageEvent
from tests.tenants.hosting.conftest import VERSION, backend, eventually
from tests.tenants.hosting.fakes import FakeHosting, in_place
from tests.tenants.hosting.stub_control_plane import free_port
from tests.tenants.runs.fakes import PROJECT

from .clients import Machine

pytestmark = [pytest.mark.zenml, pytest.mark.django_db(transaction=True)]
# What the other administrator's server has anyway: where its database is, and who may start it.
OWN = {"ZENML_STORE_TYPE": "sql", "ZENML_ANALYTICS_OPT_IN": "false"}


@pytest.fixture(autouse=True)
def clients(monkeypatch):
    made = TenantClients()
    monkeypatch.setattr(connection, "_clients", made)
    yield
    made.http.close()


@pytest.fixture
def world(live_server, settings):
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    org = make_org("Acme AI")
    ada = make_member(org, "admin", name="Ada Okafor")
    url = f"http://127.0.0.1:{free_port()}"
    return enroll(org=org, name="theirs", slug="theirs", version=VERSION, server_url=url, by=Actor(ada)), ada


@pytest.fixture
def start(tmp_path, zen_data):
    """start(lines, url): a server with these lines in its environment, read by a shell; ends with the test."""
    python, started = backend(zen_data).environments.python(VERSION), []

    def start(lines, url):
        (tmp_path / "zenml.env").write_text(lines)
        command = f"set -a; . ./zenml.env; exec {python} -m uvicorn zenml.zen_server.zen_server_api:app"
        own = OWN | {"ZENML_CONFIG_PATH": str(tmp_path), "ZENML_STORE_URL": f"sqlite:///{tmp_path}/zenml.db"}
        outer = {name: os.environ[name] for name in ("PATH", "HOME")}
        port = url.rpartition(":")[2]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"{command} --host 127.0.0.1 --port {port}"],
                cwd=tmp_path,
                env=outer | own,
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def lines_on_the_page(as_user, tenant, person) -> str:
    page = as_user(person).get(f"/o/{tenant.organization.slug}/t/{tenant.slug}/server/").content.decode()
    after = page.partition('aria-label="Lines for the environment">')[2]
    return unescape(after.partition("</pre>")[0])


def test_it_turns_green_and_keeps_to_our_answers(world, start, as_user, tmp_path, zen_data):
    tenant, ada = world
    loop = TenantLoop(in_place(FakeHosting()))

    def look():
        loop.run_pass(tenant.pk)
        return Tenant.objects.select_related("organization").get(pk=tenant.pk)

    assert look().state_reason == "The server has not called ZenPro yet."
    check_one_of_their_own(tenant, start, look)
    lines = lines_on_the_page(as_user, tenant, ada)

    half = start(lines.replace("CLIENT_SECRET=", "CLIENT_SECRET=x"), tenant.server_url)
    half.wait(120)
    failed = [check.key for check in checks_of(look()) if check.state == "failed"]
    assert (half.returncode != 0, failed) == (True, ["secret"])

    start(lines, tenant.server_url)
    eventually(lambda: look().status == Tenant.Status.AVAILABLE)
    tenant = look()
    assert {check.state for check in checks_of(tenant)} == {"done"}
    assert tenant.reported_version == VERSION
    assert tenant.project_id and str(tenant.project_id) != PROJECT["id"]
    assert connect(ada, tenant).call("GET", "/current-user")["name"] == ada.username

    check_signs_in(tenant, ada, tmp_path, zen_data)
    check_limit(tenant, ada)
    check_runs(tenant, ada, tmp_path, zen_data)


def check_one_of_their_own(tenant, start, look):
    """It has been running for itself, with a database that has an id and a project of its own."""
    alone = start("", tenant.server_url)

    def seen():
        answer = next(check for check in checks_of(look()) if check.key == "answer")
        return "is a ZenML server, but it does not run with the lines of this tenant" in answer.text

    eventually(seen)
    assert look().status == Tenant.Status.PENDING
    alone.send_signal(signal.SIGTERM)
    alone.wait(120)


def check_signs_in(tenant, ada, folder, zen_data):
    """`zenml login` as the page shows it; what the server got opens this tenant alone."""
    (folder / "laptop").mkdir()
    laptop = Machine(backend(zen_data).environments.python(VERSION), folder / "laptop")
    said = laptop.log_in(tenant.server_url, person=ada, tenant=tenant)
    assert f"Connected to ZenML Pro server: {tenant.workspace_name}" in said, said
    assert "default" in laptop.run("stack", "list")
    assert "Connected" in laptop.run("login", tenant.server_url), "Without the browser, the second time."
    token = AccessToken.objects.valid(laptop.tokens[api_url_of(tenant)]).get()
    assert token.tenant == tenant


def check_limit(tenant, ada):
    """The second pipeline is one too many; deleting the first makes room."""
    Quota.objects.create(organization=tenant.organization, tenant=tenant, feature=Feature.PIPELINE, limit=1)
    developer = make_member(tenant.organization, "member")
    make_grant(tenant, developer, "developer")
    working, project = connect(developer, tenant), str(tenant.project_id)
    first = working.call("POST", "/pipelines", json={"name": "one", "project": project})
    with pytest.raises(TenantRefused, match="pipeline") as refused:
        working.call("POST", "/pipelines", json={"name": "two", "project": project})
    assert refused.value.status == 402
    connect(ada, tenant).call("DELETE", f"/pipelines/{first['id']}")
    assert working.call("POST", "/pipelines", json={"name": "two", "project": project})
    totals = UsageEvent.objects.filter(feature="pipeline").order_by("pk").values_list("total", flat=True)
    assert [*totals] == [1, -1, 1]


PIPELINE = """
from zenml import pipeline, step

@step(enable_cache=False)
def one() -> int:
    return 1

@pipeline
def limited():
    one()

limited()
"""


def check_runs(tenant, ada, folder, zen_data):
    """The run that takes the last place runs to its end, though its server asks twice; the next one is refused."""
    Quota.objects.filter(feature=Feature.PIPELINE).delete()
    Quota.objects.create(organization=tenant.organization, feature=Feature.RUN, limit=1)
    client = folder / "client"
    client.mkdir()
    (client / "run.py").write_text(PIPELINE)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(client),
        "ZENML_CONFIG_PATH": str(client / "config"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_STORE_URL": tenant.server_url,
        "ZENML_STORE_API_KEY": make_key(ada).secret,
        "ZENML_PRO_API_URL": api_url_of(tenant),
        "ZENML_ACTIVE_PROJECT_ID": str(tenant.project_id),
    }
    command = [backend(zen_data).environments.python(VERSION), "run.py"]
    first, second = (
        subprocess.run(
            command, check=False, cwd=client, env=environment, capture_output=True, text=True, timeout=180
        )
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode != 0
    said = " ".join(f"{second.stdout} {second.stderr}".split())
    assert "Your subscription reached its `pipeline_run` limit" in said
    reported = UsageEvent.objects.filter(feature="pipeline_run").values_list("total", "repeated")
    assert [*reported] == [(1, True)]
