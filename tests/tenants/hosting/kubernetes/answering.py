"""An API server of few words: for each call it has one answer, and it remembers what it was asked."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml


class ApiStandIn:
    """`answers`: "GET /path" -> (status, body) or a function that is handed the handler. Others get 404."""

    def __init__(self, url: str = ""):
        self.url, self.answers, self.asked = url, {}, []

    def kubeconfig(self, folder, **user) -> str:
        """A file that leads here."""
        path = folder / "kubeconfig"
        named = {"name": "here"}
        content = {
            "current-context": "here",
            "clusters": [named | {"cluster": {"server": self.url}}],
            "users": [named | {"user": user or {"token": "a-token"}}],
            "contexts": [
                named | {"context": {"cluster": "here", "user": "here"}},
                {"name": "there", "context": {"cluster": "here", "user": "here"}},
            ],
        }
        path.write_text(yaml.safe_dump(content))
        return str(path)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        call = f"{handler.command} {parts.path}"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(
            (
                call,
                query,
                json.loads(body or "null"),
                {name.lower(): value for name, value in handler.headers.items()},
            )
        )
        answer = self.answers.get(call, (404, refusal(404, "not found")))
        if callable(answer):
            answer(handler)
        else:
            send(handler, *answer)


def refusal(code: int, message) -> dict:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


def send(handler, status: int, body, kind: str = "application/json") -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def api_stand_in():
    stand_in = ApiStandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args):
            pass

        def do_GET(self):
            stand_in.handle(self)

        do_POST = do_PATCH = do_DELETE = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    yield stand_in
    server.shutdown()
    server.server_close()
