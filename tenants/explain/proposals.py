"""What is missing for a right, as sentences with the place where it is done."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from orgs.access import permissions_of
from orgs.permissions import Permission
from tenants.access import tenant_permissions_of
from tenants.holders import holder_value
from tenants.permissions import TenantPermission

from .reasons import Change, Explanation


@dataclass(frozen=True)
class Proposal:
    """A change in words. `url` is empty for whoever may not make it."""

    icon: str
    words: str
    url: str
    button: str


def proposals(told: Explanation, membership, viewer) -> tuple[list[Proposal], list[Proposal]]:
    """(all of which have to be done first, of which then one is enough), as the viewer may do them."""
    tenant = told.question.tenant
    rights = permissions_of(viewer, tenant.organization)
    may_give = TenantPermission.ACCESS in tenant_permissions_of(viewer, tenant, rights)

    def put(change: Change) -> Proposal:
        if change.kind in ("role", "team_role"):
            return _role(change, tenant, membership, may_give)
        if change.kind == "team":
            return _team(change, tenant, Permission.TEAM_MANAGE in rights)
        return _account(told.question.user, viewer)

    return [put(change) for change in told.first if change.kind != "join"], [put(way) for way in told.ways]


def _role(change: Change, tenant, membership, may_give: bool) -> Proposal:
    whom = f"team {change.team}" if change.team else "her"
    words = f"Give {whom} the role {change.role} on {tenant}."
    if change.team:
        words += " Everybody in the team gains it."
    chosen = {"holder": holder_value(change.team or membership), "role": change.role.pk}
    path = reverse("tenants:grant_give", args=[tenant.organization.slug, tenant.slug])
    icon = "users-round" if change.team else "user-plus"
    return Proposal(icon, words, f"{path}?{urlencode(chosen)}" if may_give else "", f"Give {change.role}")


def _team(change: Change, tenant, may_manage: bool) -> Proposal:
    words = f"Put her into team {change.team}, which is {change.role} on {tenant}."
    return Proposal("users-round", words, change.team.get_absolute_url() if may_manage else "", "Open team")


def _account(user, viewer) -> Proposal:
    words = "Reactivate her account, which an administrator of this installation can do."
    url = reverse("admin:users_user_change", args=[user.pk]) if viewer.is_superuser else ""
    return Proposal("power", words, url, "Open account")
