import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orgs.mails import delivery
from orgs.mails.actions import queue_mail, retry_mail
from orgs.mails.models import LEASE, Mail

from .conftest import state

SECRET = "https://zenpro.example.org/invite/a-token-that-lets-somebody-in/"


@pytest.fixture
def queue(org, settings):
    settings.MAIL_IS_SET_UP = True

    def queue(to="linus@example.org", **changes):
        words = {
            "subject": "Hello from Acme AI",
            "text": f"Open {SECRET}",
            "html": f"<a href='{SECRET}'>Open</a>",
        }
        return queue_mail(organization=org, to=to, **{**words, **changes})

    return queue


def later(minutes):
    """As if so much time had passed for what is queued."""
    for mail in Mail.objects.all():
        mail.next_try_at -= timedelta(minutes=minutes)
        mail.save()


def test_nothing_is_stored_without_a_mail_server(queue, settings, mailoutbox):
    settings.MAIL_IS_SET_UP = False
    assert queue() is None
    assert not Mail.objects.exists()
    assert delivery.deliver_due() == 0 and mailoutbox == []


def test_a_real_server_gets_text_and_html_once_and_the_body_is_wiped(queue, up):
    mail = queue()
    assert delivery.deliver_due() == 1
    assert delivery.deliver_due() == 0
    [(receivers, content)] = up.messages
    assert receivers == ["linus@example.org"]
    assert "Subject: Hello from Acme AI" in content and f"Message-ID: <{mail.pk}@" in content
    assert "text/plain" in content and "text/html" in content
    assert content.replace("=\r\n", "").replace("=3D", "=").count(SECRET) == 2
    assert state(mail) == ("sent", "", 1)
    assert Mail.objects.get().sealed_body == ""


def test_the_body_is_encrypted_while_it_waits(queue):
    queue()
    stored = str(Mail.objects.values().get())
    assert SECRET not in stored and "a-token" not in stored
    assert SECRET in Mail.objects.get().read()["text"]


def test_a_server_that_is_down_and_comes_back_gets_it_once(queue, inbox):
    mail = queue()
    delivery.deliver_due()
    assert state(mail) == ("queued", "The mail server cannot be reached: Connection refused", 1)
    delivery.deliver_due()
    assert state(mail)[2] == 1, "it waits a minute first"
    inbox.server.start()
    later(1)
    delivery.deliver_due()
    assert len(inbox.messages) == 1
    assert state(mail) == ("sent", "", 2)


def test_it_gives_up_after_growing_pauses_and_can_be_tried_again(queue, inbox):
    mail = queue()
    for minutes in (0, 1, 5, 30):
        assert state(mail)[0] == "queued"
        later(minutes)
        assert delivery.deliver_due() == 1
        assert delivery.deliver_due() == 0, "not at once"
    assert state(mail) == ("failed", "The mail server cannot be reached: Connection refused", 4)
    later(600)
    assert delivery.deliver_due() == 0
    inbox.server.start()
    assert retry_mail(Mail.objects.get())
    delivery.deliver_due()
    assert state(mail) == ("sent", "", 1)
    assert len(inbox.messages) == 1
    assert not retry_mail(Mail.objects.get())


def test_a_refused_address_fails_at_once_with_the_words_of_the_server(queue, up):
    up.refuses["nobody@example.org"] = "550 No such person"
    lost, fine = queue("nobody@example.org"), queue("grace@example.org")
    delivery.deliver_due()
    assert state(lost) == ("failed", "The mail server rejected this address: 550 No such person", 1)
    assert state(fine)[0] == "sent"
    assert [receivers for receivers, _ in up.messages] == [["grace@example.org"]]


def test_a_server_that_says_later_is_asked_later(queue, up):
    up.refuses["linus@example.org"] = "451 Come back in a minute"
    mail = queue()
    delivery.deliver_due()
    assert state(mail)[:2] == ("queued", "The mail server rejected this address: 451 Come back in a minute")
    up.refuses.clear()
    later(1)
    delivery.deliver_due()
    assert state(mail)[0] == "sent"


def test_a_server_that_hangs_up_keeps_no_one_else_from_the_mail(queue, up):
    up.hangs_up = "a@example.org"
    lost, fine = queue("a@example.org"), queue("b@example.org")
    delivery.deliver_due()
    delivery.deliver_due()
    assert (state(lost)[0], state(fine)[0]) == ("queued", "sent")


