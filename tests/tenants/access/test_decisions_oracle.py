"""Random people, teams, roles, grants and shares: the one statement against a slow reading of the rules."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from factories import make_org, make_team, make_tenant, make_user
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.models import Membership
from orgs.roles.models import Role, RolePermission
from tenants.access.decisions import allowed, allowed_ids, may_connect, shut_out
from tenants.models import Share, TenantAccount, TenantGrant

TYPES = ["pipeline", "secret", "project", "dragon"]  # the last is no type of ZenML's
ACTIONS = ["read", "update", "client", "fly"]
PROJECTS = [UUID(int=number) for number in (11, 12)]
OBJECTS = [*PROJECTS, *(UUID(int=number) for number in (21, 22))]
PEOPLE, ORGS, TENANTS, TEAMS, ROLES = 4, 2, 3, 3, 3
TENANT_ORG, TEAM_ORG, ROLE_ORG = [0, 0, 1], [0, 0, 1], [0, 0, 1]
NOW = timezone.now()
EXPIRIES = [None, NOW - timedelta(hours=1), NOW + timedelta(hours=1)]


@dataclass
class World:
    """Who is what, by number."""

    active: list[bool]
    superusers: list[bool]
    members: set[tuple[int, int]]  # person, organization
    team_members: set[tuple[int, int]]  # person, team
    rights: set[tuple[int, str, str]]  # role, type, action
    grants: dict[tuple[int, int, str, int], object]  # tenant, role, kind of holder, holder -> expiry
    shares: set[
        tuple[int, str, int, str, UUID, UUID | None, str]
    ]  # tenant, kind, holder, type, id, project, action
    home: dict = field(default_factory=dict)


def number(count):
    return st.integers(0, count - 1)


def worlds(least=0):
    """`least`: so many of each tie at least, where few of them would show little."""
    holder = st.tuples(st.sampled_from(["person", "team"]), number(3))
    grant = st.tuples(number(TENANTS), number(ROLES), holder)
    thing = st.tuples(st.sampled_from(TYPES), st.sampled_from(OBJECTS))
    share = st.tuples(
        number(TENANTS), holder, thing, st.sampled_from([None, *PROJECTS]), st.sampled_from(ACTIONS)
    )
    return st.builds(
        World,
        active=st.lists(st.sampled_from([True, True, False]), min_size=PEOPLE, max_size=PEOPLE),
        superusers=st.lists(st.sampled_from([False, False, False, True]), min_size=PEOPLE, max_size=PEOPLE),
        members=st.sets(st.tuples(number(PEOPLE), number(ORGS)), min_size=least, max_size=6),
        team_members=st.sets(st.tuples(number(PEOPLE), number(TEAMS)), min_size=least, max_size=6),
        rights=st.sets(
            st.tuples(number(ROLES), st.sampled_from(TYPES[:3]), st.sampled_from(ACTIONS)),
            min_size=least,
            max_size=8,
        ),
        grants=st.dictionaries(grant.map(flat), st.sampled_from(EXPIRIES), min_size=least, max_size=5),
        shares=st.sets(share.map(flat), min_size=least, max_size=5),
    )


def flat(values) -> tuple:
    return tuple(inner for value in values for inner in (value if isinstance(value, tuple) else (value,)))


# The slow reading: each rule as it is written, on the plain data.


def belongs(world, person, kind, holder, org) -> bool:
    if (person, org) not in world.members:
        return False
    if kind == "person":
        return person == holder
    return TEAM_ORG[holder] == org and (person, holder) in world.team_members


def roles_of(world, person, tenant):
    for (where, role, kind, holder), expiry in sound_grants(world):
        current = expiry is None or expiry > NOW
        if where == tenant and current and belongs(world, person, kind, holder, TENANT_ORG[tenant]):
            yield role


def shares_of(world, person, tenant):
    for where, kind, holder, *rest in sound_shares(world):
        if where == tenant and belongs(world, person, kind, holder, TENANT_ORG[tenant]):
            yield rest


def known(kind, action) -> tuple[str, str]:
    """What the grid has: other types are like pipelines, other actions like changing."""
    kind = "pipeline" if kind == "dragon" else kind
    return kind, action if action in ("read", "update") else "update"


def may(world, person, tenant, action, kind, one, project) -> bool:
    """May the person do it with this object (None: with all of the type)?"""
    kind, action = known(kind, action)
    if not world.active[person]:
        return False
    if world.superusers[person]:
        return True
    if any((role, kind, action) in world.rights for role in roles_of(world, person, tenant)):
        return True
    return one is not None and any(
        opens(share, action, kind, one, project) for share in shares_of(world, person, tenant)
    )


def opens(share, action, kind, one, project) -> bool:
    shared_kind, shared_one, home, shared_action = share
    if kind == "project" and action == "read" and one == home:
        return True
    same_place = project is None or home is None or home == project
    return (
        (shared_kind, shared_one, shared_action) == (kind, one, action) and kind in TYPES[:3] and same_place
    )


def may_enter(world, person, tenant) -> bool:
    if not world.active[person]:
        return False
    held = [*roles_of(world, person, tenant), *shares_of(world, person, tenant)]
    return world.superusers[person] or bool(held)


def holder_fits(world, tenant, kind, holder) -> bool:
    """People hold by their membership, which must exist. A team of another organization must not help anybody."""
    return kind == "team" or (holder, TENANT_ORG[tenant]) in world.members


def sound_grants(world):
    for (tenant, role, kind, holder), expiry in world.grants.items():
        if holder_fits(world, tenant, kind, holder) and ROLE_ORG[role] == TENANT_ORG[tenant]:
            yield (tenant, role, kind, holder), expiry


def sound_shares(world):
    seen = set()  # one row for the same object, action and holder, whatever its project
    for share in sorted(world.shares, key=str):
        tenant, kind, holder, type_, one, _, action = share
        key = (tenant, kind, holder, type_, one, action)
        if holder_fits(world, tenant, kind, holder) and key not in seen:
            seen.add(key)
            yield share


# The same world in the database


@pytest.fixture
def cast(db):
    """People, organizations, tenants, teams and roles without any tie between them."""
    orgs = [make_org() for _ in range(ORGS)]
    return {
        "people": [make_user() for _ in range(PEOPLE)],
        "orgs": orgs,
        "tenants": [make_tenant(orgs[org]) for org in TENANT_ORG],
        "teams": [make_team(orgs[org]) for org in TEAM_ORG],
        "roles": [
            Role.objects.create(organization=orgs[org], level="tenant", slug=f"r{place}", name=f"r{place}")
            for place, org in enumerate(ROLE_ORG)
        ],
    }


def build(cast, world) -> None:
    User = get_user_model()
    people, teams = cast["people"], cast["teams"]
    for place, user in enumerate(people):
        user.is_active, user.is_superuser = world.active[place], world.superusers[place]
    User.objects.bulk_update(people, ["is_active", "is_superuser"])
    members = {
        (person, org): Membership(user=people[person], organization=cast["orgs"][org])
        for person, org in world.members
    }
    Membership.objects.bulk_create(members.values())
    through = User.groups.through
    through.objects.bulk_create(
        through(user=people[person], group_id=teams[team].pk) for person, team in world.team_members
    )
    RolePermission.objects.bulk_create(
        RolePermission(role=cast["roles"][role], resource=kind, action=action)
        for role, kind, action in world.rights
    )

    def held(tenant, kind, holder):
        key = (
            {"team": teams[holder]} if kind == "team" else {"membership": members[holder, TENANT_ORG[tenant]]}
        )
        return {"tenant": cast["tenants"][tenant], **key}

    TenantGrant.objects.bulk_create(
        TenantGrant(**held(tenant, kind, holder), role=cast["roles"][role], expires_at=expiry)
        for (tenant, role, kind, holder), expiry in sound_grants(world)
    )
    Share.objects.bulk_create(
        Share(**held(tenant, kind, holder), resource_type=t, resource_id=one, project_id=home, action=action)
        for tenant, kind, holder, t, one, home, action in sound_shares(world)
    )


def text_of(kind, one, project) -> str:
    return f"{project}:"[: 37 if project else 0] + kind + (f"/{one}" if one else "")


SCOPES = [None, *PROJECTS]
QUESTIONS = {
    text_of(kind, one, project): (kind, one, project)
    for kind in TYPES
    for one in (None, *OBJECTS)
    for project in SCOPES
}
tally = Counter()


@pytest.mark.thorough
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(world=worlds(), action=st.sampled_from(ACTIONS))
def test_every_decision_agrees_with_the_rules(cast, world, action):
    with transaction.atomic():
        build(cast, world)
        for person in range(PEOPLE):
            for tenant in range(TENANTS):
                check(cast, world, person, tenant, action)
        check_who_is_shut_out(cast, world)
        transaction.set_rollback(True)


def check(cast, world, person, tenant, action) -> None:
    user, place = cast["people"][person], cast["tenants"][tenant]
    answers = allowed(user.pk, place, action, QUESTIONS)
    wanted = {text: may(world, person, tenant, action, *about) for text, about in QUESTIONS.items()}
    assert answers == wanted
    assert may_connect(user, place) == may_enter(world, person, tenant)
    kind, scope = TYPES[tally["asked"] % len(TYPES)], SCOPES[tally["asked"] % len(SCOPES)]
    full, ids = allowed_ids(user.pk, place, kind, scope and str(scope), action)
    assert full == wanted[text_of(kind, None, scope)]
    if not full:
        assert ids == sorted(str(one) for one in OBJECTS if wanted[text_of(kind, one, scope)])
    tally.update(asked=1, decided=len(wanted) + 2, yes=sum(wanted.values()))


def check_who_is_shut_out(cast, world) -> None:
    """With an account for everybody everywhere, exactly those who may not enter are found."""
    pairs = {(person, tenant) for person in range(PEOPLE) for tenant in range(TENANTS)}
    for person, tenant in pairs:
        TenantAccount.objects.enter(cast["tenants"][tenant], cast["people"][person])
    out = TenantAccount.objects.filter(pk__in=shut_out()).values_list("user", "tenant")
    wanted = {pair for pair in pairs if not may_enter(world, *pair)}
    assert set(out) == {(cast["people"][person].pk, cast["tenants"][tenant].pk) for person, tenant in wanted}
    tally.update(decided=len(pairs))


def test_enough_was_decided():
    """The property above is worth something only with many answers of both kinds."""
    if tally:
        assert tally["decided"] >= 10_000
        assert 0.02 < tally["yes"] / tally["decided"] < 0.9, tally
