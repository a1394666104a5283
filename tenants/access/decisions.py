"""Who can do what inside a tenant's ZenML server: the answers to protocol §3.4, §3.8 and §3.9.

A tenant asks up to 25 times per pipeline run and remembers nothing, so each set of questions is one hand-written
statement. It starts from the person, two keys away from what they hold, and never from a big table; an OR over
people and teams, or a common table expression for "me", would make SQLite build indexes for each question.
Rights come from roles given to the person or their teams, and from single objects shared with either. An organization
Admin without a role has none; a superuser has all.
"""

# ruff: noqa: S608 - the statements are put together from the constants below, values travel as parameters

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, UUIDField
from django.utils import timezone

from orgs.roles.predefined_permissions import READ, RESOURCES, nearest
from tenants.models import Tenant

LIST_LENGTHS = (1, 8, len(RESOURCES))  # few shapes of statement, so that a database can keep its plans
SUPERUSER = "*"
ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RESOURCE = re.compile(
    f"(?:(?:(?P<project>{ID})|(?P<tenant>{ID})@server):)?(?P<type>[a-z_]+)(?:/(?P<id>{ID}))?"
)

ACTION = re.compile("[a-z_]{1,40}")
UUIDS, TIMES = UUIDField(), DateTimeField()

# SQLite takes tables joined by CROSS JOIN in the order written, and uses no index for NOT ... <>: without either it
# would go through everything ever granted on the tenant. PostgreSQL reads both as what they mean.
PERSON = "FROM users_user u CROSS JOIN orgs_membership m"
TEAMS = "CROSS JOIN users_user_groups ug CROSS JOIN teams_team t"
ME = """
WHERE u.id = %(user)s AND u.is_active"""
MEMBER = f"{ME} AND m.user_id = u.id AND m.organization_id = %(organization)s"
IN_TEAM = f"{MEMBER} AND ug.user_id = u.id AND t.group_ptr_id = ug.group_id AND t.organization_id = m.organization_id"
HELD = "AND NOT g.tenant_id <> %(tenant)s AND (g.expires_at IS NULL OR g.expires_at > %(now)s)"
SHARED = "AND NOT s.tenant_id <> %(tenant)s"
GRANTS = (
    (f"{PERSON} CROSS JOIN tenants_tenantgrant g", f"{MEMBER} AND g.membership_id = m.id {HELD}"),
    (
        f"{PERSON} {TEAMS} CROSS JOIN tenants_tenantgrant g",
        f"{IN_TEAM} AND g.team_id = t.group_ptr_id {HELD}",
    ),
)
SHARES = (
    (f"{PERSON} CROSS JOIN tenants_share s", f"{MEMBER} AND s.membership_id = m.id {SHARED}"),
    (f"{PERSON} {TEAMS} CROSS JOIN tenants_share s", f"{IN_TEAM} AND s.team_id = t.group_ptr_id {SHARED}"),
)
NO_UUID = "CAST(NULL AS uuid)"
YES_TO_ALL = f"SELECT '{SUPERUSER}', {NO_UUID}, {NO_UUID} FROM users_user u {ME} AND u.is_superuser"

# Whoever got an object can read the project it is in: they could not reach it otherwise.
HOMES = [
    f"SELECT 'project', s.project_id, {NO_UUID} {tables} {where} AND s.project_id IS NOT NULL"
    for tables, where in SHARES
]
MAY_CONNECT = "\nUNION ALL ".join(
    [
        f"SELECT 1 FROM users_user u {ME} AND u.is_superuser",
        *(f"SELECT 1 {tables} {where}" for tables, where in GRANTS + SHARES),
    ]
)

# The same for everyone who has an account inside a server that is still open.
SHUT_OUT = f"""SELECT e.id FROM tenants_tenantaccount e JOIN tenants_tenant x ON x.id = e.tenant_id
WHERE e.cut_at IS NULL AND x.desired_state <> 'deleted' AND NOT EXISTS ({
    MAY_CONNECT
    % {
        "user": "e.user_id",
        "tenant": "e.tenant_id",
        "organization": "x.organization_id",
        "now": "%(now)s",
    }
})"""


