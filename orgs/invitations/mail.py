"""The mail with the link of an invitation."""

from django.template.loader import render_to_string
from django.urls import reverse

from orgs.mails.actions import queue_mail
from orgs.mails.models import Mail
from zenpro_site.common.addresses import full

from .models import Invitation


def link_of(token: str) -> str:
    """Full address of the page that accepts. Made from ZENPRO_URL: a forged Host header never gets into a mail."""
    return full(reverse("invitations:accept", args=[token]))


def queue(invitation: Invitation, token: str, offer) -> Mail | None:
    """Put the mail of a saved invitation into the outbox; None without a mail server. `offer`: what it promises."""
    context = {
        "invitation": invitation,
        "organization": invitation.organization,
        "inviter": invitation.invited_by,
        "role": offer.role,
        "teams": offer.teams,
        "tenant_roles": offer.tenant_roles,
        "link": link_of(token),
    }
    return queue_mail(
        organization=invitation.organization,
        to=invitation.email,
        subject=f"{invitation.invited_by} invites you to {invitation.organization}",
        text=render_to_string("emails/invitation.txt", context),
        html=render_to_string("emails/invitation.html", context),
        expires_at=invitation.expires_at,
    )
