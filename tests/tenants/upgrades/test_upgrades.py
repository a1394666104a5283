"""Newer versions of ZenML for tenants: who is refused what, and what is asked of the agent."""

import pytest
from django.urls import reverse
from factories import make_grant, make_member, make_org, make_tenant

from orgs.audit.models import AuditEvent
from orgs.users.models import Actor
from tenants.models import Tenant
from tenants.upgrades.actions import upgrade
from tenants.upgrades.versions import is_newer, newer_of
from zenpro_site.common.refusals import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(db):
    return make_tenant(make_org(), zenml_version="0.97.0")


@pytest.fixture
def manager(tenant):
    found = make_member(tenant.organization, "member", name="Mia Manager")
    make_grant(tenant, found, "admin")
    return found


@pytest.fixture
def address(client, tenant, manager, settings):
    settings.ZENPRO_ZENML_VERSIONS = ["0.98.0", "0.97.1", "0.97.0", "0.9.9"]
    client.force_login(manager)
    return reverse("tenants:upgrade", args=[tenant.organization.slug, tenant.slug])


def now(tenant):
    return Tenant.objects.get(pk=tenant.pk)


def test_versions_are_compared_as_numbers():
    offered = ["0.9.9", "0.98.0", "0.100.0", "0.98.1rc1", "main"]
    assert newer_of(offered, "0.98.0") == ["0.100.0", "0.98.1rc1"]
    assert not is_newer("0.98.0", "0.98") and not is_newer("latest", "0.98.0")


@pytest.mark.parametrize(
    ("change", "version", "why"),
    [
        ({"kind": "elsewhere", "server_url": "https://zenml.example.org"}, "0.98.0", "where it runs"),
        ({}, "0.97.0", "older version"),
        ({}, "0.96.9", "older version"),
        ({}, "newest", "older version"),
        ({"status": "pending"}, "0.98.0", "being started"),
        ({"status": "not_initialized"}, "0.98.0", "being started"),
    ],
)
def test_refusals_change_nothing(tenant, manager, change, version, why):
    Tenant.objects.filter(pk=tenant.pk).update(**change)
    with pytest.raises(Refused, match=why):
        upgrade(tenant=now(tenant), version=version, by=Actor(manager))
    after = now(tenant)
    assert (after.zenml_version, after.restart_requested_at) == ("0.97.0", None)
    assert not AuditEvent.objects.exists()


def test_one_that_runs_restarts_with_it(tenant, manager):
    upgrade(tenant=tenant, version="0.98.0", by=Actor(manager))
    after = now(tenant)
    assert after.zenml_version == "0.98.0" and after.restart_requested_at
    event = AuditEvent.objects.get()
    assert (event.action, event.before, event.after) == (
        "tenant.upgraded",
        {"version": "0.97.0"},
        {"version": "0.98.0"},
    )


def test_one_that_is_deactivated_waits_for_its_activation(tenant, manager):
    Tenant.objects.filter(pk=tenant.pk).update(status="deactivated", desired_state="deactivated")
    upgrade(tenant=now(tenant), version="0.98.0", by=Actor(manager))
    after = now(tenant)
    assert (after.zenml_version, after.status, after.restart_requested_at) == ("0.98.0", "deactivated", None)


def test_one_that_failed_is_tried_again_with_it(tenant, manager):
    Tenant.objects.filter(pk=tenant.pk).update(status="failed", state_reason="No such version.")
    upgrade(tenant=now(tenant), version="0.98.0", by=Actor(manager))
    after = now(tenant)
    assert (after.zenml_version, after.status, after.state_reason) == ("0.98.0", "pending", "")


def failed_with(tenant, version, *, start="waiting"):
    """It was to have this version; `start`: how far the step of its start came."""
    progress = [{"key": "environment", "state": "failed"}, {"key": "start", "state": start}]
    fields = {"status": "failed", "zenml_version": version, "reported_version": "0.97.0"}
    Tenant.objects.filter(pk=tenant.pk).update(progress=progress, **fields)