# As orgs.access.gate.admits says for pages.
NOT_ADMITTED = """
SELECT 1 FROM orgs_organization o CROSS JOIN users_user p
WHERE o.id = %(organization)s AND o.requires_two_factor AND p.id = %(user)s AND NOT p.is_service_account
AND NOT EXISTS (SELECT 1 FROM mfa_authenticator f WHERE f.user_id = p.id AND f.type IN ('totp', 'webauthn'))"""
MAY_ENTER = f"SELECT 1 FROM ({MAY_CONNECT}) held WHERE NOT EXISTS ({NOT_ADMITTED})"


class Resource(NamedTuple):
    """`[<project>:]<type>[/<id>]`, or until 0.75 `<tenant>@server:<type>[/<id>]` (protocol §6). Ids as they are
    written: dashed and lower-case."""

    type: str
    id: str | None = None
    project: str | None = None
    tenant: str | None = None

    @classmethod
    def parse(cls, text) -> "Resource | None":
        """None for whatever has neither form."""
        found = RESOURCE.fullmatch(text) if isinstance(text, str) else None
        return cls(found["type"], found["id"], found["project"], found["tenant"]) if found else None

    @property
    def written(self) -> str:
        """As servers of today write it."""
        home = f"{self.project}:" if self.project else ""
        return f"{home}{self.type}/{self.id}" if self.id else f"{home}{self.type}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person can do with one action: with whole types, and with single objects in their project."""

    types: frozenset[str]
    objects: dict[tuple[str, str], set[str | None]]  # (type, id): projects it was shared in, None for any

    def covers(self, kind: str) -> bool:
        """All objects of the type."""
        return kind in self.types or SUPERUSER in self.types

    def ids(self, kind: str, project: str | None) -> list[str]:
        """Objects of the type that were given one by one; without a project, those of all projects. Sorted."""
        return sorted(
            number
            for found, number in self.objects
            if found == kind and Resource(kind, number, project) in self
        )

    def __contains__(self, resource: Resource) -> bool:
        if self.covers(resource.type):
            return True
        homes = self.objects.get((resource.type, resource.id), ())
        return bool(homes) and (resource.project is None or not homes.isdisjoint({None, resource.project}))


class Meant(NamedTuple):
    """What answers for a type that was asked about: a known type, and what the person can do there."""

    type: str
    answer: Answer

    def holds(self, resource: Resource) -> bool:
        return resource._replace(type=self.type) in self.answer


def allowed(user_id: UUID, tenant: Tenant, action: str, resources: Iterable[str]) -> dict[str, bool]:
    """Can the person do `action` with each of the resource strings? One statement, however many there are.

    Every string is a key of the answer, exactly as it came; unreadable ones and those of another tenant are False.
    A type or action that we do not know is answered by the nearest one, at most two statements more. Without an id the question is about the whole type. Never raises for odd input.
    """
    parsed = {text: Resource.parse(text) for text in resources}
    rights = _rights(user_id, tenant, action, {resource.type for resource in parsed.values() if resource})
    here = (None, str(tenant.pk))
    return {
        text: resource is not None and resource.tenant in here and rights[resource.type].holds(resource)
        for text, resource in parsed.items()
    }


def allowed_ids(
    user_id: UUID, tenant: Tenant, resource_type: str, project: str | None, action: str
) -> tuple[bool, list[str]]:
    """(full access, ids): with all objects of the type in the project, or only with these. One statement.

    Says yes to exactly the objects that `allowed` says yes to. `ids` is sorted, and empty with full access.
    """
    rights = _rights(user_id, tenant, action, {resource_type})[resource_type]
    if rights.answer.covers(rights.type):
        return True, []
    return False, rights.answer.ids(rights.type, project)


def reads_everything(user_id: UUID, tenant: Tenant) -> bool:
    """Can the person read all objects of every type, so that they see what everyone sees who can? One statement."""
    answer = _ask(user_id, tenant, READ, set(RESOURCES))
    return all(answer.covers(kind) for kind in RESOURCES)


