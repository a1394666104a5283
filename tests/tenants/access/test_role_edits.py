"""A role that is edited or replaced changes guardian's rows of all its holders, in bulk and exactly."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from factories import make_grant, make_member, make_org, make_role, make_team, make_tenant, tenant_role
from guardian.core import ObjectPermissionChecker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.models import Membership
from orgs.roles import actions
from orgs.roles.models import Role
from orgs.users.models import Actor, User
from tenants.access.gate import tenant_permissions_of
from tenants.models import TenantGrant, TenantUserObjectPermission
from tenants.models.tenant_permissions import TenantPermission
from tests.examples import as_many

from .test_two_views import INSIDE, answers

RIGHTS = sorted({right for rights in INSIDE.values() for right in rights} | {"model:update", "tenant:change"})


@pytest.fixture
def reviewer(org):
    return make_role(org, "Model reviewer", base="viewer")


@pytest.fixture
def cast(db):
    org = make_org()
    admin = make_member(org, "admin")
    people = [make_member(org) for _ in range(3)]
    teams = [make_team(org, members=people[:1]), make_team(org, members=people[1:])]
    roles = [make_role(org, "One"), make_role(org, "Two", base="viewer"), tenant_role(org, "operator")]
    return org, admin, people, teams, roles, [make_tenant(org) for _ in range(2)]


def edits():
    role, tenant, own = st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)
    return st.lists(
        st.one_of(
            st.tuples(st.just("give"), tenant, st.integers(0, 4), role),
            st.tuples(st.just("edit"), own, st.frozensets(st.sampled_from(RIGHTS))),
            st.tuples(st.just("delete"), own, role),
        ),
        min_size=1,
        max_size=8,
    )


class Edits:
    def __init__(self, cast):
        _, self.admin, self.people, self.teams, self.roles, self.tenants = cast

    def give(self, tenant, holder, role):
        make_grant(self.tenants[tenant], [*self.people, *self.teams][holder], self.roles[role].slug)

    def edit(self, role, rights):
        row = Role.objects.get(pk=self.roles[role].pk)
        if not row.predefined:
            actions.change_rights(role=row, rights=rights, version=row.version, by=Actor(self.admin))

    def delete(self, role, replacement):
        old, new = self.roles[role], self.roles[replacement]
        if old != new and not old.predefined:
            actions.delete_role(role=old, replacement=new, by=Actor(self.admin))
            self.roles = [new if one == old else one for one in self.roles]


@pytest.mark.thorough
@settings(
    max_examples=as_many(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(steps=edits())
def test_dashboard_and_server_agree_after_any_edit(cast, steps):
    with transaction.atomic():
        made = Edits(cast)
        for name, *about in steps:
            getattr(made, name)(*about)
        for user in made.people:
            for tenant in made.tenants:
                shown = tenant_permissions_of(user, tenant)
                assert shown & {*INSIDE, TenantPermission.VIEW} == answers(user, tenant)
                assert shown == set(ObjectPermissionChecker(user).get_perms(tenant))
        transaction.set_rollback(True)


def crowd(org, role, number) -> None:
    """Many holders of the role on one tenant, as quickly as a test may make them."""
    tenant = make_tenant(org)
    people = User.objects.bulk_create(
        User(email=f"c{n}@crowd.example.org", username=f"c{n}-{number}", name=f"C {n}") for n in range(number)
    )
    members = Membership.objects.bulk_create(
        Membership(organization=org, user=person, role="member") for person in people
    )
    TenantGrant.objects.bulk_create(TenantGrant(tenant=tenant, role=role, membership=one) for one in members)
    role.grants.sync_holders()


def test_a_thousand_holders_take_few_statements(org, owner, reviewer):
    crowd(org, reviewer, 1000)
    wanted = reviewer.rights | {"run_template:create", "tenant:change"}
    rows = reviewer.permissions.count()
    with CaptureQueriesContext(connection) as asked:
        actions.change_rights(role=reviewer, rights=wanted, version=reviewer.version, by=Actor(owner))
    assert reviewer.permissions.count() - rows == 2
    given = TenantUserObjectPermission.objects.filter(permission__codename="create_template")
    assert given.count() == 1000
    assert len(asked) < 60


def test_people_and_tenants_are_not_mixed_up(org, owner, reviewer):
    """Who holds the role on one tenant gains nothing on a tenant where somebody else holds it."""
    first, second, one, other = make_tenant(org), make_tenant(org), make_member(org), make_member(org)
    make_grant(first, one, reviewer.slug)
    make_grant(second, other, reviewer.slug)
    make_grant(second, one, "viewer")
    rights = reviewer.rights | {"run_template:create"}
    actions.change_rights(role=reviewer, rights=rights, version=reviewer.version, by=Actor(owner))
    assert TenantPermission.TEMPLATE_CREATE in tenant_permissions_of(one, first)
    assert TenantPermission.TEMPLATE_CREATE in tenant_permissions_of(other, second)
    assert TenantPermission.TEMPLATE_CREATE not in tenant_permissions_of(one, second)
    assert TenantPermission.VIEW not in tenant_permissions_of(other, first)
