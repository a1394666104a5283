"""Re-runs that a remote orchestrator takes over from ZenML's runner: from its end to the end of the run."""

# ruff: noqa: F401, F811 - fixtures of the tests of the loop

import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from factories import make_grant, make_template, make_tenant

from orgs.audit.models import AuditEvent
from orgs.members.actions import remove_member
from orgs.users.models import Actor
from tenants.agent import run_afar, run_memory
from tenants.agent.disk_sweeper import measure_due
from tenants.agent.run_life import life_of
from tenants.agent.run_loop import RunLoop
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.models import Tenant
from tenants.run_templates.actions import cancel_run, give_up_run
from tenants.run_templates.engine.base import RunnerFailed, RunnerOutOfReach
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.rules import set_runners
from zenpro_site.common.refusals import Refused

from ..run_templates.samples import churn_snapshot
from ..run_templates.test_remote_stacks import STACK_ID, remote_server, remote_snapshot, remote_template
from .fake_runner import FakeRunner
from .test_run_access import Records, look_for_people, records
from .test_run_loop import AtOnce, FakeEnvironments, fresh, here, queued, run, state

KILLED = "The process of the run was killed, or the machine was restarted."


@pytest.fixture
def template(org, member):
    return remote_template(org, member)


@pytest.fixture
def server():
    return remote_server()


@pytest.fixture
def machine():
    return FakeRunner()


def agent(server, machine):
    """One that has just been started."""
    at_once = {"pool": AtOnce(), "builders": AtOnce(), "environments": FakeEnvironments()}
    return RunLoop(open_client=lambda user, tenant: server, runner=machine, **at_once)


@pytest.fixture
def look(here, server, machine):
    """Each call is the look of an agent that has just been started."""

    def look(run):
        agent(server, machine).run_pass(run.pk)
        return state(run)

    return look


@pytest.fixture
def started(run, here, look):
    """Its runner lives."""
    TemplateRun.objects.filter(pk=run.pk).update(state="starting", started_at=timezone.now())
    look(run)
    assert fresh(run).pid == 1
    return run


@pytest.fixture
def submitted(started, server, machine, look):
    server.set("provisioning")
    machine.finish(started.pk, 0)
    assert look(started) == ("submitted", "")
    machine.log.clear()
    server.log.clear()
    return started


def forget(machine):
    """What only the agent knew that started a process."""
    machine.codes.clear()


# From the runner to the stack


@pytest.mark.parametrize("status", ["provisioning", "running", "stopping", "paused"])
@pytest.mark.parametrize("known", [True, False], ids=["known exit code", "unknown exit code"])
def test_a_runner_that_ended_well_leaves_the_run_to_its_stack(known, status, started, server, machine, look):
    server.set(status)
    machine.finish(started.pk, 0)
    if not known:
        forget(machine)
    assert look(started) == ("submitted", "")
    now = fresh(started)
    assert (now.pid, now.pid_started, now.ended_at, now.state_words) == (None, "", None, "Runs on cluster")
    assert (server.only_run.status, machine.log[-1]) == (status, "tidy")
    assert "update_run" not in server.log


@pytest.mark.parametrize("status", ["provisioning", "running"])
def test_one_that_no_one_wrote_down_is_left_to_its_stack_too(status, started, server, machine, look):
    """The agent was killed between the start of the process and the row."""
    TemplateRun.objects.update(pid=None, pid_started="")
    server.set(status)
    machine.finish(started.pk, 0)
    forget(machine)
    assert look(started) == ("submitted", "")
    assert machine.log.count("start") == 1


def on(flavor):
    def change(server):
        [component] = server.stacks[STACK_ID]["metadata"]["components"]["orchestrator"]
        component["body"]["flavor_name"] = flavor

    return change


@pytest.mark.parametrize(
    ("code", "status", "change", "reason"),
    [
        (1, "provisioning", on("kubernetes"), "ended with exit code 1"),
        (137, "running", on("kubernetes"), "was killed (signal 9)"),
        (0, "initializing", on("kubernetes"), "ended with exit code 0"),
        (None, "initializing", on("kubernetes"), KILLED),
        (0, "running", on("local"), "ended with exit code 0"),
        (None, "running", on("local_docker"), KILLED),
    ],
)
def test_what_its_stack_does_not_carry_out_is_over(
    code, status, change, reason, started, server, machine, look
):
    change(server)
    server.set(status)
    machine.finish(started.pk, code)
    if code is None:
        forget(machine)
    ended, words = look(started)
    assert (ended, server.only_run.status) == ("failed", "failed")
    assert reason in words


