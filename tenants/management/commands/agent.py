"""The agent: looks after tenants, re-runs, mails and webhooks until it is told to stop. One per data folder."""

import fcntl
import signal
import threading
import time
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orgs.mails import delivery
from tenants.agent import chores, cluster_rights, run_loop, try_loop
from tenants.agent.tenant_loop import TenantLoop
from tenants.run_templates.notices import may_be_sent
from tenants.webhooks import outbox
from zenpro_site.common import modes

LAST_WORDS = 10.0  # seconds for what is under way; the supervisor kills after 15


class Command(BaseCommand):
    help = (
        "Brings tenants and re-runs to where they should be. `zenpro up` starts it; run it alone elsewhere."
    )

    def handle(self, *args, **options):
        lock = self._lock()
        modes.mend(settings.ZENPRO_DATA)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        loops = (
            TenantLoop().run_forever,
            run_loop.run_forever,
            try_loop.run_forever,
            chores.run_forever,
            chores.run_slow,
            *chores.cutting(),
            partial(delivery.run_forever, may_send=may_be_sent),
            outbox.run_forever,
            cluster_rights.tell_once,
        )
        threads = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        stop.wait()
        until = time.monotonic() + LAST_WORDS
        for thread in threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))
        lock.close()

    def _lock(self):
        """Held for life: the kernel lets it go however we end."""
        folder = settings.ZENPRO_DATA / "run"
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / "only-agent.lock", "a")  # noqa: SIM115 - kept open on purpose
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError("Another agent looks after this data folder already.") from error
        return lock
