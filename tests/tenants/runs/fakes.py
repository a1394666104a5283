"""Doubles of what talks to real servers. A test compares their signatures with the real ones."""

import copy
import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx

from tenants.hosting.base import TenantNotFound
from tenants.hosting.bounded import Download
from tenants.runs.client import MAX_PAGE, ListPage, LogLine, log_lines, page_of, run_of, step_of

CUSTOMERS = UUID("a932575b-bf16-4d72-8d69-4088151161c5")  # artifact that the recorded run saved first
DATA = Path(__file__).parents[2] / "data"
RUN_ID = UUID("3eee631c-799b-4d99-9ed7-6070a22c1c6c")
PROJECT = {"id": "a51045a2-aa6a-441d-b0dc-5bcc700eeab4", "name": "default"}


def churn(name: str) -> dict:
    """A recorded answer of a real server: run, dag, steps or snapshot."""
    return json.loads((DATA / f"churn_{name}.json").read_text())


def artifact_answers(run_id) -> dict[str, dict]:
    """The versions that the recorded steps saved, each by its id, in the shape of /artifact_versions/{id} (0.98.0)."""
    answers = {}
    for step in churn("steps")["items"]:
        for version in [one for named in step["resources"]["outputs"].values() for one in named]:
            more = {"visualizations": [], "run_metadata": {"storage_size": 2048}}
            linked = {"producer_step_run_id": step["id"], "producer_pipeline_run_id": str(run_id), "tags": []}
            answers[version["id"]] = {**version, "metadata": more, "resources": linked}
    return answers


