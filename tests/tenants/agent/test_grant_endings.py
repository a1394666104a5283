"""Roles that end by themselves: announced once a week before, removed once when they are over."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_service_account, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.mails.delivery import deliver_due
from orgs.mails.models import Mail
from orgs.users.models import Actor
from tenants.access import actions as grant_actions
from tenants.agent import grant_endings
from tenants.agent.grant_endings import announce_endings, end_expired_grants
from tenants.models import TenantGrant, TenantUserObjectPermission


@pytest.fixture(autouse=True)
def mail_server(settings):
    settings.MAIL_IS_SET_UP = True


def in_days(days):
    return timezone.now() + timedelta(days=days)


def over(grant):
    TenantGrant.objects.filter(pk=grant.pk).update(expires_at=in_days(-0.01))
    return grant


def mails():
    """(address, subject) of what waits in the outbox."""
    return sorted(Mail.objects.values_list("to", "subject"))


# -- the end


def test_what_is_over_is_removed_and_told_once(org, member, tenant):
    over(make_grant(tenant, member, "developer"))
    make_grant(tenant, member, "viewer", expires_at=in_days(1))
    assert (end_expired_grants(), end_expired_grants()) == (1, 0)
    assert tenant.grants.get().role.slug == "viewer"
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.via) == ("grant.expired", None, "system")
    assert event.before["holder"] == "Dana Petrova"
    rows = TenantUserObjectPermission.objects.filter(user=member)
    assert not rows.filter(permission__codename="create_template").exists()


def test_what_was_prolonged_meanwhile_stays(org, owner, member, tenant):
    grant = over(make_grant(tenant, member, "viewer"))
    seen = TenantGrant.objects.get(pk=grant.pk)
    grant_actions.give_grant(tenant=tenant, holder=member.membership, role=grant.role, by=Actor(owner))
    assert not grant_actions.end_grant(grant=seen)
    assert tenant.grants.get().granted_by == owner
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["grant.given"]


def test_a_kill_between_the_row_and_its_record_undoes_both(member, tenant, monkeypatch):
    over(make_grant(tenant, member, "viewer"))
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(grant_actions, "record", killed)
        end_expired_grants()
    assert tenant.grants.count() == 1
    assert end_expired_grants() == 1
    assert AuditEvent.objects.count() == 1


def killed(*args, **kwargs):
    raise KeyboardInterrupt


# -- the announcement


def test_not_before_the_week_and_not_without_a_mail_server(member, tenant, settings):
    grant = make_grant(tenant, member, "viewer", expires_at=in_days(7.1))
    assert announce_endings() == 0
    TenantGrant.objects.filter(pk=grant.pk).update(expires_at=in_days(6))
    settings.MAIL_IS_SET_UP = False
    assert announce_endings() == 0
    settings.MAIL_IS_SET_UP = True
    assert announce_endings() == 1


def test_holder_and_admins_are_told_once(org, owner, editor, member, tenant, mailoutbox):
    head = make_member(org, name="Hugo Head")
    make_grant(tenant, head, "admin")
    make_grant(tenant, editor, "viewer")
    make_grant(tenant, member, "developer", expires_at=in_days(3))
    assert (announce_endings(), announce_endings()) == (1, 0)
    assert {address for address, _ in mails()} == {member.email, head.email, owner.email}
    deliver_due()
    [mine] = [mail for mail in mailoutbox if mail.to == [member.email]]
    day = timezone.localtime(tenant.grants.get(membership__user=member).expires_at)
    assert mine.subject == f"Your role Developer on production (Acme AI) expires {day:%-d %B}"
    assert f"ask Ada Okafor ({owner.email}) or Hugo Head ({head.email})" in mine.body
    assert tenant.get_absolute_url() in mine.body
    [theirs] = [mail for mail in mailoutbox if mail.to == [owner.email]]
    assert theirs.subject == "1 role expires soon on production (Acme AI)"
    assert "- Dana Petrova: Developer until" in theirs.body
    assert "<b>Developer</b>" in theirs.alternatives[0].content


def test_team_is_told_as_its_people_and_admins_get_one_mail_for_all(org, owner, member, tenant):
    colleague, gone = make_member(org), make_member(org, is_active=False)
    robot = make_service_account(org)
    team = make_team(org, members=[member, colleague, gone, robot])
    make_grant(tenant, team, "viewer", expires_at=in_days(2))
    make_grant(tenant, robot, "operator", expires_at=in_days(2))
    assert announce_endings() == 2
    assert [address for address, _ in mails()] == sorted([member.email, colleague.email, owner.email])
    assert "2 roles expire soon" in Mail.objects.get(to=owner.email).subject


def test_new_end_is_announced_anew(org, owner, member, tenant):
    grant = make_grant(tenant, member, "viewer", expires_at=in_days(3))
    announce_endings()
    before = Mail.objects.count()
    grant_actions.give_grant(
        tenant=tenant, holder=member.membership, role=grant.role, by=Actor(owner), expires_at=in_days(30)
    )
    assert announce_endings() == 0
    TenantGrant.objects.filter(pk=grant.pk).update(expires_at=in_days(7))
    assert announce_endings() == 1
    assert Mail.objects.count() == 2 * before


def test_a_kill_on_the_way_loses_nothing_and_doubles_nothing(org, owner, member, tenant, monkeypatch):
    for number in range(3):
        make_grant(tenant, make_member(org), "viewer", expires_at=in_days(number + 1))
    queue, calls = grant_endings.queue_mail, []
    for dies_at in range(1, 5):
        calls.clear()

        def dying(dies_at=dies_at, **mail):
            calls.append(mail)
            if len(calls) == dies_at:
                raise KeyboardInterrupt
            return queue(**mail)

        with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
            broken.setattr(grant_endings, "queue_mail", dying)
            announce_endings()
        assert not Mail.objects.exists()
    assert announce_endings() == 3
    assert len(mails()) == len(set(mails())) == 4


def test_admins_of_elsewhere_are_not_told(org, owner, member, tenant, superuser):
    other = make_member(make_org("Other"), "admin")
    make_grant(make_tenant(org), make_member(org), "admin")
    make_grant(tenant, member, "viewer", expires_at=in_days(3))
    announce_endings()
    addresses = {address for address, _ in mails()}
    assert addresses == {member.email, owner.email}
    assert other.email not in addresses


# -- on the pages


def test_home_tells_the_holder_and_whoever_can_prolong(org, owner, editor, member, tenant, as_user):
    path = reverse("orgs:home", args=[org.slug])
    make_grant(tenant, member, "developer", expires_at=in_days(3))
    make_grant(tenant, make_team(org, "red", members=[editor]), "viewer", expires_at=in_days(2))
    make_grant(tenant, editor, "viewer")
    assert "Your role Developer on production expires" in as_user(member).get(path).content.decode()
    page = as_user(editor).get(path).content.decode()
    assert "The role Viewer of team red on production expires" in page
    assert "Dana Petrova" not in page
    page = as_user(owner).get(path).content.decode()
    assert "2 roles on production expire within 7 days" in page
    assert "red, Viewer:" in page