@pytest.mark.parametrize(
    ("error", "words", "ends"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), "user name and password", "queued"),
        (smtplib.SMTPSenderRefused(553, b"not yours", "zenpro@example.org"), "553 not yours", "failed"),
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "closed the connection", "queued"),
        (TimeoutError(), "did not answer", "queued"),
        (ValueError("odd"), "could not be sent: odd", "queued"),
    ],
)
def test_every_failure_has_words(queue, monkeypatch, error, words, ends):
    def fail(self):
        raise error

    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", fail)
    mail = queue()
    delivery.deliver_due()
    assert words in state(mail)[1] and state(mail)[0] == ends


def test_a_lost_key_is_a_reason(queue, settings):
    mail = queue()
    settings.ZENPRO_SECRET_KEYS = ["b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="]
    delivery.deliver_due()
    assert state(mail)[:2] == (
        "failed",
        "The email could not be sent: Stored secrets cannot be read with the configured keys.",
    )


def test_line_breaks_in_a_subject_make_no_header(queue, up):
    queue(subject="Acme\r\nBcc: everybody@example.org")
    delivery.deliver_due()
    [(receivers, content)] = up.messages
    assert receivers == ["linus@example.org"]
    assert "\nBcc:" not in content.partition("\r\n\r\n")[0]


class Killed(BaseException):
    """kill -9: nothing of ours runs after it."""


def test_killed_before_sending_it_goes_out_once(queue, up, monkeypatch):
    mail = queue()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(delivery, "_send", dies)
        delivery.deliver_due()
    assert delivery.deliver_due() == 0, "its lease still runs"
    later(LEASE.total_seconds() / 60)
    delivery.deliver_due()
    assert len(up.messages) == 1 and state(mail)[0] == "sent"


def test_killed_between_sending_and_noting_there_is_one_double(queue, up, monkeypatch):
    mail = queue()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(delivery, "_note", dies)
        delivery.deliver_due()
    for _ in range(3):
        later(LEASE.total_seconds() / 60)
        delivery.deliver_due()
    assert len(up.messages) == 2 and state(mail)[0] == "sent"
    assert len({content.partition("Message-ID: ")[2].split()[0] for _, content in up.messages}) == 1


def dies(*args):
    raise Killed


@pytest.mark.django_db(transaction=True)
def test_two_agents_send_each_mail_once(queue, up):
    mails = [queue(f"p{number}@example.org") for number in range(8)]

    def agent(_):
        try:
            return delivery.deliver_due()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(agent, range(2))) == len(mails)
    assert sorted(receivers[0] for receivers, _ in up.messages) == sorted(mail.to for mail in mails)


def test_a_cancelled_mail_is_not_sent_and_is_forgotten(queue, up):
    queue()
    assert Mail.objects.cancel() == 1
    assert delivery.deliver_due() == 0
    assert (Mail.objects.get().state, Mail.objects.get().sealed_body) == ("cancelled", "")


def test_a_mail_cancelled_while_it_is_sent_stays_cancelled(queue, up, monkeypatch):
    queue()
    real = delivery._send

    def send(mail, to):
        Mail.objects.cancel()
        return real(mail, to)

    monkeypatch.setattr(delivery, "_send", send)
    delivery.deliver_due()
    assert Mail.objects.get().state == "cancelled"


def test_tidy_gives_up_forgets_and_deletes(queue):
    late, old, fresh = queue("a@example.org"), queue("b@example.org"), queue("c@example.org")
    Mail.objects.filter(pk=late.pk).update(expires_at=timezone.now())
    Mail.objects.filter(pk=old.pk).update(state="failed", settled_at=timezone.now() - timedelta(days=90))
    Mail.objects.tidy()
    assert (state(late)[0], Mail.objects.get(pk=late.pk).sealed_body) == ("failed", "")
    assert not Mail.objects.filter(pk=old.pk).exists()
    assert Mail.objects.get(pk=fresh.pk).sealed_body
    assert not retry_mail(Mail.objects.get(pk=late.pk)), "there is nothing left to send"


def test_no_secret_is_logged(queue, up, caplog, capsys):
    up.refuses["linus@example.org"] = "550 No"
    queue()
    delivery.deliver_due()
    said = capsys.readouterr()
    assert "a-token" not in caplog.text + said.out + said.err


def test_the_loop_survives_whatever_happens(monkeypatch):
    stop, asked = threading.Event(), []

    def fails(may_send):
        asked.append(1)
        if len(asked) == 2:
            stop.set()
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(delivery, "deliver_due", fails)
    monkeypatch.setattr(delivery, "close_old_connections", lambda: None)
    delivery.run_forever(stop, interval=0)
    assert len(asked) == 2
