"""Who may call at all, and what a key that is bound leaves."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_key, make_member, make_org, make_service_account, make_tenant

from orgs.audit.models import AuditEvent
from tenants.credentials.models import AccessToken

HOUR = timedelta(hours=1)


def organizations(**headers):
    return Client().get("/api/v1/organizations", headers=headers)


class TestSignIn:
    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer ZENPROKEY_x", "Basic eDp5"])
    def test_without_a_key_that_works(self, db, header):
        answer = organizations(**({"Authorization": header} if header else {}))
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="ZenPro"')
        assert answer.json()["detail"].endswith((".", "is."))

    def test_a_wrong_key_is_not_made_good_by_a_session(self, as_user, owner):
        answer = as_user(owner).get("/api/v1/organizations", headers={"Authorization": "Bearer ZENPROKEY_x"})
        assert answer.status_code == 401

    @pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
    def test_a_key_that_ended(self, owner, field):
        key = make_key(owner, **{field: timezone.now() - HOUR})
        assert organizations(Authorization=f"Bearer {key.secret}").status_code == 401

    def test_an_account_that_is_inactive_or_homeless(self, org, owner):
        robot = make_service_account(org)
        key, personal = make_key(robot), make_key(owner)
        robot.membership.delete()
        type(owner).objects.filter(pk=owner.pk).update(is_active=False)
        for one in (key, personal):
            assert organizations(Authorization=f"Bearer {one.secret}").status_code == 401

    def test_tokens_that_servers_of_tenants_get_to_see_open_nothing(self, owner):
        token = AccessToken.objects.issue(kind="user", user=owner, lifetime=HOUR)
        assert organizations(Authorization=f"Bearer {token}").status_code == 401

    def test_its_use_is_noted(self, call_as, owner):
        call = call_as(owner)
        assert call.get("/organizations").status_code == 200
        call.key.refresh_from_db()
        assert call.key.last_used_at

    def test_a_session_needs_its_csrf_token_to_change_something(self, org, owner):
        client = Client(enforce_csrf_checks=True)
        client.force_login(owner)
        path, body = f"/api/v1/organizations/{org.slug}/teams", {"name": "risk"}
        assert client.get(path).status_code == 200
        assert client.post(path, body, content_type="application/json").status_code == 403
        client.cookies["csrftoken"] = token = "x" * 32
        headers = {"X-CSRFToken": token}
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == 201

    def test_nobody_is_told_of_csrf_before_signing_in(self, org):
        client = Client(enforce_csrf_checks=True)
        path = f"/api/v1/organizations/{org.slug}/teams"
        assert client.post(path, {}, content_type="application/json").status_code == 401


class TestRights:
    def test_strangers_cannot_tell_an_organization_from_none(self, call_as, org, outsider):
        call = call_as(outsider)
        names = (org.slug, org.pk, "no-such", "ÄÖ", "a" * 90)
        answers = {
            (one.status_code, one.content) for one in (call.get(f"/organizations/{n}/teams") for n in names)
        }
        assert len(answers) == 1 and answers.pop()[0] == 404

    def test_refusals_come_before_what_was_sent_is_read(self, call_as, org, outsider, viewer):
        assert call_as(outsider).post("teams", nonsense=1).status_code == 404
        assert call_as(viewer).post("teams", nonsense=1).status_code == 403
        row = AuditEvent.objects.get()
        assert (row.action, row.via, row.after["page"]) == ("access.refused", "api", "api:team_list")

    def test_an_organization_that_is_called_like_the_id_of_another(self, call_as, org, owner):
        other = make_org("Other")
        type(other).objects.filter(pk=other.pk).update(slug=str(org.pk))
        assert call_as(owner).get(f"/organizations/{org.pk}").json()["name"] == org.name

    def test_an_organization_that_asks_for_two_factors(self, call_as, org, owner):
        make_grant(make_tenant(org, "production"), owner, "admin")
        robot = make_service_account(org)
        type(org).objects.update(requires_two_factor=True)
        call = call_as(owner)
        refused = call.get("/organizations/" + org.slug)
        assert refused.status_code == 403 and "two-factor" in refused.json()["detail"]
        assert call.get("/tenants").json()["total"] == 0
        assert call.post("/tokens", name="x", organization=str(org.pk)).status_code == 422
        assert call_as(robot).get("/organizations/" + org.slug).status_code == 200

    def test_a_removed_member(self, call_as, org, owner, member):
        call = call_as(member)
        assert call.get("/organizations/" + org.slug).status_code == 200
        member.membership.delete()
        assert call.get("/organizations/" + org.slug).status_code == 404


class TestBoundKeys:
    @pytest.fixture
    def elsewhere(self, owner):
        other = make_org("Globex")
        make_member(other, "admin", user=owner)
        return other

    def test_of_an_organization(self, call_as, org, owner, elsewhere):
        call = call_as(owner, organization=org)
        assert [one["slug"] for one in call.get("/organizations").json()["items"]] == [org.slug]
        assert call.post("teams", name="risk").status_code == 201
        assert call.get(f"/organizations/{elsewhere.slug}").status_code == 404
        assert call("POST", f"/organizations/{elsewhere.slug}/teams", name="x").status_code == 404
        assert not elsewhere.teams.exists()

    def test_of_a_tenant(self, call_as, org, owner, elsewhere):
        tenant, other = make_tenant(org, "production"), make_tenant(org, "staging")
        make_grant(tenant, owner, "admin")
        call = call_as(owner, tenant=tenant)
        assert [one["slug"] for one in call.get("/organizations").json()["items"]] == [org.slug]
        assert call.get(f"/organizations/{elsewhere.slug}").status_code == 404
        refused = call.post("teams", name="risk")
        assert (
            refused.status_code == 403
            and refused.json()["detail"] == "This key only gives access to the tenant production."
        )
        assert AuditEvent.objects.get().outcome == "refused"
        assert not org.teams.exists()
        assert other

    def test_of_a_superuser(self, call_as, org, superuser):
        assert call_as(superuser).post("/organizations", name="New", slug="new-one").status_code == 201
        for scope in ({"organization": org}, {"tenant": make_tenant(org)}):
            answer = call_as(superuser, **scope).post("/organizations", name="More", slug="more")
            assert answer.status_code == 403
