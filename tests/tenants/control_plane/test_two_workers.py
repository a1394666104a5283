"""Changes apply at the next request, whichever process answers it."""

import http.client
import itertools
import json
import os
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import connection
from factories import make_grant, make_member, make_org, make_tenant

from tenants.models import TenantGrant
from tests.tenants.hosting.stub_control_plane import free_port

from .conftest import server_token

QUESTIONS = 1000


@pytest.fixture
def processes(transactional_db):
    """Ports of two web processes on the test's database."""
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "ZENPRO_TEST_DATA": str(settings.ZENPRO_DATA),
        "ZENPRO_TEST_DATABASE_URL": address_of_database(),
        "ZENPRO_TEST_KEEPS_CONNECTIONS": "yes",
        "PYTHONPATH": f"{settings.BASE_DIR}{os.pathsep}{settings.BASE_DIR}/tests",
    }
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "zenpro_site.wsgi", "--no-control-socket"]
    command += ["--worker-class", "gthread", "--keep-alive", "75", "--log-level", "error"]
    ports = [free_port(), free_port()]
    servers = [subprocess.Popen([*command, "--bind", f"127.0.0.1:{port}"], env=env) for port in ports]
    try:
        wait_for(ports)
        yield ports
    finally:
        for server in servers:
            server.terminate()
            server.wait(120)


def address_of_database() -> str:
    here = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{here['NAME']}"
    return f"postgres://{here['USER']}@{here['HOST']}:{here['PORT']}/{here['NAME']}"


def wait_for(ports) -> None:
    for _ in range(1800):
        time.sleep(0.1)
        if all(answers(port) for port in ports):
            return
    pytest.fail("the web processes did not start")


def answers(port) -> bool:
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        probe.request("GET", "/livez")
        return probe.getresponse().status == 200
    except OSError:
        return False
    finally:
        probe.close()


@pytest.mark.zenml
@pytest.mark.postgres
def test_no_answer_of_a_thousand_is_stale(processes):
    org = make_org()
    tenant, user = make_tenant(org), make_member(org)
    headers = {"Authorization": f"Bearer {server_token(tenant)}", "Content-Type": "application/json"}
    one, two = (http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in processes)
    turns = itertools.cycle([one, two, two, one])  # each is asked after both kinds of change

    def may() -> bool:
        line = next(turns)
        path = f"/api/rbac/check_permissions?user_id={user.pk}&action=create"
        line.request("POST", path, json.dumps(["stack"]), headers)
        return json.loads(line.getresponse().read())["stack"]

    stale = 0
    for _ in range(QUESTIONS // 2):
        grant = make_grant(tenant, user, "developer")
        stale += not may()
        TenantGrant.objects.withdraw(grant)
        stale += may()
    one.close()
    two.close()
    assert stale == 0
