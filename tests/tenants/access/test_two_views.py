"""The dashboard's rights (guardian's rows) and the answers to the server come from the same grants: they never differ."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant
from guardian.core import ObjectPermissionChecker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.roles.predefined_permissions import RESOURCES, TENANT_ROLES
from tenants.access.decisions import allowed, may_connect
from tenants.access.gate import tenant_permissions_of
from tenants.models import TenantGrant
from tenants.models.tenant_permissions import NEEDS, TenantPermission
from tests.examples import as_many

PEOPLE, TEAMS, TENANTS = 3, 2, 2
INSIDE = {
    name: rights
    for name, rights in NEEDS.items()
    if rights and all(r.split(":")[0] in RESOURCES for r in rights)
}


@pytest.fixture
def cast(db):
    org = make_org()
    return {
        "people": [make_member(org, "member") for _ in range(PEOPLE)],
        "teams": [make_team(org) for _ in range(TEAMS)],
        "tenants": [make_tenant(org) for _ in range(TENANTS)],
    }


def changes():
    person, team, tenant = (st.integers(0, count - 1) for count in (PEOPLE, TEAMS, TENANTS))
    role, over = st.sampled_from(sorted(TENANT_ROLES)), st.sampled_from([False, False, True])
    return st.lists(
        st.one_of(
            st.tuples(st.just("give"), tenant, person, role, over),
            st.tuples(st.just("give_team"), tenant, team, role, over),
            st.tuples(st.just("withdraw"), tenant, st.integers(0, 5)),
            st.tuples(st.just("join"), team, person),
            st.tuples(st.just("leave"), team, person),
            st.tuples(st.just("remove"), person),
        ),
        min_size=1,
        max_size=10,
    )


class Changes:
    """Each change as the pages make it."""

    def __init__(self, cast):
        self.people, self.teams, self.tenants = cast["people"], cast["teams"], cast["tenants"]

    def give(self, tenant, person, role, over):
        if self.people[person].memberships.exists():
            self._give(tenant, self.people[person], role, over)

    def give_team(self, tenant, team, role, over):
        self._give(tenant, self.teams[team], role, over)

    def _give(self, tenant, holder, role, over):
        ends = timezone.now() - timedelta(minutes=1) if over else None
        make_grant(self.tenants[tenant], holder, role, expires_at=ends)

    def withdraw(self, tenant, place):
        for grant in self.tenants[tenant].grants.order_by("created_at")[place : place + 1]:
            TenantGrant.objects.withdraw(grant)

    def join(self, team, person):
        self.teams[team].user_set.add(self.people[person])

    def leave(self, team, person):
        self.teams[team].user_set.remove(self.people[person])

    def remove(self, person):
        self.people[person].memberships.all().delete()


def answers(user, tenant) -> set[TenantPermission]:
    """The dashboard's rights, put together from what the server would be told."""
    wanted = {right for rights in INSIDE.values() for right in rights}
    given = {
        right
        for right in wanted
        if allowed(user.pk, tenant, right.split(":")[1], [right.split(":")[0]])[right.split(":")[0]]
    }
    found = {name for name, rights in INSIDE.items() if rights <= given}
    return found | ({TenantPermission.VIEW} if may_connect(user, tenant) else set())


@pytest.mark.thorough
@settings(
    max_examples=as_many(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(steps=changes())
def test_dashboard_and_server_agree(cast, steps):
    with transaction.atomic():
        made = Changes(cast)
        for name, *about in steps:
            getattr(made, name)(*about)
        for user in made.people:
            for tenant in made.tenants:
                shown = tenant_permissions_of(user, tenant)
                assert shown & {*INSIDE, TenantPermission.VIEW} == answers(user, tenant)
                if user.memberships.exists():
                    assert shown == set(ObjectPermissionChecker(user).get_perms(tenant))
        transaction.set_rollback(True)


def test_something_is_compared():
    assert set(INSIDE) == {
        TenantPermission.TEMPLATE_VIEW,
        TenantPermission.TEMPLATE_CREATE,
        TenantPermission.TEMPLATE_RUN,
        TenantPermission.TEMPLATE_DELETE,
    }
