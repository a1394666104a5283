"""Bringing a tenant's server to a newer version of ZenML. Atomic, with one audit row; no server is called."""

from django.db import transaction
from django.utils import timezone

from orgs.users.models import Actor
from tenants.access.actions import locked, record
from tenants.models import Tenant
from zenpro_site.common.refusals import Refused

from .versions import can_have

ELSEWHERE = "Someone else runs the server of {tenant}: it gets another version where it runs."
NOT_NEWER = "{tenant} has ZenML {now}. ZenML can't bring a database back to an older version."
STARTING = "{tenant} is being started. Wait until it is available."
SETTLED = (Tenant.Status.AVAILABLE, Tenant.Status.DEACTIVATED, Tenant.Status.FAILED)


@transaction.atomic
def upgrade(*, tenant: Tenant, version: str, by: Actor) -> None:
    """Ask for a newer version. The agent copies the database, then starts the new server.

    One that is deactivated gets it when it is activated; one that failed is tried again with it.

    Raises Refused for a server that someone else runs or that is just being started, and unless `version` is newer;
    after one that never came to a start, the one before is allowed as well.
    """
    row = locked(tenant)
    if row.is_elsewhere:
        raise Refused(ELSEWHERE.format(tenant=row))
    if not can_have(row, version):
        raise Refused(NOT_NEWER.format(tenant=row, now=row.zenml_version))
    if row.status not in SETTLED:
        raise Refused(STARTING.format(tenant=row))
    before = {"version": row.zenml_version}
    _start_with(tenant, version, row.status)
    record("tenant.upgraded", tenant, by, before=before, after={"version": version})


def _start_with(tenant: Tenant, version: str, status: str) -> None:
    """`status`: of the row as it is now; the agent may have written it since the tenant was read."""
    changes = {"zenml_version": version}
    if status == Tenant.Status.AVAILABLE:
        changes["restart_requested_at"] = timezone.now()
    elif status == Tenant.Status.FAILED:
        changes |= {"status": Tenant.Status.PENDING, "state_reason": "", "progress": []}
    for name, value in changes.items():
        setattr(tenant, name, value)
    tenant.save(update_fields=[*changes, "updated_at"])
