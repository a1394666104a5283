"""Projects of every shape on a real ZenML 0.98: run, made a template, run again with one other value through the pages.

All of them share one server, one environment and these runs. The checks of rerun.md §12 on 0.98, and what shows each:

1. exact values, other steps as they were, tags, extra, model, name: `test_everything_of_the_yaml_is_in_the_run` and
   `test_a_project_runs_again_with_one_other_value`; whose run it is: `test_a_re_run_is_theirs_who_pressed_the_button`
2. what is refused changes no total of runs or snapshots: `test_what_the_form_refuses_leaves_nothing_in_the_tenant`
3. `${HOME}` comes back as it is: in a parameter, project `script`; in `extra`, `test_everything_of_the_yaml_...`
4. cached at the second time: `test_the_second_time_comes_from_the_cache`; without it when it is off:
   tests/tenants/agent/test_run_loop_zenml.py::test_the_same_again_comes_from_the_cache_and_without_it_when_it_is_off
5. a killed runner, a cancelled run, a missing package: the same file, `..._killed_runner_ends_...`, `..._cancelled_...`,
   `..._broken_package_...`; also tests/journey/test_kills.py
6. the tenant's server killed in the middle of a run: tests/journey/test_kills.py
7. a line that changed in the code: tests/tenants/run_templates/test_layout.py, with what 0.98 recorded
8. two at once, under names of their own: `test_runs_that_began_together_have_names_of_their_own`
9. the tenant itself refuses a viewer: `test_the_tenant_refuses_a_viewer`
10. the server's own way is still closed for a local stack: `test_the_server_still_refuses_to_run_a_local_stack`
11. a line is on the page within 1.5 s: `test_a_printed_line_is_on_the_page_at_once`
12. a replay skips what has completed: tests/tenants/agent/test_run_loop_zenml.py::test_a_failed_run_is_continued_...
"""

import hashlib
import io
import json
import re
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import unescape
from uuid import uuid4

import pytest

from tenants.run_templates.document.configuration import dump_yaml, load_yaml

from .projects import FOLDER, Project, Workshop, inputs_of, token_in

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]
SECRET = "hunter2 “ü”"
LINES = 8


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Text stays text, whatever a shell or a template language would make of it.
LITERAL = "${HOME} $HOME {x} %(y)s"
FETCHED = {"token": sha256(SECRET), "url": "https://example.org", "password": sha256("")}
NESTED = {
    "rate": 0.1,
    "stop": {"rounds": 25, "metric": "auc"},
    "model": {"kind": "forest", "trees": 100, "depth": 4},
    "segments": [
        {"name": "teams", "plans": ["pro"], "stop": None},
        {"name": "all", "plans": [], "stop": {"rounds": 77, "metric": "auc"}},
    ],
    "weights": {"stayed": 1.0, "left": 3.5},
    "limit": "none yet",
}
P = "steps.{}.parameters.{}".format
DEEP = P("train", "settings/segments/1/stop/rounds")
PACKAGE = Project("package", P("forecast", "horizon"), "5", {"forecast": {"horizon": 5, "method": "mean"}})
TALKING = Project("talking", P("talk", "lines"), str(LINES), {"talk": {"lines": LINES, "pause": 0.4}})
PROJECTS = [
    PACKAGE,
    TALKING,
    Project(
        "src_layout",
        P("total", "least"),
        "25.5",
        {"total": {"least": 25.5}},
        command=("scripts/run.py",),
        modules="src",
    ),
    Project(
        "script", P("one", "word"), LITERAL, {"one": {"word": LITERAL, "count": 3, "since": "2026-11-24"}}
    ),
    Project("dynamic", "parameters.rounds", "2", {"round_of": {"number": 10}, "round_of_2": {"number": 11}}),
    Project("fan_out", P("shard_2", "weight"), "4", {"shard_2": {"number": 2, "weight": 4.0}}),
    Project("failing", P("check", "most"), "0.5", {"check": {"most": 0.5}}, fails=True),
    Project("retrying", P("flaky", "failures"), "2", {"flaky": {"failures": 2, "tries": 3}}),
    Project("config_file", P("train", "rate"), "0.25", {"train": {"rate": 0.25, "seeds": [1, 2, 3]}}),
    Project("secret", P("fetch", "token"), SECRET, {"fetch": FETCHED}),
    Project("artifacts", P("make", "rows"), "3", {"make": {"rows": 3}}),
    Project("bare", "tags", "again", {}),
    Project("nested", DEEP, "77", {"train": NESTED}),
]
OF = {project.name: project for project in PROJECTS}
BY_NAME = pytest.mark.parametrize("project", PROJECTS, ids=str)


