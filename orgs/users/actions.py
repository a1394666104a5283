"""Changes to accounts by a superuser. Each is atomic and leaves its audit row."""

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q

from orgs.access.factors import has_two_factor
from orgs.audit.models import AuditEvent
from orgs.models import Organization, OrgRole
from zenpro_site.common.refusals import Refused

from .models import Actor
from .sessions import browser_of

FLAGS = ("name", "email", "is_active", "is_staff", "is_superuser", "is_service_account")


@transaction.atomic
def create_person(*, person, by: Actor) -> None:
    """Store a new account; the address makes the username. Its password is set on the object already."""
    person.username = type(person).objects.free_username(person.email.partition("@")[0])
    person.save(force_insert=True)
    _record("person.created", person, by, after=_words(person))


@transaction.atomic
def change_person(*, person, by: Actor) -> None:
    """Store changed fields of an account.

    Raises Refused when `by` would lock themselves out, and when an organization would be without an active Admin.
    """
    row = type(person).objects.select_for_update().get(pk=person.pk)
    before, after = _words(row), _words(person)
    if row == by.person and not (person.is_active and person.is_superuser):
        raise Refused("You can't remove these rights from yourself. Ask another superuser.")
    if row.is_active and not person.is_active:
        deactivate_person(person=row, by=by)
        before["is_active"] = False
    person.save(update_fields=FLAGS)
    if before["email"] != after["email"]:
        end_sessions(person=person)
        settle_address(person=person)  # the old one must neither sign in nor receive a new password
    if before != after:
        changed = [name for name in FLAGS if before[name] != after[name]]
        _record("person.changed", person, by, _only(before, changed), _only(after, changed))


@transaction.atomic
def registered(*, by: Actor, through: str) -> None:
    """Tell the audit log that a person created their own account: by password, or through the provider of that name."""
    after = {"email": by.person.email, "username": by.person.username, "through": through}
    _record("person.registered", by.person, by, after=after)


@transaction.atomic
def connected(*, by: Actor, through: str) -> None:
    """Tell the audit log that a person can sign in through a provider from now on."""
    _record("person.connected", by.person, by, after={"through": through})


@transaction.atomic
def password_was_set(*, person, by: Actor) -> None:
    """Tell the audit log that someone else chose a person's password."""
    _record("person.password_set", person, by)


@transaction.atomic
def link_made(*, person) -> None:
    """Tell the audit log that someone at the machine made a link that signs the person in."""
    _record("person.link_made", person, None)


@transaction.atomic
def password_changed(*, by: Actor, had_one: bool, was_signed_in: bool) -> None:
    """Tell the audit log that a person chose their own password; by the link in a mail if not signed in."""
    if not was_signed_in:
        _record("person.password_reset", by.person, by)
    elif had_one:
        _record("person.password_changed", by.person, by)
    else:
        _record("person.password_chosen", by.person, by)


@transaction.atomic
def address_confirmed(*, by: Actor, before: str) -> None:
    """The person proved that the address is theirs; `before` is what they signed in with until now."""
    person = by.person
    if person.email == before:
        _record("person.email_confirmed", person, by, after={"email": person.email})
        return
    end_sessions(person=person)
    _record("person.email_changed", person, by, {"email": before}, {"email": person.email})


@transaction.atomic
def factors_changed(*, by: Actor, before: dict, after: dict) -> None:
    """Tell the audit log how a person's second factors changed: two_factor.factors_of before and after the change.

    One row: recovery codes come and go with the first and the last factor.
    """
    new, gone = _missing(after, before), _missing(before, after)
    names = {"before": _named(gone), "after": _named(new)}
    if "totp" in new:
        _record("two_factor.app_added", by.person, by)
    elif "totp" in gone:
        _record("two_factor.app_removed", by.person, by)
    elif "webauthn" in new:
        _record("two_factor.passkey_added", by.person, by, **names)
    elif "webauthn" in gone:
        _record("two_factor.passkey_removed", by.person, by, **names)
    elif "recovery_codes" in new:
        _record("two_factor.codes_made", by.person, by)
    elif before != after:
        changed = next(pk for pk in after if before[pk] != after[pk])
        names = {"before": {"passkey": before[changed][1]}, "after": {"passkey": after[changed][1]}}
        _record("two_factor.passkey_renamed", by.person, by, **names)


