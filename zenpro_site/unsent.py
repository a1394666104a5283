"""Where mails go without a mail server: nowhere. Their links let someone in, so they are not written into a log."""

import structlog
from django.core.mail.backends.base import BaseEmailBackend

log = structlog.get_logger("zenpro.mail")


class Backend(BaseEmailBackend):
    def send_messages(self, email_messages) -> int:
        for message in email_messages:
            log.warning(
                "A mail was not sent: EMAIL_URL names no mail server. `zenpro sign_in_link ADDRESS` lets someone in.",
                subject=message.subject,
            )
        return 0
