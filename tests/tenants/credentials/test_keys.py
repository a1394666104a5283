"""Keys of scripts: who may make them, what they open, and how they end."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone
from factories import (
    PASSWORD,
    make_grant,
    make_key,
    make_member,
    make_org,
    make_service_account,
    make_team,
    make_tenant,
    make_user,
)

from orgs.audit.models import AuditEvent
from orgs.members.actions import add_member, refuse_without_admin
from orgs.users.models import Actor
from tenants.credentials import keys
from tenants.credentials.models import AccessToken, ApiKey, hash_token
from zenpro_site.common.refusals import Refused

HOUR = timedelta(hours=1)


@pytest.fixture
def tenant(org):
    return make_tenant(org, "production")


@pytest.fixture
def robot(org, tenant):
    robot = make_service_account(org, "ci")
    make_grant(tenant, robot, "developer")
    return robot


@pytest.fixture
def key(robot):
    return make_key(robot)


def log_in(secret: str, **form):
    headers = {"Authorization": f"Bearer {secret}"}
    return Client().post("/api/auth/login", {"password": secret, **form}, headers=headers)


def token_of(key) -> str:
    answer = log_in(key.secret)
    assert answer.status_code == 200, answer.content
    return answer.json()["access_token"]


def api(path: str, token: str, **query):
    return Client().get(f"/api/{path}", query, headers={"Authorization": f"Bearer {token}"})


def last_row() -> AuditEvent:
    return AuditEvent.objects.first()


class TestExchange:
    @pytest.mark.parametrize("secret", ["", "nonsense", "ZENPROKEY_", "ZENPROKEY_" + "x" * 43, "ZENPROKEY_é"])
    def test_wrong_keys(self, key, secret):
        answer = log_in(secret)
        assert (answer.status_code, answer.json()["detail"][0]) == (401, "CredentialsNotValid")
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
    def test_a_key_that_ended(self, key, field):
        ApiKey.objects.update(**{field: timezone.now()})
        assert log_in(key.secret).status_code == 401
        assert not AccessToken.objects.exists()

    def test_an_inactive_account(self, robot, key):
        type(robot).objects.filter(pk=robot.pk).update(is_active=False)
        assert log_in(key.secret).status_code == 401
        assert not AccessToken.objects.exists()

    def test_an_account_taken_out_of_its_organization(self, robot, key):
        robot.membership.delete()
        assert log_in(key.secret).status_code == 401
        assert not AccessToken.objects.exists()

    def test_what_is_stored_is_no_key(self, key):
        row = ApiKey.objects.get()
        assert row.key_hash == hash_token(key.secret)
        assert log_in(row.key_hash).status_code == log_in(row.prefix).status_code == 401

    @pytest.mark.parametrize("grant", ["password", "client_credentials", "nonsense"])
    def test_a_grant_type_makes_it_something_else(self, key, grant):
        assert log_in(key.secret, grant_type=grant).status_code in (400, 401)
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize("path", ["workspaces", "organizations", "users/authorize_server"])
    def test_the_raw_key_opens_nothing_else(self, key, tenant, path):
        assert api(path, key.secret, server_id=str(tenant.pk)).status_code == 401

    def test_the_token_acts_as_the_account(self, robot, key, tenant):
        answer = log_in(key.secret).json()
        assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
        token = answer["access_token"]
        assert [one["id"] for one in api("workspaces", token).json()] == [str(tenant.pk)]
        body = api("users/authorize_server", token, server_id=str(tenant.pk)).json()
        assert (body["id"], body["username"]) == (str(robot.pk), "ci")
        assert body["is_service_account"] is False  # else its server would skip the roles
        assert ApiKey.objects.get().last_used_at

    def test_a_token_never_outlives_its_key(self, robot):
        key = make_key(robot, expires_at=timezone.now() + timedelta(minutes=5))
        assert 290 <= log_in(key.secret).json()["expires_in"] <= 300

    def test_a_key_of_one_tenant_opens_no_other(self, org, robot, tenant):
        other = make_tenant(org, "staging")
        make_grant(other, robot, "admin")
        token = token_of(make_key(robot, tenant=tenant))
        assert [one["id"] for one in api("workspaces", token).json()] == [str(tenant.pk)]
        assert api(f"workspaces/{other.pk}", token).status_code == 404
        assert api("users/authorize_server", token, server_id=str(other.pk)).status_code == 403
        assert api("users/authorize_server", token, server_id=str(tenant.pk)).status_code == 200

    def test_a_key_of_one_tenant_shows_its_organization_only(self, robot, org):
        person = make_member(org)
        elsewhere = make_org()
        make_member(elsewhere, user=person)
        token = token_of(make_key(person, tenant=make_tenant(org)))
        assert [one["id"] for one in api("organizations", token).json()] == [str(org.pk)]
        assert api(f"organizations/{elsewhere.slug}", token).status_code == 404


class TestOfOneOrganization:
    """A person in two organizations, with a key that opens one of them."""

    @pytest.fixture
    def elsewhere(self, owner):
        other = make_org("Globex")
        make_member(other, "admin", user=owner)
        tenant = make_tenant(other, "theirs")
        make_grant(tenant, owner, "admin")
        return tenant

    def test_it_opens_no_other(self, org, owner, tenant, elsewhere):
        make_grant(tenant, owner, "viewer")
        token = token_of(make_key(owner, organization=org))
        assert [row["name"] for row in api("workspaces", token).json()] == [tenant.workspace_name]
        assert [row["name"] for row in api("organizations", token).json()] == [org.slug]
        assert api("users/authorize_server", token, server_id=tenant.pk).status_code == 200
        assert api("users/authorize_server", token, server_id=elsewhere.pk).status_code == 403
        assert api(f"workspaces/{elsewhere.pk}", token).status_code == 404

    def test_it_is_never_bound_to_a_tenant_as_well(self, org, owner, tenant):
        with pytest.raises(IntegrityError):
            make_key(owner, organization=org, tenant=tenant)

    def test_it_makes_no_key_that_opens_more(self, org, owner, tenant, elsewhere):
        soon = timezone.now() + HOUR
        bound = make_key(owner, organization=org, expires_at=soon)
        make = {"user": owner, "by": Actor(owner), "label": "more", "through": bound, "expires_at": soon}
        for scope in ({}, {"organization": elsewhere.organization}, {"tenant": elsewhere}):
            with pytest.raises(Refused, match="only gives access to Acme AI"):
                keys.create_key(**make | scope)
        for end in (None, soon + HOUR):
            with pytest.raises(Refused, match="outlives it"):
                keys.create_key(**make | {"tenant": tenant, "expires_at": end})
        assert not AuditEvent.objects.exists()
        key, _ = keys.create_key(**make | {"tenant": tenant})
        with pytest.raises(Refused, match="only gives access to production"):
            keys.create_key(**make | {"through": key, "organization": org})


class TestEnds:
    def test_revoking_ends_its_tokens_and_no_others(self, owner, robot, key):
        other, token = make_key(robot, "other"), token_of(key)
        kept = token_of(other)
        keys.revoke_key(key=key, account=robot.membership, by=Actor(owner))
        assert api("workspaces", token).status_code == log_in(key.secret).status_code == 401
        assert api("workspaces", kept).status_code == 200
        assert (last_row().action, last_row().before["account"]) == ("api_key.revoked", "ci")

    def test_revoking_twice_is_told_once(self, owner, robot, key):
        for _ in range(2):
            keys.revoke_key(key=key, account=robot.membership, by=Actor(owner))
        assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1

    def test_rotating_at_once(self, owner, robot, key):
        token = token_of(key)
        secret = keys.rotate_key(key=key, grace=timedelta(0), account=robot.membership, by=Actor(owner))
        assert log_in(key.secret).status_code == api("workspaces", token).status_code == 401
        assert log_in(secret).status_code == 200

    def test_rotating_with_grace(self, owner, robot, key):
        token = token_of(key)
        secret = keys.rotate_key(
            key=key, grace=timedelta(minutes=10), account=robot.membership, by=Actor(owner)
        )
        assert api("workspaces", token).status_code == 200
        assert 590 <= log_in(key.secret).json()["expires_in"] <= 600
        assert log_in(secret).json()["expires_in"] == 3600
        ApiKey.objects.update(previous_valid_until=timezone.now())
        assert log_in(key.secret).status_code == 401
        assert log_in(secret).status_code == 200

    def test_tokens_of_the_old_secret_end_with_its_grace(self, owner, robot, key):
        token_of(key)
        keys.rotate_key(key=key, grace=timedelta(minutes=10), account=robot.membership, by=Actor(owner))
        assert AccessToken.objects.get().expires_at <= timezone.now() + timedelta(minutes=10)

    def test_a_second_rotation_ends_the_first_secret(self, owner, robot, key):
        first = key.secret
        second, third = (
            keys.rotate_key(key=key, grace=HOUR, account=robot.membership, by=Actor(owner)) for _ in range(2)
        )
        assert [log_in(secret).status_code for secret in (first, second, third)] == [401, 200, 200]
        assert AccessToken.objects.count() == 2

    def test_an_ended_key_is_not_rotated(self, owner, robot, key):
        ApiKey.objects.update(revoked_at=timezone.now())
        with pytest.raises(Refused):
            keys.rotate_key(key=key, grace=HOUR, account=robot.membership, by=Actor(owner))
        assert not AuditEvent.objects.exists()

    def test_deactivating_the_account_ends_everything(self, owner, robot, key, tenant):
        token = token_of(key)
        keys.deactivate(account=robot.membership, by=Actor(owner))
        assert api("workspaces", token).status_code == log_in(key.secret).status_code == 401
        keys.activate(account=robot.membership, by=Actor(owner))
        assert api("workspaces", token).status_code == 401
        assert log_in(key.secret).status_code == 200


class TestWhoMay:
    def test_keys_of_another_person(self, owner, member):
        with pytest.raises(Refused):
            keys.create_key(user=member, label="theirs", by=Actor(owner))
        with pytest.raises(Refused):
            keys.create_key(user=member, label="theirs", account=member.membership, by=Actor(owner))
        assert not ApiKey.objects.exists()

    def test_an_account_that_may_do_more(self, org, editor, owner):
        robot = make_service_account(org, "boss", role="admin")
        with pytest.raises(Refused):
            keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(editor))
        with pytest.raises(Refused):
            keys.create_service_account(organization=org, name="b", role="admin", by=Actor(editor))
        keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(owner))

    def test_an_account_whose_team_may_do_more(self, org, editor):
        robot = make_service_account(org)
        make_team(org, members=[robot], org_role="admin")
        with pytest.raises(Refused):
            keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(editor))

    def test_managing_members_opens_no_tenant(self, org, viewer, tenant, robot, key):
        for deed in (
            lambda: keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(viewer)),
            lambda: keys.rotate_key(key=key, grace=HOUR, account=robot.membership, by=Actor(viewer)),
        ):
            with pytest.raises(Refused, match="whose access you don't manage"):
                deed()
        make_grant(tenant, viewer, "admin")
        keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(viewer))

    def test_an_account_that_works_elsewhere_too(self, owner, robot):
        make_member(make_org(), user=robot)
        account = owner.membership.organization.memberships.get(user=robot)
        for deed in (keys.deactivate, keys.activate):
            with pytest.raises(Refused):
                deed(account=account, by=Actor(owner))
        with pytest.raises(Refused):
            keys.create_key(user=robot, label="x", account=account, by=Actor(owner))

    def test_an_account_that_is_superuser(self, owner, robot):
        type(robot).objects.filter(pk=robot.pk).update(is_superuser=True)
        robot.membership.user.refresh_from_db()
        with pytest.raises(Refused):
            keys.create_key(user=robot, label="x", account=robot.membership, by=Actor(owner))

    def test_accounts_stay_in_their_organization(self, robot, superuser):
        other = make_org()
        with pytest.raises(Refused):
            add_member(
                organization=other, person=robot, role=other.roles.get(slug="member"), by=Actor(superuser)
            )

    def test_not_without_end(self, owner, robot, monkeypatch):
        monkeypatch.setattr(keys, "MOST_KEYS", 1)
        keys.create_key(user=robot, label="a", account=robot.membership, by=Actor(owner))
        with pytest.raises(Refused):
            keys.create_key(user=robot, label="b", account=robot.membership, by=Actor(owner))

    def test_the_same_name_twice(self, org, owner):
        keys.create_service_account(organization=org, name="CI", by=Actor(owner))
        with pytest.raises(Refused):
            keys.create_service_account(organization=org, name="ci", by=Actor(owner))

    def test_a_name_without_letters_of_ours(self, org, owner):
        account = keys.create_service_account(organization=org, name="夜間", by=Actor(owner))
        assert account.user.username == "user"


class TestAccounts:
    def test_it_is_a_user_that_nobody_was_before(self, org, owner):
        make_user("ci@example.org")
        account = keys.create_service_account(organization=org, name="CI", by=Actor(owner))
        user = account.user
        assert (user.username, user.email, account.role) == ("ci-2", "ci-2@service.invalid", "member")
        assert user.is_service_account and not user.has_usable_password()
        assert (last_row().action, last_row().organization) == ("service_account.created", org)

    def test_no_page_lets_it_in(self, client, robot):
        robot.set_password(PASSWORD)
        robot.save()
        client.post("/accounts/login/", {"login": robot.email, "password": PASSWORD})
        assert "_auth_user_id" not in client.session

    def test_without_password_nothing_helps(self, client, robot):
        client.post("/accounts/login/", {"login": robot.email, "password": ""})
        client.post("/accounts/password/reset/", {"email": robot.email})
        assert "_auth_user_id" not in client.session
        assert not [one for one in mail.outbox if "reset/key" in one.body]

    def test_it_is_never_the_last_admin(self, org, owner):
        make_service_account(org, "boss", role="admin")
        owner.membership.delete()
        with pytest.raises(Refused):
            refuse_without_admin(org)

    def test_it_holds_roles_and_is_in_teams(self, as_user, org, owner, tenant, robot):
        make_team(org, "ml", members=[robot])
        client = as_user(owner)
        offered = client.get(f"/o/{org.slug}/t/production/members/give/").content.decode()
        assert f"person:{robot.membership.pk}" in offered and "Service accounts" in offered
        assert "Service account" in client.get(f"/o/{org.slug}/t/production/members/").content.decode()
        team = org.teams.get()
        assert "Service account" in client.get(f"/o/{org.slug}/teams/{team.uuid}/").content.decode()
        assert "@service.invalid" not in client.get(f"/o/{org.slug}/teams/{team.uuid}/").content.decode()