@pytest.mark.parametrize("version", ["0.98.0", "0.97.0"])
def test_a_version_that_there_is_not_can_be_taken_back(tenant, manager, version):
    """A slip of the finger would leave it without a server for good."""
    failed_with(tenant, "9.9.9")
    upgrade(tenant=now(tenant), version=version, by=Actor(manager))
    assert (now(tenant).zenml_version, now(tenant).status) == (version, "pending")


@pytest.mark.parametrize(
    ("version", "start"),
    [("0.96.9", "waiting"), ("0.98.0", "waiting"), ("0.97.0", "failed"), ("0.97.0", "done")],
)
def test_a_database_that_another_version_may_have_changed_is_only_brought_forward(
    tenant, manager, version, start
):
    failed_with(tenant, "0.98.0", start=start)
    with pytest.raises(Refused, match="older version"):
        upgrade(tenant=now(tenant), version=version, by=Actor(manager))


def test_the_page_offers_what_can_be_had_instead(client, address, tenant):
    failed_with(tenant, "9.9.9")
    text = client.get(address).content.decode()
    assert '<option value="0.98.0"' in text and '<option value="0.97.0"' in text and '"0.9.9"' not in text
    assert client.post(address, {"version": "0.97.0"}).status_code == 302


def test_what_the_agent_wrote_meanwhile_stays(tenant, manager):
    """The page was asked for while it had failed."""
    Tenant.objects.filter(pk=tenant.pk).update(status="failed", state_reason="No such version.")
    asked_with = now(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(status="available", state_reason="")
    upgrade(tenant=asked_with, version="0.98.0", by=Actor(manager))
    after = now(tenant)
    assert (after.status, after.state_reason, after.is_to_restart) == ("available", "", True)


# -- the page


def test_the_page_offers_only_what_is_newer(client, address):
    text = client.get(address).content.decode()
    assert '<option value="0.98.0"' in text and '<option value="0.97.1"' in text
    assert '<option value="0.97.0"' not in text and '<option value="0.9.9"' not in text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"version": "other"}, "Enter a version."),
        ({"version": "other", "other_version": "0.97.0"}, "newer than 0.97.0"),
        ({"version": "other", "other_version": "newest"}, "as on PyPI"),
        ({"version": "0.9.9"}, "valid choice"),
        ({}, "required"),
    ],
)
def test_what_can_not_be_had_is_said_at_its_field(client, address, tenant, typed, words):
    answer = client.post(address, typed)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert now(tenant).zenml_version == "0.97.0"


@pytest.mark.parametrize("typed", [{"version": "0.98.0"}, {"version": "other", "other_version": "0.98.0"}])
def test_the_page_asks_for_it_and_shows_how_it_goes(client, address, tenant, typed):
    answer = client.post(address, typed)
    assert answer.url == reverse("tenants:progress", args=[tenant.organization.slug, tenant.slug])
    assert now(tenant).zenml_version == "0.98.0"


def test_a_refusal_of_the_moment_is_said_at_the_field(client, address, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(status="pending")
    answer = client.post(address, {"version": "0.98.0"})
    assert answer.status_code == 422 and "is being started" in answer.content.decode()


def test_there_is_no_page_for_a_server_that_someone_else_runs(client, address, tenant):
    Tenant.objects.filter(pk=tenant.pk).update(kind="elsewhere", server_url="https://zenml.example.org")
    assert client.get(address).status_code == 404


def test_the_api_takes_newer_versions_alone(client, address, tenant):
    path = f"/api/v1/organizations/{tenant.organization.slug}/tenants/{tenant.slug}/upgrade"
    refused = client.post(path, {"version": "0.97.0"}, content_type="application/json")
    assert refused.status_code == 422 and "newer than 0.97.0" in refused.content.decode()
    done = client.post(path, {"version": "0.98.0"}, content_type="application/json")
    assert done.status_code == 200 and done.json()["zenml_version"] == "0.98.0"
