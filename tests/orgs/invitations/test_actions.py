import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection
from django.utils import timezone
from factories import make_member, make_org, make_team, make_tenant, make_user, tenant_role

from orgs.audit.models import AuditEvent
from orgs.invitations import actions
from orgs.invitations.models import Invitation
from orgs.members.actions import change_role, remove_member
from orgs.users.models import Actor, Origin
from tenants.models import TenantGrant
from zenpro_site.common.refusals import Refused

from .conftest import org_role

PASSWORD = "tremendously long words"


def accept_new(result, **changes):
    values = {"token": result.token, "name": "Linus Berg", "password": PASSWORD, "origin": Origin()}
    return actions.accept_as_new(**{**values, **changes})


def is_dead(result):
    with pytest.raises(actions.Gone):
        accept_new(result)
    return actions.find(result.token) is None and not get_user_model().objects.filter(email=result.address)


def audit():
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


# Refusals


@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_only_who_may_invite_invites(send, org, owner, role):
    with pytest.raises(Refused, match="can't invite"):
        send(by=Actor(make_member(org, role)))
    assert not Invitation.objects.exists()


def test_parts_of_another_organization_are_refused(send, org, owner):
    other = make_org("Other")
    offers = [
        actions.Offer(org_role(other)),
        actions.Offer(tenant_role(org, "admin")),
        actions.Offer(org_role(org), teams=[make_team(other)]),
        actions.Offer(org_role(org), tenant_roles=[(make_tenant(other), tenant_role(org, "viewer"))]),
        actions.Offer(org_role(org), tenant_roles=[(make_tenant(org), tenant_role(other, "viewer"))]),
        actions.Offer(org_role(org), tenant_roles=[(make_tenant(org), org_role(org, "admin"))]),
    ]
    for offer in offers:
        with pytest.raises(Refused, match="does not belong"):
            actions.invite(organization=org, addresses=["a@example.org"], offer=offer, by=Actor(owner))
    assert not Invitation.objects.exists()
    assert audit() == []


def make_inviter(org, *more):
    role = org.roles.create(level="organization", slug="inviter", name="Inviter")
    role.set_rights(["organization:view", "invitation:manage", *more])
    return make_member(org, "inviter")


def test_inviters_promise_no_more_than_they_may_give(send, org, team, tenant):
    inviter = make_inviter(org)
    strong = make_team(org, org_role="admin")
    promises = [
        {"role": "admin"},
        {"teams": [team]},
        {"tenant_roles": [(tenant, tenant_role(org, "viewer"))]},
    ]
    for promise in promises:
        with pytest.raises(Refused):
            send(by=Actor(inviter), **promise)
    org.roles.get(slug="inviter").set_rights(["organization:view", "invitation:manage", "team:manage"])
    with pytest.raises(Refused, match="more than you"):
        send(by=Actor(inviter), teams=[strong])
    assert not Invitation.objects.exists()
    assert send(by=Actor(inviter), teams=[team]).token


def test_unknown_used_expired_and_revoked_are_gone(send, org, owner):
    used, expired, revoked = send("a@example.org"), send("b@example.org"), send("c@example.org")
    accept_new(used)
    Invitation.objects.filter(pk=expired.invitation.pk).update(expires_at=timezone.now())
    actions.revoke(invitation=revoked.invitation, by=Actor(owner))
    for token in ("", "unknown", used.token, expired.token, revoked.token):
        assert actions.find(token) is None
        with pytest.raises(actions.Gone):
            accept_new(used, token=token)
    assert org.memberships.count() == 2


def test_dead_when_the_inviter_lost_the_right(send, org, owner):
    second = make_member(org, "admin")
    result = send(by=Actor(second))
    change_role(membership=second.membership, role=org_role(org, "editor"), by=Actor(owner))
    assert is_dead(result)
    change_role(membership=second.membership, role=org_role(org, "admin"), by=Actor(owner))
    assert actions.find(result.token)
    remove_member(membership=second.membership, by=Actor(owner))
    assert is_dead(result)


def test_dead_when_the_inviter_cannot_sign_in(send, org, owner):
    result = send()
    owner.is_active = False
    owner.save()
    assert is_dead(result)


