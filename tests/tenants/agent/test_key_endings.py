"""Keys that end by themselves are announced once, a week before, to whoever can make another."""

from datetime import timedelta

import pytest
from django.utils import timezone
from factories import make_key, make_member, make_service_account, make_tenant, make_user

from orgs.mails.models import Mail
from tenants.agent import key_endings
from tenants.agent.key_endings import announce_keys
from tenants.credentials.models import ApiKey


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.MAIL_IS_SET_UP = True


def old_key(user, days=6, **fields):
    key = make_key(user, expires_at=timezone.now() + timedelta(days=days), **fields)
    ApiKey.objects.filter(pk=key.pk).update(created_at=timezone.now() - timedelta(days=30))
    return key


def mails():
    return sorted(Mail.objects.values_list("to", "subject"))


def test_nobody_is_told_of_keys_that_work_on_or_ended_or_were_made_for_days(member):
    old_key(member, days=8)
    old_key(member, days=-1)
    old_key(member, revoked_at=timezone.now())
    make_key(member, expires_at=timezone.now() + timedelta(days=3))
    make_key(member)
    gone = old_key(make_user()).user
    gone.is_active = False
    gone.save()
    assert (announce_keys(), mails()) == (0, [])


def test_a_person_is_told_once(org, member):
    key = old_key(member)
    day = f"{timezone.localtime(key.expires_at):%-d %B}"
    assert (announce_keys(), announce_keys()) == (1, 0)
    assert mails() == [(member.email, f"Your key nightly (Acme AI) expires {day}")]
    text = Mail.objects.get().read()["text"]
    assert key.prefix in text and "/settings/tokens/" in text and key.secret not in text


def test_of_a_service_account_its_admins_are_told(org, owner, member, outsider):
    robot = make_service_account(org)
    make_service_account(org, "admin-robot", "admin")
    second = make_member(org, "admin")
    old_key(robot)
    assert announce_keys() == 1
    assert {to for to, _ in mails()} == {owner.email, second.email}
    assert f"/o/{org.slug}/service-accounts/{robot.membership.pk}/" in Mail.objects.first().read()["html"]


def test_a_bound_key_speaks_of_its_organization(org, member, outsider):
    other = outsider.membership.organization
    make_member(other, user=member)
    old_key(member, tenant=make_tenant(other))
    announce_keys()
    assert "(Other)" in Mail.objects.get().subject


def test_without_a_mail_server_nothing_is_marked(settings, member):
    settings.MAIL_IS_SET_UP = False
    key = old_key(member)
    assert announce_keys() == 0
    key.refresh_from_db()
    assert key.announced_at is None


def test_killed_in_the_middle_it_is_told_once(member, monkeypatch):
    old_key(member)
    queue = key_endings.queue_mail

    def dies_after(**mail):
        queue(**mail)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(key_endings, "queue_mail", dies_after)
        with pytest.raises(KeyboardInterrupt):
            announce_keys()
    assert mails() == []
    assert announce_keys() == 1
    assert len(mails()) == 1