@dataclass
class Done:
    """What all tests look at; `reruns`: rows of the first re-run by project, `more` of those after it."""

    shop: Workshop
    runs: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    totals: list[tuple[int, int]] = field(default_factory=list)
    undone: str = ""
    heard: dict[str, float] = field(default_factory=dict)
    reruns: dict[str, dict] = field(default_factory=dict)
    more: dict[str, dict] = field(default_factory=dict)


@pytest.fixture(scope="module")
def done(workshop) -> Done:
    began = time.monotonic()
    made = Done(workshop)
    made.totals.append(made.shop.totals())
    record_all(made)
    recorded = time.monotonic()
    undo_a_click(made)
    run_all_again(made)
    read_rows(made)
    made.totals.append(made.shop.totals())
    print(f"\noriginals {recorded - began:.1f} s, re-runs {time.monotonic() - recorded:.1f} s")
    return made


def record_all(made: Done) -> None:
    """Two at once; while they run, what has ended becomes templates."""
    with ThreadPoolExecutor(2) as pool:
        for project, run in zip(PROJECTS, pool.map(made.shop.record, PROJECTS), strict=True):
            made.runs[project.name] = run
            made.templates[project.name] = made.shop.template(project, run)


def undo_a_click(made: Done) -> None:
    """“Run again” on the page of a run, and “Undo” on the page that this leads to."""
    http, base = made.shop.lab.people["developer"].http, made.shop.base
    run = f"{base}/runs/{made.runs['bare']}/"
    token = token_in(http.get(run))
    waiting = http.post(f"{run}again/", data={"csrfmiddlewaretoken": token, "do": "run"})
    assert "Starting in" in waiting.text, waiting.text
    made.undone = waiting.url.path
    undone = http.post(f"{made.undone}undo/", data={"csrfmiddlewaretoken": token_in(waiting)})
    assert "Undone before it started." in unescape(undone.text), undone.text


def run_all_again(made: Done) -> None:
    """All are in the queue together. What continues to be seen is looked at while they run."""
    for project in PROJECTS:
        sent = made.shop.run_again(made.templates[project.name], **{project.field: project.typed})
        assert is_queued(sent), sent.text
        if project is TALKING:
            talking = sent.url.path
    assert is_queued(send_everything(made))
    assert is_queued(made.shop.run_again(made.templates["package"], **{PACKAGE.field: PACKAGE.typed}))
    made.heard = listen(made, talking)


def is_queued(sent) -> bool:
    return bool(re.search(r"/runs/[0-9a-f-]+/$", sent.url.path))


def send_everything(made: Done):
    """All that the YAML can say, for the project that has it in a file."""
    page = made.shop.form(f"{made.templates['config_file']}run/?tab=yaml")
    document = load_yaml(dict(inputs_of(page.text))["yaml"])
    document |= {"run_name": "everything-{date}-{time}", "tags": ["nightly", "für alle"]}
    document |= {"extra": EXTRA, "model": {**document["model"], "name": "other model"}}
    document["steps"]["report"]["parameters"]["title"] = LITERAL
    return made.shop.press(page, do="run", yaml=dump_yaml(document))


EXTRA = {"home": "${HOME}", "token": "${ZENML_STORE_API_TOKEN}", "owner": "grace", "deep": {"a": [1, None]}}


