"""Mail with the link of an invitation. A mail server that fails is told on the row, never to the request."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string
from django.urls import reverse

from .models import Invitation

log = logging.getLogger("zenpro.mail")


def link_of(token: str) -> str:
    """Full address of the page that accepts. Made from ZENPRO_URL: a forged Host header never gets into a mail."""
    return settings.ZENPRO_URL + reverse("invitations:accept", args=[token])


def deliver(invitations: list[tuple[Invitation, str]]) -> None:
    """Send each invitation with its token (pairs) over one connection and note how that went. Never raises."""
    connection = get_connection()
    broken = _attempt(connection.open)
    for invitation, token in invitations:
        error = broken or _attempt(_message(invitation, token, connection).send)
        broken = broken or (error if _hung_up(error) else None)
        _note(invitation, error)
    _attempt(connection.close)


def _attempt(step) -> Exception | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001  each mail backend has exceptions of its own
        log.warning("mail was not sent: %s", error)
        return error
    return None


def _hung_up(error: Exception | None) -> bool:
    """The server will not take the rest either, and every further try could wait for the timeout."""
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError)


def _note(invitation: Invitation, error: Exception | None) -> None:
    state = Invitation.Delivery.SENT if settings.MAIL_IS_SET_UP else Invitation.Delivery.NONE
    invitation.delivery = Invitation.Delivery.FAILED if error else state
    invitation.delivery_error = _explain(error)[:300] if error else ""
    # Only while the token is the one that was mailed: a newer link has a delivery of its own.
    Invitation.objects.filter(pk=invitation.pk, token_hash=invitation.token_hash).update(
        delivery=invitation.delivery, delivery_error=invitation.delivery_error
    )


def _explain(error: Exception) -> str:
    """The reason in words an Admin understands."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {_text(said)}" for code, said in error.recipients.values()]
        return f"The mail server refuses this address: {'; '.join(answers)}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server does not accept our user name and password."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"The mail server refuses the mail: {error.smtp_code} {_text(error.smtp_error)}"
    if isinstance(error, TimeoutError):
        return f"The mail server did not answer within {settings.EMAIL_TIMEOUT} s."
    if isinstance(error, OSError):
        return f"The mail server cannot be reached: {error.strerror or error}"
    return f"The mail could not be sent: {error}"


def _text(said) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _message(invitation: Invitation, token: str, connection) -> EmailMultiAlternatives:
    context = {
        "invitation": invitation,
        "organization": invitation.organization,
        "inviter": invitation.invited_by,
        "role": invitation.organization.roles.organization_level().filter(slug=invitation.role).first(),
        "teams": invitation.teams.all(),
        "tenant_grants": invitation.tenant_grants.select_related("tenant", "role"),
        "link": link_of(token),
    }
    subject = f"{invitation.invited_by} invites you to {invitation.organization}"
    message = EmailMultiAlternatives(
        " ".join(subject.split()),  # a line break would begin another header
        render_to_string("emails/invitation.txt", context),
        to=[invitation.email],
        connection=connection,
    )
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    return message
