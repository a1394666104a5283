"""What each tenant keeps on disk, measured in the background; and what ended re-runs leave behind, removed.

The folders hold whatever code of tenants put there. Links are never followed, a file with several names counts once,
a folder that was closed to hide what is in it is opened, and the time is bounded.
"""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models import F, Q, RestrictedError
from django.utils import timezone

from tenants.hosting.backends import backend_for
from tenants.hosting.local import folders
from tenants.hosting.local.folders import Key, key_of
from tenants.models import Tenant
from tenants.run_templates.actions import stop_run
from tenants.run_templates.engine import runner
from tenants.run_templates.engine.code import code_folder
from tenants.run_templates.models import CodeVersion, TemplateRun
from tenants.usage.disk_budget import DiskBar, budget_of

log = structlog.get_logger("zenpro.agent")

BLOCK = 512  # bytes; the unit of st_blocks whatever the file system's own is
ONE_TENANT = 30.0  # seconds to measure one
ONE_PASS = 10.0  # seconds after which no further tenant is begun
AGAIN = timedelta(minutes=5)  # between two measurements of a tenant in which nothing runs
BUSY_AGAIN = timedelta(seconds=30)  # ... in which something does
TOO_MUCH = 1.25  # times the limit: then what runs is stopped as well
SETTLED = timedelta(minutes=1)  # an ended re-run may still be tidied up by whoever ended it
CODE_KEPT = timedelta(days=1)  # without a template: one that uses it may just be made
BATCH = 500
OUTPUT = "output.log"


class Measure(folders.Walk):
    """Bytes that places take on disk together. `whole`: everything could be looked at in time."""

    def __init__(self, seconds: float = ONE_TENANT):
        super().__init__(seconds)
        self.seen: set[Key] = set()
        self.bytes, self.whole = 0, True

    def add(self, place: Path) -> None:
        """A file, or a folder with all that is in it; nothing where there is none."""
        try:
            info = os.lstat(place)
            self._count(info)
            if stat.S_ISDIR(info.st_mode):
                self.through(folders.enter(os.fspath(place), None, self.rights))
        except OSError as error:
            self.closed(error)

    def closed(self, error: OSError) -> None:
        """What was deleted meanwhile, or changed for something else, hides nothing."""
        self.whole &= isinstance(error, FileNotFoundError | NotADirectoryError)

    def look(self, folder: int) -> list[str]:
        """Counts what is in a folder; returns names of the folders among it."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self.hurry()
                found += self._take(entry)
        return found

    def _take(self, entry: os.DirEntry) -> list[str]:
        """Counts one; returns its name when it is a folder to look into."""
        with suppress(FileNotFoundError):  # deleted meanwhile
            info = entry.stat(follow_symlinks=False)
            self._count(info)
            return [entry.name] if stat.S_ISDIR(info.st_mode) else []
        return []

    def _count(self, info: os.stat_result) -> None:
        if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
            if key_of(info) in self.seen:
                return
            self.seen.add(key_of(info))
        self.bytes += info.st_blocks * BLOCK


# -- tenants


def measure_due() -> int:
    """Measure the tenants whose last measurement is old, the oldest first. Returns how many."""
    until, done = time.monotonic() + ONE_PASS, 0
    for tenant in _due():
        if time.monotonic() >= until:
            break
        measure(tenant)
        done += 1
    return done


def _due() -> Iterable[Tenant]:
    now = timezone.now()
    here = TemplateRun.objects.unfinished().exclude(state=TemplateRun.State.SUBMITTED)
    running = here.values("template__tenant")
    wanted = Q(disk_measured_at=None) | Q(disk_measured_at__lt=now - AGAIN)
    wanted |= Q(pk__in=running, disk_measured_at__lt=now - BUSY_AGAIN)
    rows = Tenant.objects.live().with_open_database().filter(wanted)
    return rows.order_by(F("disk_measured_at").asc(nulls_first=True))


def measure(tenant: Tenant) -> None:
    """Measure a tenant now and write it down. What could not be looked through counts at least as before."""
    measured = Measure(ONE_TENANT)
    for place in places_of(tenant):
        measured.add(place)
    if not measured.whole:
        log.warning("tenant could not be measured as a whole", tenant=str(tenant.pk), bytes=measured.bytes)
    found = measured.bytes if measured.whole else max(measured.bytes, tenant.disk_bytes)
    tenant.disk_bytes, tenant.disk_measured_at = found, timezone.now()
    tenant.save(update_fields=["disk_bytes", "disk_measured_at"])
    _stop_what_fills_it(tenant)


def _stop_what_fills_it(tenant: Tenant) -> None:
    """Re-runs of a tenant far over its limit: before, only new ones are refused, so that the last can be completed."""
    bar = DiskBar(tenant.disk_bytes, budget_of(tenant))
    if bar.limit is None or bar.used <= bar.limit * TOO_MUCH:
        return
    for run in TemplateRun.objects.unfinished().filter(template__tenant=tenant).exclude(pid=None):
        stop_run(run=run, reason=f"{tenant.name} is using {bar.words} on disk.")


def places_of(tenant: Tenant) -> Iterator[Path]:
    """Where a tenant's data are: those of its server, the code of its templates, the output of their runs."""
    yield from backend_for(tenant).places(tenant)
    for code_hash in set(tenant.code_versions.order_by().values_list("code_hash", flat=True)):
        yield code_folder(code_hash)
    for run in TemplateRun.objects.filter(template__tenant=tenant).order_by().values_list("pk", flat=True):
        yield runner.folder_of(run)


