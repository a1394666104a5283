"""A package index on this machine: wheels and source packages made on the spot, and what was asked of it."""

import base64
import io
import ssl
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Index:
    """`requests` holds the paths asked for. With `password` it answers only who knows it."""

    def __init__(self):
        self.files, self.requests, self.password, self.address = {}, [], "", ""

    @property
    def url(self) -> str:
        return f"{self.address}/simple"

    def wheel(self, name: str, version: str = "1.0", needs=(), **files: str) -> None:
        """A pure wheel; `files` are its files, an underscore before the ending standing for the dot."""
        data, info = io.BytesIO(), f"{name}-{version}.dist-info"
        wants = "".join(f"Requires-Dist: {line}\n" for line in needs)
        with zipfile.ZipFile(data, "w") as archive:
            for path, text in (files or {f"{name}_py": ""}).items():
                archive.writestr(".".join(path.rsplit("_", 1)), text)
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}"
            )
            archive.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            archive.writestr(f"{info}/RECORD", "")
        self.files[f"{name}-{version}-py3-none-any.whl"] = data.getvalue()

    def source(self, name: str, version: str = "1.0", **files: str) -> None:
        """A source package, which only code of its own can turn into something installable."""
        data, folder = io.BytesIO(), f"{name}-{version}"
        files = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"} | files
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"{folder}/{'.'.join(path.rsplit('_', 1))}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self.files[f"{folder}.tar.gz"] = data.getvalue()

    def answer(self, path: str) -> bytes | None:
        kind, _, name = path.strip("/").partition("/")
        if kind == "files":
            return self.files.get(name)
        found = [file for file in self.files if file.startswith(f"{name.strip('/')}-")]
        return "".join(f'<a href="/files/{file}">{file}</a>' for file in found).encode() if found else None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        index = self.server.index
        index.requests.append(self.path)
        secret = base64.b64encode(f"reader:{index.password}".encode()).decode()
        if index.password and self.headers.get("Authorization") != f"Basic {secret}":
            return self.reply(401, b"", {"WWW-Authenticate": "Basic"})
        body = index.answer(self.path)
        return self.reply(404 if body is None else 200, body or b"", {"Content-Type": "text/html"})

    def do_HEAD(self):
        self.do_GET()

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def running_index(tls: ssl.SSLContext | None = None):
    """An index that answers, with a ZenML in it that is nothing but a name. `tls`: its certificate and key."""
    index, server = Index(), ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.index = index
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda request, address: None  # whoever does not know its certificate hangs up
    index.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    index.wheel("zenml", "0.98.0")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