@pytest.mark.parametrize("error", [None, TenantRefused(403, "No.")], ids=["gone", "not shown"])
def test_of_a_stack_that_can_not_be_asked_what_was_recorded_counts(error, started, server, machine, look):
    def stack(stack_id):
        raise error

    if error:
        server.stack = stack
    server.stacks.clear()
    server.set("running")
    machine.finish(started.pk, 0)
    assert look(started) == ("submitted", "")


def test_a_tenant_that_is_away_when_the_runner_ends_ends_nothing(started, server, machine, look, template):
    machine.finish(started.pk, 0)
    server.down = TenantUnreachable("away")
    assert look(started) == ("starting", "Waiting for prod: away")
    Tenant.objects.update(desired_state="deactivated")
    assert look(started) == ("submitted", "")
    Tenant.objects.update(desired_state="available")
    server.down = None
    server.set("completed")
    assert look(started) == ("completed", "")


# Until its end


@pytest.mark.parametrize(
    ("status", "said", "end"),
    [
        ("completed", "", ("completed", "")),
        ("stopped", "Stopped by Admin.", ("stopped", "Stopped by Admin.")),
        ("failed", "No room.", ("failed", "No room.")),
    ],
)
def test_it_ends_as_the_tenant_says(status, said, end, submitted, server, machine, look):
    server.set("running")
    assert look(submitted) == ("submitted", "")
    server.set(status, said)
    assert look(submitted) == end
    assert fresh(submitted).ended_at is not None
    assert "update_run" not in server.log


def test_why_a_step_failed_is_the_reason(submitted, server, look):
    server.set("failed")
    server.add_step("train", "failed", "The execution was interrupted.")
    assert look(submitted) == ("failed", "The step train failed: The execution was interrupted.")


def test_a_step_that_could_not_say_why_is_not_left_without_a_word(submitted, server, look):
    """Its pod was killed, or its image was not there."""
    server.set("failed")
    server.add_step("train", "failed")
    why = "The step train failed without giving a reason. It may have been killed (out of memory, for example), or could not start."
    assert look(submitted) == ("failed", why)


def test_a_failed_run_is_over_when_its_other_branches_are(submitted, server, look):
    server.set("failed")
    server.add_step("train", "failed", "ValueError: no")
    server.add_step("report", "running")
    assert look(submitted) == ("submitted", "")
    server.step_rows[1].status = "completed"
    assert look(submitted)[0] == "failed"
    assert "update_step" not in server.log


def test_one_that_was_deleted_inside_the_tenant_has_failed(submitted, server, look):
    server.runs_by_id.clear()
    assert look(submitted) == ("failed", "The run was deleted inside the tenant.")


def test_one_that_no_orchestrator_has_is_over(submitted, server, look):
    """It was left to its stack while no one could ask."""
    server.set("initializing")
    assert look(submitted)[0] == "failed"
    assert server.only_run.status == "failed"


@pytest.mark.parametrize(
    "trouble", [TenantUnreachable("away"), TenantRefused(503, "busy")], ids=["gone", "503"]
)
@pytest.mark.parametrize("desired", ["available", "deactivated"])
def test_nothing_is_concluded_from_silence(trouble, desired, submitted, server, look, monkeypatch):
    Tenant.objects.update(desired_state=desired)
    server.down = trouble
    loop = agent(server, FakeRunner())
    loop.memories[submitted.pk].trouble_since = time.monotonic() - 10_000
    loop.run_pass(submitted.pk)
    assert state(submitted) == ("submitted", f"Waiting for prod: {trouble.reason}")
    server.down = None
    assert look(submitted) == ("submitted", "")


def test_nor_from_a_fault_of_ours(submitted, server, machine):
    def broken(run_id):
        raise RuntimeError("broken")

    server.run = broken
    loop = agent(server, machine)
    loop.memories[submitted.pk].trouble_since = time.monotonic() - 10_000
    loop._in_thread(loop.run_pass, submitted.pk)
    assert state(submitted) == ("submitted", "")


