"""kill -9 of every process of a running ZenPro: nothing is double, nothing is stuck, nothing is lost."""

import os
import signal

import httpx
import pytest

from .installation import wait_for

pytestmark = [pytest.mark.zenml, pytest.mark.enable_socket]

TENANT = "from tenants.models import Tenant\nt = Tenant.objects.get(slug='demo')\n"
QUEUE = (
    "from tenants.run_templates.models import RunTemplate\n"
    "from orgs.users.models import Actor\n"
    "from tenants.run_templates.actions import queue_run\n"
    "t = RunTemplate.objects.get(name='churn')\n"
    "c = t.default_configuration\n"
    "c['enable_cache'] = False\n"
    "c['steps']['train']['parameters'].update(kind='stumps', rounds=1000)\n"
    "answer = str(queue_run(template=t, configuration=c, by=Actor(t.created_by)).pk)\n"
)


# One process does all of it: the way of a run is shorter than the start of another process on a busy machine.
KILL = """
import os, signal, time
from uuid import UUID
from django.conf import settings
from tenants.run_templates.engine import runner
from tenants.run_templates.models import TemplateRun
from tenants.hosting.local.supervisor import Supervisor
programs = Supervisor(settings.ZENPRO_DATA)
found, deadline = {{"state": ""}}, time.monotonic() + 600
while {until} and found["state"] not in TemplateRun.ENDED and time.monotonic() < deadline:
    time.sleep(0.05)
    found = TemplateRun.objects.values("state", "state_reason", "pid", "zenml_run_id").get(pk=answer)
victims = {{"agent": programs.status("agent").pid, "runner": found.get("pid")}}
victims["server"] = programs.status(f"tenant-{{t.tenant_id}}").pid
for name in {victims!r}:
    os.kill(victims[name], signal.SIGKILL)
answer = found | victims | {{"pk": answer}}
"""
RUNS = "not (found['state'] == 'running' and found['pid'])"
# A request that was carried out and not answered can't be repeated: ZenML says then that the step, or its log, is there
# already. What the step prints it prints after all of them.
TRAINS = "not any('Training ' in line or 'round ' in line for line in runner.chosen().output(UUID(answer)))"


def queued_and_killed(installed, *victims: str, until: str = RUNS) -> dict:
    """Ask for a long run, and kill `victims` (agent, runner, server) as soon as it runs. Returns its row then."""
    found = installed.ask(QUEUE + KILL.format(victims=victims, until=until))
    assert found["state"] not in ("completed", "failed", "stopped"), found
    return found


def row(installed, pk: str) -> dict:
    return installed.ask(
        "from tenants.run_templates.models import TemplateRun\n"
        f"answer = TemplateRun.objects.values('state', 'state_reason', 'pid', 'zenml_run_id').get(pk='{pk}')"
    )


def ended(installed, pk: str):
    found = row(installed, pk)
    return found if found["state"] in ("completed", "failed", "stopped") else None


def zenml_run(installed, run_id: str) -> dict:
    """Status of the run and of its steps, as the tenant itself says."""
    return installed.ask(
        TENANT + "from tenants.runs.connection import connect\n"
        "client = connect(t.created_by, t)\n"
        f"answer = {{'status': client.run('{run_id}').status, "
        f"'steps': [step.status for step in client.steps('{run_id}')]}}"
    )


def processes_with(words: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                text = line.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in text:
            found.append(int(pid))
    return found


def test_a_tenant_server_killed_during_a_re_run_comes_back_and_the_run_completes(installed):
    tenant = installed.ask(TENANT + "answer = {'pk': str(t.pk), 'url': t.server_url}")
    found = queued_and_killed(installed, "server", until=TRAINS)
    wait_for(lambda: installed.program_pid(f"tenant-{tenant['pk']}") not in (None, found["server"]))
    wait_for(lambda: healthy(tenant["url"]))
    wait_for(lambda: installed.ask(TENANT + "answer = t.status") == "available")
    result = wait_for(lambda: ended(installed, found["pk"]))
    assert (result["state"], result["pid"]) == ("completed", found["pid"]), result
    about = zenml_run(installed, result["zenml_run_id"])
    assert (about["status"], {*about["steps"]}) == ("completed", {"completed"})


def healthy(url: str) -> bool:
    try:
        return httpx.get(url + "/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def test_a_killed_web_process_comes_back_and_sessions_stay(installed):
    old = installed.program_pid("web")
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: installed.program_pid("web") not in (None, old))
    wait_for(lambda: web_answers(installed))


def web_answers(installed) -> bool:
    try:
        return installed.get("/readyz").is_success
    except httpx.HTTPError:
        return False


def test_an_agent_killed_during_a_re_run_adopts_it(installed):
    found = queued_and_killed(installed, "agent")
    wait_for(lambda: installed.program_pid("agent") not in (None, found["agent"]))
    result = wait_for(lambda: ended(installed, found["pk"]))
    assert result["state"] == "completed", result
    assert result["pid"] == found["pid"], "the run was started a second time"
    assert zenml_run(installed, result["zenml_run_id"])["status"] == "completed"


def test_an_agent_killed_at_the_start_of_a_re_run_starts_it_once(installed):
    pk = queued_and_killed(installed, "agent", until="False")["pk"]
    result = wait_for(lambda: ended(installed, pk))
    assert result["state"] == "completed", result
    name = installed.ask(
        "from tenants.run_templates.models import TemplateRun\n"
        f"answer = TemplateRun.objects.get(pk='{pk}').run_name"
    )
    same = installed.ask(
        TENANT + "from tenants.runs.connection import connect\n"
        f"answer = connect(t.created_by, t).runs(t.project_id, name={name!r}).total"
    )
    assert same == 1


def test_a_killed_runner_ends_as_failed_with_a_reason(installed):
    found = queued_and_killed(installed, "runner")
    result = wait_for(lambda: ended(installed, found["pk"]))
    assert result["state"] == "failed"
    assert result["state_reason"]
    inside = zenml_run(installed, result["zenml_run_id"])
    assert inside["status"] == "failed"
    assert "running" not in inside["steps"]
    assert processes_with(result["zenml_run_id"]) == []


def test_a_runner_killed_together_with_the_agent_ends_as_failed(installed):
    found = queued_and_killed(installed, "agent", "runner")
    result = wait_for(lambda: ended(installed, found["pk"]))
    assert result["state"] == "failed"
    assert zenml_run(installed, result["zenml_run_id"])["status"] == "failed"
