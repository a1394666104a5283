"""API keys that expire, of people and of service accounts, are announced a week before, once.

The emails and the mark on the key are written in one transaction, and the outbox sends what is in it: a kill at any
moment neither loses an announcement nor makes a second one.
"""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from orgs.access.gate import people_who_can
from orgs.mails.actions import queue_mail
from orgs.models import Membership
from orgs.permissions import Permission
from tenants.credentials.models import ApiKey

NOTICE = timedelta(days=7)


def announce_keys() -> int:
    """Queue emails about keys that expire within a week. Returns for how many keys.

    A person's go to that person, a service account's to the Admins of its organization. Without a mail server no one
    is told, and nothing is marked: pages show the dates.
    """
    if not settings.MAIL_IS_SET_UP:
        return 0
    due = ApiKey.objects.ending_within(NOTICE).filter(announced_at=None)
    return sum(_announce(key) for key in due.values_list("pk", flat=True))


@transaction.atomic
def _announce(pk) -> bool:
    rows = ApiKey.objects.ending_within(NOTICE).filter(pk=pk, announced_at=None)
    key = (
        rows.select_for_update(of=("self",))
        .select_related("user", "organization", "tenant__organization")
        .first()
    )
    if key is None:
        return False
    membership = _membership(key)
    if membership:
        for person in _readers(key, membership):
            _mail(key, membership, person)
    ApiKey.objects.filter(pk=pk).update(announced_at=timezone.now())
    return True


def _membership(key: ApiKey) -> Membership | None:
    """In the organization the email is about: the one the key is bound to, else the first of its account."""
    bound = key.organization or (key.tenant and key.tenant.organization)
    memberships = key.user.memberships.select_related("organization", "user").order_by("created_at")
    return (memberships.filter(organization=bound) if bound else memberships).first()


def _readers(key: ApiKey, membership: Membership):
    if not key.user.is_service_account:
        return [key.user]
    organization = membership.organization
    members = people_who_can(Permission.MEMBER_MANAGE, organization).filter(is_service_account=False)
    here = get_user_model().objects.filter(memberships__organization=organization)
    return members.filter(pk__in=here.values("pk")).order_by("email")


def _mail(key: ApiKey, membership: Membership, person) -> None:
    is_robot, organization = key.user.is_service_account, membership.organization
    link = reverse("control_plane:token_list")
    if is_robot:
        link = reverse("control_plane:account_detail", args=[organization.slug, membership.pk])
    context = {
        "key": key,
        "account": key.user if is_robot else None,
        "organization": organization,
        "link": settings.ZENPRO_URL + link,
    }
    day = f"{timezone.localtime(key.expires_at):%-d %B}"
    whose = f"The key {key} of {key.user}" if is_robot else f"Your key {key}"
    queue_mail(
        organization=organization,
        to=person.email,
        subject=f"{whose} ({organization}) expires {day}",
        text=render_to_string("emails/key_ends.txt", context),
        html=render_to_string("emails/key_ends.html", context),
        expires_at=key.expires_at,
    )
