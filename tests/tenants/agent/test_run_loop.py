"""The loop with a tenant in memory and real processes; with a real server: test_run_loop_zenml.py."""

import os
import signal
import sys
import time
from concurrent.futures import Executor, Future
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4, uuid5

import pytest
from django.utils import timezone
from factories import make_grant, make_template, make_template_run, make_tenant

from orgs.users.models import Actor
from tenants.agent import run_endings, run_loop, run_memory, run_pass, run_rows
from tenants.agent.run_loop import RunLoop
from tenants.agent.run_pass import RunPass
from tenants.hosting.base import EnvironmentFailed, TenantRefused, TenantUnreachable
from tenants.hosting.local import box, space
from tenants.hosting.local.keep import family
from tenants.models import Tenant
from tenants.run_templates import actions
from tenants.run_templates.actions import undo_run
from tenants.run_templates.document.configuration import default_configuration
from tenants.run_templates.engine import derive as derivation
from tenants.run_templates.engine import marked_processes, runner
from tenants.run_templates.engine.run_environments import RunEnvironments
from tenants.run_templates.engine.runner import BoxedRunner
from tenants.run_templates.models import TemplateRun

from ..run_templates.samples import churn_snapshot
from .fake_tenant import RUNNER, FakeTenant

UNREACHABLE = TenantUnreachable("The server cannot be reached.")


class AtOnce(Executor):
    """Does the work where it is handed in."""

    def submit(self, work, *args):
        future = Future()
        future.set_result(work(*args))
        return future


class Later(Executor):
    """Keeps the work until a test does it."""

    def __init__(self):
        self.work = []

    def submit(self, work, *args):
        self.work.append(lambda: work(*args))
        return Future()


class FakeEnvironments:
    def __init__(self):
        self.made, self.error, self.asked = True, None, []

    def ready(self, version, requirements, builds=""):
        return self.made

    def prepare(self, version, requirements, builds=""):
        self.asked.append((version, requirements, builds))
        if self.error:
            raise self.error
        self.made = True
        return Path(sys.executable)


@pytest.fixture
def here(db, settings, tmp_path, monkeypatch):
    settings.ZENPRO_DATA, settings.ZENPRO_PARALLEL_RUNS = tmp_path, 2
    monkeypatch.setattr(run_loop, "close_old_connections", lambda: None)  # threads only
    monkeypatch.setattr(run_memory, "PATIENCE", 0)
    monkeypatch.setattr(run_memory, "ASK_EVERY", 0)
    code = tmp_path / "code" / ("0" * 64)
    (code / "zenml" / "entrypoints").mkdir(parents=True)
    (code / "zenml" / "entrypoints" / "entrypoint.py").write_text(RUNNER)
    (code / "behaviour").write_text("sleep")
    yield code
    for process in TemplateRun.objects.exclude(pid=None):
        marked_processes.kill(process.pid, process.pid_started)
    box.end_lost(tmp_path)  # of a runner that was killed while its box was made


@pytest.fixture
def server():
    return FakeTenant()


def new_loop(server, **options):
    """An agent that has just been started."""
    options = {"environments": FakeEnvironments(), "pool": AtOnce(), "builders": AtOnce()} | options
    return RunLoop(open_client=lambda user, tenant: server, **options)


@pytest.fixture
def loop(here, server):
    return new_loop(server)


@pytest.fixture
def template(org, member):
    tenant = make_tenant(org, "prod")
    make_grant(tenant, member, "operator")
    return make_template(tenant, snapshot=churn_snapshot(), name="churn")


@pytest.fixture
def run(template, member):
    return queued(template, member)


def queued(template, person):
    return make_template_run(template, person, configuration=default_configuration(template.snapshot))


def fresh(run):
    return TemplateRun.objects.get(pk=run.pk)


def state(run):
    now = fresh(run)
    return now.state, now.state_reason


