"""A server that somebody else runs, as far as one must go to be taken for it: /health, /api/v1/info, calls of its."""

import json
import shlex
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from orgs.users.models import Actor
from tenants.agent.tenant_loop import TenantLoop
from tenants.hosting.elsewhere.actions import enroll
from tests.tenants.agent.test_tenant_loop import FakeClient
from tests.tenants.hosting.fakes import FakeHosting, in_place


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, answer = self.server.elsewhere.answer(self.path)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Elsewhere:
    """`environment` is what its administrator put in; without it it is a ZenML server of nobody's."""

    def __init__(self, client):
        self.client, self.environment, self.up = client, {}, True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.elsewhere = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def answer(self, path):
        if not self.up:
            return 503, {}
        info = {
            "deployment_type": "cloud",
            "pro_workspace_id": self["PRO_WORKSPACE_ID"],
            "pro_api_url": self["PRO_API_URL"],
        }
        return (200, "ok") if path == "/health" else (200, info)

    def __getitem__(self, name):
        return self.environment.get(f"ZENML_SERVER_{name}")

    def start(self, block, version="0.98.0", **changes):
        """Read the block as a shell does and call ZenPro as a ZenML server does. Returns the status of the last call."""
        self.environment = dict(line.split("=", 1) for line in shlex.split(block)) | changes
        headers = {
            "zenml-server-id": self["PRO_WORKSPACE_ID"],
            "zenml-server-version": version,
            "zenml-server-url": self["SERVER_URL"],
        }
        form = {
            "grant_type": "client_credentials",
            "client_id": self["PRO_WORKSPACE_ID"],
            "client_secret": self["PRO_OAUTH2_CLIENT_SECRET"],
            "audience": self["PRO_OAUTH2_AUDIENCE"],
        }
        api = urlsplit(self["PRO_API_URL"]).path
        answer = self.client.post(f"{api}/auth/login", form, headers=headers)
        if answer.status_code != 200:
            return answer.status_code
        headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self.client.patch(f"{api}/workspace_status", headers=headers).status_code

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(client):
    elsewhere = Elsewhere(client)
    yield elsewhere
    elsewhere.close()


@pytest.fixture
def hosting():
    return FakeHosting()


@pytest.fixture
def agent(hosting, monkeypatch):
    """look(tenant): one pass of the agent; returns the tenant as it is then."""
    monkeypatch.setattr("tenants.agent.tenant_loop.connect", lambda user, tenant: FakeClient())
    loop = TenantLoop(in_place(hosting))

    def look(tenant):
        loop.run_pass(tenant.pk)
        return type(tenant).objects.select_related("organization").get(pk=tenant.pk)

    return look


@pytest.fixture
def tenant(org, owner, server):
    return enroll(
        org=org, name="theirs", slug="theirs", version="0.98.0", server_url=server.url, by=Actor(owner)
    )
