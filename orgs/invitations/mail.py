"""The mail with the link of an invitation."""

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from orgs.mails.actions import queue_mail
from orgs.mails.models import Mail
from zenpro_site.common.addresses import full

from .models import Invitation


def link_of(token: str) -> str:
    """Full address of the page that accepts. Made from ZENPRO_URL: a forged Host header never gets into a mail."""
    return full(reverse("invitations:accept", args=[token]))


def queue(invitation: Invitation, link: str, offer) -> Mail | None:
    """Put the mail of an invitation into the outbox; None, and nothing is written, without a mail server.

    `offer`: what it promises.
    """
    if not settings.MAIL_IS_SET_UP:
        return None
    inviter, organization = str(invitation.invited_by), invitation.organization.name
    context = {
        "invitation": invitation,
        "organization": organization,
        "inviter": inviter,
        "role": offer.role,
        "teams": [team.label for team in offer.teams],
        "tenant_roles": [(place.name, role.name) for place, role in offer.tenant_roles],
        "link": link,
    }
    return queue_mail(
        organization=invitation.organization,
        to=invitation.email,
        subject=f"{inviter} invites you to {organization}",
        text=render_to_string("emails/invitation.txt", context),
        html=render_to_string("emails/invitation.html", context),
        expires_at=invitation.expires_at,
    )
