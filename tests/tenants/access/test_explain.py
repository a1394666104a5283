"""Why somebody may do something: words, notes, the tenant itself, and what is proposed."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_grant, make_member, make_role, make_team, make_tenant

from orgs.roles.predefined_permissions import DASHBOARD, ORG_ROLES, TENANT_ROLES
from tenants.access.explain.effective import access_to, rights_of
from tenants.access.explain.reasons import DASHBOARD_RIGHTS, Question, Standing, explain
from tenants.access.gate import can
from tenants.models import Share, Tenant


def ask(user, tenant, action, resource, **more):
    return explain(Question(fresh(user), tenant, action, resource, **more))


def fresh(user):
    """As the next request would read them: guardian remembers on the object."""
    return type(user).objects.get(pk=user.pk)


def words(told):
    return [path.words for path in told.paths]


def proposed(told):
    """Each alone grants it."""
    return [
        (change.kind, change.role and change.role.slug, change.team and change.team.label)
        for change in told.ways
    ]


def single(told):
    """The one change that grants it, or None when several are needed or nothing can."""
    needed = [*told.first, *told.ways[:1]]
    return needed[0] if len(needed) == 1 else None


def share(tenant, user, kind="pipeline", one=None, action="update", **more):
    one = one or uuid4()
    Share.objects.create(
        tenant=tenant,
        membership=user.membership,
        resource_type=kind,
        resource_id=one,
        action=action,
        **more,
    )
    return str(one)


# Yes


def test_all_paths_are_named_strongest_first(org, member, tenant):
    team = make_team(org, "ml-eng", members=[member])
    make_grant(tenant, member, "editor")
    make_grant(tenant, team, "developer")
    assert words(ask(member, tenant, "create", "pipeline")) == [
        "team ml-eng → Developer",
        "direct role Editor",
    ]
    told = ask(member, tenant, "update", "pipeline")
    assert (told.yes, words(told)) == (True, ["team ml-eng → Developer"])
    assert [path.words for path in told.others] == ["direct role Editor"]


def test_a_path_that_ends_says_when(member, tenant):
    ends = timezone.now() + timedelta(days=3)
    make_grant(tenant, member, "viewer", expires_at=ends)
    [path] = ask(member, tenant, "read", "pipeline").paths
    assert (path.ends, path.is_over) == (ends, False)


def test_a_share_opens_one_object_and_its_project(org, member, tenant):
    project = uuid4()
    one = share(tenant, member, project_id=project)
    assert words(ask(member, tenant, "update", "pipeline", object=one)) == ["pipelines shared individually"]
    assert ask(member, tenant, "read", "project", object=str(project)).yes
    for other in ({"object": str(uuid4())}, {}):
        assert not ask(member, tenant, "update", "pipeline", **other).yes


def test_a_superuser_may_everything_without_a_role(superuser, tenant):
    told = ask(superuser, tenant, "delete", "secret")
    assert (told.yes, words(told)) == (True, ["superuser"])


def test_a_tenant_that_is_off_is_said_beside_the_answer(member, tenant):
    make_grant(tenant, member, "viewer")
    Tenant.objects.filter(pk=tenant.pk).update(desired_state="deactivated")
    tenant.refresh_from_db()
    told = ask(member, tenant, "read", "pipeline")
    assert (told.yes, told.is_switched_off) == (True, True)


def test_what_zenml_itself_allows_is_noted(member, tenant):
    assert ask(member, tenant, "update", "pipeline").owners_may
    assert not ask(member, tenant, "create", "pipeline").owners_may
    assert ask(member, tenant, "update", "tag").is_unprotected


# No


def test_the_weakest_role_that_would_do_is_proposed(org, member, tenant):
    team = make_team(org, "ml-eng", members=[member])
    told = ask(member, tenant, "update", "pipeline")
    assert (told.yes, proposed(told)) == (
        False,
        [("role", "developer", None), ("team_role", "developer", "ml-eng")],
    )
    assert single(told) == told.ways[0]
    make_role(org, "Patcher", rights=["pipeline:update"])
    assert proposed(ask(member, tenant, "update", "pipeline"))[0] == ("role", "patcher", None)
    assert team.tenant_grants.count() == 0


def test_a_team_that_may_it_can_be_joined(org, member, tenant):
    make_grant(tenant, make_team(org, "risk-ml"), "admin")
    told = ask(member, tenant, "delete", "secret")
    assert proposed(told) == [("role", "admin", None), ("team", "admin", "risk-ml")]


def test_what_is_over_is_named_and_gives_nothing(member, tenant):
    make_grant(tenant, member, "admin", expires_at=timezone.now() - timedelta(days=1))
    told = ask(member, tenant, "read", "pipeline")
    assert not told.yes
    assert [(path.words, path.is_over) for path in told.others] == [("direct role Admin", True)]


def test_who_is_deactivated_needs_that_undone_first(member, tenant):
    make_grant(tenant, member, "viewer")
    member.is_active = False
    member.save()
    told = ask(member, tenant, "read", "pipeline")
    assert (told.yes, single(told).kind, told.ways) == (False, "reactivate", [])
    told = ask(member, tenant, "update", "pipeline")
    assert ([change.kind for change in told.first], single(told)) == (["reactivate"], None)
    assert proposed(told) == [("role", "developer", None)]


def test_an_outsider_has_to_be_added_first(outsider, tenant):
    told = ask(outsider, tenant, "read", "pipeline")
    assert ([change.kind for change in told.first], proposed(told)) == (["join"], [("role", "viewer", None)])


@pytest.mark.parametrize(("action", "resource"), [("fly", "pipeline"), ("read", "dragon"), ("fly", "tenant")])
def test_what_does_not_exist_cannot_be_granted(member, tenant, action, resource):
    told = ask(member, tenant, action, resource)
    assert (told.yes, told.question.exists, told.ways, told.first) == (False, False, [], [])


@pytest.mark.parametrize(
    ("action", "resource", "said"),
    [
        ("update", "pipeline", "update pipelines"),
        ("read_secret_value", "secret", "read secret values"),
        ("view", "tenant", "see the tenant"),
        ("manage_access", "tenant", "manage members"),
    ],
)
def test_questions_in_words(member, tenant, action, resource, said):
    assert Question(member, tenant, action, resource).words == said


def test_a_right_that_no_role_has_cannot_be_granted_by_one_change(org, member, tenant):
    org.roles.tenant_level().delete()
    told = ask(member, tenant, "update", "pipeline")
    assert (told.yes, told.question.exists, told.ways, single(told)) == (False, True, [], None)


# The tenant itself


@pytest.mark.thorough
def test_rights_on_the_tenant_are_those_of_the_dashboard(org, tenant):
    """Every organization role, own or through a team, with every tenant role or none."""
    seen = {True: 0, False: 0}
    team = make_team(org, org_role="admin")
    for place, slug in enumerate((*ORG_ROLES, "member")):
        for held in (None, *TENANT_ROLES):
            user = make_member(org, slug)
            if place == len(ORG_ROLES):
                team.user_set.add(user)
            if held:
                make_grant(tenant, user, held)
            for action in DASHBOARD["tenant"]:
                told = ask(user, tenant, action, "tenant")
                assert told.yes == can(fresh(user), DASHBOARD_RIGHTS[action], tenant) == bool(told.paths)
                assert told.yes or single(told).kind == "role"
                seen[told.yes] += 1
    assert min(seen.values()) > 20


def test_an_editor_changes_settings_where_they_have_any_role(org, editor, tenant):
    assert proposed(ask(editor, tenant, "change", "tenant"))[0] == ("role", "viewer", None)
    make_grant(tenant, editor, "viewer")
    assert words(ask(editor, tenant, "change", "tenant")) == ["direct role Viewer"]


def test_an_admin_manages_by_organization_role(org, owner, tenant):
    assert words(ask(owner, tenant, "manage_access", "tenant")) == ["organization role Admin"]
    assert not ask(owner, tenant, "read", "pipeline").yes
    team = make_team(org, "platform", org_role="admin")
    person = make_member(org)
    team.user_set.add(person)
    assert words(ask(person, tenant, "view", "tenant")) == ["team platform → organization role Admin"]


# Everything a person can do


def test_effective_access_in_groups_with_their_paths(org, member, tenant):
    make_grant(tenant, member, "viewer")
    make_grant(tenant, make_team(org, "ml-eng", members=[member]), "developer")
    access = access_to(Standing(member, [tenant]), tenant)
    groups = {
        group.name: [(line.words, [path.words for path in line.paths]) for line in group.lines]
        for group in access.groups
    }
    assert groups["Templates"] == [
        ("Create, update, share", ["team ml-eng → Developer"]),
        ("Read", ["team ml-eng → Developer", "direct role Viewer"]),
    ]
    assert groups["The tenant itself"] == [("See it", ["team ml-eng → Developer", "direct role Viewer"])]


def test_effective_access_of_someone_inactive_is_nothing(member, tenant):
    make_grant(tenant, member, "admin")
    member.is_active = False
    access = access_to(Standing(member, [tenant]), tenant)
    assert not access.anything
    assert rights_of(Standing(member, [tenant]), tenant) == {}


def test_effective_access_needs_the_same_queries_for_more_tenants(org, member):
    counts = []
    for _ in range(3):
        make_grant(make_tenant(org), member, "viewer")
        tenants = list(org.tenants.select_related("organization"))
        with CaptureQueriesContext(connection) as queries:
            standing = Standing(member, tenants, member.membership)
            assert all(access_to(standing, tenant).anything for tenant in tenants)
        counts.append(len(queries))
    assert counts == [counts[0]] * 3
    assert counts[0] <= 7
