"""A tenant's REST API as one person sees it: every call is made with their token, so the server's own RBAC decides.

Facts about the wire are in the specification pages protocol.md (sections 3.4, 4, 6, 7) and rerun.md (2, 5, 6, 9).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from tenants.hosting import answers
from tenants.hosting.answers import (
    ending,
    identifier,
    item,
    line,
    listing,
    mapping,
    moment,
    own_id,
    text,
    token,
    whole,
)
from tenants.hosting.base import (
    TenantConflict,
    TenantNotFound,
    TenantRefused,
    TenantUnreachable,
    TenantUnreadable,
)
from tenants.hosting.bounded import (
    DOWNLOAD_PLACES,
    PLACES,
    TOO_LARGE,
    CallPlaces,
    Deadline,
    Download,
    TooMuch,
    download,
    fetch,
    json_of,
    make_http,
)
from tenants.runs import dialects
from tenants.runs.dialects import Release

TIMEOUT = 8.0  # seconds for a whole call, from the first byte of its login to the last of its answer
DOWNLOAD_TIME = (
    600.0  # seconds for a whole download; the server packs the files before it sends the first byte
)
DOWNLOAD_LIMIT = 2 * 1024**3  # bytes, as the server's own limit
DOWNLOAD_TOO_LARGE = "The artifact is larger than 2 GB."
TOO_LATE = "The server does not answer in time."
JWT_LEEWAY = 60.0  # seconds before its end at which a session is renewed
MAX_PAGE = 100
MAX_TAGS = 50
PACKAGES_LENGTH = 200_000  # characters; 2,000 packages are 50,000
STATE_LENGTH = 40  # characters
UNDER_WAY = ("running", "initializing", "provisioning", "retrying", "stopping")  # states of steps that go on
MAX_UPSTREAM = 1000
SOURCE_LENGTH = 200_000  # characters
LONGEST_PATIENCE = 60 * 24 * 365  # minutes
LONGEST_SESSION = 86400.0  # seconds
REASON_LENGTH = 500
MAX_FAULTS = 20
READ_OF_REASON = 4000  # characters; VALIDATION takes time in the square of them
RETRIED = frozenset({"GET"})  # once, on a connection that broke; nothing else may run twice
FINISHED = frozenset({"completed", "cached", "failed", "skipped", "stopped", "cancelled", "retried"})
GATEWAY = (502, 503, 504)
IN_FRONT = (
    403,
    404,
)  # without a sentence of ZenML's: a proxy that knows no such server now, or lets nobody through
NOT_ITSELF = "Something in front of the server answered in its place, with status {}."
# One line per field in the text of a 422: {'type': ..., 'loc': ('body', 'name'), 'msg': 'Field required', ...
VALIDATION = re.compile(r"""'loc': \('\w+', ([^)]*?),?\), 'msg': ["'](.*?)["'], 'input'""")

Json = dict[str, Any]
Id = UUID | str


@dataclass(frozen=True)
class ListPage:
    """One page of a list; `items` are Run, Step or plain dicts."""

    items: list
    total: int
    index: int = 1  # from 1
    pages: int = 1
    size: int = 20


@dataclass(frozen=True)
class Run:
    """One pipeline run (rerun.md section 2). Times are aware and UTC. Fields the person may not read are ""/None."""

    id: UUID
    name: str
    status: str  # initializing provisioning running completed cached failed stopping stopped ...
    in_progress: bool  # see finished
    reason: str  # why it has this status; often ""
    index: int  # 1, 2, 3... within the pipeline
    project_id: UUID | None
    pipeline: str
    pipeline_id: UUID | None
    user: str  # username, the same in tenant and dashboard
    user_id: UUID | None  # the tenant's own id of that person
    stack: str
    stack_id: UUID | None
    snapshot_id: UUID | None
    original_run_id: UUID | None  # set on a replay
    tags: tuple[str, ...]
    created: datetime | None
    start: datetime | None
    end: datetime | None
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @property
    def finished(self) -> bool:
        """True when the status will not change anymore.

        `in_progress` says something else: a failed run whose other branches go on is still in progress, and one
        that failed before its first step stays so forever, without an end (static pipelines, continue_on_failure).
        """
        return self.status in FINISHED

    @property
    def seconds(self) -> float | None:
        """Duration: until now when not finished, until its last change when it has no end."""
        updated = moment(mapping(self.raw.get("body")).get("updated"))
        return duration(self.start, self.end or (updated if self.finished else None), not self.finished)

    @property
    def metadata(self) -> Json:
        """Metrics of the whole run; only in a hydrated answer."""
        return mapping(meta(self.raw).get("run_metadata"))

    @property
    def config(self) -> Json:
        return mapping(meta(self.raw).get("config"))

    @property
    def python_version(self) -> str:
        return line(mapping(meta(self.raw).get("client_environment")).get("python_version"))

    @property
    def python_packages(self) -> list[str]:
        """`name==version` lines; only when asked for, and only if that environment had pip."""
        said = mapping(meta(self.raw).get("client_environment")).get("python_packages")
        return [line(one) for one in text(said, PACKAGES_LENGTH).splitlines()]

    @property
    def code_reference(self) -> Json | None:
        """ZenML's own record of repository and commit."""
        return mapping(resources(self.raw).get("code_reference")) or None


@dataclass(frozen=True)
class Step:
    """One step of a run, hydrated (rerun.md section 5)."""

    id: UUID
    name: str
    status: str  # running completed cached failed skipped stopped retrying ...
    start: datetime | None
    end: datetime | None
    parameters: Json
    metadata: Json  # metrics the step logged
    upstream: tuple[str, ...]  # names of the steps it waits for
    message: str  # of the exception it failed with, else ""
    traceback: str
    source_code: str
    doc: str
    log_sources: tuple[str, ...]  # "step", "prepare_step"
    raw: Json = field(repr=False, compare=False, default_factory=dict)

    @property
    def seconds(self) -> float | None:
        return duration(self.start, self.end, self.status == "running")

    @property
    def original_id(self) -> UUID | None:
        """The step of an earlier run whose result a cached or skipped one hands on."""
        return identifier(meta(self.raw).get("original_step_run_id"))

    @property
    def heartbeat(self) -> datetime | None:
        """When it was last heard of, its start before the first time; None for one that sends no signs of life.

        Wire (0.98.0): body.latest_heartbeat, written every 15 s at first, later every 5 min; body.heartbeat_threshold
        in minutes, None where they are switched off or not known yet.
        """
        body = mapping(self.raw.get("body"))
        return moment(body.get("latest_heartbeat")) or self.start if self.patience else None

    @property
    def patience(self) -> timedelta | None:
        """For how long it may be silent until ZenML itself takes it for dead."""
        minutes = mapping(self.raw.get("body")).get("heartbeat_threshold")
        known = type(minutes) is int and 0 < minutes <= LONGEST_PATIENCE
        return timedelta(minutes=minutes) if known else None


class LogLine(NamedTuple):
    """One piece of output, of which there may be a million. `time` is when its batch was written, not when it was
    printed."""

    message: str
    level: int  # as in logging: 20 info, 30 warning, 40 error
    time: datetime | None


class TenantClient:
    """Calls to one tenant as one person.

    `token_source` gives a control-plane user token of that person; it is exchanged for the server's own session
    when needed (protocol.md section 7: the server calls us back while it does, so we need a free thread).
    Thread-safe. Every call raises TenantUnreachable, TenantRefused, TenantNotFound or TenantConflict.
    """

    def __init__(
        self,
        server_url: str,
        token_source: Callable[[], str],
        timeout: float = TIMEOUT,
        http: httpx.Client | None = None,
        places: CallPlaces = PLACES,
        release: Release = dialects.NEWEST,
    ):
        self.release = release  # of the server's ZenML, which decides what some things are called
        self.api = f"{server_url.rstrip('/')}/api/v1"
        self.token_source = token_source
        self.timeout = timeout
        self.http = http or make_http()
        self.places = places
        self._lock = threading.Lock()
        self._jwt, self._jwt_ends = "", 0.0

    # -- session

    def login(self, bearer: str) -> str:
        """Exchange a control-plane token for the server's JWT (60 min). TenantRefused 401: not a member."""
        with self.places.one(self.api):
            return self._login(bearer, Deadline(self.timeout))

    def _login(self, bearer: str, deadline: Deadline) -> str:
        answer = self._exchange(bearer, deadline)
        self._jwt, lifetime = session_of(json_of(answer), answer.status_code)
        self._jwt_ends = time.monotonic() + lifetime - JWT_LEEWAY
        return self._jwt

    def _exchange(self, bearer: str, deadline: Deadline) -> httpx.Response:
        """A server makes the account of somebody it has not seen before, and two logins at once both want to: the
        later one is a 409 (it looks, then creates: zenml/zen_server/auth.py, 0.98). By then the account is there."""
        try:
            return self._send("POST", "/login", bearer, deadline)
        except TenantConflict:
            return self._send("POST", "/login", bearer, deadline)

    def session(self) -> str:
        """The current JWT, renewed when it is about to end."""
        with self.places.one(self.api):
            return self._session(Deadline(self.timeout))

    def _session(self, deadline: Deadline) -> str:
        """One thread logs in; the others wait for it, but no longer than their own calls may take."""
        if not self._lock.acquire(timeout=max(deadline.ends - time.monotonic(), 0)):
            raise TenantUnreachable(TOO_LATE)
        try:
            if time.monotonic() >= self._jwt_ends:
                self._login(self.token_source(), deadline)
            return self._jwt
        finally:
            self._lock.release()

    def forget_session(self, jwt: str) -> None:
        """Without the lock, which someone may hold for seconds: at worst there is one login too many."""
        if self._jwt == jwt:
            self._jwt_ends = 0.0

    # -- any call

    def call(self, method: str, path: str, *, json: Any = None, **params: Any) -> Any:
        """One call below /api/v1, for what has no method of its own. Parameters that are None are left out.

        A session the server no longer knows is renewed once. Only a GET is repeated when its connection broke. All of
        it together takes at most `timeout` seconds.
        """
        with self.places.one(self.api) as place:
            deadline = Deadline(self.timeout)
            jwt = self._session(deadline)
            try:
                return place.json(self._send(method, path, jwt, deadline, json, params))
            except TenantRefused as refused:
                if refused.status != 401:
                    raise
            self.forget_session(jwt)
            return place.json(self._send(method, path, self._session(deadline), deadline, json, params))

    def _send(
        self,
        method: str,
        path: str,
        bearer: str,
        deadline: Deadline,
        json: Any = None,
        params: Json | None = None,
    ) -> httpx.Response:
        wanted = {key: query_value(value) for key, value in (params or {}).items() if value is not None}
        headers = {"Authorization": f"Bearer {bearer}"}
        for left in (1, 0) if method in RETRIED else (0,):
            try:
                url = self.api + path
                answer = fetch(self.http, method, url, deadline, json=json, params=wanted, headers=headers)
                return checked(answer)
            except TooMuch as error:
                raise TenantRefused(502, TOO_LARGE) from error
            except httpx.HTTPError as error:
                if not (left and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)):
                    raise unreachable(error) from error

    def pages(self, path: str, page: int, size: int, **params: Any) -> ListPage:
        """One page of any list, items as plain dicts."""
        return page_of(self.call("GET", path, page=page, size=min(size, MAX_PAGE), **params), plain)

    # -- projects

    def projects(self) -> list[Json]:
        """[{"id", "name", "body": {"display_name"}, ...}], by name; at most 100."""
        found = self.pages("/projects", 1, MAX_PAGE, sort_by="asc:name").items
        return [{**item(one), "name": line(one.get("name"))} for one in found]

    def create_project(self, name: str, display_name: str = "", description: str = "") -> Json:
        """TenantConflict when the name exists; TenantRefused 402 when the quota is reached."""
        body = {"name": name, "display_name": display_name or name, "description": description}
        return item(self.call("POST", "/projects", json=body))

    # -- runs

    def runs(self, project: Id, page: int = 1, size: int = 20, **filters: Any) -> ListPage:
        """Page of Run, newest first. Filters are the server's: status, pipeline, user, name, tag, stack...

        Hydrated, because start and end are missing otherwise (about 2 ms per run).
        """
        filters = {"sort_by": "desc:created", "hydrate": True} | filters
        filters = dialects.run_filters(filters, self.release)
        answer = self.call("GET", "/runs", project=project, page=page, size=min(size, MAX_PAGE), **filters)
        return page_of(answer, run_of)

    def run(self, run_id: Id, packages: bool = False) -> Run:
        """`packages` adds the Python packages the run was made with."""
        wanted = True if packages else None
        return run_of(self.call("GET", f"/runs/{checked_id(run_id)}", include_python_packages=wanted))

    def run_dag(self, run_id: Id) -> Json:
        """{"status", "nodes": [{"node_id", "type": "step"|"artifact", "id", "name", "metadata": {"status",
        "start_time", "duration" in seconds}}], "edges": [{"source", "target"}]}; enough for a live page."""
        return mapping(self.call("GET", f"/runs/{checked_id(run_id)}/dag"))

    def run_status(self, run_id: Id) -> str:
        return line(self.call("GET", f"/runs/{checked_id(run_id)}/status"))

    def steps(self, run_id: Id, project: Id | None = None, page: int = 1) -> list[Step]:
        """Steps of a run in the order they started, with parameters and metrics; at most 100, more on the next page.

        The server wants the project as well; without it the run is fetched first.
        """
        project = project or self.run(run_id).project_id
        answer = self.call(
            "GET", "/steps", pipeline_run_id=checked_id(run_id), project=project, hydrate=True, size=MAX_PAGE,
            sort_by="asc:start_time", page=page,
        )  # fmt: skip
        return page_of(answer, step_of).items

    def step(self, step_id: Id) -> Step:
        return step_of(self.call("GET", f"/steps/{checked_id(step_id)}"))

    def steps_of_runs(
        self, run_ids: list[Id], project: Id | None, names: list[str] | None = None, page: int = 1
    ) -> list[Step]:
        """Steps of several runs in the order they started, those called `names` or all; at most 100, more on the next
        page.

        `oneof:` takes a JSON list (zenml/models/v2/base/filter.py, 0.98); a step says its run in
        metadata.pipeline_run_id.
        """
        runs = json.dumps([str(checked_id(run)) for run in run_ids])
        name = f"oneof:{json.dumps(names)}" if names else None
        answer = self.call(
            "GET", "/steps", pipeline_run_id=f"oneof:{runs}", name=name, project=project, hydrate=True,
            size=MAX_PAGE, sort_by="asc:start_time", page=page,
        )  # fmt: skip
        return page_of(answer, step_of).items

    def steps_by_ids(self, step_ids: Sequence[Id], project: Id) -> list[Step]:
        """Those of these steps, at most 100, that the person may see, of whichever runs."""
        among = json.dumps([str(checked_id(one)) for one in step_ids])
        answer = self.call("GET", "/steps", id=f"oneof:{among}", project=project, hydrate=True, size=MAX_PAGE)
        return page_of(answer, step_of).items

    def step_logs(self, step_id: Id, source: str = "step") -> list[LogLine]:
        """All output of a step; [] when it has not written any. 20 000 lines take 0.5 s: for finished steps."""
        try:
            answer = self.call("GET", f"/steps/{checked_id(step_id)}/logs", source=source)
        except TenantNotFound as missing:
            if "No logs" in missing.reason:
                return []
            raise
        return log_lines(answer)

    def create_run(self, body: Json) -> Run:
        """A run without a process: {name, snapshot, pipeline, project, status: "initializing", start_time, tags}.

        TenantConflict when a run of that name exists (rerun.md section 2, step 5).
        """
        made = listing(self.call("POST", "/runs", json=dialects.new_run(body, self.release)))
        return run_of(made[0] if made else None)

    def update_run(self, run_id: Id, body: Json) -> Run:
        """{status, status_reason, add_tags, ...}; a finished status cannot be changed: TenantRefused 403.

        The server computes the status of a static pipeline from its steps as well; see Run.finished.
        """
        return run_of(self.call("PUT", f"/runs/{checked_id(run_id)}", json=body))

    def stop_run(self, run_id: Id) -> None:
        """Ask for a run's end: it is `stopping`, gets no further step, and is `stopped` once its steps are (0.98).

        Gracefully: without, a server whose stack cannot end steps by force answers 501 and leaves it `stopping`.
        TenantRefused for a run that ended, or that its orchestrator does not know yet; TenantNotFound by servers
        that stop none.
        """
        self.call("POST", f"/runs/{checked_id(run_id)}/stop", graceful=True)

    def update_step(self, step_id: Id, body: Json) -> Step:
        """{status, end_time, exception_info: {message, traceback}}."""
        return step_of(self.call("PUT", f"/steps/{checked_id(step_id)}", json=body))

    def workload_token(self, run_id: Id) -> str:
        """JWT for the process of one run, with this person's rights, until 1 h after the run ended.

        TenantRefused 400 when the run is over.
        """
        return token(self.call("GET", "/api_token", token_type="workload", pipeline_run_id=run_id))  # noqa: S106

    # -- artifacts

    def artifact_version(self, version_id: Id) -> Json:
        """metadata.{visualizations, run_metadata}, resources.{producer_step_run_id, producer_pipeline_run_id}."""
        return item(self.call("GET", f"/artifact_versions/{checked_id(version_id)}"))

    def visualization(self, version_id: Id, index: int = 0) -> Any:
        """{"type": "html" | "image" | "csv" | "markdown" | "json", "value"}: text, or base64 of an image."""
        path = f"/artifact_versions/{checked_id(version_id)}/visualize"
        return self.call("GET", path, index=index)

    def artifact_data(self, version_id: Id) -> Download:
        """The files of an artifact as the server packs them, .tar.gz; to be closed by whoever reads it.

        The server checks the person's rights when it gives a token for this one download (0.98.0, up to 2 GB there);
        the download itself asks for nothing else. TenantNotFound when the store no longer has it.
        """
        path = f"/artifact_versions/{checked_id(version_id)}"
        secret = token(self.call("GET", f"{path}/download-token"))
        with ExitStack() as place:
            place.enter_context(DOWNLOAD_PLACES.one(self.api))
            deadline = Deadline(DOWNLOAD_TIME)
            found = self._download(f"{self.api}{path}/data", {"token": secret}, deadline, place)
            found.place = place.pop_all()
            return found

    def _download(self, url: str, params: Json, deadline: Deadline, place: ExitStack) -> Download:
        try:
            found = download(self.http, url, deadline, DOWNLOAD_LIMIT, place, params=params)
        except TooMuch as error:
            raise TenantRefused(502, TOO_LARGE) from error
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        checked(found.answer)
        if found.length is not None and found.length > DOWNLOAD_LIMIT:
            raise TenantRefused(502, DOWNLOAD_TOO_LARGE)
        return found

    # -- snapshots

    def snapshot(self, snapshot_id: Id) -> Json:
        """The compiled pipeline: metadata.{pipeline_configuration, step_configurations, pipeline_spec, ...}."""
        path = f"{dialects.snapshots_path(self.release)}/{checked_id(snapshot_id)}"
        return dialects.snapshot_read(item(self.call("GET", path)))

    def newest_snapshots(self, project: Id, pipeline: Id | None, size: int) -> list[Json]:
        """The newest ones, hydrated; of one pipeline, or of all of them."""
        path, order = dialects.snapshots_path(self.release), "desc:created"
        wanted = {"project": project, "pipeline": pipeline, "sort_by": order, "hydrate": True}
        return [dialects.snapshot_read(one) for one in self.pages(path, 1, size, **wanted).items]

    def code_repository(self, repository_id: Id) -> Json:
        """A registered repository; its own settings, which may hold secrets, are in metadata.config."""
        return item(self.call("GET", f"/code_repositories/{checked_id(repository_id)}"))

    def build(self, build_id: Id) -> Json:
        """The images of a run, with metadata.stack_checksum of the stack they were built for."""
        return item(self.call("GET", f"/pipeline_builds/{checked_id(build_id)}"))

    def stack(self, stack_id: Id) -> Json:
        """A stack with its components by their types, in metadata.components."""
        return item(self.call("GET", f"/stacks/{checked_id(stack_id)}"))

    def all_stacks(self) -> list[Json]:
        """Stacks of the server as stack() has them, by name; at most 100."""
        return self.pages("/stacks", 1, MAX_PAGE, sort_by="asc:name", hydrate=True).items

    def flavor(self, kind: str, name: str) -> Json:
        """The flavor of this type and name, with its schema in metadata.config_schema; {} when there is none."""
        found = self.pages("/flavors", 1, 1, type=kind, name=name, hydrate=True)
        return next((one for one in found.items if one.get("name") == name), {})

    def create_snapshot(self, body: Json) -> Json:
        """Body: rerun.md section 2, step 4. Unknown step parameters are accepted silently: validate before."""
        return item(self.call("POST", dialects.snapshots_path(self.release), json=body))

    def delete_snapshot(self, snapshot_id: Id) -> None:
        self.call("DELETE", f"{dialects.snapshots_path(self.release)}/{checked_id(snapshot_id)}")


