"""What a tenant keeps to read its private git repositories: sealed, one row for each repository, shown to nobody.

It is used for the repository it was given for and for no other, by whoever may add code in the tenant.
"""

from django.utils import timezone

from tenants.models import Tenant
from tenants.run_templates.engine.code import CodeError
from tenants.run_templates.engine.git import Address, Opener
from zenpro_site.common.sealing import SecretsUnreadable, seal, unseal

from .models import GitAccess

UNREADABLE = "What was kept to open this repository can't be read with ZenPro's keys. Remove it under Git access and give it again."
NOT_CONFIRMED = (
    "Nobody has confirmed the key of this repository's host yet. Compare it under Git access first."
)


def access_to(tenant: Tenant, address: Address) -> GitAccess | None:
    """What the tenant keeps for this repository, however its address is written."""
    return tenant.git_accesses.filter(place=address.place).first()


def sealed_for(place: str, secret: str) -> str:
    """The repository is sealed with the secret: moved to the row of another one, it opens nothing."""
    return seal({"place": place, "secret": secret})


def opener_of(access: GitAccess | None, token: str = "") -> Opener:
    """What to read with: a token that was given now, before what is kept; nothing where there is neither. Raises CodeError."""
    if token or access is None:
        return Opener(token)
    if not access.is_ready:
        raise CodeError(NOT_CONFIRMED)
    secret = _secret(access)
    return Opener(private_key=secret, host_key=access.host_key) if access.public_key else Opener(secret)


def _secret(access: GitAccess) -> str:
    try:
        kept = unseal(access.sealed)
    except SecretsUnreadable as error:
        raise CodeError(UNREADABLE) from error
    if kept["place"] != access.place:
        raise CodeError(UNREADABLE)
    return kept["secret"]


def note_use(access: GitAccess) -> None:
    GitAccess.objects.filter(pk=access.pk).update(used_at=timezone.now())