def ticks(loop, until, limit=120.0):
    """Tick until something is so."""
    deadline = time.monotonic() + limit
    while not until():
        assert time.monotonic() < deadline, "did not happen"
        loop.tick()
        time.sleep(0.02)


def kill(run):
    os.kill(fresh(run).pid, signal.SIGKILL)


def dead(run):
    now = fresh(run)
    return not marked_processes.alive(now.pid, now.pid_started)


def cancel(run, person):
    TemplateRun.objects.filter(pk=run.pk).update(
        cancel_requested_at=timezone.now(), cancel_requested_by=person
    )


# The way to a process


def start_at(run, moment):
    TemplateRun.objects.filter(pk=run.pk).update(start_after=moment)


@pytest.mark.parametrize("made", [True, False], ids=["environment ready", "environment missing"])
def test_what_can_still_be_undone_is_not_touched_until_its_time(here, server, run, made):
    environments = FakeEnvironments()
    environments.made = made
    loop = new_loop(server, environments=environments)
    loop.ahead.begin = lambda: None
    start_at(run, timezone.now() + timedelta(minutes=1))
    loop.tick()
    assert (state(run), environments.asked, server.log) == (("queued", ""), [], [])
    start_at(run, timezone.now())
    ticks(loop, lambda: fresh(run).pid)


def test_what_was_undone_never_starts_and_leaves_nothing(here, server, run, member):
    """Also when the agent has read the row just before."""
    loop = new_loop(server)
    start_at(run, timezone.now() + timedelta(minutes=1))
    seen = run_rows.load(run.pk)
    assert undo_run(run=run, by=Actor(member))
    assert not undo_run(run=run, by=Actor(member))
    seen.start_after = None
    loop.free = 1
    loop._take_turn(seen)
    loop.tick()
    assert state(run) == ("stopped", "Undone before it started.")
    assert (fresh(run).pid, fresh(run).zenml_run_id, server.log) == (None, None, [])
    assert not runner.folder_of(run.pk).exists()


