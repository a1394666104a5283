"""No mailbox is filled from here: limits for one address, and for one organization."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from factories import make_member, make_org, make_user

from orgs.invitations import actions
from orgs.invitations.actions import ENOUGH, MAILS_AN_HOUR, Offer, Sending
from orgs.invitations.models import Invitation
from orgs.mails.models import Mail
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.MAIL_IS_SET_UP = True
    cache.clear()


def invite(org, person, address="grace@example.org"):
    [result] = actions.invite(
        organization=org, addresses=[address], offer=Offer(org.roles.get(slug="member")), by=Actor(person)
    )
    return result


def test_revoking_and_inviting_again_ends_after_a_few_mails(org, owner):
    for _ in range(MAILS_AN_HOUR):
        result = invite(org, owner)
        assert result.outcome == Sending.SENT
        actions.revoke(invitation=result.invitation, by=Actor(owner))
    result = invite(org, owner)
    assert (result.outcome, result.note) == (Sending.LEFT_OUT, ENOUGH)
    assert Mail.objects.filter(to="grace@example.org").count() == MAILS_AN_HOUR
    assert invite(org, owner, "linus@example.org").outcome == Sending.SENT
    other = make_org("Other")
    assert invite(other, make_member(other, "admin")).outcome == Sending.LEFT_OUT
    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert invite(org, owner).outcome == Sending.SENT


def test_new_links_count_as_well(org, owner):
    invitation = invite(org, owner).invitation
    for number in range(MAILS_AN_HOUR):
        Invitation.objects.update(sent_at=timezone.now() - timedelta(minutes=2))
        invitation.refresh_from_db()
        if number < MAILS_AN_HOUR - 1:
            actions.renew(invitation=invitation, by=Actor(owner))
    with pytest.raises(Refused, match="Try again later"):
        actions.renew(invitation=invitation, by=Actor(owner))


def test_an_organization_invites_only_so_many_an_hour(org, owner, monkeypatch):
    monkeypatch.setattr(actions, "INVITATIONS_AN_HOUR", 3)
    offer = Offer(org.roles.get(slug="member"))
    with pytest.raises(Refused, match="3 addresses an hour"):
        actions.invite(
            organization=org, addresses=[f"{n}@example.org" for n in range(4)], offer=offer, by=Actor(owner)
        )
    assert not org.invitations.exists()
    for number in range(3):
        revoked = invite(org, owner, f"{number}@example.org").invitation
        actions.revoke(invitation=revoked, by=Actor(owner))
    with pytest.raises(Refused):
        invite(org, owner, "x@example.org")


def test_without_a_mail_server_nothing_is_mailed_and_links_are_made(org, owner, settings):
    settings.MAIL_IS_SET_UP = False
    for _ in range(MAILS_AN_HOUR + 1):
        result = invite(org, owner)
        assert result.outcome == Sending.SENT
        actions.revoke(invitation=result.invitation, by=Actor(owner))


def test_reset_mails_to_one_address(db):
    """From anywhere, with any Host, in any spelling."""
    make_user("ada@xn--bcher-kva.example")
    spellings = [
        "ada@bücher.example",
        "ADA@xn--bcher-kva.example",
        "ada@BÜCHER.example",
        "ada@bu\u0308cher.example",
    ]
    answers = []
    for number in range(8):
        client = Client(REMOTE_ADDR=f"192.0.2.{number}", HTTP_HOST=f"127.0.0.1:{number + 1}")
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        answers.append(
            client.post("/accounts/password/reset/", {"email": spellings[number % 4]}, headers=headers)
        )
    assert len(mail.outbox) == 5
    assert {tuple(one.to) for one in mail.outbox} == {("ada@xn--bcher-kva.example",)}
    assert [answer.status_code for answer in answers] == [302] * 5 + [429] * 3
    assert "minutes" in answers[-1].content.decode()


def test_forged_addresses_are_no_fresh_start_either(db):
    answers = []
    for number in range(12):
        client = Client(REMOTE_ADDR="192.0.2.1")
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-Ip": f"203.0.113.{number}"}
        wrong = {"login": f"person{number}@example.org", "password": "guessed"}
        answers.append(client.post("/accounts/login/", wrong, headers=headers).status_code)
    assert answers == [200] * 10 + [429] * 2