def may_connect(user, tenant: Tenant) -> bool:
    """Can the person open a session with the tenant, by any role or any object shared with them? One statement.

    False for inactive people, for tenants that are not supposed to run, and for people without the second factor that
    the organization requires.
    """
    if tenant.desired_state != Tenant.DesiredState.AVAILABLE:
        return False
    with connection.cursor() as cursor:
        cursor.execute(MAY_ENTER, _parameters(user.pk, tenant))
        return cursor.fetchone() is not None


def holds_anything(user_id: UUID, tenant: Tenant) -> bool:
    """Does an active person hold a role, or anything shared, whether the tenant runs or not? One statement."""
    with connection.cursor() as cursor:
        cursor.execute(MAY_CONNECT, _parameters(user_id, tenant))
        return cursor.fetchone() is not None


def shut_out() -> list[int]:
    """Keys of the open TenantAccounts whose person no longer holds anything. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(SHUT_OUT, {"now": TIMES.get_db_prep_value(timezone.now(), connection)})
        return [key for (key,) in cursor.fetchall()]


def _rights(user_id, tenant, action: str, types: set[str]) -> dict[str, Meant]:
    """For each type asked about, what answers for it. One statement per action that is meant, mostly one."""
    if not ACTION.fullmatch(action):  # no server's action; a superuser can do everything
        return {kind: Meant(kind, _ask(user_id, tenant, "", set())) for kind in types}
    meant = {kind: nearest(kind, action) for kind in types}
    kinds: dict[str, set[str]] = {}
    for kind, one in meant.values():
        kinds.setdefault(one, set()).add(kind)
    answers = {one: _ask(user_id, tenant, one, asked) for one, asked in kinds.items()}
    return {kind: Meant(known, answers[one]) for kind, (known, one) in meant.items()}


def _ask(user_id, tenant, action: str, types: set[str]) -> Answer:
    """Everything that decides about one action on these known types: a row per type and per shared object."""
    kinds = sorted(types)
    length = next(length for length in LIST_LENGTHS if len(kinds) <= length)
    kinds += [""] * (length - len(kinds))
    parameters = _parameters(user_id, tenant) | {"action": action}
    parameters |= {f"type{place}": kind for place, kind in enumerate(kinds)}
    with connection.cursor() as cursor:
        cursor.execute(_statement(length, action == READ and "project" in types), parameters)
        return _read(cursor.fetchall())


def _read(rows) -> Answer:
    objects = {}
    for kind, number, home in rows:
        if number is not None:
            objects.setdefault((kind, _text(number)), set()).add(_text(home))
    return Answer(frozenset(kind for kind, number, _ in rows if number is None), objects)


def _text(value) -> str | None:
    """A stored id as it is written: SQLite keeps it as hexadecimal digits, PostgreSQL as a UUID."""
    return None if value is None else str(UUID(value) if isinstance(value, str) else value)


@lru_cache
def _statement(types: int, projects: bool) -> str:
    """One SELECT of (type, id, project) for a number of types; without an id a row is about the whole type."""
    kinds = ", ".join(f"%(type{place})s" for place in range(types))
    rights = f"SELECT p.resource, {NO_UUID}, {NO_UUID}"
    given = f"AND p.role_id = g.role_id AND p.action = %(action)s AND p.resource IN ({kinds})"
    objects = "SELECT s.resource_type, s.resource_id, s.project_id"
    shared = f"AND s.action = %(action)s AND s.resource_type IN ({kinds})"
    parts = [YES_TO_ALL]
    parts += [
        f"{rights} {tables} CROSS JOIN roles_rolepermission p {where} {given}" for tables, where in GRANTS
    ]
    parts += [f"{objects} {tables} {where} {shared}" for tables, where in SHARES]
    return "\nUNION ALL ".join(parts + (HOMES if projects else []))


def _parameters(user_id, tenant) -> dict:
    return {
        "user": _as_stored(user_id),
        "tenant": _as_stored(tenant.pk),
        "organization": _as_stored(tenant.organization_id),
        "now": TIMES.get_db_prep_value(timezone.now(), connection),
    }


def _as_stored(value: UUID):
    return UUIDS.get_db_prep_value(value, connection)