def test_waits_while_the_disk_of_the_machine_is_full(loop, run, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(space, "free_bytes", lambda folder: space.MIN_FREE - 1)
        loop.tick()
    assert state(run) == ("queued", "Waiting: the disk is full.")
    loop.tick()
    assert fresh(run).pid


def test_waits_while_the_tenant_has_used_up_its_space(loop, run, settings):
    tenants = Tenant.objects.filter(pk=run.template.tenant_id)
    settings.ZENPRO_TENANT_DISK = 1024**3
    tenants.update(disk_bytes=1024**3)
    loop.tick()
    now, reason = state(run)
    assert (now, reason.replace("\xa0", " ").partition(". ")[0]) == ("queued", "Waiting: the disk is full")
    assert "prod uses 1 GB of 1 GB on disk" in reason.replace("\xa0", " ")
    assert not runner.folder_of(run.pk).exists()
    tenants.update(disk_bytes=1024**3 - 1)
    loop.tick()
    assert fresh(run).pid


def test_a_queued_run_is_derived_and_started_once(loop, run, server):
    loop.tick()
    loop.tick()
    now = fresh(run)
    assert now.state == "starting"
    assert marked_processes.alive(now.pid, now.pid_started)
    assert now.zenml_run_id == server.only_run.id
    assert server.log == ["create_snapshot", "create_run", "workload_token"]


def test_it_runs_with_the_packages_it_was_asked_for_with(loop, template, member):
    """Somebody else's choice of packages is no code that this person agreed to run."""
    template.requirements = "pandas==2.2"
    template.save()
    configuration = default_configuration(template.snapshot)
    run = actions.queue_run(template=template, configuration=configuration, by=Actor(member))
    words = {"name": template.name, "description": ""}
    actions.update_template(template=template, **words, requirements="evil==1", by=Actor(member))
    loop.environments.made = False
    loop.tick()
    loop.tick()
    assert fresh(run).state == "starting"
    assert {asked[1] for asked in loop.environments.asked} == {"pandas==2.2", "evil==1"}, (
        "the other one ahead"
    )
    assert [asked[1] for asked in loop.environments.asked].count("pandas==2.2") == 2
    again = actions.queue_run(template=template, configuration=configuration, by=Actor(member))
    assert (fresh(run).requirements, again.requirements) == ("pandas==2.2", "evil==1")


def test_it_runs_when_the_tenant_says_so_and_ends_with_its_process(loop, run, server):
    loop.tick()
    server.set("running")
    loop.tick()
    assert state(run) == ("running", "")
    server.set("completed")
    loop.tick()
    assert fresh(run).state == "running"
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("completed", "")
    assert fresh(run).ended_at


def test_the_runner_gets_the_exact_environment_and_nothing_of_ours(loop, run, server, here):
    (here / "behaviour").write_text("environment sleep")
    loop.tick()
    ticks(loop, lambda: "ZENML_USER_ID" in "\n".join(runner.chosen().output(run.pk)))
    lines = runner.chosen().output(run.pk)
    names = {line.partition("=")[0] for line in lines[1:]} - {"LC_CTYPE", "PWD"}  # of Python and of the box
    tenant = run.template.tenant
    assert names == {
        *(
            "PATH",
            "HOME",
            "TMPDIR",
            "LANG",
            "PYTHONPATH",
            "PYTHONUNBUFFERED",
            "ZENML_CONFIG_PATH",
            "ZENML_STORE_TYPE",
            "ZENML_STORE_URL",
        ),
        *("ZENML_STORE_API_TOKEN", "ZENML_ACTIVE_PROJECT_ID", "ZENML_ACTIVE_STACK_ID", "ZENML_USER_ID"),
        *("ZENML_LOCAL_STORES_PATH", "ZENML_CUSTOM_SOURCE_ROOT", "ZENML_LOGS_OTEL_SCHEDULE_DELAY_MILLIS"),
        *("ZENML_ANALYTICS_OPT_IN", "ZENML_LOGGING_COLORS_DISABLED", "ZENML_ENABLE_RICH_TRACEBACK"),
    }
    assert f"ZENML_USER_ID={uuid5(tenant.pk, 'runner')}" in lines
    assert f"ZENML_STORE_URL={tenant.server_url}" in lines
    now = fresh(run)
    both = f"--run_id {now.zenml_run_id} --placeholder_run_id {now.zenml_run_id}"  # of all versions
    assert lines[0].endswith(f"--snapshot_id {now.zenml_snapshot_id} {both}")


def test_no_more_at_once_than_the_limit(loop, template, member, server, settings):
    settings.ZENPRO_PARALLEL_RUNS = 1
    first, second = queued(template, member), queued(template, member)
    loop.tick()
    assert fresh(first).state == "starting"
    assert state(second) == ("queued", "Waiting for another run to finish.")
    server.set("failed", "because")
    kill(first)
    ticks(loop, lambda: fresh(second).state == "starting")
    assert state(first) == ("failed", "because")


def test_an_environment_in_the_making_delays_nobody_else(here, server, template, member):
    builders, environments = Later(), FakeEnvironments()
    loop = new_loop(server, builders=builders, environments=environments)
    environments.made, loop.settled = False, float("inf")
    slow = queued(template, member)
    loop.tick()
    loop.tick()
    assert state(slow) == ("preparing", "Creating the Python environment.")
    assert len(builders.work) == 1
    environments.made = True
    other = queued(template, member)
    loop.tick()
    assert fresh(other).state == "starting"


def test_an_environment_that_cannot_be_made_is_the_end_with_the_message(loop, run, server):
    loop.environments.made, loop.settled = False, float("inf")
    loop.environments.error = EnvironmentFailed("The packages could not be installed: no such package.")
    loop.tick()
    assert state(run) == ("failed", "The packages could not be installed: no such package.")
    assert server.log == []


def test_the_environment_of_a_new_template_is_made_before_anybody_runs_it(here, server, template):
    environments = FakeEnvironments()
    environments.made = False
    loop = new_loop(server, environments=environments)
    loop.tick()
    assert environments.made
    environments.made, environments.error = False, EnvironmentFailed("no such package")
    loop.settled = 0
    loop.tick()
    new_loop(server, environments=environments).tick()


def test_an_organization_that_allows_building_gets_environments_of_its_own(here, server, template, member):
    organization = template.tenant.organization
    organization.allows_package_builds = True
    organization.save()
    environments = FakeEnvironments()
    loop = new_loop(server, environments=environments)
    queued(template, member)
    loop.tick()
    assert {builds for _, _, builds in environments.asked} == {str(organization.pk)}


def test_requirements_that_were_stored_before_a_rule_end_the_run_with_the_reason(
    here, server, template, member
):
    template.requirements = "pandas\nevil @ http://127.0.0.1:1/${SECRET}.tar.gz"
    template.save()
    loop = new_loop(server, environments=RunEnvironments())
    loop.settled = float("inf")
    run = queued(template, member)
    loop.tick()
    assert fresh(run).state == "failed"
    assert "Line 2 (“evil @ http" in fresh(run).state_reason
    assert "URLs are not supported" in fresh(run).state_reason
    assert server.log == []


def test_missing_code_is_the_end_with_a_sentence_in_the_tenant_too(loop, run, server, here):
    here.rename(here.with_name("elsewhere"))
    loop.tick()
    assert state(run) == ("failed", "The copy of the template's code is missing in the data folder.")
    assert server.only_run.status == "failed"


# Tenants that do not answer, people without rights


def test_a_tenant_that_does_not_run_is_waited_for(loop, run, server):
    tenant = run.template.tenant
    tenant.status = "pending"
    tenant.save()
    loop.tick()
    assert state(run) == ("queued", "Waiting until prod is running.")
    tenant.status = "available"
    tenant.save()
    loop.tick()
    assert fresh(run).state == "starting"


def test_a_tenant_that_does_not_answer_keeps_no_place_and_loses_nothing(loop, run, server):
    server.down = UNREACHABLE
    loop.tick()
    assert state(run) == ("queued", "Waiting for prod: The server cannot be reached.")
    server.down = None
    loop.tick()
    assert fresh(run).state == "starting"


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_tenant_in_trouble_is_asked_again(loop, run, server, status):
    server.refuse["create_run"] = TenantRefused(status, "Failed to verify permissions")
    loop.tick()
    assert state(run) == ("queued", "Waiting for prod: Failed to verify permissions")
    server.refuse.clear()
    loop.tick()
    assert fresh(run).state == "starting"
    assert len(server.snapshots) == 1


def test_trouble_without_end_is_an_end(loop, run, server, monkeypatch):
    server.refuse["create_snapshot"] = TenantRefused(500, "Something broke")
    loop.tick()
    monkeypatch.setattr(run_pass, "LONG_PATIENCE", 0)
    loop.tick()
    assert state(run) == ("failed", "Something broke")


@pytest.mark.parametrize("call", ["create_snapshot", "create_run"])
def test_an_answer_that_gets_lost_makes_nothing_double(loop, run, server, call):
    server.lose_next, server.lost = call, UNREACHABLE
    loop.tick()
    assert fresh(run).state == "queued"
    loop.tick()
    assert fresh(run).state == "starting"
    assert (len(server.snapshots), len(server.runs_by_id)) == (1, 1)


@pytest.mark.parametrize("call", ["create_snapshot", "create_run"])
def test_an_agent_killed_after_a_call_is_followed_without_doing_it_twice(here, run, server, call):
    class Killed(BaseException):
        pass

    server.lose_next, server.lost = call, Killed()
    with pytest.raises(Killed):
        new_loop(server).tick()
    new_loop(server).tick()
    assert fresh(run).state == "starting"
    assert marked_processes.alive(fresh(run).pid, fresh(run).pid_started)
    assert (len(server.snapshots), len(server.runs_by_id)) == (1, 1)


KILL_POINTS = [
    (run_pass, "derive"),
    (derivation, "_create_snapshot"),
    (derivation, "_create_run"),
    (derivation, "_save"),
    (RunPass, "_begin"),
    (RunPass, "_order"),
    (RunPass, "_start"),
    (RunPass, "_record_process"),
    (RunPass, "_look"),
    (RunPass, "_close"),
    (RunPass, "_end"),
    (run_rows, "finish"),
    (BoxedRunner, "start"),
    (BoxedRunner, "tidy"),
    (run_endings, "read_end"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("point", KILL_POINTS, ids=lambda point: point[1])
def test_an_agent_killed_anywhere_is_followed_and_nothing_is_double(
    here, run, server, monkeypatch, point, after
):
    class Killed(BaseException):
        pass

    place, name = point
    real = getattr(place, name)

    def deadly(*args, **kwargs):
        monkeypatch.setattr(place, name, real)
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(place, name, deadly)
    deaths, looks, loop = 0, 0, new_loop(server)
    while not fresh(run).has_ended:
        try:
            loop.tick()
        except Killed:
            deaths, loop = deaths + 1, new_loop(server)
        if dead(run):
            continue
        looks += 1
        if looks >= 3 and runner.chosen().output(run.pk):
            server.set("completed")
            kill(run)
            reap_child(run)
    assert deaths == 1
    assert state(run) == ("completed", "")
    assert (len(server.snapshots), len(server.runs_by_id)) == (1, 1)
    assert server.log.count("create_run") == 1
    assert len(runner.chosen().output(run.pk)) == 1, "it was started twice"


def reap_child(run):
    with suppress(ChildProcessError):
        os.waitpid(fresh(run).pid, 0)


def test_a_person_the_tenant_refuses_ends_it(loop, run, server):
    server.refuse["create_snapshot"] = TenantRefused(403, "Insufficient permissions to CREATE")
    loop.tick()
    assert state(run) == (
        "failed",
        "The tenant did not accept the configuration: Insufficient permissions to CREATE",
    )


def test_a_run_refused_leaves_no_snapshot(loop, run, server):
    server.refuse["create_run"] = TenantRefused(402, "Your quota is used up")
    loop.tick()
    assert state(run) == ("failed", "Your quota is used up")
    assert server.snapshots == {}


def test_a_taken_name_says_so(loop, template, member, server):
    first, second = queued(template, member), queued(template, member)
    TemplateRun.objects.update(run_name="same")
    loop.tick()
    assert fresh(first).state == "starting"
    assert state(second)[1] == (
        "A run named “same” already exists. Choose another name, or use {time} in it."
    )
    assert len(server.snapshots) == 1


def test_whoever_is_gone_cannot_run(loop, run):
    TemplateRun.objects.update(created_by=None)
    loop.tick()
    assert state(run) == ("stopped", "Stopped: the person who started it is no longer here.")


def test_a_deleted_tenant_ends_its_queue(loop, run):
    tenant = run.template.tenant
    tenant.desired_state, tenant.deleted_at = "deleted", timezone.now()
    tenant.save()
    loop.tick()
    assert state(run) == ("failed", "The tenant has been deleted.")


# Ends


def test_a_killed_runner_fails_in_the_tenant_too(loop, run, server):
    loop.tick()
    server.set("running")
    server.add_step("load", "completed")
    server.add_step("train", "running")
    loop.tick()
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "The process of the run was killed (signal 9).")
    assert (server.only_run.status, server.only_run.reason) == ("failed", state(run)[1])
    assert [step.status for step in server.step_rows] == ["completed", "failed"]


def test_a_run_that_a_limit_ended_has_the_reason_and_not_its_own(loop, run, server):
    loop.tick()
    server.set("running")
    loop.tick()
    with open(runner.output_file(run.pk), "a") as output:
        output.write("ZenPro ended this run: it was sabotage.\n")
    (runner.folder_of(run.pk) / runner.TOLD).write_text("ZenPro ended this run: it took too long.")
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "ZenPro ended this run: it took too long.")
    ticks(loop, lambda: not (runner.folder_of(run.pk) / runner.TOLD).exists())


def test_a_run_that_claims_a_limit_was_killed_all_the_same(loop, run, server):
    loop.tick()
    server.set("running")
    loop.tick()
    with open(runner.output_file(run.pk), "a") as output:
        output.write("ZenPro ended this run: it was sabotage.\n")
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "The process of the run was killed (signal 9).")


