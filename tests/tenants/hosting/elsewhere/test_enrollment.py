"""From an address and a version to green, and every way on which it can go wrong."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from factories import make_grant, make_member, make_role, make_tenant

from orgs.audit.models import AuditEvent
from orgs.permissions import Permission
from orgs.users.models import Actor
from tenants.hosting.actions import request_restart
from tenants.hosting.backends import spec_of
from tenants.hosting.elsewhere.actions import correct, enroll
from tenants.hosting.elsewhere.diagnosis import checks_of
from tenants.hosting.elsewhere.models import Enrollment
from tenants.hosting.elsewhere.server import environment_block
from tenants.models import Tenant
from zenpro_site.common.refusals import Refused

Status, Desired = Tenant.Status, Tenant.DesiredState
FORM = {
    "name": "Theirs",
    "slug": "theirs",
    "version": "0.98.0",
    "access-TOTAL_FORMS": 0,
    "access-INITIAL_FORMS": 0,
}


def block_of(tenant):
    return environment_block(spec_of(tenant))


def states(tenant):
    return {check.key: check.state for check in checks_of(tenant)}


def only_failure(tenant):
    (failed,) = [check for check in checks_of(tenant) if check.state == "failed"]
    return failed


def want(tenant, state):
    deleted = timezone.now() if state == Desired.DELETED else None
    Tenant.objects.filter(pk=tenant.pk).update(desired_state=state, deleted_at=deleted)


# -- what goes wrong


def test_never_called(tenant, agent):
    tenant = agent(tenant)
    assert tenant.status == Status.PENDING
    assert tenant.state_reason == "The server has not called ZenPro yet."
    assert states(tenant) == {
        "call": "now",
        "secret": "waiting",
        "address": "waiting",
        "answer": "waiting",
        "version": "waiting",
    }
    assert "does not run with the lines of this tenant" in checks_of(tenant)[3].text


def test_wrong_secret(tenant, server, agent):
    assert server.start(block_of(tenant), ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET="half of it") == 401
    tenant = agent(tenant)
    assert only_failure(tenant).key == "secret"
    assert "ZENML_SERVER_PRO_OAUTH2_CLIENT_SECRET" in only_failure(tenant).step
    assert (tenant.status, tenant.state_reason) == (Status.PENDING, only_failure(tenant).text)
    assert server.start(block_of(tenant)) == 200
    assert agent(tenant).status == Status.AVAILABLE


def test_wrong_address(tenant, server, agent, owner):
    assert server.start(block_of(tenant), ZENML_SERVER_SERVER_URL="https://zenml.internal") == 200
    tenant = agent(tenant)
    assert tenant.status == Status.PENDING
    assert only_failure(tenant).text == (
        f"The server says its address is https://zenml.internal. You entered {server.url}."
    )


def test_address_that_cannot_be_reached(org, owner, server, agent):
    tenant = enroll(
        org=org, name="x", slug="x", version="0.98.0", server_url="http://127.0.0.1:9", by=Actor(owner)
    )
    assert server.start(block_of(tenant)) == 200
    tenant = agent(tenant)
    assert only_failure(tenant).text == "http://127.0.0.1:9 cannot be reached: nothing is listening there."
    correct(tenant=tenant, server_url=server.url, version="0.98.0", by=Actor(owner))
    assert server.start(block_of(tenant)) == 200
    assert agent(tenant).status == Status.AVAILABLE


def test_wrong_version(tenant, server, agent, owner):
    assert server.start(block_of(tenant), version="0.85.0") == 200
    tenant = agent(tenant)
    assert only_failure(tenant).text == "The server runs ZenML 0.85.0. You entered 0.98.0."
    assert tenant.status == Status.PENDING
    correct(tenant=tenant, server_url=server.url, version="0.85.0", by=Actor(owner))
    assert agent(tenant).status == Status.AVAILABLE


def test_something_else_answers(tenant, server, agent):
    server.start(block_of(tenant))
    server.environment = {}
    tenant = agent(tenant)
    assert only_failure(tenant).key == "answer"
    assert "does not run with the lines of this tenant" in only_failure(tenant).text


# -- green, and afterwards


def test_all_is_right(tenant, server, agent, hosting):
    assert server.start(block_of(tenant)) == 200
    tenant = agent(tenant)
    assert (tenant.status, tenant.state_reason) == (Status.AVAILABLE, "")
    assert set(states(tenant).values()) == {"done"}
    assert tenant.available_since
    assert str(tenant.project_id) == "11111111-1111-4111-8111-111111111111"
    assert hosting.calls == []


def test_a_stranger_with_a_wrong_secret_changes_nothing(tenant, server, agent, client):
    server.start(block_of(tenant))
    form = {"grant_type": "client_credentials", "client_id": str(tenant.pk), "client_secret": "guessed"}
    assert client.post("/api/auth/login", form).status_code == 401
    tenant = agent(tenant)
    assert tenant.status == Status.AVAILABLE
    assert states(tenant)["secret"] == "failed"


def test_an_upgrade_of_a_server_that_is_well_changes_nothing(tenant, server, agent):
    server.start(block_of(tenant))
    agent(tenant)
    server.start(block_of(tenant), version="0.99.0")
    assert agent(tenant).status == Status.AVAILABLE


def test_no_answer_for_a_while_is_a_failure_and_ends_by_itself(tenant, server, agent):
    server.start(block_of(tenant))
    agent(tenant)
    server.up = False
    assert agent(tenant).status == Status.AVAILABLE, "Once may be chance."
    Enrollment.objects.update(answered_at=timezone.now() - timedelta(seconds=31))
    tenant = agent(tenant)
    assert (tenant.status, tenant.state_reason) == (Status.FAILED, f"{server.url} answers with status 503.")
    server.up = True
    assert agent(tenant).status == Status.AVAILABLE


def test_deactivated_nobody_gets_in_and_nothing_is_stopped(tenant, server, agent, hosting):
    block = block_of(tenant)
    server.start(block)
    agent(tenant)
    want(tenant, Desired.DEACTIVATED)
    assert agent(tenant).status == Status.DEACTIVATED
    assert server.start(block) == 401
    assert Enrollment.objects.get().refused_at is None, "It has the right secret."
    want(tenant, Desired.AVAILABLE)
    server.start(block)
    assert agent(tenant).status == Status.AVAILABLE
    assert hosting.calls == []


def test_deleting_removes_our_rows_only(tenant, server, agent, hosting):
    server.start(block_of(tenant))
    agent(tenant)
    want(tenant, Desired.DELETED)
    assert agent(tenant).status == Status.DELETED
    assert hosting.calls == []


def test_what_is_deleted_is_never_looked_at_again(tenant, agent):
    want(tenant, Desired.DELETED)
    assert agent(tenant).retired_at


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wish", [Desired.DEACTIVATED, Desired.DELETED])
def test_a_tick_ends_what_failed_and_is_no_longer_wanted(tenant, agent, wish):
    loop = agent.__closure__[0].cell_contents
    want(tenant, wish)
    Tenant.objects.filter(pk=tenant.pk).update(status=Status.FAILED)
    loop.tick()
    loop.looks.shutdown(wait=True)
    assert Tenant.objects.get(pk=tenant.pk).status == wish


def test_it_is_not_restarted_from_here(tenant, owner, server, agent):
    server.start(block_of(tenant))
    with pytest.raises(Refused, match="Someone else runs the server of theirs"):
        request_restart(tenant=agent(tenant), by=Actor(owner))


@pytest.mark.django_db(transaction=True)
def test_a_tick_looks_seldom_at_a_server_that_never_called(tenant, hosting, agent):
    loop = agent.__closure__[0].cell_contents
    for _ in range(3):
        loop.tick()
    loop.looks.shutdown(wait=True)
    assert Enrollment.objects.get().looked_at
    assert Tenant.objects.get(pk=tenant.pk).status == Status.PENDING


# -- pages


def test_from_the_form_to_the_block(as_user, org, owner):
    elsewhere = {**FORM, "where": "elsewhere"}
    refused = as_user(owner).post(f"/o/{org.slug}/t/new/", elsewhere)
    assert (refused.status_code, Tenant.objects.count()) == (422, 0)
    assert "Enter the address of the server." in refused.content.decode()
    made = {**elsewhere, "server_url": "HTTPS://ZenML.Example.org/"}
    page = as_user(owner).post(f"/o/{org.slug}/t/new/", made, follow=True)
    tenant = Tenant.objects.get()
    assert (tenant.server_url, tenant.port) == ("https://zenml.example.org", None)
    assert page.redirect_chain[-1][0] == f"/o/{org.slug}/t/theirs/server/"
    assert block_of(tenant) in page.context["environment"]
    assert "no-store" in page["Cache-Control"]
    row = AuditEvent.objects.get(action="tenant.created")
    assert row.after["address"] == "https://zenml.example.org"


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example", "https://user:pw@x.example", "https://x.example/?a=1", "javascript:alert(1)", "x y"],
)
def test_odd_addresses(as_user, org, owner, url):
    response = as_user(owner).post(f"/o/{org.slug}/t/new/", {**FORM, "where": "elsewhere", "server_url": url})
    assert (response.status_code, Tenant.objects.count()) == (422, 0)


class TestWhoEnrolls:
    """Only Admins of the organization: whoever runs the server gets what people do in it."""

    WORDS = {"name": "x", "slug": "x", "version": "0.98.0", "server_url": "https://x.example"}

    @pytest.fixture
    def recruiter(self, org):
        """Everything but to manage all tenants."""
        rights = {str(right) for right in Permission} - {str(Permission.TENANT_MANAGE_ALL)}
        return make_member(org, make_role(org, "Nearly", level="organization", rights=rights).slug)

    def test_nobody_else_by_any_way(self, org, editor, recruiter, viewer, outsider, as_user):
        form = {**FORM, "where": "elsewhere", "server_url": "https://x.example"}
        api = f"/api/v1/organizations/{org.slug}/tenants"
        for person in (editor, recruiter, viewer, outsider):
            with pytest.raises(Refused, match="Only Admins of Acme AI can connect"):
                enroll(org=org, by=Actor(person), **self.WORDS)
            assert as_user(person).post(f"/o/{org.slug}/t/new/", form).status_code in (403, 404)
            answer = as_user(person).post(api, self.WORDS, content_type="application/json")
            assert answer.status_code in (403, 404), answer.content
        assert not Tenant.objects.exists()
        assert not AuditEvent.objects.filter(action="tenant.created").exists()

    def test_an_editor_still_makes_tenants_here_and_is_not_offered_the_other(
        self, org, editor, owner, as_user
    ):
        page = as_user(editor).get(f"/o/{org.slug}/t/new/").content.decode()
        assert 'value="elsewhere"' not in page
        assert as_user(editor).post(f"/o/{org.slug}/t/new/", FORM).status_code == 302
        assert 'value="elsewhere"' in as_user(owner).get(f"/o/{org.slug}/t/new/").content.decode()

    def test_a_superuser_may(self, org, superuser):
        assert enroll(org=org, by=Actor(superuser), **self.WORDS).is_elsewhere

    def test_nor_does_anybody_else_send_it_to_another_server(self, org, tenant, server, as_user):
        admin_there = make_member(org, "editor")
        make_grant(tenant, admin_there, "admin")
        with pytest.raises(Refused, match="Only Admins of Acme AI can connect"):
            correct(tenant=tenant, server_url="https://evil.example", version="0.98.0", by=Actor(admin_there))
        form = {"server_url": "https://evil.example", "version": "0.98.0"}
        path = f"/o/{org.slug}/t/theirs/server/"
        assert as_user(admin_there).post(f"{path}correct/", form).status_code == 403
        assert Tenant.objects.get().server_url == server.url
        page = as_user(admin_there).get(path).content.decode()
        assert f"{path}correct/" not in page and "ZENML_SERVER_PRO_API_URL" in page

    def test_the_pages_say_what_is_trusted(self, org, tenant, owner, as_user):
        for path in (f"/o/{org.slug}/t/new/", f"/o/{org.slug}/t/theirs/server/"):
            page = as_user(owner).get(path).content.decode()
            assert "can see everything in it" in page and "opens this tenant and nothing else" in page, path


def test_two_tenants_do_not_share_an_address(org, owner, tenant, server):
    with pytest.raises(Refused, match="Another tenant of Acme AI already has the address"):
        enroll(org=org, name="b", slug="b", version="0.98.0", server_url=server.url, by=Actor(owner))
    other = make_tenant(org, server_url="https://other.example")
    with pytest.raises(Refused):
        correct(tenant=tenant, server_url=other.server_url, version="0.98.0", by=Actor(owner))


def test_secrets_are_shown_to_those_who_may_change_the_tenant(as_user, org, tenant, owner):
    path, secret = f"/o/{org.slug}/t/theirs/server/", tenant.opened_secrets()["oauth_secret"]
    person = make_member(org)
    make_grant(tenant, person, "developer")
    page = as_user(person).get(path)
    assert page.status_code == 200
    assert secret not in page.content.decode()
    assert as_user(person).post(f"{path}correct/", {}).status_code == 403
    assert secret in as_user(owner).get(path).content.decode()


def test_the_page_asks_again_until_it_is_green(as_user, org, tenant, owner, server, agent):
    path, polls = f"/o/{org.slug}/t/theirs/server/", {"HX-Request": "true", "HX-Target": "enrollment"}
    before = as_user(owner).get(path, headers=polls).content.decode()
    assert "every 2s" in before and tenant.opened_secrets()["oauth_secret"] not in before
    server.start(block_of(tenant))
    agent(tenant)
    after = as_user(owner).get(path, headers=polls).content.decode()
    assert "every 2s" not in after and f"zenml login {server.url}" in after


def test_what_the_server_says_can_be_taken_over(as_user, org, tenant, owner, server, agent):
    server.start(block_of(tenant), version="0.97.0")
    agent(tenant)
    path = f"/o/{org.slug}/t/theirs/server/"
    assert "Use 0.97.0" in as_user(owner).get(path).content.decode()
    as_user(owner).post(f"{path}correct/", {"server_url": server.url, "version": "0.97.0"})
    assert agent(tenant).status == Status.AVAILABLE
    assert AuditEvent.objects.first().after == {"address": server.url, "version": "0.97.0"}


def test_pages_of_the_tenant_lead_there(as_user, org, tenant, owner):
    base = f"/o/{org.slug}/t/theirs/"
    assert as_user(owner).get(f"{base}progress/").url == f"{base}server/"
    for page in ("", "settings/"):
        text = as_user(owner).get(base + page).content.decode()
        assert f"{base}server/" in text and "Restart" not in text
    assert as_user(owner).get(f"/o/{org.slug}/t/{make_tenant(org).slug}/server/").status_code == 302


def test_the_tenants_page_teaches_to_sign_in_and_what_ci_needs(as_user, org, tenant, owner, server):
    base = f"/o/{org.slug}/t/theirs/"
    cli = as_user(owner).get(base).context["shown"].text
    assert f"zenml login {server.url}" in cli.splitlines()
    page = as_user(owner).get(f"{base}?connect=ci")
    wanted = [
        f"ZENML_STORE_URL={server.url}",
        "ZENML_STORE_API_KEY=ZENPROKEY_…",
        f"ZENML_PRO_API_URL={settings.ZENPRO_API_URL}/elsewhere/{tenant.pk}",
    ]
    assert set(wanted) <= set(page.context["shown"].text.splitlines())
    assert all(f"{line}\n" in page.content.decode() for line in wanted)
    assert 'data-copy="ZENML_PRO_API_URL=' in page.content.decode()
