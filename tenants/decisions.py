"""Who may do what inside a tenant's ZenML server: the answers to protocol §3.4, §3.8 and §3.9.

A tenant asks up to 25 times per pipeline run and remembers nothing, so each set of questions is one hand-written
statement. It starts from the person, two keys away from what she holds, and never from a big table; an OR over
people and teams, or a common table expression for "me", makes SQLite build indexes for each question instead.
Rights come from roles given to the person or to her teams, and from single objects shared with either. An organization
Admin without a role has none; a superuser has all.
"""

# ruff: noqa: S608 - the statements are put together from the constants below, values travel as parameters

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone

from orgs.roles.permissions import READ

from .models import Tenant

AT_ONCE = 400  # resources in one statement
LIST_LENGTHS = (1, 8, 64, AT_ONCE)  # few shapes of statement, so that a database can keep its plans
NO_ID = UUID(int=0)
SUPERUSER = "*"

PERSON = """
FROM users_user u
JOIN orgs_membership m ON m.user_id = u.id AND m.organization_id = %(organization)s"""
TEAMS = """
JOIN users_user_groups ug ON ug.user_id = u.id
JOIN teams_team t ON t.group_ptr_id = ug.group_id AND t.organization_id = m.organization_id"""
GRANTS = (
    f"{PERSON} JOIN tenants_tenantgrant g ON g.membership_id = m.id",
    f"{PERSON} {TEAMS} JOIN tenants_tenantgrant g ON g.team_id = t.group_ptr_id",
)
SHARES = (
    f"{PERSON} JOIN tenants_share s ON s.membership_id = m.id",
    f"{PERSON} {TEAMS} JOIN tenants_share s ON s.team_id = t.group_ptr_id",
)
RIGHTS = "JOIN roles_rolepermission p ON p.role_id = g.role_id"
ME = "WHERE u.id = %(user)s AND u.is_active"
HELD = f"{ME} AND g.tenant_id = %(tenant)s AND (g.expires_at IS NULL OR g.expires_at > %(now)s)"
SHARED = f"{ME} AND s.tenant_id = %(tenant)s"
NO_UUID = "CAST(NULL AS uuid)"
YES_TO_ALL = f"SELECT '{SUPERUSER}', {NO_UUID}, {NO_UUID} FROM users_user u {ME} AND u.is_superuser"

MAY_CONNECT = "\nUNION ALL ".join(
    [
        f"SELECT 1 FROM users_user u {ME} AND u.is_superuser",
        *(f"SELECT 1 {grants} {HELD}" for grants in GRANTS),
        *(f"SELECT 1 {shares} {SHARED}" for shares in SHARES),
    ]
)