def test_a_runner_that_dies_before_it_begins_says_why(loop, run, server, here):
    (here / "behaviour").write_text("raise")
    loop.tick()
    ticks(loop, lambda: fresh(run).has_ended)
    reason = "The module x is missing. (zenml/entrypoints/entrypoint.py, line 15)"
    assert state(run) == ("failed", f"The process of the run ended with an error: {reason}")
    assert server.only_run.status == "failed"


def test_a_failed_step_is_named(loop, run, server):
    loop.tick()
    server.set("failed")
    server.add_step("train", "failed", "AUC is too low.")
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "The step train failed: AUC is too low.")


def test_steps_beyond_the_first_hundred_end_and_say_why_too(run, server):
    for number in range(100):
        server.add_step(f"fold_{number}", "completed")
    server.add_step("report", "running")
    run_endings.close_steps(run, server, "failed", "It was killed.")
    assert server.step_rows[100].status == "failed"
    server.step_rows[100].message = "AUC is too low."
    seen, silent = SimpleNamespace(reason=""), SimpleNamespace(output=lambda number: [])
    why = run_endings.why_it_failed(run, server, seen, silent)
    assert why == "The step report failed: AUC is too low."


def test_what_a_step_left_running_is_ended(loop, run, server, here):
    (here / "behaviour").write_text("child sleep")
    loop.tick()
    ticks(loop, lambda: any(line.startswith("child") for line in runner.chosen().output(run.pk)))
    everybody = {pid: marked_processes.mark_of(pid) for pid in family(fresh(run).pid)}
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    ticks(loop, lambda: not any(marked_processes.alive(pid, mark) for pid, mark in everybody.items()))


