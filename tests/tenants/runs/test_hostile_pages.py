"""Pages about a tenant whose server sends anything at all: never a 500, always an end.

The client is the real one; what its server says is made up.
"""

import json
import threading
from copy import deepcopy
from uuid import uuid4

import httpx
import pytest
from django.urls import reverse
from factories import make_code, make_grant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.hosting.bounded import CallPlaces, make_http
from tenants.run_templates import actions
from tenants.runs import reading as runs
from tenants.runs import shared_looks, step_pages
from tenants.runs.client import TenantClient
from tests.tenants.hosting.hostile import LARGE, SLOW, HostileServer
from tests.tenants.hosting.streams import Streamed
from tests.tenants.runs.fakes import CUSTOMERS, RUN_ID, artifact_answers, churn

BIG = "n" * 1_000_000
OTHER_ID = uuid4()
PROJECT = "a51045a2-aa6a-441d-b0dc-5bcc700eeab4"
RECORDED = {
    "login": {"access_token": "jwt"},
    "projects": {
        "items": [{"id": PROJECT, "name": "default"}],
        "total": 1,
        "index": 1,
        "total_pages": 1,
        "max_size": 100,
    },
    "list": {"items": [churn("run")], "total": 1, "index": 1, "total_pages": 1, "max_size": 20},
    "run": churn("run"),
    "dag": churn("dag"),
    "steps": churn("steps"),
    "logs": [{"message": "Read 5000 rows", "level": 20, "timestamp": "2026-01-01T00:00:00"}],
    "snapshot": churn("snapshot"),
    "artifact": artifact_answers(RUN_ID)[str(CUSTOMERS)],
    "visualize": {"type": "csv", "value": "a,b\n1,2\n"},
    "download-token": "secret",
    "data": b"packed",
}
PAGES = [
    ("runs", [], {}),
    (
        "runs",
        [],
        {
            "q": "%",
            "status": "failed",
            "person": "me",
            "tag": "oneof:[",
            "since": "1970-01-01",
            "sort": "name",
        },
    ),
    ("runs", [], {"columns": ["metric:train.training_auc", "parameter:train.rounds", "metric:.a"]}),
    ("run_columns", [], {}),
    ("run_tags", [RUN_ID], {}),
    ("overview", [], {"target": "last_runs"}),
    ("run_detail", [RUN_ID], {}),
    ("run_detail", [RUN_ID], {"graph": "all", "step": "train"}),
    (
        "run_detail",
        [RUN_ID],
        {"graph": "1", "open": ["s.0", "<b>", "….1"] * 30, "level": "<b>" * 300, "q": "x"},
    ),
    ("run_detail", [RUN_ID], {"view": "metrics"}),
    ("run_detail", [RUN_ID], {"view": "configuration"}),
    ("run_detail", [RUN_ID], {"view": "artifacts"}),
    ("step_log", [RUN_ID, uuid4()], {}),
    ("compare", [], {"run": [RUN_ID, OTHER_ID]}),
    ("compare", [], {"run": [RUN_ID, OTHER_ID], "rows": "all", "turn": "packages"}),
    ("compare", [], {"run": [RUN_ID], "with": "previous"}),
    ("artifact_frame", [RUN_ID, CUSTOMERS, 0], {}),
    ("artifact_download", [RUN_ID, CUSTOMERS], {}),
]
READ: list[set[str]] = []  # what each page asks for, once it is known
FILES = ("step_log", "artifact_download", "artifact_frame")


