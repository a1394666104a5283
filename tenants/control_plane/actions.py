"""What a tenant's server changes here: its token, what it reports, and what was shared inside it."""

import hmac
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.roles.predefined_permissions import SHARE, nearest
from orgs.teams.models import Team
from orgs.users.models import Actor
from tenants.access import decisions
from tenants.access.decisions import Resource
from tenants.credentials.models import AccessToken, DeviceEntry, KeyEntry
from tenants.hosting.elsewhere.models import Enrollment
from tenants.models import Share, Tenant, TenantAccount, UnknownRight
from tenants.usage.models import UsageEvent
from zenpro_site.common.refusals import Refused

NAMES_SHARERS = (0, 81)  # since then servers say who shares (protocol §12)
MOST_UNKNOWN = 200  # rows; a server may make up as many as it likes
SERVER_TOKEN_LIFETIME = timedelta(hours=1)  # servers renew it 5 minutes before it expires (protocol §3.3c)


def log_in_server(*, tenant_id: UUID | None, secret: str) -> str | None:
    """A new token for the tenant's server, or None when id and secret do not belong together.

    Also None for a tenant that is not supposed to run. Secrets are compared in constant time. Only the token's
    hash is kept, in the database, so it outlives our restarts. Raises SecretsUnreadable when a key was lost.
    """
    wanted = Tenant.DesiredState.AVAILABLE
    tenant = Tenant.objects.filter(pk=tenant_id, desired_state=wanted).first()
    known = tenant.opened_secrets()["oauth_secret"] if tenant else ""
    if not (known and hmac.compare_digest(known.encode(), secret.encode(errors="replace"))):
        return None
    kind = AccessToken.Kind.SERVER
    return AccessToken.objects.issue(kind=kind, tenant=tenant, lifetime=SERVER_TOKEN_LIFETIME)


def record_start(*, tenant: Tenant, version: str) -> None:
    """The server has migrated its database and is about to serve (protocol §3.7)."""
    now = timezone.now()
    fields = {"reported_at": now, "updated_at": now} | ({"reported_version": version} if version else {})
    Tenant.objects.filter(pk=tenant.pk).update(**fields)


def note_call(*, tenant_id: UUID, url: str, version: str) -> None:
    """A server called with its secret. Only those that someone else runs are remembered. One statement."""
    Enrollment.objects.note_call(tenant_id, url, version)


def note_refusal(*, tenant_id: UUID) -> None:
    """Someone called as this tenant with another secret. One statement."""
    Enrollment.objects.note_refusal(tenant_id)


def record_entry(*, tenant: Tenant, token: AccessToken) -> None:
    """The person gets a session of the tenant's server, which outlives rights, keys and devices until it is cut (§13.3)."""
    TenantAccount.objects.enter(tenant, token.user)
    if token.api_key:
        KeyEntry.objects.note(token.api_key, tenant)
    if token.device_id:
        DeviceEntry.objects.note(token.device_id, tenant)


@transaction.atomic
def end_shown(*, token: AccessToken, tenant: Tenant) -> None:
    """End a person's token that the server of a tenant elsewhere shows us, and that is not for that tenant alone.

    Someone else runs that server and now has the token: it must no longer open anything.
    """
    AccessToken.objects.filter(pk=token.pk).delete()
    after = {"account": str(token.user)}
    AuditEvent.objects.record("token.shown_elsewhere", tenant, organization=tenant.organization, after=after)


@lru_cache(maxsize=1000)
def note_unknown(resource: str, action: str, *, tenant_id: UUID, version: str) -> None:
    """Note once what a newer server asked about and no role names. A process asks the database once for each."""
    longest = UnknownRight._meta.get_field("resource").max_length
    if max(len(resource), len(action)) > longest or UnknownRight.objects.count() >= MOST_UNKNOWN:
        return
    answered_as = ":".join(nearest(resource, action))
    row = UnknownRight(
        tenant_id=tenant_id, resource=resource, action=action, answered_as=answered_as, version=version
    )
    UnknownRight.objects.bulk_create([row], ignore_conflicts=True)


def record_usage(*, tenant: Tenant, feature: str, total: int, resource_id: str) -> None:
    """Keep a usage event; the same one again is only noted as repeated (protocol §3.13)."""
    same = {"tenant": tenant, "feature": feature, "total": total, "resource_id": resource_id}
    if not UsageEvent.objects.filter(**same).update(repeated=True):
        event = UsageEvent(organization_id=tenant.organization_id, **same)
        UsageEvent.objects.bulk_create([event], ignore_conflicts=True)


def forget_usage(*, tenant: Tenant, feature: str, resource_id: str) -> None:
    """Take back all that was kept of an object that came to nothing: it counts towards no limit."""
    UsageEvent.objects.filter(tenant=tenant, feature=feature, resource_id=resource_id).delete()


@transaction.atomic
def share(*, tenant: Tenant, resource: Resource, holder, actions: Iterable[str], by: Actor | None) -> None:
    """Make `actions` all that is shared of one object with `holder` (Membership or Team); an empty list ends the share.

    The server says that `by` shares (None until 0.80). It may lie, so a share gives nothing that `by` could not give at
    this moment by our own decision: owning the object is not enough (protocol §3.10, §11). Raises Refused.
    """
    key = {"team": holder} if isinstance(holder, Team) else {"membership": holder}
    rows = tenant.shares.filter(**key, resource_type=resource.type, resource_id=resource.id)
    before, after = set(rows.values_list("action", flat=True)), set(actions)
    if before == after:
        return
    _refuse_beyond(tenant, by and by.person, resource, after - before)
    rows.exclude(action__in=after).delete()
    shared = {"resource_type": resource.type, "resource_id": resource.id, "project_id": resource.project}
    Share.objects.bulk_create(
        Share(tenant=tenant, **key, **shared, action=action, shared_by=by and by.person)
        for action in sorted(after - before)
    )
    whom = {"with": str(holder if isinstance(holder, Team) else holder.user)}
    change = {"before": whom | {"actions": sorted(before)}, "after": whom | {"actions": sorted(after)}}
    _record("tenant.share_changed", tenant, resource, by, **change)


def _refuse_beyond(tenant: Tenant, person, resource: Resource, actions: Iterable[str]) -> None:
    if person is None and tenant.release < NAMES_SHARERS:
        return
    if person is None or not decisions.holds_anything(person.pk, tenant):
        raise Refused("Only people with a role on this tenant can share its objects.")
    wanted = [SHARE, *sorted(actions)] if actions else []
    text = resource.written
    missing = [one for one in wanted if not decisions.allowed(person.pk, tenant, one, [text])[text]]
    if missing:
        raise Refused(
            f"{person} needs the right to {' and '.join(missing)} on this {resource.type} to share it this way."
        )


@transaction.atomic
def forget(*, tenant: Tenant, resources: Iterable[Resource]) -> None:
    """End the shares of deleted objects, and for a project those of everything in it (§3.11)."""
    for resource in resources:
        gone = models.Q(resource_type=resource.type, resource_id=resource.id)
        if resource.type == "project":
            gone |= models.Q(project_id=resource.id)
        if tenant.shares.filter(gone).delete()[0]:
            _record("tenant.share_ended", tenant, resource)


def _record(
    action: str, tenant: Tenant, resource: Resource, by: Actor | None = None, *, before=None, after=None
) -> None:
    what = {"resource": f"{resource.type}/{resource.id}"}
    AuditEvent.objects.record(
        action,
        tenant,
        by=by,
        organization=tenant.organization,
        before=what | (before or {}),
        after=after and what | after,
    )
