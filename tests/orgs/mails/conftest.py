import socket

import pytest
from aiosmtpd.controller import Controller

from orgs.mails.models import Mail


class Inbox:
    """What a mail server on this machine was handed. `refuses`: address -> answer; `hangs_up`: no more after this."""

    def __init__(self, port):
        self.messages, self.refuses, self.hangs_up = [], {}, None
        self.server = Controller(self, hostname="127.0.0.1", port=port)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == self.hangs_up:
            server.transport.abort()
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 Taken"


@pytest.fixture
def inbox(settings):
    """A real mail server, which is down until `inbox.server.start()`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        inbox = Inbox(probe.getsockname()[1])
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", inbox.server.port, 5
    settings.MAIL_IS_SET_UP = True
    yield inbox
    if inbox.server.loop.is_running():
        inbox.server.stop()


@pytest.fixture
def up(inbox):
    inbox.server.start()
    return inbox


def state(mail) -> tuple:
    row = Mail.objects.get(pk=mail.pk)
    return row.state, row.error, row.attempts