def test_with_its_tenant_it_is_gone(submitted, server, look):
    server.down = TenantUnreachable("away")
    Tenant.objects.update(desired_state="deleted", deleted_at=timezone.now())
    assert look(submitted) == ("failed", "The tenant was deleted while the run was under way.")


def test_one_whom_the_tenant_no_longer_answers_never_knows(submitted, server, look):
    server.down = TenantRefused(403, "No.")
    assert look(submitted)[1].startswith("Dana Petrova no longer has access to the tenant")


# Places


def test_it_is_looked_at_every_five_seconds(submitted, server, machine):
    loop = agent(server, machine)
    loop.tick()
    assert 4 < loop.memories[submitted.pk].not_before - time.monotonic() <= run_memory.LOOK_EVERY == 5
    server.set("completed")
    loop.tick()
    assert state(submitted)[0] == "submitted"
    loop.memories[submitted.pk].not_before = 0
    loop.tick()
    assert state(submitted)[0] == "completed"


def test_it_takes_no_place_on_this_machine(submitted, template, member, server, machine, settings):
    settings.ZENPRO_PARALLEL_RUNS = 1
    second = queued(template, member)
    agent(server, machine).tick()
    assert state(second) == ("starting", "")


def test_a_tenant_has_so_many_on_remote_stacks(submitted, template, member, org, server, machine, settings):
    settings.ZENPRO_SUBMITTED_RUNS = 1
    second = queued(template, member)
    local = queued(make_template(template.tenant, snapshot=churn_snapshot()), member)
    other_tenant = make_tenant(org, "other")
    make_grant(other_tenant, member, "operator")
    other = queued(make_template(other_tenant, snapshot=remote_snapshot(), stack_id=STACK_ID), member)
    loop = agent(server, machine)
    loop.tick()
    assert state(second) == ("queued", "Waiting for a run of prod on a remote stack to finish.")
    assert (state(local)[0], state(other)[0]) == ("starting", "starting")
    server.set("completed", run=server.runs_by_id[fresh(submitted).zenml_run_id])
    loop.memories[submitted.pk].not_before = 0
    loop.tick()
    machine.finish(local.pk, 1)
    loop.tick()
    loop.tick()
    assert state(second)[0] == "starting"


def test_one_that_is_just_starting_counts_as_well(template, run, member, server, machine, here, settings):
    settings.ZENPRO_SUBMITTED_RUNS, settings.ZENPRO_PARALLEL_RUNS = 1, 4
    second = queued(template, member)
    agent(server, machine).tick()
    assert (state(run)[0], state(second)[0]) == ("starting", "queued")


# Stopping


def test_a_stop_is_told_once_and_the_running_step_ends(submitted, server, look, member):
    server.add_step("train", "running")
    cancel_run(run=submitted, by=Actor(member))
    for _ in range(2):
        assert look(submitted) == ("submitted", "")
    assert server.log == ["update_run"]
    assert (server.only_run.status, server.only_run.reason) == ("stopping", "Stopped by Dana Petrova.")
    server.set("stopped", "Stopped by Dana Petrova.")
    assert look(submitted) == ("stopped", "Stopped by Dana Petrova.")


def test_a_stop_that_did_not_arrive_is_told_again(submitted, server, look, member):
    server.add_step("train", "running")
    cancel_run(run=submitted, by=Actor(member))
    server.refuse["update_run"] = TenantRefused(503, "busy")
    assert look(submitted) == ("submitted", "Waiting for prod: busy")
    del server.refuse["update_run"]
    assert look(submitted) == ("submitted", "")
    assert server.only_run.status == "stopping"


def test_a_stop_that_went_to_the_runner_alone_is_told_to_the_stack(started, server, machine, look, member):
    """The runner was just ending."""
    server.set("provisioning")
    server.add_step("train", "running")
    cancel_run(run=started, by=Actor(member))
    server.refuse["update_run"] = TenantRefused(503, "busy")
    machine.listens = False
    look(started)
    del server.refuse["update_run"]
    machine.finish(started.pk, 0)
    assert look(started)[0] == "submitted"
    look(started)
    assert server.only_run.status == "stopping"


