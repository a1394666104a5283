"""Servers get tokens, browsers get the sign-in page, and a person is announced to the tenants they can enter."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from factories import make_grant, make_team, make_tenant

from tenants.credentials.models import AccessToken
from tenants.models import Share, Tenant

from .conftest import Caller, server_token

LOGIN = "/api/auth/login"


def log_in(client, tenant, **changes):
    form = {
        "grant_type": "client_credentials",
        "client_id": str(tenant.pk),
        "client_secret": tenant.opened_secrets()["oauth_secret"],
        "audience": "anything",
    }
    return client.post(LOGIN, form | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_secret": ""},
        {"client_secret": "é"},
        {"client_id": str(uuid4())},
        {"client_id": "no id"},
        {"client_id": ""},
    ],
)
def test_wrong_credentials_get_no_token(client, tenant, changes):
    response = log_in(client, tenant, **changes)
    assert response.status_code == 401
    assert response.json()["detail"][0] == "CredentialsNotValid"
    assert not AccessToken.objects.exists()


def test_the_secret_of_another_tenant_is_wrong(client, tenant, other):
    secret = other.opened_secrets()["oauth_secret"]
    assert log_in(client, tenant, client_secret=secret).status_code == 401


@pytest.mark.parametrize("state", ["deactivated", "deleted"])
def test_a_tenant_that_is_not_wanted_running_gets_no_token(client, tenant, state):
    deleted_at = timezone.now() if state == "deleted" else None
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=state, deleted_at=deleted_at)
    assert log_in(client, tenant).status_code == 401


@pytest.mark.parametrize("grant", ["", "password", "urn:ietf:params:oauth:grant-type:device_code"])
def test_other_grants_are_refused(client, tenant, grant):
    assert log_in(client, tenant, grant_type=grant).status_code == 400


def test_a_server_logs_in_for_an_hour_and_only_a_hash_is_kept(client, tenant):
    answer = log_in(client, tenant).json()
    assert answer["token_type"] == "bearer"
    assert answer["expires_in"] == 3600
    stored = AccessToken.objects.get()
    assert (stored.kind, stored.tenant, stored.user) == ("server", tenant, None)
    assert answer["access_token"] not in str(vars(stored))
    call = Caller(client, answer["access_token"])
    assert call("PATCH", "/workspace_status").status_code == 200


def test_a_new_login_sweeps_the_servers_expired_tokens_only(client, tenant, other, server):
    for each in (tenant, other):
        AccessToken.objects.issue(kind="server", tenant=each, lifetime=timedelta(seconds=-1))
    log_in(client, tenant)
    assert AccessToken.objects.expired().get().tenant == other
    assert server("PATCH", "/workspace_status").status_code == 200


def test_browsers_are_sent_to_sign_in_and_then_home(client, as_user, member):
    assert client.get(LOGIN).url.startswith("/accounts/login/")
    assert as_user(member).get(LOGIN).url == "/"


def test_login_takes_no_other_method(client):
    assert client.put(LOGIN).status_code == 405


# Who a person is


def authorize(caller, server_id):
    return caller("GET", "/users/authorize_server", query={"server_id": str(server_id)})


def test_a_person_with_a_role_is_announced(person, tenant, member):
    make_grant(tenant, member, "viewer")
    response = authorize(person(member), tenant.pk)
    assert response.status_code == 200
    assert response.json() == {
        "id": str(member.pk),
        "username": member.username,
        "email": member.email,
        "name": "Dana Petrova",
        "is_superuser": False,
        "is_service_account": False,
        "avatar_url": None,
        "oidc_claims": None,
    }


def test_a_superuser_is_let_in_but_not_announced_as_one(person, tenant, superuser):
    answer = authorize(person(superuser), tenant.pk).json()
    assert (answer["id"], answer["is_superuser"]) == (str(superuser.pk), False)


def test_people_without_a_role_are_kept_out(person, tenant, owner, member, outsider):
    make_grant(tenant, make_team(tenant.organization, members=[outsider]), "admin")  # an outsider in a team
    make_grant(tenant, member, "viewer", expires_at=timezone.now())
    for user in (owner, member, outsider):
        response = authorize(person(user), tenant.pk)
        assert response.status_code == 403
        assert response.json()["detail"][0] == "IllegalOperationError"


def test_a_share_lets_in(person, tenant, member):
    Share.objects.create(
        tenant=tenant, membership=member.membership, resource_type="stack", resource_id=uuid4(), action="read"
    )
    assert authorize(person(member), tenant.pk).status_code == 200


@pytest.mark.parametrize("server_id", [uuid4(), "", "x"])
def test_unknown_tenants_are_refused(person, superuser, server_id):
    assert authorize(person(superuser), server_id).status_code == 403


def test_a_token_for_one_tenant_opens_no_other(person, org, tenant, member):
    second = make_tenant(org)
    for each in (tenant, second):
        make_grant(each, member, "viewer")
    assert authorize(person(member, tenant), tenant.pk).status_code == 200
    assert authorize(person(member, tenant), second.pk).status_code == 403


@pytest.mark.parametrize("state", ["deactivated", "deleted"])
def test_nobody_enters_a_tenant_that_is_not_wanted_running(person, tenant, superuser, state):
    deleted_at = timezone.now() if state == "deleted" else None
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=state, deleted_at=deleted_at)
    assert authorize(person(superuser), tenant.pk).status_code == 403


def test_inactive_people_expired_tokens_and_servers_are_refused(client, person, tenant, member):
    make_grant(tenant, member, "viewer")
    caller = person(member)
    assert authorize(Caller(client), tenant.pk).status_code == 401
    assert authorize(Caller(client, "made-up"), tenant.pk).status_code == 401
    assert authorize(Caller(client, server_token(tenant)), tenant.pk).status_code == 401
    AccessToken.objects.filter(user=member).update(expires_at=timezone.now())
    assert authorize(caller, tenant.pk).status_code == 401
    caller = person(member)
    member.is_active = False
    member.save()
    assert authorize(caller, tenant.pk).status_code == 401


def test_a_raw_api_key_is_refused_even_if_it_were_a_token(client, tenant, member, monkeypatch):
    make_grant(tenant, member, "viewer")
    monkeypatch.setattr("tenants.credentials.models.secrets.token_urlsafe", lambda size: "x")
    AccessToken.objects.issue(kind="user", user=member, lifetime=timedelta(minutes=1))
    assert authorize(Caller(client, "zpu_x"), tenant.pk).status_code == 200
    monkeypatch.setattr("tenants.control_plane.access.API_KEY", "zpu_")
    assert authorize(Caller(client, "zpu_x"), tenant.pk).status_code == 401
    monkeypatch.undo()
    assert authorize(Caller(client, "ZENPROKEY_abc"), tenant.pk).status_code == 401


def test_neither_secrets_nor_tokens_reach_the_log(client, person, tenant, member, caplog):
    caplog.set_level("DEBUG")
    make_grant(tenant, member, "viewer")
    caller = person(member)
    issued = log_in(client, tenant).json()["access_token"]
    log_in(client, tenant, client_secret="wrong-secret")
    authorize(caller, tenant.pk)
    authorize(Caller(client, "made-up-token"), tenant.pk)
    Caller(client, issued)("PATCH", "/workspace_status")
    assert "/api/auth/login" in caplog.text
    hidden = [issued, caller.headers["Authorization"].partition(" ")[2], "wrong-secret", "made-up-token"]
    assert [text for text in [*hidden, tenant.opened_secrets()["oauth_secret"]] if text in caplog.text] == []