class TenantClients:
    """Clients kept between requests, least recently used dropped, all on one pool of connections.

    `key` must name server and person: a client holds that person's session.
    """

    def __init__(self, size: int = 200, timeout: float = TIMEOUT):
        self.size, self.timeout = size, timeout
        self.http = make_http()
        self._clients: OrderedDict[Hashable, TenantClient] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self,
        key: Hashable,
        server_url: str,
        token_source: Callable[[], str],
        release: Release = dialects.NEWEST,
    ) -> TenantClient:
        with self._lock:
            client = self._clients.get(key)
            if client is None or not client.api.startswith(f"{server_url.rstrip('/')}/api/"):
                client = TenantClient(server_url, token_source, self.timeout, self.http)
            client.token_source, client.release = token_source, release
            self._clients[key] = client
            self._clients.move_to_end(key)
            while len(self._clients) > self.size:
                self._clients.popitem(last=False)
            return client


# -- answers


def checked(answer: httpx.Response) -> httpx.Response:
    """Raise the exception that belongs to a status (protocol.md section 4)."""
    if answer.is_success:
        return answer
    reason = reason_of(answer)
    if answer.status_code in GATEWAY and not reason:
        raise TenantUnreachable("The server is not ready.")
    if answer.status_code in IN_FRONT and not reason:
        raise TenantUnreachable(NOT_ITSELF.format(answer.status_code))
    reason = reason or f"The server answered with status {answer.status_code}."
    if answer.status_code == 404:
        raise TenantNotFound(reason)
    if answer.status_code == 409:
        raise TenantConflict(reason)
    raise TenantRefused(answer.status_code, reason)