def test_a_process_that_stays_after_the_end_of_its_run_is_ended(loop, run, server, monkeypatch):
    monkeypatch.setattr(run_pass, "OVER_GRACE", 0)
    loop.tick()
    server.set("completed")
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("completed", "")
    assert dead(run)


def test_a_tenant_down_at_the_end_is_waited_for(loop, run, server):
    loop.tick()
    server.set("completed")
    server.down = UNREACHABLE
    kill(run)
    ticks(loop, lambda: "Waiting for prod" in state(run)[1])
    server.down = None
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("completed", "")


def test_a_run_of_a_tenant_deactivated_meanwhile_ends_here_and_later_there(loop, run, server):
    loop.tick()
    tenant = run.template.tenant
    tenant.desired_state = tenant.status = "deactivated"
    tenant.save()
    server.down = TenantUnreachable("The tenant is deactivated.")
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "prod was deactivated while the run was under way.")
    assert server.only_run.status == "initializing"
    server.down = None
    loop.settled = 0
    loop.tick()
    assert server.only_run.status == "failed"
    assert not TemplateRun.objects.unsettled().exists()


def test_telling_of_ends_keeps_no_other_run_waiting(here, run, server, template, member):
    """It may take as long as a call lasts, each time, for as many runs as ended while nobody could be told."""
    settlers = Later()
    loop = new_loop(server, settlers=settlers)
    for _ in range(20):
        ended = queued(template, member)
        rows = TemplateRun.objects.filter(pk=ended.pk)
        rows.update(state="failed", ended_at=timezone.now(), zenml_run_id=uuid4(), is_unsettled=True)
    loop.tick()
    assert len(settlers.work) == 20
    assert fresh(run).pid is not None
    for work in settlers.work:
        work()
    assert not TemplateRun.objects.unsettled().exists()