def listen(made: Done, address: str) -> dict[str, float]:
    """Line of the talking step -> seconds from the moment it was printed until the page had it."""
    http, heard, deadline = made.shop.lab.people["operator"].http, {}, time.monotonic() + 300
    headers = {"HX-Request": "true", "HX-Target": "output"}
    while len(heard) < LINES and time.monotonic() < deadline:
        path = http.get(address).url.path
        page = http.get(f"{path}output/", headers=headers) if "/t/demo/runs/" in path else None
        for line, moment in re.findall(r"(line \d+) of \d+ at ([\d.]+) said", page.text if page else ""):
            heard.setdefault(line, time.time() - float(moment))
        time.sleep(0.1)
    return heard


def read_rows(made: Done) -> None:
    rows = [row for row in made.shop.settled() if row["template__name"] in OF]
    for row in sorted(rows, key=lambda row: row["number"]):
        first = made.reruns.setdefault(row["template__name"], row)
        if first is not row:
            made.more[row["template__name"]] = row


# -- one other value


@BY_NAME
def test_a_project_runs_again_with_one_other_value(done, project):
    """What was typed is what the step was given; all else is as it was in the run the template was made of."""
    row, before = done.reruns[project.name], done.runs[project.name]
    assert (row["state"], row["state_reason"]) == ("completed", "")
    assert done.shop.run(row["zenml_run_id"])["body"]["status"] == "completed"
    received = done.shop.received(row["zenml_run_id"])
    assert {step: received[step] for step in project.received} == project.received
    was, now = done.shop.parameters(before), done.shop.parameters(row["zenml_run_id"])
    changed = {
        (step, name) for step in now for name in now[step] if now[step][name] != was.get(step, {}).get(name)
    }
    assert changed == one_value(project)


def one_value(project: Project) -> set[tuple[str, str]]:
    """(step, parameter) in which the re-run differs; what a dynamic pipeline gives its steps is not recorded so."""
    found = re.fullmatch(r"steps\.(\w+)\.parameters\.(\w+)(/.*)?", project.field)
    return {(found[1], found[2])} if found else set()


def test_what_only_the_run_has_is_there_too(done):
    """Of those without a parameter of a step: tags, and how many steps the pipeline makes."""
    tagged = done.shop.run(done.reruns["bare"]["zenml_run_id"])
    assert [tag["name"] for tag in tagged["resources"]["tags"]] == ["again"]
    names = {step["name"] for step in done.shop.steps(done.reruns["dynamic"]["zenml_run_id"])}
    assert names == {"round_of", "round_of_2"}


def test_a_step_is_tried_as_often_as_before(done):
    states = [step["body"]["status"] for step in done.shop.steps(done.reruns["retrying"]["zenml_run_id"])]
    assert sorted(states) == ["completed", "retried", "retried"]


def test_a_secret_is_on_no_page(done):
    """It is in clear where the step has to find it: in the tenant's record of the run, as the docs say."""
    row = done.reruns["secret"]
    pages = [f"{done.shop.base}/runs/{row['zenml_run_id']}/{view}" for view in ("", "?view=configuration")]
    pages += [done.templates["secret"], f"{done.templates['secret']}run/?from={row['number']}"]
    for address in pages:
        page = done.shop.form(address).text
        assert "hunter2" not in page, address
    assert "hunter2" not in json.dumps(row["configuration"])


# -- rerun.md §12


def test_everything_of_the_yaml_is_in_the_run(done):
    row = done.more["config_file"]
    run = done.shop.run(row["zenml_run_id"])
    assert row["state"] == "completed", row
    assert re.fullmatch(r"everything-\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d_\d{6}", run["name"])
    assert {tag["name"] for tag in run["resources"]["tags"]} == {"nightly", "für alle"}
    assert run["metadata"]["config"]["extra"] == EXTRA
    assert run["resources"]["model_version"]["body"]["model"]["name"] == "other model"
    was, now = (done.shop.parameters(run) for run in (done.runs["config_file"], row["zenml_run_id"]))
    assert now == {**was, "report": {**was["report"], "title": LITERAL}}
    assert done.shop.received(row["zenml_run_id"])["report"] == {"title": LITERAL, "extra_lines": 0}


