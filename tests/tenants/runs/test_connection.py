"""Acting inside a tenant as a person."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone
from factories import make_grant, make_tenant

from tenants.credentials.models import AccessToken
from tenants.hosting.base import TenantRefused, TenantUnreachable
from tenants.models import TenantGrant
from tenants.runs import connection
from tenants.runs.client import TenantClients, make_http
from tenants.runs.connection import connect
from tests.tenants.hosting.streams import Streamed


class Server:
    """Answers like a tenant; knows the last session it gave."""

    def __init__(self):
        self.bearers, self.session = [], ""

    def __call__(self, request):
        bearer = request.headers["Authorization"].removeprefix("Bearer ")
        if request.url.path.endswith("/login"):
            self.bearers.append(bearer)
            self.session = f"session-{len(self.bearers)}"
            return httpx.Response(200, json={"access_token": self.session, "expires_in": 3600})
        known = bearer == self.session
        return httpx.Response(200 if known else 401, json={"name": "x"} if known else {"detail": ["X", "no"]})


@pytest.fixture
def server(monkeypatch):
    server, clients = Server(), TenantClients()
    clients.http = make_http(Streamed(server))
    monkeypatch.setattr(connection, "_clients", clients)
    return server


@pytest.fixture
def tenant(org, member):
    tenant = make_tenant(org)
    make_grant(tenant, member, "viewer")
    return tenant


def test_people_without_a_role_are_refused_before_any_call(tenant, owner, server):
    with pytest.raises(TenantRefused, match="no role") as refusal:
        connect(owner, tenant)
    assert refusal.value.status == 403
    assert server.bearers == []


def test_a_withdrawn_role_ends_the_connection_at_once(tenant, member, server):
    connect(member, tenant).call("GET", "/current-user")
    TenantGrant.objects.withdraw(tenant.grants.get())
    with pytest.raises(TenantRefused):
        connect(member, tenant)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"desired_state": "deactivated"}, "deactivated"),
        ({"desired_state": "deleted"}, "deactivated"),
        ({"server_url": ""}, "not been started"),
    ],
)
def test_a_tenant_that_does_not_run_says_so(tenant, member, server, change, sentence):
    vars(tenant).update(change)
    with pytest.raises(TenantUnreachable, match=sentence):
        connect(member, tenant)


def test_one_short_token_of_that_person_for_that_tenant_serves_many_calls(tenant, member, server):
    for _ in range(3):
        connect(member, tenant).call("GET", "/current-user")
    (bearer,) = server.bearers
    token = AccessToken.objects.valid(bearer).get()
    assert (token.kind, token.user, token.tenant) == ("user", member, tenant)
    assert token.expires_at <= timezone.now() + timedelta(seconds=60)


def test_a_forgotten_session_is_renewed(tenant, member, server):
    connect(member, tenant).call("GET", "/current-user")
    server.session = "another"
    assert connect(member, tenant).call("GET", "/current-user") == {"name": "x"}
    assert len(server.bearers) == 2


def test_sessions_are_not_shared_between_people_or_secrets(tenant, org, member, editor, server):
    make_grant(tenant, editor, "viewer")
    mine = connect(member, tenant)
    assert connect(member, tenant) is mine
    assert connect(editor, tenant) is not mine
    tenant.sealed_secrets = make_tenant(org).sealed_secrets
    assert connect(member, tenant) is not mine
