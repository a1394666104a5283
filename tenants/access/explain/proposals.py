"""What is missing for a right, as sentences with a link to where it can be done."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from orgs.access.gate import permissions_of
from orgs.permissions import Permission
from tenants.access.explain.reasons import Explanation, Remedy
from tenants.access.gate import tenant_permissions_of
from tenants.access.holder_fields import holder_value
from tenants.models.tenant_permissions import TenantPermission


@dataclass(frozen=True)
class Proposal:
    """A change in words. `url` is empty for viewers who can't make it."""

    icon: str
    words: str
    url: str
    button: str


def proposals(told: Explanation, membership, viewer) -> tuple[list[Proposal], list[Proposal]]:
    """(what has to be done first, of which then one is enough), linked where the viewer can make the change."""
    tenant = told.question.tenant
    rights = permissions_of(viewer, tenant.organization)
    may_give = TenantPermission.ACCESS in tenant_permissions_of(viewer, tenant, rights)

    def put(change: Remedy) -> Proposal:
        if change.kind in ("role", "team_role"):
            return _role(change, tenant, membership, may_give)
        if change.kind == "team":
            return _team(change, tenant, membership, Permission.TEAM_MANAGE in rights)
        return _account(told.question.user, viewer)

    return [put(change) for change in told.first if change.kind != "join"], [put(way) for way in told.ways]


def _role(change: Remedy, tenant, membership, may_give: bool) -> Proposal:
    whom = f"team {change.team}" if change.team else membership.user
    words = f"Give {whom} the {change.role} role on {tenant}."
    if change.team:
        words += " Everyone in the team gets it."
    chosen = {"holder": holder_value(change.team or membership), "role": change.role.pk}
    path = reverse("tenants:grant_give", args=[tenant.organization.slug, tenant.slug])
    icon = "users-round" if change.team else "user-plus"
    return Proposal(icon, words, f"{path}?{urlencode(chosen)}" if may_give else "", f"Assign {change.role}")


def _team(change: Remedy, tenant, membership, may_manage: bool) -> Proposal:
    words = f"Add {membership.user} to team {change.team}, which has the {change.role} role on {tenant}."
    return Proposal("users-round", words, change.team.get_absolute_url() if may_manage else "", "Open team")


def _account(user, viewer) -> Proposal:
    words = f"Reactivate the account of {user}. An administrator of this installation can do that."
    url = reverse("admin:users_user_change", args=[user.pk]) if viewer.is_superuser else ""
    return Proposal("power", words, url, "Open account")
