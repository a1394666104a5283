"""What tenants keep on disk, measured in folders in which they may have put anything."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_code, make_org, make_template, make_template_run, make_tenant

from tenants.agent import disk_sweeper
from tenants.agent.disk_sweeper import (
    Measure,
    measure,
    measure_due,
    places_of,
    sweep_code,
    sweep_runs,
)
from tenants.hosting.local import folders
from tenants.models import Tenant
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.code import code_folder, freeze
from tenants.run_templates.models import TemplateRun
from tests.tenants.hosting.conftest import bury, opened_below

MB = 1024**2
LONG_NAME = "x" * 250


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.ZENPRO_DATA = tmp_path / "data"
    return settings.ZENPRO_DATA


def write(path, megabytes: int):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * megabytes * MB)
    return path


def megabytes(*places) -> int:
    measured = Measure()
    for place in places:
        measured.add(place)
    assert measured.whole
    return round(measured.bytes / MB)


def test_everything_below_counts_and_what_is_not_there_does_not(tmp_path):
    write(tmp_path / "a/one", 2)
    write(tmp_path / "a/deep/er/two", 3)
    write(tmp_path / "file", 1)
    assert megabytes(tmp_path / "a", tmp_path / "file", tmp_path / "none") == 6


def test_links_lead_nowhere_and_a_second_name_costs_nothing(tmp_path):
    write(tmp_path / "elsewhere/large", 8)
    mine = tmp_path / "mine"
    write(mine / "one", 2)
    (mine / "folder").symlink_to(tmp_path / "elsewhere")
    (mine / "file").symlink_to(tmp_path / "elsewhere/large")
    (mine / "again").symlink_to(mine)
    os.link(mine / "one", mine / "same")
    assert megabytes(mine) == 2
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert megabytes(tmp_path / "link") == 0


@pytest.mark.parametrize("aim", ["elsewhere", "elsewhere/a"])
def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path, monkeypatch, aim):
    """On the way to what is looked at next, or that itself; a closed one elsewhere stays closed."""
    write(tmp_path / "elsewhere/a/b/large", 8)
    write(tmp_path / "mine/a/b/one", 2)
    (tmp_path / "elsewhere/a/b").chmod(0o300)
    scandir, mine, swapped = os.scandir, tmp_path / "mine", tmp_path / ("mine/a" if "/" in aim else "mine")
    below = os.stat(mine / "a")

    def listing(folder):
        answer = scandir(folder)
        if os.path.samestat(os.stat(folder), below) and not swapped.is_symlink():
            swapped.rename(tmp_path / "away")
            swapped.symlink_to(tmp_path / aim)
        return answer

    monkeypatch.setattr(os, "scandir", listing)
    assert megabytes(mine) == 2
    assert swapped.is_symlink()
    assert (tmp_path / "elsewhere/a/b").stat().st_mode & 0o777 == 0o300


def test_holes_cost_nothing(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(500 * MB)
    assert megabytes(tmp_path) == 0


def test_a_closed_folder_hides_nothing(tmp_path):
    write(tmp_path / "a/hidden/inner/large", 3)
    for folder in (tmp_path / "a/hidden/inner", tmp_path / "a/hidden"):
        folder.chmod(0)
    assert megabytes(tmp_path / "a") == 3


def test_a_folder_whose_names_can_be_read_but_nothing_more_hides_nothing(tmp_path):
    write(tmp_path / "a/hidden/large", 3)
    (tmp_path / "a/hidden").chmod(0o400)
    assert megabytes(tmp_path / "a") == 3


def test_time_is_bounded(tmp_path):
    write(tmp_path / "a/one", 1)
    measured = Measure(seconds=-1)
    measured.add(tmp_path / "a")
    assert not measured.whole


def test_depth_hides_nothing_and_costs_no_descriptors(tmp_path, monkeypatch):
    here, seen = bury(tmp_path, 100, LONG_NAME), []
    with os.fdopen(os.open("large", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb") as file:
        file.write(b"x" * 3 * MB)
    os.close(here)
    scandir = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda folder: seen.append(len(opened_below(tmp_path))) or scandir(folder)
    )
    assert megabytes(tmp_path) == 3
    assert len(seen) > 100
    assert max(seen) <= 4
    assert opened_below(tmp_path) == []


def listed(monkeypatch, measured, until=lambda found: bool(found)):
    """What a measurement finds in folders; its time is over once `until` is so."""
    seen, look = [], measured.look

    def looking(folder):
        seen.append(look(folder))
        if until(seen[-1]):
            measured.deadline = 0.0
        return seen[-1]

    monkeypatch.setattr(measured, "look", looking)
    return seen


def test_time_is_bounded_in_empty_folders_too(tmp_path, monkeypatch):
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    measured = Measure()
    seen = listed(monkeypatch, measured)
    measured.add(tmp_path)
    assert len(seen) == 1
    assert not measured.whole


def test_time_that_ends_on_the_way_back_costs_no_descriptor(tmp_path, monkeypatch):
    (tmp_path / "mine/a/b/c").mkdir(parents=True)
    measured = Measure()

    def moved_away(found):
        return not found and bool((tmp_path / "mine/a/b/c").rename(tmp_path / "away"))

    listed(monkeypatch, measured, until=moved_away)
    measured.add(tmp_path / "mine")
    assert not measured.whole
    assert opened_below(tmp_path) == []


def test_what_cannot_be_opened_is_not_taken_for_nothing(tmp_path, monkeypatch):
    write(tmp_path / "closed/one", 1)
    write(tmp_path / "open/two", 2)
    enter = folders.enter

    def refuse(name, above, rights):
        if name == "closed":
            raise PermissionError
        return enter(name, above, rights)

    monkeypatch.setattr(folders, "enter", refuse)
    measured = Measure()
    measured.add(tmp_path)
    assert not measured.whole
    assert round(measured.bytes / MB) == 2


def test_a_folder_that_is_closed_while_we_are_in_it_hides_nothing_else(tmp_path, monkeypatch):
    for name in ("a/one", "b/two", "c/three"):
        write(tmp_path / name, 1)
    look, looked = Measure.look, []

    def refuse(measured, folder):
        looked.append(folder)
        if len(looked) == 2:
            raise PermissionError
        return look(measured, folder)

    monkeypatch.setattr(Measure, "look", refuse)
    measured = Measure()
    measured.add(tmp_path)
    assert not measured.whole
    assert round(measured.bytes / MB) == 2
    assert opened_below(tmp_path) == []


def test_a_way_back_that_is_closed_is_gone_from_the_top(tmp_path, monkeypatch):
    for name in ("a/b/one", "a/c/two", "d/three"):
        write(tmp_path / name, 1)
    opened, refused = os.open, []

    def refuse(path, *args, **more):
        if path == ".." and not refused:
            refused.append(path)
            raise PermissionError
        return opened(path, *args, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert megabytes(tmp_path) == 3
    assert refused
    assert opened_below(tmp_path) == []


def test_a_folder_that_is_moved_while_we_are_in_it_hides_nothing_else(tmp_path, monkeypatch):
    for name in ("a/b/c/one", "a/d/two", "e/three"):
        write(tmp_path / "mine" / name, 1)
    look, moved = Measure.look, tmp_path / "moved"

    def move(measured, folder):
        found = look(measured, folder)
        if found == ["c"]:
            (tmp_path / "mine/a/b").rename(moved)
        return found

    monkeypatch.setattr(Measure, "look", move)
    assert megabytes(tmp_path / "mine") == 3
    assert moved.exists()


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast", name="forecast")


def stored(tenant) -> int:
    tenant.refresh_from_db()
    return round(tenant.disk_bytes / MB)


def test_a_tenant_is_its_folder_its_code_and_its_output(tenant, data):
    run = make_template_run(make_template(tenant, code=make_code(tenant, code_hash="c" * 64)))
    make_template_run(make_template(tenant, code=make_code(tenant, code_hash="c" * 64)))
    strange = make_template(other := make_tenant(make_org()), code=make_code(other, code_hash="d" * 64))
    write(data / "tenants" / str(tenant.pk) / "stores/a/model", 4)
    write(data / "code" / ("c" * 64) / "steps.py", 1)
    write(data / "code" / ("d" * 64) / "steps.py", 8)
    write(runner.output_file(run.pk), 2)
    write(runner.output_file(make_template_run(strange).pk), 8)
    measure(tenant)
    assert stored(tenant) == 7
    assert tenant.disk_measured_at is not None


def test_stores_that_all_tenants_share_are_nobodys(tenant, settings, tmp_path):
    write(tmp_path / "shared/artifact", 3)
    settings.ZENPRO_LOCAL_STORES = str(tmp_path / "shared")
    assert tmp_path / "shared" not in places_of(tenant)
    settings.ZENPRO_LOCAL_STORES = ""
    measure(tenant)
    assert stored(tenant) == 0


def test_what_could_not_be_looked_through_counts_as_before(tenant, data, monkeypatch):
    write(data / "tenants" / str(tenant.pk) / "a", 1)
    Tenant.objects.filter(pk=tenant.pk).update(disk_bytes=9 * MB)
    tenant.refresh_from_db()
    monkeypatch.setattr(disk_sweeper, "ONE_TENANT", -1.0)
    measure(tenant)
    assert stored(tenant) == 9


def test_each_is_measured_again_when_it_is_due(org, tenant):
    def minutes_ago(number, of):
        moment = timezone.now() - timedelta(minutes=number)
        Tenant.objects.filter(pk=of.pk).update(disk_measured_at=moment)

    other, gone = make_tenant(org), make_tenant(org, desired_state="deleted", deleted_at=timezone.now())
    assert measure_due() == 2
    assert Tenant.objects.get(pk=gone.pk).disk_measured_at is None
    assert measure_due() == 0
    minutes_ago(6, tenant)
    minutes_ago(1, other)
    assert measure_due() == 1
    make_template_run(make_template(other))
    assert measure_due() == 1  # while something runs in it, more often


def test_of_an_ended_run_the_output_stays(tenant):
    template = make_template(tenant)
    before = timezone.now() - timedelta(minutes=2)
    ended = make_template_run(template, state="failed", ended_at=before)
    running = make_template_run(template, state="running")
    just = make_template_run(template, state="completed", ended_at=timezone.now())
    for run in (ended, running, just):
        folder = runner.folder_of(run.pk)
        write(folder / "home/closed/large", 1)
        write(folder / "output.log", 1)
        (folder / "lock").touch()
        (folder / "link").symlink_to(runner.folder_of(running.pk))
    (runner.folder_of(ended.pk) / "home/closed").chmod(0)
    os.close(bury(runner.folder_of(ended.pk) / "home"))
    (runner.folder_of(ended.pk).parent / ".unsettled").mkdir()
    assert sweep_runs() == 1
    left = {run: sorted(os.listdir(runner.folder_of(run.pk))) for run in (ended, running, just)}
    whole = ["home", "link", "lock", "output.log"]
    assert left == {ended: ["output.log"], running: whole, just: whole}
    assert (runner.folder_of(running.pk) / "home/closed/large").stat().st_size == MB
    assert sweep_runs() == 0
    assert TemplateRun.objects.count() == 3


def test_what_a_failed_run_wrote_stays_for_some_days(tenant):
    template, now = make_template(tenant), timezone.now()
    fields = {"state": "failed", "ended_at": now - timedelta(minutes=2)}
    kept = make_template_run(template, **fields, kept_until=now + timedelta(days=1))
    old = make_template_run(template, **fields, kept_until=now - timedelta(days=1))
    for run in (kept, old):
        write(runner.kept_file(run.pk), 1)
    assert sweep_runs() == 1
    assert [runner.kept_file(run.pk).exists() for run in (kept, old)] == [True, False]
    assert runner.folder_of(kept.pk) in places_of(tenant)  # and counts as disk space


def test_what_runs_is_stopped_once_the_limit_is_far_behind(tenant, data):
    template = make_template(tenant)
    writing = make_template_run(template, state="running", pid=1, pid_started="1/x")
    waiting = make_template_run(template, state="queued")
    write(data / "tenants" / str(tenant.pk) / "stores/model", 12)
    tenant.disk_budget = 10 * MB
    tenant.save()
    measure(tenant)
    assert not TemplateRun.objects.exclude(stop_reason="").exists()
    write(data / "tenants" / str(tenant.pk) / "stores/more", 2)
    measure(tenant)
    writing.refresh_from_db()
    assert writing.stop_reason.replace("\xa0", " ") == "forecast is using 14 MB of 10 MB on disk."
    assert writing.cancel_requested_at
    waiting.refresh_from_db()
    assert waiting.cancel_requested_at is None


def test_of_a_deleted_template_nothing_stays(tenant, monkeypatch):
    """Else whoever may make, run and delete templates fills the disk, and it counts for no tenant."""
    template = make_template(tenant)
    gone, stays = make_template_run(template), make_template_run(make_template(tenant), state="running")
    for run in (gone, stays):
        write(runner.output_file(run.pk), 1)
    os.close(bury(runner.folder_of(gone.pk) / "home"))
    folder, pk = runner.folder_of(gone.pk), gone.pk
    template.delete()
    assert not TemplateRun.objects.filter(pk=pk).exists()
    assert sweep_runs() == 0 and folder.exists(), "It may just be in the making."
    monkeypatch.setattr(disk_sweeper, "SETTLED", timedelta(0))
    assert sweep_runs() == 1
    assert not folder.exists()
    assert runner.output_file(stays.pk).exists()


def test_code_that_no_template_uses_is_removed_after_a_day(tenant, data, monkeypatch, settings, tmp_path):
    settings.ZENPRO_CODE_ROOTS = [tmp_path]
    write(tmp_path / "project/steps.py", 1)
    unused = code_folder(freeze(str(tmp_path / "project")))
    write(tmp_path / "project/more.py", 1)
    used = make_code(tenant, code_hash=freeze(str(tmp_path / "project")))
    make_template(tenant, code=used)
    assert sweep_code() == 0 and unused.exists()
    monkeypatch.setattr(disk_sweeper, "CODE_KEPT", timedelta(0))
    assert sweep_code() == 1
    assert not unused.exists()
    assert (code_folder(used.code_hash) / "more.py").exists()


def test_versions_of_code_are_kept_for_templates_and_runs(tenant, data, monkeypatch):
    """A run keeps the version it began with, also when its template has gone over to another one."""
    template = make_template(tenant, code=make_code(tenant))
    ran = make_template_run(template, code=make_code(tenant)).code
    added = make_code(tenant)
    sweep_code()
    assert {*tenant.code_versions.all()} == {template.code, ran, added}, "It may be chosen yet."
    monkeypatch.setattr(disk_sweeper, "CODE_KEPT", timedelta(0))
    sweep_code()
    assert {*tenant.code_versions.all()} == {template.code, ran}


def test_code_that_is_chosen_again_is_as_new(data, monkeypatch, settings, tmp_path):
    settings.ZENPRO_CODE_ROOTS = [tmp_path]
    write(tmp_path / "project/steps.py", 1)
    copy = code_folder(freeze(str(tmp_path / "project")))
    before = copy.stat().st_ctime_ns
    assert code_folder(freeze(str(tmp_path / "project"))) == copy
    assert copy.stat().st_ctime_ns > before