def test_dead_when_the_inviter_may_no_longer_give_what_it_promises(send, org, tenant):
    inviter = make_inviter(org, "tenant:manage_all", "team:manage")
    result = send(by=Actor(inviter), tenant_roles=[(tenant, tenant_role(org, "admin"))])
    org.roles.get(slug="inviter").set_rights(["organization:view", "invitation:manage"])
    assert is_dead(result)


def test_dead_when_the_role_is_gone(send, org):
    org.roles.create(level="organization", slug="guest", name="Guest")
    result = send(role="guest")
    org.roles.get(slug="guest").delete()
    assert is_dead(result)


def test_another_account_is_refused_and_uses_nothing_up(full, org, outsider):
    make_user("linus@example.org")
    with pytest.raises(Refused, match="is for linus@example.org"):
        actions.accept(token=full.token, by=Actor(outsider))
    assert not org.memberships.filter(user=outsider).exists()
    assert actions.find(full.token)


def test_no_second_account_and_no_new_password_for_an_address_in_use(send):
    person = make_user("linus@example.org")
    result = send("Linus@Example.org")
    with pytest.raises(Refused, match="Sign in"):
        accept_new(result)
    person.refresh_from_db()
    assert not person.check_password(PASSWORD)
    assert actions.find(result.token)


def test_no_second_account_for_a_proven_second_address(send):
    person = make_user("berg@example.org")
    EmailAddress.objects.create(user=person, email="linus@example.org", verified=True)
    result = send("linus@example.org")
    with pytest.raises(Refused):
        accept_new(result)
    assert actions.accept(token=result.token, by=Actor(person)).user == person


def test_an_unproven_second_address_belongs_to_no_one(send):
    person = make_user("berg@example.org")
    EmailAddress.objects.create(user=person, email="linus@example.org", verified=False)
    result = send("linus@example.org")
    with pytest.raises(Refused):
        actions.accept(token=result.token, by=Actor(person))
    assert accept_new(result).user != person


# What they do


def test_invite_answers_for_each_address(org, owner, member, send):
    send("waiting@example.org")
    addresses = [
        "New@Example.org",
        member.email.upper(),
        "waiting@example.org",
        "nonsense",
        "new@example.org",
    ]
    results = actions.invite(
        organization=org, addresses=addresses, offer=actions.Offer(org_role(org)), by=Actor(owner)
    )
    assert [str(result.outcome) for result in results] == ["sent", "member", "invited", "invalid", "invited"]
    assert list(org.invitations.values_list("email", flat=True)) == ["new@example.org", "waiting@example.org"]
    assert audit() == ["invitation.sent"] * 2


def test_only_a_hash_of_256_random_bits_is_stored(send):
    result = send()
    assert len(result.token) == 43
    stored = Invitation.objects.filter(pk=result.invitation.pk).values().get()
    assert stored["token_hash"] == hashlib.sha256(result.token.encode()).hexdigest()
    assert result.token not in str(stored) + str(AuditEvent.objects.values()) + repr(result)


def test_accept_as_new_applies_everything(full, org, team, tenant):
    membership = accept_new(full)
    person = membership.user
    assert (person.email, person.name, membership.role) == ("linus@example.org", "Linus Berg", "member")
    assert person.check_password(PASSWORD)
    assert list(team.user_set.all()) == [person]
    grant = TenantGrant.objects.get()
    assert (grant.membership, grant.tenant, grant.role.slug) == (membership, tenant, "operator")
    address = EmailAddress.objects.get()
    assert (address.user, address.email, address.verified, address.primary) == (
        person,
        "linus@example.org",
        True,
        True,
    )
    full.invitation.refresh_from_db()
    assert full.invitation.accepted_by == person
    event = AuditEvent.objects.get(action="invitation.accepted")
    assert (event.actor, event.organization) == (person, org)
    assert event.after["tenants"] == {"production": "Operator"}


def test_accept_with_an_account_in_other_letters(send, org):
    person = make_user("linus@example.org")
    result = send("LINUS@example.org", role="viewer")
    assert actions.accept(token=result.token, by=Actor(person)).role == "viewer"


def test_a_member_meanwhile_keeps_their_role_and_gets_the_rest(full, org, team):
    person = make_member(org, "editor", email="linus@example.org")
    assert actions.accept(token=full.token, by=Actor(person)).role == "editor"
    assert person in team.user_set.all()
    assert TenantGrant.objects.filter(membership=person.membership).exists()


