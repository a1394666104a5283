"""Changes to tenants. Each is atomic and leaves one audit row; none of them calls a server."""

from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orgs.models import Membership, Organization
from orgs.roles.models import Role
from orgs.users.models import Actor
from tenants.access.actions import Holder, give_each, locked, record
from tenants.models import Tenant
from zenpro_site.common.refusals import Refused


@transaction.atomic
def create_tenant(
    *,
    org: Organization,
    name: str,
    slug: str,
    version: str,
    by: Actor,
    description: str = "",
    access: Sequence[tuple[Holder, Role]] = (),
    kind: str = Tenant.Kind.LOCAL,
    server_url: str = "",
) -> Tenant:
    """Ask for a new tenant; the agent creates it. The creator, if a member of the organization, becomes its Admin.

    `access`: further holders with their tenant role. `kind`: where it is to live, one that this installation has.
    `server_url`: of a server that someone else runs.
    Raises Refused for a taken slug, for a holder or role of another organization, and for a place that is not there;
    nothing is written then.
    """
    if kind == Tenant.Kind.LOCAL and not settings.ZENPRO_LOCAL_TENANTS:
        raise Refused("No tenants can run on ZenPro's own machine here.")
    if org.tenants.live().filter(slug=slug).exists():
        raise Refused(f"“{slug}” is taken in {org}.")
    tenant = Tenant(organization=org, name=name, slug=slug, kind=kind, description=description)
    tenant.zenml_version, tenant.server_url, tenant.created_by = version, server_url, by.person
    tenant.workspace_name = Tenant.objects.free_workspace_name(slug, org)
    tenant.save(force_insert=True)
    given = give_each(tenant, [*_creator(org, by.person), *access], by.person)
    after = {"name": name, "slug": slug, "version": version, "access": given}
    after |= {"address": server_url} if server_url else {}
    after |= {"place": tenant.get_kind_display()} if tenant.is_in_cluster else {}
    record("tenant.created", tenant, by, after=after)
    return tenant


def _creator(org: Organization, person) -> list[tuple[Membership, Role]]:
    membership = org.memberships.filter(user=person).first()
    return [(membership, org.roles.tenant_level().get(slug="admin"))] if membership else []


@transaction.atomic
def update_tenant(*, tenant: Tenant, name: str, description: str, by: Actor) -> None:
    """Change name and description. The slug stays: addresses and clients know the tenant by it."""
    row = locked(tenant)
    before = {"name": row.name, "description": row.description}
    tenant.name, tenant.description = name, description
    tenant.save(update_fields=["name", "description", "updated_at"])
    record("tenant.updated", tenant, by, before, {"name": name, "description": description})


@transaction.atomic
def deactivate(*, tenant: Tenant, by: Actor) -> None:
    """Ask for the server to stop; its data stays. Raises Refused unless the tenant is supposed to be available."""
    _want(tenant, Tenant.DesiredState.AVAILABLE, Tenant.DesiredState.DEACTIVATED)
    record("tenant.deactivated", tenant, by)


@transaction.atomic
def activate(*, tenant: Tenant, by: Actor) -> None:
    """Ask for a deactivated tenant to start again. Raises Refused when it is not deactivated."""
    _want(tenant, Tenant.DesiredState.DEACTIVATED, Tenant.DesiredState.AVAILABLE)
    record("tenant.activated", tenant, by)


def _want(tenant: Tenant, now: str, then: str) -> None:
    row = locked(tenant)
    if row.desired_state != now:
        raise Refused(f"{tenant.name} is already {Tenant.DesiredState(then).label.lower()}.")
    if row.moves.open().exists():
        raise Refused(f"{tenant.name} is being moved. Wait until it has arrived.")
    tenant.desired_state = then
    tenant.save(update_fields=["desired_state", "updated_at"])


@transaction.atomic
def request_restart(*, tenant: Tenant, by: Actor) -> None:
    """Ask for a restart of a server that runs and is supposed to. Raises Refused otherwise."""
    row = locked(tenant)
    if row.is_elsewhere:
        raise Refused(
            f"Someone else runs the server of {tenant.name}. It can only be restarted where it runs."
        )
    if row.desired_state != Tenant.DesiredState.AVAILABLE or not row.is_available:
        raise Refused(f"{tenant.name} is not running: {row.get_status_display().lower()}.")
    tenant.restart_requested_at = timezone.now()
    tenant.save(update_fields=["restart_requested_at", "updated_at"])
    record("tenant.restart_requested", tenant, by)


@transaction.atomic
def retry(*, tenant: Tenant, by: Actor) -> None:
    """Ask the agent to try a failed tenant again. Raises Refused when it has not failed."""
    row = locked(tenant)
    if row.status != Tenant.Status.FAILED:
        raise Refused(f"{tenant.name} has not failed.")
    tenant.status, tenant.state_reason = Tenant.Status.PENDING, ""
    tenant.progress = []  # of the start that failed
    tenant.desired_state = Tenant.DesiredState.AVAILABLE
    tenant.save(update_fields=["status", "state_reason", "progress", "desired_state", "updated_at"])
    record("tenant.retried", tenant, by, before={"reason": row.state_reason})


@transaction.atomic
def delete_tenant(*, tenant: Tenant, by: Actor) -> None:
    """Mark the tenant as deleted: it disappears from every page immediately, and the agent removes its server."""
    locked(tenant)
    tenant.desired_state, tenant.deleted_at = Tenant.DesiredState.DELETED, timezone.now()
    tenant.save(update_fields=["desired_state", "deleted_at", "updated_at"])
    record("tenant.deleted", tenant, by, before={"name": tenant.name, "slug": tenant.slug})
