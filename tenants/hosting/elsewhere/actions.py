"""Tenants whose server someone else runs: asking for one, and correcting what was entered. One audit row each."""

from collections.abc import Sequence

from django.db import transaction

from orgs.access.gate import can
from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.users.models import Actor
from tenants.access.actions import Holder
from tenants.hosting.actions import create_tenant
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Tenant
from zenpro_site.common.refusals import Refused


@transaction.atomic
def enroll(
    *,
    org: Organization,
    name: str,
    slug: str,
    version: str,
    server_url: str,
    by: Actor,
    description: str = "",
    access: Sequence[tuple[Holder, Role]] = (),
) -> Tenant:
    """A tenant whose server runs elsewhere, at `server_url`. It is available once that server has called.

    Otherwise as tenants.hosting.actions.create_tenant. Raises Refused, also for an address another tenant of `org` has, and
    unless `by` is an Admin: whoever runs that server can see what people do in it.
    """
    _refuse_unless_admin(org, by)
    _refuse_taken(org, server_url)
    tenant = create_tenant(
        org=org,
        name=name,
        slug=slug,
        version=version,
        description=description,
        access=access,
        kind=Tenant.Kind.ELSEWHERE,
        server_url=server_url,
        by=by,
    )
    Enrollment.objects.create(tenant=tenant)
    return tenant


@transaction.atomic
def correct(*, tenant: Tenant, server_url: str, version: str, by: Actor) -> None:
    """Another address or version than was entered. The agent looks at once. Raises Refused as `enroll` does."""
    row = Tenant.objects.select_for_update().get(pk=tenant.pk)
    _refuse_unless_admin(row.organization, by)
    _refuse_taken(row.organization, server_url, row)
    before = {"address": row.server_url, "version": row.zenml_version}
    after = {"address": server_url, "version": version}
    if before == after:
        return
    tenant.server_url, tenant.zenml_version = server_url, version
    tenant.save(update_fields=["server_url", "zenml_version", "updated_at"])
    Enrollment.objects.filter(tenant=tenant).update(looked_at=None, trouble="")
    AuditEvent.objects.record(
        "tenant.address_changed",
        tenant,
        by=by,
        organization=row.organization,
        before=before,
        after=after,
    )


def _refuse_unless_admin(org: Organization, by: Actor) -> None:
    if not can(by.person, Permission.TENANT_MANAGE_ALL, org):
        raise Refused(f"Only Admins of {org} can connect a server that someone else runs.")


def _refuse_taken(org: Organization, server_url: str, tenant: Tenant | None = None) -> None:
    """Clients find a tenant by its address, so within an organization each has its own."""
    others = org.tenants.live().filter(server_url=server_url)
    if (others.exclude(pk=tenant.pk) if tenant else others).exists():
        raise Refused(f"Another tenant of {org} already has the address {server_url}.")
