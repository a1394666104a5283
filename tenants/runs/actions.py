"""What people change in a tenant's runs from here. The tenant's server decides, as for any client of theirs."""

from collections.abc import Sequence
from uuid import UUID

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.runs.client import Run, TenantClient


def change_tags(
    client: TenantClient,
    *,
    tenant: Tenant,
    run_id: UUID,
    added: Sequence[str],
    removed: Sequence[str],
    by: Actor,
) -> Run:
    """Add and remove tags of a run, `PUT /runs/{id}` with add_tags and remove_tags (PipelineRunUpdate, 0.98).

    `client` acts as the same person. Raises TenantRefused when they may not change this run, TenantNotFound when
    there is none.
    """
    body = {"add_tags": list(added), "remove_tags": list(removed)}
    run = client.update_run(run_id, {name: tags for name, tags in body.items() if tags})
    AuditEvent.objects.record(
        "run.tagged",
        tenant,
        by=by,
        organization=tenant.organization,
        before={"tags": ", ".join(removed)},
        after={"run": run.name, "tags": ", ".join(added)},
    )
    return run


def stop(client: TenantClient, *, tenant: Tenant, run: Run, by: Actor) -> None:
    """Ask the tenant's server to stop a run, wherever it was started. `client` acts as the same person.

    Raises TenantRefused when they may not change it, or when the server cannot stop it, with its reason.
    """
    client.stop_run(run.id)
    AuditEvent.objects.record(
        "run.stop_asked", tenant, by=by, organization=tenant.organization, after={"run": run.name}
    )
