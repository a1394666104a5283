"""What runs print, on the machine of the agent, and read by pages of another one."""

import io
import os
import threading
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.storage import storages
from django.utils import timezone
from factories import make_code, make_template, make_template_run

from tenants.agent import output_sender, storage_sweeper
from tenants.agent.output_sender import OutputSender
from tenants.agent.storage_sweeper import sweep_stored
from tenants.run_templates.engine import runner, stored_outputs
from tenants.run_templates.engine.code import freeze_folder
from tenants.run_templates.engine.stored_code import present, store
from tenants.run_templates.engine.stored_outputs import CUT, Printed, printed
from tenants.run_templates.models import TemplateRun
from tenants.run_templates.origin import opened_kept, output_of
from tests.s3 import BUCKET, KEYS, running_s3
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS, OWNER, StorageFailed
from zenpro_site.env import Env
from zenpro_site.storage_settings import load_storage

SILENT = "The output can't be read now: the object storage does not answer."


@pytest.fixture(autouse=True)
def shared(settings, tmp_path, monkeypatch):
    shared_files.forget_silence()
    monkeypatch.setattr(stored_outputs, "HELD", 0)
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    return storages[ALIAS]


@pytest.fixture
def on(settings, tmp_path):
    """on("web"): from now on this is that machine."""

    def on(name):
        settings.ZENPRO_DATA = tmp_path / name

    on("agent")
    return on


@pytest.fixture
def run(tenant, on):
    return make_template_run(make_template(tenant), state="running", started_at=timezone.now())


def prints(run, text):
    file = runner.output_file(run.pk)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a") as writer:
        writer.write(text)


def end(run, ago=timedelta(0), **fields):
    values = {"state": "failed", "ended_at": timezone.now() - ago, **fields}
    TemplateRun.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()


def puts(shared):
    return [name.rpartition("/")[2] for call, name in shared.log if call == "put" and name != OWNER]


def test_a_page_of_another_machine_shows_what_a_run_prints(run, on):
    sender = OutputSender()
    prints(run, "one\n")
    sender.tick()
    prints(run, "two\n")
    assert output_of(run).lines == ["one", "two"]  # here
    on("web")
    assert output_of(run) == Printed(["one"])
    on("agent")
    sender.tick()
    on("web")
    assert output_of(run) == Printed(["one", "two"])


def test_nothing_is_sent_twice_and_what_has_ended_is_looked_at_no_more(run, shared):
    sender = OutputSender()
    sender.tick()
    assert puts(shared) == []  # nothing was printed yet
    prints(run, "one\n")
    sender.tick()
    sender.tick()
    assert puts(shared) == ["output.log"]
    end(run)
    sender.tick()
    assert puts(shared) == ["output.log"] * 2 and sender.open == {run.pk}
    end(run, timedelta(minutes=5))
    sender.tick()
    assert puts(shared) == ["output.log"] * 2 and sender.open == set()
    assert (runner.folder_of(run.pk) / runner.SENT).exists()
    OutputSender().tick()  # of an agent that was started later
    assert puts(shared) == ["output.log"] * 2


def test_the_end_is_sent_while_it_runs_and_the_whole_when_it_has_ended(run, shared, monkeypatch):
    monkeypatch.setattr(stored_outputs, "TAIL_BYTES", 8)
    sender, place = OutputSender(), Path(shared.path(f"runs/{run.pk}/output.log"))
    prints(run, "0123456789abc\n")
    sender.tick()
    assert place.read_bytes() == b"6789abc\n"
    end(run)
    sender.tick()
    assert place.read_bytes() == b"0123456789abc\n"


def test_of_a_long_output_the_end_is_stored(run, shared, monkeypatch):
    monkeypatch.setattr(stored_outputs, "WHOLE", 6)
    prints(run, "0123456789\n")
    end(run)
    OutputSender().tick()
    assert Path(shared.path(f"runs/{run.pk}/output.log")).read_bytes() == CUT + b"56789\n"


def test_what_an_agent_did_not_send_the_next_one_does(run, shared):
    prints(run, "last words\n")
    end(run, timedelta(days=2))
    OutputSender().tick()
    assert puts(shared) == ["output.log"]
    assert output_sender.unsent() == set()


def test_what_goes_on_is_sent_before_what_is_left_of_long_ago(run, tenant, shared, monkeypatch):
    monkeypatch.setattr(output_sender, "ONE_TICK", -1)
    old = make_template_run(make_template(tenant))
    for one in (old, run):
        prints(one, "one\n")
    end(old, timedelta(days=2))
    sender = OutputSender()
    sender.tick()
    assert {*shared.listed("runs")} == {f"{run.pk}/output.log"} and sender.open == {old.pk, run.pk}
    monkeypatch.undo()
    sender.tick()
    assert len(shared.listed("runs")) == 2 and sender.open == {run.pk}


