"""Changes to who is a member, with which role. Each is atomic and leaves one audit row."""

from collections.abc import Iterable

from django.db import transaction

from orgs.access.gate import refuse_stronger
from orgs.audit.models import AuditEvent
from orgs.domains.models import Departure
from orgs.models import Membership, Organization
from orgs.roles.models import Role
from orgs.users.models import Actor
from zenpro_site.common.refusals import Outcome, Refused, one_by_one


@transaction.atomic
def add_member(*, organization: Organization, person, role: Role, by: Actor) -> Membership:
    """Make a person a member without an invitation; for superusers.

    Raises Refused for a role the organization does not have, one that may do more than `by`, someone who is a member
    already, and a service account: it belongs to the organization that created it.
    """
    if role.organization_id != organization.pk or role.level != Role.Level.ORGANIZATION:
        raise Refused(f"{organization} has no such role.")
    refuse_stronger(organization, by, role.slug)
    if organization.memberships.filter(user=person).exists():
        raise Refused(f"{person} is already a member of {organization}.")
    if person.is_service_account and person.memberships.exists():
        raise Refused(f"{person} is a service account of another organization.")
    membership = Membership.objects.create(organization=organization, user=person, role=role.slug)
    _record("member.added", organization, membership, by, after={"role": role.slug})
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: Role, by: Actor) -> None:
    """Give a member another organization role. Nothing happens when they have it already.

    Raises Refused for a role the organization does not have, for one's own role, for a role stronger than what `by`
    may do, and when no active Admin would be left.
    """
    before = _switch(membership, role, by)
    if before is not None:
        _record_role(membership, role, before, by)


@transaction.atomic
def change_roles(*, memberships: Iterable[Membership], role: Role, by: Actor) -> list[Outcome]:
    """change_role for each of these members; an audit row for each that was changed."""
    outcomes = one_by_one(memberships, lambda membership: _switch(membership, role, by))
    for outcome in outcomes:
        if outcome.changed:
            _record_role(outcome.membership, role, outcome.before, by)
    return outcomes


def _switch(membership: Membership, role: Role, by: Actor) -> str | None:
    """Change the role without recording it; returns the one before, None when they have it already."""
    organization = membership.organization.locked()
    if role.organization_id != organization.pk or role.level != Role.Level.ORGANIZATION:
        raise Refused(f"{organization} has no such role.")
    membership.refresh_from_db(fields=["role"])
    if membership.user_id == by.person.pk:
        raise Refused("You can't change your own role. Ask another Admin.")
    if membership.role == role.slug:
        return None
    refuse_stronger(organization, by, membership.role, role.slug)
    before, membership.role = membership.role, role.slug
    membership.save(update_fields=["role"])
    refuse_without_admin(organization)
    return before


def _record_role(membership: Membership, role: Role, before: str, by: Actor) -> None:
    after = {"role": role.slug}
    _record("member.role_changed", membership.organization, membership, by, {"role": before}, after)


@transaction.atomic
def remove_member(*, membership: Membership, by: Actor) -> None:
    """End a membership: organization role, teams, tenant roles and shares, at once. What they created stays.

    Raises Refused for oneself (that is `leave`), for someone stronger, and for the last active Admin.
    """
    before = _remove(membership, by)
    _record("member.removed", membership.organization, membership, by, before)


@transaction.atomic
def remove_members(*, memberships: Iterable[Membership], by: Actor) -> list[Outcome]:
    """remove_member for each of these members; an audit row for each that was removed."""
    outcomes = one_by_one(memberships, lambda membership: _remove(membership, by))
    for outcome in outcomes:
        if outcome.changed:
            organization = outcome.membership.organization
            _record("member.removed", organization, outcome.membership, by, outcome.before)
    return outcomes


def _remove(membership: Membership, by: Actor) -> dict:
    """Remove without recording it; returns what they had."""
    if membership.user_id == by.person.pk:
        raise Refused("To remove yourself, leave the organization.")
    refuse_stronger(membership.organization, by, membership.role)
    return _end(membership)


@transaction.atomic
def leave(*, membership: Membership, by: Actor) -> None:
    """End one's own membership. Raises Refused for the last active Admin and for anyone else's."""
    if membership.user_id != by.person.pk:
        raise Refused("You can only leave on your own behalf.")
    _record("member.left", membership.organization, membership, by, _end(membership))


def _end(membership: Membership) -> dict:
    """Returns the role and teams they had."""
    organization = membership.organization.locked()
    teams = organization.teams.filter(user=membership.user)
    before = {"role": membership.role, "teams": sorted(team.label for team in teams)}
    membership.user.groups.remove(*teams)
    Departure.objects.update_or_create(organization=organization, user=membership.user)
    # By its key: the object in hand keeps its own, for the audit row and if this is refused.
    organization.memberships.filter(pk=membership.pk).delete()
    refuse_without_admin(organization)
    return before


def refuse_without_admin(organization: Organization) -> None:
    """Call it inside the transaction of a change, after the change. Raises Refused when no Admin is left."""
    if not organization.memberships.active_admins().exists():
        raise Refused("An organization needs an Admin. Make someone else an Admin first.")


def _record(action, organization, target, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(action, target, by=by, organization=organization, before=before, after=after)