def reason_of(answer: httpx.Response) -> str:
    """The server's own sentence from {"detail": [name, message]}, {"detail": text}, [name, message] or
    [{"loc", "msg"}]; "" when there is none."""
    try:
        body = json_of(answer)
    except TenantRefused:
        return ""
    detail = body.get("detail") if isinstance(body, dict) else body
    return clean(text(sentence(detail), READ_OF_REASON))


def sentence(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    if not isinstance(detail, list) or not detail:
        return ""
    if all(isinstance(one, dict) for one in detail):
        return "; ".join(map(_fault, detail[:MAX_FAULTS]))
    return detail[-1] if isinstance(detail[-1], str) else ""


def _fault(one: Json) -> str:
    """{"loc": ["body", "name"], "msg": "too long"} as "name: too long"."""
    places = [str(place) for place in listing(one.get("loc"), 20)[1:] if isinstance(place, str | int)]
    return f"{line('.'.join(places))}: {line(one.get('msg'))}"


def clean(text: str) -> str:
    """A validation error as "field: what is wrong; ...", and a KeyError without its quotes."""
    if fields := VALIDATION.findall(text):
        text = "; ".join(f"{where.replace(chr(39), '').replace(', ', '.')}: {what}" for where, what in fields)
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text[:REASON_LENGTH]


def unreachable(error: httpx.HTTPError) -> TenantUnreachable:
    if isinstance(error, httpx.TimeoutException):
        return TenantUnreachable(TOO_LATE)
    if isinstance(error, httpx.ConnectError):
        return TenantUnreachable("The server cannot be reached.")
    return TenantUnreachable("The connection to the server broke.")


def session_of(body: Any, status: int) -> tuple[str, float]:
    """The session a login gave, and for how many seconds. Raises TenantRefused."""
    body = mapping(body)
    if not body.get("access_token"):
        raise TenantRefused(status, "The server did not open a session.")
    return token(body["access_token"]), min(
        answers.seconds(body.get("expires_in")) or 3600.0, LONGEST_SESSION
    )


def page_of(answer: Any, make: Callable[[Any], Any]) -> ListPage:
    """At most MAX_PAGE items, however many a server sends. Raises TenantUnreadable."""
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise TenantUnreadable
    found = [make(one) for one in listing(answer["items"], MAX_PAGE)]
    numbers = [whole(answer.get(name)) for name in ("total", "index", "total_pages", "max_size")]
    return ListPage(found, *numbers)


def plain(one: Any) -> Json:
    """Raises TenantUnreadable for what is not an object."""
    if not isinstance(one, dict):
        raise TenantUnreadable
    return one


def run_of(raw: Any) -> Run:
    """Raises TenantUnreadable for what has no id; all else may be missing or nonsense."""
    run_id, raw = own_id(raw), dialects.run_read(mapping(raw))
    body, more, linked = mapping(raw.get("body")), meta(raw), resources(raw)
    return Run(
        id=run_id,
        name=line(raw.get("name")),
        status=line(body.get("status"), STATE_LENGTH),
        in_progress=body.get("in_progress") is True,
        reason=text(body.get("status_reason")),
        index=whole(body.get("index")),
        project_id=identifier(body.get("project_id")),
        pipeline=name_of(linked.get("pipeline")),
        pipeline_id=id_of(linked.get("pipeline")),
        user=name_of(linked.get("user")),
        user_id=id_of(linked.get("user")),
        stack=name_of(linked.get("stack")),
        stack_id=id_of(linked.get("stack")),
        snapshot_id=id_of(linked.get("snapshot")),
        original_run_id=id_of(linked.get("original_run")),
        tags=tuple(name_of(tag) for tag in listing(linked.get("tags"), MAX_TAGS)),
        created=moment(body.get("created")),
        start=moment(more.get("start_time")),
        end=moment(more.get("end_time")),
        raw=raw,
    )


def step_of(raw: Any) -> Step:
    """Raises TenantUnreadable for what has no id; all else may be missing or nonsense."""
    step_id, raw = own_id(raw), mapping(raw)
    body, more = mapping(raw.get("body")), meta(raw)
    failure = mapping(more.get("exception_info"))
    upstream = listing(mapping(more.get("spec")).get("upstream_steps"), MAX_UPSTREAM)
    return Step(
        id=step_id,
        name=line(raw.get("name")),
        status=line(body.get("status"), STATE_LENGTH),
        start=moment(body.get("start_time")),
        end=moment(body.get("end_time")),
        parameters=mapping(mapping(more.get("config")).get("parameters")),
        metadata=mapping(more.get("run_metadata")),
        upstream=tuple(line(name) for name in upstream),
        message=text(failure.get("message")),
        traceback=ending(failure.get("traceback")),
        source_code=text(more.get("source_code"), SOURCE_LENGTH),
        doc=text(more.get("docstring")),
        log_sources=log_sources(raw),
        raw=raw,
    )


def log_sources(raw: Json) -> tuple[str, ...]:
    logs = listing(resources(raw).get("log_collection"), MAX_TAGS)
    return tuple(line(mapping(mapping(one).get("body")).get("source")) for one in logs)


def log_lines(answer: Any) -> list[LogLine]:
    """Entries since 0.80, before that one text; all that is none of both is left out."""
    if isinstance(answer, str):
        return [LogLine(one, 20, None) for one in text(answer, len(answer)).splitlines()]
    return [_log_line(one) for one in listing(answer) if isinstance(one, dict)]


def _log_line(one: Json) -> LogLine:
    said = one.get("message")
    message = text(said, len(said)) if isinstance(said, str) else ""
    return LogLine(message, whole(one.get("level")) or 20, moment(one.get("timestamp")))


def meta(raw: Json) -> Json:
    return mapping(raw.get("metadata"))


def resources(raw: Json) -> Json:
    return mapping(raw.get("resources"))


def name_of(linked: Any) -> str:
    return line(mapping(linked).get("name"))


def id_of(linked: Any) -> UUID | None:
    return identifier(mapping(linked).get("id"))


def duration(start: datetime | None, end: datetime | None, running: bool) -> float | None:
    if start is None or (end is None and not running):
        return None
    return max(0.0, ((end or datetime.now(UTC)) - start).total_seconds())


def query_value(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | list | tuple) else str(value)


def checked_id(value: Id) -> UUID:
    """Ids become parts of paths: nothing but a UUID may."""
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError as error:
        raise TenantNotFound("There is no such object.") from error
