"""`zenml login` as the client speaks it, without the client; with it: tests/journey/test_cli.py."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from factories import make_grant, make_member, make_org, make_tenant, make_user

from tenants.credentials.models import AccessToken, DeviceLogin, hash_token

AGENT = "Host/ada-mbp.local ZenML/0.98.0 Python/3.11.9 OS/Darwin"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def tenant(org):
    return make_tenant(org, "production")


@pytest.fixture
def person(org, tenant):
    person = make_member(org, name="Dana Petrova")
    make_grant(tenant, person, "developer")
    return person


@pytest.fixture
def asked(client, db):
    """What a computer that asked knows: its client id and our answer."""
    client_id = str(uuid4())
    answer = client.post(
        "/api/auth/device_authorization", {"client_id": client_id}, headers={"User-Agent": AGENT}
    )
    assert answer.status_code == 200
    return {"client_id": client_id, **answer.json()}


def poll(asked, **other):
    form = {"grant_type": DEVICE_CODE, "client_id": asked["client_id"], "device_code": asked["device_code"]}
    return Client().post("/api/auth/login", {**form, **other})


def page_of(asked) -> str:
    return asked["verification_uri_complete"].partition("8000")[2]


def answer(client, asked, **data):
    login = DeviceLogin.objects.get(user_code=asked["user_code"])
    return client.post("/devices/verify", {"device_id": login.pk, "user_code": asked["user_code"], **data})


def token_for(person, **fields) -> str:
    kind = AccessToken.Kind.USER
    return AccessToken.objects.issue(kind=kind, user=person, lifetime=timedelta(hours=1), **fields)


def api(path: str, token: str, **query):
    return Client().get(f"/api/{path}", query, headers={"Authorization": f"Bearer {token}"})


class TestAsking:
    @pytest.mark.parametrize("client_id", ["", "not-a-uuid"])
    def test_without_a_client_id_nothing_is_made(self, client, db, client_id):
        assert client.post("/api/auth/device_authorization", {"client_id": client_id}).status_code == 400
        assert not DeviceLogin.objects.exists()

    def test_one_address_cannot_fill_the_table(self, client, db):
        answers = [
            client.post("/api/auth/device_authorization", {"client_id": str(uuid4())}).status_code
            for _ in range(22)
        ]
        assert answers == [200] * 20 + [400] * 2

    def test_the_answer_has_what_the_client_needs(self, asked, settings):
        assert asked["expires_in"] == 600
        assert asked["interval"] >= 1
        assert asked["verification_uri_complete"].startswith(settings.ZENPRO_URL + "/devices/verify?")

    def test_codes_are_not_stored_in_clear(self, asked):
        login = DeviceLogin.objects.get()
        assert login.device_code_hash == hash_token(asked["device_code"])
        assert (login.host, login.system, login.zenml_version) == ("ada-mbp.local", "Darwin", "0.98.0")


class TestFromAnotherAddress:
    """A server somebody signs in to can ask for a code in their name, and show them our page as its own."""

    @pytest.fixture
    def far(self, asked):
        DeviceLogin.objects.update(ip="203.0.113.7")
        return asked

    def test_approving_takes_a_second_look(self, far, as_user, person, tenant):
        page = as_user(person).get(page_of(far)).content.decode()
        assert "The request came from 203.0.113.7" in page
        refused = answer(as_user(person), far, answer="approve", tenant=tenant.pk)
        assert refused.status_code == 422
        assert "Only approve a computer that you know" in refused.content.decode()
        assert poll(far).json()["error"] == "authorization_pending"
        assert answer(as_user(person), far, answer="approve", tenant=tenant.pk, sure="on").status_code == 200
        assert AccessToken.objects.count() == 0 and poll(far).status_code == 200

    def test_denying_does_not(self, far, as_user, person):
        assert answer(as_user(person), far, answer="deny").status_code == 200
        assert poll(far).json()["error"] == "access_denied"

    def test_nor_does_the_address_of_the_browser(self, asked, as_user, person, tenant):
        assert 'name="sure"' not in as_user(person).get(page_of(asked)).content.decode()


class TestTheList:
    """`zenml server list` asks for 20 tenants and never for the next 20."""

    @pytest.fixture
    def many(self, org, person):
        for number in range(24):
            make_grant(make_tenant(org, f"tenant-{number:02}"), person)
        return token_for(person)

    def listed(self, token, headers=None, **query):
        headers = {"Authorization": f"Bearer {token}"} | (headers or {})
        return Client().get("/api/workspaces", query, headers=headers).json()

    def test_the_client_gets_all_of_them(self, many, django_assert_max_num_queries):
        asked = {"offset": 0, "limit": 20, "member_only": "True"}
        with django_assert_max_num_queries(5):
            found = self.listed(many, {"source-context": "cli"}, **asked)
        assert len({one["id"] for one in found}) == len(found) == 25

    def test_programs_get_pages(self, many):
        pages = [self.listed(many, offset=offset, limit=20) for offset in (0, 20)]
        assert [len(page) for page in pages] == [20, 5]
        assert len(self.listed(many, {"source-context": "cli"}, offset=0, limit=7)) == 7
        assert len(self.listed(many, {"source-context": "cli"}, offset=20, limit=20)) == 5


class TestPolling:
    def test_nobody_answered_yet(self, asked):
        refused = poll(asked)
        assert refused.status_code == 400
        assert refused.json()["error"] == "authorization_pending"

    def test_asking_too_often_is_told_and_never_429(self, asked):
        assert [poll(asked).json()["error"] for _ in range(2)] == ["authorization_pending", "slow_down"]

    def test_another_client_cannot_collect(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk)
        assert poll(asked, client_id=str(uuid4())).json()["error"] == "expired_token"

    def test_an_old_request_ends(self, asked):
        DeviceLogin.objects.update(expires_at=timezone.now())
        assert poll(asked).json()["error"] == "expired_token"

    def test_denied(self, asked, as_user, person):
        assert answer(as_user(person), asked, answer="deny").status_code == 200
        assert poll(asked).json()["error"] == "access_denied"
        assert not AccessToken.objects.exists()

    def test_approved_once_with_the_tenant(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk)
        body = poll(asked).json()
        assert body["device_metadata"]["tenant_id"] == str(tenant.pk)
        assert body["expires_in"] == 24 * 3600
        assert AccessToken.objects.valid(body["access_token"]).get().user == person
        assert poll(asked).json()["error"] == "expired_token"

    def test_a_trusted_device_stays_longer(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk, trusted="on")
        assert poll(asked).json()["expires_in"] == 30 * 24 * 3600

    def test_a_person_deactivated_meanwhile_gets_no_token(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk)
        type(person).objects.filter(pk=person.pk).update(is_active=False)
        assert poll(asked).json()["error"] == "expired_token"
        assert not AccessToken.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_ten_computers_with_the_same_code_get_one_token(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk)
        statuses = []

        def collect():
            statuses.append(poll(asked).status_code)
            connection.close()

        threads = [threading.Thread(target=collect) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses.count(200) == 1
        assert AccessToken.objects.filter(user=person).count() == 1


class TestAnswering:
    def test_a_stranger_signs_in_first(self, client, asked):
        assert client.get(page_of(asked)).url.startswith("/accounts/login/?next=/devices/verify")

    @pytest.mark.parametrize("code", ["", "AAAA-AAAA"])
    def test_a_wrong_code_shows_nothing(self, asked, as_user, person, code):
        login = DeviceLogin.objects.get()
        response = as_user(person).get("/devices/verify", {"device_id": login.pk, "user_code": code})
        assert response.status_code == 404
        assert "ada-mbp" not in response.content.decode()

    def test_looking_answers_nothing(self, asked, as_user, person):
        response = as_user(person).get(page_of(asked))
        assert "ada-mbp.local" in response.content.decode()
        assert DeviceLogin.objects.get().state == "pending"

    def test_a_tenant_of_others_is_refused(self, asked, as_user, person):
        foreign = make_tenant(make_org())
        assert answer(as_user(person), asked, answer="approve", tenant=foreign.pk).status_code == 422
        assert DeviceLogin.objects.get().state == "pending"

    def test_a_tenant_is_needed(self, asked, as_user, person):
        assert answer(as_user(person), asked, answer="approve").status_code == 422
        assert DeviceLogin.objects.get().state == "pending"

    def test_an_admin_without_a_role_cannot_pick_the_tenant(self, asked, as_user, owner, tenant):
        assert answer(as_user(owner), asked, answer="approve", tenant=tenant.pk).status_code == 422
        assert DeviceLogin.objects.get().state == "pending"

    def test_an_answer_counts_once(self, asked, as_user, person, tenant):
        client = as_user(person)
        answer(client, asked, answer="deny")
        assert answer(client, asked, answer="approve", tenant=tenant.pk).status_code == 404
        assert DeviceLogin.objects.get().state == "denied"

    def test_the_hint_chooses_the_tenant(self, asked, as_user, person, org, tenant):
        other = make_tenant(org, "staging")
        make_grant(other, person, "viewer")
        page = as_user(person).get(page_of(asked), {"workspace": other.workspace_name} | query_of(asked))
        assert [one["tenant"] for one in page.context["form"].options() if one["chosen"]] == [other]


def query_of(asked) -> dict:
    pairs = page_of(asked).partition("?")[2].split("&")
    return dict(pair.split("=") for pair in pairs)


class TestDevices:
    @pytest.fixture
    def signed_in(self, asked, as_user, person, tenant):
        answer(as_user(person), asked, answer="approve", tenant=tenant.pk)
        return poll(asked).json()["access_token"]

    def test_somebody_elses_device_cannot_be_ended(self, signed_in, as_user, org):
        device = DeviceLogin.objects.get()
        other = make_member(org)
        assert as_user(other).post(f"/settings/devices/{device.pk}/sign-out/").status_code == 404
        assert AccessToken.objects.valid(signed_in).exists()

    def test_signing_out_ends_the_token_at_once(self, signed_in, as_user, person):
        client = as_user(person)
        assert "ada-mbp.local" in client.get("/settings/devices/").content.decode()
        client.post(f"/settings/devices/{DeviceLogin.objects.get().pk}/sign-out/")
        assert api("workspaces", signed_in).status_code == 401
        assert not client.get("/settings/devices/").context["devices"]

    def test_use_is_noted(self, signed_in):
        api("workspaces", signed_in)
        assert AccessToken.objects.get().last_used_at


class TestLists:
    def test_without_a_token(self, db):
        assert api("workspaces", "nonsense").status_code == 401

    def test_tenants_of_others_are_not_there(self, person, tenant):
        foreign = make_tenant(make_org())
        token = token_for(person)
        assert [one["id"] for one in api("workspaces", token).json()] == [str(tenant.pk)]
        assert api(f"workspaces/{foreign.pk}", token).status_code == 404

    def test_an_admin_without_role_sees_it_only_when_not_member_only(self, owner, tenant):
        token = token_for(owner)
        assert len(api("workspaces", token).json()) == 1
        assert api("workspaces", token, member_only="True").json() == []

    @pytest.mark.parametrize("tail", ["", "/"])
    def test_by_address_with_and_without_slash(self, person, tenant, tail):
        found = api("workspaces", token_for(person), url=tenant.server_url + tail).json()
        assert [one["name"] for one in found] == [tenant.workspace_name]

    def test_by_name_under_both_words(self, person, tenant):
        token = token_for(person)
        for path, name in (("workspaces", "workspace_name"), ("tenants", "tenant_name")):
            assert len(api(path, token, **{name: tenant.workspace_name}).json()) == 1
            assert api(path, token, **{name: "other"}).json() == []

    def test_one_has_every_key_the_client_reads(self, person, tenant):
        body = api(f"workspaces/{tenant.pk}", token_for(person)).json()
        assert set(body) == {
            "id",
            "name",
            "description",
            "organization",
            "desired_state",
            "state_reason",
            "status",
            "zenml_service",
        }
        assert body["zenml_service"]["status"]["server_url"] == tenant.server_url

    def test_a_role_that_expired_shows_nothing(self, org, tenant):
        person = make_member(org)
        make_grant(tenant, person, "viewer", expires_at=timezone.now() - timedelta(seconds=1))
        assert api("workspaces", token_for(person)).json() == []

    @pytest.mark.parametrize("query", [{"limit": "x"}, {"offset": "-1"}, {"organization_id": "x"}])
    def test_odd_questions_are_refused(self, person, query):
        assert api("workspaces", token_for(person), **query).status_code == 422

    def test_organizations(self, person, org):
        token = token_for(person)
        assert [one["id"] for one in api("organizations", token).json()] == [str(org.pk)]
        assert api(f"organizations/{org.slug}", token).json()["id"] == str(org.pk)
        assert api(f"organizations/{org.pk}", token).json()["name"] == org.slug
        assert api(f"organizations/{make_org().pk}", token).status_code == 404

    def test_a_superuser_sees_all(self, tenant):
        root = make_user(superuser=True)
        assert len(api("workspaces", token_for(root), member_only="True").json()) == 1


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        (
            {"system": "Darwin", "zenml_version": "0.98.0", "ip": "192.0.2.1"},
            "Darwin, ZenML 0.98.0, from 192.0.2.1",
        ),
        ({"system": "Darwin"}, "Darwin"),
        ({"ip": "192.0.2.1"}, "from 192.0.2.1"),
        ({}, ""),
    ],
)
def test_the_list_of_devices_shows_only_what_is_known(as_user, person, tenant, known, shown):
    device = DeviceLogin.objects.create(
        client_id=uuid4(), user=person, tenant=tenant, state="collected", expires_at=timezone.now(), **known
    )
    token_for(person, device=device)
    page = as_user(person).get("/settings/devices/").content.decode()
    assert device.details == shown
    assert "None" not in page and "ZenML ," not in page
    lines = [line.partition("<")[0] for line in page.split('<span class="sub-line">')[1:]]
    assert ([] if not shown else [shown]) == lines[:-1]
    assert "Signed in to production" in lines[-1]
