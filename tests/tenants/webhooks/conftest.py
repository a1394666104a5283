import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from factories import make_grant, make_template, make_template_run, make_tenant

from orgs.users.models import Actor
from tenants.webhooks import actions


class Receiver:
    """A real server on this machine. `asked`: (path, headers, body) of each request; `answers`: (status, headers)."""

    def __init__(self):
        self.asked, self.answers, self.body = [], [], b""
        self.waits = threading.Event()
        self.waits.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.append((self.path, dict(self.headers), body))
                receiver.waits.wait(30)
                status, headers = receiver.answers.pop(0) if receiver.answers else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(receiver.body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=in-the-address"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.waits.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver(settings):
    settings.ZENPRO_WEBHOOK_HOSTS, settings.ZENPRO_URL = ["127.0.0.1"], "https://zenpro.example.org"
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def template(org, member):
    """The member made it, and may make more."""
    tenant = make_tenant(org, "prod", name="Prod")
    make_grant(tenant, member, "editor")
    return make_template(tenant, name="churn", created_by=member)


@pytest.fixture
def hook(template, member, receiver):
    """With `secret`, as it was shown."""
    secret = actions.set_webhook(template=template, address=receiver.url, when="always", by=Actor(member))
    template.webhook.secret = secret
    return template.webhook


@pytest.fixture
def run(template, member):
    configuration = {"parameters": {"rounds": 41_414}}
    return make_template_run(template, member, state="running", configuration=configuration)
