"""A git server on this machine, over HTTPS, with repositories made on the spot: dulwich's own, not git's."""

import base64
import ssl
import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import MemoryRepo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

AUTHOR = b"Dana <dana@example.org>"


class Repository:
    """`commit` adds one with the whole tree: path -> content, or (mode, content or key of another object)."""

    def __init__(self):
        self.repo = MemoryRepo()

    def commit(self, files, branch="main") -> str:
        made = Commit()
        made.tree = self._tree(files)
        made.author = made.committer = AUTHOR
        made.author_time = made.commit_time = 1_700_000_000
        made.author_timezone = made.commit_timezone = 0
        made.message = b"A change"
        name = f"refs/heads/{branch}".encode()
        made.parents = [self.repo.refs[name]] if name in self.repo.refs else []
        self.repo.object_store.add_object(made)
        self.repo.refs[name] = made.id
        self.repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
        return made.id.decode()

    def tag(self, name: str, commit: str) -> None:
        self.repo.refs[f"refs/tags/{name}".encode()] = commit.encode()

    def _tree(self, files) -> bytes:
        tree, inner = Tree(), {}
        for path, content in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                inner.setdefault(first, {})[rest] = content
            else:
                tree.add(first.encode(), *self._entry(content))
        for name, below in inner.items():
            tree.add(name.encode(), 0o40000, self._tree(below))
        self.repo.object_store.add_object(tree)
        return tree.id

    def _entry(self, content) -> tuple[int, bytes]:
        mode, data = content if isinstance(content, tuple) else (0o100644, content)
        if mode in (0o40000, 0o160000):
            return mode, data
        blob = Blob.from_string(data)
        self.repo.object_store.add_object(blob)
        return mode, blob.id


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(WSGIServer):
    """Its certificate is shown to whoever connects; what goes wrong while it is, is the client's to tell."""

    def handle_error(self, request, address):
        pass


def guarded(app, token: str):
    wanted = f"Basic {base64.b64encode(f'git:{token}'.encode()).decode()}"

    def answer(environ, start_response):
        if token and environ.get("HTTP_AUTHORIZATION") != wanted:
            start_response("401 Unauthorized", [("WWW-Authenticate", "Basic")])
            return [b""]
        return app(environ, start_response)

    return answer


def git_server(repositories, tls: ssl.SSLContext, token: str = ""):
    """Address of a server with these repositories: {"/name": Repository}."""
    app = make_wsgi_chain(DictBackend({name: one.repo for name, one in repositories.items()}))
    return serving(guarded(app, token), tls)


def leading_to(address: str, tls: ssl.SSLContext, token: str):
    """Address of a server that sends whoever has the token to the same path of another address."""

    def answer(environ, start_response):
        where = f"{address}{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        start_response("302 Found", [("Location", where)])
        return [b""]

    return serving(guarded(answer, token), tls)


def noting(repositories, headers: list):
    """A WSGI application with these repositories that notes what each request brings along to be let in."""
    app = make_wsgi_chain(DictBackend({name: one.repo for name, one in repositories.items()}))

    def answer(environ, start_response):
        headers.append(environ.get("HTTP_AUTHORIZATION"))
        return app(environ, start_response)

    return answer


@contextmanager
def serving(app, tls: ssl.SSLContext):
    server = make_server("127.0.0.1", 0, app, server_class=Server, handler_class=Quiet)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
