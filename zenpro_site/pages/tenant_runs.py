"""Runs of all tenants that a person can see, asked of their servers at the same time."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from tenants.hosting.base import TenantNotFound
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from tenants.run_templates.document.hidden import with_masks
from tenants.runs import columns
from tenants.runs.client import Run, TenantClient
from tenants.runs.columns import ColumnValue, RunColumn
from tenants.runs.reading import RunList, RunRow, Trouble, ask, list_runs, rows_of, told

LIMIT = 3.0  # seconds that the page waits for all of them together, and as many again for chosen columns
ASKED = 12  # tenants
AT_ONCE = 6
OF_EACH = 10  # runs, where no one turns pages
SHOWN = 20
LAST_PAGE = 5  # each tenant is asked for the runs of all pages up to this one, and answers 100 at most
LONG_AGO = datetime.min.replace(tzinfo=UTC)
ORDERS: dict[str, Callable[[Run], Any]] = {
    "name": lambda run: run.name,
    "status": lambda run: run.status,
    "started": lambda run: run.start or LONG_AGO,
    "": lambda run: run.created or LONG_AGO,
    "running": lambda run: (run.in_progress, run.created or LONG_AGO),
}


@dataclass(frozen=True)
class TenantRun:
    """A run and where it is. Two tenants may call runs by the same id, whatever they mean by that."""

    tenant: Tenant
    row: RunRow
    values: tuple[ColumnValue, ...] = ()  # of the chosen columns

    @property
    def run(self) -> Run:
        return self.row.run


@dataclass(frozen=True)
class Wanted:
    """What a page shows: `filters` as RunFilterForm.wire has them, `order` a key of ORDERS with or without a minus."""

    filters: Mapping[str, Any]
    columns: list[RunColumn] = field(default_factory=list)
    order: str = "-"
    page: int = 1
    size: int = OF_EACH  # runs of each tenant that are asked for

    @property
    def shown(self) -> slice:
        return slice((self.page - 1) * SHOWN, self.page * SHOWN)


@dataclass(frozen=True)
class LatestRuns:
    """Runs of several tenants, and a sentence for each that gave none."""

    runs: list[TenantRun] = field(default_factory=list)
    silent: list[tuple[Tenant, str]] = field(default_factory=list)
    unasked: int = 0
    more: bool = False  # there are others after these

    @property
    def live(self) -> bool:
        return any(one.run.in_progress for one in self.runs)


Asked = list[tuple[Tenant, TenantClient | None, Trouble | None]]
Answers = list[tuple[Tenant, tuple[Any, Trouble | None]]]


def latest(user, tenants: Iterable[Tenant], wanted: Wanted) -> LatestRuns:
    """Two calls to each tenant that runs and one or more for columns, all at the same time; who has not answered after
    LIMIT is told and left.

    What is not finished then goes on by itself until its own timeout, and nobody waits for it.
    """
    tenants = list(tenants)
    asked = [(tenant, *_client(user, tenant)) for tenant in tenants[:ASKED]]
    answers = _at_the_same_time(asked, partial(_list, wanted))
    pairs = [(tenant, run) for tenant, (found, _) in answers if found for run in found.page.items]
    falls, order = wanted.order.startswith("-"), wanted.order.removeprefix("-")
    pairs.sort(key=lambda pair: ORDERS[order](pair[1]), reverse=falls)
    shown, unread = _with_values(asked, _rows(pairs[wanted.shown]), wanted.columns)
    total = sum(found.page.total for _, (found, _) in answers if found)
    more = wanted.page < LAST_PAGE and wanted.shown.stop < total
    return LatestRuns(shown, [*_silent(answers), *unread], max(len(tenants) - ASKED, 0), more)


def _list(wanted: Wanted, tenant: Tenant, client: TenantClient) -> RunList:
    return list_runs(client, tenant, size=wanted.size, **wanted.filters)


def _rows(pairs: list[tuple[Tenant, Run]]) -> list[TenantRun]:
    rows = rows_of(pairs[0][0], [run for _, run in pairs]) if pairs else []
    return [TenantRun(tenant, row) for (tenant, _), row in zip(pairs, rows, strict=True)]


def _silent(answers: Answers) -> list[tuple[Tenant, str]]:
    return [
        (tenant, _sentence(tenant, trouble))
        for tenant, (_, trouble) in answers
        if trouble and trouble.kind != "state"
    ]


def _with_values(asked: Asked, shown: list[TenantRun], chosen: list[RunColumn]):
    """(the runs with values of the chosen columns, a sentence for each tenant that gave none)"""
    if not chosen:
        return shown, []
    runs = {tenant.pk: [one.run for one in shown if one.tenant == tenant] for tenant, _, _ in asked}
    answers = _at_the_same_time(
        [one for one in asked if runs[one[0].pk]],
        lambda tenant, client: columns.values(client, runs[tenant.pk], chosen, with_masks()),
    )
    found = {tenant.pk: answer[0] for tenant, (answer, _) in answers if answer}
    silent = [tenant for tenant, (answer, _) in answers if not answer or answer[1]]
    unread = [(tenant, f"{tenant.name}: the chosen columns couldn't be read") for tenant in silent]
    empty = [ColumnValue(column) for column in chosen]
    return [
        replace(one, values=tuple(found.get(one.tenant.pk, {}).get(one.run.id, empty))) for one in shown
    ], unread


def changeable(user) -> set[UUID]:
    """Ids of the tenants in which a person may change tags of runs. One query."""
    return {*Tenant.objects.with_right(user, TenantPermission.TEMPLATE_RUN).values_list("pk", flat=True)}


def offered_columns(user, tenants: Iterable[Tenant], wanted: Wanted) -> list[RunColumn]:
    """Metrics and parameters of some of the runs that the list shows, of all tenants that answer."""
    asked = [(tenant, *_client(user, tenant)) for tenant in list(tenants)[:ASKED]]
    answers = _at_the_same_time(
        asked, lambda tenant, client: columns.offered(client, _list(wanted, tenant, client).page.items)
    )
    share = columns.OFFERED // max(len(answers), 1)  # so that no tenant crowds out what others have
    return sorted({column for _, (found, _) in answers for column in (found or [])[:share]})


def _sentence(tenant: Tenant, trouble: Trouble) -> str:
    return trouble.title if tenant.name in trouble.title else f"{tenant.name}: {trouble.title}"


def _client(user, tenant: Tenant) -> tuple[TenantClient | None, Trouble | None]:
    """Whether they may ask is a question to our database, so it is asked before the threads begin."""
    return ask(user, tenant, lambda client: client)


def _at_the_same_time(asked: Asked, job: Callable[[Tenant, TenantClient], Any]) -> Answers:
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="runs")
    futures = {tenant: pool.submit(_ask, tenant, client, job) for tenant, client, _ in asked if client}
    wait(futures.values(), timeout=LIMIT)
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        (tenant, _answer(tenant, futures[tenant]) if client else (None, no)) for tenant, client, no in asked
    ]


def _answer(tenant: Tenant, future: Future) -> tuple[Any, Trouble | None]:
    if not future.done() or future.cancelled():
        return None, Trouble("unreachable", f"{tenant.name} does not answer in time", "")
    return future.result()


def _ask(tenant: Tenant, client: TenantClient, job: Callable) -> tuple[Any, Trouble | None]:
    """In a thread of its own. A login may write a token: the thread's connection to our database ends with it."""
    try:
        return told(tenant, lambda: job(tenant, client))
    except TenantNotFound as error:
        return None, Trouble("refused", f"{tenant.name} could not answer", error.reason)
    finally:
        connection.close()