def test_the_process_of_a_deleted_tenant_is_ended(loop, run, server):
    loop.tick()
    tenant = run.template.tenant
    tenant.desired_state, tenant.deleted_at = "deleted", timezone.now()
    tenant.save()
    server.down = TenantUnreachable("The tenant is deactivated.")
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("failed", "The tenant was deleted while the run was under way.")
    ticks(loop, lambda: dead(run))


def test_a_run_of_a_person_who_lost_their_role_ends_with_its_process(loop, run, server, member):
    loop.tick()
    server.down = TenantRefused(403, "You have no role on this tenant.")
    loop.tick()
    assert not fresh(run).has_ended
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run)[1].startswith(f"{member} no longer has access to the tenant")


# Cancel


def test_a_cancelled_run_that_waits_just_ends(loop, run, server, owner):
    cancel(run, owner)
    loop.tick()
    assert state(run) == ("stopped", f"Stopped by {owner}.")
    assert server.log == []


def test_a_cancelled_run_is_told_to_stop_and_its_runner_too(loop, run, server, owner):
    loop.tick()
    server.set("running")
    server.add_step("train", "running")
    cancel(run, owner)
    loop.tick()
    assert state(run) == ("stopping", f"Stopped by {owner}.")
    assert (server.only_run.status, server.only_run.reason) == ("stopping", f"Stopped by {owner}.")
    ticks(loop, lambda: fresh(run).has_ended)
    assert state(run) == ("stopped", f"Stopped by {owner}.")
    assert server.only_run.status == "stopped"


