"""What was created and deleted, month by month, and how much of each limit is used."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import Count
from django.db.models.functions import TruncMonth
from django.utils import timezone

from orgs.audit.export import Echo, cell
from tenants.usage.models import UsageEvent

from .models import MONTHLY, Feature
from .quotas import events_that_count

SHOWN_MONTHS = 6
COLUMNS = ("month", "tenant", "feature", "created", "deleted")


@dataclass(frozen=True)
class MonthCell:
    """One feature in one month."""

    month: date
    created: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class UsageBar:
    """How much of a limit is used; `limit` None is no limit."""

    used: int
    limit: int | None

    @property
    def state(self) -> str:
        """reached, close or fine; free without a limit."""
        if self.limit is None:
            return "free"
        if self.used >= self.limit:
            return "reached"
        return "close" if self.used >= 0.8 * self.limit else "fine"

    @property
    def tone(self) -> str:
        return {"reached": "t-bad", "close": "t-warn", "fine": "t-ok"}.get(self.state, "t-off")

    @property
    def most(self) -> int:
        """The end of the bar, which can't be zero."""
        return max(self.limit or 0, 1)

    @property
    def shown(self) -> int:
        return self.most if self.limit == 0 else min(self.used, self.most)


@dataclass(frozen=True)
class FeatureRow:
    feature: Feature
    bar: UsageBar
    outer: UsageBar | None  # of the organization, where that has a limit
    cells: list[MonthCell]

    @property
    def is_monthly(self) -> bool:
        return self.feature in MONTHLY


@dataclass(frozen=True)
class UsageReport:
    months: list[date]
    rows: list[FeatureRow]

    @property
    def is_empty(self) -> bool:
        return not any(
            row.bar.used or cell.created or cell.deleted for row in self.rows for cell in row.cells
        )


def last_months(count: int = SHOWN_MONTHS) -> list[date]:
    """First days of the present month and of those before, newest first."""
    day = timezone.localdate().replace(day=1)
    months = [day]
    while len(months) < count:
        day = day.replace(year=day.year - 1, month=12) if day.month == 1 else day.replace(month=day.month - 1)
        months.append(day)
    return months


def report_of(scope, outer=None) -> UsageReport:
    """The usage of a Tenant or an Organization, which have `usage_events` and `quotas`.

    `outer`: the tenant's organization, whose limits apply as well. Two statements, and two for each of the limits.
    """
    months = last_months()
    lines = {(line.month, line.feature): line for line in by_month(scope)}
    bars, outers = bars_of(scope), bars_of(outer) if outer else {}
    rows = [
        FeatureRow(
            feature,
            bars[feature],
            _limited(outers.get(feature)),
            [_cell(month, lines.get((month, feature))) for month in months],
        )
        for feature in Feature
    ]
    return UsageReport(months, rows)


def _cell(month: date, line: "UsageEntry | None") -> MonthCell:
    return MonthCell(month, line.created, line.deleted) if line else MonthCell(month)


def _limited(bar: UsageBar | None) -> UsageBar | None:
    return bar if bar and bar.limit is not None else None


def bars_of(scope) -> dict[Feature, UsageBar]:
    """Used and allowed of every feature, in two statements."""
    quotas = scope.quotas.all() if hasattr(scope, "organization_id") else scope.quotas.of_organization()
    limits, used = dict(quotas.values_list("feature", "limit")), used_by(scope.usage_events.all())
    return {feature: UsageBar(used.get(feature, 0), limits.get(feature)) for feature in Feature}


def used_by(events) -> dict[str, int]:
    """Feature -> what counts towards its limit now, in one statement."""
    one, *others = (
        events_that_count(events, feature).order_by().values("feature").annotate(number=Count("pk"))
        for feature in Feature
    )
    return {row["feature"]: row["number"] for row in one.union(*others, all=True)}


@dataclass(frozen=True)
class UsageEntry:
    """What happened with one feature in one month; `tenant` is its name, "" when they are taken together."""

    month: date
    tenant: str
    feature: str
    created: int
    deleted: int


def by_month(scope, *, by_tenant: bool = False) -> list[UsageEntry]:
    """All months in which there was something, newest first. One statement."""
    keys = ["month", "feature", *(["tenant__name", "tenant"] if by_tenant else [])]
    grouped = scope.usage_events.filter(feature__in=Feature.values).order_by()
    grouped = (
        grouped.annotate(month=TruncMonth("created_at")).values(*keys, "total").annotate(number=Count("pk"))
    )
    lines: dict[tuple, dict[int, int]] = {}
    for row in grouped.order_by("-month", *keys[2:], "feature"):
        lines.setdefault(tuple(row[key] for key in keys), {})[row["total"]] = row["number"]
    return [
        UsageEntry(
            timezone.localtime(key[0]).date(), key[2] if by_tenant else "", key[1], n.get(1, 0), n.get(-1, 0)
        )
        for key, n in lines.items()
    ]


def by_tenant(organization) -> list[tuple]:
    """[(tenant, [(feature, bar)])] of the tenants that are not deleted; one statement a feature, none a tenant."""
    tenants = list(organization.tenants.live())
    counts: dict = {}
    for feature in Feature:
        counted = events_that_count(UsageEvent.objects.filter(organization=organization), feature)
        grouped = counted.order_by().values("tenant").annotate(number=Count("pk"))
        counts |= {(row["tenant"], feature): row["number"] for row in grouped}
    limits = {(quota.tenant_id, quota.feature): quota.limit for quota in organization.quotas.all()}
    return [
        (
            tenant,
            [
                (each, UsageBar(counts.get((tenant.pk, each), 0), limits.get((tenant.pk, each))))
                for each in Feature
            ],
        )
        for tenant in tenants
    ]


def as_csv(lines: list[UsageEntry]) -> Iterator[str]:
    """Header and one line for each month, tenant and feature in which there was something."""
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    for line in lines:
        row = (f"{line.month:%Y-%m}", line.tenant, line.feature, line.created, line.deleted)
        yield writer.writerow([cell(value) for value in row])
