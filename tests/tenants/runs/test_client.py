import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from tenants.hosting.base import TenantConflict, TenantNotFound, TenantRefused, TenantUnreachable
from tenants.runs.client import TenantClient, TenantClients, log_lines, make_http, run_of, step_of
from tests.tenants.hosting.streams import Streamed

DATA = Path(__file__).parents[2] / "data"
RUN = uuid4()


class Server:
    """Answers the login itself and everything else from a list; remembers what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.logins = 0

    def __call__(self, request):
        if request.url.path.endswith("/login"):
            self.logins += 1
            session = {"access_token": f"jwt-{self.logins}", "expires_in": 3600}
            return httpx.Response(
                200, json=session, headers={"Set-Cookie": f"zenml-server-x=jwt-{self.logins}; Path=/"}
            )
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client_of(server, token="user-token"):
    return TenantClient("http://tenant.test/", lambda: token, http=make_http(Streamed(server)))


def ok(body):
    return httpx.Response(200, json=body)


def refused(status, *detail, bare=False):
    return httpx.Response(status, json=list(detail) if bare else {"detail": list(detail)})


# -- session


def test_login_once_for_many_calls():
    server = Server(ok({"name": "ada"}))
    client = client_of(server)
    client.call("GET", "/current-user")
    client.call("GET", "/current-user")
    assert server.logins == 1
    assert server.asked[0].url == "http://tenant.test/api/v1/current-user"
    assert server.asked[0].headers["Authorization"] == "Bearer jwt-1"


def test_cookies_are_never_sent():
    server = Server(ok({}))
    client = client_of(server)
    client.call("GET", "/current-user")
    assert "Cookie" not in server.asked[0].headers
    assert list(client.http.cookies.jar) == []


def test_session_is_renewed_before_it_ends(monkeypatch):
    server = Server(ok({}))
    client = client_of(server)
    client.call("GET", "/current-user")
    later = client._jwt_ends + 1
    monkeypatch.setattr("tenants.runs.client.time.monotonic", lambda: later)
    client.call("GET", "/current-user")
    assert server.logins == 2


def test_unknown_session_is_renewed_once_and_the_call_repeated():
    server = Server(refused(401, "CredentialsNotValid", "no"), ok({"name": "ada"}))
    client = client_of(server)
    assert client.call("POST", "/runs", json={}) == {"name": "ada"}
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer jwt-1", "Bearer jwt-2"]


def test_401_for_ever_is_a_refusal():
    server = Server(refused(401, "CredentialsNotValid", "no"))
    with pytest.raises(TenantRefused, match="no"):
        client_of(server).call("GET", "/current-user")
    assert server.logins == 2


def test_login_that_answers_with_a_redirect_url_is_a_refusal():
    def server(request):
        return ok({"authorization_url": "http://dash/api/auth/login"})

    with pytest.raises(TenantRefused, match="did not open a session"):
        client_of(server).call("GET", "/current-user")


def server_with_logins(*answers):
    """A server that gives these answers to logins, the last one for ever. Returns it and the bearers it was shown."""
    left, shown = list(answers), []

    def server(request):
        if not request.url.path.endswith("/login"):
            return ok({"name": "ada"})
        shown.append(request.headers["Authorization"])
        return left.pop(0) if len(left) > 1 else left[0]

    return server, shown


TAKEN = (409, "EntityExistsError", "Unable to create user with name 'ada': Found an existing user account")


def test_first_login_at_the_same_moment_as_another_one_is_tried_again():
    server, shown = server_with_logins(refused(*TAKEN), ok({"access_token": "jwt", "expires_in": 3600}))
    assert client_of(server).call("GET", "/current-user") == {"name": "ada"}
    assert shown == ["Bearer user-token"] * 2


def test_a_name_that_stays_taken_is_a_conflict():
    server, shown = server_with_logins(refused(*TAKEN))
    with pytest.raises(TenantConflict, match="Unable to create user"):
        client_of(server).call("GET", "/current-user")
    assert len(shown) == 2


# -- errors


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (refused(404, "KeyError", "\"No logs found for source 'x'\""), TenantNotFound, "No logs found for source 'x'"),
        (refused(409, "EntityExistsError", "there is one"), TenantConflict, "there is one"),
        (refused(403, "IllegalOperationError", "Insufficient permissions"), TenantRefused, "Insufficient permissions"),
        (refused(402, "SubscriptionUpgradeRequiredError", "limit"), TenantRefused, "limit"),
        (refused(500, "RuntimeError", "Failed"), TenantRefused, "Failed"),
        (refused(503, "LogStoreUnavailableError", "logs"), TenantRefused, "logs"),
        (httpx.Response(400, json={"detail": "text"}), TenantRefused, "text"),
        (httpx.Response(418, text="<html>"), TenantRefused, "The server answered with status 418."),
        (httpx.Response(307, headers={"Location": "/"}), TenantRefused, "The server answered with status 307."),
        (httpx.Response(502, text="<html>"), TenantUnreachable, "The server is not ready."),
        (httpx.Response(404, text="404 page not found"), TenantUnreachable,
         "Something in front of the server answered in its place, with status 404."),
        (httpx.Response(403, text="<html>"), TenantUnreachable,
         "Something in front of the server answered in its place, with status 403."),
        (httpx.Response(404, json={"kind": "Status", "code": 404, "message": "services not found"}), TenantUnreachable,
         "Something in front of the server answered in its place, with status 404."),
        (httpx.Response(200, text="<html>"), TenantRefused, "The server answered with something that is not JSON."),
        (httpx.Response(422, json={"detail": [{"loc": ["body", "name"], "msg": "too long"}]}), TenantRefused,
         "name: too long"),
        (refused(422, "ValueError", "2 validation errors:\n  {'type': 'missing', 'loc': ('body', 'name'), 'msg': "
                 "'Field required', 'input': {}}\n  {'type': 'int', 'loc': ('body', 'steps', 0, 'n'), 'msg': \"isn't\", "
                 "'input': 1}\n\n  File \"x.py\", line 1", bare=True),
         TenantRefused, "name: Field required; steps.0.n: isn't"),
    ],
)  # fmt: skip
def test_errors_carry_the_servers_sentence(answer, kind, reason):
    with pytest.raises(kind) as raised:
        client_of(Server(answer)).call("POST", "/runs", json={})
    assert type(raised.value) is kind
    assert raised.value.reason == reason
    if kind is not TenantUnreachable:
        assert raised.value.status == answer.status_code


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("x"), "The server cannot be reached."),
        (httpx.ReadTimeout("x"), "The server does not answer in time."),
        (httpx.RemoteProtocolError("x"), "The connection to the server broke."),
    ],
)
def test_no_answer(error, reason):
    with pytest.raises(TenantUnreachable) as raised:
        client_of(Server(error)).call("GET", "/current-user")
    assert raised.value.reason == reason


def test_get_is_repeated_on_a_broken_connection():
    server = Server(httpx.RemoteProtocolError("closed"), ok({"name": "ada"}))
    assert client_of(server).call("GET", "/current-user") == {"name": "ada"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_else_is_repeated(method):
    server = Server(httpx.RemoteProtocolError("closed"), ok({}))
    with pytest.raises(TenantUnreachable):
        client_of(server).call(method, "/runs")
    assert len(server.asked) == 1


def test_slow_get_is_not_repeated():
    server = Server(httpx.ReadTimeout("slow"), ok({}))
    with pytest.raises(TenantUnreachable):
        client_of(server).call("GET", "/current-user")
    assert len(server.asked) == 1


@pytest.mark.parametrize("bad", ["../stacks", "x", "", "1/2?y"])
def test_only_uuids_become_paths(bad):
    server = Server(ok({}))
    client = client_of(server)
    for call in (client.run, client.run_dag, client.run_status, client.steps, client.step_logs, client.snapshot,
                 client.delete_snapshot):  # fmt: skip
        with pytest.raises(TenantNotFound, match="no such object"):
            call(bad)
    assert server.asked == []


# -- what is asked


def query(server, at=0):
    return dict(server.asked[at].url.params)


def test_runs_are_newest_first_and_hydrated():
    page = {"items": [], "total": 0, "index": 2, "total_pages": 0, "max_size": 100}
    server = Server(ok(page))
    project = uuid4()
    result = client_of(server).runs(project, page=2, size=500, status="failed", user=None)
    assert (result.items, result.total, result.index) == ([], 0, 2)
    assert query(server) == {
        "project": str(project), "page": "2", "size": "100", "status": "failed", "sort_by": "desc:created",
        "hydrate": "true",
    }  # fmt: skip


def test_steps_fetch_the_project_when_it_is_not_known():
    run = json.loads((DATA / "churn_run.json").read_text())
    server = Server(ok(run), ok(json.loads((DATA / "churn_steps.json").read_text())))
    steps = client_of(server).steps(run["id"])
    assert len(steps) == 5
    assert query(server, 1)["project"] == run["body"]["project_id"]
    assert query(server, 1)["pipeline_run_id"] == run["id"]


def test_logs_that_do_not_exist_are_empty():
    server = Server(refused(404, "KeyError", "\"No logs found for source 'step' in step x\""))
    assert client_of(server).step_logs(RUN) == []
    with pytest.raises(TenantNotFound):
        client_of(Server(refused(404, "KeyError", "No step with this ID found"))).step_logs(RUN)


def test_create_run_takes_the_run_out_of_the_pair():
    run = json.loads((DATA / "churn_run.json").read_text())
    assert client_of(Server(ok([run, True]))).create_run({}).id == UUID(run["id"])


def test_delete_has_no_answer():
    assert client_of(Server(httpx.Response(204))).delete_snapshot(RUN) is None


# -- answers


def test_run_from_a_real_answer():
    run = run_of(json.loads((DATA / "churn_run.json").read_text()))
    assert (run.pipeline, run.user, run.stack, run.status, run.index) == (
        "churn",
        "admin",
        "default",
        "completed",
        1,
    )
    assert run.start.tzinfo is UTC
    assert 1 < run.seconds < 2
    assert run.python_version == "3.11.7"
    assert run.config["name"] == "churn"
    assert run.code_reference is None
    assert run.python_packages == []


def test_run_that_may_not_be_read():
    run = run_of(
        {
            "id": str(RUN),
            "name": None,
            "permission_denied": True,
            "body": None,
            "metadata": None,
            "resources": None,
        }
    )
    assert (run.name, run.status, run.pipeline, run.start, run.seconds, run.tags) == (
        "",
        "",
        "",
        None,
        None,
        (),
    )


def test_duration_of_a_run_in_progress_grows():
    body = {"status": "running", "in_progress": True, "created": "2026-01-01T00:00:00"}
    run = run_of({"id": str(RUN), "body": body, "metadata": {"start_time": "2026-01-01T00:00:00"}})
    assert run.seconds > 0
    assert run.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert not run.finished


def test_run_that_failed_before_its_first_step_is_finished_all_the_same():
    body = {"status": "failed", "in_progress": True, "updated": "2026-01-01T00:00:05"}
    run = run_of(
        {"id": str(RUN), "body": body, "metadata": {"start_time": "2026-01-01T00:00:00", "end_time": None}}
    )
    assert run.finished
    assert run.seconds == 5


def test_steps_from_a_real_answer():
    items = json.loads((DATA / "churn_steps.json").read_text())["items"]
    step = step_of(items[0])
    assert step.name == "load_customers"
    assert set(step.metadata) == {"customers", "churn_rate"}
    assert step.doc == "Reads the customers worth looking at."
    assert set(step.log_sources) == {"step", "prepare_step"}
    assert step.message == step.traceback == ""
    assert step.seconds > 0


BEAT = {"latest_heartbeat": "2026-11-27T18:43:03.5", "heartbeat_threshold": 30}


@pytest.mark.parametrize(
    ("said", "patience", "heartbeat"),
    [
        (BEAT, timedelta(minutes=30), datetime(2026, 11, 27, 18, 43, 3, 500_000, tzinfo=UTC)),
        (BEAT | {"latest_heartbeat": None}, timedelta(minutes=30), datetime(2026, 11, 27, 18, tzinfo=UTC)),
        (BEAT | {"heartbeat_threshold": None}, None, None),
        (BEAT | {"heartbeat_threshold": True}, None, None),
        (BEAT | {"heartbeat_threshold": 10**300}, None, None),
        (BEAT | {"heartbeat_threshold": -1}, None, None),
        ({}, None, None),
    ],
)
def test_signs_of_life_of_a_step(said, patience, heartbeat):
    body = {"status": "running", "start_time": "2026-11-27T18:00:00", **said}
    step = step_of({"id": str(uuid4()), "name": "train", "body": body})
    assert (step.patience, step.heartbeat) == (patience, heartbeat)


def test_failed_step():
    raw = {
        "id": str(RUN),
        "metadata": {"exception_info": {"message": "bad", "traceback": "Traceback", "user_code_line": 3}},
    }
    assert (step_of(raw).message, step_of(raw).traceback) == ("bad", "Traceback")


def test_logs_of_new_and_old_servers():
    new = log_lines([{"message": "hi", "level": 30, "timestamp": "2026-01-01T00:00:00Z"}])[0]
    assert (new.message, new.level, new.time) == ("hi", 30, datetime(2026, 1, 1, tzinfo=UTC))
    assert [line.message for line in log_lines("a\nb\n")] == ["a", "b"]


# -- kept clients


def test_clients_are_kept_per_key():
    clients = TenantClients(size=2)
    ada = clients.get(("t", "ada"), "http://t", lambda: "a")
    assert clients.get(("t", "ada"), "http://t/", lambda: "b") is ada
    assert ada.token_source() == "b"
    assert clients.get(("t", "bo"), "http://t", lambda: "c") is not ada


def test_moved_server_gets_a_new_client():
    clients = TenantClients()
    first = clients.get("k", "http://t:1", lambda: "a")
    assert clients.get("k", "http://t:12", lambda: "a") is not first


def test_oldest_client_is_dropped():
    clients = TenantClients(size=2)
    first = clients.get(1, "http://t", lambda: "a")
    clients.get(2, "http://t", lambda: "a")
    clients.get(3, "http://t", lambda: "a")
    assert clients.get(1, "http://t", lambda: "a") is not first
