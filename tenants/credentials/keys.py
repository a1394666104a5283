"""Service accounts and API keys: what scripts sign in with instead of a person's browser (protocol §3.3b)."""

from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from orgs.access.gate import permissions_of, refuse_stronger
from orgs.audit.models import AuditEvent
from orgs.models import Membership, Organization, OrgRole
from orgs.permissions import Permission
from orgs.users.models import Actor
from tenants.credentials.models import AccessToken, ApiKey, KeyEntry
from tenants.models import Tenant
from tenants.models.tenant_permissions import TenantPermission
from zenpro_site.common.refusals import Refused

TOKEN_LIFETIME = timedelta(hours=1)  # clients keep the key and exchange it again by themselves
NOWHERE = "service.invalid"  # no email can ever arrive there (RFC 2606)
MOST_KEYS = 20  # working keys of one account


# -- service accounts


@transaction.atomic
def create_service_account(*, organization: Organization, name: str, by: Actor, role: str = OrgRole.MEMBER):
    """An account for scripts: a member of the organization with the role (slug), which can't sign in to any page.

    Its email and username are derived from the name; no username is used twice. Raises Refused for a role that
    allows more than `by` can do, and for a name that another service account of the organization has.
    """
    refuse_stronger(organization, by, role)
    if accounts_of(organization).filter(user__name__iexact=name).exists():
        raise Refused(f"There is already a service account called {name}.")
    users = get_user_model().objects
    username = users.free_username(name)
    address = f"{username}@{NOWHERE}"
    try:
        with transaction.atomic():
            user = users.create_user(address, username=username, name=name, is_service_account=True)
    except (IntegrityError, ValidationError) as error:
        raise Refused("This name isn't available. Choose another one.") from error
    account = Membership.objects.create(organization=organization, user=user, role=role)
    _account_record("service_account.created", account, by, after={"name": name, "role": role})
    return account


@transaction.atomic
def deactivate(*, account: Membership, by: Actor) -> None:
    """Its keys, tokens and open sessions stop at the next request; the agent ends what they opened inside tenants, also
    when it is active again by then. Nothing happens when it is inactive."""
    if _switch(account, by, active=False):
        AccessToken.objects.filter(user=account.user).delete()
        KeyEntry.objects.end(account.user)
        _account_record("service_account.deactivated", account, by)


@transaction.atomic
def activate(*, account: Membership, by: Actor) -> None:
    """Its keys that are neither expired nor revoked work again. Nothing happens when it is active."""
    if _switch(account, by, active=True):
        _account_record("service_account.activated", account, by)


def _switch(account: Membership, by: Actor, *, active: bool) -> bool:
    """Raises Refused for accounts that are not the organization's alone. False if nothing had to change."""
    user = get_user_model().objects.select_for_update().get(pk=account.user_id)
    refuse_foreign(account, by)
    if user.is_active == active:
        return False
    user.is_active = account.user.is_active = active
    user.save(update_fields=["is_active"])
    return True


def accounts_of(organization: Organization):
    """Memberships of the organization's service accounts, by name."""
    found = organization.memberships.filter(user__is_service_account=True)
    return found.select_related("user", "organization").order_by("user__name", "user__username")


def refuse_foreign(account: Membership, by: Actor) -> None:
    """Raises Refused unless all the account can do comes from its organization, and is no more than `by` can do."""
    user = account.user
    if not user.is_service_account:
        raise Refused(f"{user} is a person and must create their own keys.")
    elsewhere = user.memberships.exclude(pk=account.pk).exists()
    if (elsewhere or user.is_superuser) and not by.person.is_superuser:
        raise Refused(f"{user} also works outside {account.organization}. Ask a superuser.")
    teams = account.organization.teams.filter(user=user).exclude(org_role="")
    refuse_stronger(account.organization, by, account.role, *teams.values_list("org_role", flat=True))


def _refuse_gain(account: Membership, by: Actor) -> None:
    """Whoever manages members but not access must not let themselves into tenants through an account's key."""
    organization = account.organization
    if Permission.TENANT_MANAGE_ALL in permissions_of(by.person, organization):
        return
    given = Q(grants__membership=account) | Q(grants__team__user=account.user)
    shared = Q(shares__membership=account) | Q(shares__team__user=account.user)
    managed = organization.tenants.with_right(by.person, TenantPermission.ACCESS)
    if organization.tenants.live().filter(given | shared).exclude(pk__in=managed.values("pk")).exists():
        raise Refused(f"{account.user} works on tenants whose access you don't manage. Ask an Admin.")


# -- keys


