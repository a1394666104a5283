"""Who may do what inside a tenant's server."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_team, make_tenant, tenant_role

from orgs.roles.models import Role
from orgs.roles.predefined_permissions import RESOURCES, actions_of, nearest
from tenants.access import decisions
from tenants.access.decisions import Resource, allowed, allowed_ids, may_connect, reads_everything
from tenants.models import Share, Tenant

# Fixed, because they are part of tests' names, which all processes of a run must agree on.
PROJECT, OTHER_PROJECT = "1c5b2d3e-0001-4000-8000-000000000001", "1c5b2d3e-0001-4000-8000-000000000002"
RUNS = f"{PROJECT}:pipeline_run"


@pytest.fixture
def tenant(org):
    return make_tenant(org, "forecast")


def ask(user, tenant, action="read", resource=RUNS) -> bool:
    return allowed(user.pk, tenant, action, [resource])[resource]


def share(tenant, holder, kind="pipeline", number=None, action="read", project=PROJECT):
    number = number or uuid4()
    key = "team" if hasattr(holder, "label") else "membership"
    holder = holder if key == "team" else holder.membership
    Share.objects.create(
        tenant=tenant,
        resource_type=kind,
        resource_id=number,
        action=action,
        project_id=project,
        **{key: holder},
    )
    return number


def test_nobody_has_rights_without_a_role_on_the_tenant(tenant, owner, editor, member, outsider):
    for user in (owner, editor, member, outsider):
        assert not ask(user, tenant)
        assert allowed_ids(user.pk, tenant, "pipeline_run", PROJECT, "read") == (False, [])
        assert not may_connect(user, tenant)


def test_an_unknown_person_has_none(tenant):
    assert allowed(uuid4(), tenant, "read", [RUNS]) == {RUNS: False}


@pytest.mark.parametrize("role", ["admin", "developer", "editor", "operator", "viewer"])
def test_predefined_roles_give_exactly_their_rights(tenant, org, member, role):
    rights = make_grant(tenant, member, role).role.rights
    for kind in (*RESOURCES, "dragon"):
        for action in {"create", "read", "fly", *actions_of(kind)}:
            text, right = f"{kind}/{uuid4()}", ":".join(nearest(kind, action))
            assert allowed(member.pk, tenant, action, [text]) == {text: right in rights}
            full, ids = allowed_ids(member.pk, tenant, kind, None, action)
            assert (full, ids) == (right in rights, [])


class TestWhatNewerServersAsk:
    """Types and actions that we do not know."""

    @pytest.mark.parametrize(
        ("asked", "meant"),
        [
            ("stack_component:attach", "stack_component:attach"),
            ("stack:attach", "stack:update"),
            ("pipeline:fly", "pipeline:update"),
            ("pipeline:delete_for_ever", "pipeline:delete"),
            ("dragon:read", "pipeline:read"),
            ("pipeline_snapshot:create", "pipeline:create"),
            ("stack_profile:share", "stack:share"),
            ("model_card:promote", "model:promote"),
            ("connector:client", "service_connector:client"),
            ("api_key:read", "secret:read"),
            ("vault_secret:read_secret_value", "secret:read_secret_value"),
            ("dragon:read_secret_value", "pipeline:update"),
        ],
    )
    def test_the_nearest_that_we_know(self, asked, meant):
        assert ":".join(nearest(*asked.split(":"))) == meant

    def test_an_admin_may_whatever_it_is(self, tenant, member):
        make_grant(tenant, member, "admin")
        for kind in ("dragon", "pipeline", "stack_component"):
            for action in ("fly", "attach", "read", "delete_for_ever"):
                assert ask(member, tenant, action, f"{kind}/{uuid4()}"), (kind, action)

    @pytest.mark.parametrize(("role", "may"), [("developer", True), ("editor", False), ("viewer", False)])
    def test_attaching_comes_with_update(self, tenant, member, role, may):
        make_grant(tenant, member, role)
        assert ask(member, tenant, "attach", f"stack_component/{uuid4()}") is may
        assert allowed_ids(member.pk, tenant, "stack_component", None, "attach") == (may, [])

    def test_what_was_shared_answers_as_well(self, tenant, member):
        number = share(tenant, member, action="update")
        assert ask(member, tenant, "fly", f"{PROJECT}:pipeline/{number}")
        assert not ask(member, tenant, "fly", f"{PROJECT}:pipeline/{uuid4()}")
        assert allowed_ids(member.pk, tenant, "pipeline", PROJECT, "fly") == (False, [str(number)])

    def test_several_types_of_which_the_action_exists_for_one(
        self, tenant, member, django_assert_num_queries
    ):
        make_grant(tenant, member, "editor")
        asked = ["service_connector", "pipeline", "dragon"]
        with django_assert_num_queries(2):
            answer = allowed(member.pk, tenant, "client", asked)
        assert answer == {"service_connector": True, "pipeline": False, "dragon": False}

    @pytest.mark.parametrize("action", ["", "Fly", "re ad", "a\x00", "x" * 41, "é"])
    def test_what_is_no_action_at_all(self, tenant, member, superuser, action):
        make_grant(tenant, member, "admin")
        assert not ask(member, tenant, action, "stack")
        assert ask(superuser, tenant, action, "stack")


def test_the_strongest_of_own_and_team_roles_counts_and_ends_with_the_team(tenant, org, member):
    make_grant(tenant, member, "viewer")
    team = make_team(org, members=[member])
    make_grant(tenant, team, "editor")
    assert ask(member, tenant, "create")
    team.user_set.remove(member)
    assert not ask(member, tenant, "create")
    assert ask(member, tenant, "read")


def test_a_role_counts_only_on_its_tenant(tenant, org, member):
    make_grant(make_tenant(org), member, "admin")
    assert not ask(member, tenant)


def test_an_expired_role_is_over(tenant, org, member):
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(minutes=1)
    make_grant(tenant, member, "viewer", expires_at=past)
    make_grant(tenant, make_team(org, members=[member]), "editor", expires_at=past)
    assert not ask(member, tenant)
    assert not may_connect(member, tenant)
    make_grant(tenant, member, "viewer", expires_at=future)
    assert ask(member, tenant)


def test_inactive_people_and_former_members_have_no_rights(tenant, org, member):
    make_grant(tenant, make_team(org, members=[member]), "admin")
    assert may_connect(member, tenant)
    member.membership.delete()  # still in the team's group
    assert not ask(member, tenant)
    assert not may_connect(member, tenant)
    inactive = make_member(org, is_active=False)
    make_grant(tenant, inactive, "admin")
    assert not ask(inactive, tenant)
    assert not may_connect(inactive, tenant)


def test_a_superuser_can_do_everything_until_deactivated(tenant, superuser):
    assert ask(superuser, tenant, "delete", f"project/{uuid4()}")
    assert allowed_ids(superuser.pk, tenant, "secret", None, "read_secret_value") == (True, [])
    assert may_connect(superuser, tenant)
    superuser.is_active = False
    superuser.save()
    assert not ask(superuser, tenant)


def test_a_share_opens_one_object_for_its_actions_in_its_project(tenant, org, member):
    number = share(tenant, member, action="update")
    assert ask(member, tenant, "update", f"{PROJECT}:pipeline/{number}")
    assert ask(member, tenant, "update", f"{tenant.pk}@server:pipeline/{number}")
    assert not ask(member, tenant, "read", f"{PROJECT}:pipeline/{number}")
    assert not ask(member, tenant, "update", f"{OTHER_PROJECT}:pipeline/{number}")
    assert not ask(member, tenant, "update", f"{PROJECT}:pipeline")
    assert not ask(member, tenant, "update", f"{PROJECT}:model/{number}")
    assert not ask(member, make_tenant(org), "update", f"{PROJECT}:pipeline/{number}")
    assert allowed_ids(member.pk, tenant, "pipeline", PROJECT, "update") == (False, [str(number)])
    assert allowed_ids(member.pk, tenant, "pipeline", OTHER_PROJECT, "update") == (False, [])
    assert may_connect(member, tenant)


def test_a_share_with_a_team_is_for_its_members(tenant, org, member, viewer):
    number = share(tenant, make_team(org, members=[member]))
    assert ask(member, tenant, "read", f"{PROJECT}:pipeline/{number}")
    assert not ask(viewer, tenant, "read", f"{PROJECT}:pipeline/{number}")
    assert may_connect(member, tenant)


def test_a_share_shows_the_project_it_is_in(tenant, org, member):
    share(tenant, member)
    share(tenant, make_team(org, members=[member]), "stack", project=None)
    assert ask(member, tenant, "read", f"project/{PROJECT}")
    assert not ask(member, tenant, "update", f"project/{PROJECT}")
    assert not ask(member, tenant, "read", f"project/{OTHER_PROJECT}")
    assert not ask(member, tenant, "read", "project")
    assert allowed_ids(member.pk, tenant, "project", None, "read") == (False, [PROJECT])
    assert allowed_ids(member.pk, tenant, "project", None, "update") == (False, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "/",
        "x:pipeline",
        "pipeline/",
        "pipeline/7",
        f"{PROJECT}:",
        f"{PROJECT}:x/{PROJECT}/y",
        "é",
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_refused_even_to_a_superuser(tenant, superuser, text):
    assert allowed(superuser.pk, tenant, "read", [text, RUNS]) == {text: False, RUNS: True}


def test_another_tenant_of_the_old_form_is_refused(tenant, superuser):
    assert not ask(superuser, tenant, "read", f"{uuid4()}@server:pipeline")
    assert ask(superuser, tenant, "read", f"{tenant.pk}@server:pipeline")


def test_both_forms_of_resources_parse():
    one, two = str(uuid4()), str(uuid4())
    assert Resource.parse(f"{one}:pipeline/{two}") == Resource("pipeline", two, one)
    assert Resource.parse(f"{one}@server:stack/{two}") == Resource("stack", two, tenant=one)
    assert Resource.parse(f"{one}:pipeline_run") == Resource("pipeline_run", project=one)
    assert Resource.parse("secret") == Resource("secret")


def test_who_reads_everything(tenant, member, outsider):
    """What is shared with someone is not everything, and neither is one kind of things."""
    share(tenant, member)
    assert not reads_everything(member.pk, tenant)
    grant = make_grant(tenant, member, "viewer")
    assert reads_everything(member.pk, tenant)
    grant.role.set_rights(["pipeline_run:read"])
    assert not reads_everything(member.pk, tenant)
    assert not reads_everything(outsider.pk, tenant)


def test_nobody_connects_to_a_tenant_that_is_not_wanted_running(tenant, superuser):
    tenant.desired_state = Tenant.DesiredState.DEACTIVATED
    assert not may_connect(superuser, tenant)


@pytest.mark.parametrize("number", [1, 100, 1000])
def test_one_statement_answers_any_number_of_questions(tenant, member, django_assert_num_queries, number):
    make_grant(tenant, member, "viewer")
    asked = [f"{PROJECT}:{RESOURCES[one % len(RESOURCES)]}/{uuid4()}" for one in range(number)]
    with django_assert_num_queries(1):
        assert allowed(member.pk, tenant, "read", asked) == dict.fromkeys(asked, True)
    with django_assert_num_queries(1):
        allowed_ids(member.pk, tenant, "pipeline", PROJECT, "read")


def test_custom_roles_of_another_level_or_organization_do_not_leak(tenant, org, member):
    other = make_org("Other")
    make_member(other, user=member)
    make_grant(make_tenant(other), member, "admin")
    assert not ask(member, tenant)
    tenant_role(org, "viewer").set_rights([])
    make_grant(tenant, org.memberships.get(user=member).user, "viewer")
    assert not ask(member, tenant)
    assert may_connect(member, tenant)
    assert Role.objects.filter(organization=org, level="tenant", slug="viewer").exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Reads SQLite's plan")
@pytest.mark.parametrize("types", [1, 5, 20])
def test_sqlite_starts_from_the_person_and_scans_nothing(tenant, member, types):
    statements = []
    with connection.execute_wrapper(
        lambda run, sql, *rest: statements.append((sql, rest[0])) or run(sql, *rest)
    ):
        decisions._ask(member.pk, tenant, "read", {"project", *RESOURCES[:types]})
        may_connect(member, tenant)
    assert len(statements) == 2
    for statement, parameters in statements:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = [row[3] for row in cursor.fetchall()]
        assert [line for line in plan if "AUTOMATIC" in line or "SCAN" in line] == []
        held = [line for line in plan if line.startswith(("SEARCH g ", "SEARCH s "))]
        assert len(held) in (4, 6)
        assert {line.partition("(")[2] for line in held} == {"membership_id=?)", "team_id=?)"}
