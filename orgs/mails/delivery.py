"""What the agent does with the outbox: level-triggered, so a kill at any moment loses nothing.

A mail is taken by moving its next attempt past LEASE. Whoever dies with it lets the lease run out and the mail goes
out again: at least once, and twice only when the end came between the server's "taken" and our note of it. Both
copies carry the same Message-ID then.
"""

import smtplib
import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import close_old_connections
from django.db.models import F
from django.utils import timezone

from zenpro_site.common.sealing import SecretsUnreadable

from .models import LEASE, PAUSES, Mail

AT_ONCE = 100
log = structlog.get_logger("zenpro.mail")


def deliver_due(may_send: Callable[[Mail], bool] = lambda mail: True) -> int:
    """Send what is due over one connection and note on each row how that went. Returns how many were tried.

    `may_send` is asked before each try, by whoever knows what the mail is about; what it refuses is not sent any more.
    """
    if not settings.MAIL_IS_SET_UP or not Mail.objects.due().exists():
        return 0
    connection, tried = get_connection(), 0
    broken = _attempt(connection.open)
    for mail in Mail.objects.due()[:AT_ONCE]:
        if not _take(mail):
            continue
        if not may_send(mail):
            Mail.objects.filter(pk=mail.pk).cancel()
            continue
        error = broken or _send(mail, connection)
        _note(mail, error)
        tried += 1
        if not broken and _hung_up(error):
            break  # the others get a connection of their own, at once
    _attempt(connection.close)
    return tried


def _take(mail: Mail) -> bool:
    """One conditional UPDATE: of two agents exactly one gets the mail."""
    seen = Mail.objects.due().filter(pk=mail.pk, attempts=mail.attempts).order_by()
    taken = seen.update(attempts=F("attempts") + 1, next_try_at=timezone.now() + LEASE)
    mail.attempts += 1
    return bool(taken)


def _send(mail: Mail, connection) -> Exception | None:
    try:
        message = _message(mail, connection)
    except SecretsUnreadable as error:
        return error
    return _attempt(message.send)


def _message(mail: Mail, connection) -> EmailMultiAlternatives:
    body = mail.read()
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("<> ") or "localhost"
    headers = {"Message-ID": f"<{mail.pk}@{domain}>", "Date": formatdate(mail.created_at.timestamp())}
    message = EmailMultiAlternatives(
        mail.subject, body["text"], to=[mail.to], headers=headers, connection=connection
    )
    if body["html"]:
        message.attach_alternative(body["html"], "text/html")
    return message


def _attempt(step) -> Exception | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001  each mail backend has exceptions of its own
        return error
    return None


def _hung_up(error: Exception | None) -> bool:
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError)


def _note(mail: Mail, error: Exception | None) -> None:
    """How the attempt went; a mail that was cancelled meanwhile stays as it is."""
    now = timezone.now()
    ours = Mail.objects.filter(pk=mail.pk, state=Mail.State.QUEUED, attempts=mail.attempts)
    if error is None:
        ours.update(state=Mail.State.SENT, error="", sealed_body="", settled_at=now)
        return
    reason = explain(error)[:300]
    log.warning("mail was not sent", mail=str(mail.pk), attempt=mail.attempts, kind=type(error).__name__)
    if _is_final(error) or mail.attempts > len(PAUSES):
        ours.update(state=Mail.State.FAILED, error=reason, settled_at=now)
    else:
        ours.update(error=reason, next_try_at=now + PAUSES[mail.attempts - 1])


def _is_final(error: Exception) -> bool:
    """The same mail would be refused for the same reason later. Passwords get corrected, so they are not final."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return False
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= 500
    return isinstance(error, SecretsUnreadable)


def explain(error: Exception) -> str:
    """The reason in words an Admin understands."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {_text(said)}" for code, said in error.recipients.values()]
        return f"The mail server rejected this address: {'; '.join(answers)}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server rejected our user name and password."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"The mail server rejected the email: {error.smtp_code} {_text(error.smtp_error)}"
    if isinstance(error, TimeoutError):
        return f"The mail server did not answer within {settings.EMAIL_TIMEOUT} s."
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "The mail server closed the connection."
    if isinstance(error, OSError):
        return f"The mail server cannot be reached: {error.strerror or error}"
    return f"The email could not be sent: {error}"


def _text(said) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def run_forever(
    stop: threading.Event, interval: float = 2, may_send: Callable[[Mail], bool] = lambda mail: True
) -> None:
    """Send what is due until told to stop; once a minute, forget what is of no use any more. Never raises."""
    tidied = 0.0
    while not stop.is_set():
        close_old_connections()
        try:
            deliver_due(may_send)
            if time.monotonic() > tidied + 60:
                Mail.objects.tidy()
                tidied = time.monotonic()
        except Exception:
            log.exception("mails were not looked at")
        stop.wait(interval)
