"""Changes to an organization's own roles. Each is atomic and leaves one audit row."""

from dataclasses import dataclass

from django.db import transaction

from orgs.access.gate import permissions_of, refuse_stronger
from orgs.access.places import places
from orgs.audit.models import AuditEvent
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.roles.predefined_permissions import complete, rights_that_exist
from orgs.users.models import Actor
from zenpro_site.common.refusals import Refused

from .models import Role


class Outdated(Refused):
    """The role was changed after the page was read."""


@dataclass(frozen=True)
class SavedRights:
    """What saving did to the rights. `implied`: those among `added` that were not ticked but that others need."""

    added: frozenset[str]
    removed: frozenset[str]
    implied: frozenset[str]


@transaction.atomic
def create_role(*, organization: Organization, level: str, name: str, by: Actor, **about) -> Role:
    """Make a role of the organization's own. `about`: description, base (a predefined role of the same level, whose
    rights it always has) and rights (those besides; what they need is added).

    Raises Refused for a taken name, rights that do not exist, a base the organization lacks, and an organization role
    that may do what `by` may not.
    """
    organization.locked()
    _refuse_taken(organization, level, name)
    base = about.get("base")
    if base and (base.organization_id != organization.pk or base.level != level or not base.predefined):
        raise Refused("A role can only be built on a predefined role of the same level.")
    rights = _allowed(organization, level, about.get("rights", ()), base, by)
    role = Role.objects.create(
        organization=organization,
        level=level,
        slug=organization.roles.free_slug(level, name),
        name=name,
        description=about.get("description", ""),
        base=base,
    )
    role.set_rights(rights)
    _record("role.created", role, by, after={**_words(role), "rights": sorted(rights)})
    return role


@transaction.atomic
def update_role(*, role: Role, name: str, description: str, by: Actor) -> None:
    """Rename and describe. Raises Refused for a predefined role, a stronger one, and a taken name."""
    row = _own(role, by)
    _refuse_taken(row.organization, row.level, name, besides=row)
    before = _words(row)
    row.name, row.description = name, description
    row.save(update_fields=["name", "description"])
    _record("role.updated", row, by, before, _words(row))


@transaction.atomic
def change_rights(*, role: Role, rights, version: str, by: Actor) -> SavedRights:
    """Make the rights of a role those given, its base's and what they need; its holders have them at once.

    `version`: Role.version when the rights were chosen. Raises Outdated when it is another by now; Refused for a
    predefined role, rights that do not exist, what `by` may not do, and more rights on tenants for `by`.
    """
    row = _own(role, by)
    before = row.rights
    if row.version != version:
        raise Outdated(f"{row.name} has changed in the meantime.")
    after = _allowed(row.organization, row.level, rights, row.base, by)
    change = SavedRights(after - before, before - after, after - before - frozenset(rights))
    if not (change.added or change.removed):
        return change
    if change.added:
        _refuse_own_gain(row, by)
    row.set_rights(after)
    if row.level == Role.Level.TENANT:
        places().rights_changed(row)
    _record(
        "role.rights_changed", row, by, {"rights": sorted(change.removed)}, {"rights": sorted(change.added)}
    )
    return change


@transaction.atomic
def delete_role(*, role: Role, by: Actor, replacement: Role | None = None) -> None:
    """Delete a role. Those who hold it, or are invited to it, have the replacement from now on.

    Raises Refused for a predefined role, for one in use without a replacement, for one the organization lacks, and
    where the replacement gives what `by` must not give.
    """
    row = _own(role, by)
    organization = row.organization
    if replacement:
        _refuse_replacement(row, replacement, by)
    elif in_use(row):
        raise Refused(f"{row.name} is in use. Choose a role to replace it.")
    before = {**_words(row), "rights": sorted(row.rights)}
    after = {"replacement": replacement.name} if replacement else {}
    _record("role.deleted", row, by, before, after)
    if row.level == Role.Level.TENANT:
        places().hand_over(row, replacement)
    elif replacement:
        organization.memberships.filter(role=row.slug).update(role=replacement.slug)
        organization.teams.filter(org_role=row.slug).update(org_role=replacement.slug)
        organization.invitations.open().filter(role=row.slug).update(role=replacement.slug)
        organization.domains.filter(role=row.slug).update(role=replacement.slug)
    row.delete()


def in_use(role: Role) -> bool:
    """Does anyone hold it, is anyone invited to it, or does a domain give it?"""
    organization = role.organization
    if role.level == Role.Level.ORGANIZATION:
        given = [organization.memberships, organization.invitations.open(), organization.domains]
        held = [
            *(rows.filter(role=role.slug) for rows in given),
            organization.teams.filter(org_role=role.slug),
        ]
        return any(rows.exists() for rows in held)
    return places().use(role)


def _allowed(organization: Organization, level: str, rights, base: Role | None, by: Actor) -> frozenset[str]:
    """The rights, those of the base and what they need. Raises Refused when they cannot be, or not through `by`."""
    unknown = frozenset(rights) - rights_that_exist(level)
    if unknown:
        raise Refused(f"There is no such right: {', '.join(sorted(unknown))}.")
    whole = complete(level, frozenset(rights) | (base.rights if base else frozenset()))
    if level == Role.Level.ORGANIZATION and not whole <= permissions_of(by.person, organization):
        raise Refused("A role can't do more than you. Ask an Admin.")
    return whole


def _own(role: Role, by: Actor) -> Role:
    """The role as it is stored now, locked. Raises Refused for predefined roles and for stronger ones than `by`."""
    role.organization.locked()
    # Giving a role on a tenant refers to its row, so it happens before this change or after it.
    rows = Role.objects.select_for_update(of=("self",)).select_related("organization", "base")
    row = rows.get(pk=role.pk)
    if row.predefined:
        raise Refused(f"{row.name} is predefined and can't be changed. Clone it instead.")
    if row.level == Role.Level.ORGANIZATION:
        refuse_stronger(row.organization, by, row.slug)
    return row


def _refuse_replacement(role: Role, replacement: Role, by: Actor) -> None:
    same = replacement.organization_id == role.organization_id and replacement.level == role.level
    if not same or replacement.pk == role.pk:
        raise Refused("Choose another role of the same level.")
    if role.level == Role.Level.ORGANIZATION:
        refuse_stronger(role.organization, by, replacement.slug)
    elif not replacement.rights <= role.rights:
        _refuse_own_gain(role, by)


def _refuse_own_gain(role: Role, by: Actor) -> None:
    """People who manage roles but not access must not give themselves more rights on tenants."""
    if role.level != Role.Level.TENANT or by.person.is_superuser:
        return
    if Permission.TENANT_MANAGE_ALL in permissions_of(by.person, role.organization):
        return
    if places().are_held(role, by.person):
        raise Refused("You have this role. You can't give yourself more rights; ask an Admin.")


def _refuse_taken(organization: Organization, level: str, name: str, besides: Role | None = None) -> None:
    others = organization.roles.filter(level=level, name__iexact=name)
    if others.exclude(pk=besides.pk if besides else None).exists():
        raise Refused(f"{organization} already has a role “{name}”.")


def _words(role: Role) -> dict[str, str]:
    base = role.base.name if role.base else ""
    return {"name": role.name, "level": role.level, "description": role.description, "base": base}


def _record(action: str, role: Role, by: Actor, before=None, after=None) -> None:
    AuditEvent.objects.record(action, role, by=by, organization=role.organization, before=before, after=after)
