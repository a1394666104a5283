"""Changes to limits. Each is atomic and leaves one audit row."""

from collections.abc import Mapping

from django.db import transaction

from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.usage.disk_budget import budget_of
from zenpro_site.common.refusals import Refused
from zenpro_site.common.sizes import size_words

from .models import Feature, Quota


class LimitRefused(Refused):
    """An impossible limit; `feature` names it."""

    def __init__(self, reason: str, feature: str):
        super().__init__(reason)
        self.feature = feature


@transaction.atomic
def set_limits(
    *, organization: Organization, limits: Mapping[str, int | None], by: Actor, tenant: Tenant | None = None
) -> None:
    """Set the limits of a tenant, or without one of the organization as a whole; None takes a limit away.

    Features that are not named stay as they are. Nothing is written when nothing changes. A limit below what is
    already used ends nothing; it only keeps more from being created. Raises LimitRefused for a tenant's limit above its
    organization's.
    """
    # Without the key: others who write rows of the organization meanwhile need not wait, nor be waited for.
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    rows = Quota.objects.filter(organization=organization, tenant=tenant)
    before = {row.feature: row.limit for row in rows.select_for_update().order_by("pk")}
    changed = {name: limit for name, limit in limits.items() if before.get(name) != limit}
    if not changed:
        return
    if tenant:
        _refuse_beyond(organization, changed)
    for feature, limit in changed.items():
        _set(organization, tenant, Feature(feature), limit)
    AuditEvent.objects.record(
        "quota.changed",
        tenant or organization,
        by=by,
        organization=organization,
        before={name: _word(before.get(name)) for name in changed},
        after={name: _word(limit) for name, limit in changed.items()},
    )


@transaction.atomic
def set_disk_budget(*, tenant: Tenant, budget: int | None, by: Actor) -> None:
    """Bytes the tenant may keep on disk: None for the installation's limit, 0 for none. Writes only changes."""
    locked = Tenant.objects.select_for_update(no_key=True).select_related(None).get(pk=tenant.pk)
    if locked.disk_budget == budget:
        return
    before = budget_of(locked)
    tenant.disk_budget = locked.disk_budget = budget
    Tenant.objects.filter(pk=locked.pk).update(disk_budget=budget)
    words = {"before": {"limit": _space(before)}, "after": {"limit": _space(budget_of(locked))}}
    organization = tenant.organization
    AuditEvent.objects.record("tenant.disk_changed", tenant, by=by, organization=organization, **words)


def _space(budget: int | None) -> str:
    return "no limit" if budget is None else size_words(budget).replace("\N{NO-BREAK SPACE}", " ")


def _refuse_beyond(organization: Organization, limits: Mapping[str, int | None]) -> None:
    most = dict(organization.quotas.of_organization().values_list("feature", "limit"))
    for feature, limit in limits.items():
        if limit is not None and feature in most and limit > most[feature]:
            raise LimitRefused(f"The limit of {organization.name} is {most[feature]}.", feature)


def _set(organization: Organization, tenant: Tenant | None, feature: str, limit: int | None) -> None:
    of = {"organization": organization, "tenant": tenant, "feature": feature}
    if limit is None:
        Quota.objects.filter(**of).delete()
    else:
        Quota.objects.update_or_create(**of, defaults={"limit": limit})


def _word(limit: int | None) -> int | str:
    return "no limit" if limit is None else limit
