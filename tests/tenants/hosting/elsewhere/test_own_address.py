"""A server that somebody else runs gets sign-ins that open it and nothing else, from an address of its own.

With the unmodified client: test_clients.py; with ZenML's own server: test_real_server.py.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from factories import make_grant, make_key, make_member, make_org, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.credentials.models import AccessToken, DeviceLogin
from tenants.hosting.backends import spec_of
from tenants.hosting.elsewhere.actions import enroll
from tenants.hosting.elsewhere.diagnosis import checks_of
from tenants.hosting.elsewhere.server import environment_block
from tenants.models import Tenant

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def hosted(org):
    return make_tenant(org, "production")


@pytest.fixture
def person(tenant, hosted):
    """Works on both: on the tenant that we host, and on the one elsewhere, which is well."""
    Tenant.objects.filter(pk=tenant.pk).update(status="available")
    person = make_member(tenant.organization, name="Dana Petrova")
    make_grant(tenant, person, "developer")
    make_grant(hosted, person, "developer")
    return person


def token_for(person, **fields) -> str:
    kind = AccessToken.Kind.USER
    return AccessToken.objects.issue(kind=kind, user=person, lifetime=timedelta(hours=1), **fields)


def base(tenant=None) -> str:
    return f"/api/elsewhere/{tenant.pk}" if tenant else "/api"


def ask(token, path, at=None, **query):
    return Client().get(f"{base(at)}/{path}", query, headers={"Authorization": f"Bearer {token}"})


def authorize(token, tenant, at=None) -> int:
    return ask(token, "users/authorize_server", at, server_id=tenant.pk).status_code


def names(token, at=None, **query) -> set[str]:
    return {one["id"] for one in ask(token, "workspaces", at, **query).json()}


def device(at=None) -> dict:
    """What a computer knows that asked at this address."""
    form = {"client_id": str(uuid4())}
    answer = Client().post(f"{base(at)}/auth/device_authorization", form)
    assert answer.status_code == 200, answer.content
    return form | answer.json()


def answer(client, asked, tenant):
    login = DeviceLogin.objects.get(user_code=asked["user_code"])
    form = {"device_id": login.pk, "user_code": asked["user_code"], "answer": "approve", "tenant": tenant.pk}
    return client.post("/devices/verify", form)


def poll(asked, at=None):
    form = {"grant_type": DEVICE_CODE, "client_id": asked["client_id"], "device_code": asked["device_code"]}
    return Client().post(f"{base(at)}/auth/login", form)


def signed_in(as_user, person, tenant, at=None) -> str:
    asked = device(at)
    assert answer(as_user(person), asked, tenant).status_code == 200
    return poll(asked, at).json()["access_token"]


class TestWhatAHostileServerCanDo:
    """It has what a client sends it, and may call us with it at any address."""

    @pytest.fixture
    def seen(self, as_user, person, tenant):
        """The bearer of somebody who signed in to it."""
        return signed_in(as_user, person, tenant, at=tenant)

    def test_the_person_is_announced_to_it(self, seen, tenant):
        assert authorize(seen, tenant, at=tenant) == 200

    def test_the_bearer_opens_no_other_tenant_at_any_address(self, seen, tenant, hosted):
        for at in (None, tenant, hosted):
            assert authorize(seen, hosted, at) in (401, 403, 404), at
        assert not hosted.accounts.exists()

    def test_nor_one_that_yet_another_runs(self, seen, tenant, owner, org, person):
        third = enroll(
            org=org, name="c", slug="c", version="0.98.0", server_url="https://c.test", by=Actor(owner)
        )
        make_grant(third, person, "admin")
        assert {authorize(seen, third, at) for at in (None, tenant, third)} <= {401, 403}

    def test_it_lists_that_tenant_alone(self, seen, tenant, person):
        make_member(make_org("Globex"), user=person)
        assert names(seen, at=tenant) == {str(tenant.pk)}
        assert names(seen) <= {str(tenant.pk)}
        assert [one["name"] for one in ask(seen, "organizations").json()] == [tenant.organization.slug]

    def test_it_opens_nothing_of_the_json_api(self, seen, org):
        for path in ("v1/me", f"v1/organizations/{org.slug}", f"v1/organizations/{org.slug}/tenants"):
            assert ask(seen, path).status_code in (401, 404)

    def test_it_cannot_be_exchanged_for_more(self, seen, tenant):
        for at in (None, tenant):
            assert Client().post(f"{base(at)}/auth/login", {"password": seen}).status_code == 401

    def test_its_own_token_asks_about_itself_alone(self, server, tenant, hosted):
        assert server.start(environment_block(spec_of(tenant))) == 200
        form = {
            "grant_type": "client_credentials",
            "client_id": tenant.pk,
            "client_secret": tenant.opened_secrets()["oauth_secret"],
        }
        answered = Client().post(f"{base(tenant)}/auth/login", form)
        headers = {"Authorization": f"Bearer {answered.json()['access_token']}"}
        for at, status in ((tenant, 200), (hosted, 403)):
            assert Client().patch(f"{base(at)}/workspace_status", headers=headers).status_code == status
        other = Client().post(f"{base(hosted)}/auth/login", form)
        assert other.status_code == 401


class TestTheCommonAddress:
    """Where clients sign in to the tenants that we host: nothing there leads them elsewhere."""

    @pytest.fixture
    def common(self, as_user, person, hosted):
        return signed_in(as_user, person, hosted)

    def test_it_never_says_where_a_server_elsewhere_is(self, common, tenant, hosted, server):
        assert names(common) == names(common, member_only="True") == {str(hosted.pk)}
        assert names(common, url=server.url) == names(common, workspace_name=tenant.workspace_name) == set()
        assert ask(common, f"workspaces/{tenant.pk}").status_code == 404
        assert ask(common, "workspaces", tenant).json() == []

    def test_a_token_that_a_foreign_server_shows_us_ends(self, common, tenant, hosted, person):
        assert authorize(common, hosted) == 200
        assert authorize(common, tenant) == 403
        assert authorize(common, hosted) == 401
        assert not tenant.accounts.exists()
        row = AuditEvent.objects.get(action="token.shown_elsewhere")
        assert (row.target_label, row.after["account"]) == (tenant.name, "Dana Petrova")

    def test_nobody_picks_it_on_the_page(self, as_user, person, tenant, hosted):
        asked = device()
        assert answer(as_user(person), asked, tenant).status_code == 422
        assert poll(asked).json()["error"] == "authorization_pending"
        assert answer(as_user(person), asked, hosted).status_code == 200
        assert poll(asked).status_code == 200

    def test_the_page_says_how_to_sign_in_to_it(self, as_user, person, tenant, server):
        login = DeviceLogin.objects.get(user_code=device()["user_code"])
        query = {"device_id": login.pk, "user_code": login.user_code, "workspace": tenant.workspace_name}
        page = as_user(person).get("/devices/verify", query).content.decode()
        assert f"zenml login {server.url}" in page


class TestItsOwnAddress:
    def test_the_lines_name_it(self, tenant):
        lines = environment_block(spec_of(tenant)).splitlines()
        own = f"{settings.ZENPRO_API_URL}/elsewhere/{tenant.pk}"
        assert f"ZENML_SERVER_PRO_API_URL={own}" in lines

    def test_it_is_the_only_choice_there(self, as_user, person, tenant, hosted):
        asked = device(tenant)
        assert answer(as_user(person), asked, hosted).status_code == 422
        assert answer(as_user(person), asked, tenant).status_code == 200
        body = poll(asked, tenant).json()
        assert body["device_metadata"]["tenant_id"] == str(tenant.pk)
        assert AccessToken.objects.valid(body["access_token"]).get().tenant == tenant

    def test_the_page_says_that_somebody_else_runs_it(self, as_user, person, tenant, hosted, server):
        login = DeviceLogin.objects.get(user_code=device(tenant)["user_code"])
        query = {"device_id": login.pk, "user_code": login.user_code}
        page = as_user(person).get("/devices/verify", query).content.decode()
        assert "Someone else runs this server" in page and server.url in page
        assert str(hosted.pk) not in page

    def test_a_sign_in_is_collected_where_it_was_asked_for(self, as_user, person, tenant, hosted):
        common, own = device(), device(tenant)
        answer(as_user(person), common, hosted)
        answer(as_user(person), own, tenant)
        assert poll(common, tenant).json()["error"] == "expired_token"
        assert poll(own).json()["error"] == "expired_token"
        assert poll(common).status_code == poll(own, tenant).status_code == 200

    def test_people_without_a_role_on_it_are_not_let_in(self, as_user, tenant, person):
        stranger = make_member(tenant.organization)
        asked = device(tenant)
        assert answer(as_user(stranger), asked, tenant).status_code == 422

    @pytest.mark.parametrize("what", ["hosted", "deleted", "nothing"])
    def test_there_is_none_but_of_tenants_elsewhere(self, tenant, hosted, what, agent):
        pk = {"hosted": hosted.pk, "deleted": tenant.pk, "nothing": uuid4()}[what]
        if what == "deleted":
            Tenant.objects.filter(pk=pk).update(desired_state="deleted", deleted_at=tenant.created_at)
        at = type("At", (), {"pk": pk})
        path = f"{base(at)}/auth/device_authorization"
        assert Client().post(path, {"client_id": str(uuid4())}).status_code == 404
        assert not DeviceLogin.objects.exists()


class TestKeys:
    def exchange(self, key, at=None):
        return Client().post(f"{base(at)}/auth/login", {"password": key.secret})

    def test_a_key_exchanged_there_opens_that_tenant_alone(self, person, tenant, hosted):
        token = self.exchange(make_key(person), at=tenant).json()["access_token"]
        assert authorize(token, tenant, at=tenant) == 200
        assert {authorize(token, hosted, at) for at in (None, tenant)} == {403}

    def test_a_key_exchanged_at_the_common_address_opens_hosted_tenants(self, person, tenant, hosted):
        token = self.exchange(make_key(person)).json()["access_token"]
        assert authorize(token, hosted) == 200
        assert names(token) == {str(hosted.pk)}

    def test_a_key_of_the_tenant_works_at_both(self, person, tenant):
        key = make_key(person, tenant=tenant)
        for at in (None, tenant):
            token = self.exchange(key, at).json()["access_token"]
            assert authorize(token, tenant, at) == 200

    def test_a_key_of_another_tenant_or_organization_is_not_taken(self, person, tenant, hosted):
        globex = make_org("Globex")
        make_member(globex, user=person)
        for key in (make_key(person, tenant=hosted), make_key(person, organization=globex)):
            assert self.exchange(key, at=tenant).status_code == 401
        assert not AccessToken.objects.exists()
        ours = make_key(person, organization=tenant.organization)
        assert self.exchange(ours, at=tenant).status_code == 200


class TestOldLines:
    """Copied before servers elsewhere had an address of their own."""

    @pytest.fixture
    def old(self, tenant, server):
        lines = environment_block(spec_of(tenant))
        own = f"{settings.ZENPRO_API_URL}/elsewhere/{tenant.pk}"
        assert server.start(lines.replace(own, settings.ZENPRO_API_URL)) == 200

    def test_the_page_says_to_copy_them_again(self, old, tenant, agent, as_user, owner):
        tenant = agent(tenant)
        failed = [check for check in checks_of(tenant) if check.state == "failed"]
        assert [check.key for check in failed] == ["answer"]
        assert "sends sign-ins to another address" in failed[0].text
        assert "Copy the lines below" in failed[0].step
        page = as_user(owner).get(f"/o/{tenant.organization.slug}/t/theirs/server/").content.decode()
        assert "sends sign-ins to another address" in page

    def test_one_that_was_well_is_told_so_too(self, tenant, server, agent, old):
        Tenant.objects.update(status="available", available_since=tenant.created_at)
        tenant = agent(tenant)
        assert (tenant.status, "Copy" in checks_of(tenant)[3].step) == ("failed", True)
        server.start(environment_block(spec_of(tenant)))
        assert agent(tenant).status == "available"