def test_a_tenant_deleted_meanwhile_is_left_out(full, tenant):
    tenant.desired_state, tenant.deleted_at = "deleted", timezone.now()
    tenant.save()
    accept_new(full)
    assert not TenantGrant.objects.exists()


def test_nothing_is_applied_when_a_part_fails(full, org, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("disk full")

    monkeypatch.setattr("tenants.models.InvitationGrant.apply", fail)
    with pytest.raises(RuntimeError):
        accept_new(full)
    assert not get_user_model().objects.filter(email="linus@example.org").exists()
    assert org.memberships.count() == 1
    assert actions.find(full.token)


def rest(result, seconds=60):
    """As if the last mail went out earlier."""
    Invitation.objects.filter(pk=result.invitation.pk).update(
        sent_at=timezone.now() - timedelta(seconds=seconds)
    )
    result.invitation.refresh_from_db()


def test_renew_waits_a_minute(send, owner):
    result = send()
    rest(result, 20)
    with pytest.raises(Refused, match=r"in (39|40|41) s"):
        actions.renew(invitation=result.invitation, by=Actor(owner))
    assert actions.find(result.token)


def test_renew_makes_a_new_link_and_kills_the_old(send, org, owner):
    result = send()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    rest(result)
    again = actions.renew(invitation=result.invitation, by=Actor(owner))
    assert is_dead(result)
    assert actions.find(again.token).expires_at > timezone.now() + timedelta(days=6)
    assert audit() == ["invitation.sent", "invitation.renewed"]
    accept_new(again)


def test_renew_revives_an_invitation_of_someone_who_left(send, org, owner):
    second = make_member(org, "admin")
    result = send(by=Actor(second))
    remove_member(membership=second.membership, by=Actor(owner))
    rest(result)
    again = actions.renew(invitation=result.invitation, by=Actor(owner))
    assert actions.find(again.token).invited_by == owner


def test_renew_gives_no_more_than_the_renewer_may(send, org, tenant):
    result = send(role="admin")
    rest(result)
    with pytest.raises(Refused, match="more than you"):
        actions.renew(invitation=result.invitation, by=Actor(make_inviter(org)))
    assert actions.find(result.token)


def test_renew_is_refused_for_a_member_and_for_the_slower_of_two(send, org, owner):
    result = send()
    rest(result)
    stale = Invitation.objects.select_related("organization").get()
    actions.renew(invitation=result.invitation, by=Actor(owner))
    with pytest.raises(Refused, match="has just changed"):
        actions.renew(invitation=stale, by=Actor(owner))
    make_member(org, email="linus@example.org")
    rest(result)
    with pytest.raises(Refused, match="already a member"):
        actions.renew(invitation=result.invitation, by=Actor(owner))


def test_revoke_once(send, owner):
    result = send()
    actions.revoke(invitation=result.invitation, by=Actor(owner))
    assert is_dead(result)
    with pytest.raises(Refused):
        actions.revoke(invitation=result.invitation, by=Actor(owner))
    assert audit() == ["invitation.sent", "invitation.revoked"]


def test_the_slower_of_two_inviters_is_told(send, org, monkeypatch):
    def fail(*args):
        raise IntegrityError

    monkeypatch.setattr(actions, "_create", fail)
    assert str(send().outcome) == "invited"


def test_an_expired_address_can_be_invited_again(send, org):
    first = send()
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    second = send()
    assert str(second.outcome) == "sent"
    assert org.invitations.open().get() == second.invitation
    assert is_dead(first)
    assert audit() == ["invitation.sent", "invitation.revoked", "invitation.sent"]


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_of_50_accepts_at_once_exactly_one_works(send, org):
    result = send()

    def attempt(number):
        try:
            return accept_new(result, name=f"Linus {number}").pk
        except (actions.Gone, Refused):
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        joined = [pk for pk in pool.map(attempt, range(50)) if pk]
    assert len(joined) == 1
    assert org.memberships.filter(user__email="linus@example.org").count() == 1
    assert audit().count("invitation.accepted") == 1


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_of_50_invitations_of_one_address_at_once_one_is_sent(org, owner):
    offer = actions.Offer(org_role(org))

    def attempt(_):
        try:
            [result] = actions.invite(
                organization=org, addresses=["linus@example.org"], offer=offer, by=Actor(owner)
            )
            return str(result.outcome)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(attempt, range(50)))
    assert sorted(outcomes) == ["invited"] * 49 + ["sent"]
    assert org.invitations.count() == 1
