"""The mail of an invitation: what is in it, and what becomes of it while the invitation lives."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_member, tenant_role

from orgs.audit.models import AuditEvent
from orgs.invitations import actions
from orgs.invitations.models import Invitation
from orgs.mails.delivery import deliver_due
from orgs.mails.models import Mail
from orgs.members.actions import remove_member
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused

from .test_actions import accept_new, rest


@pytest.fixture(autouse=True)
def mail_server(db, settings):
    settings.MAIL_IS_SET_UP = True


def row(result) -> Invitation:
    return Invitation.objects.select_related("mail").get(pk=result.invitation.pk)


def bodies() -> list[str]:
    return list(Mail.objects.values_list("sealed_body", flat=True))


def fail(result, **fields):
    Mail.objects.filter(invitation=result.invitation).update(state="failed", error="550 no", **fields)


def test_text_and_html_say_who_what_and_where(send, org, team, tenant, mailoutbox, settings):
    result = send(teams=[team], tenant_roles=[(tenant, tenant_role(org, "operator"))])
    assert mailoutbox == [] and row(result).delivery == "queued"
    deliver_due()
    [message] = mailoutbox
    [(html, _)] = message.alternatives
    link = f"{settings.ZENPRO_URL}/invite/{result.token}/"
    assert message.subject == "Ada Okafor invites you to Acme AI"
    assert message.body.count(link) == 1 and html.count(link) == 3  # button, address and its text
    for words in ("Team", "risk-ml", "Operator", "on the tenant production"):
        assert words in message.body and words in html
    assert row(result).delivery == "sent"
    assert bodies() == [""], "the token is not kept once it is under way"


def test_without_a_mail_server_nothing_is_queued(send, settings):
    settings.MAIL_IS_SET_UP = False
    result = send()
    assert result.link and row(result).delivery == "none" and not Mail.objects.exists()


@pytest.mark.parametrize("end", ["accept", "revoke", "renew"])
def test_the_mail_of_a_dead_link_is_not_sent(send, owner, mailoutbox, end):
    result = send()
    if end == "accept":
        accept_new(result)
    elif end == "revoke":
        actions.revoke(invitation=result.invitation, by=Actor(owner))
    else:
        rest(result)
        again = actions.renew(invitation=result.invitation, by=Actor(owner))
    deliver_due()
    assert [again.token in message.body for message in mailoutbox] == ([True] if end == "renew" else [])
    assert bodies() == [""] * len(bodies())


def test_a_failed_mail_of_an_accepted_invitation_is_forgotten(send):
    result = send()
    fail(result)
    accept_new(result)
    assert bodies() == [""]


def test_retry_is_refused_for_what_is_not_failed_or_dead(send, org, owner, mailoutbox):
    second = make_member(org, "admin")
    waiting, expired, dead = (
        send("a@example.org"),
        send("b@example.org"),
        send("c@example.org", by=Actor(second)),
    )
    for result in (expired, dead):
        fail(result)
    Invitation.objects.filter(pk=expired.invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    remove_member(membership=second.membership, by=Actor(owner))
    for result, words in ((waiting, "sent again"), (expired, "no longer works"), (dead, "no longer works")):
        with pytest.raises(Refused, match=words):
            actions.retry_delivery(invitation=row(result), by=Actor(owner))
    assert set(Mail.objects.values_list("state", flat=True)) == {"queued", "failed"}
    assert not AuditEvent.objects.filter(action="invitation.mail_retried").exists()


def test_retry_sends_the_same_link(send, owner, mailoutbox):
    result = send()
    fail(result)
    actions.retry_delivery(invitation=row(result), by=Actor(owner))
    deliver_due()
    assert result.token in mailoutbox[0].body
    assert row(result).state == "invited"
    assert AuditEvent.objects.get(action="invitation.mail_retried").before == {"error": "550 no"}


def test_after_an_outage_all_failed_mails_go_out_but_those_of_dead_links(
    send, org, owner, as_user, mailoutbox
):
    second = make_member(org, "admin")
    fine = [send("a@example.org"), send("b@example.org")]
    expired, dead, sent = (
        send("c@example.org"),
        send("d@example.org", by=Actor(second)),
        send("e@example.org"),
    )
    for result in (*fine, expired, dead):
        fail(result)
    Mail.objects.filter(invitation=sent.invitation).update(state="sent")
    Invitation.objects.filter(pk=expired.invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    remove_member(membership=second.membership, by=Actor(owner))
    client, address = as_user(owner), reverse("invitations:list", args=[org.slug])
    assert "3 emails could not be delivered" in client.get(address).content.decode()
    again = reverse("invitations:retry_all", args=[org.slug])
    assert "2 emails will be sent again" in client.post(again, follow=True).content.decode()
    deliver_due()
    assert sorted(message.to[0] for message in mailoutbox) == ["a@example.org", "b@example.org"]
    assert AuditEvent.objects.filter(action="invitation.mail_retried").count() == 2
    assert "No emails can be sent again" in client.post(again, follow=True).content.decode()


def test_nothing_is_queued_when_the_invitation_is_not_made(send, org, owner, monkeypatch):
    def breaks(*args, **kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr(actions, "_record", breaks)
    with pytest.raises(RuntimeError):
        send()
    assert not Mail.objects.exists() and not Invitation.objects.exists()
