"""The part of a person's page that is about tenants: what they can do there, their keys and computers."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q

from orgs.models import Membership
from orgs.permissions import Permission
from tenants.access.explain.effective import Access, access_to
from tenants.access.explain.reasons import Standing
from tenants.access.gate import tenants_visible_to
from tenants.access.people import visible_tenants
from zenpro_site.common.lasting import lasting


@dataclass(frozen=True)
class Keys:
    """How many keys and computers sign in as this person, and when a key was last used."""

    keys: int
    used: datetime | None
    computers: int


def tenants_of(request, membership: Membership) -> list:
    """Tenants that the person of the request can see and in which the member can do anything at all, by name."""
    seen = visible_tenants(request).order_by("name")
    theirs = tenants_visible_to(membership.user, request.org)
    shared = Q(shares__membership=membership) | Q(shares__team__user=membership.user_id)
    ids = set(theirs.values_list("pk", flat=True)) | set(seen.filter(shared).values_list("pk", flat=True))
    found = [tenant for tenant in seen if tenant.pk in ids]
    for tenant in found:
        tenant.organization = request.org
    return found


def accesses(membership: Membership, tenants: list) -> list[Access]:
    """What the member can do in each of the tenants."""
    standing = Standing(membership.user, tenants, membership)
    return [access_to(standing, tenant) for tenant in tenants]


def keys_of(user) -> Keys:
    """Working keys and signed-in computers of a person or a service account. Two queries."""
    keys = user.api_keys.filter(lasting(), revoked_at=None)
    used = keys.aggregate(used=Max("last_used_at"))["used"]
    return Keys(keys.count(), used, user.device_logins.signed_in().count())


def sees_in_full(request, membership: Membership) -> bool:
    """Yourself, or anyone if you manage members."""
    return membership.user_id == request.user.pk or Permission.MEMBER_MANAGE in request.org_permissions