class Server:
    """A tenant's server whose answers are `says`, by what is asked for."""

    def __init__(self):
        self.says = dict(RECORDED)
        self.asked = set()
        self.sent = {}  # kind -> (what it says, its bytes): writing megabytes takes longer than reading them

    def __call__(self, request):
        kind = self.kind(request.url.path)
        self.asked.add(kind)
        body = self.says[kind]
        if kind not in self.sent or self.sent[kind][0] is not body:
            self.sent[kind] = body, body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(200, content=self.sent[kind][1])

    def kind(self, path):
        ends = ("login", "projects", "dag", "logs", "steps", "visualize", "download-token", "data")
        found = next((end for end in ends if path.endswith(f"/{end}")), None)
        parts = {"/pipeline_snapshots/": "snapshot", "/artifact_versions/": "artifact", "/runs/": "run"}
        return found or next((kind for part, kind in parts.items() if part in path), "list")


@pytest.fixture
def server(monkeypatch):
    made = Server()
    client = TenantClient(
        "http://tenant.test",
        lambda: "token",
        http=make_http(Streamed(made)),
        places=CallPlaces(credit=float("inf")),
    )
    monkeypatch.setattr(runs, "connect", lambda user, tenant: client)
    monkeypatch.setattr(shared_looks, "KEPT", 0)  # it says something else at each look
    monkeypatch.setattr(actions, "connect", lambda user, tenant: client)
    return made


@pytest.fixture
def look(as_user, member, tenant):
    """look(name, args, query): the status of a page, and its text."""
    make_grant(tenant, member, "developer")
    browser = as_user(member)

    def get(name, args, query):
        query = dict(query)
        target = query.pop("target", "")
        headers = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": target} if target else {}
        address = reverse(f"tenants:{name}", args=[tenant.organization.slug, tenant.slug, *args])
        answer = browser.get(address, query, **headers)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer.status_code, content.decode(errors="replace")

    return get


@pytest.fixture
def doors(as_user, member, tenant, look):
    """doors(): the statuses of both doors of the run, and of the page that asks for what is missing."""
    make_code(tenant, "churn")
    browser, args = as_user(member), [tenant.organization.slug, tenant.slug, RUN_ID]

    def get():
        pages = [
            browser.post(reverse("run_templates:again", args=args), {"do": do}) for do in ("run", "change")
        ]
        pages.append(browser.get(reverse("run_templates:prepare", args=args)))
        return {page.status_code for page in pages}

    return get


def look_at_all(look, pages=PAGES) -> dict[str, str]:
    """Each page must be there, or not found, or a refusal in words."""
    texts = {}
    for name, args, query in pages:
        status, text = look(name, args, query)
        assert status in (200, 302, 404, 503), (name, query, status)
        assert name in FILES or len(text) < 3_000_000, (name, query, len(text))
        texts[f"{name} {query}"] = text
    return texts


@pytest.fixture
def pages_that_ask(server, look):
    """pages_that_ask(kinds): the pages whose text depends on answers of these kinds, found by looking at all once."""
    if not READ:
        READ.extend(asked_by(server, look, page) for page in PAGES)
    return lambda kinds: [page for page, asked in zip(PAGES, READ, strict=True) if asked & set(kinds)]


def asked_by(server, look, page) -> set[str]:
    server.asked.clear()
    look(*page)
    return set(server.asked)


def test_honest_answers_are_shown(server, look):
    texts = look_at_all(look)
    assert all("does not answer" not in text and "could not answer" not in text for text in texts.values())


def failed_with(exception) -> dict:
    """A run whose step train failed with this."""
    found = {"dag": churn("dag"), "steps": churn("steps"), "run": churn("run")}
    found["run"]["body"]["status"] = found["dag"]["status"] = "failed"
    for node in found["dag"]["nodes"]:
        if node["name"] == "train" and node["type"] == "step":
            node["metadata"]["status"] = "failed"
    for step in found["steps"]["items"]:
        step["metadata"]["exception_info"] = exception
    return found


def many_steps(count: int, edges) -> dict:
    nodes = [
        {
            "node_id": f"step/{n}",
            "type": "step",
            "id": str(uuid4()),
            "name": f"s{n}",
            "metadata": {"status": "completed"},
        }
        for n in range(count)
    ]
    links = [{"source": f"step/{a}", "target": f"step/{b}"} for a, b in edges]
    return {"status": "completed", "nodes": nodes, "edges": links}


