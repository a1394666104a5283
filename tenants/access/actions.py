"""Changes to who has access to a tenant. Each is atomic and leaves one audit row; none of them calls a server."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.models import Membership
from orgs.roles.models import Role
from orgs.teams.models import Team
from orgs.users.models import Actor
from tenants.models import Tenant, TenantGrant
from zenpro_site.common.refusals import Refused

Holder = Membership | Team


def holder_name(holder: Holder) -> str:
    """How messages and audit rows name a holder."""
    return f"team {holder.label}" if isinstance(holder, Team) else str(holder.user)


def give(tenant: Tenant, holder: Holder, role: Role, giver, expires_at=None) -> TenantGrant:
    """The grant, without a lock and without a record: part of a change that has both. Raises Refused."""
    try:
        return TenantGrant.objects.give(
            tenant=tenant, role=role, holder=holder, giver=giver, expires_at=expires_at
        )
    except ValueError as error:
        raise Refused(str(error)) from error


def give_each(tenant: Tenant, given: Sequence[tuple[Holder, Role]], giver) -> dict[str, str]:
    """The first roles on a new tenant, as `give` does. Returns in words who got what, for the record."""
    try:
        TenantGrant.objects.give_each(tenant, given, giver)
    except ValueError as error:
        raise Refused(str(error)) from error
    return {holder_name(holder): role.name for holder, role in given}


def record(action: str, tenant: Tenant, by: Actor | None, before=None, after=None) -> None:
    """One audit row about the tenant, in its organization."""
    AuditEvent.objects.record(
        action, tenant, by=by, organization=tenant.organization, before=before, after=after
    )


def locked(tenant: Tenant) -> Tenant:
    """The row as it is now. Raises Refused when the tenant was deleted meanwhile."""
    row = Tenant.objects.select_for_update().get(pk=tenant.pk)
    if row.desired_state == Tenant.DesiredState.DELETED:
        raise Refused(f"{row.name} has been deleted.")
    return row


@transaction.atomic
def give_grant(*, tenant: Tenant, holder: Holder, role: Role, by: Actor, expires_at=None) -> TenantGrant:
    """Give a Membership or Team `role` on the tenant, besides those it holds; one it already holds gets the new end.

    Raises Refused, with nothing written, when holder or role are not the organization's own, and for an end that is
    past.
    """
    locked(tenant)
    _refuse_past(expires_at)
    held = {grant.role: grant for grant in direct_roles(tenant=tenant, holder=holder)}
    before = (
        {"holder": holder_name(holder), "role": role.name, "until": _day(held[role])} if role in held else {}
    )
    grant = give(tenant, holder, role, by.person, expires_at)
    after = {"holder": holder_name(holder), "role": role.name, "until": _day(grant)}
    if not before:
        record("grant.given", tenant, by, before, after)
    elif before != after:
        record("grant.extended", tenant, by, before, after)
    return grant


@transaction.atomic
def set_grants(
    *, tenant: Tenant, holder: Holder, roles: dict[Role, datetime | None], by: Actor
) -> list[TenantGrant] | None:
    """Make the direct roles of a Membership or Team on the tenant exactly these, each with its end.

    Returns what direct_roles says then, or None when nothing had to change. Raises Refused, with nothing written, for
    the reasons give_grant has.
    """
    locked(tenant)
    held = {grant.role: grant for grant in direct_roles(tenant=tenant, holder=holder)}
    changed = {role: end for role, end in roles.items() if role not in held or held[role].expires_at != end}
    gone = [grant for role, grant in held.items() if role not in roles]
    if not (changed or gone):
        return None
    for role, end in changed.items():
        _refuse_past(end)
        give(tenant, holder, role, by.person, end)
    for grant in gone:
        TenantGrant.objects.withdraw(grant)
    after = direct_roles(tenant=tenant, holder=holder)
    before = {"holder": holder_name(holder), "roles": _role_words(held.values())}
    record("grant.changed", tenant, by, before, {**before, "roles": _role_words(after)})
    return after


def _refuse_past(expires_at) -> None:
    if expires_at and expires_at <= timezone.now():
        raise Refused("A role can't expire in the past.")


def _day(grant: TenantGrant) -> str:
    return f"{timezone.localtime(grant.expires_at):%Y-%m-%d}" if grant.expires_at else "no end"


def _role_words(grants: Iterable[TenantGrant]) -> str:
    """ "Developer until 2026-12-03, Viewer"."""
    words = (
        f"{grant.role.name} until {_day(grant)}" if grant.expires_at else grant.role.name for grant in grants
    )
    return ", ".join(words) or "none"


def direct_roles(*, tenant: Tenant, holder: Holder) -> list[TenantGrant]:
    """Unexpired grants given directly to this person or team, strongest first."""
    grants = tenant.grants.held_by(holder)
    return list(grants.select_related("role", "team", "membership__user"))


@transaction.atomic
def withdraw_grant(*, grant: TenantGrant, by: Actor) -> None:
    """Remove a direct role. What else the holder has, through teams or the organization, stays."""
    tenant = grant.tenant
    locked(tenant)
    before = {"holder": holder_name(grant.holder), "role": grant.role.name, "until": _day(grant)}
    TenantGrant.objects.withdraw(grant)
    record("grant.withdrawn", tenant, by, before)


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
    record("grant.expired", row.tenant, None, before)
    return True


@transaction.atomic
def join_tenant(*, tenant: Tenant, role: Role, by: Actor) -> TenantGrant:
    """An organization Admin takes a role; the tenant's Admins see that they did.

    Raises Refused for people who are not members of the organization (a superuser needs no role).
    """
    locked(tenant)
    membership = tenant.organization.memberships.filter(user=by.person).first()
    if membership is None:
        raise Refused(f"You are not a member of {tenant.organization}.")
    grant = give(tenant, membership, role, by.person)
    record("tenant.joined", tenant, by, after={"role": role.name})
    return grant
