"""The unmodified client on a machine of its own, and servers that note what it sends them."""

import json
import os
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import yaml
from django.test import Client


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        stub = self.server.stub
        if bearer := self.headers.get("Authorization", "").removeprefix("Bearer ").strip():
            stub.bearers.add(bearer)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_open = self.path.startswith(("/api/v1/info", "/api/v1/login"))
        status = 200 if is_open or bearer == stub.session else 401
        refused = {"detail": ["CredentialsNotValid", "Sign in."]}
        body = json.dumps(stub.answer(self.path) if status == 200 else refused).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def log_message(self, *args):
        pass


class Stub:
    """Takes a client's sign-in as ZenML does, keeps every bearer, and says what it likes about its control plane."""

    def __init__(self):
        self.bearers, self.info, self.session = set(), {}, f"session-{uuid4().hex}"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.stub = True, self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        serve = {"target": self.server.serve_forever, "kwargs": {"poll_interval": 0.02}, "daemon": True}
        threading.Thread(**serve).start()

    def answer(self, path):
        if path.startswith("/api/v1/info"):
            return self.info
        if path.startswith("/api/v1/login"):
            return {"access_token": self.session, "token_type": "bearer", "expires_in": 1}
        return {}

    def is_server_of(self, tenant, api_url):
        self.info = {
            "id": str(tenant.pk),
            "version": "0.98.0",
            "deployment_type": "cloud",
            "database_type": "sqlite",
            "secrets_store_type": "sql",
            "auth_scheme": "EXTERNAL",
            "server_url": self.url,
            "dashboard_url": self.url,
            "pro_api_url": api_url,
            "pro_dashboard_url": self.url,
            "pro_organization_id": str(tenant.organization_id),
            "pro_workspace_id": str(tenant.pk),
            "pro_workspace_name": tenant.workspace_name,
        }

    @property
    def got(self) -> set[str]:
        """Bearers that it did not give out itself."""
        return self.bearers - {self.session}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Machine:
    """A data scientist's computer: `python` has the client, `folder` is all it remembers."""

    def __init__(self, python, folder):
        self.zenml, self.folder = python.with_name("zenml"), folder
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
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [str(self.zenml), *args]
        return subprocess.Popen(command, env=self.env, cwd=self.folder, text=True, **pipes)

    def run(self, *args: str) -> str:
        output, _ = self.begin(*args).communicate(timeout=180)
        return " ".join(output.split())

    def log_in(self, *args: str, person, tenant) -> str:
        """`zenml login`, approved by the person for the tenant."""
        process = self.begin("login", *args)
        found = approval(process)
        browser = Client()
        browser.force_login(person)
        form = {"device_id": found["device"], "user_code": found["code"]}
        answered = browser.post("/devices/verify", form | {"answer": "approve", "tenant": str(tenant.pk)})
        assert answered.status_code == 200, answered.content
        output, _ = process.communicate(timeout=180)
        return " ".join(output.split())

    @property
    def tokens(self) -> dict[str, str]:
        """What it keeps, by address."""
        kept = yaml.safe_load((self.folder / "zenml" / "credentials.yaml").read_text()) or {}
        return {
            url: entry["api_token"]["access_token"] for url, entry in kept.items() if "api_token" in entry
        }


def approval(process) -> re.Match:
    """Groups `device` and `code` of the address that the client shows."""
    text, deadline = "", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        text += process.stdout.readline()
        if found := re.search(r"device_id=(?P<device>[0-9a-f-]+)&user_code=(?P<code>[A-Z-]+)", text):
            return found
    raise AssertionError(f"the client never showed where to approve:\n{text}{process.stdout.read()}")
