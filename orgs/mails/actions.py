"""Put mails into the outbox. The agent takes them out (delivery.py)."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from orgs.models import Organization
from zenpro_site.common.names import without_odd

from .models import Mail, in_a_week


def queue_mail(
    *,
    organization: Organization,
    to: str,
    subject: str,
    text: str,
    html: str = "",
    expires_at: datetime | None = None,
) -> Mail | None:
    """Put one mail into the outbox; the agent sends it seconds after the commit, and again when that fails.

    Call it inside the transaction of the change the mail tells of: either both happen or neither. `subject` should
    name the organization; it is stored in clear, so no token in it. `text` and `html` are stored encrypted until
    the mail was sent. `expires_at`: when it is of no use any more (a week from now). Returns the row, whose `state`
    and `error` pages can show, or None when no mail server is set up: then nothing is stored.
    """
    if not settings.MAIL_IS_SET_UP:
        return None
    one_line = " ".join(without_odd(subject).split())[:250]  # a line break would begin another header
    mail = Mail(organization=organization, to=to, subject=one_line, expires_at=expires_at or in_a_week())
    mail.write(without_odd(text), without_odd(html))
    mail.save()
    return mail


def retry_mail(mail: Mail) -> bool:
    """Queue a failed mail once more, from the first attempt on. False when it cannot be sent any more."""
    if not mail.can_be_retried:
        return False
    failed = Mail.objects.failed().filter(pk=mail.pk).exclude(sealed_body="")
    fresh = {"state": Mail.State.QUEUED, "attempts": 0, "next_try_at": timezone.now(), "settled_at": None}
    return bool(failed.update(**fresh))
