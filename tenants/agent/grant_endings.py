"""Roles that expire: announced a week before, removed once they have expired.

Both start from the rows alone. The emails and the mark on the grant are written in one transaction, and the outbox
sends what is in it, so a kill at any moment neither loses an announcement nor makes a second one.
"""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from orgs.access.gate import people_who_can
from orgs.mails.actions import queue_mail
from orgs.permissions import Permission
from tenants.access import actions as grant_actions
from tenants.models import Tenant, TenantGrant

MANAGE_ACCESS = frozenset({"tenant:manage_access"})
NAMED = 3  # Admins whom the email names


def end_expired_grants() -> int:
    """Remove expired grants, one audit row each. Returns how many."""
    expired = TenantGrant.objects.filter(expires_at__lte=timezone.now()).order_by("expires_at")
    return sum(grant_actions.end_grant(grant=grant) for grant in expired)


def announce_endings() -> int:
    """Queue emails about roles that expire within a week, once each. Returns for how many roles.

    Without a mail server no one is told, and nothing is marked: pages show the dates.
    """
    if not settings.MAIL_IS_SET_UP:
        return 0
    due = TenantGrant.objects.ending_soon().filter(announced_at=None)
    tenants = Tenant.objects.live().filter(pk__in=due.order_by().values("tenant"))
    return sum(_announce(tenant) for tenant in tenants.select_related("organization"))


@transaction.atomic
def _announce(tenant: Tenant) -> int:
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    due = tenant.grants.ending_soon().filter(announced_at=None).order_by("expires_at")
    grants = list(due.select_related("role", "team", "membership__user"))
    admins = list(_admins(tenant))
    for grant in grants:
        for person in _holders(grant):
            _mail(tenant, person, "role_ends", [grant], admins)
    for person in admins:
        _mail(tenant, person, "roles_end", grants, admins)
    tenant.grants.filter(pk__in=[grant.pk for grant in grants]).update(announced_at=timezone.now())
    return len(grants)


def _readers():
    return get_user_model().objects.filter(is_active=True, is_service_account=False)


def _holders(grant: TenantGrant):
    """People who lose the role."""
    if grant.team_id:
        return _readers().filter(groups=grant.team_id).order_by("email")
    return _readers().filter(memberships=grant.membership_id)


def _admins(tenant: Tenant):
    """Whoever manages the tenant's members: by a role on it, or by one in the organization."""
    grants = tenant.grants.valid().giving(MANAGE_ACCESS).order_by()
    everywhere = people_who_can(Permission.TENANT_MANAGE_ALL, tenant.organization)
    members = tenant.organization.memberships.filter(user__in=everywhere.values("pk"))
    by_role = Q(memberships__in=grants.values("membership")) | Q(groups__in=grants.values("team"))
    found = _readers().filter(by_role | Q(memberships__in=members.values("pk")))
    return found.distinct().order_by("name", "email")


def _mail(tenant: Tenant, person, name: str, grants: list[TenantGrant], admins: list) -> None:
    page = "members" if name == "roles_end" else "overview"
    link = reverse(f"tenants:{page}", args=[tenant.organization.slug, tenant.slug])
    context = {
        "tenant": tenant,
        "organization": tenant.organization,
        "grants": grants,
        "grant": grants[0],
        "admins": [admin for admin in admins if admin != person][:NAMED],
        "link": settings.ZENPRO_URL + link,
    }
    queue_mail(
        organization=tenant.organization,
        to=person.email,
        subject=_subject(name, tenant, grants),
        text=render_to_string(f"emails/{name}.txt", context),
        html=render_to_string(f"emails/{name}.html", context),
        expires_at=max(grant.expires_at for grant in grants),
    )


def _subject(name: str, tenant: Tenant, grants: list[TenantGrant]) -> str:
    if name == "roles_end":
        count = "1 role expires" if len(grants) == 1 else f"{len(grants)} roles expire"
        return f"{count} soon on {tenant} ({tenant.organization})"
    day = timezone.localtime(grants[0].expires_at)
    return f"Your role {grants[0].role} on {tenant} ({tenant.organization}) expires {day:%-d %B}"
