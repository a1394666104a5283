"""An unmodified ZenML server asks us who may do what in it. Slow: it has to be started."""

from datetime import timedelta

import httpx
import pytest
from factories import make_grant, make_member, make_org, make_tenant

from orgs.audit.models import AuditEvent
from tenants.credentials.models import AccessToken
from tenants.hosting.base import TenantRefused
from tenants.hosting.local.locations import local_spec_of
from tenants.models import Share, TenantGrant
from tenants.runs import connection
from tenants.runs.client import TenantClient, TenantClients
from tenants.runs.connection import connect
from tenants.usage.models import UsageEvent
from tests.tenants.hosting.conftest import eventually
from tests.tenants.hosting.stub_control_plane import free_port

pytestmark = pytest.mark.zenml


@pytest.fixture(autouse=True)
def clients(monkeypatch):
    """Connections that end with the test."""
    made = TenantClients()
    monkeypatch.setattr(connection, "_clients", made)
    yield
    made.http.close()


@pytest.fixture
def tenant(live_server, supervised, settings):
    """A running ZenML server that has us as its control plane."""
    settings.ZENPRO_URL, settings.ZENPRO_API_URL = live_server.url, f"{live_server.url}/api"
    settings.ZENPRO_DATA = supervised.data
    port = free_port()
    made = make_tenant(
        make_org("Acme AI"), "forecast", port=port, server_url=f"http://127.0.0.1:{port}", status="pending"
    )
    spec = local_spec_of(made)
    supervised.start(spec)
    eventually(lambda: supervised.healthy(spec))
    yield made
    supervised.remove(spec)


def refusal(call, *args, **kwargs) -> int:
    with pytest.raises(TenantRefused) as refused:
        call(*args, **kwargs)
    return refused.value.status


def make_secret(client, name):
    return client.call("POST", "/secrets", json={"name": name, "values": {"key": "value"}})


def listed(client, path, **params) -> set[str]:
    return {item["name"] for item in client.pages(path, 1, 100, **params).items}


def person(tenant, role=None, **fields):
    user = make_member(tenant.organization, "member", **fields)
    if role:
        user.grant = make_grant(tenant, user, role)
    return user


def test_a_server_lives_by_our_answers(tenant):
    tenant.refresh_from_db()
    assert tenant.reported_version == tenant.zenml_version
    assert tenant.reported_at
    assert AccessToken.objects.filter(kind="server", tenant=tenant).count() == 1

    check_who_gets_in(tenant)
    project = check_what_roles_may(tenant)
    check_one_shared_object(tenant, project)


def check_who_gets_in(tenant):
    """401 at the server's own login for an Admin of the organization without a role, and for a raw API key."""
    org_admin = make_member(tenant.organization, "admin")
    token = AccessToken.objects.issue(kind="user", user=org_admin, lifetime=timedelta(minutes=1))
    assert refusal(TenantClient(tenant.server_url, lambda: token).call, "GET", "/current-user") == 401
    with pytest.raises(TenantRefused, match="no role"):
        connect(org_admin, tenant)
    raw_key = {"Authorization": "Bearer ZENPROKEY_abcdef"}
    answer = httpx.get(
        f"{tenant.server_url}/api/v1/current-user", headers=raw_key, trust_env=False, timeout=60
    )
    assert answer.status_code == 401
    answer = httpx.get(f"{tenant.server_url}/anything", trust_env=False, timeout=60)
    assert answer.headers["location"].endswith(f"/workspaces/{tenant.workspace_name}")


def check_what_roles_may(tenant) -> str:
    """Viewer: 403 on every create. Developer: secrets, not projects. Withdrawn: nothing more at the next call."""
    admin, developer, viewer = (person(tenant, role) for role in ("admin", "developer", "viewer"))
    project = connect(admin, tenant).create_project("default")["id"]
    usage = UsageEvent.objects.filter(feature="project").values_list("tenant", "total", "resource_id")
    assert [*usage] == [(tenant.pk, 1, project)]

    looking = connect(viewer, tenant)
    assert looking.call("GET", "/current-user")["name"] == viewer.username
    assert refusal(looking.create_project, "other") == 403
    assert refusal(make_secret, looking, "mine") == 403
    assert refusal(looking.call, "POST", "/pipelines", json={"name": "p", "project": project}) == 403

    working = connect(developer, tenant)
    assert make_secret(working, "token")["name"] == "token"
    assert refusal(working.create_project, "other") == 403

    assert listed(looking, "/projects") == listed(working, "/projects") == {"default"}
    (seen,) = looking.pages("/secrets", 1, 10, hydrate=True).items
    assert seen["name"] == "token"
    assert set(seen["body"]["values"].values()) <= {None}

    TenantGrant.objects.withdraw(developer.grant)
    assert refusal(make_secret, working, "another") == 403
    assert listed(working, "/projects") == set()
    with pytest.raises(TenantRefused, match="no role"):
        connect(developer, tenant)
    return project


def check_one_shared_object(tenant, project):
    """What is shared is listed and opened, and nothing beside it; it ends with the object."""
    owner, guest = person(tenant, "developer"), person(tenant)
    working = connect(owner, tenant)
    ids = {
        name: working.call("POST", "/pipelines", json={"name": name, "project": project})["id"]
        for name in ("shared", "private")
    }
    with pytest.raises(TenantRefused, match="no role"):
        connect(guest, tenant)
    about = {"resource_type": "pipeline", "resource_id": ids["shared"], "user_id": str(guest.pk)}
    working.call("POST", "/users/resource_membership", json=["read"], **about)
    assert Share.objects.get().shared_by == owner
    assert AuditEvent.objects.filter(action="tenant.share_changed", actor=owner).count() == 1

    visiting = connect(guest, tenant)
    assert listed(visiting, "/projects") == {"default"}
    assert listed(visiting, "/pipelines", project=project) == {"shared"}
    assert visiting.call("GET", f"/pipelines/{ids['shared']}")["name"] == "shared"
    assert refusal(visiting.call, "GET", f"/pipelines/{ids['private']}") == 403
    assert refusal(visiting.call, "PUT", f"/pipelines/{ids['shared']}", json={"description": "x"}) == 403

    working.call("DELETE", f"/pipelines/{ids['shared']}")
    assert not Share.objects.exists()
    assert listed(visiting, "/pipelines", project=project) == set()
