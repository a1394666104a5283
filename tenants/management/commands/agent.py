"""The agent: looks after tenants, re-runs, mails and webhooks until it is told to stop. One at a time."""

import signal
import threading
import time
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from orgs.mails import delivery
from tenants.agent import chores, cluster_rights, output_sender, run_loop, try_loop
from tenants.agent.one_agent import LOOK_EVERY, NotAlone, Turn, one_agent
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
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with one_agent(settings.ZENPRO_DATA, stop) as turn:
                if turn is not None:
                    work(turn, stop)
        except NotAlone as error:
            raise CommandError(str(error)) from error


def work(turn: Turn, stop: threading.Event) -> None:
    """Until told to stop. Raises NotAlone at once when it may no longer be our turn: what is under way ends with us."""
    modes.mend(settings.ZENPRO_DATA)
    threads = [threading.Thread(target=loop, args=(stop,), daemon=True) for loop in loops()]
    for thread in threads:
        thread.start()
    while not stop.wait(LOOK_EVERY):
        turn.check()
    until = time.monotonic() + LAST_WORDS
    for thread in threads:
        thread.join(timeout=max(0.0, until - time.monotonic()))


def loops() -> tuple[Callable[[threading.Event], None], ...]:
    return (
        TenantLoop().run_forever,
        run_loop.run_forever,
        try_loop.run_forever,
        output_sender.run_forever,
        chores.run_forever,
        chores.run_slow,
        *chores.cutting(),
        partial(delivery.run_forever, may_send=may_be_sent),
        outbox.run_forever,
        cluster_rights.tell_once,
    )