def test_a_runner_that_does_not_listen_is_killed(loop, run, server, owner, here, monkeypatch):
    (here / "behaviour").write_text("stubborn sleep")
    loop.tick()
    ticks(loop, lambda: runner.chosen().output(run.pk))
    server.set("running")
    cancel(run, owner)
    loop.tick()
    ticks(loop, lambda: "told to stop" in runner.chosen().output(run.pk))
    assert not (dead(run) or fresh(run).has_ended)
    monkeypatch.setattr(run_pass, "STOP_GRACE", 0)
    ticks(loop, lambda: fresh(run).has_ended)
    assert fresh(run).state == "stopped"
    assert server.only_run.status == "stopped"


def test_a_run_cancelled_between_placeholder_and_process_is_stopped_there_too(here, run, server, owner):
    loop = new_loop(server)
    server.refuse["workload_token"] = UNREACHABLE
    loop.tick()
    server.refuse.clear()
    cancel(run, owner)
    loop.tick()
    loop.settled = 0
    loop.tick()
    assert fresh(run).state == "stopped"
    assert server.only_run.status == "stopped"


# The next agent


def test_the_next_agent_takes_on_a_living_runner(here, run, server):
    new_loop(server).tick()
    first = fresh(run)
    server.set("running")
    second = new_loop(server)
    second.tick()
    assert (fresh(run).state, fresh(run).pid) == ("running", first.pid)


def test_the_next_agent_finds_a_runner_whose_number_was_never_written_down(here, run, server):
    new_loop(server).tick()
    first = fresh(run)
    TemplateRun.objects.update(pid=None, pid_started="")
    second = new_loop(server)
    second.tick()
    assert (fresh(run).pid, fresh(run).pid_started) == (first.pid, first.pid_started)
    assert server.log.count("workload_token") == 1


def test_a_runner_that_ended_while_nobody_looked_is_not_started_again(here, run, server):
    new_loop(server).tick()
    kill(run)
    os.waitpid(fresh(run).pid, 0)
    TemplateRun.objects.update(pid=None, pid_started="")
    server.set("completed")
    new_loop(server).tick()
    assert state(run) == ("completed", "")
    assert fresh(run).pid is None


