"""Tokens and deploy keys of a tenant's git repositories: given, replaced, confirmed and removed, each with its audit row.

None of them is ever shown again, nor written into the audit log.
"""

from django.db import transaction
from django.utils import timezone

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.run_templates.code_actions import CodeRefused, refused_at
from tenants.run_templates.engine.deploy_keys import fingerprint_of, new_pair
from tenants.run_templates.engine.git import Address, check_address, host_key_of
from tenants.run_templates.git_access import access_to, sealed_for

from .models import GitAccess

MOST = 200  # repositories of a tenant
LONGEST_TOKEN = 500


@transaction.atomic
def keep_token(*, tenant: Tenant, url: str, token: str, by: Actor) -> GitAccess:
    """Keep a token, "token" or "name:token", for an https repository; an earlier one of it is forgotten. Raises CodeRefused."""
    address = _address(url)
    if address.is_ssh:
        raise CodeRefused("A token opens https addresses only. For this one, leave it empty.", "token")
    if not token or len(token) > LONGEST_TOKEN or not token.isprintable():
        raise CodeRefused(f"A token is 1 to {LONGEST_TOKEN} characters that can be seen.", "token")
    given = {"sealed": sealed_for(address.place, token), "given_by": by.person, "given_at": timezone.now()}
    before = _room_for(tenant, address)
    access, _ = GitAccess.objects.update_or_create(
        tenant=tenant, place=address.place, defaults=given | {"used_at": None}
    )
    if before:
        _record("git_access.token_replaced", access, by)
    else:
        _record("git_access.token_kept", access, by)
    return access


def make_deploy_key(*, tenant: Tenant, url: str, by: Actor) -> GitAccess:
    """A new key for a repository with an ssh address, whose host is asked for its own first. Raises CodeRefused.

    It opens nothing until someone has added its public half at the host, and confirmed the host here.
    """
    address = _address(url)
    if not address.is_ssh:
        raise CodeRefused("A deploy key needs an address that begins with ssh:// or git@.", "url")
    if access_to(tenant, address):
        raise CodeRefused("This repository has a deploy key. Remove it first to make another.", "url")
    with refused_at("url"):
        host_key = host_key_of(address, str(tenant.pk))
    private, public = new_pair(f"zenpro-{tenant.slug}")
    sealed = sealed_for(address.place, private)
    with transaction.atomic():
        if _room_for(tenant, address):
            raise CodeRefused("Someone else made a deploy key for this repository just now.", "url")
        facts = {"sealed": sealed, "public_key": public, "host_key": host_key, "given_by": by.person}
        access = GitAccess.objects.create(tenant=tenant, place=address.place, **facts)
        _record("git_access.key_made", access, by, _keys(access))
    return access


def confirm_host(*, access: GitAccess, fingerprint: str, by: Actor) -> None:
    """The host's key is what it should be. `fingerprint`: of the one that was compared. Raises CodeRefused."""
    with transaction.atomic():
        access = GitAccess.objects.select_for_update(of=("self",)).get(pk=access.pk)
        if not access.host_key or fingerprint_of(access.host_key) != fingerprint:
            raise CodeRefused("The key was read again since you compared it. Compare this one.")
        if access.host_confirmed_at:
            return
        access.host_confirmed_by, access.host_confirmed_at = by.person, timezone.now()
        access.save(update_fields=["host_confirmed_by", "host_confirmed_at"])
        _record("git_access.host_confirmed", access, by, _keys(access))


def read_host_again(*, access: GitAccess, by: Actor) -> None:
    """Ask the host for its key. Another one than before has to be confirmed again. Raises CodeRefused."""
    with refused_at(""):
        host_key = host_key_of(check_address(access.place), str(access.tenant_id))
    with transaction.atomic():
        access = GitAccess.objects.select_for_update(of=("self",)).get(pk=access.pk)
        before = _keys(access)
        if access.host_key != host_key:
            access.host_key, access.host_confirmed_by, access.host_confirmed_at = host_key, None, None
            access.save(update_fields=["host_key", "host_confirmed_by", "host_confirmed_at"])
        _record("git_access.host_read", access, by, _keys(access), before)


@transaction.atomic
def forget_access(*, access: GitAccess, by: Actor) -> None:
    """Nothing is left of it here; at the host, the token or key stays until someone removes it there."""
    AuditEvent.objects.record(
        "git_access.removed",
        access.tenant,
        by=by,
        organization=access.tenant.organization,
        before={"address": access.place},
    )
    access.delete()


def _address(url: str) -> Address:
    with refused_at("url"):
        return check_address(url)


def _room_for(tenant: Tenant, address: Address) -> GitAccess | None:
    """What is kept for it so far; nothing else is written meanwhile. Raises CodeRefused where there is too much."""
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    found = access_to(tenant, address)
    if found is None and tenant.git_accesses.count() >= MOST:
        raise CodeRefused(
            f"A tenant has at most {MOST} repositories with a token or a key. Remove one first."
        )
    return found


def _keys(access: GitAccess) -> dict[str, str]:
    return {"key": fingerprint_of(access.public_key), "host": fingerprint_of(access.host_key)}


def _record(action: str, access: GitAccess, by: Actor, keys=None, before=None) -> None:
    after = {"address": access.place, **(keys or {})}
    tenant = access.tenant
    AuditEvent.objects.record(
        action, tenant, by=by, organization=tenant.organization, before=before, after=after
    )