def test_one_that_is_not_taken_keeps_no_other_one_waiting(run, tenant, shared, monkeypatch):
    other, put = make_template_run(make_template(tenant), state="running"), shared.put
    for one in (other, run):
        prints(one, "one\n")

    def picky(name, file):
        if str(run.pk) in name:
            raise StorageFailed("no.")
        put(name, file)

    monkeypatch.setattr(shared, "put", picky)
    sender = OutputSender()
    sender.tick()
    assert {*shared.listed("runs")} == {f"{other.pk}/output.log"} and sender.fails


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_sent_and_holds_nobody(run, shared, make):
    runner.folder_of(run.pk).mkdir(parents=True)
    make(runner.output_file(run.pk))
    sender = OutputSender()
    looking = threading.Thread(target=stored_outputs.send_output, args=(run.pk, True, None), daemon=True)
    looking.start()
    looking.join(10)
    assert not looking.is_alive()
    end(run, ago=output_sender.SETTLED * 2)
    sender.tick()
    assert (puts(shared), sender.fails, sender.open) == ([], False, set())


def test_what_a_full_disk_cannot_copy_is_sent_later(run, tenant, shared, monkeypatch):
    """It was taken for an output that is not there, and never sent."""

    def full():
        raise OSError(28, "No space left on device")

    other = make_template_run(make_template(tenant, "other"), state="failed", ended_at=timezone.now())
    for one in (run, other):
        prints(one, "lines\n")
        end(one, ago=output_sender.SETTLED * 2)
    sender, files = OutputSender(), stored_outputs.tempfile.TemporaryFile
    monkeypatch.setattr(stored_outputs.tempfile, "TemporaryFile", full)
    sender.tick()
    assert sender.fails and sender.open == {run.pk, other.pk} == output_sender.unsent()
    monkeypatch.setattr(stored_outputs.tempfile, "TemporaryFile", files)
    sender.tick()
    assert (puts(shared), sender.fails, output_sender.unsent()) == (["output.log"] * 2, False, set())


def test_a_storage_that_fails_is_told_once_and_tried_again(run, shared, monkeypatch):
    told = []
    monkeypatch.setattr(output_sender.log, "warning", lambda *words, **more: told.append(more["reason"]))
    sender = OutputSender()
    prints(run, "one\n")
    shared.trouble = StorageFailed("no.")
    sender.tick()
    sender.tick()
    end(run, timedelta(minutes=5))
    sender.tick()
    assert told == ["no."] and not (runner.folder_of(run.pk) / runner.SENT).exists()
    shared.trouble = None
    sender.tick()
    assert (runner.folder_of(run.pk) / runner.SENT).exists()


def test_another_installation_with_the_same_place_sends_and_removes_nothing(run, shared, settings):
    prints(run, "one\n")
    OutputSender().tick()
    settings.SECRET_KEY = "another" * 10
    sender, before = OutputSender(), {*shared.listed("runs")}
    prints(run, "two\n")
    sender.tick()
    assert sender.fails and puts(shared) == ["output.log"]
    TemplateRun.objects.all().delete()
    assert sweep_stored() == 0 and {*shared.listed("runs")} == before


def test_a_link_is_not_followed(run, shared, tmp_path):
    (tmp_path / "secret").write_text("keys")
    runner.folder_of(run.pk).mkdir(parents=True)
    runner.output_file(run.pk).symlink_to(tmp_path / "secret")
    OutputSender().tick()
    assert puts(shared) == []


def test_the_loop_ends_at_once_without_a_storage(settings, run):
    settings.STORAGES = {name: place for name, place in settings.STORAGES.items() if name != ALIAS}
    output_sender.run_forever(threading.Event())
    prints(run, "one\n")
    assert printed(run.pk, 10) == Printed(["one"])
    assert printed(uuid4(), 10) == Printed([]) and sweep_stored() == 0


# -- what a page says


def test_a_page_says_when_the_output_cannot_be_read(run, on, shared, monkeypatch):
    prints(run, "one\n")
    OutputSender().tick()
    on("web")
    shared.fall_silent()
    assert output_of(run) == Printed([], SILENT)
    calls = len(shared.log)
    assert output_of(run) == Printed([], SILENT)
    assert len(shared.log) == calls, "It is left alone for a moment."
    shared.trouble = None
    shared_files.forget_silence()
    assert output_of(run) == Printed(["one"])


