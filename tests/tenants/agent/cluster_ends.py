"""Re-runs on a cluster that come to their ends in different ways, all at the same time.

A case is a generator: it yields what it waits for, as a function, and goes on when that answers with something.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings

from orgs.users.models import Actor
from tenants.agent import run_rows
from tenants.run_templates.actions import cancel_run, give_up_run, queue_run
from tenants.run_templates.models import TemplateRun
from tenants.runs.connection import connect
from tests.tenants.control_plane.test_two_workers import address_of_database

from .dying_agent import MOMENTS

Case = Iterator[Callable[[], object]]
NAMESPACE = "runs"
OUT_OF_MEMORY = (137, "OOMKilled")
LOOK_EVERY = 0.5  # seconds; each look costs time that the pods could have


class Agents:
    """One agent after the other, each a process. One for each of MOMENTS kills itself then; the last one stays."""

    def __init__(self, run: TemplateRun, log: Path):
        self.run, self.log, self.moments, self.killed = run, log, [*MOMENTS, ""], []
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "ZENPRO_TEST_DATA": str(settings.ZENPRO_DATA),
            "ZENPRO_TEST_DATABASE_URL": address_of_database(),
            "ZENPRO_URL": settings.ZENPRO_URL,
            "PYTHONPATH": f"{settings.BASE_DIR}{os.pathsep}{settings.BASE_DIR}/tests",
        }
        self._begin()

    def _begin(self) -> None:
        self.moment = self.moments.pop(0)
        words = ["-m", "tests.tenants.agent.dying_agent", str(self.run.pk), self.moment]
        with self.log.open("ab") as log:
            command = [sys.executable, "-W", "ignore", *words]
            self.process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)

    def look(self) -> None:
        """As a supervisor does."""
        code = self.process.poll()
        if code is not None:
            assert (code, bool(self.moment)) == (-signal.SIGKILL, True), self.log.read_text()[-3000:]
            self.killed.append(self.moment)
            self._begin()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Ends:
    """The cases. `runs`: by the name of their case."""

    def __init__(self, template, cluster, people, folder: Path):
        self.template, self.cluster, self.people, self.folder = template, cluster, people, folder
        self.runs: dict[str, TemplateRun] = {}
        self.told: dict[str, str] = {}  # what a row said meanwhile

    # -- cases

    def completes(self) -> Case:
        """While agents are killed, and its orchestrator's pod."""
        run = self.begin("completes")
        yield lambda: self.has_greeted("completes") and self.fresh(run).is_submitted
        self.cluster.end_container(self.pod(run, "!step_name"), *OUT_OF_MEMORY, NAMESPACE)
        yield lambda: len(self.pods(run, "!step_name")) == 2
        self.open_gate("completes")
        yield self.has_ended(run)

    def raises(self) -> Case:
        run = self.begin("raises")
        yield lambda: self.has_greeted("raises")
        self.open_gate("raises", "No one is here.")
        yield self.has_ended(run)

    def stops(self) -> Case:
        """ZenML interrupts a step of 0.98 with the next of its signs of life, within 15 seconds."""
        run = self.begin("stops")
        yield lambda: self.has_greeted("stops") and self.fresh(run).is_submitted
        self.stop(run)
        yield self.has_ended(run)

    def is_ended_at_once(self) -> Case:
        """What works on it is ended in the cluster."""
        run = self.begin("is_ended_at_once")
        yield lambda: self.has_greeted("is_ended_at_once") and self.fresh(run).is_submitted
        self.stop(run)
        give_up_run(run=self.fresh(run), by=Actor(self.people["ada"]))
        yield self.has_ended(run)
        yield lambda: not self.jobs_of_steps(run) and not self.pods(run, "step_name")

    def loses_the_pod_of_its_step(self) -> Case:
        run = self.begin("loses_the_pod_of_its_step")
        yield lambda: self.has_greeted("loses_the_pod_of_its_step")
        self.cluster.end_container(self.pod(run, "step_name=greet"), *OUT_OF_MEMORY, NAMESPACE)
        yield self.has_ended(run)

    def loses_its_job(self) -> Case:
        """Somebody deleted it, with all that belongs to it."""
        run = self.begin("loses_its_job")
        yield lambda: self.has_greeted("loses_its_job")
        [job] = self.cluster.list("Job", NAMESPACE, f"{self.labels(run)},!step_name")
        self.cluster.delete("Job", job["metadata"]["name"], NAMESPACE, propagationPolicy="Background")
        yield self.has_ended(run)

    def loses_its_node(self) -> Case:
        """Nobody can tell: it is left alone until a person ends it, and then one more time."""
        run = self.begin("loses_its_node")
        yield lambda: self.has_greeted("loses_its_node") and self.fresh(run).is_submitted
        self.cluster.vanish(self.labels(run), NAMESPACE)
        yield lambda: self.is_silent(run)
        self.note("loses_its_node")
        self.stop(run)
        yield lambda: self.fresh(run).stop_sent_at
        yield lambda: self.is_silent(run) and self.status(run) == "stopping"
        give_up_run(run=self.fresh(run), by=Actor(self.people["ada"]))
        yield self.has_ended(run)

    def has_no_image(self) -> Case:
        run = self.begin("has_no_image")
        yield lambda: self.fresh(run).zenml_run_id
        self.cluster.faults.unpullable = self.labels(run)
        yield lambda: self.is_silent(run)
        self.note("has_no_image")
        self.stop(run)
        yield self.has_ended(run)

    # -- what they are made of

    def begin(self, name: str) -> TemplateRun:
        parameters = {"name": name, "gate": str(self.folder / name)}
        document = {"steps": {"greet": {"parameters": parameters}}}
        made = queue_run(template=self.template, configuration=document, by=Actor(self.people["dev"]))
        self.runs[name] = made
        return made

    def open_gate(self, name: str, error: str = "") -> None:
        """Its step ends: with this error."""
        whole = self.folder / f"{name}.written"
        whole.write_text(error)
        whole.rename(self.folder / name)

    def stop(self, run: TemplateRun) -> None:
        cancel_run(run=run, by=Actor(self.people["ada"]))

    def fresh(self, run: TemplateRun) -> TemplateRun:
        return run_rows.load(run.pk)

    def has_ended(self, run: TemplateRun) -> Callable[[], bool]:
        return lambda: self.fresh(run).has_ended

    def is_silent(self, run: TemplateRun) -> bool:
        now = self.fresh(run)
        assert not now.has_ended, (now.state, now.state_reason)
        return now.is_submitted and now.state_reason.startswith("No sign of life since ")

    def note(self, name: str) -> None:
        run = self.runs[name]
        self.told[name] = f"{self.fresh(run).state}, {self.status(run)}"

    def status(self, run: TemplateRun) -> str:
        return connect(self.people["ada"], self.template.tenant).run_status(self.fresh(run).zenml_run_id)

    def labels(self, run: TemplateRun) -> str:
        return f"run_id={self.fresh(run).zenml_run_id}"

    def jobs_of_steps(self, run: TemplateRun) -> list:
        return self.cluster.list("Job", NAMESPACE, f"{self.labels(run)},step_name")

    def pods(self, run: TemplateRun, which: str) -> list[str]:
        found = self.cluster.list("Pod", NAMESPACE, f"{self.labels(run)},{which}")
        return [one["metadata"]["name"] for one in found]

    def pod(self, run: TemplateRun, which: str) -> str:
        [name] = self.pods(run, which)
        return name

    def has_greeted(self, name: str) -> bool:
        found = self.pods(self.runs[name], "step_name=greet")
        logs = [log for one in found for log in self.cluster.processes.folder.glob(f"{one}.*.log")]
        return any(f"Hello, {name}" in log.read_text() for log in logs)

    # -- all of them

    def play(self, log: Path, limit: float = 500) -> list[str]:
        """Until all have ended. Returns the moments at which agents were killed."""
        cases = [getattr(self, name)() for name in CASES]
        waits = {case: next(case) for case in cases}
        agents, until = Agents(self.runs["completes"], log), time.monotonic() + limit
        try:
            while waits:
                assert time.monotonic() < until, (self.rows(), log.read_text()[-3000:])
                agents.look()
                waits = {case: wait for case, known in waits.items() if (wait := go_on(case, known))}
                time.sleep(LOOK_EVERY)
        finally:
            agents.end()
        return agents.killed

    def rows(self) -> dict[str, tuple[str, str]]:
        now = {name: self.fresh(run) for name, run in self.runs.items()}
        return {name: (run.state, run.state_reason) for name, run in now.items()}


def go_on(case: Case, known: Callable[[], object]) -> Callable[[], object] | None:
    """What it waits for now; None at its end."""
    return next(case, None) if known() else known


CASES = (
    *("completes", "stops", "loses_its_node", "has_no_image"),  # those that wait longest first
    *("is_ended_at_once", "raises", "loses_the_pod_of_its_step", "loses_its_job"),
)