def nested(depth: int):
    found = {"x": 1}
    for _ in range(depth):
        found = {"folder": found}
    return found


def run_with(**changes) -> dict:
    run = churn("run")
    for path, value in changes.items():
        part, _, key = path.partition("__")
        run[part] = value if not key else {**run[part], key: value}
    return run


def with_parameters(parameters) -> dict:
    """The snapshot, in which these are the parameters of the pipeline and of one step."""
    snapshot = churn("snapshot")
    snapshot["metadata"]["pipeline_configuration"]["parameters"] = parameters
    snapshot["metadata"]["step_configurations"]["train"]["config"]["parameters"] = parameters
    return snapshot


def steps_with(**metadata) -> dict:
    """Steps that all say this."""
    answer = churn("steps")
    for one in answer["items"]:
        one["metadata"] |= metadata
    return answer


HUGE = 10**400


def artifact(**changes) -> dict:
    """The hydrated version with other metadata."""
    raw = deepcopy(RECORDED["artifact"])
    return {**raw, "metadata": {**raw["metadata"], **changes}}


def saved(count: int, **changes) -> dict:
    """Steps, the first of which saved and read so many artifacts: each was made of itself and all others."""
    steps = churn("steps")
    one = steps["items"][0]["resources"]["outputs"]["customers"][0]
    many = {f"a{n}": [{**one, "id": str(uuid4()), **changes}] for n in range(count)}
    steps["items"][0]["resources"] |= {"outputs": many, "inputs": many}
    return steps


LOOP = {
    "properties": {"x": {"$ref": "#/$defs/a"}, "y": {"writeOnly": True}},
    "$defs": {
        "a": {"anyOf": [{"$ref": "#/$defs/a"}, {"items": {"$ref": "#/$defs/a"}}, {"format": "password"}]}
    },
}


def with_schema(schema) -> dict:
    """The snapshot, in which this is the schema of all values, and all steps have some."""
    snapshot = churn("snapshot")
    for step in snapshot["metadata"]["step_configurations"].values():
        step["spec"]["parameter_spec"] = {**LOOP, "properties": {f"p{n}": schema for n in range(50)}}
        step["config"]["parameters"] = {f"p{n}": [["y"] * 30] * 30 for n in range(50)}
    return snapshot