@transaction.atomic
def remove_factor(*, factor, by: Actor) -> None:
    """A superuser removes a lost second factor (an Authenticator); recovery codes end with the last one."""
    person, name = factor.user, str(factor)
    factor.delete()
    if not has_two_factor(person):
        person.authenticator_set.all().delete()
    _record("two_factor.taken_away", person, by, before={"factor": name})


def _missing(factors: dict, others: dict) -> dict[str, str]:
    """Type -> name of those missing from the others."""
    return dict(factors[pk] for pk in factors if pk not in others)


def _named(factors: dict[str, str]) -> dict[str, str]:
    return {"passkey": factors["webauthn"]} if "webauthn" in factors else {}


def end_sessions(*, person) -> None:
    """No session of the person works at the next request; the object in hand knows. Call it in a transaction."""
    people = get_user_model().objects.filter(pk=person.pk)
    people.update(sign_outs=F("sign_outs") + 1)
    person.sign_outs = people.values_list("sign_outs", flat=True).get()


@transaction.atomic
def sign_out_everywhere(*, person, by: Actor) -> None:
    """End all sessions of the person; whoever keeps the one in hand calls sessions.keep afterwards."""
    end_sessions(person=person)
    person.usersession_set.all().delete()
    _record("person.signed_out_everywhere", person, by)


@transaction.atomic
def end_session(*, session, by: Actor) -> None:
    """End one session (a UserSession row): it does not work at the next request."""
    before = {"browser": browser_of(session.user_agent), "address": session.ip}
    session.end()
    _record("person.session_ended", session.user, by, before)


@transaction.atomic
def settle_address(*, person) -> None:
    """Let allauth know the address a person signs in with as their confirmed primary one.

    Accounts a superuser made have no such row, and after a change in the administration it names the old address.
    allauth would then take the current address for one still to be confirmed, and remove it with the next change.
    """
    current = Q(user=person, email=person.email)
    EmailAddress.objects.filter(Q(user=person, primary=True) | Q(email=person.email)).exclude(
        current
    ).delete()
    defaults = {"verified": True, "primary": True}
    EmailAddress.objects.update_or_create(user=person, email=person.email, defaults=defaults)


def _words(person) -> dict:
    return {name: getattr(person, name) for name in FLAGS}


def _only(words: dict, names: list[str]) -> dict:
    return {name: words[name] for name in names}


def _record(action: str, person, by: Actor | None, before=None, after=None) -> None:
    AuditEvent.objects.record(action, person, by=by, before=before, after=after)


@transaction.atomic
def deactivate_person(*, person, by: Actor) -> None:
    """Stop a person from signing in; their sessions end for good. Raises Refused when an organization would be left
    without an active Admin."""
    organizations = Organization.objects.filter(memberships__user=person, memberships__role=OrgRole.ADMIN)
    for organization in organizations.order_by("pk").select_for_update():
        others = organization.memberships.active_admins().exclude(user=person)
        if not others.exists():
            raise Refused(f"{person} is the last Admin of {organization}. Make someone else an Admin first.")
    person.is_active = False
    person.save(update_fields=["is_active"])
    get_user_model().objects.filter(pk=person.pk).update(sign_outs=F("sign_outs") + 1)
    AuditEvent.objects.record("person.deactivated", person, by=by)


@transaction.atomic
def rename_person(*, person, name: str, by: Actor) -> None:
    """Change the name that others see. The username, which tenants know them by, stays."""
    before = {"name": get_user_model().objects.get(pk=person.pk).name}
    person.name = name
    person.save(update_fields=["name"])
    AuditEvent.objects.record("person.renamed", person, by=by, before=before, after={"name": name})
