"""The HTTP side: addresses, credentials, verbs, watches and logs."""

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import yaml

from . import kinds, refusals
from .accounts import account_of
from .faults import USER
from .kinds import ACCESS_REVIEW, NAMESPACE, Key, Kind
from .merging import json_patch, merge_patch, merged
from .refusals import Refusal
from .selectors import matches

LARGEST = 3 * 1024 * 1024  # bytes of a body; more is refused by a real server too
LONGEST_WATCH = 1800.0


class Target(NamedTuple):
    """What an address means. `name` is empty for all of a kind."""

    kind: Kind
    namespace: str
    name: str
    sub: str

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)


def target_of(path: str) -> Target:
    """Raises a Refusal for addresses of no kind."""
    first, *parts = path.strip("/").split("/")
    version, parts = (parts[0], parts[1:]) if first == "api" and parts else ("/".join(parts[:2]), parts[2:])
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2 and parts[2] not in NAMESPACE.below:
        namespace, parts = parts[1], parts[2:]
    plural, name, sub = [*parts, "", "", ""][:3]
    kind = kinds.BY_PATH.get((version, plural))
    if first not in ("api", "apis") or not kind or (sub and sub not in kind.below):
        raise refusals.no_such_path()
    return Target(kind, namespace, name, sub)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def handle_any(self):
        cluster = self.server.cluster
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), LARGEST))
            cluster.requests.append((self.command, self.path))
            self._wait(cluster.faults)
            header = self.headers.get("Authorization", "")
            self.account = account_of(header)
            cluster.faults.authenticate(header, header[7:] if self.account else cluster.token)
            self._answer(url.path, body)
        except Refusal as refusal:
            self.send(refusal.code, refusal.status)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def _wait(self, faults) -> None:
        time.sleep(faults.seconds)
        while not faults.answering.wait(0.05):
            if self.server.cluster.store.ended:
                raise ConnectionResetError

    def _answer(self, path: str, body: bytes) -> None:
        if (told := discovery(path.rstrip("/"))) is not None:
            return self.send(200, told)
        target = target_of(path)
        if not target.name and target.kind == ACCESS_REVIEW:
            return self.send(201, self._review(document(body)))
        verb = self._verb(target)
        self._authorize(verb, target)
        return getattr(self, f"do_{verb}")(target, document(body))

    def _authorize(self, verb: str, target: Target) -> None:
        cluster, about = self.server.cluster, (verb, target.kind, target.namespace, target.name, target.sub)
        cluster.faults.authorize(*about)
        resource = f"{target.kind.plural}/{target.sub}" if target.sub else target.kind.plural
        if not self._may(verb, target.kind.group, resource, target.namespace):
            raise refusals.not_allowed(str(self.account), *about)

    def _may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """A pod may do what its account's Roles say, anyone else everything."""
        store = self.server.cluster.store
        return not self.account or self.account.may(store, verb, group, resource, namespace)

    def _verb(self, target: Target) -> str:
        if self.command == "GET" and target.name:
            return "get"
        if self.command == "GET":
            return "watch" if self._flag("watch") else "list"
        if self.command == "DELETE" and not target.name:
            return "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[self.command]

    def _flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("1", "true")

    @property
    def _manager(self) -> str:
        agent = self.headers.get("User-Agent", "unknown").partition("/")[0]
        return self.query.get("fieldManager") or agent

    @property
    def _dry(self) -> bool:
        return self.query.get("dryRun") == "All"

    def send(self, code: int, body: dict | bytes, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_get(self, target: Target, body) -> None:
        if target.sub == "log":
            return self._log(target)
        obj = self._found(target)
        return self.send(200, scale_of(obj) if target.sub == "scale" else obj)

    def _found(self, target: Target) -> dict:
        obj = self.server.cluster.store.get(target.key)
        if not obj:
            raise refusals.not_found(target.key)
        return obj

    def do_list(self, target: Target, body) -> None:
        store = self.server.cluster.store
        with store.lock:
            items, revision = self._chosen(target), store.revision
        for item in items:
            del item["kind"], item["apiVersion"]
        what = {"kind": f"{target.kind.name}List", "apiVersion": target.kind.api_version}
        self.send(200, {**what, "metadata": {"resourceVersion": str(revision)}, "items": items})

    def _chosen(self, target: Target) -> list[dict]:
        found = self.server.cluster.store.of(target.kind, target.namespace)
        return [obj for obj in found if self._matches(obj)]

    def _matches(self, obj: dict) -> bool:
        return matches(obj, self.query.get("labelSelector", ""), self.query.get("fieldSelector", ""))

    def do_create(self, target: Target, body: dict) -> None:
        writing = self.server.cluster.writing
        self.send(201, writing.create(target.kind, target.namespace, body, self._manager, self._dry))

    def do_update(self, target: Target, body: dict) -> None:
        self._change(target, lambda old: scaled(old, body) if target.sub == "scale" else body)

    def do_patch(self, target: Target, body) -> None:
        way = self.headers.get("Content-Type", "").partition(";")[0]
        if way == "application/apply-patch+yaml" and not target.sub:
            return self._apply(target, body)
        patches = {
            "application/json-patch+json": json_patch,
            "application/merge-patch+json": merge_patch,
            "application/strategic-merge-patch+json": merged,
            "application/apply-patch+yaml": merged,
        }
        if way not in patches:
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        if target.sub == "scale":
            return self._change(target, lambda old: scaled(old, patches[way](scale_of(old), body)))
        return self._change(target, lambda old: patches[way](old, body))

    def _change(self, target: Target, by) -> None:
        sub = "" if target.sub == "scale" else target.sub
        new = self.server.cluster.writing.change(target.key, by, self._manager, sub, self._dry)
        self.send(200, scale_of(new) if target.sub == "scale" else new)

    def _apply(self, target: Target, body: dict) -> None:
        cluster = self.server.cluster
        manager = self.query.get("fieldManager")
        if not manager:
            raise refusals.bad_request('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value')
        there = cluster.store.get(target.key) is not None
        if not there:
            self._authorize("create", target)
        body.setdefault("metadata", {}).setdefault("name", target.name)
        new = cluster.writing.apply(target.key, body, manager, self._flag("force"), self._dry)
        self.send(200 if there else 201, new)

    def do_delete(self, target: Target, body: dict) -> None:
        cluster = self.server.cluster
        options = {**self._options(), **(body or {})}
        last = cluster.writing.delete(target.key, options)
        self.send(200, last if cluster.store.get(target.key) else gone(target.key, last))

    def _options(self) -> dict:
        """DeleteOptions can stand in the address as well."""
        found = {name: self.query[name] for name in ("propagationPolicy",) if name in self.query}
        if "gracePeriodSeconds" in self.query:
            found["gracePeriodSeconds"] = int(self.query["gracePeriodSeconds"])
        return found | ({"dryRun": ["All"]} if self._dry else {})

    def do_deletecollection(self, target: Target, body: dict) -> None:
        writing, store = self.server.cluster.writing, self.server.cluster.store
        with store.lock:
            found = self._chosen(target)
            for obj in found:
                writing.delete(kinds.key_of(obj), {**self._options(), **(body or {})})
        what = {"kind": f"{target.kind.name}List", "apiVersion": target.kind.api_version}
        self.send(200, {**what, "metadata": {"resourceVersion": str(store.revision)}, "items": found})

    def _review(self, body: dict) -> dict:
        """SelfSubjectAccessReview: may whoever asks do this?"""
        asked = body["spec"].get("resourceAttributes", {})
        resource = asked.get("resource", "") + (
            f"/{asked['subresource']}" if asked.get("subresource") else ""
        )
        verb, where = asked.get("verb", ""), (asked.get("group", ""), resource, asked.get("namespace", ""))
        allowed = self.server.cluster.faults.allows(verb, resource) and self._may(verb, *where)
        status = {"allowed": True} if allowed else {"allowed": False, "reason": f'no rule for "{USER}"'}
        what = {"kind": ACCESS_REVIEW.name, "apiVersion": ACCESS_REVIEW.api_version}
        return {**what, "metadata": {}, "spec": body["spec"], "status": status}

    def do_watch(self, target: Target, body) -> None:
        store = self.server.cluster.store
        if self._flag("sendInitialEvents"):
            raise refusals.no_watch_list()
        until = time.monotonic() + min(
            float(self.query.get("timeoutSeconds") or LONGEST_WATCH), LONGEST_WATCH
        )
        self._begin("application/json")
        with store.lock:
            revision = int(self.query.get("resourceVersion") or 0)
            first = [] if revision else self._chosen(target)
            after, oldest = revision or store.revision, store.forgotten
        if revision and revision < oldest:
            self._say("ERROR", refusals.too_old(revision, oldest).status)
            return self._end()
        for obj in first:
            self._say("ADDED", obj)
        self._follow(target, after, until)
        return self._end()

    def _follow(self, target: Target, after: int, until: float) -> None:
        cluster = self.server.cluster
        while time.monotonic() < until and not cluster.store.ended and cluster.faults.answering.is_set():
            for one in cluster.store.since(after, min(1.0, max(0.0, until - time.monotonic()))):
                after = one.revision
                if one.key.kind == target.kind and target.namespace in ("", one.key.namespace):
                    self._tell(one)

    def _tell(self, one) -> None:
        """What leaves a selector is told as deleted, what enters it as added."""
        was, is_now = bool(one.before and self._matches(one.before)), self._matches(one.obj)
        if one.what == "DELETED" or (was and not is_now):
            if was:
                self._say("DELETED", one.obj)
        elif is_now:
            self._say("MODIFIED" if was else "ADDED", one.obj)

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def _say(self, what: str, obj: dict) -> None:
        self._chunk(json.dumps({"type": what, "object": obj}).encode() + b"\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _log(self, target: Target) -> None:
        pod, kubelet = self._found(target), self.server.cluster.kubelet
        read = kubelet.log_of(pod, self.query.get("container", ""), self._flag("previous"))
        said = tail(read(), self.query.get("tailLines"))
        if limit := self.query.get("limitBytes"):
            said = said[: int(limit)]
        if not self._flag("follow"):
            return self.send(200, said, "text/plain")
        self._begin("text/plain")
        self._chunk(said)
        for more in kubelet.followed(target.key, read):
            self._chunk(more)
        return self._end()


def tail(text: bytes, lines: str | None) -> bytes:
    return text if lines is None else b"".join(text.splitlines(True)[-int(lines) or len(text) :])


def document(body: bytes):
    """JSON, or YAML. What kubectl writes in a form of its own is refused, as by a server that does not know it."""
    if body.startswith(b"k8s\0"):
        raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
    try:
        return (json.loads(body) if body[:1] in b"{[" else yaml.safe_load(body)) if body else {}
    except (ValueError, yaml.YAMLError) as error:
        raise refusals.bad_request(f"couldn't read the body: {error}") from error


def gone(key: Key, last: dict) -> dict:
    details = {
        "name": key.name,
        "group": key.kind.group,
        "kind": key.kind.plural,
        "uid": last["metadata"]["uid"],
    }
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def scale_of(obj: dict) -> dict:
    meta = {name: obj["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0)},
    }


def scaled(obj: dict, scale: dict) -> dict:
    return {**obj, "spec": {**obj["spec"], "replicas": scale["spec"]["replicas"]}}


def discovery(path: str) -> dict | None:
    """What tells clients which kinds there are; None for other addresses."""
    known = {
        "/version": kinds.VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": kinds.groups(),
        "/openapi/v3": {
            "paths": {where: {"serverRelativeURL": f"/openapi/v3/{where}"} for where in documents()}
        },
    }
    where = path.removeprefix("/openapi/v3/")
    if where in documents():
        return kinds.schema(documents()[where])
    if path.lstrip("/") in documents():
        return kinds.resources(documents()[path.lstrip("/")])
    return known.get(path)


def documents() -> dict[str, str]:
    """Address of a group -> its version as objects carry it."""
    return {"api/v1": "v1", **{f"apis/{group}": group for group in kinds.GROUPS}}


class Server(ThreadingHTTPServer):
    """Knows its connections, to cut them: a cluster that is away answers on none."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, cluster, port: int = 0, tls: ssl.SSLContext | None = None):
        self.cluster, self._connections, self._guard = cluster, set(), threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def get_request(self):
        connection, address = super().get_request()
        with self._guard:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request):
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Whoever hung up knows why; what is wrong in here fails the test."""
        self.cluster.note_error()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        with self._guard:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
