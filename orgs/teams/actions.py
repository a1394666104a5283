"""Changes to teams and who is in them. Each is atomic and leaves one audit row."""

from collections.abc import Iterable

from django.db import transaction

from orgs.access.gate import permissions_of, refuse_stronger
from orgs.access.places import places
from orgs.audit.models import AuditEvent
from orgs.models import Membership, Organization
from orgs.permissions import Permission
from orgs.users.models import Actor
from zenpro_site.common.refusals import Outcome, Refused, one_by_one

from .access import gives_too_much, is_maintainer, manages_members
from .models import Team


@transaction.atomic
def create_team(
    *, organization: Organization, label: str, by: Actor, description: str = "", org_role: str = ""
) -> Team:
    """Create a team without members. `org_role`: slug of an organization role that all members will inherit.

    Raises Refused for a taken name, an unknown role and a role that may do more than `by`.
    """
    _refuse_role(organization, by, org_role)
    _refuse_taken(organization, label)
    team = Team.objects.create(
        organization=organization, label=label, description=description, org_role=org_role
    )
    _record("team.created", team, by, after=_words(team))
    return team


@transaction.atomic
def update_team(*, team: Team, label: str, description: str, org_role: str, by: Actor) -> None:
    """Rename, describe, and change the organization role of all members. Same refusals as create_team.

    The old role counts as well: no one can take away a role stronger than their own.
    """
    row = _locked(team)
    if org_role != row.org_role:
        refuse_stronger(row.organization, by, row.org_role)
        _refuse_role(row.organization, by, org_role)
    _refuse_taken(row.organization, label, besides=row)
    before = _words(row)
    team.label, team.description, team.org_role = label, description, org_role
    team.save(update_fields=["label", "description", "org_role"])
    _record("team.updated", team, by, before, _words(team))


@transaction.atomic
def delete_team(*, team: Team, by: Actor) -> None:
    """Delete the team; its members lose at once what they had through it. Raises Refused for a stronger team."""
    row = _locked(team)
    refuse_stronger(row.organization, by, row.org_role)
    before = {**_words(row), "members": sorted(str(user) for user in row.user_set.all())}
    _record("team.deleted", row, by, before)
    row.delete()


@transaction.atomic
def add_member(*, team: Team, user, by: Actor) -> None:
    """Put a member of the organization into the team; they have its rights at once.

    Nothing happens when they are in it already. Raises Refused for outsiders, when `by` neither manages teams nor
    maintains this one, when the team may do more than `by` or has a role that `by` could not give directly (a
    maintainer was appointed by someone who could), and when `by` would gain tenant roles.
    """
    row = _locked(team)
    if _join(row, user, by):
        _record("team.member_added", row, by, after=_person(user))


@transaction.atomic
def add_members(*, team: Team, memberships: Iterable[Membership], by: Actor) -> list[Outcome]:
    """add_member for each of these; an audit row for each that was not in it."""
    row = _locked(team)
    outcomes = one_by_one(memberships, lambda membership: _join(row, membership.user, by) or None)
    for outcome in outcomes:
        if outcome.changed:
            _record("team.member_added", row, by, after=_person(outcome.membership.user))
    return outcomes


def _join(row: Team, user, by: Actor) -> bool:
    """Put a person into a locked team without recording it; False when they are in it already."""
    _refuse_unless_manager(row, by)
    if not row.organization.memberships.filter(user=user).exists():
        raise Refused(f"{user} is not in {row.organization}.")
    refuse_stronger(row.organization, by, row.org_role)
    _refuse_own_gain(row, user, by)
    if not is_maintainer(by.person, row):
        _refuse_too_much(row, by)
    if row.user_set.filter(pk=user.pk).exists():
        return False
    row.user_set.add(user)
    return True


@transaction.atomic
def remove_member(*, team: Team, user, by: Actor) -> None:
    """Take a person out of the team; they lose its rights at once. Nothing happens when they are not in it.

    Raises Refused when the team may do more than `by`, and when `by` neither manages teams nor maintains this one.
    """
    row = _locked(team)
    _refuse_unless_manager(row, by)
    refuse_stronger(row.organization, by, row.org_role)
    if not row.user_set.filter(pk=user.pk).exists():
        return
    row.user_set.remove(user)
    row.maintainers.remove(*row.maintainers.filter(user=user))
    _record("team.member_removed", row, by, before=_person(user))


@transaction.atomic
def add_maintainer(*, team: Team, user, by: Actor) -> None:
    """Let a person of the team add and remove its members. Nothing happens when they can already.

    It hands on the right to give what the team has. Raises Refused for people who are not in it, for service
    accounts, when the team may do more than `by`, and when it has a role that `by` could not give directly.
    """
    row = _locked(team)
    refuse_stronger(row.organization, by, row.org_role)
    _refuse_too_much(row, by)
    membership = row.organization.memberships.filter(user=user, user__groups=row.pk).first()
    if membership is None:
        raise Refused(f"{user} is not in {row}.")
    if user.is_service_account:
        raise Refused("A service account can't maintain a team.")
    if row.maintainers.filter(pk=membership.pk).exists():
        return
    row.maintainers.add(membership)
    _record("team.maintainer_added", row, by, after=_person(user))


@transaction.atomic
def remove_maintainer(*, team: Team, user, by: Actor) -> None:
    """They stay in the team but no longer manage its members. Raises Refused when the team may do more than `by`."""
    row = _locked(team)
    refuse_stronger(row.organization, by, row.org_role)
    found = row.maintainers.filter(user=user)
    if found.exists():
        row.maintainers.remove(*found)
        _record("team.maintainer_removed", row, by, before=_person(user))


def _locked(team: Team) -> Team:
    return Team.objects.select_for_update().select_related("organization").get(pk=team.pk)


def _refuse_role(organization: Organization, by: Actor, slug: str) -> None:
    if slug and Permission.MEMBER_MANAGE not in permissions_of(by.person, organization):
        raise Refused("You can't assign roles in the organization.")
    if slug and not organization.roles.organization_level().filter(slug=slug).exists():
        raise Refused(f"{organization} has no such role.")
    refuse_stronger(organization, by, slug)


def _refuse_taken(organization: Organization, label: str, besides: Team | None = None) -> None:
    others = organization.teams.filter(label=label).exclude(pk=besides.pk if besides else None)
    if others.exists():
        raise Refused(f"{organization} already has a team “{label}”.")


def _refuse_own_gain(team: Team, user, by: Actor) -> None:
    """People who manage teams but not access must not let themselves into tenants through a team."""
    if user != by.person or Permission.TENANT_MANAGE_ALL in permissions_of(by.person, team.organization):
        return
    if places().are_given_to(team):
        raise Refused("This team has roles on tenants. You can't give yourself roles; ask an Admin.")


def _refuse_too_much(team: Team, by: Actor) -> None:
    if reason := gives_too_much(by.person, team, permissions_of(by.person, team.organization)):
        raise Refused(reason)


def _refuse_unless_manager(team: Team, by: Actor) -> None:
    if not manages_members(by.person, team, permissions_of(by.person, team.organization)):
        raise Refused(f"You don't manage the members of {team}.")


def _words(team: Team) -> dict[str, str]:
    return {"name": team.label, "description": team.description, "role": team.org_role}


def _person(user) -> dict[str, str]:
    return {"member": str(user), "email": user.email}


def _record(action: str, team: Team, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(action, team, by=by, organization=team.organization, before=before, after=after)