def test_of_somebody_who_is_gone_it_is_stopped_like_any_other(
    submitted, server, machine, member, owner, records
):
    records.add(fresh(submitted).zenml_run_id, load="completed", train="running")
    remove_member(membership=member.membership, by=Actor(owner))
    server.down = TenantRefused(401, "The account is not active.")
    look_for_people(agent(server, machine))
    reason = "Stopped: Dana Petrova no longer has access to prod."
    assert state(submitted) == ("stopped", reason)
    assert records.of(fresh(submitted).zenml_run_id) == [("stopped", reason, 0)]
    assert records.steps() == {"load": "completed", "train": "stopped"}
    assert AuditEvent.objects.get(action="template_run.stopped").actor is None


def test_one_whom_the_template_no_longer_lets_run_it_is_let_finish(
    submitted, server, machine, owner, template
):
    set_runners(template=template, is_narrowed=True, runners=[owner.membership], by=Actor(owner))
    look_for_people(agent(server, machine))
    assert fresh(submitted).cancel_requested_at is None
    assert state(submitted) == ("submitted", "")


@pytest.fixture
def given_up(submitted, server, look, member):
    """Someone does not want to wait for its stack."""
    server.add_step("train", "running")
    cancel_run(run=submitted, by=Actor(member))
    look(submitted)
    give_up_run(run=submitted, by=Actor(member))
    return submitted


def late(run):
    moment = timezone.now() - timedelta(seconds=run_afar.END_PATIENCE + 1)
    TemplateRun.objects.filter(pk=run.pk).update(given_up_at=moment)


def but(words: str) -> tuple[str, str]:
    return "stopped", run_afar.NOT_ENDED.format("Stopped by Dana Petrova.", words)


NO_WAY = "NotImplementedError: not implemented for the 'AirflowOrchestrator' orchestrator."


@pytest.mark.parametrize(("lines", "words"), [([NO_WAY], NO_WAY), ([], run_afar.UNSAID.format(1))])
def test_why_what_works_on_it_could_not_be_ended_is_said(lines, words, given_up, server, machine, look):
    look(given_up)
    machine.lines = lines
    machine.finish(given_up.pk, 1)
    assert look(given_up) == but(words)
    assert (server.only_run.status, server.only_run.reason) == ("stopped", "Stopped by Dana Petrova.")


def test_what_is_not_ended_in_time_is_ended_here(given_up, machine, look):
    look(given_up)
    late(given_up)
    assert look(given_up) == but(run_afar.NO_ANSWER)
    assert "end" in machine.log and given_up.pk not in machine.living


def test_what_never_began_to_end_is_ended_here(given_up, machine, look):
    late(given_up)
    assert look(given_up) == but(run_afar.NO_ANSWER)
    assert "end on its stack" not in machine.log


def test_without_its_packages_no_one_can_end_what_works_on_it(given_up, server, machine, here):
    at_once = {"pool": AtOnce(), "builders": AtOnce(), "environments": FakeEnvironments()}
    at_once["environments"].made = False
    RunLoop(open_client=lambda user, tenant: server, runner=machine, **at_once).run_pass(given_up.pk)
    assert state(given_up) == but(run_afar.NO_PACKAGES)
    assert "end on its stack" not in machine.log


@pytest.mark.parametrize("error", [RunnerFailed("no room"), RunnerOutOfReach("away")])
def test_an_end_that_cannot_begin_is_an_end_all_the_same(error, given_up, machine, look, monkeypatch):
    monkeypatch.setattr(machine, "start", raiser(error))
    assert look(given_up) == but(error.reason)


def raiser(error):
    def raises(*_):
        raise error

    return raises


def test_one_that_was_begun_by_an_agent_that_died_is_taken_on(given_up, machine, look):
    look(given_up)
    TemplateRun.objects.filter(pk=given_up.pk).update(pid=None, pid_started="")
    for _ in range(2):
        assert look(given_up) == ("submitted", "")
    assert machine.log.count("end on its stack") == 1
    machine.finish(given_up.pk, 0)
    forget(machine)
    assert look(given_up) == ("stopped", "Stopped by Dana Petrova.")