@transaction.atomic
def create_key(
    *,
    user,
    label: str,
    by: Actor,
    account: Membership | None = None,
    tenant: Tenant | None = None,
    organization: Organization | None = None,
    expires_at: datetime | None = None,
    through: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    """(key, secret): the secret can be seen only once. With `tenant` or `organization` the key opens only that.

    `account`: the membership when it is a service account's key. `through`: the key used to ask for another key of its
    own account. Raises Refused for keys of others, for an account that can do more than `by`, and for a key that would
    open more, or work longer, than the one used.
    """
    _refuse(user, account, by)
    if through and not account:
        _refuse_beyond(through, tenant, organization, expires_at)
    if account:
        _refuse_gain(account, by)
    get_user_model().objects.select_for_update().get(pk=user.pk)
    if sum(key.is_active for key in user.api_keys.filter(revoked_at=None)) >= MOST_KEYS:
        raise Refused(f"{user} has {MOST_KEYS} keys. Revoke one that is no longer used.")
    scope = {"tenant": tenant, "organization": organization}
    key = ApiKey(user=user, label=label, expires_at=expires_at, created_by=by.person, **scope)
    secret = key.new_secret()
    key.save(force_insert=True)
    _record("api_key.created", key, by, account, after=_words(key))
    return key, secret


@transaction.atomic
def rotate_key(
    *,
    key: ApiKey,
    grace: timedelta,
    by: Actor,
    account: Membership | None = None,
    through: ApiKey | None = None,
) -> str:
    """Another secret for the same key; the previous one keeps working for `grace`. The new one can be seen only once.

    `through`: the key used to ask, of the same account. Raises Refused for keys of others, for those that no longer
    work, and for one that opens more or works longer than the one used. A second rotation ends the grace of the
    first.
    """
    _refuse(key.user, account, by)
    if through and through.pk != key.pk and not account:
        _refuse_beyond(through, key.tenant, key.organization, key.expires_at)
    if account:
        _refuse_gain(account, by)
    rows = ApiKey.objects.select_for_update(of=("self",)).select_related(
        "user", "tenant__organization", "organization"
    )
    row = rows.get(pk=key.pk)
    if not row.is_active:
        raise Refused("This key has been revoked or has expired. Create another one.")
    before, until = {"prefix": row.prefix}, timezone.now() + grace
    row.previous_hash, row.previous_valid_until = row.key_hash, until
    secret = row.new_secret()
    row.save()
    # Whatever signed in with the old secret ends with it, inside tenants as well.
    row.tokens.filter(expires_at__gt=until).update(expires_at=until)
    row.entries.filter(Q(ends_at=None) | Q(ends_at__gt=until)).update(ends_at=until)
    after = {"account": str(row.user), "prefix": row.prefix, "old_until": until.isoformat()}
    _record("api_key.rotated", row, by, account, before, after)
    return secret


@transaction.atomic
def revoke_key(*, key: ApiKey, by: Actor, account: Membership | None = None) -> None:
    """End a key and the tokens it gave, at once; the agent ends what they opened inside tenants. Nothing happens when it is revoked. Raises Refused for keys of
    others."""
    _refuse(key.user, account, by)
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        key.tokens.all().delete()
        _record("api_key.revoked", key, by, account, before=_words(key))


def _refuse(user, account: Membership | None, by: Actor) -> None:
    if account is None and user.pk != by.person.pk:
        raise Refused("You can't create keys for another person.")
    if account is not None:
        if account.user_id != user.pk:
            raise Refused("This key belongs to another account.")
        refuse_foreign(account, by)


def _refuse_beyond(key: ApiKey, tenant, organization, expires_at) -> None:
    """A stolen key must not become one that opens more, or that no one ends."""
    if key.tenant_id and not (tenant and tenant.pk == key.tenant_id):
        raise Refused(f"This key only gives access to {key.tenant}, and so must the keys it creates.")
    home = organization.pk if organization else tenant and tenant.organization_id
    if key.organization_id and home != key.organization_id:
        raise Refused(f"This key only gives access to {key.organization}, and so must the keys it creates.")
    if key.expires_at and (expires_at is None or expires_at > key.expires_at):
        raise Refused("A key can't create a key that outlives it.")


def key_of(secret: str) -> ApiKey | None:
    """The key that works now with this secret, with its account. Don't keep it: it can be revoked at any time.

    Also None when its account is inactive, or a service account that was removed from its organization.
    """
    if not secret.startswith(ApiKey.START):
        return None
    found = ApiKey.objects.with_secret(secret).filter(user__is_active=True)
    return _unless_homeless(found.select_related("user", "tenant", "organization").first())


def _unless_homeless(key: ApiKey | None) -> ApiKey | None:
    if key and key.user.is_service_account and not key.user.memberships.exists():
        return None
    return key


@transaction.atomic
def exchange(*, secret: str, home: Tenant | None = None) -> tuple[str, int] | None:
    """(token, its lifetime in seconds) for a key that works now, else None.

    Also None when its account is inactive, or a service account that was removed from its organization. The token
    opens what the key opens, or of that `home` alone, the tenant at whose own address the client asks; it never
    outlives the key. Only its hash is stored.
    """
    if not secret.startswith(ApiKey.START):
        return None
    found = ApiKey.objects.with_secret(secret).filter(user__is_active=True).select_related("user", "tenant")
    key = _unless_homeless(found.select_for_update(of=("self",)).first())
    if key is None or (home and not key.opened(Tenant.objects.filter(pk=home.pk)).exists()):
        return None
    lifetime, tenant = _lifetime(key, secret), home or key.tenant
    issued = AccessToken.objects.issue(
        kind=AccessToken.Kind.USER, lifetime=lifetime, user=key.user, tenant=tenant, api_key=key
    )
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    return issued, max(1, int(lifetime.total_seconds()))


def _lifetime(key: ApiKey, secret: str) -> timedelta:
    ends = [key.expires_at, None if key.opens(secret) else key.previous_valid_until]
    return min([TOKEN_LIFETIME, *(end - timezone.now() for end in ends if end)])


# -- records


def _words(key: ApiKey) -> dict:
    return {
        "account": str(key.user),
        "prefix": key.prefix,
        "tenant": key.tenant.name if key.tenant else "",
        "organization": key.organization.name if key.organization else "",
        "ends": key.expires_at.isoformat() if key.expires_at else "",
    }


def _record(action: str, key: ApiKey, by: Actor, account: Membership | None, before=None, after=None) -> None:
    """A person's key is the organization's business only where it is bound to it or to one of its tenants."""
    organization = account.organization if account else _bound_to(key)
    AuditEvent.objects.record(action, key, by=by, organization=organization, before=before, after=after)


def _bound_to(key: ApiKey) -> Organization | None:
    return key.tenant.organization if key.tenant else key.organization


def _account_record(action: str, account: Membership, by: Actor, after=None) -> None:
    AuditEvent.objects.record(action, account, by=by, organization=account.organization, after=after)
