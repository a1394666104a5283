"""How long people wait: for a new tenant, and for a re-run to begin. Beside each figure its baseline, same machine.

    .venv/bin/python benchmarks/journey.py

Starts a ZenPro of its own in a temporary folder; about two minutes. Absolute times drift between machines; the ratio
is what counts.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.journey.installation import Installation, free_port, wait_for

ROUNDS = 3

CREATE = (
    "from orgs.models import Organization\n"
    "from orgs.users.models import Actor\n"
    "from tenants.hosting.actions import create_tenant\n"
    "org = Organization.objects.get(slug='demo')\n"
    "by = Actor(org.memberships.first().user)\n"
    "answer = str(create_tenant(org=org, name='{slug}', slug='{slug}', version='0.98.0', by=by).pk)"
)
TIMES = (
    "from tenants.models import Tenant\n"
    "answer = Tenant.objects.values('status', 'state_reason', 'created_at', 'available_since').get(pk='{pk}')"
)
QUEUE = (
    "from orgs.users.models import Actor\n"
    "from tenants.run_templates.models import RunTemplate\n"
    "from tenants.run_templates.actions import queue_run\n"
    "t = RunTemplate.objects.get(name='churn')\n"
    "c = t.default_configuration\n"
    "c['steps']['build_features']['parameters']['seed'] = {seed}\n"
    "c['enable_cache'] = False\n"
    "answer = str(queue_run(template=t, configuration=c, by=Actor(t.created_by)).pk)"
)
FIRST_STEP = (
    "from tenants.run_templates.models import TemplateRun\n"
    "from tenants.runs.connection import connect\n"
    "r = TemplateRun.objects.select_related('template__tenant').get(pk='{pk}')\n"
    "steps = connect(r.created_by, r.template.tenant).steps(r.zenml_run_id) if r.has_ended else []\n"
    "first = min((s.start for s in steps if s.start), default=None)\n"
    "answer = [r.state, str(r.queued_at), first and str(first)]"
)


def bare_start(python: Path, folder: Path) -> float:
    """Seconds until a plain server of the same version answers, with a new database."""
    port = free_port()
    env = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{folder}/zenml.db",
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    command = [str(python), "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
    began = time.monotonic()
    server = subprocess.Popen(
        command, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), limit=120, every=0.1)
        return time.monotonic() - began
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def new_tenant(zenpro: Installation, slug: str) -> float:
    """Seconds from the change that "Create" makes to available, by the clock of the rows."""
    pk = zenpro.ask(CREATE.format(slug=slug))

    def settled():
        row = zenpro.ask(TIMES.format(pk=pk))
        assert row["status"] != "failed", row
        return row if row["status"] == "available" else None

    row = wait_for(settled, limit=180, every=3)
    return between(row["created_at"], row["available_since"])


def first_step(zenpro: Installation, seed: int) -> float:
    """Seconds from "Run" to the start of the first step, by ZenML's own record."""
    pk = zenpro.ask(QUEUE.format(seed=seed))

    def ended():
        state, queued, first = zenpro.ask(FIRST_STEP.format(pk=pk))
        assert state not in ("failed", "stopped"), state
        return (queued, first) if first else None

    return between(*wait_for(ended, limit=120, every=3))


def between(first: str, last: str) -> float:
    begin, end = (datetime.fromisoformat(text) for text in (first, last))
    return (end - begin).total_seconds()


def line(name: str, seconds: list[float]) -> float:
    median = statistics.median(seconds)
    print(
        f"{name:<44} median {median:6.2f} s   min {min(seconds):6.2f}   max {max(seconds):6.2f}", flush=True
    )
    return median


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="zenpro-bench-") as folder:
        zenpro = Installation(Path(folder) / "data")
        zenpro.data.mkdir()
        try:
            zenpro.up()
            measure(zenpro, Path(folder))
        finally:
            zenpro.close()


def measure(zenpro: Installation, folder: Path) -> None:
    python = zenpro.data / "envs" / "server-0.98.0" / "bin" / "python"
    bare, ours = [], []
    for number in range(ROUNDS):
        home = folder / f"bare-{number}"
        home.mkdir()
        bare.append(bare_start(python, home))
        ours.append(new_tenant(zenpro, f"bench-{number}"))
    baseline = line("plain server, new database, to /health", bare)
    mine = line("Create to available, version installed", ours)
    print(f"{'':<44} ratio  {mine / baseline:6.2f}   (target 1.5)")
    line(
        "Run to first step running (target 6 s)", [first_step(zenpro, seed) for seed in range(1, ROUNDS + 1)]
    )


if __name__ == "__main__":
    main()
