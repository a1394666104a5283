import smtplib
import socket

import pytest
from aiosmtpd.controller import Controller

from orgs.invitations import mail
from orgs.invitations.models import Invitation


class Inbox:
    """What a mail server on this machine was handed. `refuses`: address -> answer; `hangs_up`: no more after this."""

    def __init__(self):
        self.messages, self.refuses, self.hangs_up = [], {}, None

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def inbox(settings):
    inbox, port = Inbox(), free_port()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.MAIL_IS_SET_UP = True
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield inbox
    server.stop()


def state(result):
    row = Invitation.objects.get(pk=result.invitation.pk)
    return row.delivery, row.delivery_error


def test_a_real_mail_server_gets_text_and_html_with_the_link(full, inbox, settings):
    mail.deliver([(full.invitation, full.token)])
    [(receivers, content)] = inbox.messages
    assert receivers == ["linus@example.org"]
    assert "Subject: Ada Okafor invites you to Acme AI" in content
    assert "text/plain" in content and "text/html" in content
    link = f"{settings.ZENPRO_URL}/invite/{full.token}/"
    plain = content.replace("=\r\n", "").replace("=3D", "=")
    assert plain.count(link) == 4  # text, button, address and its text
    assert "Team risk-ml" in plain and "Operator on the tenant production" in plain
    assert state(full) == ("sent", "")


def test_a_refused_address_does_not_stop_the_others(send, inbox):
    inbox.refuses["nobody@example.org"] = "550 No such person"
    results = [send("nobody@example.org"), send("grace@example.org")]
    mail.deliver([(result.invitation, result.token) for result in results])
    assert state(results[0]) == ("failed", "The mail server refuses this address: 550 No such person")
    assert state(results[1]) == ("sent", "")
    assert [receivers for receivers, _ in inbox.messages] == [["grace@example.org"]]


def test_a_server_that_hangs_up_is_not_tried_again(send, inbox):
    inbox.hangs_up = "a@example.org"
    results = [send("a@example.org"), send("b@example.org")]
    mail.deliver([(result.invitation, result.token) for result in results])
    assert [state(result)[0] for result in results] == ["failed", "failed"]
    assert inbox.messages == []


def test_no_server_is_a_reason_on_the_row(send, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    result = send()
    mail.deliver([(result.invitation, result.token)])
    assert state(result) == ("failed", "The mail server cannot be reached: Connection refused")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), "user name and password"),
        (smtplib.SMTPSenderRefused(553, b"not yours", "zenpro@example.org"), "553 not yours"),
        (TimeoutError(), "did not answer"),
        (ValueError("odd"), "could not be sent: odd"),
    ],
)
def test_every_failure_has_words(send, monkeypatch, error, words):
    def fail(self):
        raise error

    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", fail)
    result = send()
    mail.deliver([(result.invitation, result.token)])
    assert words in state(result)[1]


def test_line_breaks_in_names_make_no_header(org, owner, full, inbox):
    org.name = "Acme\r\nBcc: everybody@example.org"
    org.save()
    full.invitation.organization = org
    mail.deliver([(full.invitation, full.token)])
    [(receivers, content)] = inbox.messages
    assert receivers == ["linus@example.org"]
    assert "\nBcc:" not in content.partition("\r\n\r\n")[0]


def test_an_older_delivery_does_not_touch_a_newer_link(send, mailoutbox):
    result = send()
    Invitation.objects.update(token_hash="0" * 64, delivery="failed")
    mail.deliver([(result.invitation, result.token)])
    assert state(result)[0] == "failed"


def test_without_a_mail_server_it_goes_to_the_console_and_the_row_says_no_mail(send, mailoutbox, settings):
    settings.MAIL_IS_SET_UP = False
    result = send()
    mail.deliver([(result.invitation, result.token)])
    assert len(mailoutbox) == 1
    assert state(result) == ("none", "")