def test_many_pages_do_not_wait_for_one_storage(run, on, monkeypatch):
    on("web")
    monkeypatch.setattr(stored_outputs.PLACES, "together", 0)
    assert printed(run.pk, 10).trouble == "The output can't be read now: the object storage is busy."


def test_only_the_end_of_a_large_object_is_read(run, on, shared):
    shared.put(f"runs/{run.pk}/output.log", io.BytesIO(b"x" * 10**6 + b"\nlast \xff\n"))
    on("web")
    assert printed(run.pk, 1) == Printed(["last \ufffd"])
    assert sum(map(len, printed(run.pk, 10).lines)) < 70_000


# -- what a failed run wrote


@pytest.fixture
def kept(run):
    end(run, kept_bytes=6, kept_until=timezone.now() + timedelta(days=1))
    runner.folder_of(run.pk).mkdir(parents=True, exist_ok=True)
    runner.kept_file(run.pk).write_bytes(b"packed")
    OutputSender().tick()
    return run


def test_what_a_failed_run_wrote_can_be_had_on_another_machine(kept, on, shared):
    on("web")
    with opened_kept(kept) as file:
        assert file.read() == b"packed"
    shared.fall_silent()
    with pytest.raises(StorageFailed):
        opened_kept(kept)


def test_nothing_is_kept_of_others(run, on):
    end(run, kept_until=timezone.now() + timedelta(days=1))
    on("web")
    assert opened_kept(run) is None


# -- what no one needs


def test_outputs_of_runs_that_are_gone_and_what_is_kept_no_longer_are_removed(kept, tenant, shared):
    prints(kept, "one\n")
    OutputSender().tick()
    gone = make_template_run(make_template(tenant), state="running")
    prints(gone, "one\n")
    OutputSender().tick()
    names = [f"{kept.pk}/output.log", f"{kept.pk}/written.tar.gz", f"{gone.pk}/output.log"]
    shared.put("runs/of-others/x", io.BytesIO())
    assert {*shared.listed("runs")} == {*names, "of-others/x"}
    assert sweep_stored() == 0
    gone.template.delete()
    TemplateRun.objects.filter(pk=kept.pk).update(kept_until=timezone.now())
    assert sweep_stored() == 2
    assert {*shared.listed("runs")} == {names[0], "of-others/x"}


def test_code_from_before_there_was_a_storage_is_sent(tenant, on, shared, settings, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/steps.py").write_text("step = 1\n")
    code_hash = freeze_folder(tmp_path / "project")
    make_code(tenant, code_hash=code_hash)
    make_code(tenant, code_hash="0" * 64)  # of another machine
    assert sweep_stored() == sweep_stored() == 0
    assert [name for call, name in shared.log if call == "put"] == [OWNER, f"code/{code_hash}.tar.gz"]


def test_a_sweep_that_fails_is_told(shared, monkeypatch, run):
    told = []
    monkeypatch.setattr(storage_sweeper.log, "warning", lambda *words, **more: told.append(more["reason"]))
    shared.fall_silent()
    assert (sweep_stored(), told) == (0, [shared_files.SILENT])


# -- with a real bucket


def test_code_and_outputs_go_from_one_machine_to_another_through_a_bucket(
    run, on, settings, monkeypatch, tmp_path
):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/steps.py").write_text("step = 1\n")
    monkeypatch.setenv("ZENPRO_STORAGE", f"s3://{BUCKET}/zenpro")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with running_s3(tmp_path) as url:
        monkeypatch.setenv("ZENPRO_STORAGE_ENDPOINT", url)
        settings.STORAGES = {**settings.STORAGES, **load_storage(Env())}
        on("web")
        code_hash = freeze_folder(tmp_path / "project")
        store(code_hash)
        on("agent")
        assert (present(code_hash) / "steps.py").read_text() == "step = 1\n"
        prints(run, "one\n" * 100_000 + "last\n")
        OutputSender().tick()
        on("web")
        assert printed(run.pk, 2) == Printed(["one", "last"])
        on("agent")
        end(run)
        OutputSender().tick()
        assert len(shared_files.end_of(f"runs/{run.pk}/output.log", 10**6, 5)) == 400_005
        TemplateRun.objects.all().delete()
        assert sweep_stored() == 1
        assert shared_files.listed("runs") == {}
    shared_files.forget_silence()
    assert printed(run.pk, 2) == Printed(["one"] * 1 + ["last"])  # its own file is still here
    on("web")
    assert printed(run.pk, 2) == Printed([], SILENT)
