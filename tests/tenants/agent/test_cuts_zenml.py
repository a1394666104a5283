"""A removed person and a real ZenML server: their session, its tokens and the way back. Slow: it has to be started."""

from datetime import timedelta

import httpx
import pytest
from factories import make_grant, make_key, make_member, make_service_account

from orgs.members import actions
from orgs.users.models import Actor
from tenants.agent.chores import Cuts
from tenants.agent.key_cuts import KeyCuts
from tenants.credentials import devices, keys
from tenants.credentials.models import AccessToken
from tenants.hosting.local.locations import local_spec_of
from tenants.runs import connection
from tenants.runs.client import TenantClients
from tenants.runs.connection import connect
from tests.tenants.agent.test_device_cuts import sign_in
from tests.tenants.control_plane.test_real_server import tenant  # noqa: F401 - the fixture
from tests.tenants.hosting.conftest import eventually

pytestmark = pytest.mark.zenml


@pytest.fixture(autouse=True)
def clients(monkeypatch):
    """Connections that end with the test."""
    made = TenantClients()
    monkeypatch.setattr(connection, "_clients", made)
    yield
    made.http.close()


def session(tenant, user, ours=None) -> dict:  # noqa: F811 - the fixture
    """Headers with the server's own token, as clients keep it for an hour."""
    ours = ours or AccessToken.objects.issue(kind="user", user=user, lifetime=timedelta(minutes=1))
    answer = httpx.post(
        f"{tenant.server_url}/api/v1/login",
        data={"grant_type": "zenml-external"},
        headers={"Authorization": f"Bearer {ours}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def status(tenant, headers, path="/current-user") -> int:  # noqa: F811 - the fixture
    return httpx.get(
        f"{tenant.server_url}/api/v1{path}", headers=headers, trust_env=False, timeout=60
    ).status_code


def test_a_removed_person_is_out_at_once_and_can_come_back(tenant, supervised):  # noqa: F811 - the fixture
    org = tenant.organization
    owner, gone, stays = (make_member(org, role) for role in ("admin", "member", "member"))
    for user in (owner, gone, stays):
        make_grant(tenant, user, "admin")
    check_a_key_that_is_revoked(tenant, owner)
    check_a_computer_that_is_signed_out(tenant, stays)
    project = connect(gone, tenant).create_project("default")["id"]
    before, other = session(tenant, gone), session(tenant, stays)
    long_lived = api_token(tenant, before)
    assert {status(tenant, headers) for headers in (before, long_lived, other)} == {200}

    cut = Cuts()
    assert cut() == 0
    actions.remove_member(membership=gone.membership, by=Actor(owner))
    assert status(tenant, before) == 200, "Without the cut they stay in for an hour."
    assert cut() == 1
    for headers in (before, long_lived):
        assert status(tenant, headers) == 401
        assert status(tenant, headers, f"/pipelines?project={project}") == 401, "Nor what they own."
    assert status(tenant, other) == 200
    with pytest.raises(AssertionError, match="Authorization"):
        session(tenant, gone)

    make_member(org, user=gone)
    make_grant(tenant, gone, "viewer")
    assert cut() == 0
    eventually(lambda: status(tenant, session(tenant, gone)) == 200)  # tokens carry whole seconds
    assert {status(tenant, headers) for headers in (before, long_lived)} == {401}, "What they had stays dead."
    assert cut() == 0 and status(tenant, session(tenant, gone)) == 200
    check_a_server_that_is_down(tenant, supervised, owner, gone, cut)


def api_token(tenant, headers) -> dict:  # noqa: F811 - the fixture
    """Headers with a token of seven days, made with these."""
    made = httpx.get(
        f"{tenant.server_url}/api/v1/api_token?token_type=generic", headers=headers, trust_env=False
    )
    return {"Authorization": f"Bearer {made.json()}"}


def check_a_key_that_is_revoked(tenant, owner):  # noqa: F811 - the fixture
    """The last key of a service account: what it made in there ends, and another key opens it again."""
    robot = make_service_account(tenant.organization)
    make_grant(tenant, robot, "developer")
    key, cut = make_key(robot), KeyCuts()
    held = session(tenant, robot, keys.exchange(secret=key.secret)[0])
    long_lived = api_token(tenant, held)
    assert (status(tenant, held), status(tenant, long_lived)) == (200, 200)
    keys.revoke_key(key=key, account=robot.membership, by=Actor(owner))
    assert cut() == 1
    assert (status(tenant, held), status(tenant, long_lived)) == (401, 401)
    other = make_key(robot).secret
    eventually(
        lambda: status(tenant, session(tenant, robot, keys.exchange(secret=other)[0])) == 200, seconds=5
    )
    assert (status(tenant, held), status(tenant, long_lived)) == (401, 401)


def check_a_computer_that_is_signed_out(tenant, person):  # noqa: F811 - the fixture
    """What it and the person's other computer made in there ends; the other one opens it again."""
    lost, other = sign_in(tenant, person), sign_in(tenant, person)
    held = [session(tenant, person, lost.token), session(tenant, person, other.token)]
    held.append(api_token(tenant, held[0]))
    assert {status(tenant, headers) for headers in held} == {200}
    devices.sign_out(login=lost, by=Actor(person))
    assert KeyCuts()() == 1
    assert {status(tenant, headers) for headers in held} == {401}
    eventually(lambda: status(tenant, session(tenant, person, other.token)) == 200, seconds=5)
    assert {status(tenant, headers) for headers in held} == {401}
    with pytest.raises(AssertionError):
        session(tenant, person, lost.token)


def check_a_server_that_is_down(tenant, hosting, owner, gone, cut):  # noqa: F811 - the fixture
    """Cut while it is stopped; the server starts with the same database and refuses the person."""
    held = session(tenant, gone)
    hosting.stop(local_spec_of(tenant))
    actions.remove_member(membership=tenant.organization.memberships.get(user=gone), by=Actor(owner))
    assert cut() == 1
    hosting.start(local_spec_of(tenant))
    eventually(lambda: hosting.healthy(local_spec_of(tenant)))
    assert status(tenant, held) == 401
    assert status(tenant, session(tenant, owner)) == 200
