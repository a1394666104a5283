"""Pages of service accounts and keys: who may open them, and that a secret is shown once."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_org, make_service_account, make_tenant

from orgs.audit.models import AuditEvent
from tenants.credentials.models import AccessToken, ApiKey

SECRET = re.compile(r'<code tabindex="0">(ZENPROKEY_[\w-]{43})</code>')


@pytest.fixture
def robot(org):
    return make_service_account(org, "nightly")


@pytest.fixture
def key(robot):
    return make_key(robot)


def page(org, *parts) -> str:
    return "/".join([f"/o/{org.slug}/service-accounts", *map(str, parts), ""])


def log_in(secret: str) -> int:
    return Client().post("/api/auth/login", {"password": secret}).status_code


def every_page(org, robot, key):
    """(method, address, data) of everything about service accounts."""
    own = page(org, robot.membership.pk)
    yield from (("get", page(org), {}), ("get", own, {}), ("get", page(org, "new"), {}))
    yield from (("post", page(org, "new"), {"name": "mine"}), ("post", own, {"label": "mine"}))
    yield from (("post", own + "deactivate/", {}), ("post", own + "activate/", {}))
    yield ("post", f"{own}keys/{key.pk}/rotate/", {"grace": "0"})
    yield ("post", f"{own}keys/{key.pk}/revoke/", {})


class TestRefusals:
    @pytest.mark.parametrize("role", ["viewer", "editor", "member"])
    def test_only_who_manages_members(self, as_user, org, robot, key, role):
        client = as_user(make_member(org, role))
        for method, address, data in every_page(org, robot, key):
            assert getattr(client, method)(address, data).status_code == 403, address
        self.nothing_changed(key)

    def test_outsiders_find_nothing(self, as_user, org, robot, key, outsider):
        client = as_user(outsider)
        for method, address, data in every_page(org, robot, key):
            assert getattr(client, method)(address, data).status_code == 404, address
        self.nothing_changed(key)

    def test_accounts_of_another_organization(self, as_user, org, owner):
        foreign = make_service_account(make_org(), "theirs")
        key = make_key(foreign)
        client = as_user(owner)
        for method, address, data in every_page(org, foreign, key):
            if str(foreign.membership.pk) in address:
                assert getattr(client, method)(address, data).status_code == 404, address
        self.nothing_changed(key)

    def test_people_are_no_service_accounts(self, as_user, org, owner, member):
        key = make_key(member)
        client = as_user(owner)
        for method, address, data in every_page(org, member, key):
            if str(member.membership.pk) in address:
                assert getattr(client, method)(address, data).status_code == 404, address
        self.nothing_changed(key)

    def test_keys_of_another_account(self, as_user, org, owner, robot):
        key = make_key(make_service_account(org, "other"))
        client = as_user(owner)
        for verb in ("rotate", "revoke"):
            address = page(org, robot.membership.pk, "keys", key.pk, verb)
            assert client.post(address, {"grace": "0"}).status_code == 404
        self.nothing_changed(key)

    def test_keys_of_another_person(self, as_user, owner, member):
        key = make_key(member)
        client = as_user(owner)
        for verb in ("rotate", "revoke"):
            assert client.post(f"/settings/tokens/{key.pk}/{verb}/", {"grace": "0"}).status_code == 404
        self.nothing_changed(key)

    def test_a_tenant_one_is_not_in(self, as_user, org, member):
        tenant = make_tenant(org)
        response = as_user(member).post("/settings/tokens/", {"label": "x", "tenant": tenant.pk})
        assert response.status_code == 422
        assert not ApiKey.objects.exists()

    def test_the_tab_is_for_who_manages_members(self, as_user, org, owner, viewer):
        link = f'href="{page(org)}"'
        for person, expected in ((owner, True), (viewer, False)):
            assert (link in as_user(person).get(f"/o/{org.slug}/members/").content.decode()) is expected

    @staticmethod
    def nothing_changed(key):
        assert ApiKey.objects.filter(key_hash=key.key_hash, revoked_at=None, user__is_active=True).exists()
        assert ApiKey.objects.count() == 1
        assert not AuditEvent.objects.exclude(outcome="refused").exists()


class TestAccounts:
    def test_empty(self, as_user, org, owner):
        assert "No service accounts yet" in as_user(owner).get(page(org)).content.decode()

    def test_creating(self, as_user, org, owner):
        response = as_user(owner).post(page(org, "new"), {"name": "  nightly   training "})
        account = org.memberships.get(user__is_service_account=True)
        assert response.url == page(org, account.pk)
        assert (account.user.name, account.role) == ("nightly training", "member")

    def test_a_name_that_is_here(self, as_user, org, owner, robot):
        response = as_user(owner).post(page(org, "new"), {"name": "Nightly"})
        assert response.status_code == 422
        assert "There is already a service account" in response.content.decode()

    @pytest.mark.parametrize("name", ["", " ", "x" * 61])
    def test_odd_names(self, as_user, org, owner, name):
        assert as_user(owner).post(page(org, "new"), {"name": name}).status_code == 422
        assert not org.memberships.filter(user__is_service_account=True).exists()

    def test_as_many_questions_for_three_as_for_one(self, as_user, org, owner, robot, key):
        client = as_user(owner)
        client.get(page(org))
        with CaptureQueriesContext(connection) as one:
            client.get(page(org))
        for name in ("a", "b"):
            make_key(make_service_account(org, name))
        with CaptureQueriesContext(connection) as three:
            response = client.get(page(org))
        assert len(one) == len(three)
        assert [row.membership.user.name for row in response.context["rows"]] == ["a", "b", "nightly"]

    def test_only_working_keys_are_counted(self, as_user, org, owner, robot, key):
        make_key(robot, expires_at=timezone.now() - timedelta(days=1))
        make_key(robot, revoked_at=timezone.now())
        [row] = as_user(owner).get(page(org)).context["rows"]
        assert row.membership.keys == 1

    def test_it_is_not_among_the_people(self, as_user, org, owner, robot):
        context = as_user(owner).get(f"/o/{org.slug}/members/").context
        assert (context["people"], context["robots"]) == (1, 1)
        assert as_user(owner).get(f"/o/{org.slug}/invitations/").context["people"] == 1

    def test_deactivating_and_activating(self, as_user, org, owner, robot, key):
        client, own = as_user(owner), page(org, robot.membership.pk)
        assert client.post(own + "deactivate/").url == own
        assert log_in(key.secret) == 401
        assert "None of its keys work" in client.get(own).content.decode()
        client.post(own + "activate/")
        assert log_in(key.secret) == 200

    def test_removing_it_from_the_organization(self, as_user, org, owner, robot, key):
        as_user(owner).post(f"/o/{org.slug}/members/{robot.membership.pk}/remove/")
        assert log_in(key.secret) == 401


class TestKeys:
    @pytest.fixture
    def own(self, org, robot):
        return page(org, robot.membership.pk)

    def test_a_new_key_is_shown_once_and_works(self, as_user, owner, own, robot):
        client = as_user(owner)
        response = client.post(own, {"label": "github", "days": "30"})
        secret = SECRET.search(response.content.decode())[1]
        assert "no-store" in response["Cache-Control"]
        assert log_in(secret) == 200
        later = client.get(own).content.decode()
        assert secret not in later and secret[:16] in later
        key = ApiKey.objects.get()
        assert (key.user, key.created_by, key.label) == (robot, owner, "github")
        assert 29 <= (key.expires_at - timezone.now()).days <= 30
        assert secret not in str(list(AuditEvent.objects.values()))

    def test_without_an_end_and_for_one_tenant(self, as_user, org, owner, own):
        tenant = make_tenant(org)
        as_user(owner).post(own, {"label": "github", "days": "", "tenant": tenant.pk})
        key = ApiKey.objects.get()
        assert (key.expires_at, key.tenant) == (None, tenant)

    @pytest.mark.parametrize(
        "data", [{"label": ""}, {"label": "x", "days": "7"}, {"label": "x", "tenant": "nonsense"}]
    )
    def test_odd_input(self, as_user, owner, own, data):
        assert as_user(owner).post(own, data).status_code == 422
        assert not ApiKey.objects.exists()

    def test_a_tenant_of_another_organization(self, as_user, owner, own):
        foreign = make_tenant(make_org())
        assert as_user(owner).post(own, {"label": "x", "tenant": foreign.pk}).status_code == 422
        assert not ApiKey.objects.exists()

    def test_rotating(self, as_user, owner, own, key):
        client, address = as_user(owner), f"{own}keys/{key.pk}/rotate/"
        assert "Rotate the key nightly?" in client.get(address).content.decode()
        secret = SECRET.search(client.post(address, {"grace": "60"}).content.decode())[1]
        assert (log_in(secret), log_in(key.secret)) == (200, 200)
        assert "The previous key works until" in client.get(own).content.decode()

    @pytest.mark.parametrize("grace", ["", "5", "nonsense"])
    def test_odd_grace(self, as_user, owner, own, key, grace):
        assert as_user(owner).post(f"{own}keys/{key.pk}/rotate/", {"grace": grace}).status_code == 422
        assert log_in(key.secret) == 200

    def test_a_revoked_key_is_not_rotated(self, as_user, owner, own, key):
        ApiKey.objects.update(revoked_at=timezone.now())
        response = as_user(owner).post(f"{own}keys/{key.pk}/rotate/", {"grace": "60"})
        assert response.status_code == 422
        assert "has been revoked or has expired" in response.content.decode()

    def test_revoking(self, as_user, owner, own, key):
        client, address = as_user(owner), f"{own}keys/{key.pk}/revoke/"
        assert log_in(key.secret) == 200
        assert client.get(address).status_code == 200
        assert ApiKey.objects.get().revoked_at is None
        assert client.post(address).url == own
        assert log_in(key.secret) == 401
        assert not AccessToken.objects.exists()
        assert "Revoked" in client.get(own).content.decode()


class TestOwnKeys:
    def test_all_of_it(self, as_user, org, member):
        tenant = make_tenant(org, "production")
        make_grant(tenant, member, "developer")
        client = as_user(member)
        assert "/settings/tokens/" in client.get("/settings/").content.decode()
        assert "No keys yet" in client.get("/settings/tokens/").content.decode()
        response = client.post("/settings/tokens/", {"label": "laptop", "tenant": tenant.pk, "days": "90"})
        secret = SECRET.search(response.content.decode())[1]
        assert log_in(secret) == 200
        key = member.api_keys.get()
        assert (key.tenant, AuditEvent.objects.first().organization) == (tenant, org)
        response = client.post(f"/settings/tokens/{key.pk}/rotate/", {"grace": "0"})
        assert log_in(secret) == 401
        assert log_in(SECRET.search(response.content.decode())[1]) == 200
        assert client.post(f"/settings/tokens/{key.pk}/revoke/").url == "/settings/tokens/"
        assert not AccessToken.objects.exists()

    def test_a_key_bound_to_nothing_is_nobodys_business(self, as_user, member):
        as_user(member).post("/settings/tokens/", {"label": "laptop"})
        assert AuditEvent.objects.get().organization is None


class TestTenantPage:
    def test_the_ci_lines_lead_to_service_accounts(self, as_user, org, owner, member):
        tenant = make_tenant(org, "production")
        make_grant(tenant, member, "viewer")
        address = f"/o/{org.slug}/t/production/?connect=ci"
        assert page(org) in as_user(owner).get(address).content.decode()
        shown = as_user(member).get(address).content.decode()
        assert page(org) not in shown and "/settings/tokens/" in shown


class TestScope:
    def test_a_token_of_one_organization(self, as_user, org, owner):
        client = as_user(owner)
        shown = client.get("/settings/tokens/").content.decode()
        assert f'<option value="{org.pk}">Acme AI</option>' in shown
        client.post("/settings/tokens/", {"label": "laptop", "tenant": org.pk})
        key = owner.api_keys.get()
        assert (key.organization, key.tenant) == (org, None)
        row = AuditEvent.objects.get()
        assert (row.organization, row.after["organization"]) == (org, "Acme AI")
        assert '<td data-label="Access to">Acme AI</td>' in client.get("/settings/tokens/").content.decode()

    def test_not_of_an_organization_of_others(self, as_user, owner):
        other = make_org("Globex")
        answer = as_user(owner).post("/settings/tokens/", {"label": "laptop", "tenant": other.pk})
        assert answer.status_code == 422 and not owner.api_keys.exists()

    def test_an_account_is_bound_to_tenants_only(self, as_user, org, owner, robot):
        answer = as_user(owner).post(page(org, robot.membership.pk), {"label": "x", "tenant": org.pk})
        assert answer.status_code == 422 and not robot.api_keys.exists()