SHOWN = [{"body": {"type": "image"}}]
ATTACKS = {
    "10,000 artifacts made of themselves": {"steps": saved(5000)},
    "artifacts that are none": {"steps": saved(3, body=[]), "artifact": {"id": "x"}},
    "an artifact with a name of megabytes": {
        "steps": saved(1, body={"artifact": {"name": BIG}, "version": BIG, "uri": BIG, "type": BIG})
    },
    "an image that is HTML": {
        "artifact": artifact(visualizations=SHOWN),
        "visualize": {"type": "image", "value": "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="},
    },
    "visualizations without end": {"artifact": artifact(visualizations=SHOWN * 9000)},
    "visualizations that are none": {"artifact": artifact(visualizations=[7, None, {"body": []}])},
    "a table of megabytes": {
        "artifact": artifact(visualizations=SHOWN),
        "visualize": {"type": "csv", "value": ",".join("x" * 40_000) + "\n,\n" * 200_000},
    },
    "JSON in a text that is nested": {
        "artifact": artifact(visualizations=SHOWN),
        "visualize": {"type": "json", "value": "[" * 900 + "1," * 90_000 + "1" + "]" * 900},
    },
    "metadata without end": {
        "artifact": artifact(run_metadata={f"m{n}": {"x": {"y": BIG[:90]}} for n in range(9000)})
    },
    "metadata that is nested": {"artifact": artifact(run_metadata=nested(80))},
    "a size that is none": {"artifact": artifact(run_metadata={"storage_size": HUGE})},
    "a download that is no token": {"download-token": {"a": 1}},
    "an exception that is none": failed_with({"message": [BIG], "traceback": {"a": 1}}),
    "a traceback without end": failed_with(
        {
            "message": None,
            "traceback": f'  File "/runs/{OTHER_ID}/code/../../x.py", line 1, in {BIG}\n{BIG}: ' * 9,
        }
    ),
    "3,000 steps": {"dag": many_steps(3000, [(n, n + 1) for n in range(2999)])},
    "all steps wait for all": {
        "dag": many_steps(150, [(a, b) for a in range(150) for b in range(a + 1, 150)])
    },
    "kinds that are HTML": {
        "dag": {
            "nodes": [
                {**node, "name": f'"><script>{n}</script>{"x" * 200}{n}'}
                for n, node in enumerate(many_steps(300, [])["nodes"])
            ],
            "edges": [],
        }
    },
    "names that are numbers": {
        "dag": {
            "nodes": [
                {**node, "name": f"{'9' * 200}_{n}²"} for n, node in enumerate(many_steps(40, [])["nodes"])
            ],
            "edges": [],
        }
    },
    "all of a kind wait for all of another": {
        "dag": many_steps(900, [(a, 450 + b) for a in range(450) for b in range(44)])
    },
    "a circle": {"dag": many_steps(3, [(0, 1), (1, 2), (2, 0)])},
    "a step that waits for itself": {"dag": many_steps(2, [(0, 0)])},
    "links to nowhere": {"dag": many_steps(2, [(0, 9), (7, 1)])},
    "steps of one name": {"dag": {"nodes": many_steps(2, [])["nodes"] * 3, "edges": []}},
    "names of a megabyte": {
        "run": run_with(
            name=BIG,
            resources={"pipeline": {"name": BIG}, "user": {"name": BIG}, "tags": [{"name": BIG}] * 9},
        ),
        "dag": {"status": BIG, "nodes": [{**many_steps(1, [])["nodes"][0], "name": BIG}], "edges": []},
    },
    "null names": {
        "run": run_with(name=None, resources=None),
        "dag": {"nodes": [{"type": "step", "name": None}]},
    },
    "controls in names": {
        "run": run_with(
            name="a\x00\x1b\u202eb", resources={"user": {"name": "x\x00y"}, "pipeline": {"name": "\x00"}}
        ),
        "list": {**RECORDED["list"], "items": [run_with(resources={"user": {"name": "x\x00"}})]},
    },
    "times that are none": {
        "run": run_with(
            metadata={"start_time": "9999-12-31T23:59:59+00:00", "end_time": "0001-01-01T00:00:00+23:59"}
        ),
        "list": {
            **RECORDED["list"],
            "items": [run_with(metadata={"start_time": "0001-01-01T00:00:00-23:59", "end_time": 7})],
        },
    },
    "durations that are none": {
        "dag": {
            "nodes": [
                {**node, "metadata": {"status": "running", "start_time": "2026-01-01", "duration": duration}}
                for node, duration in zip(
                    many_steps(5, [])["nodes"], [HUGE, -HUGE, "x", 1e308, [1]], strict=True
                )
            ],
            "edges": [],
        }
    },
    "numbers that are none": {
        "run": run_with(
            body={"index": HUGE, "status": 5},
            metadata={"run_metadata": {"a": HUGE, "b": b"".decode(), "c": 1e308}},
        ),
        "list": {**RECORDED["list"], "total": HUGE, "index": -HUGE, "max_size": 0},
    },
    "metrics that hardly end": {
        "run": run_with(metadata={"run_metadata": {f"m{n}": {"x": n} for n in range(4000)}})
    },
    "nested metrics": {"run": run_with(metadata={"run_metadata": nested(90)})},
    "too deeply nested metrics": {"run": run_with(metadata={"run_metadata": nested(500)})},
    "a list of runs without end": {"list": {**RECORDED["list"], "items": [churn("run")] * 900}},
    "a log of one line": {"logs": [{"message": "x" * 7_000_000}]},
    "a log of some lines": {"logs": [{"message": "x"}] * 9500},
    "a log of anything": {
        "logs": [None, 7, [], {"message": None, "level": "x", "timestamp": []}, {"message": "\x00"}]
    },
    "an old log of some lines": {"logs": "line\x00\n" * 50_000},
    "half characters": {
        kind: b'{"name": "\\ud800", "items": ["\\udfff"]}' for kind in ("run", "list", "dag")
    },
    "projects of nothing": {"projects": {"items": [{"id": "x"}, {}], "total": 1}},
    "projects that are no objects": {"projects": {"items": [[], None, "x"], "total": 1}},
    "no id": {"run": {}, "list": {"items": [{}]}},
    "parameters of five megabytes": {
        "snapshot": with_parameters({"long": "x" * 5_000_000}),
        "steps": steps_with(run_metadata={"long": "y" * 5_000_000, "auc": HUGE}),
    },
    "values that hardly end": {
        "snapshot": with_parameters({f"p{n}": n for n in range(4000)}),
        "steps": steps_with(run_metadata={f"m{n}": {"x": n} for n in range(4000)}),
    },
    "keys that are HTML": {
        "snapshot": with_parameters(
            {"<script>alert(1)</script>": "<img src=x>", '"><b>': {"</th>": "</td>"}}
        ),
        "steps": steps_with(run_metadata={"<script>auc": 1, "a&lower=b#": "<b>"}),
        "run": run_with(metadata={"run_metadata": {"<script>": {"</table>": 2}}}),
    },
    "settings of the wrong kind": {
        "snapshot": {
            "id": str(uuid4()),
            "metadata": {
                "pipeline_configuration": {"settings": [7], "model": "x", "retry": True, "parameters": [1]},
                "step_configurations": {
                    "train": {"config": {"settings": 7, "retry": [], "parameters": 3}},
                    "a": 7,
                },
            },
        },
        "steps": steps_with(run_metadata=[1], config=[]),
    },
    "outputs of the wrong kind": {
        "steps": {
            **churn("steps"),
            "items": [
                {**one, "resources": {"outputs": outputs}}
                for one, outputs in zip(
                    churn("steps")["items"],
                    [
                        [1],
                        {"x": 7},
                        {"x": [None, {"body": []}]},
                        {"x": {"id": 1, "body": {"artifact": 1}}},
                        "x",
                    ],
                    strict=True,
                )
            ],
        }
    },
    "packages that are none": {
        "run": run_with(metadata={"client_environment": {"python_packages": "=\n==\n" + "x==1\n" * 9000}})
    },
    "300 steps of many values": {
        "steps": {
            **churn("steps"),
            "items": [
                {
                    **churn("steps")["items"][0],
                    "id": str(uuid4()),
                    "name": f"s{n}",
                    "metadata": {
                        "config": {"parameters": {f"p{m}": "v" * 90 for m in range(20)}},
                        "run_metadata": {f"m{m}": m for m in range(20)},
                    },
                }
                for n in range(100)
            ],
        }
    },
    "secrets that branch without end": {
        "snapshot": with_schema({"$ref": "#/$defs/a", "writeOnly": True}),
        "steps": steps_with(spec={"parameter_spec": LOOP}, config={"parameters": {"x": ["y"] * 900}}),
    },
    "schemas that are none": {
        "snapshot": with_schema([7]),
        "steps": steps_with(spec=[1], config={"parameters": {"x": nested(80)}}),
        "run": run_with(name="", resources={**churn("run")["resources"], "stack": {"id": 7}}),
    },
    "snapshot of nothing": {
        "snapshot": {"id": str(uuid4()), "metadata": {"step_configurations": {"train": {"config": []}}}}
    },
}