def test_what_the_tenant_says_meanwhile_waits_for_the_end_of_it(given_up, server, machine, look):
    """ZenML says of itself that it was stopped by hand, and its pods may not be gone."""
    look(given_up)
    server.set("stopped")
    assert look(given_up) == ("submitted", "")
    machine.finish(given_up.pk, 0)
    assert look(given_up) == ("stopped", "Stopped by Dana Petrova.")


def test_a_tenant_that_goes_away_meanwhile_ends_it_here(given_up, server, machine, look):
    look(given_up)
    machine.finish(given_up.pk, 0)
    server.down = TenantUnreachable("away")
    assert look(given_up) == ("stopped", "Stopped by Dana Petrova.")
    assert fresh(given_up).is_unsettled


def test_a_second_stop_ends_it_without_waiting(submitted, server, machine, look, member):
    with pytest.raises(Refused, match="Stop it first"):
        give_up_run(run=submitted, by=Actor(member))
    server.add_step("train", "running")
    cancel_run(run=submitted, by=Actor(member))
    look(submitted)
    for _ in range(2):
        give_up_run(run=submitted, by=Actor(member))
    for _ in range(2):
        assert look(submitted)[0] == "submitted"
    assert (state(submitted)[1], machine.log) == ("", ["end on its stack"])
    assert server.only_run.status == "stopping"
    machine.finish(submitted.pk, 0)
    assert look(submitted) == ("stopped", "Stopped by Dana Petrova.")
    assert (server.only_run.status, server.step_rows[0].status) == ("stopped", "stopped")
    assert server.only_run.reason == "Stopped by Dana Petrova."
    assert machine.log.count("end on its stack") == 1 and machine.log[-1] == "tidy"
    assert AuditEvent.objects.filter(action="template_run.given_up").count() == 1
    with pytest.raises(Refused):
        give_up_run(run=submitted, by=Actor(member))


def test_an_older_server_that_only_knows_the_end_is_told_that(
    submitted, server, machine, look, member, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        server, "_work_out", lambda run, status, reason="": asked.append(status) or refusing(status)
    )

    def refusing(status):
        if status == "stopping":
            raise TenantRefused(422, "not a status")

    cancel_run(run=submitted, by=Actor(member))
    look(submitted)
    give_up_run(run=submitted, by=Actor(member))
    look(submitted)
    machine.finish(submitted.pk, 0)
    assert look(submitted) == ("stopped", "Stopped by Dana Petrova.")
    assert asked[-1] == "stopped"


def test_a_second_stop_ends_it_here_while_its_tenant_is_away(submitted, server, look, member):
    server.down = TenantUnreachable("away")
    cancel_run(run=submitted, by=Actor(member))
    assert look(submitted) == ("submitted", "Waiting for prod: away")
    give_up_run(run=submitted, by=Actor(member))
    assert look(submitted) == ("stopped", "Stopped by Dana Petrova.")
    assert fresh(submitted).is_unsettled
    server.down = None
    loop = agent(server, FakeRunner())
    loop.settle(submitted.pk)
    assert (server.only_run.status, fresh(submitted).is_unsettled) == ("stopped", False)


# Signs of life

MINUTE = timedelta(minutes=1)


@pytest.fixture
def silent(submitted, server):
    """silent(minutes): its step was heard of last so long ago; ZenML waits for 30 minutes."""
    server.set("running")
    server.add_step("train", "running")

    def silent(minutes, patience=30):
        step = server.step_rows[0]
        step.heartbeat, step.patience = timezone.now() - minutes * MINUTE, patience * MINUTE
        return f"No sign of life since {timezone.localtime(step.heartbeat):%H:%M}."

    return silent


def watch(loop, run, minutes):
    """Let its agent look, and think that it has seen that same sign for so long."""
    loop.run_pass(run.pk)
    if life := loop.memories[run.pk].life:
        life.since -= minutes * 60
        life.looked_at = 0
    loop.run_pass(run.pk)
    return state(run)


def in_words(words):
    """Without the day, which is said around midnight."""
    return re.sub(r"\d{4}-\d\d-\d\d ", "", words)


@pytest.mark.parametrize(("minutes", "noted"), [(0, False), (9, False), (11, True), (29, True)])
def test_long_silence_is_said_and_changes_nothing(minutes, noted, silent, submitted, server, machine):
    words = silent(minutes)
    found, said = watch(agent(server, machine), submitted, minutes)
    assert (found, in_words(said)) == ("submitted", words if noted else "")
    assert server.log == []
    silent(0)
    assert watch(agent(server, machine), submitted, 0) == ("submitted", "")


