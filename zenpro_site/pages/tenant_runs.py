"""Runs of all tenants that a person can see, asked of their servers at the same time."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.runs.client import TenantClient
from tenants.runs.reading import RunRow, Trouble, ask, list_runs, rows_of, told

LIMIT = 3.0  # seconds that the page waits for all of them together
ASKED = 12  # tenants
AT_ONCE = 6
OF_EACH = 10  # runs
SHOWN = 20
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class TenantRun:
    """A run and where it is."""

    tenant: Tenant
    row: RunRow


@dataclass(frozen=True)
class LatestRuns:
    """Newest runs of several tenants, and a sentence for each that gave none."""

    runs: list[TenantRun] = field(default_factory=list)
    silent: list[tuple[Tenant, str]] = field(default_factory=list)
    unasked: int = 0

    @property
    def live(self) -> bool:
        return any(one.row.run.in_progress for one in self.runs)


def latest(user, tenants: Iterable[Tenant], filters: dict) -> LatestRuns:
    """Two calls to each tenant that runs, all at the same time; who has not answered after LIMIT is told and left.

    What is not finished then goes on by itself until its own timeout, and nobody waits for it.
    """
    tenants = list(tenants)
    asked, unasked = tenants[:ASKED], max(len(tenants) - ASKED, 0)
    answers = _at_the_same_time([(tenant, *_client(user, tenant)) for tenant in asked], filters)
    runs = [(tenant, run) for tenant, (found, _) in answers if found for run in found.page.items]
    silent = [
        (tenant, _sentence(tenant, trouble))
        for tenant, (_, trouble) in answers
        if trouble and trouble.kind != "state"
    ]
    runs.sort(key=lambda pair: (pair[1].in_progress, pair[1].created or LONG_AGO), reverse=True)
    shown = runs[:SHOWN]
    rows = rows_of(asked[0], [run for _, run in shown]) if shown else []
    return LatestRuns(
        [TenantRun(pair[0], row) for pair, row in zip(shown, rows, strict=True)], silent, unasked
    )


def _sentence(tenant: Tenant, trouble: Trouble) -> str:
    return trouble.title if tenant.name in trouble.title else f"{tenant.name}: {trouble.title}"


def _client(user, tenant: Tenant) -> tuple[TenantClient | None, Trouble | None]:
    """Whether they may ask is a question to our database, so it is asked before the threads begin."""
    return ask(user, tenant, lambda client: client)


def _at_the_same_time(asked: list[tuple], filters: dict) -> list[tuple[Tenant, tuple[Any, Trouble | None]]]:
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="runs")
    futures = {tenant: pool.submit(_ask, tenant, client, filters) for tenant, client, _ in asked if client}
    wait(futures.values(), timeout=LIMIT)
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        (tenant, _answer(tenant, futures[tenant]) if client else (None, no)) for tenant, client, no in asked
    ]


def _answer(tenant: Tenant, future: Future) -> tuple[Any, Trouble | None]:
    if not future.done() or future.cancelled():
        return None, Trouble("unreachable", f"{tenant.name} does not answer in time", "")
    return future.result()


def _ask(tenant: Tenant, client: TenantClient, filters: dict) -> tuple[Any, Trouble | None]:
    """In a thread of its own. A login may write a token: the thread's connection to our database ends with it."""
    try:
        return told(tenant, lambda: list_runs(client, tenant, size=OF_EACH, **filters))
    except TenantNotFound as error:
        return None, Trouble("refused", f"{tenant.name} could not answer", error.reason)
    finally:
        connection.close()