def test_a_re_run_is_theirs_who_pressed_the_button(done):
    """The template is another person's."""
    rows = [*done.reruns.values(), *done.more.values()]
    users = {done.shop.run(row["zenml_run_id"])["resources"]["user"]["name"] for row in rows}
    first = {done.shop.run(run)["resources"]["user"]["name"] for run in done.runs.values()}
    assert len(users) == len(first) == 1
    assert users != first
    me = done.shop.session("operator").get("/current-user").json()
    assert users == {me["name"]}


def test_runs_that_began_together_have_names_of_their_own(done):
    names = [row["run_name"] for row in [*done.reruns.values(), *done.more.values()]]
    assert len({*names}) == len(names) == len(PROJECTS) + 2


def test_each_re_run_is_one_run_and_one_snapshot_and_an_undone_click_is_none(done):
    """Runs and snapshots in the tenant: those of the people, and those of the re-runs. Nothing is left of the click."""
    (runs, snapshots), after = done.totals
    made = len(PROJECTS) + len(PROJECTS) + 2
    assert after == (runs + made, snapshots + made)
    page = done.shop.form(done.undone, "developer")
    assert page.url.path == done.undone, "It has no run to show."
    assert "Undone before it started." in unescape(page.text)


UNKNOWN = "steps:\n  forecast:\n    parameters:\n      bogus: 1\n"
REFUSED = {
    "type": ("script", {P("one", "count"): "many"}, "Enter a whole number"),
    "choice": ("package", {P("forecast", "method"): "neither"}, "Choose one of mean, last."),
    "limit": ("package", {P("forecast", "horizon"): "99"}, "Enter a whole number from 1 to 12."),
    "unknown": (
        "package",
        {"shown": "yaml", "yaml": UNKNOWN},
        "There is no parameter “bogus” in step “forecast”.",
    ),
    "deep": ("nested", {DEEP: "1"}, "Enter a whole number from 5 to 200."),
    "secret": ("secret", {}, "ZenML recorded a mask instead of this secret, so it has to be entered again."),
}


def test_what_the_form_refuses_leaves_nothing_in_the_tenant(done):
    before = done.shop.totals(), len(done.shop.settled())
    for case, (name, changed, words) in REFUSED.items():
        page = done.shop.form(f"{done.templates[name]}run/")
        refused = done.shop.press(page, do="run", **changed)
        assert refused.status_code == 422, case
        text = unescape(refused.text)
        assert "Nothing was started" in text and words in text, case
    assert (done.shop.totals(), len(done.shop.settled())) == before


def test_the_second_time_comes_from_the_cache(done):
    first, second = done.reruns["package"], done.more["package"]
    assert first["configuration"] == second["configuration"]
    states = [
        {step["body"]["status"] for step in done.shop.steps(row["zenml_run_id"])} for row in (first, second)
    ]
    assert states == [{"completed"}, {"cached"}]


def test_the_tenant_refuses_a_viewer(done):
    """Not a button that is hidden: the tenant's own API says so, with what it takes from a developer."""
    row, before = done.reruns["script"], done.shop.totals()
    recorded = done.shop.session("developer").get(f"/pipeline_snapshots/{row['zenml_snapshot_id']}").json()
    wanted = ("pipeline_configuration", "step_configurations", "client_version", "server_version")
    facts = {name: recorded["metadata"][name] for name in (*wanted, "run_name_template")}
    links = {
        "stack": recorded["resources"]["stack"]["id"],
        "pipeline": recorded["resources"]["pipeline"]["id"],
    }
    snapshot = {**facts, **links, "client_environment": {}, "project": done.shop.project_id}
    run = {"name": uuid4().hex, "snapshot": row["zenml_snapshot_id"], "project": done.shop.project_id}
    run |= {"status": "initializing", "start_time": "2026-11-26T12:00:00"}
    for path, body in (("/pipeline_snapshots", snapshot), ("/runs", run)):
        answer = done.shop.session("viewer").post(path, json=body)
        assert answer.status_code == 403, answer.text
        assert "Insufficient permissions to CREATE" in answer.text
    assert done.shop.totals() == before
    assert done.shop.session("developer").post("/pipeline_snapshots", json=snapshot).status_code == 200


