"""Changes to organizations and their members. Each is atomic and leaves one audit row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F

from .access import permissions_of
from .audit.models import AuditEvent
from .domains.models import Departure
from .models import Membership, Organization, OrgRole
from .roles.models import Role
from .users.two_factor import has_two_factor


class Refused(Exception):
    """The change breaks a rule; the text is a sentence for people. Nothing has been written."""


@dataclass(frozen=True)
class Outcome:
    """What happened to one of many members. `refused`: why nothing did; `before`: None when there was nothing to do."""

    membership: Membership
    before: object = None
    refused: str = ""

    @property
    def changed(self) -> bool:
        return not self.refused and self.before is not None


def one_by_one(memberships: Iterable[Membership], change: Callable) -> list[Outcome]:
    """Try `change` with each of these members; those for whom it is refused stay as they are.

    Call it inside a transaction and record what was done after all of them: an audit row keeps everyone else from
    recording until the commit. `change` returns what was before, or None when there was nothing to do.
    """
    outcomes = []
    for membership in memberships:
        try:
            with transaction.atomic():
                outcomes.append(Outcome(membership, before=change(membership)))
        except Refused as refused:
            outcomes.append(Outcome(membership, refused=str(refused)))
    return outcomes


@transaction.atomic
def create_organization(*, name: str, slug: str, by, description: str = "") -> Organization:
    """Create an organization with its predefined roles; the creator becomes its first Admin.

    Raises Refused when another organization has the slug.
    """
    if Organization.objects.filter(slug=slug).exists():
        raise Refused(f"“{slug}” is taken.")
    organization = Organization.objects.create(name=name, slug=slug, description=description)
    Role.objects.seed(organization)
    Membership.objects.create(organization=organization, user=by, role=OrgRole.ADMIN)
    _record("organization.created", organization, organization, by, after=_words(organization))
    return organization


@transaction.atomic
def update_organization(*, organization: Organization, name: str, description: str, by) -> None:
    """Rename and describe. The slug stays, so that links keep working."""
    before = _words(Organization.objects.select_for_update().get(pk=organization.pk))
    organization.name, organization.description = name, description
    organization.save(update_fields=["name", "description", "updated_at"])
    _record("organization.updated", organization, organization, by, before, _words(organization))


@transaction.atomic
def require_two_factor(*, organization: Organization, required: bool, by) -> None:
    """Require a second factor at sign-in, or no longer. Nothing happens when that is the setting already.

    Raises Refused when `by` has none: they would shut themselves out.
    """
    locked = _lock(organization)
    if locked.requires_two_factor == required:
        return
    if required and not has_two_factor(by):
        raise Refused("Set up two-factor sign-in for yourself first.")
    organization.requires_two_factor = required
    organization.save(update_fields=["requires_two_factor", "updated_at"])
    if required:
        _record("organization.two_factor_required", organization, organization, by)
    else:
        _record("organization.two_factor_optional", organization, organization, by)


@transaction.atomic
def allow_package_builds(*, organization: Organization, allowed: bool, by) -> None:
    """Let packages of templates be built from source where they have no wheel, or no longer.

    Nothing happens when that is the setting already. Raises Refused while the package index needs a password: the
    code that builds could read it.
    """
    locked = _lock(organization)
    if locked.allows_package_builds == allowed:
        return
    if allowed and settings.ZENPRO_PACKAGE_INDEX.has_secret:
        raise Refused(
            "This installation's package index needs a password, which code that runs during builds could read."
        )
    organization.allows_package_builds = allowed
    organization.save(update_fields=["allows_package_builds", "updated_at"])
    if allowed:
        _record("organization.package_builds_allowed", organization, organization, by)
    else:
        _record("organization.package_builds_ended", organization, organization, by)


@transaction.atomic
def delete_organization(*, organization: Organization, by) -> None:
    """Delete the organization with its members, teams, roles and invitations; its audit rows stay.

    Raises Refused while one of its tenants still has a server: only the agent can stop and remove those.
    """
    _lock(organization)
    left = organization.tenants.exclude(status="deleted").order_by("name").values_list("name", flat=True)
    if left:
        raise Refused(f"Delete its tenants first, and wait until they are gone: {', '.join(left)}.")
    before = {**_words(organization), "people": organization.memberships.count()}
    _record("organization.deleted", organization, organization, by, before)
    # Teams one by one: deleting a team through its organization leaves the group it is built on behind.
    for team in organization.teams.all():
        team.delete()
    organization.delete()


@transaction.atomic
def add_member(*, organization: Organization, person, role: Role, by) -> Membership:
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
def change_role(*, membership: Membership, role: Role, by) -> None:
    """Give a member another organization role. Nothing happens when they have it already.

    Raises Refused for a role the organization does not have, for one's own role, for a role stronger than what `by`
    may do, and when no active Admin would be left.
    """
    before = _switch(membership, role, by)
    if before is not None:
        _record_role(membership, role, before, by)


@transaction.atomic
def change_roles(*, memberships: Iterable[Membership], role: Role, by) -> list[Outcome]:
    """change_role for each of these members; an audit row for each that was changed."""
    outcomes = one_by_one(memberships, lambda membership: _switch(membership, role, by))
    for outcome in outcomes:
        if outcome.changed:
            _record_role(outcome.membership, role, outcome.before, by)
    return outcomes


def _switch(membership: Membership, role: Role, by) -> str | None:
    """Change the role without recording it; returns the one before, None when they have it already."""
    organization = _lock(membership.organization)
    if role.organization_id != organization.pk or role.level != Role.Level.ORGANIZATION:
        raise Refused(f"{organization} has no such role.")
    membership.refresh_from_db(fields=["role"])
    if membership.user_id == by.pk:
        raise Refused("You can't change your own role. Ask another Admin.")
    if membership.role == role.slug:
        return None
    refuse_stronger(organization, by, membership.role, role.slug)
    before, membership.role = membership.role, role.slug
    membership.save(update_fields=["role"])
    refuse_without_admin(organization)
    return before


def _record_role(membership: Membership, role: Role, before: str, by) -> None:
    after = {"role": role.slug}
    _record("member.role_changed", membership.organization, membership, by, {"role": before}, after)


@transaction.atomic
def remove_member(*, membership: Membership, by) -> None:
    """End a membership: organization role, teams, tenant roles and shares, at once. What they created stays.

    Raises Refused for oneself (that is `leave`), for someone stronger, and for the last active Admin.
    """
    before = _remove(membership, by)
    _record("member.removed", membership.organization, membership, by, before)


@transaction.atomic
def remove_members(*, memberships: Iterable[Membership], by) -> list[Outcome]:
    """remove_member for each of these members; an audit row for each that was removed."""
    outcomes = one_by_one(memberships, lambda membership: _remove(membership, by))
    for outcome in outcomes:
        if outcome.changed:
            organization = outcome.membership.organization
            _record("member.removed", organization, outcome.membership, by, outcome.before)
    return outcomes


def _remove(membership: Membership, by) -> dict:
    """Remove without recording it; returns what they had."""
    if membership.user_id == by.pk:
        raise Refused("To remove yourself, leave the organization.")
    refuse_stronger(membership.organization, by, membership.role)
    return _end(membership)


@transaction.atomic
def leave(*, membership: Membership, by) -> None:
    """End one's own membership. Raises Refused for the last active Admin and for anyone else's."""
    if membership.user_id != by.pk:
        raise Refused("You can only leave on your own behalf.")
    _record("member.left", membership.organization, membership, by, _end(membership))


def _end(membership: Membership) -> dict:
    """Returns the role and teams they had."""
    organization = _lock(membership.organization)
    teams = organization.teams.filter(user=membership.user)
    before = {"role": membership.role, "teams": sorted(team.label for team in teams)}
    membership.user.groups.remove(*teams)
    Departure.objects.update_or_create(organization=organization, user=membership.user)
    # By its key: the object in hand keeps its own, for the audit row and if this is refused.
    organization.memberships.filter(pk=membership.pk).delete()
    refuse_without_admin(organization)
    return before


@transaction.atomic
def deactivate_person(*, person, by) -> None:
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
def rename_person(*, person, name: str, by) -> None:
    """Change the name that others see. The username, which tenants know them by, stays."""
    before = {"name": get_user_model().objects.get(pk=person.pk).name}
    person.name = name
    person.save(update_fields=["name"])
    AuditEvent.objects.record("person.renamed", person, by=by, before=before, after={"name": name})


def refuse_without_admin(organization: Organization) -> None:
    """Call it inside the transaction of a change, after the change. Raises Refused when no Admin is left."""
    if not organization.memberships.active_admins().exists():
        raise Refused("An organization needs an Admin. Make someone else an Admin first.")


def refuse_stronger(organization: Organization, by, *roles: str) -> None:
    """Raises Refused when one of the organization roles (slugs) may do something that `by` may not."""
    held = permissions_of(by, organization)
    for role in (
        organization.roles.organization_level().filter(slug__in=roles).prefetch_related("permissions")
    ):
        if not role.rights <= held:
            raise Refused(f"{role.name} can do more than you. Ask an Admin.")


def _lock(organization: Organization) -> Organization:
    """Changes of who is Admin happen one after another."""
    return Organization.objects.select_for_update().get(pk=organization.pk)


def _words(organization: Organization) -> dict[str, str]:
    return {"name": organization.name, "slug": organization.slug, "description": organization.description}


def _record(action, organization, target, by, before=None, after=None) -> None:
    AuditEvent.objects.record(action, target, by=by, organization=organization, before=before, after=after)
