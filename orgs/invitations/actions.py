"""Invite, renew, revoke, accept. Each is atomic; its mail waits in the outbox from the commit on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.db.models.functions import Lower
from django.utils import timezone

from orgs.access.gate import permissions_of
from orgs.access.places import places
from orgs.audit.models import AuditEvent
from orgs.mails.actions import retry_mail
from orgs.mails.models import Mail
from orgs.models import Membership, Organization
from orgs.permissions import Permission
from orgs.roles.models import Role
from orgs.teams.models import Team
from orgs.users.models import Actor, Origin
from zenpro_site.common.mailboxes import is_address, normal, why_no_address
from zenpro_site.common.refusals import Refused

from . import mail
from .models import Invitation

HOUR = timedelta(hours=1)
MAILS_AN_HOUR = 5  # to one address: revoking and inviting again must not fill anyone's mailbox
INVITATIONS_AN_HOUR = 2000
ENOUGH = f"This address has received {MAILS_AN_HOUR} emails within an hour. Try again later."


class Gone(Exception):
    """There is no invitation to accept: unknown, used, expired, revoked, or its inviter may not invite any more."""


@dataclass(frozen=True)
class Offer:
    """What an invitation promises. `tenant_roles`: pairs of a tenant and a tenant-level role."""

    role: Role | None
    teams: Sequence[Team] = ()
    tenant_roles: Sequence[tuple] = ()


class Sending(StrEnum):
    SENT = "sent"
    MEMBER = "member"
    INVITED = "invited"
    INVALID = "invalid"
    LEFT_OUT = "left_out"


@dataclass
class Result:
    """What happened to one address. `token` is known here for the only time."""

    address: str
    outcome: Sending
    invitation: Invitation | None = None
    token: str = field(default="", repr=False)
    note: str = ""

    @cached_property
    def link(self) -> str:
        return mail.link_of(self.token) if self.token else ""


@transaction.atomic
def invite(*, organization: Organization, addresses: Sequence[str], offer: Offer, by: Actor) -> list[Result]:
    """Invite each address to the same offer; one Result per address, in order.

    Raises Refused, with nothing written, when a part of the offer belongs elsewhere or `by` may not give it.
    """
    return invite_each(organization=organization, wishes=[(one, offer) for one in addresses], by=by)


@transaction.atomic
def invite_each(
    *, organization: Organization, wishes: Sequence[tuple[str, Offer]], by: Actor
) -> list[Result]:
    """Invite every address to an offer of its own; one Result per wish, in order.

    Raises Refused, with nothing written, when a part of an offer belongs elsewhere or `by` may not give it.
    """
    for offer in {id(offer): offer for _, offer in wishes}.values():
        _refuse_foreign(organization, offer)
        if reason := reason_against_offer(by.person, organization, offer):
            raise Refused(reason)
    wishes = [(normal(address), offer) for address, offer in wishes]
    _refuse_flood(organization, len(wishes))
    standings = standings_of(organization, [address for address, _ in wishes])
    for address in mailed_enough(standings):
        standings[address].mailed_enough = True
    results = [_invite_one(organization, address, offer, by, standings) for address, offer in wishes]
    made = [
        (result.invitation, offer) for result, (_, offer) in zip(results, wishes, strict=True) if result.token
    ]
    _promise_parts(made)
    for invitation, offer in made:  # recorded last: no one else can append from here on
        _record(
            "invitation.sent", invitation, by, after=_promise(invitation, offer.teams, offer.tenant_roles)
        )
    return results


def _promise_parts(made: Sequence[tuple[Invitation, Offer]]) -> None:
    """Teams and tenant roles of new invitations, in two statements for any number of them."""
    teams = Invitation.teams.through
    teams.objects.bulk_create(
        teams(invitation=invitation, team=team) for invitation, offer in made for team in offer.teams
    )
    places().promise([(invitation, *pair) for invitation, offer in made for pair in offer.tenant_roles])


def reason_against_offer(person, organization: Organization, offer: Offer) -> str:
    """Why the person may not promise this in the organization, as a sentence; empty when they may."""
    return _why_not(
        person, organization, offer.role.slug, offer.teams, has_tenants=lambda: bool(offer.tenant_roles)
    )


@dataclass
class Obstacles:
    """What stands in the way of inviting an address. `waiting`: an open invitation, expired ones included."""

    is_member: bool = False
    waiting: Invitation | None = None
    mailed_enough: bool = False  # looked up only by who invites

    @property
    def outcome(self) -> Sending | None:
        """MEMBER, INVITED, or None when nothing does."""
        if self.is_member:
            return Sending.MEMBER
        return Sending.INVITED if self.waiting and not self.waiting.expired else None


def standings_of(organization: Organization, addresses: Sequence[str]) -> dict[str, Obstacles]:
    """The Obstacles of each of these lower-case addresses; three queries for any number of them."""
    found = {address: Obstacles() for address in addresses}
    people = get_user_model().objects.filter(memberships__organization=organization)
    proved = EmailAddress.objects.filter(verified=True, user__memberships__organization=organization)
    for rows in (people, proved):
        taken = rows.annotate(low=Lower("email")).filter(low__in=found).values_list("low", flat=True)
        for address in taken:
            found[address].is_member = True
    waiting = organization.invitations.open().annotate(low=Lower("email")).filter(low__in=found)
    for invitation in waiting:
        found[invitation.low].waiting = invitation
    return found


def mailed_enough(addresses) -> set[str]:
    """Those of the addresses that got the most mails allowed within an hour, from all organizations together."""
    if not settings.MAIL_IS_SET_UP:
        return set()
    lately = Mail.objects.filter(to__in=list(addresses), created_at__gt=timezone.now() - HOUR).order_by()
    counts = lately.values("to").annotate(count=Count("pk")).filter(count__gte=MAILS_AN_HOUR)
    return set(counts.values_list("to", flat=True))


def _refuse_flood(organization: Organization, count: int) -> None:
    lately = organization.invitations.filter(created_at__gt=timezone.now() - HOUR).count()
    if lately + count > INVITATIONS_AN_HOUR:
        raise Refused(f"{organization} can invite {INVITATIONS_AN_HOUR} addresses an hour. Try again later.")


def _refuse_foreign(organization: Organization, offer: Offer) -> None:
    parts = [offer.role, *offer.teams, *(part for pair in offer.tenant_roles for part in pair)]
    levels = {offer.role.level == Role.Level.ORGANIZATION}
    levels |= {role.level == Role.Level.TENANT for _, role in offer.tenant_roles}
    if levels != {True} or any(part.organization_id != organization.pk for part in parts):
        raise Refused(f"A role, team or tenant does not belong to {organization}.")


def _why_not(person, organization: Organization, role: str, teams, has_tenants: Callable[[], bool]) -> str:
    """Why the person may not promise this, as a sentence; empty when they may. Asked on inviting and on accepting.

    `role`: its slug. What concerns tenants is asked for those only who do not manage all of them.
    """
    held = permissions_of(person, organization) if person else frozenset()
    if Permission.INVITATION_MANAGE not in held:
        return f"You can't invite people to {organization}."
    brought = {role, *(team.org_role for team in teams if team.org_role)}
    if len(organization.roles.filter(slug__in=brought).within(held)) < len(brought):
        return "A role in this invitation can do more than you."
    if teams and Permission.TEAM_MANAGE not in held:
        return "You can't add people to teams."
    if Permission.TENANT_MANAGE_ALL in held:
        return ""
    if any(places().are_beyond(team, person, held) for team in teams):
        return "A team in this invitation has roles on tenants whose access you don't manage."
    return "You can't assign roles on tenants." if has_tenants() else ""


def _invite_one(organization: Organization, address: str, offer: Offer, by: Actor, standings) -> Result:
    if not is_address(address):
        return Result(address, Sending.INVALID, note=why_no_address(address))
    standing = standings[address]
    if standing.outcome:
        return Result(address, standing.outcome, standing.waiting)
    if standing.mailed_enough:
        return Result(address, Sending.LEFT_OUT, note=ENOUGH)
    if standing.waiting:
        _end(standing.waiting, by)
    try:
        with transaction.atomic():
            result = _create(organization, address, offer, by)
    except IntegrityError:  # someone else invited the same address at the same moment
        return Result(address, Sending.INVITED)
    standing.waiting = result.invitation
    return result


def _is_member(organization: Organization, address: str) -> bool:
    return standings_of(organization, [address.lower()])[address.lower()].is_member


def _create(organization: Organization, address: str, offer: Offer, by: Actor) -> Result:
    invitation = Invitation(
        organization=organization, email=address, role=offer.role.slug, invited_by=by.person
    )
    result = Result(address, Sending.SENT, invitation, invitation.renew_token())
    invitation.mail = mail.queue(invitation, result.link, offer)
    invitation.save(force_insert=True)
    return result


@transaction.atomic
def renew(*, invitation: Invitation, by: Actor) -> Result:
    """Make a new link, mail it, and kill the old one; `by` becomes the inviter.

    Raises Refused within COOLDOWN of the last link, for a member, and when `by` may not give what it promises.
    """
    organization, last_sent, old_mail = invitation.organization, invitation.sent_at, invitation.mail_id
    if wait := invitation.wait:
        raise Refused(f"Just sent. You can create a new link in {wait} s.")
    if mailed_enough([invitation.email]):
        raise Refused(ENOUGH)
    if _is_member(organization, invitation.email):
        raise Refused(f"{invitation.email} is already a member. Revoke the invitation.")
    if reason := _reason_against(invitation, by.person):
        raise Refused(reason)
    result = Result(invitation.email, Sending.SENT, invitation, invitation.renew_token())
    invitation.invited_by = by.person
    invitation.mail = mail.queue(invitation, result.link, _offer_of(invitation))
    new = ("token_hash", "sent_at", "expires_at", "invited_by", "mail")
    changed = organization.invitations.open().filter(pk=invitation.pk, sent_at=last_sent)
    if not changed.update(**{name: getattr(invitation, name) for name in new}):
        raise Refused("Someone else has just changed this invitation.")
    Mail.objects.filter(pk=old_mail).cancel()
    _record("invitation.renewed", invitation, by, before={"sent_at": last_sent.isoformat()})
    return result


def _offer_of(invitation: Invitation) -> Offer:
    return Offer(
        role=invitation.organization.roles.organization_level().filter(slug=invitation.role).first(),
        teams=list(invitation.teams.all()),
        tenant_roles=places().promised(invitation),
    )


@transaction.atomic
def retry_delivery(*, invitation: Invitation, by: Actor) -> None:
    """Mail the same link once more after its delivery has failed.

    Raises Refused when the link is dead or the mail waits, was sent, or is forgotten.
    """
    if invitation.expired or _reason_against(invitation, invitation.invited_by):
        raise Refused("This link no longer works. Create a new one.")
    if not (invitation.mail and retry_mail(invitation.mail)):
        raise Refused("This email can't be sent again.")
    _record("invitation.mail_retried", invitation, by, before={"error": invitation.delivery_error})


@transaction.atomic
def retry_failed(*, organization: Organization, by: Actor) -> int:
    """retry_delivery for every open invitation whose mail has failed; dead links are passed over. Returns how many."""
    failed = organization.invitations.open().filter(
        mail__state=Mail.State.FAILED, expires_at__gt=timezone.now()
    )
    failed = failed.select_related("organization", "invited_by")
    alive = [one for one in failed if not _reason_against(one, one.invited_by)]
    queued = [one for one in alive if retry_mail(one.mail)]
    for invitation in queued:
        _record("invitation.mail_retried", invitation, by, before={"error": invitation.delivery_error})
    return len(queued)


@transaction.atomic
def revoke(*, invitation: Invitation, by: Actor) -> None:
    """Kill the link. Raises Refused when it was accepted or revoked meanwhile."""
    if not _end(invitation, by):
        raise Refused("This invitation has already been accepted or revoked.")


def _end(invitation: Invitation, by: Actor) -> bool:
    ended = Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=timezone.now())
    if ended:
        Mail.objects.filter(pk=invitation.mail_id).cancel()
        before = _promise(invitation, invitation.teams.all(), places().promised(invitation))
        _record("invitation.revoked", invitation, by, before)
    return bool(ended)


def find(token: str) -> Invitation | None:
    """The invitation that this token can accept now, or None. Changes nothing."""
    found = Invitation.objects.by_token(token).select_related("organization", "invited_by").first()
    return None if found is None or _reason_against(found, found.invited_by) else found


def _reason_against(invitation: Invitation, person) -> str:
    teams = list(invitation.teams.all())
    return _why_not(
        person,
        invitation.organization,
        invitation.role,
        teams,
        has_tenants=lambda: places().are_promised(invitation),
    )


def account_of(address: str):
    """The User who signs in with this address or has proved that it is theirs, or None."""
    forms = {address.lower(), normal(address)}  # accounts of before may not have the normal form
    proved = EmailAddress.objects.annotate(low=Lower("email")).filter(low__in=forms, verified=True)
    people = get_user_model().objects.annotate(low=Lower("email"))
    return people.filter(Q(low__in=forms) | Q(pk__in=proved.values("user"))).first()


def is_expected(address: str) -> bool:
    """Does an invitation wait for this address that its inviter could still make?"""
    waiting = Invitation.objects.open().filter(email__iexact=normal(address), expires_at__gt=timezone.now())
    waiting = waiting.select_related("organization", "invited_by")
    return any(not _reason_against(invitation, invitation.invited_by) for invitation in waiting)


def waiting_for(person):
    """Invitations that wait for this person, newest first. They need the link in the mail to accept one."""
    proved = EmailAddress.objects.filter(user=person, verified=True).values_list("email", flat=True)
    is_theirs = Q(email__iexact=person.email) | Q(
        email__in=[normal(address) for address in (person.email, *proved)]
    )
    waiting = Invitation.objects.open().filter(is_theirs, expires_at__gt=timezone.now())
    return waiting.select_related("organization", "invited_by")


@transaction.atomic
def accept(*, token: str, by: Actor) -> Membership:
    """Join as the signed-in person `by`, with everything the invitation promises.

    Raises Gone, and Refused when the invitation is for another address.
    """
    invitation = _claim(token)
    if account_of(invitation.email) != by.person:
        raise Refused(f"This invitation is for {invitation.email}. You are signed in as {by.person.email}.")
    return _apply(invitation, by)


@transaction.atomic
def accept_as_new(*, token: str, name: str, password: str, origin: Origin) -> Membership:
    """Join with a new account. The link came by mail, so the address counts as verified.

    `origin`: where the request comes from, for the audit row. Raises Gone, and Refused when an account exists:
    an invitation never sets the password of someone who has one.
    """
    if settings.ZENPRO_OIDC and settings.ZENPRO_OIDC.only:
        raise Refused(f"Sign in with {settings.ZENPRO_OIDC.name} to accept.")
    invitation = _claim(token)
    if account_of(invitation.email):
        raise Refused(f"There is already an account for {invitation.email}. Sign in to accept.")
    person = get_user_model().objects.create_user(invitation.email, password, name=name)
    is_proved = {"verified": True, "primary": True}
    EmailAddress.objects.update_or_create(user=person, email=person.email, defaults=is_proved)
    return _apply(invitation, Actor(person, origin))


def _claim(token: str) -> Invitation:
    """Use up the token, which may give less than when it was looked at: asked again, with the row held."""
    invitation = Invitation.claim(token)
    if invitation is None or _reason_against(invitation, invitation.invited_by):
        raise Gone
    return invitation


def _apply(invitation: Invitation, by: Actor) -> Membership:
    """Membership, teams and tenant roles. An existing member keeps their organization role."""
    membership, _ = invitation.organization.memberships.get_or_create(
        user=by.person, defaults={"role": invitation.role}
    )
    teams = invitation.teams.all()
    for team in teams:
        team.user_set.add(by.person)
    kept = places().keep_promises(invitation, membership)
    invitation.accepted_by = by.person
    invitation.save(update_fields=["accepted_by"])
    Mail.objects.filter(pk=invitation.mail_id).cancel()
    _record("invitation.accepted", invitation, by, after=_promise(invitation, teams, kept))
    return membership


def _promise(invitation: Invitation, teams, tenant_roles) -> dict:
    """What is promised, for the audit row."""
    return {
        "email": invitation.email,
        "role": invitation.role,
        "teams": sorted(team.label for team in teams),
        "tenants": {place.name: role.name for place, role in tenant_roles},
    }


def _record(action: str, invitation: Invitation, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(
        action, invitation, by=by, organization=invitation.organization, before=before, after=after
    )