def test_the_server_still_refuses_to_run_a_local_stack(done):
    """It is the unmodified one: only our runner runs what its stack keeps on this machine."""
    snapshot = done.reruns["script"]["zenml_snapshot_id"]
    before = done.shop.totals()
    answer = done.shop.session("developer").post(f"/pipeline_snapshots/{snapshot}/runs", json={})
    assert answer.status_code in (400, 405), answer.text
    assert done.shop.totals() == before


def test_a_printed_line_is_on_the_page_at_once(done):
    """How late the quickest one was, since machines that run tests are busy; the page had all of them while it ran."""
    assert len(done.heard) == LINES
    assert min(done.heard.values()) < 1.5, done.heard


# -- artifacts


@pytest.fixture(scope="module")
def outputs(done) -> dict[str, dict]:
    """Name -> the artifact version that the re-run saved."""
    [step] = done.shop.steps(done.reruns["artifacts"]["zenml_run_id"])
    return {name: versions[0] for name, versions in step["resources"]["outputs"].items()}


def page_of(done, artifact: dict) -> str:
    run = done.reruns["artifacts"]["zenml_run_id"]
    return f"{done.shop.base}/runs/{run}/?view=artifacts&step=make&artifact={artifact['id']}"


SHOWN = {
    "page": "<iframe",
    "note": "# Note\n\n3 rows",
    "table": "<td>name 2</td>",
    "document": '"kinds": [',
    "picture": "<img",
    "number": ', json">3</pre>',
    "values": '"nested": {',
    "blob": "/download/",  # bytes that are no text: the page offers them, whatever the server says of them
    "big": "Only the beginning is shown.",
}


@pytest.mark.parametrize("name", SHOWN)
def test_an_artifact_is_shown(done, outputs, name):
    page = done.shop.form(page_of(done, outputs[name]), "viewer")
    assert SHOWN[name] in unescape(page.text)


def test_html_stays_in_a_closed_frame_and_a_picture_is_one(done, outputs):
    viewer = done.shop.lab.people["viewer"].http
    pages = {
        name: done.shop.form(page_of(done, outputs[name]), "viewer").text for name in ("page", "picture")
    }
    frame = re.search(r"<iframe[^>]*>", pages["page"])[0]
    assert re.search(r"\ssandbox[\s>]", frame), frame
    assert "Report</h1>" not in pages["page"], "It is in the frame alone."
    html = viewer.get(unescape(re.search(r'src="([^"]+)"', frame)[1]))
    assert html.text.startswith("<h1>Report</h1>")
    rules = html.headers["Content-Security-Policy"]
    assert rules.startswith("sandbox; default-src 'none'") and "allow-scripts" not in rules
    picture = viewer.get(unescape(re.search(r'<img src="([^"]+)"', pages["picture"])[1]))
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content == (FOLDER / "artifacts" / "dot.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("page", b"<h1>Report</h1>"),
        ("note", b"# Note\n\n3 rows"),
        ("table", b"id,name\n0,name 0\n"),
        ("document", b'"rows": 3'),
        ("picture", b"\x89PNG"),
        ("number", b"3"),
        ("values", b'"nested"'),
        ("blob", bytes(range(256))),
        ("big", b"0123456789" * 300_000),
    ],
    ids=SHOWN,
)
def test_an_artifact_is_downloaded(done, outputs, name, inside):
    run = done.reruns["artifacts"]["zenml_run_id"]
    address = f"{done.shop.base}/runs/{run}/artifacts/{outputs[name]['id']}/download/"
    answer = done.shop.lab.people["viewer"].http.get(address)
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{name}-'), answer.headers
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        files = [archive.extractfile(one).read() for one in archive if one.isfile()]
    assert [file for file in files if inside in file], [file[:100] for file in files]
