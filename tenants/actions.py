"""Changes to tenants and to who has access. Each is atomic and leaves one audit row; none of them calls a server."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from orgs.actions import Refused
from orgs.audit.models import AuditEvent
from orgs.models import Membership, Organization
from orgs.roles.models import Role
from orgs.teams.models import Team

from .models import Tenant, TenantGrant

Holder = Membership | Team


@transaction.atomic
def create_tenant(
    *,
    org: Organization,
    name: str,
    slug: str,
    version: str,
    by,
    description: str = "",
    access: Sequence[tuple[Holder, Role]] = (),
    server_url: str = "",
) -> Tenant:
    """Ask for a new tenant; the agent creates it. The creator, if a member of the organization, becomes its Admin.

    `access`: further holders with their tenant role. `server_url`: of a server that someone else runs.
    Raises Refused for a taken slug and for a holder or role of another organization; nothing is written then.
    """
    if org.tenants.live().filter(slug=slug).exists():
        raise Refused(f"“{slug}” is taken in {org}.")
    tenant = Tenant(
        organization=org,
        name=name,
        slug=slug,
        zenml_version=version,
        description=description,
        server_url=server_url,
        created_by=by,
    )
    tenant.workspace_name = Tenant.objects.free_workspace_name(slug, org)
    tenant.save(force_insert=True)
    given = [*_creator(org, by), *access]
    for holder, role in given:
        _give(tenant, holder, role, by)
    after = {"name": name, "slug": slug, "version": version, "access": _access_words(given)}
    after |= {"address": server_url} if server_url else {}
    _record("tenant.created", tenant, by, after=after)
    return tenant


def _creator(org: Organization, by) -> list[tuple[Membership, Role]]:
    membership = org.memberships.filter(user=by).first()
    return [(membership, org.roles.tenant_level().get(slug="admin"))] if membership else []


def _access_words(given) -> dict[str, str]:
    return {holder_name(holder): role.name for holder, role in given}


def holder_name(holder: Holder) -> str:
    """How messages and audit rows name a holder."""
    return f"team {holder.label}" if isinstance(holder, Team) else str(holder.user)


def _give(tenant: Tenant, holder: Holder, role: Role, by, expires_at=None) -> TenantGrant:
    try:
        return TenantGrant.objects.give(tenant=tenant, role=role, holder=holder, by=by, expires_at=expires_at)
    except ValueError as error:
        raise Refused(str(error)) from error


def _record(action: str, tenant: Tenant, by, before=None, after=None) -> None:
    AuditEvent.objects.record(
        action, tenant, by=by, organization=tenant.organization, before=before, after=after
    )


def _locked(tenant: Tenant) -> Tenant:
    """The row as it is now. Raises Refused when the tenant was deleted meanwhile."""
    row = Tenant.objects.select_for_update().get(pk=tenant.pk)
    if row.desired_state == Tenant.DesiredState.DELETED:
        raise Refused(f"{row.name} has been deleted.")
    return row


@transaction.atomic
def update_tenant(*, tenant: Tenant, name: str, description: str, by) -> None:
    """Change name and description. The slug stays: addresses and clients know the tenant by it."""
    row = _locked(tenant)
    before = {"name": row.name, "description": row.description}
    tenant.name, tenant.description = name, description
    tenant.save(update_fields=["name", "description", "updated_at"])
    _record("tenant.updated", tenant, by, before, {"name": name, "description": description})


@transaction.atomic
def deactivate(*, tenant: Tenant, by) -> None:
    """Ask for the server to stop; its data stays. Raises Refused unless the tenant is supposed to be available."""
    _want(tenant, Tenant.DesiredState.AVAILABLE, Tenant.DesiredState.DEACTIVATED)
    _record("tenant.deactivated", tenant, by)


@transaction.atomic
def activate(*, tenant: Tenant, by) -> None:
    """Ask for a deactivated tenant to start again. Raises Refused when it is not deactivated."""
    _want(tenant, Tenant.DesiredState.DEACTIVATED, Tenant.DesiredState.AVAILABLE)
    _record("tenant.activated", tenant, by)


def _want(tenant: Tenant, now: str, then: str) -> None:
    if _locked(tenant).desired_state != now:
        raise Refused(f"{tenant.name} is already {Tenant.DesiredState(then).label.lower()}.")
    tenant.desired_state = then
    tenant.save(update_fields=["desired_state", "updated_at"])


@transaction.atomic
def request_restart(*, tenant: Tenant, by) -> None:
    """Ask for a restart of a server that runs and is supposed to. Raises Refused otherwise."""
    row = _locked(tenant)
    if hasattr(row, "enrollment"):
        raise Refused(
            f"Someone else runs the server of {tenant.name}. It can only be restarted where it runs."
        )
    if row.desired_state != Tenant.DesiredState.AVAILABLE or not row.is_available:
        raise Refused(f"{tenant.name} is not running: {row.get_status_display().lower()}.")
    tenant.restart_requested_at = timezone.now()
    tenant.save(update_fields=["restart_requested_at", "updated_at"])
    _record("tenant.restart_requested", tenant, by)


@transaction.atomic
def retry(*, tenant: Tenant, by) -> None:
    """Ask the agent to try a failed tenant again. Raises Refused when it has not failed."""
    row = _locked(tenant)
    if row.status != Tenant.Status.FAILED:
        raise Refused(f"{tenant.name} has not failed.")
    tenant.status, tenant.state_reason = Tenant.Status.PENDING, ""
    tenant.progress = []  # of the start that failed
    tenant.desired_state = Tenant.DesiredState.AVAILABLE
    tenant.save(update_fields=["status", "state_reason", "progress", "desired_state", "updated_at"])
    _record("tenant.retried", tenant, by, before={"reason": row.state_reason})


@transaction.atomic
def delete_tenant(*, tenant: Tenant, by) -> None:
    """Mark the tenant as deleted: it disappears from every page immediately, and the agent removes its server."""
    _locked(tenant)
    tenant.desired_state, tenant.deleted_at = Tenant.DesiredState.DELETED, timezone.now()
    tenant.save(update_fields=["desired_state", "deleted_at", "updated_at"])
    _record("tenant.deleted", tenant, by, before={"name": tenant.name, "slug": tenant.slug})


@transaction.atomic
def give_grant(*, tenant: Tenant, holder: Holder, role: Role, by, expires_at=None) -> TenantGrant:
    """Give a Membership or Team `role` on the tenant, besides those it holds; one it already holds gets the new end.

    Raises Refused, with nothing written, when holder or role are not the organization's own, and for an end that is
    past.
    """
    _locked(tenant)
    _refuse_past(expires_at)
    held = {grant.role: grant for grant in direct_roles(tenant=tenant, holder=holder)}
    before = (
        {"holder": holder_name(holder), "role": role.name, "until": _day(held[role])} if role in held else {}
    )
    grant = _give(tenant, holder, role, by, expires_at)
    after = {"holder": holder_name(holder), "role": role.name, "until": _day(grant)}
    if not before:
        _record("grant.given", tenant, by, before, after)
    elif before != after:
        _record("grant.extended", tenant, by, before, after)
    return grant


@transaction.atomic
def set_grants(*, tenant: Tenant, holder: Holder, roles: dict[Role, datetime | None], by) -> bool:
    """Make the direct roles of a Membership or Team on the tenant exactly these, each with its end. Says whether it did.

    Raises Refused, with nothing written, for the reasons give_grant has.
    """
    _locked(tenant)
    held = {grant.role: grant for grant in direct_roles(tenant=tenant, holder=holder)}
    changed = {role: end for role, end in roles.items() if role not in held or held[role].expires_at != end}
    gone = [grant for role, grant in held.items() if role not in roles]
    if not (changed or gone):
        return False
    for role, end in changed.items():
        _refuse_past(end)
        _give(tenant, holder, role, by, end)
    for grant in gone:
        TenantGrant.objects.withdraw(grant)
    after = direct_roles(tenant=tenant, holder=holder)
    before = {"holder": holder_name(holder), "roles": _role_words(held.values())}
    _record("grant.changed", tenant, by, before, {**before, "roles": _role_words(after)})
    return True


def _refuse_past(expires_at) -> None:
    if expires_at and expires_at <= timezone.now():
        raise Refused("A role can't expire in the past.")


def _day(grant: TenantGrant) -> str:
    return f"{timezone.localtime(grant.expires_at):%Y-%m-%d}" if grant.expires_at else "no end"


def _role_words(grants: Iterable[TenantGrant]) -> str:
    """ "Developer until 2026-12-03, Viewer"."""
    words = (f"{grant.role} until {_day(grant)}" if grant.expires_at else str(grant.role) for grant in grants)
    return ", ".join(words) or "none"


def direct_roles(*, tenant: Tenant, holder: Holder) -> list[TenantGrant]:
    """Unexpired grants given directly to this person or team, strongest first."""
    grants = tenant.grants.valid().of_holder(holder)
    return list(grants.select_related("role", "team", "membership__user"))


@transaction.atomic
def withdraw_grant(*, grant: TenantGrant, by) -> None:
    """Remove a direct role. What else the holder has, through teams or the organization, stays."""
    tenant = grant.tenant
    _locked(tenant)
    before = {"holder": holder_name(grant.holder), "role": grant.role.name, "until": _day(grant)}
    TenantGrant.objects.withdraw(grant)
    _record("grant.withdrawn", tenant, by, before)


@transaction.atomic
def end_grant(*, grant: TenantGrant) -> bool:
    """Remove an expired grant, on behalf of the system. False when it is gone or was extended meanwhile."""
    Tenant.objects.select_for_update().get(pk=grant.tenant_id)
    rows = TenantGrant.objects.filter(pk=grant.pk, expires_at__lte=timezone.now())
    row = rows.select_related(
        "tenant__organization", "role", "team__organization", "membership__user"
    ).first()
    if row is None:
        return False
    before = {"holder": holder_name(row.holder), "role": row.role.name, "until": _day(row)}
    TenantGrant.objects.withdraw(row)
    _record("grant.expired", row.tenant, None, before)
    return True


@transaction.atomic
def join_tenant(*, tenant: Tenant, role: Role, by) -> TenantGrant:
    """An organization Admin takes a role; the tenant's Admins see that they did.

    Raises Refused for people who are not members of the organization (a superuser needs no role).
    """
    _locked(tenant)
    membership = tenant.organization.memberships.filter(user=by).first()
    if membership is None:
        raise Refused(f"You are not a member of {tenant.organization}.")
    grant = _give(tenant, membership, role, by)
    _record("tenant.joined", tenant, by, after={"role": role.name})
    return grant