def test_the_next_agent_knows_since_when_a_runner_was_asked_to_stop(here, run, server, owner, monkeypatch):
    (here / "behaviour").write_text("stubborn sleep")
    first = new_loop(server)
    first.tick()
    ticks(first, lambda: runner.chosen().output(run.pk))
    cancel(run, owner)
    first.tick()
    told = server.log.count("update_run")
    new_loop(server).tick()
    assert server.log.count("update_run") == told == 1
    assert not dead(run)
    monkeypatch.setattr(run_pass, "STOP_GRACE", 0)
    new_loop(server).tick()
    ticks(new_loop(server), lambda: fresh(run).has_ended)
    assert state(run) == ("stopped", f"Stopped by {owner}.")


def test_the_next_agent_knows_since_when_a_run_is_over(here, run, server, monkeypatch):
    first = new_loop(server)
    first.tick()
    server.set("completed")
    first.tick()
    since = fresh(run).over_since
    new_loop(server).tick()
    assert not dead(run)
    assert fresh(run).over_since == since is not None
    monkeypatch.setattr(run_pass, "OVER_GRACE", 0)
    second = new_loop(server)
    second.tick()
    ticks(second, lambda: fresh(run).has_ended)
    assert state(run) == ("completed", "")


def test_the_next_agent_tells_of_an_end_that_no_one_has_heard_of(here, run, server):
    loop = new_loop(server)
    loop.tick()
    tenants = Tenant.objects.filter(pk=run.template.tenant_id)
    tenants.update(desired_state="deactivated", status="deactivated")
    server.down = TenantUnreachable("The tenant is deactivated.")
    kill(run)
    ticks(loop, lambda: fresh(run).has_ended)
    assert list(TemplateRun.objects.unsettled()) == [run]
    server.down = None
    new_loop(server).tick()
    assert server.only_run.status == "failed"
    assert not TemplateRun.objects.unsettled().exists()


def test_two_agents_start_a_run_once(here, run, server):
    one, other = new_loop(server, pool=Later()), new_loop(server)
    one.tick()
    assert fresh(run).state == "starting"
    other.tick()
    pid = fresh(run).pid
    for work in one.pool.work:
        work()
    assert fresh(run).pid == pid
    assert (len(server.snapshots), len(server.runs_by_id)) == (1, 1)


def test_a_rebooted_machine_ends_what_ran(here, run, server):
    new_loop(server).tick()
    server.set("running")
    pid = fresh(run).pid
    TemplateRun.objects.update(pid_started=marked_processes.mark_of(pid).partition("/")[0] + "/deadbeef")
    loop = new_loop(server)
    loop.tick()
    assert state(run) == (
        "failed",
        "The process of the run was killed, or the machine was restarted.",
    )
    assert marked_processes.mark_of(pid), "a process of another boot is not ours to kill"
    os.kill(pid, signal.SIGKILL)


def test_a_fault_of_ours_is_tried_again_and_ends_some_day(loop, run, server, monkeypatch):
    server.refuse["create_snapshot"] = RuntimeError("No space left on device")
    loop.tick()
    loop.tick()
    assert fresh(run).state == "starting"
    monkeypatch.setattr(run_pass, "LONG_PATIENCE", 0)
    loop.tick()
    assert state(run) == ("failed", "ZenPro could not continue: No space left on device")


def test_a_tick_costs_the_same_for_one_run_and_for_three(
    loop, template, member, server, django_assert_num_queries
):
    loop.tick()
    loop.settled = float("inf")
    with django_assert_num_queries(1):
        loop.tick()
    rows = [queued(template, member) for _ in range(3)]
    TemplateRun.objects.filter(pk__in=[row.pk for row in rows]).update(state="running")
    loop.pool = Later()
    with django_assert_num_queries(1):
        loop.tick()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "The process of the run ended with exit code 0 before the run was complete."),
        (3, "The process of the run ended with exit code 3 before the run was complete."),
        (137, "The process of the run was killed (signal 9)."),
        (-9, "The process of the run was killed (signal 9)."),
        (None, "The process of the run was killed, or the machine was restarted."),
    ],
)
def test_why_a_process_ended_is_said_by_its_exit_code(run, code, words):
    assert run_endings.why_it_died(run, runner.chosen(), code) == words