# -- old runs


def sweep_runs() -> int:
    """Remove everything but the output, and what is kept, of re-runs that have ended, and all of those that exist no more, as those of a
    template that was deleted. Returns of how many.

    What is left of an ended one usually is gone at once; this is for an agent that was killed before it could, and for
    what was closed.
    """
    left = dict(_folders(settings.ZENPRO_DATA / "runs"))
    ids = list(left)
    return sum(_sweep_some({pk: left[pk] for pk in ids[at : at + BATCH]}) for at in range(0, len(ids), BATCH))


def sweep_code() -> int:
    """Forget code that no template and no run uses, and remove copies that nothing refers to. Returns how many."""
    _forget_unused()
    home, used = settings.ZENPRO_DATA / "code", set(CodeVersion.objects.values_list("code_hash", flat=True))
    copies = [copy for copy in home.iterdir() if not copy.name.startswith(".")] if home.is_dir() else []
    unused = [copy for copy in copies if copy.name not in used and _is_old(copy, CODE_KEPT)]
    for copy in unused:
        _remove(copy)
    return len(unused)


def _forget_unused() -> None:
    """Code that was handed over and then not taken; whoever comes back within a day finds it still there."""
    old = CodeVersion.objects.filter(created_at__lt=timezone.now() - CODE_KEPT)
    with suppress(RestrictedError):  # it was taken at this very moment
        old.filter(templates=None, runs=None).delete()


def _folders(runs: Path) -> Iterator[tuple[UUID, Path]]:
    """(id, folder) of re-runs."""
    for folder in runs.iterdir() if runs.is_dir() else ():
        with suppress(ValueError):
            yield UUID(folder.name), folder


def _sweep_some(left: dict[UUID, Path]) -> int:
    known = {
        run.pk: run for run in TemplateRun.objects.filter(pk__in=left).only("state", "ended_at", "kept_until")
    }
    gone = [folder for pk, folder in left.items() if pk not in known and _is_old(folder, SETTLED)]
    for folder in gone:
        _remove(folder)
    ended = [(left[pk], _stays(run)) for pk, run in known.items() if _is_settled(run)]
    ended = [(folder, stays) for folder, stays in ended if _remains(folder, stays)]
    for folder, stays in ended:
        for name in _remains(folder, stays):
            _remove(folder / name)
    return len(gone) + len(ended)


def _stays(run: TemplateRun) -> set[str]:
    """Names in the folder of a re-run that ended."""
    return {OUTPUT, runner.SENT, *([runner.KEPT] if run.is_kept else [])}


def _is_settled(run: TemplateRun) -> bool:
    return run.has_ended and run.ended_at is not None and run.ended_at < timezone.now() - SETTLED


def _is_old(folder: Path, age: timedelta) -> bool:
    """Not one that is just being made; whoever was quicker than we has removed it."""
    with suppress(OSError):
        return time.time() - os.lstat(folder).st_ctime > age.total_seconds()
    return False


def _remains(folder: Path, stays: set[str]) -> set[str]:
    """What there is beside that."""
    try:
        return set() if folder.is_symlink() else set(os.listdir(folder)) - stays
    except OSError:
        return set()


def _remove(place: Path) -> None:
    if not folders.remove(place, ONE_TENANT):
        log.warning("what nobody needs could not be removed as a whole", place=str(place))
