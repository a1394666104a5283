"""Changes to organizations. Each is atomic and leaves one audit row."""

from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError

from orgs.access.factors import has_two_factor
from orgs.audit.models import AuditEvent
from orgs.models import Membership, Organization, OrgRole
from orgs.roles.models import Role
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused


@transaction.atomic
def create_organization(*, name: str, slug: str, by: Actor, description: str = "") -> Organization:
    """Create an organization with its predefined roles; the creator becomes its first Admin.

    Raises Refused when another organization has the slug.
    """
    if Organization.objects.filter(slug=slug).exists():
        raise Refused(f"“{slug}” is taken.")
    organization = Organization.objects.create(name=name, slug=slug, description=description)
    Role.objects.seed(organization)
    Membership.objects.create(organization=organization, user=by.person, role=OrgRole.ADMIN)
    _record("organization.created", organization, organization, by, after=_words(organization))
    return organization


@transaction.atomic
def update_organization(*, organization: Organization, name: str, description: str, by: Actor) -> None:
    """Rename and describe. The slug stays, so that links keep working."""
    before = _words(Organization.objects.select_for_update().get(pk=organization.pk))
    organization.name, organization.description = name, description
    organization.save(update_fields=["name", "description", "updated_at"])
    _record("organization.updated", organization, organization, by, before, _words(organization))


@transaction.atomic
def require_two_factor(*, organization: Organization, required: bool, by: Actor) -> None:
    """Require a second factor at sign-in, or no longer. Nothing happens when that is the setting already.

    Raises Refused when `by` has none: they would shut themselves out.
    """
    locked = organization.locked()
    if locked.requires_two_factor == required:
        return
    if required and not has_two_factor(by.person):
        raise Refused("Set up two-factor sign-in for yourself first.")
    organization.requires_two_factor = required
    organization.save(update_fields=["requires_two_factor", "updated_at"])
    if required:
        _record("organization.two_factor_required", organization, organization, by)
    else:
        _record("organization.two_factor_optional", organization, organization, by)


@transaction.atomic
def allow_package_builds(*, organization: Organization, allowed: bool, by: Actor) -> None:
    """Let packages of templates be built from source where they have no wheel, or no longer.

    Nothing happens when that is the setting already. Raises Refused while the package index needs a password: the
    code that builds could read it.
    """
    locked = organization.locked()
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
def delete_organization(*, organization: Organization, by: Actor) -> None:
    """Delete the organization with its members, teams, roles and invitations; its audit rows stay.

    Raises Refused while it has something that protects it, such as a server that only the agent can remove.
    """
    organization.locked()
    before = {**_words(organization), "people": organization.memberships.count()}
    _record("organization.deleted", organization, organization, by, before)
    # Teams one by one: deleting a team through its organization leaves the group it is built on behind.
    for team in organization.teams.all():
        team.delete()
    try:
        organization.delete()
    except ProtectedError as error:
        raise Refused(_what_is_left(error)) from error


def _what_is_left(error: ProtectedError) -> str:
    left = sorted(error.protected_objects, key=str)
    kind, names = left[0]._meta.verbose_name_plural, ", ".join(map(str, left))
    return f"Delete its {kind} first, and wait until they are gone: {names}."


def _words(organization: Organization) -> dict[str, str]:
    return {"name": organization.name, "slug": organization.slug, "description": organization.description}


def _record(action, organization, target, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(action, target, by=by, organization=organization, before=before, after=after)
