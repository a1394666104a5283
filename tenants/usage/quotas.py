"""Can there be one more? Decided by the limits that people set and by what servers reported."""

from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from orgs.models import Organization
from tenants.models import Tenant
from tenants.usage.models import UsageEvent

from .models import MONTHLY, Feature, Quota

# A server asks twice for most runs: before it notes a run that is to start, and again when that starts. Between the
# two the run is reported once. A run can take this long to start without the second question counting the run itself.
BEGINS_WITHIN = timedelta(hours=1)


def month_begin() -> datetime:
    return timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def events_that_count(events, feature: str):
    """Of usage events, those that take up room now: one an object, whatever the server repeats.

    Runs of this month; of everything else what was created and not deleted, in tenants that are not deleted either.
    Deleting something from before counting began frees nothing.
    """
    created = events.filter(feature=feature, total=1)
    if feature in MONTHLY:
        return created.filter(created_at__gte=month_begin())
    same = UsageEvent.objects.filter(
        tenant=OuterRef("tenant"), feature=feature, resource_id=OuterRef("resource_id"), total=-1
    )
    live = ~Q(tenant__desired_state=Tenant.DesiredState.DELETED)
    return created.filter(live).exclude(Exists(same))


def refusal(tenant: Tenant, feature: str) -> str:
    """Why there can't be one more, in a sentence for people; "" when there can. What a server asks (protocol §3.12).

    One statement without a limit, two with one. Features that no one can limit are always free. Two who ask at the
    same moment are both told yes; servers ask again as runs start, so no more than the limit start.
    """
    quotas = list(Quota.objects.over(tenant, feature)) if feature in Feature.values else []
    return _refusal(tenant, quotas, begins=True)


def refusal_of_rerun(tenant: Tenant, waiting) -> str:
    """Why no template can be run now, "" when one can. Locks the limits until the end of the transaction.

    `waiting`: query set of re-runs that will make a run which no server has reported yet.
    """
    held = list(Quota.objects.select_for_update().over(tenant, Feature.TEMPLATE_RUN, Feature.RUN))
    of_templates = [quota for quota in held if quota.feature == Feature.TEMPLATE_RUN]
    of_runs = [quota for quota in held if quota.feature == Feature.RUN]
    return _refusal(tenant, of_templates) or _refusal(tenant, of_runs, coming=waiting)


def room_for_reruns(tenant: Tenant, waiting) -> int | None:
    """How many templates can still be run, None without a limit. Locks nothing: it is for people to know beforehand.

    `waiting`: as for `refusal_of_rerun`.
    """
    limits = Quota.objects.over(tenant, Feature.TEMPLATE_RUN, Feature.RUN)
    rooms = []
    for quota in limits:
        used = _used(tenant, quota.feature, begins=False)["tenant" if quota.tenant_id else "organization"]
        coming = _coming(quota, tenant, waiting) if quota.feature == Feature.RUN else 0
        rooms.append(max(0, quota.limit - used - coming))
    return min(rooms, default=None)


def _refusal(tenant: Tenant, quotas: list[Quota], *, coming=None, begins: bool = False) -> str:
    """`quotas`: all of one feature."""
    if not quotas:
        return ""
    used = _used(tenant, quotas[0].feature, begins)
    for quota in quotas:
        scope = "tenant" if quota.tenant_id else "organization"
        more = _coming(quota, tenant, coming) if coming is not None else 0
        if used[scope] + more >= quota.limit:
            return sentence(quota, tenant)
    return ""


def _coming(quota: Quota, tenant: Tenant, waiting) -> int:
    if quota.tenant_id:
        return waiting.filter(template__tenant=tenant).count()
    return waiting.filter(template__tenant__organization=tenant.organization_id).count()


def _used(tenant: Tenant, feature: str, begins: bool) -> dict[str, int]:
    """How much is used in the tenant and in its organization, in one statement."""
    events = events_that_count(
        UsageEvent.objects.filter(organization=tenant.organization_id), feature
    ).order_by()
    if begins and feature == Feature.RUN:
        events = events.exclude(repeated=False, created_at__gt=timezone.now() - BEGINS_WITHIN)
    return events.aggregate(organization=Count("pk"), tenant=Count("pk", filter=Q(tenant=tenant.pk)))


def sentence(quota: Quota, tenant: Tenant) -> str:
    """ "forecast has reached its limit of 10 pipeline runs this month. An Admin of Acme AI can raise it." """
    organization: Organization = tenant.organization
    what = quota.get_feature_display().lower()
    what = what.removesuffix("s") if quota.limit == 1 else what
    month = " this month" if quota.feature in MONTHLY else ""
    if quota.tenant_id:
        return (
            f"{tenant.name} has reached its limit of {quota.limit} {what}{month}. "
            f"An Admin of {organization.name} can raise it."
        )
    return (
        f"{organization.name} has reached its limit of {quota.limit} {what}{month} across all its tenants. "
        "Whoever runs ZenPro can raise it."
    )
