"""Sends what runs print to the storage that all machines share, while they run and once they have ended.

Level-triggered: what was sent is remembered only to send nothing twice. A file in the folder of a run says that all of it
is stored; where it is missing, an earlier agent may have been killed before that.
"""

import threading
import time
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from tenants.run_templates.engine import runner
from tenants.run_templates.engine.stored_outputs import State, send_kept, send_output
from tenants.run_templates.models import TemplateRun
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import StorageFailed

log = structlog.get_logger("zenpro.agent")

EVERY = 2.0  # seconds
LOOK_AROUND = 600.0  # seconds
ONE_TICK = 5.0  # seconds after which no further run that has ended is begun
SETTLED = timedelta(minutes=2)  # what a failed run leaves behind may still be packed until then


class OutputSender:
    """One per agent."""

    def __init__(self):
        self.open: set[UUID] = set()  # re-runs that may print, or of which not everything is stored
        self.sent: dict[UUID, tuple[State | None, State | None]] = {}  # (output, what was kept)
        self.looked_around: float | None = None
        self.fails = self.is_ours = False

    def run_forever(self, stop: threading.Event, interval: float = EVERY) -> None:
        """Returns at once where no storage is set."""
        while shared_files.is_set() and not stop.is_set():
            close_old_connections()
            try:
                self.tick()
            except Exception:
                log.exception("outputs could not be sent")
            stop.wait(interval)

    def tick(self) -> None:
        """Send what has changed; what the storage does not take is tried again by the next tick."""
        self.open |= {*TemplateRun.objects.unfinished().order_by().values_list("pk", flat=True)}
        if self.looked_around is None or time.monotonic() - self.looked_around > LOOK_AROUND:
            self.looked_around = time.monotonic()
            self.open |= unsent()
        rows = TemplateRun.objects.only("state", "ended_at").in_bulk(self.open)
        self.open &= rows.keys()
        self.sent = {pk: states for pk, states in self.sent.items() if pk in self.open}
        self._send(sorted(rows.values(), key=lambda run: run.has_ended))

    def _send(self, runs: list[TemplateRun]) -> None:
        """Those first that go on: what earlier agents left unsent may take minutes."""
        until, failure = time.monotonic() + ONE_TICK, None
        for run in runs:
            if run.has_ended and time.monotonic() > until:
                break
            try:
                self._claim()
                self._take(run)
            except OSError as error:  # of the disk here: one that is full, for example
                failure = StorageFailed(f"this machine can't read or copy it: {error.strerror or error}.")
            except StorageFailed as error:
                failure = error
                if error.is_silent:
                    break
        self._note(failure)

    def _claim(self) -> None:
        if not self.is_ours:
            shared_files.claim()
            self.is_ours = True

    def _take(self, run: TemplateRun) -> None:
        output, kept = self.sent.get(run.pk, (None, None))
        output = send_output(run.pk, run.has_ended, output)
        kept = send_kept(run.pk, kept) if run.has_ended else None
        self.sent[run.pk] = output, kept
        if run.has_ended and (run.ended_at is None or run.ended_at < timezone.now() - SETTLED):
            if runner.folder_of(run.pk).is_dir():
                (runner.folder_of(run.pk) / runner.SENT).touch(mode=0o600)
            self.open.discard(run.pk)

    def _note(self, failure: StorageFailed | None) -> None:
        """Told once until it works again."""
        if failure and not self.fails:
            log.warning("outputs could not be stored", reason=failure.reason)
        self.fails = failure is not None


def unsent() -> set[UUID]:
    """Re-runs with a folder here of which not everything is stored."""
    home, found = settings.ZENPRO_DATA / "runs", set()
    for folder in home.iterdir() if home.is_dir() else ():
        try:
            run_id = UUID(folder.name)
        except ValueError:
            continue
        if not (folder / runner.SENT).exists():
            found.add(run_id)
    return found


def run_forever(stop: threading.Event) -> None:
    """Send outputs until told to stop; the agent calls it in a thread."""
    OutputSender().run_forever(stop)
