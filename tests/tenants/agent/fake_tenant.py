"""A tenant's REST API in memory, and a stand-in for ZenML's runner that does what its code folder says."""

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

from tenants.hosting.base import TenantConflict, TenantNotFound, TenantRefused
from tenants.runs.client import MAX_PAGE, ListPage

# Python finds this module before any installed ZenML, because -m looks into the working directory first.
RUNNER = """
import os, signal, sys, time
from pathlib import Path

behaviour = Path("behaviour").read_text().split()
print("runner started", *sys.argv[1:], flush=True)
if "environment" in behaviour:
    print("\\n".join(f"{key}={value}" for key, value in sorted(os.environ.items())), flush=True)
if "stubborn" in behaviour:
    signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"told to stop\\n"))
if "child" in behaviour:
    import subprocess
    print("child", subprocess.Popen(["sleep", "600"]).pid, flush=True)
if "raise" in behaviour:
    raise ModuleNotFoundError("No module named 'x'")
if "sleep" in behaviour:
    time.sleep(600)
"""


OVER = ("completed", "failed", "stopped", "cached", "skipped")


def worked_out(asked: str, steps: list[str]) -> str:
    """The status of a run of which some steps have not begun, whatever is asked for: as ZenML 0.98.0 has it from its steps
    (_compute_static_pipeline_run_status).
    """
    over = all(one in OVER for one in steps)
    if asked == "stopping":
        return "stopped" if over else "stopping"
    if "failed" in (asked, *steps):
        return "failed"
    if "stopped" in steps:
        return "stopped" if over else "stopping"
    return "running" if asked == "stopped" else asked


class FakeTenant:
    """Answers like a TenantClient; `log` holds the changing calls; `down` and `refuse` make it fail."""

    def __init__(self):
        self.snapshots, self.runs_by_id, self.log = {}, {}, []
        self.down, self.refuse, self.lose_next = None, {}, ""
        self.step_rows, self.builds, self.stacks = [], {}, {}

    def _called(self, name):
        if self.down:
            raise self.down
        if name in self.refuse:
            raise self.refuse[name]
        self.log.append(name)

    def _answer(self, name, value):
        """The change happens, the answer gets lost."""
        if self.lose_next == name:
            self.lose_next = ""
            raise self.lost
        return value

    def newest_snapshots(self, project, pipeline, size):
        if self.down:
            raise self.down
        return list(self.snapshots.values())

    def runs(self, project, page=1, size=20, **filters):
        if self.down:
            raise self.down
        found = [
            run for run in self.runs_by_id.values() if run.body["snapshot"] == str(filters.get("snapshot_id"))
        ]
        return ListPage(found, len(found))

    def build(self, build_id):
        return self._found(self.builds, build_id)

    def stack(self, stack_id):
        return self._found(self.stacks, stack_id)

    def all_stacks(self):
        if self.down:
            raise self.down
        return [*self.stacks.values()]

    def _found(self, among, number):
        if self.down:
            raise self.down
        if number not in among:
            raise TenantNotFound("gone")
        return among[number]

    def create_snapshot(self, body):
        self._called("create_snapshot")
        number = str(uuid4())
        self.snapshots[number] = {"id": number, "metadata": body}
        return self._answer("create_snapshot", {"id": number})

    def delete_snapshot(self, snapshot_id):
        self._called("delete_snapshot")
        del self.snapshots[str(snapshot_id)]

    def create_run(self, body):
        self._called("create_run")
        if any(run.name == body["name"] for run in self.runs_by_id.values()):
            raise TenantConflict("exists")
        run = SimpleNamespace(
            id=uuid4(), name=body["name"], status="initializing", reason="", body=body, finished=False,
            start=datetime.now(UTC), created=None,
        )  # fmt: skip
        self.runs_by_id[run.id] = run
        return self._answer("create_run", run)

    def workload_token(self, run_id):
        self._called("workload_token")
        return "token-of-the-run"

    def run(self, run_id, packages=False):
        if self.down:
            raise self.down
        if run_id not in self.runs_by_id:
            raise TenantNotFound("gone")
        return self.runs_by_id[run_id]

    def run_status(self, run_id):
        return self.run(run_id).status

    def update_run(self, run_id, body):
        self._called("update_run")
        if self.run(run_id).finished:
            raise TenantRefused(403, "Cannot update the status of a finished run.")
        self._work_out(self.run(run_id), body["status"], body.get("status_reason", ""))

    def _work_out(self, run, asked, reason=""):
        """A change that brings no reason takes away the old one, but for that of a stop."""
        new = worked_out(asked, [row.status for row in self.step_rows])
        kept = run.reason if new == run.status or (run.status, new) == ("stopping", "stopped") else ""
        self.set(new, reason or kept, run)

    def steps(self, run_id, project=None, page=1):
        if self.down:
            raise self.down
        return self.step_rows[(page - 1) * MAX_PAGE : page * MAX_PAGE]

    def update_step(self, step_id, body):
        self._called("update_step")
        self.step_rows[step_id].status = body["status"]
        for run in self.runs_by_id.values():
            self._work_out(run, run.status)

    # -- what the tests do

    @property
    def only_run(self):
        [run] = self.runs_by_id.values()
        return run

    def set(self, status, reason="", run=None):
        run = run or self.only_run
        run.status, run.reason = status, reason
        run.finished = status in ("completed", "failed", "stopped")

    def add_step(self, name, status, message="", traceback=""):
        said = {"message": message, "traceback": traceback, "heartbeat": None, "patience": None}
        said |= {"start": None, "end": None}
        row = SimpleNamespace(id=len(self.step_rows), name=name, status=status, **said)
        self.step_rows.append(row)
