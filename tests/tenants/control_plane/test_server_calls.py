"""What a tenant's server asks and tells."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_member, make_team, make_tenant

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import plain
from orgs.roles.predefined_permissions import RESOURCES
from tenants.access import decisions
from tenants.control_plane import actions
from tenants.credentials.models import AccessToken
from tenants.models import Share, Tenant, TenantGrant, UnknownRight
from tenants.usage.models import UsageEvent

from .conftest import Caller, server_token

# Fixed, because they are part of tests' names, which all processes of a run must agree on.
PROJECT = "1c5b2d3e-0001-4000-8000-000000000001"
NOBODY = "1c5b2d3e-0001-4000-8000-000000000003"
CALLS = [
    ("PATCH", "/workspace_status", None),
    ("PATCH", "/tenant_status", None),
    ("POST", "/rbac/check_permissions?user_id={user}&action=read", ["stack"]),
    ("GET", "/rbac/check_permissions?user_id={user}&action=read&resources=stack", None),
    ("GET", "/rbac/allowed_resource_ids?user_id={user}&action=read&resource=stack", None),
    (
        "POST",
        "/rbac/resource_members",
        {
            "user_id": "{user}",
            "sharing_user_id": "{user}",
            "resource": f"stack/{PROJECT}",
            "actions": ["read"],
        },
    ),
    ("DELETE", f"/rbac/resources?resources=stack/{PROJECT}", None),
    ("GET", "/organizations/{org}/entitlement/pipeline", None),
    (
        "POST",
        "/usage-event",
        {
            "organization_id": "{org}",
            "feature": "pipeline",
            "total": 1,
            "metadata": {"workspace_id": "{tenant}", "resource_id": PROJECT},
        },
    ),
]


def filled(value, **values):
    """The call with ids put in."""
    if isinstance(value, dict):
        return {key: filled(inner, **values) for key, inner in value.items()}
    if isinstance(value, str):
        for name, each in values.items():
            value = value.replace(f"{{{name}}}", str(each))
    return value


def ask(server, user, action, *resources):
    response = server(
        "POST", "/rbac/check_permissions", list(resources), query={"user_id": str(user.pk), "action": action}
    )
    assert response.status_code == 200
    return response.json()


def ids(server, user, action, resource):
    query = {"user_id": str(user.pk), "action": action, "resource": resource}
    response = server("GET", "/rbac/allowed_resource_ids", query=query)
    assert response.status_code == 200
    return response.json()


def an_admin(server):
    """Of the tenant whose server calls; the same one every time."""
    tenant = Tenant.objects.get(pk=server.headers["zenml-server-id"])
    grant = tenant.grants.filter(membership__user__username="sharing-admin").first()
    return grant.membership.user if grant else an_admin_made(tenant)


def an_admin_made(tenant):
    user = make_member(tenant.organization, username="sharing-admin")
    make_grant(tenant, user, "admin")
    return user


def share(server, resource, actions, **who):
    """By an Admin of the tenant, unless it is said who shares."""
    who = {"sharing_user_id": str(an_admin(server).pk)} | who
    body = {"user_id": None, "team_id": None, **who}
    return server("POST", "/rbac/resource_members", {**body, "resource": resource, "actions": actions})


# Whose token


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_only_the_tenants_own_server_token_opens(
    client, org, tenant, other, member, person, server, method, path, body
):
    make_grant(tenant, member, "admin")
    values = {"user": member.pk, "org": org.pk, "tenant": tenant.pk}
    path, body = filled(path, **values), filled(body, **values)
    expired = AccessToken.objects.issue(kind="server", tenant=tenant, lifetime=timedelta(seconds=-1))
    for caller in (Caller(client), Caller(client, "made-up"), Caller(client, expired), person(member)):
        response = caller(method, path, body)
        assert response.status_code == 401
        assert response.json()["detail"][0] == "CredentialsNotValid"
    claims = {"zenml-server-id": str(tenant.pk)}
    assert Caller(client, server_token(other), **claims)(method, path, body).status_code == 403
    assert not AuditEvent.objects.exists() and not UsageEvent.objects.exists()
    assert server(method, path, body).status_code == 200
    Tenant.objects.filter(pk=tenant.pk).update(desired_state="deactivated")
    assert server(method, path, body).status_code == 403


def test_methods_are_checked_before_tokens(client):
    assert client.get("/api/usage-event").status_code == 405
    assert client.put("/api/rbac/check_permissions").status_code == 405


def test_what_does_not_exist_says_so_in_zenmls_form(client):
    response = client.get("/api/devices")
    assert response.status_code == 404
    assert response.json()["detail"][0] == "KeyError"


def test_the_header_naming_another_tenant_is_refused(client, org, tenant):
    caller = Caller(client, server_token(tenant))
    assert caller("PATCH", "/workspace_status").status_code == 200
    for claim in (make_tenant(org).pk, "x", ""):
        response = caller("PATCH", "/workspace_status", headers={"zenml-server-id": str(claim)})
        assert response.status_code == 403


# Status


@pytest.mark.parametrize("path", ["/workspace_status", "/tenant_status"])
def test_a_start_is_recorded(server, tenant, other, path):
    assert server("PATCH", path).status_code == 200
    tenant.refresh_from_db()
    assert tenant.reported_version == "0.98.0"
    assert tenant.reported_at <= timezone.now()
    assert Tenant.objects.get(pk=other.pk).reported_at is None


@pytest.mark.parametrize("version", ["", "1" * 300])
def test_an_odd_version_does_not_stop_a_start(server, tenant, version):
    assert server("PATCH", "/workspace_status", headers={"zenml-server-version": version}).status_code == 200
    assert len(Tenant.objects.get(pk=tenant.pk).reported_version) <= 20


# Rights


def test_every_question_is_answered_as_it_was_put(server, tenant, member):
    make_grant(tenant, member, "viewer")
    yes = [f"{PROJECT}:pipeline/{uuid4()}", f"{PROJECT}:pipeline", "stack", f"{tenant.pk}@server:stack"]
    yes.append(f"{PROJECT}:dragon")  # a type of newer servers, answered as the nearest that we know
    no = [f"{uuid4()}@server:stack", "", "nonsense/7", "Stack", "é"]
    answer = ask(server, member, "read", *yes, *no)
    assert answer == dict.fromkeys(yes, True) | dict.fromkeys(no, False)
    assert ask(server, member, "update", *yes) == dict.fromkeys(yes, False)
    assert ask(server, member, "read") == {}


def test_old_servers_ask_in_the_query(server, tenant, member):
    make_grant(tenant, member, "viewer")
    query = {"user_id": str(member.pk), "action": "read", "resources": ["stack", "dragon"]}
    assert server("GET", "/rbac/check_permissions", query=query).json() == {"stack": True, "dragon": True}


def test_a_tenant_learns_nothing_about_another(server, org, member):
    make_grant(make_tenant(org), member, "admin")
    assert ask(server, member, "read", "stack") == {"stack": False}
    assert ids(server, member, "read", "stack") == {"full_access": False, "ids": []}


def test_a_withdrawn_right_is_gone_at_the_next_question(server, tenant, member):
    grant = make_grant(tenant, member, "developer")
    assert ask(server, member, "create", "stack") == {"stack": True}
    type(grant).objects.withdraw(grant)
    assert ask(server, member, "create", "stack") == {"stack": False}


@pytest.mark.parametrize(("number", "types"), [(1, 1), (100, 1), (100, 10)])
def test_any_number_of_questions_costs_two_queries(
    server, tenant, member, django_assert_num_queries, number, types
):
    make_grant(tenant, member, "viewer")
    asked = [f"{PROJECT}:{RESOURCES[one % types]}/{uuid4()}" for one in range(number)]
    with django_assert_num_queries(2):  # whose token; what they can do
        assert ask(server, member, "read", *asked) == dict.fromkeys(asked, True)
    with django_assert_num_queries(2):
        ids(server, member, "read", f"{PROJECT}:pipeline")


@pytest.mark.parametrize("body", ["", "{", "{}", "null", "7", '["a", 7]', "[" * 100_000, "\xff"])
def test_a_body_that_is_no_list_of_strings_is_refused(server, tenant, member, body):
    query = {"user_id": str(member.pk), "action": "read"}
    assert server("POST", "/rbac/check_permissions", body, query=query).status_code == 422


@pytest.mark.parametrize(
    "query",
    [{}, {"action": ""}, {"action": "x" * 41}, {"action": "re\x01ad"}, {"action": "read", "resource": "/"}],
)
def test_questions_without_action_or_resource_are_refused(server, tenant, member, query):
    response = server("GET", "/rbac/allowed_resource_ids", query={"user_id": str(member.pk), **query})
    assert response.status_code == 422


@pytest.mark.parametrize("user", ["", "nobody", NOBODY])
def test_whoever_is_not_known_may_nothing(server, tenant, user):
    query = {"user_id": user, "action": "read"}
    assert server("POST", "/rbac/check_permissions", ["stack"], query=query).json() == {"stack": False}
    answer = server("GET", "/rbac/allowed_resource_ids", query={**query, "resource": "stack"}).json()
    assert answer == {"full_access": False, "ids": []}


def test_ids_and_full_access(server, tenant, org, member, viewer):
    make_grant(tenant, member, "viewer")
    number = str(uuid4())
    assert share(server, f"{PROJECT}:pipeline/{number}", ["read"], user_id=str(viewer.pk)).status_code == 200
    assert ids(server, member, "read", f"{PROJECT}:pipeline") == {"full_access": True, "ids": []}
    assert ids(server, viewer, "read", f"{PROJECT}:pipeline") == {"full_access": False, "ids": [number]}
    assert ids(server, viewer, "read", f"{tenant.pk}@server:pipeline")["ids"] == [number]
    assert ids(server, viewer, "read", f"{uuid4()}@server:pipeline")["ids"] == []
    assert ids(server, viewer, "read", "project") == {"full_access": False, "ids": [PROJECT]}


class TestWhatNewerServersAsk:
    """Answered by the nearest that we know, and noted once, for superusers."""

    @pytest.fixture(autouse=True)
    def fresh(self):
        actions.note_unknown.cache_clear()
        yield
        actions.note_unknown.cache_clear()

    def test_it_is_noted_once(self, server, tenant, member):
        make_grant(tenant, member, "developer")
        for _ in range(3):
            ask(
                server, member, "fly", "stack", f"{PROJECT}:dragon/{uuid4()}", "nonsense/7", "stack_component"
            )
            ids(server, member, "fly", f"{PROJECT}:dragon")
            ask(server, member, "attach", "stack_component")
        noted = UnknownRight.objects.order_by("resource").values_list("resource", "action", "answered_as")
        assert [*noted] == [
            ("dragon", "fly", "pipeline:update"),
            ("stack", "fly", "stack:update"),
            ("stack_component", "fly", "stack_component:update"),
        ]
        actions.note_unknown.cache_clear()  # another process
        ask(server, member, "fly", "stack")
        assert UnknownRight.objects.count() == 3

    def test_the_known_costs_no_statement(self, server, tenant, member, django_assert_num_queries):
        make_grant(tenant, member, "developer")
        ask(server, member, "fly", "stack")
        with django_assert_num_queries(2):
            ask(server, member, "fly", "stack")

    def test_a_server_that_makes_them_up_fills_no_table(self, server, tenant, member, monkeypatch):
        monkeypatch.setattr(actions, "MOST_UNKNOWN", 5)
        ask(server, member, "read", *(f"dragon_{letter}" for letter in "abcdefghij"))
        ask(server, member, "x" * 40, *(f"{'d' * 100}" for _ in range(3)))
        assert UnknownRight.objects.count() == 5

    def test_superusers_see_it(self, server, member, superuser, as_user):
        ask(server, member, "fly", "stack")
        page = as_user(superuser).get("/admin/tenants/unknownright/").content.decode()
        assert "stack:update" in page and "fly" in page


# Sharing


def test_sharing_gives_changes_and_ends(server, tenant, member, viewer, editor):
    make_grant(tenant, viewer, "developer")
    resource = f"{PROJECT}:model/{uuid4()}"
    who = {"user_id": str(member.pk), "sharing_user_id": str(viewer.pk)}
    share(server, resource, ["read", "update"], **who)
    assert ask(server, member, "update", resource) == {resource: True}
    assert ask(server, editor, "update", resource) == {resource: False}
    assert {row.shared_by for row in Share.objects.all()} == {viewer}
    share(server, resource, ["read"], **who)
    assert ask(server, member, "update", resource) == {resource: False}
    assert ask(server, member, "read", resource) == {resource: True}
    share(server, resource, [], **who)
    assert not Share.objects.exists()
    events = AuditEvent.objects.order_by("id")
    assert [(e.action, e.actor, e.target_id, e.via) for e in events] == [
        ("tenant.share_changed", viewer, str(tenant.pk), "api")
    ] * 3
    about = {"resource": resource.partition(":")[2], "with": "Dana Petrova"}
    assert events[1].before == {**about, "actions": ["read", "update"]}
    assert events[1].after == {**about, "actions": ["read"]}


class TestWhoShares:
    """The server names whom it likes: what a share gives is bounded by what that person could give."""

    def shared(self, server, person, whom, actions=("read",), resource=None):
        resource = resource or f"{PROJECT}:model/{uuid4()}"
        sharer = person if isinstance(person, str | None) else str(person.pk)
        return share(
            server, resource, list(actions), user_id=str(whom.pk), sharing_user_id=sharer
        ).status_code

    @pytest.fixture
    def developer(self, org, tenant):
        person = make_member(org, name="Dora Developer")
        make_grant(tenant, person, "developer")
        return person

    def test_somebody_without_the_right_to_share(self, server, org, tenant, member, owner, outsider):
        operator = make_member(org)
        make_grant(tenant, operator, "operator")
        make_grant(make_tenant(org), owner, "admin")  # of another tenant, and of the organization
        for by in (operator, owner, outsider, member, NOBODY, "x"):
            assert self.shared(server, by, member) == 403, by
        assert not Share.objects.exists() and not AuditEvent.objects.exists()
        assert not decisions.may_connect(member, tenant)

    def test_more_than_they_may_themselves(self, server, tenant, developer, member):
        assert self.shared(server, developer, member, ["read", "delete"]) == 403
        assert self.shared(server, developer, member, ["read"], f"stack/{uuid4()}") == 403, "No share there."
        assert not Share.objects.exists()
        assert self.shared(server, developer, member, ["read", "update"]) == 200

    @pytest.mark.parametrize("end", ["withdrawn", "expired", "deactivated", "left"])
    def test_whoever_could_once(self, server, tenant, developer, member, end):
        grant = developer.membership.tenant_grants.get()
        if end == "withdrawn":
            TenantGrant.objects.withdraw(grant)
        elif end == "expired":
            TenantGrant.objects.update(expires_at=timezone.now())
        elif end == "left":
            developer.membership.delete()
        else:
            type(developer).objects.filter(pk=developer.pk).update(is_active=False)
        assert self.shared(server, developer, member) == 403
        assert not Share.objects.exists()

    def test_nobody_at_all(self, server, tenant, member):
        for nobody in (None, ""):
            assert self.shared(server, nobody, member) == 403
        Tenant.objects.update(zenml_version="0.80.2")  # until then servers name nobody (protocol §12)
        assert self.shared(server, None, member) == 200
        assert Share.objects.get().shared_by is None

    def test_with_what_was_shared_with_them_alone(self, server, tenant, developer, member, viewer):
        resource, other = (f"{PROJECT}:model/{uuid4()}" for _ in range(2))
        assert self.shared(server, developer, member, ["read", "share"], resource) == 200
        assert self.shared(server, member, viewer, ["read"], other) == 403
        assert self.shared(server, member, viewer, ["read", "update"], resource) == 403
        assert self.shared(server, member, viewer, ["read"], resource) == 200

    def test_taking_away_needs_no_more_than_to_be_in_the_tenant(
        self, server, tenant, developer, member, viewer
    ):
        resource = f"{PROJECT}:model/{uuid4()}"
        self.shared(server, developer, member, ["read", "update"], resource)
        make_grant(tenant, viewer, "viewer")
        assert self.shared(server, NOBODY, member, [], resource) == 403
        assert self.shared(server, viewer, member, ["read"], resource) == 200
        assert self.shared(server, viewer, member, [], resource) == 200
        assert not Share.objects.exists()

    def test_the_log_says_who_says_so(self, server, tenant, developer, member):
        self.shared(server, developer, member)
        [event] = AuditEvent.objects.all()
        assert plain(event).startswith("The server of forecast reports that Dora Developer shared model/")

    def test_a_superuser_may(self, server, tenant, superuser, member):
        assert self.shared(server, superuser, member, ["read", "delete"]) == 200


def test_sharing_the_same_again_changes_and_records_nothing(server, member):
    resource = f"stack/{uuid4()}"
    for _ in range(2):
        share(server, resource, ["read"], user_id=str(member.pk))
    assert Share.objects.count() == AuditEvent.objects.count() == 1


def test_sharing_with_a_team(server, org, member):
    team = make_team(org, members=[member])
    resource = f"stack/{uuid4()}"
    share(server, resource, ["read"], team_id=str(team.uuid))
    assert ask(server, member, "read", resource) == {resource: True}
    team.user_set.remove(member)
    assert ask(server, member, "read", resource) == {resource: False}


def test_a_person_who_leaves_the_organization_loses_what_was_shared(server, org, member):
    resource = f"stack/{uuid4()}"
    share(server, resource, ["read"], user_id=str(member.pk))
    member.membership.delete()
    make_member(org, user=member)
    assert ask(server, member, "read", resource) == {resource: False}


def test_nothing_is_shared_outside_the_organization(server, outsider):
    foreign = make_team(outsider.membership.organization)
    for who in ({"user_id": str(outsider.pk)}, {"team_id": str(foreign.uuid)}, {"user_id": str(uuid4())}):
        assert share(server, f"stack/{uuid4()}", ["read"], **who).status_code == 403
    assert not Share.objects.exists() and not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"user_id": None},
        {"user_id": "x"},
        {"user_id": 7},
        {"team_id": str(uuid4())},
        {"resource": "stack"},
        {"resource": f"dragon/{uuid4()}"},
        {"resource": None},
        {"actions": ["fly"]},
        {"actions": "read"},
        {"actions": None},
    ],
)
def test_odd_shares_are_refused(server, member, change):
    body = {"user_id": str(member.pk), "resource": f"stack/{uuid4()}", "actions": ["read"], **change}
    assert server("POST", "/rbac/resource_members", body).status_code == 422
    assert not Share.objects.exists()


def test_what_was_deleted_is_shared_no_longer(server, client, other, member):
    gone, kept = f"{PROJECT}:model/{uuid4()}", f"{PROJECT}:model/{uuid4()}"
    for resource in (gone, kept):
        share(server, resource, ["read", "update"], user_id=str(member.pk))
    Caller(client, server_token(other))("DELETE", "/rbac/resources", query={"resources": [gone]})
    assert Share.objects.count() == 4
    query = {"resources": [gone, "nonsense/7", "model", f"{other.pk}@server:model/{kept.partition('/')[2]}"]}
    assert server("DELETE", "/rbac/resources", query=query).status_code == 200
    assert {str(row.resource_id) for row in Share.objects.all()} == {kept.partition("/")[2]}
    assert AuditEvent.objects.filter(action="tenant.share_ended").count() == 1


def test_a_deleted_project_takes_what_was_shared_in_it(server, member):
    share(server, f"{PROJECT}:model/{uuid4()}", ["read"], user_id=str(member.pk))
    share(server, f"stack/{uuid4()}", ["read"], user_id=str(member.pk))
    server("DELETE", "/rbac/resources", query={"resources": [f"project/{PROJECT}"]})
    assert Share.objects.get().resource_type == "stack"


# Quota and usage


def test_everything_is_within_the_quota_of_the_own_organization_only(server, org, other):
    path = "/organizations/{}/entitlement/pipeline_run"
    assert server("GET", path.format(org.pk)).status_code == 200
    assert server("GET", path.format(other.organization_id)).status_code == 403


def usage(org, tenant, **changes):
    where = changes.pop("metadata", {"workspace_id": str(tenant.pk), "resource_id": PROJECT})
    return {
        "organization_id": str(org.pk),
        "feature": "pipeline_run",
        "total": 1,
        "metadata": where,
        **changes,
    }


def test_usage_is_kept_once(server, org, tenant):
    for _ in range(2):
        assert server("POST", "/usage-event", usage(org, tenant)).status_code == 200
    old = {"tenant_id": str(tenant.pk), "resource_id": PROJECT}
    assert server("POST", "/usage-event", usage(org, tenant, metadata=old, total=-1)).status_code == 200
    rows = UsageEvent.objects.order_by("total").values_list("organization", "tenant", "feature", "total")
    assert [*rows] == [(org.pk, tenant.pk, "pipeline_run", total) for total in (-1, 1)]


def test_usage_of_others_is_refused(server, org, tenant, other):
    foreign = usage(org, tenant, organization_id=str(other.organization_id))
    for body in (foreign, usage(org, other), usage(org, tenant, metadata={}), usage(org, tenant, metadata=7)):
        assert server("POST", "/usage-event", body).status_code == 403
    assert not UsageEvent.objects.exists()


@pytest.mark.parametrize(
    "change", [{"feature": ""}, {"feature": "x\x01"}, {"feature": 7}, {"total": 2}, {"total": [1]}]
)
def test_odd_usage_is_refused(server, org, tenant, change):
    assert server("POST", "/usage-event", usage(org, tenant, **change)).status_code == 422