# So large that one page of each kind is enough; all pages are shown a tenth of it.
LARGEST = {
    "30,000 steps": {"dag": many_steps(30_000, [(n, n + 1) for n in range(29_999)])},
    "metrics that never end": {
        "run": run_with(metadata={"run_metadata": {f"m{n}": {"x": n} for n in range(40_000)}})
    },
    "a log of many lines": {"logs": [{"message": "x"}] * 95_000},
    "an old log": {"logs": "line\x00\n" * 500_000},
    "values without end": {
        "snapshot": with_parameters({f"p{n}": n for n in range(40_000)}),
        "steps": steps_with(run_metadata={f"m{n}": {"x": n} for n in range(40_000)}),
    },
}
ONCE = [
    ("runs", [], {"columns": ["metric:train.training_auc", "parameter:train.rounds", "metric:.a"]}),
    ("run_detail", [RUN_ID], {"graph": "all", "step": "train", "level": "error", "q": "x"}),
    ("run_detail", [RUN_ID], {"view": "metrics"}),
    ("run_detail", [RUN_ID], {"view": "configuration"}),
    ("run_detail", [RUN_ID], {"view": "artifacts"}),
    ("overview", [], {"target": "last_runs"}),
    ("step_log", [RUN_ID, uuid4()], {}),
    ("compare", [], {"run": [RUN_ID, OTHER_ID], "rows": "all", "turn": "packages"}),
]


