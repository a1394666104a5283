"""The least control plane a real ZenML server is content with, in one thread per connection."""

import json
import random
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid5

SECRET = "oauth-secret-%-of-'the'-\"tenant\"; #1"  # every character that a configuration could trip over


def user_id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = urlsplit(self.path)
        plane = self.server.plane
        plane.calls.append(f"{self.command} {url.path}")
        status, answer = plane.answer(self.command, url.path, parse_qs(url.query), body, self.headers)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, *args):
        pass


class ControlPlane:
    """Says yes to everything; `denied` holds (action, resource type) pairs that get a no."""

    def __init__(self):
        self.calls: list[str] = []
        self.denied: set[tuple[str, str]] = set()
        self.features_used_up: set[str] = set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.plane = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, query, body, headers):
        routes = {
            "/api/auth/login": self.login,
            "/api/users/authorize_server": self.authorize,
            "/api/rbac/check_permissions": self.check,
            "/api/rbac/allowed_resource_ids": self.allowed,
        }
        if "/entitlement/" in path:
            return self.entitlement(path)
        known = (
            "/api/workspace_status",
            "/api/usage-event",
            "/api/rbac/resources",
            "/api/rbac/resource_members",
        )
        if path in known:
            return 200, {}
        return routes.get(path, self.missing)(query, body, headers)

    def missing(self, query, body, headers):
        return 404, {"detail": "not found"}

    def login(self, query, body, headers):
        if parse_qs(body).get("client_secret") != [SECRET]:
            return 401, {"detail": ["CredentialsNotValid", "wrong secret"]}
        return 200, {"access_token": "server-token", "token_type": "bearer", "expires_in": 7200}

    def authorize(self, query, body, headers):
        name = headers.get("Authorization", "").removeprefix("Bearer user-")
        if not name.isalpha():
            return 401, {"detail": ["AuthorizationException", "no"]}
        answer = {"id": user_id(name), "username": name, "email": f"{name}@example.org", "name": name.title()}
        return 200, answer | {"is_superuser": False, "is_service_account": False, "avatar_url": None}

    def check(self, query, body, headers):
        action = query["action"][0]
        return 200, {one: (action, resource_type(one)) not in self.denied for one in json.loads(body)}

    def allowed(self, query, body, headers):
        pair = (query["action"][0], resource_type(query["resource"][0]))
        return 200, {"full_access": pair not in self.denied, "ids": []}

    def entitlement(self, path):
        if path.rpartition("/")[2] in self.features_used_up:
            return 402, {"detail": ["SubscriptionUpgradeRequiredError", "used up"]}
        return 200, {}


def resource_type(resource: str) -> str:
    return resource.rpartition(":")[2].partition("/")[0]


GIVEN: set[int] = set()  # ports that tests of this process have been given already


def free_port(together: int = 1) -> int:
    """The first of so many ports in a row on which nothing listens, none of them given before.

    Below the range the kernel gives to outgoing connections, which could take it before the server does.
    """
    while True:
        first = random.randint(21000, 31000)
        ports = range(first, first + together)
        if GIVEN.isdisjoint(ports) and all(map(_is_free, ports)):
            GIVEN.update(ports)
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return bool(probe.connect_ex(("127.0.0.1", port)))