class FakeTenantClient:
    """One project with recorded runs. Tests change `run_answers`, `dags`, `step_answers`, `artifact_answers`, `logs` and
    `error`."""

    def __init__(self):
        self.calls: list[str] = []
        self.filters: list[dict] = []  # of each list of runs that was asked for
        self.error: Exception | None = None
        self.project_answers = [PROJECT]
        self.run_answers = {str(RUN_ID): churn("run")}
        self.dags = {str(RUN_ID): churn("dag")}
        self.step_answers = {str(RUN_ID): churn("steps")}
        self.snapshots = {churn("snapshot")["id"]: churn("snapshot")}
        self.artifact_answers = artifact_answers(RUN_ID)
        self.visualizations: dict[str, dict] = {}  # "id/index": answer
        self.logs: dict[str, list] = {}
        self.created: list[dict] = []
        self.repositories: dict[str, dict] = {}
        self.stacks: dict[str, dict] = {}
        self.builds: dict[str, dict] = {}
        self.flavors: dict[str, dict] = {}  # "type.name": answer

    # -- for tests

    def take_over(self, run_id, name, status="cached"):
        """That step of the run took the result of the step of RUN_ID: all the server says of it is which one that is."""
        step = next(one for one in self.step_answers[str(run_id)]["items"] if one["name"] == name)
        origin = next(one for one in self.step_answers[str(RUN_ID)]["items"] if one["name"] == name)
        step["id"], step["body"]["status"] = str(uuid4()), status
        step["metadata"] |= {"run_metadata": {}, "original_step_run_id": origin["id"]}

    def add_run(self, **body) -> UUID:
        """One more recorded run under a new id; `body` overrides what the list shows."""
        raw, new = churn("run"), uuid4()
        raw["id"], raw["name"] = str(new), body.pop("name", f"churn-{len(self.run_answers) + 1}")
        raw["body"] |= body
        self.run_answers[str(new)] = raw
        self.dags[str(new)] = {**churn("dag"), "id": str(new)}
        self.step_answers[str(new)] = churn("steps")
        return new

    def show(self, kind: str, value, artifact: str = "customers") -> str:
        """One more visualization of the recorded artifact of that name; its id."""
        found = next(
            one for one in self.artifact_answers.values() if one["body"]["artifact"]["name"] == artifact
        )
        shown = found["metadata"]["visualizations"]
        self.visualizations[f"{found['id']}/{len(shown)}"] = {"type": kind, "value": value}
        shown.append({"id": str(uuid4()), "body": {"type": kind, "uri": "/x"}})
        return found["id"]

    def half_way(self, running: str = "train", run_id=RUN_ID) -> None:
        """Let the run be in the middle: steps before `running` done, it running, the others waiting."""
        begin = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=12)
        raw = self.run_answers[str(run_id)]
        raw["body"] |= {"status": "running", "in_progress": True}
        raw["metadata"] |= {"start_time": begin.isoformat(), "end_time": None}
        state = "before"
        for place, node in enumerate(n for n in self.dags[str(run_id)]["nodes"] if n["type"] == "step"):
            start = (begin + timedelta(seconds=1 + 2 * place)).isoformat()
            if node["name"] == running:
                node["metadata"] = {"status": "running", "start_time": start}
                state = "after"
            elif state == "after":
                node |= {"id": None, "metadata": {}}
            else:
                node["metadata"] = {"status": "completed", "start_time": start, "duration": 1.8}
        self.dags[str(run_id)]["status"] = "running"

    def fail(self, name: str = "train", message: str = "Input y contains NaN.", run_id=RUN_ID) -> None:
        """Let the run have failed at a step; the steps after it were not run."""
        raw = self.run_answers[str(run_id)]
        raw["body"]["status"] = self.dags[str(run_id)]["status"] = "failed"
        seen = False
        for node in (n for n in self.dags[str(run_id)]["nodes"] if n["type"] == "step"):
            if seen:
                node |= {"id": None, "metadata": {}}
            if node["name"] == name:
                node["metadata"]["status"], seen = "failed", True
        for step in self.step_answers[str(run_id)]["items"]:
            if step["name"] == name:
                step["body"]["status"] = "failed"
                step["metadata"]["exception_info"] = {
                    "message": message,
                    "traceback": f"Traceback\n{message}",
                }

    def wide(self, states: list[str], run_id=RUN_ID) -> list[str]:
        """Let the run be two steps, a fan-out of one step for each of these states ("" for one that waits), and two
        that wait for them; the ids of the fan-out's steps. The server names them out of order."""
        begin = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=240)
        folds = ["train_fold", *(f"train_fold_{n}" for n in range(2, len(states) + 1))]
        states = {
            "load_customers": "cached",
            "make_folds": "completed",
            **dict(zip(folds, states, strict=True)),
        }
        nodes, ids = [], {}
        for place, name in enumerate([*list(states)[:2], *sorted(folds), "select_best", "report"]):
            state = states.get(name, "")
            ids[name] = str(uuid4()) if state else None
            start = {"start_time": (begin + timedelta(seconds=place)).isoformat(), "duration": 12.5}
            more = {"status": state, **start} if state else {}
            nodes.append({"node_id": name, "type": "step", "id": ids[name], "name": name, "metadata": more})
        edges = [("load_customers", "make_folds"), ("select_best", "report")]
        edges += [("make_folds", fold) for fold in folds] + [(fold, "select_best") for fold in folds]
        makers = {a for a, _ in edges}
        nodes += [
            {"node_id": f"{a}/out", "type": "artifact", "id": str(uuid4()), "name": "out"} for a in makers
        ]
        links = [{"source": a, "target": f"{a}/out"} for a in makers]
        links += [{"source": f"{a}/out", "target": b} for a, b in edges]
        status = "failed" if "failed" in states.values() else "running"
        self.dags[str(run_id)] = {"status": status, "nodes": nodes, "edges": links}
        self.step_answers[str(run_id)]["items"] = []
        self.run_answers[str(run_id)]["body"] |= {"status": status, "in_progress": status == "running"}
        self.run_answers[str(run_id)]["metadata"] |= {"start_time": begin.isoformat(), "end_time": None}
        return [ids[fold] for fold in folds]

    def many_steps(self, count, run_id=RUN_ID) -> str:
        """Let the run have so many steps, each of which logged its number as AUC; the name of the last."""
        step, node = churn("steps")["items"][0], churn("dag")["nodes"][0]
        names = [f"step_{number:03}" for number in range(1, count + 1)]
        nodes = [{**node, "node_id": name, "id": str(uuid4()), "name": name} for name in names]
        self.dags[str(run_id)] |= {"nodes": nodes, "edges": []}
        said = [{**step["metadata"], "run_metadata": {"auc": number}} for number in range(1, count + 1)]
        self.step_answers[str(run_id)]["items"] = [
            {**step, "id": str(uuid4()), "name": name, "metadata": more}
            for name, more in zip(names, said, strict=True)
        ]
        return names[-1]

    def _asked(self, what: str) -> None:
        self.calls.append(what)
        if self.error:
            raise self.error

    def _known(self, answers: dict, key):
        if str(key) not in answers:
            raise TenantNotFound("There is no such object.")
        return copy.deepcopy(answers[str(key)])

    # -- the client's public methods

    def login(self, bearer):
        return "jwt"

    def session(self):
        return "jwt"

    def forget_session(self, jwt):
        self._asked("forget_session")

    def call(self, method, path, *, json=None, **params):
        self._asked(f"{method} {path}")
        return {}

    def pages(self, path, page, size, **params):
        self._asked(f"GET {path}")
        return ListPage([], 0)

    def steps_by_ids(self, step_ids, project):
        self._asked("steps_by_ids")
        steps = [step for answer in self.step_answers.values() for step in answer["items"]]
        found = {step["id"]: step for step in steps if step["id"] in map(str, step_ids)}
        return [step_of(copy.deepcopy(step)) for step in found.values()]

    def projects(self):
        self._asked("projects")
        return self.project_answers

    def create_project(self, name, display_name="", description=""):
        self._asked("create_project")
        return {"id": PROJECT["id"], "name": name}

    def runs(self, project, page=1, size=20, **filters):
        self._asked("runs")
        self.filters.append({key: value for key, value in filters.items() if value is not None})
        raws = [raw for raw in self.run_answers.values() if _matches(raw, filters)]
        total = len(raws)
        answer = {
            "items": raws[(page - 1) * size : page * size],
            "total": total,
            "index": page,
            "total_pages": max(1, -(-total // size)),
            "max_size": size,
        }
        return page_of(copy.deepcopy(answer), run_of)

    def run(self, run_id, packages=False):
        self._asked("run")
        return run_of(self._known(self.run_answers, run_id))

    def run_dag(self, run_id):
        self._asked("run_dag")
        return self._known(self.dags, run_id)

    def run_status(self, run_id):
        self._asked("run_status")
        return self._known(self.run_answers, run_id)["body"]["status"]

    def steps(self, run_id, project=None, page=1):
        self._asked("steps")
        answer = self._known(self.step_answers, run_id)
        answer["items"] = answer["items"][(page - 1) * MAX_PAGE : page * MAX_PAGE]
        return page_of(answer, step_of).items

    def step(self, step_id):
        self._asked("step")
        steps = [step for answer in self.step_answers.values() for step in answer["items"]]
        return step_of(self._known({step["id"]: step for step in steps}, step_id))

    def steps_of_runs(self, run_ids, project, names=None, page=1):
        self._asked("steps_of_runs")
        answers = [(str(run), step) for run in run_ids for step in self.step_answers[str(run)]["items"]]
        for run, step in answers:
            step["metadata"]["pipeline_run_id"] = run
        found = [step for _, step in answers if not names or step["name"] in names]
        return [step_of(copy.deepcopy(step)) for step in found[(page - 1) * MAX_PAGE : page * MAX_PAGE]]

    def step_logs(self, step_id, source="step"):
        self._asked("step_logs")
        lines = self.logs.get(str(step_id), [])
        return lines if all(isinstance(line, LogLine) for line in lines) else log_lines(lines)

    def code_repository(self, repository_id):
        self._asked("code_repository")
        return self._known(self.repositories, repository_id)

    def create_run(self, body):
        self._asked("create_run")
        self.created.append(body)
        return run_of({**churn("run"), "id": str(uuid4()), "name": body["name"]})

    def update_run(self, run_id, body):
        self._asked("update_run")
        self._known(self.run_answers, run_id)
        raw = self.run_answers[str(run_id)]
        raw["body"] |= {k: v for k, v in body.items() if k == "status"}
        names = [tag["name"] for tag in raw["resources"].get("tags") or ()] + body.get("add_tags", [])
        raw["resources"]["tags"] = [
            {"name": name} for name in names if name not in body.get("remove_tags", ())
        ]
        return run_of(self._known(self.run_answers, run_id))

    def stop_run(self, run_id):
        self._asked("stop_run")
        self._known(self.run_answers, run_id)
        self.run_answers[str(run_id)]["body"]["status"] = self.dags[str(run_id)]["status"] = "stopping"

    def update_step(self, step_id, body):
        self._asked("update_step")
        steps = [step for answer in self.step_answers.values() for step in answer["items"]]
        return step_of(next(step for step in steps if step["id"] == str(step_id)))

    def workload_token(self, run_id):
        self._asked("workload_token")
        return "workload"

    def artifact_version(self, version_id):
        self._asked("artifact_version")
        return self._known(self.artifact_answers, version_id)

    def visualization(self, version_id, index=0):
        self._asked("visualization")
        self._known(self.artifact_answers, version_id)
        return self.visualizations.get(f"{version_id}/{index}", {"type": "html", "value": "<p>Report</p>"})

    def artifact_data(self, version_id):
        self._asked("artifact_data")
        self._known(self.artifact_answers, version_id)
        content = b"\x1f\x8bpacked"
        answer = httpx.Response(
            200, headers={"Content-Length": str(len(content))}, stream=httpx.ByteStream(content)
        )
        return Download(answer, 1000, ExitStack())

    def snapshot(self, snapshot_id):
        self._asked("snapshot")
        return self._known(self.snapshots, snapshot_id)

    def newest_snapshots(self, project, pipeline, size):
        self._asked("newest_snapshots")
        return copy.deepcopy([*self.snapshots.values()][:size])

    def build(self, build_id):
        self._asked("build")
        return self._known(self.builds, build_id)

    def stack(self, stack_id):
        self._asked("stack")
        return self._known(self.stacks, stack_id)

    def all_stacks(self):
        self._asked("all_stacks")
        return [*self.stacks.values()]

    def flavor(self, kind, name):
        self._asked("flavor")
        return self.flavors.get(f"{kind}.{name}", {})

    def create_snapshot(self, body):
        self._asked("create_snapshot")
        self.created.append(body)
        return {**churn("snapshot"), "id": str(uuid4())}

    def delete_snapshot(self, snapshot_id):
        self._asked("delete_snapshot")
        self.snapshots.pop(str(snapshot_id), None)


def _matches(raw: dict, filters: dict) -> bool:
    """By name, status and the time before which it was created; the other filters are for the real server."""
    before = filters.get("created")
    if before and raw["body"]["created"].replace("T", " ") >= before.removeprefix("lt:"):
        return False
    status, name = filters.get("status"), filters.get("name", "contains:")
    return status in (None, f"equals:{raw['body']['status']}") and name.partition(":")[2] in raw["name"]


def connect_to(client: FakeTenantClient):
    """What to put in place of tenants.runs.connection.connect: always this client."""

    def connect(user, tenant):
        return client

    return connect