def test_after_the_patience_of_zenml_it_is_over(silent, submitted, server, machine):
    words = silent(31)
    found, said = watch(agent(server, machine), submitted, 11)
    assert (found, in_words(said)) == ("failed", words)
    assert (server.only_run.status, server.step_rows[0].status) == ("failed", "failed")


def test_one_that_was_heard_of_since_the_last_look_is_not_over(silent, submitted, server, machine):
    """What lost its network for half an hour, and has it again."""
    silent(29)
    loop = agent(server, machine)
    loop.run_pass(submitted.pk)
    life = loop.memories[submitted.pk].life
    life.sign, life.since = life.sign - 2 * MINUTE, life.since - 30 * 60  # a moment later
    server.step_rows[0].heartbeat = timezone.now()
    loop.run_pass(submitted.pk)
    assert (state(submitted), server.only_run.status) == (("submitted", ""), "running")


def test_a_patience_shorter_than_the_time_between_two_signs_is_not_kept(silent, submitted, server, machine):
    silent(9, patience=1)
    assert watch(agent(server, machine), submitted, 11) == ("submitted", "")


def test_after_its_tenant_was_away_it_is_given_time_to_be_heard(silent, submitted, server, machine):
    """Nothing could be written meanwhile."""
    words, loop = silent(120), agent(server, machine)
    for _ in range(2):
        assert in_words(watch(loop, submitted, 9)[1]) == words
        server.down = TenantUnreachable("away")
        loop.run_pass(submitted.pk)
        server.down = None
    assert state(submitted)[0] == "submitted"


@pytest.mark.parametrize("status", ["provisioning", "running"])
def test_a_run_that_waits_for_room_is_never_given_up(status, submitted, server, machine):
    server.set(status)
    server.only_run.start = timezone.now() - 50 * MINUTE
    assert watch(agent(server, machine), submitted, 600) == ("submitted", "")
    server.only_run.start = timezone.now() - 600 * MINUTE
    found, said = watch(agent(server, machine), submitted, 600)
    assert (found, said[:19]) == ("submitted", "No sign of life sin")


def test_a_step_that_gives_no_signs_is_not_called_silent(submitted, server, machine):
    """Older servers, and steps with heartbeats switched off."""
    server.set("running")
    server.only_run.start = timezone.now() - 600 * MINUTE
    server.add_step("train", "running")
    assert watch(agent(server, machine), submitted, 600) == ("submitted", "")


def test_one_that_is_heard_of_keeps_the_others(silent, submitted, server, machine):
    silent(120)
    server.add_step("other", "running")
    server.step_rows[1].heartbeat, server.step_rows[1].patience = timezone.now(), 30 * MINUTE
    assert watch(agent(server, machine), submitted, 600) == ("submitted", "")


def test_steps_are_asked_for_once_a_minute(silent, submitted, server, machine):
    loop, asked, steps = agent(server, machine), [], server.steps
    server.steps = lambda *given, **more: asked.append(1) or steps(*given, **more)
    for _ in range(3):
        loop.run_pass(submitted.pk)
    assert len(asked) == 1


def test_the_day_is_said_of_what_was_not_today():
    now = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)
    step = SimpleNamespace(status="running", heartbeat=now - 120 * MINUTE, patience=30 * MINUTE)
    found = life_of(None, [step], None, now)
    with timezone.override("UTC"):
        assert life_of(None, [step], found, now).words == "No sign of life since 2026-11-27 23:30."


# Beside


def test_what_its_runner_printed_stays_and_the_rest_is_thrown_away(submitted, machine, look, server):
    server.set("failed", "No.")
    look(submitted)
    assert "keep" not in machine.log


def test_a_disk_on_which_nothing_happens_is_not_measured_all_the_time(submitted, monkeypatch):
    measured = []
    monkeypatch.setattr("tenants.agent.disk_sweeper.measure", measured.append)
    Tenant.objects.update(disk_measured_at=timezone.now() - timedelta(seconds=60))
    measure_due()
    assert measured == []
    TemplateRun.objects.update(state="running")
    measure_due()
    assert len(measured) == 1