@pytest.mark.any_database
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_ends_in_a_page(server, look, doors, pages_that_ask, attack):
    pages = pages_that_ask(ATTACKS[attack])
    server.says |= ATTACKS[attack]
    assert look_at_all(look, pages)
    assert doors() <= {200, 302, 404, 503}


@pytest.mark.any_database
@pytest.mark.parametrize("attack", LARGEST)
def test_the_largest_attack_ends_in_a_page(server, look, doors, pages_that_ask, attack):
    asking = pages_that_ask(LARGEST[attack])
    server.says |= LARGEST[attack]
    assert look_at_all(look, [page for page in ONCE if page[0] in {name for name, _, _ in asking}])
    assert doors() <= {200, 302, 404, 503}


def test_what_is_html_is_text_in_a_comparison(server, look):
    server.says |= ATTACKS["keys that are HTML"]
    page = look("compare", [], {"run": [RUN_ID, OTHER_ID], "rows": "all"})[1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not any(bad in page for bad in ("<script>alert", "<img src=x", "<script>auc", "</th></td>"))


def test_six_runs_of_an_attacker_are_one_page(server, look):
    server.says |= ATTACKS["300 steps of many values"]
    status, page = look("compare", [], {"run": [uuid4() for _ in range(6)], "rows": "all"})
    assert (status, len(page) < 3_000_000) == (200, True)
    assert "do not fit here" in page


def test_a_server_that_is_too_slow_for_all_steps_is_named(server, look, monkeypatch):
    monkeypatch.setattr(runs, "steps_in_time", lambda *args: (step_pages.all_steps(*args), False))
    status, page = look("run_detail", [RUN_ID], {})
    assert status == 200 and step_pages.NOT_ALL in page


def test_what_is_not_shown_is_said(server, look):
    server.says |= LARGEST["30,000 steps"]
    page = look("run_detail", [RUN_ID], {})[1]
    assert "29000 more steps of this run are not shown." in page
    server.says["dag"] = ATTACKS["all steps wait for all"]["dag"]
    assert "This graph can't be drawn" in look("run_detail", [RUN_ID], {"graph": "1"})[1]


@pytest.mark.any_database
@pytest.mark.parametrize(
    "attack", ["deep list that ends", "deep object", "many lists", "long integer", "no UTF-8"]
)
@pytest.mark.parametrize("kind", sorted(RECORDED.keys() - {"login", "download-token", "data"}))
def test_json_that_explodes_ends_in_a_sentence(server, look, pages_that_ask, kind, attack):
    pages = pages_that_ask([kind])
    wire = b"".join(LARGE[attack](threading.Event()))
    server.says[kind] = wire.partition(b"\r\n\r\n")[2]
    texts = look_at_all(look, pages)
    said = ("could not answer", "cannot be read", "tells no more")
    assert any(words in text for words in said for text in texts.values())


def test_a_busy_tenant_is_a_sentence(server, look, tenant, monkeypatch):
    full = TenantClient("http://tenant.test", lambda: "token", places=CallPlaces(each=0, patience=0.001))
    monkeypatch.setattr(runs, "connect", lambda user, tenant: full)
    status, text = look("runs", [], {})
    assert status == 200
    assert f"{tenant.name} is answering slowly" in text
    assert "Try again in a moment." in text


@pytest.mark.parametrize("attack", SLOW)
def test_a_page_about_a_slow_server_ends(look, tenant, monkeypatch, attack):
    hostile = HostileServer(SLOW[attack])
    client = TenantClient(hostile.url, lambda: "token", timeout=0.3, places=CallPlaces())
    monkeypatch.setattr(runs, "connect", lambda user, tenant: client)
    monkeypatch.setattr(shared_looks, "KEPT", 0)  # it says something else at each look
    status, text = look("runs", [], {})
    hostile.close()
    assert status == 200
    assert f"{tenant.name} does not answer" in text


OF_RUNS = {name: says for name, says in (ATTACKS | LARGEST).items() if "run" in says}


@pytest.mark.parametrize("attack", OF_RUNS)
def test_a_template_of_a_hostile_run(server, as_user, member, tenant, attack):
    """The page is there or the run is not; what is made can be stored."""
    make_grant(tenant, member, "developer")
    server.says |= OF_RUNS[attack]
    address = reverse("run_templates:create", args=[tenant.organization.slug, tenant.slug])
    answer = as_user(member).get(address, {"run": str(RUN_ID)})
    assert answer.status_code in (302, 404, 503)
    version = make_code(tenant, "churn_training")
    answer = as_user(member).get(address, {"run": str(RUN_ID)})
    assert answer.status_code in (200, 302, 404, 503)
    form = {"name": "x", "code": version.pk, "description": "", "requirements": ""}
    made = as_user(member).post(f"{address}?run={RUN_ID}", form)
    assert made.status_code in (302, 404, 422, 503)
    assert not tenant.templates.exists()


# -- anything at all

texts = st.text(max_size=8) | st.sampled_from(
    ["completed", "failed", "2026-01-01T00:00:00", str(RUN_ID), PROJECT]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def places_of(value, path=()):
    """Paths to every part of a recorded answer."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places_of(one, (*path, key))


def put(value, path, new):
    if not path:
        return new
    inner = put(value[path[0]], path[1:], new)
    if isinstance(value, dict):
        return {**value, path[0]: inner}
    return [*value[: path[0]], inner, *value[path[0] + 1 :]]


@st.composite
def spoiled(draw):
    """A recorded answer, parts of which are something else."""
    kind = draw(st.sampled_from([kind for kind in RECORDED if kind != "login"]))
    value = RECORDED[kind]
    for _ in range(draw(st.integers(1, 3))):
        value = put(value, draw(st.sampled_from([*places_of(value)])), draw(anything))
    return kind, value


@pytest.mark.any_database
class TestAnything:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(spoiled())
    def test_a_recorded_answer_with_something_else_in_it(self, server, look, pages_that_ask, answer):
        kind, value = answer
        server.says = {**RECORDED, kind: value}
        look_at_all(look, pages_that_ask([kind]))

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.fixed_dictionaries({kind: anything for kind in RECORDED}))
    def test_every_answer_is_anything(self, server, look, answers):
        server.says = {**answers, "login": RECORDED["login"]}
        look_at_all(look)