@dataclass(frozen=True, slots=True)
class Resource:
    """`[<project>:]<type>[/<id>]`, or until 0.75 `<tenant>@server:<type>[/<id>]` (protocol §6)."""

    type: str
    id: UUID | None = None
    project: UUID | None = None
    tenant: UUID | None = None

    @classmethod
    def parse(cls, text: str) -> "Resource":
        """Raises ValueError when the text has neither form."""
        scope, colon, rest = text.rpartition(":")
        kind, slash, number = rest.partition("/")
        if not kind.isascii() or not kind.isidentifier():
            raise ValueError("A resource begins with its type.")
        found = UUID(number) if slash else None
        if scope.endswith("@server"):
            return cls(kind, found, tenant=UUID(scope.removesuffix("@server")))
        return cls(kind, found, project=UUID(scope) if colon else None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person may do with one action: with whole types, and with single objects in their project."""

    types: frozenset[str]
    objects: frozenset[tuple[str, UUID, UUID | None]]

    def covers(self, kind: str) -> bool:
        """All objects of the type."""
        return SUPERUSER in self.types or kind in self.types

    def ids(self, kind: str, project: UUID | None) -> set[UUID]:
        """Objects of the type she may touch one by one; without a project, those of all projects."""
        return {
            number
            for found, number, home in self.objects
            if found == kind and (project is None or home is None or home == project)
        }

    def __contains__(self, resource: Resource) -> bool:
        return self.covers(resource.type) or resource.id in self.ids(resource.type, resource.project)


def allowed(user_id: UUID, tenant: Tenant, action: str, resources: Iterable[str]) -> dict[str, bool]:
    """May the person do `action` with each of the resource strings? One statement per 400 of them.

    Every string is a key of the answer, exactly as it came; what cannot be read, is unknown or belongs to another
    tenant is False. Without an id the question is about the whole type. Never raises for odd input.
    """
    answers = dict.fromkeys(resources, False)
    parsed = {text: resource for text in answers if (resource := _readable(text, tenant))}
    waiting = iter(parsed.items())
    while part := dict(islice(waiting, AT_ONCE)):
        types = {resource.type for resource in part.values()}
        ids = {resource.id for resource in part.values() if resource.id}
        rights = _ask(user_id, tenant, action, types, ids)
        answers |= {text: resource in rights for text, resource in part.items()}
    return answers


def allowed_ids(
    user_id: UUID, tenant: Tenant, resource_type: str, project: UUID | None, action: str
) -> tuple[bool, list[UUID]]:
    """(full access, ids): with all objects of the type in the project, or only with these. One statement.

    Says yes to exactly the objects that `allowed` says yes to. `ids` is sorted, and empty with full access.
    """
    rights = _ask(user_id, tenant, action, {resource_type}, None)
    if rights.covers(resource_type):
        return True, []
    return False, sorted(rights.ids(resource_type, project))


def may_connect(user, tenant: Tenant) -> bool:
    """May the person open a session with the tenant: any role, or any object shared with her. One statement.

    False for inactive people and for tenants that are not wanted running.
    """
    if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
        return False
    with connection.cursor() as cursor:
        cursor.execute(MAY_CONNECT, _parameters(user.pk, tenant))
        return cursor.fetchone() is not None


def _readable(text: str, tenant: Tenant) -> Resource | None:
    try:
        resource = Resource.parse(text)
    except ValueError:
        return None
    return resource if resource.tenant in (None, tenant.pk) else None


def _ask(user_id, tenant, action: str, types: set[str], ids: set[UUID] | None) -> Answer:
    """Rights of a person on whole types, and on the objects `ids` (None: on all there are)."""
    kinds = _filled(sorted(types), "")
    numbers = None if ids is None else _filled(sorted(ids), NO_ID)
    projects = action == READ and "project" in types
    parameters = _parameters(user_id, tenant) | {"action": action}
    parameters |= {f"type{place}": kind for place, kind in enumerate(kinds)}
    parameters |= {f"id{place}": _as_stored(number) for place, number in enumerate(numbers or ())}
    statement = _statement(len(kinds), None if numbers is None else len(numbers), projects)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return _read(cursor.fetchall())


def _read(rows) -> Answer:
    return Answer(
        types=frozenset(kind for kind, number, _ in rows if number is None),
        objects=frozenset((kind, _uuid(number), _uuid(home)) for kind, number, home in rows if number),
    )


def _uuid(value) -> UUID | None:
    return UUID(value) if isinstance(value, str) else value


@lru_cache
def _statement(types: int, ids: int | None, projects: bool) -> str:
    """One SELECT of (type, id, project); without an id the row is about the whole type."""
    kinds = _list("type", types)
    only = "" if ids is None else f"AND s.resource_id IN {_list('id', ids)}"
    parts = [YES_TO_ALL]
    for grants in GRANTS:
        parts.append(
            f"SELECT p.resource, {NO_UUID}, {NO_UUID} {grants} {RIGHTS}\n{HELD}"
            f" AND p.action = %(action)s AND p.resource IN {kinds}"
        )
    for shares in SHARES:
        parts.append(
            f"SELECT s.resource_type, s.resource_id, s.project_id {shares}\n{SHARED}"
            f" AND s.action = %(action)s AND s.resource_type IN {kinds} {only}"
        )
    return "\nUNION ALL ".join(parts + (_homes(ids) if projects else []))


def _homes(ids: int | None) -> list[str]:
    """Whoever got an object may read the project it is in, else she could not reach it."""
    only = "" if ids is None else f"AND s.project_id IN {_list('id', ids)}"
    return [
        f"SELECT 'project', s.project_id, {NO_UUID} {shares}\n{SHARED} AND s.project_id IS NOT NULL {only}"
        for shares in SHARES
    ]


def _list(name: str, length: int) -> str:
    return f"({', '.join(f'%({name}{place})s' for place in range(length))})"


def _filled(values: list, filler) -> list:
    """The values, filled up to the next of the lengths that statements come in."""
    length = next(length for length in LIST_LENGTHS if len(values) <= length)
    return values + [filler] * (length - len(values))


def _parameters(user_id, tenant) -> dict:
    return {
        "user": _as_stored(user_id),
        "tenant": _as_stored(tenant.pk),
        "organization": _as_stored(tenant.organization_id),
        "now": DateTimeField().get_db_prep_value(timezone.now(), connection),
    }


def _as_stored(value: UUID):
    return UUIDField().get_db_prep_value(value, connection)
